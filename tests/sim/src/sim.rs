//! The world: machines, their network, the store, and the one queue in which everything happens.
//!
//! Nothing in it reads a clock or any randomness but the seed's, so one seed is one story. Each process
//! has a monotonic clock of its own that began somewhere else; a wall clock that is wrong cannot be
//! shown here, because the core never sees one.

pub mod planner;
pub mod power;
pub mod quorums;
pub mod watch;
pub mod wire;

use crate::acts::Step;
use crate::faults::Fault;
use crate::faults::stories::Story;
use crate::host::{Host, Volume};
use crate::ledger::Ledger;
use crate::network::Network;
use crate::queue::Queue;
use crate::setup::{Begin, Setup, Sharing};
use crate::store::Store;
use e2d_core::id::BootId;
use e2d_core::interview::Testimony;
use e2d_core::observe::{StoreView, Trouble};
use e2d_core::time::Moment;
use e2d_gossip::{Keyring, Peer};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often the model of etcd makes a step: etcd's own heartbeat.
pub const HEARTBEAT: Duration = Duration::from_millis(100);

/// How long it may take until what happened is known to those whom it concerns.
const NEWS: Duration = Duration::from_secs(5);

/// What may happen.
#[derive(Debug)]
pub enum Event {
    /// A process plans.
    Plan(usize, BootId),
    /// A process's gossip wants to tick.
    Wake(usize, BootId),
    /// A process looks at its etcd and its disk.
    Observe(usize, BootId),
    /// A process looks at the store; its how manieth look.
    Look(usize, BootId, u64),
    /// What the store showed comes back.
    Looked(usize, BootId, u64, Box<Result<StoreView, Trouble>>),
    /// Answers that are durable go out: to whom, to which question.
    Answer(usize, BootId, Peer, u64, Testimony),
    /// An act goes on.
    Act(Box<Step>),
    /// A packet comes.
    Arrive(Box<wire::Packet>),
    /// All etcds exchange a heartbeat.
    Heartbeat,
    /// The client writes.
    Client,
    /// Something breaks, or is mended.
    Fault(Fault),
}

/// The simulated world.
pub struct Sim {
    /// What is simulated.
    pub setup: Setup,
    /// The events.
    pub queue: Queue<Event>,
    /// The one source of randomness.
    pub rng: ChaCha8Rng,
    /// The machines.
    pub hosts: Vec<Host>,
    /// The stores: one, if all share it.
    pub stores: Vec<Store>,
    /// The network.
    pub network: Network,
    /// What really happened, as no node knows it.
    pub ledger: Ledger,
    /// Counts heartbeats.
    pub tick: u64,
    /// The first promise that was broken.
    pub broken: Option<String>,
    /// The story, if it is wanted.
    pub trace: Option<Vec<String>>,
    /// Copies of disks that were made, by host.
    pub copies: BTreeMap<usize, Volume>,
    /// Sums up all that happened, to see that one seed is one story.
    pub digest: u64,
    keys: Option<Keyring>,
    started: Moment,
}

impl Sim {
    /// A world in which nothing runs yet.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let queue: Queue<Event> = Queue::default();
        let started = queue.now();
        let mut hosts: Vec<Host> = (0..setup.hosts).map(Host::new).collect();
        match setup.sharing {
            Sharing::One => {}
            Sharing::OneApart => hosts[setup.size - 1].store = 1,
            Sharing::AllApart => hosts.iter_mut().enumerate().for_each(|(h, host)| host.store = h),
        }
        let stores = hosts.iter().map(|host| host.store).max().unwrap_or(0) + 1;
        let other_backups = setup.begin == Begin::OldBackups;
        let store = Store { other_backups, ..Store::default() };
        let mut sim = Self {
            rng: ChaCha8Rng::seed_from_u64(setup.seed),
            queue,
            hosts,
            stores: vec![store; stores],
            network: Network::default(),
            ledger: Ledger::default(),
            tick: 0,
            broken: None,
            trace: None,
            copies: BTreeMap::new(),
            digest: 0xcbf2_9ce4_8422_2325,
            keys: Keyring::insecure().ok(),
            setup,
            started,
        };
        if sim.setup.begin == Begin::PlainEtcd {
            sim.install_plain_etcd();
        }
        sim.queue.after(HEARTBEAT, Event::Heartbeat);
        if sim.setup.story != Story::Nothing {
            sim.queue.after(Duration::from_secs(1), Event::Client);
        }
        sim
    }

    /// How long the world has existed.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.queue.now().since(self.started)
    }

    /// Adds a line to the story.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        let at = self.elapsed();
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:9.3} {}", at.as_secs_f64(), line()));
        }
    }

    /// Notes the first broken promise.
    pub fn breach(&mut self, promise: &str, what: &str) {
        if self.broken.is_none() {
            let text = format!("{promise} broken at {:.3} s: {what}", self.elapsed().as_secs_f64());
            self.note(|| text.clone());
            self.broken = Some(text);
        }
    }

    /// Lets everything happen until `end`, or until a promise is broken.
    pub fn run_until(&mut self, end: Moment) {
        while self.broken.is_none() {
            let Some(event) = self.queue.next(end) else { return };
            self.happen(event);
            crate::invariants::check(self);
        }
    }

    /// Adds to the digest of the story.
    pub fn mix(&mut self, bytes: &[u8]) {
        let step = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        let chunks = bytes.chunks(8).map(|chunk| chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        self.digest = chunks.fold(step(self.digest, self.queue.now().0), step);
    }

    /// A random span, in milliseconds.
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(from..to))
    }

    /// Whether gossip passes between two machines, both ways.
    #[must_use]
    pub fn gossips(&self, a: usize, b: usize) -> bool {
        let carries = |a: usize, b: usize| a == b || self.network.carries_gossip(a, b);
        self.hosts[a].runs() && self.hosts[b].runs() && carries(a, b) && carries(b, a)
    }

    /// Whether the etcds of two machines can talk.
    #[must_use]
    pub fn rafts(&self, a: usize, b: usize) -> bool {
        let carries = |a: usize, b: usize| a == b || self.network.carries_raft(a, b);
        self.hosts[a].runs() && self.hosts[b].runs() && carries(a, b) && carries(b, a)
    }

    /// Whether it has been so for long enough to be known: what passes between two
    /// machines, and that they run.
    #[must_use]
    pub fn is_settled(&self, a: usize, b: usize) -> bool {
        let now = self.queue.now();
        let changed = self.hosts[a].changed.max(self.hosts[b].changed);
        let changed = if a == b { changed } else { changed.max(self.network.changed) };
        now.since(changed) >= NEWS
    }

    /// The store that a machine's folder is.
    #[must_use]
    pub fn store(&self, h: usize) -> &Store {
        &self.stores[self.hosts[h].store]
    }

    fn happen(&mut self, event: Event) {
        let (h, boot) = match &event {
            Event::Plan(h, boot)
            | Event::Wake(h, boot)
            | Event::Observe(h, boot)
            | Event::Look(h, boot, _)
            | Event::Looked(h, boot, ..)
            | Event::Answer(h, boot, ..) => (*h, *boot),
            Event::Act(step) if !step.is_on_its_way() => (step.act.host, step.act.boot),
            Event::Act(_) | Event::Arrive(_) | Event::Heartbeat | Event::Client | Event::Fault(_) => {
                return self.happen_anywhere(event);
            }
        };
        let alive = self.hosts[h].up && self.hosts[h].process.as_ref().is_some_and(|process| process.boot == boot);
        if !alive {
            return;
        }
        if self.hosts[h].frozen {
            self.hosts[h].waiting.push(event);
            return;
        }
        let now = self.queue.now();
        if let Some(process) = &mut self.hosts[h].process {
            process.tell_time(now);
        }
        match event {
            Event::Plan(..) => self.plan(h),
            Event::Wake(..) => self.wake(h),
            Event::Observe(..) => self.observe(h, boot),
            Event::Look(_, _, count) => self.look(h, boot, count),
            Event::Looked(_, _, count, look) => self.looked(h, boot, count, *look),
            Event::Answer(_, _, to, id, testimony) => self.answer(h, to, id, &testimony),
            Event::Act(step) => crate::acts::go_on(self, *step),
            _ => {}
        }
    }

    fn happen_anywhere(&mut self, event: Event) {
        match event {
            Event::Arrive(packet) => self.arrive(packet),
            Event::Act(step) => crate::acts::go_on(self, *step),
            Event::Heartbeat => self.heartbeat(),
            Event::Client => crate::client::write(self),
            Event::Fault(fault) => crate::faults::strike(self, fault),
            _ => {}
        }
    }
}
