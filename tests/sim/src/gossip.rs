//! One process's gossip: the engine that ships, and what of it was passed on already.

use e2d_core::id::{BootId, LineageId, NodeId, Nonce};
use e2d_core::time::Moment;
use e2d_core::word::Word;
use e2d_gossip::{Engine, Event, Input, Keyring, Peer, PeerStatus, Send, Settings, SettingsError, State, Timing};
use std::collections::BTreeMap;

/// The topic of a node's word.
pub const WORD: u8 = 1;
/// The topic of its lineage copy.
pub const COPY: u8 = 2;

/// What has to be done after an input.
pub struct Output {
    /// Packets to send.
    pub sends: Vec<Send>,
    /// What happened.
    pub events: Vec<Event>,
    /// When to tick, by the process's clock, if that is news.
    pub wake: Option<Moment>,
}

/// The gossip of a process.
pub struct Gossip {
    engine: Engine,
    wake: Option<Moment>,
    heard: BTreeMap<(NodeId, u8), (BootId, u64)>,
    /// The word that is told.
    pub word: Option<Word>,
    /// Which lineage copy is told.
    pub copy: Option<(LineageId, u64, Nonce)>,
}

impl Gossip {
    /// The gossip of a process that has just learned who it is.
    ///
    /// # Errors
    /// The engine's own; see there.
    pub fn new(me: Peer, keys: Keyring, now: Moment, seed: u64) -> Result<Self, SettingsError> {
        let settings = Settings { node: me.node, boot: me.boot, addr: me.addr, keys, timing: Timing::default() };
        let engine = Engine::new(settings, now, seed)?;
        Ok(Self { engine, wake: None, heard: BTreeMap::new(), word: None, copy: None })
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Moment, input: Input) -> Output {
        let out = self.engine.handle(now, input);
        let wake = out.wake_at.filter(|at| self.wake.is_none_or(|due| *at < due));
        self.wake = wake.or(self.wake);
        Output { sends: out.sends, events: out.events, wake }
    }

    /// Whether a tick that was asked for is still due; it is not due again.
    pub fn is_due(&mut self, now: Moment) -> bool {
        let due = self.wake.is_some_and(|wake| wake <= now);
        if due {
            self.wake = None;
        }
        due
    }

    /// The other nodes, by node: of two machines with one node id the one heard last.
    #[must_use]
    pub fn peers(&self) -> BTreeMap<NodeId, PeerStatus> {
        let me = self.engine.me().node;
        let rank = |status: &PeerStatus| (status.state != State::Down, status.last_heard);
        let mut peers: BTreeMap<NodeId, PeerStatus> = BTreeMap::new();
        for status in self.engine.peers().filter(|status| status.peer.node != me) {
            let known = peers.entry(status.peer.node).or_insert(status);
            if rank(&status) > rank(known) {
                *known = status;
            }
        }
        peers
    }

    /// What a process said on a topic, if it was not asked for before.
    pub fn news(&mut self, peer: Peer, topic: u8) -> Option<bytes::Bytes> {
        let item = self.engine.item(peer.node, topic).filter(|item| item.boot == peer.boot)?;
        let version = (item.boot, item.counter);
        let known = self.heard.insert((peer.node, topic), version);
        (known != Some(version)).then_some(item.body)
    }

    /// A node that is no peer any more is to be heard anew if it returns.
    pub fn forget(&mut self, node: NodeId) {
        self.heard.retain(|(origin, _), _| *origin != node);
    }

    /// How often a peer was held for dead that was not.
    #[must_use]
    pub fn false_suspicions(&self) -> u64 {
        self.engine.counters().false_suspicions
    }
}
