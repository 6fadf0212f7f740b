//! What gossip knows at one moment, for callers that look when they have time.

use crate::counters::Counters;
use crate::engine::Engine;
use crate::event::Event;
use crate::identity::Peer;
use crate::items::Item;
use crate::peers::PeerStatus;
use e2d_core::time::Moment;

/// How many replacements, and how many clones, are remembered.
const MAX_REMEMBERED: usize = 64;

/// A snapshot. Missing one loses nothing: the next tells the same and more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// When it was taken.
    pub at: Moment,
    /// Who we are.
    pub me: Peer,
    /// All peers but ourselves, by address.
    pub peers: Vec<PeerStatus>,
    /// The latest word of each node on each topic, our own included.
    pub items: Vec<Item>,
    /// The latest replacements of one process by another at the same address, oldest first.
    pub replaced: Vec<(Peer, Peer)>,
    /// Pairs of processes that claimed to be the same node at the same time, oldest first.
    pub cloned: Vec<(Peer, Peer)>,
    /// What was counted.
    pub counters: Counters,
    /// What the shell counted.
    pub shell: ShellCounters,
}

/// What the shell dropped since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShellCounters {
    /// Datagrams that the system would not take.
    pub unsent_datagrams: u64,
    /// Frames for which too many connections were open.
    pub unsent_frames: u64,
    /// Questions that the caller did not take in time.
    pub untaken_questions: u64,
}

impl View {
    pub(super) fn of(engine: &Engine, now: Moment) -> Self {
        Self {
            at: now,
            me: engine.me(),
            peers: engine.peers().collect(),
            items: engine.items().collect(),
            replaced: Vec::new(),
            cloned: Vec::new(),
            counters: engine.counters().clone(),
            shell: ShellCounters::default(),
        }
    }
}

/// What is told once, kept for those who look later.
#[derive(Default)]
pub(super) struct Remembered {
    replaced: Vec<(Peer, Peer)>,
    cloned: Vec<(Peer, Peer)>,
}

impl Remembered {
    pub(super) fn note(&mut self, event: &Event) {
        let (list, pair) = match event {
            Event::Replaced { old, new } => (&mut self.replaced, (*old, *new)),
            Event::Cloned { one, other } => (&mut self.cloned, (*one, *other)),
            _ => return,
        };
        if list.len() == MAX_REMEMBERED {
            list.remove(0);
        }
        list.push(pair);
    }

    pub(super) fn view(&self, engine: &Engine, now: Moment, shell: ShellCounters) -> View {
        View { replaced: self.replaced.clone(), cloned: self.cloned.clone(), shell, ..View::of(engine, now) }
    }
}
