//! The world: machines, their network, the store, and the one queue in which everything happens.

mod etcd;
mod observe;

use crate::gossip::{self, Gossip, Packet};
use crate::host::{Host, Process, Volume};
use crate::ledger::Ledger;
use crate::mutants::Mutant;
use crate::queue::Queue;
use crate::store::{Access, Store};
use e2d_core::action::Action;
use e2d_core::id::{BootId, MemberId};
use e2d_core::interview::{self, Question, Testimony};
use e2d_core::lineage::Lineage;
use e2d_core::observe as seen;
use e2d_core::observe::{Me, Policy, World};
use e2d_core::time::Moment;
use e2d_core::word::Word;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// The topic of a node's word.
pub const WORD: u8 = 1;
/// The topic of its lineage copy.
pub const COPY: u8 = 2;
/// How often the model of etcd makes a step: etcd's own heartbeat.
const HEARTBEAT: Duration = Duration::from_millis(100);

/// What may happen.
#[derive(Debug)]
pub enum Event {
    /// A process plans.
    Plan(usize, BootId),
    /// A process's gossip ticks.
    Gossip(usize, BootId),
    /// A packet comes.
    Packet(usize, Packet),
    /// A process looks at its etcd and its disk.
    Observe(usize, BootId),
    /// A process looks at the store.
    Look(usize, BootId, u64),
    /// What the store showed comes back.
    Looked(usize, BootId, u64, Box<Result<seen::StoreView, seen::Trouble>>),
    /// An act is done: on which track, and how it went.
    Done(usize, BootId, usize, Box<Action>, Outcome),
    /// A conditional write reaches the store.
    Write(usize, BootId, usize, Box<Action>),
    /// Answers that are durable go out.
    Answer(usize, BootId, SocketAddr, Testimony),
    /// All etcds exchange a heartbeat.
    Heartbeat,
    /// The client writes.
    Client,
    /// Something breaks, or is mended.
    Fault(crate::faults::Fault),
}

/// How an act ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Done.
    Ok,
    /// A learner was added, with this id.
    Added(MemberId),
    /// Not done, or nobody knows; why.
    Failed(String),
}

/// What is being simulated.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The seed of everything random.
    pub seed: u64,
    /// N.
    pub size: usize,
    /// How many machines there are; those beyond N are spares.
    pub hosts: usize,
    /// Whether there is a store.
    pub has_store: bool,
    /// A known bug, put back.
    pub mutant: Option<Mutant>,
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
    /// The store.
    pub store: Store,
    /// Links that are cut: from, to.
    pub cut: BTreeSet<(usize, usize)>,
    /// Packet loss, in percent.
    pub loss: u32,
    /// What really happened, as no node knows it.
    pub ledger: Ledger,
    /// Counts heartbeats.
    pub tick: u64,
    /// The first promise that was broken.
    pub broken: Option<String>,
    /// The story, if it is wanted.
    pub trace: Option<Vec<String>>,
    /// When something last broke or was mended.
    pub disturbed: Moment,
    /// Copies of disks that were made, by host.
    pub copies: BTreeMap<usize, Volume>,
    started: Moment,
}

impl Sim {
    /// A world in which nothing runs yet.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(setup.seed);
        let queue: Queue<Event> = Queue::default();
        let host = |n: usize| Host {
            addr: SocketAddr::from(([10, 0, 0, n as u8 + 1], 7980)),
            peer_url: format!("http://10.0.0.{}:2380", n + 1),
            up: false,
            frozen: false,
            access: Access::Open,
            lossy: false,
            volume: Volume::default(),
            etcd: None,
            exit: None,
            process: None,
            refused: None,
            boots: 0,
        };
        let hosts = (0..setup.hosts).map(host).collect();
        let started = queue.now();
        let mut sim = Self {
            setup,
            queue,
            rng,
            hosts,
            store: Store::default(),
            cut: BTreeSet::new(),
            loss: 0,
            ledger: Ledger::default(),
            tick: 0,
            broken: None,
            trace: None,
            disturbed: started,
            copies: BTreeMap::new(),
            started,
        };
        sim.queue.after(HEARTBEAT, Event::Heartbeat);
        sim.queue.after(Duration::from_secs(1), Event::Client);
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

    pub(super) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(from..to))
    }

    /// Whether packets of `from` come to `to`.
    #[must_use]
    pub fn reaches(&self, from: usize, to: usize) -> bool {
        self.hosts[from].runs() && self.hosts[to].runs() && !self.cut.contains(&(from, to))
    }

    /// Whether nothing has broken, or was mended, for so many seconds.
    #[must_use]
    pub fn calm_for(&self, seconds: u64) -> bool {
        self.queue.now().since(self.disturbed).as_secs() >= seconds
    }

    /// Whether two hosts have been able to talk for a while.
    #[must_use]
    pub fn steady_links(&self, a: usize, b: usize) -> bool {
        self.calm_for(5) && self.reaches(a, b) && self.reaches(b, a)
    }

    // ---- machines and processes ----

    /// Power comes, and e2d is started.
    pub fn boot(&mut self, h: usize) {
        self.hosts[h].up = true;
        self.start_e2d(h);
    }

    /// e2d is started, and finds its etcd running if there is one.
    pub fn start_e2d(&mut self, h: usize) {
        if !self.hosts[h].up || self.hosts[h].process.is_some() || self.hosts[h].refused.is_some() {
            return;
        }
        let now = self.queue.now();
        let boot = BootId(self.rng.next_u64());
        let policy = Policy {
            size: self.setup.size,
            has_store: self.setup.has_store,
            replace_after: Duration::from_secs(20),
            learner_patience: Duration::from_secs(15),
            archive_interval: Duration::from_secs(15),
            ..Policy::default()
        };
        let host = &mut self.hosts[h];
        host.boots += 1;
        let me = Me {
            label: format!("host{h}"),
            boot,
            peer_url: host.peer_url.clone(),
            client_url: host.peer_url.replace("2380", "2379"),
            machine: format!("machine{h}"),
            ..Me::default()
        };
        let volume = &host.volume;
        let (identity, state, recall) = (volume.identity.clone(), volume.state.clone(), volume.recall.clone());
        let mut world = World::new(now, policy, me, identity, state, recall);
        if let Some(etcd) = &host.etcd {
            world.started(seen::Process::Running { gate: etcd.gate, since: now });
        }
        let node = world.node().unwrap_or(e2d_core::id::NodeId(0));
        let seeds: Vec<SocketAddr> = self.hosts.iter().map(|host| host.addr).collect();
        let gossip = Gossip::new(now, node, boot, self.hosts[h].addr, seeds);
        self.hosts[h].process = Some(Process {
            boot,
            world,
            gossip,
            busy: [false; 2],
            planned: false,
            looks: 0,
            told: vec![],
            told_copy: None,
            heard: BTreeMap::new(),
        });
        self.note(|| format!("host{h} e2d starts, boot {boot}"));
        self.queue.after(Duration::ZERO, Event::Gossip(h, boot));
        self.queue.after(Duration::ZERO, Event::Observe(h, boot));
        self.queue.after(Duration::ZERO, Event::Look(h, boot, 0));
    }

    /// e2d dies; its etcd lives on.
    pub fn kill_e2d(&mut self, h: usize) {
        self.hosts[h].process = None;
    }

    /// The machine loses power.
    pub fn power_off(&mut self, h: usize) {
        let host = &mut self.hosts[h];
        (host.up, host.frozen, host.process, host.etcd, host.exit) = (false, false, None, None, None);
    }

    fn alive(&self, h: usize, boot: BootId) -> bool {
        self.hosts[h].up && self.hosts[h].process.as_ref().is_some_and(|process| process.boot == boot)
    }

    // ---- events ----

    fn happen(&mut self, event: Event) {
        let (h, boot) = match &event {
            Event::Plan(h, boot)
            | Event::Gossip(h, boot)
            | Event::Observe(h, boot)
            | Event::Look(h, boot, _)
            | Event::Looked(h, boot, ..)
            | Event::Done(h, boot, ..)
            | Event::Answer(h, boot, ..) => (*h, *boot),
            Event::Write(..) | Event::Packet(..) | Event::Heartbeat | Event::Client | Event::Fault(_) => {
                return self.happen_anywhere(event);
            }
        };
        if !self.alive(h, boot) {
            return;
        }
        if self.hosts[h].frozen {
            self.queue.after(Duration::from_millis(100), event);
            return;
        }
        let now = self.queue.now();
        if let Some(process) = &mut self.hosts[h].process {
            process.world.now = now;
        }
        match event {
            Event::Plan(..) => self.plan(h),
            Event::Gossip(..) => self.with_gossip(h, Gossip::tick),
            Event::Observe(..) => self.observe(h, boot),
            Event::Look(_, _, count) => self.look(h, boot, count),
            Event::Looked(_, _, count, look) => self.looked(h, boot, count, *look),
            Event::Done(_, _, track, action, outcome) => self.done(h, track, &action, outcome),
            Event::Answer(_, _, to, testimony) => {
                let body = serde_json::to_vec(&testimony).unwrap_or_default();
                self.with_gossip(h, |gossip, now| gossip.answer(now, to, body));
            }
            _ => {}
        }
    }

    fn happen_anywhere(&mut self, event: Event) {
        match event {
            Event::Packet(to, packet) if self.hosts[to].runs() => {
                let now = self.queue.now();
                if let Some(process) = &mut self.hosts[to].process {
                    process.world.now = now;
                }
                self.with_gossip(to, |gossip, now| gossip.receive(now, packet));
            }
            Event::Heartbeat => self.heartbeat(),
            Event::Client => crate::client::write(self),
            Event::Fault(fault) => crate::faults::strike(self, &fault),
            Event::Write(h, boot, track, action) => self.land(h, boot, track, action),
            _ => {}
        }
    }

    pub(super) fn plan_soon(&mut self, h: usize) {
        let Some(process) = &mut self.hosts[h].process else { return };
        if !process.planned {
            process.planned = true;
            let boot = process.boot;
            self.queue.after(Duration::from_millis(2), Event::Plan(h, boot));
        }
    }

    pub(super) fn with_gossip(&mut self, h: usize, call: impl FnOnce(&mut Gossip, Moment) -> gossip::Output) {
        let now = self.queue.now();
        let Some(process) = &mut self.hosts[h].process else { return };
        let boot = process.boot;
        let out = call(&mut process.gossip, now);
        if let Some(wake) = out.wake {
            self.queue.at(wake, Event::Gossip(h, boot));
        }
        for (addr, packet) in out.sends {
            let Some(to) = self.hosts.iter().position(|host| host.addr == addr) else { continue };
            let lost = self.loss > 0 && self.rng.random_range(0..100) < self.loss;
            if self.reaches(h, to) && !lost {
                let delay = Duration::from_micros(self.rng.random_range(200..15_000));
                self.queue.after(delay, Event::Packet(to, packet));
            }
        }
        self.take_peers(h);
        for event in out.events {
            self.hear(h, event);
        }
    }

    fn take_peers(&mut self, h: usize) {
        let Some(process) = &mut self.hosts[h].process else { return };
        let peers = process.gossip.peers();
        let gone: Vec<_> =
            process.world.peers.keys().copied().filter(|node| !peers.iter().any(|peer| peer.node == *node)).collect();
        let before: Vec<(_, bool)> = process.world.peers.iter().map(|(node, peer)| (*node, peer.alive)).collect();
        for node in gone {
            process.world.forget_peer(node);
        }
        for peer in peers {
            process.world.see_peer(peer.node, peer.boot, peer.addr, peer.alive, Some(peer.heard_at));
        }
        let after: Vec<(_, bool)> = process.world.peers.iter().map(|(node, peer)| (*node, peer.alive)).collect();
        if before != after {
            self.plan_soon(h);
        }
    }

    fn hear(&mut self, h: usize, event: gossip::Event) {
        let Some(process) = &mut self.hosts[h].process else { return };
        if let gossip::Event::Item { node, topic, body } = &event {
            let word = process.world.peers.get(node).is_some_and(|peer| peer.word.is_some());
            if word && process.heard.get(&(*node, *topic)) == Some(body) {
                return;
            }
            process.heard.insert((*node, *topic), body.clone());
        }
        match event {
            gossip::Event::Item { node, topic: WORD, body } => {
                let Ok(word) = Word::decode(&body) else { return };
                let known = process.world.peers.get(&node).and_then(|peer| peer.word.as_ref());
                if known != Some(&word) {
                    process.world.hear_word(node, word);
                    self.plan_soon(h);
                }
            }
            gossip::Event::Item { node, topic: COPY, body } => {
                let seq = |copy: &Lineage| (copy.lineage, copy.seq);
                if let Ok((copy, _)) = Lineage::decode(&body)
                    && process.world.copies.get(&node).map(seq) != Some(seq(&copy))
                {
                    process.world.hear_copy(node, copy);
                    self.plan_soon(h);
                }
            }
            gossip::Event::Item { .. } => {}
            gossip::Event::Question { from, body, .. } => {
                let Ok(question) = serde_json::from_slice::<Question>(&body) else { return };
                let (testimony, recall) = interview::testify(&process.world, &question);
                self.hosts[h].volume.recall = recall.clone();
                if let Some(process) = &mut self.hosts[h].process {
                    process.world.recall = recall;
                    let boot = process.boot;
                    self.queue.after(Duration::from_millis(2), Event::Answer(h, boot, from, testimony));
                }
            }
            gossip::Event::Answer { node, body, .. } => {
                if let Ok(testimony) = serde_json::from_slice(&body) {
                    process.world.hear_testimony(node, testimony);
                    self.plan_soon(h);
                }
            }
        }
    }

    // ---- planning and acting ----

    fn plan(&mut self, h: usize) {
        let mut entropy = [0; 32];
        self.rng.fill_bytes(&mut entropy);
        let mutant = self.setup.mutant;
        let Some(process) = &mut self.hosts[h].process else { return };
        process.planned = false;
        process.world.entropy = entropy;
        let plan = match mutant {
            None => e2d_core::plan::plan(&process.world),
            Some(mutant) => {
                let mut world = process.world.clone();
                mutant.lie(&mut world);
                e2d_core::plan::plan(&world)
            }
        };
        let boot = process.boot;
        let mut tell = Vec::new();
        if process.world.identity.is_some() {
            tell.push((WORD, plan.word.encode()));
            let seq = process.world.lineage().map(|lineage| (lineage.lineage, lineage.seq));
            if process.told_copy.as_ref().map(|(seq, _)| *seq) != seq {
                process.told_copy = seq.zip(process.world.lineage().map(|lineage| lineage.encode("")));
            }
            if let Some((_, copy)) = &process.told_copy {
                tell.push((COPY, copy.clone()));
            }
        }
        let changed: Vec<(u8, Vec<u8>)> = tell.iter().filter(|item| !process.told.contains(item)).cloned().collect();
        process.told = tell;
        for (topic, body) in changed {
            self.with_gossip(h, |gossip, now| gossip.publish(now, topic, body));
        }
        for (track, action) in [plan.node, plan.cluster].into_iter().enumerate() {
            let Some(action) = action else { continue };
            let Some(process) = &mut self.hosts[h].process else { return };
            if !process.busy[track] {
                process.busy[track] = true;
                self.begin(h, boot, track, action);
            }
        }
    }

    /// An act begins. Its effect on the disk or on the cluster comes when it is done, so that a crash
    /// between the two leaves nothing.
    fn begin(&mut self, h: usize, boot: BootId, track: usize, action: Action) {
        self.note(|| format!("host{h} {action}"));
        self.ledger.acts += 1;
        let delay = match &action {
            Action::Identify(_) | Action::Remember(_) | Action::Recall(_) => self.millis(1, 8),
            Action::Interview { .. } => Duration::from_millis(1),
            Action::WriteLineage { .. } => self.millis(5, 60),
            Action::Restore { .. } => self.millis(300, 4000),
            Action::Start(_) | Action::Stop { .. } => self.millis(50, 400),
            Action::Archive => self.millis(200, 2500),
            _ => self.millis(5, 100),
        };
        if let Action::WriteLineage { .. } = &action {
            self.queue.after(delay, Event::Write(h, boot, track, Box::new(action)));
            return;
        }
        let outcome = crate::acts::outcome(self, h, &action);
        self.queue.after(delay, Event::Done(h, boot, track, Box::new(action), outcome));
    }

    /// A conditional write reaches the store, whoever still waits for the reply.
    fn land(&mut self, h: usize, boot: BootId, track: usize, action: Box<Action>) {
        let Action::WriteLineage { replaces, lineage } = &*action else { return };
        let outcome = if self.hosts[h].access == Access::Open {
            let written = if self.setup.mutant == Some(Mutant::UnconditionalWrite) {
                self.store.put(lineage);
                Ok(())
            } else {
                self.store.swap(replaces.as_ref(), lineage)
            };
            if written.is_ok() {
                self.note(|| format!("store: epoch {} {:?} seq {}", lineage.epoch, lineage.state, lineage.seq));
                crate::ledger::written(self, lineage);
            }
            if self.hosts[h].lossy {
                Outcome::Failed("the reply was lost".into())
            } else {
                written.map_or_else(|_| Outcome::Failed("somebody else wrote first".into()), |()| Outcome::Ok)
            }
        } else {
            // The request may still be on its way.
            if self.hosts[h].lossy && self.rng.random_bool(0.5) {
                let late = self.millis(500, 20_000);
                self.queue.after(late, Event::Write(h, BootId(0), track, action.clone()));
            }
            Outcome::Failed("the store did not answer".into())
        };
        let delay = self.millis(2, 30);
        self.queue.after(delay, Event::Done(h, boot, track, action, outcome));
    }

    fn done(&mut self, h: usize, track: usize, action: &Action, outcome: Outcome) {
        let kind = action.kind();
        if let Outcome::Failed(why) = &outcome {
            self.note(|| format!("host{h} failed: {kind:?}: {why}"));
        }
        crate::acts::apply(self, h, action, &outcome);
        let now = self.queue.now();
        let Some(process) = &mut self.hosts[h].process else { return };
        process.world.now = now;
        process.busy[track] = false;
        match outcome {
            Outcome::Ok | Outcome::Added(_) => process.world.succeeded(kind),
            Outcome::Failed(why) => process.world.failed(kind, why),
        }
        let boot = process.boot;
        if matches!(action, Action::WriteLineage { .. } | Action::Archive) {
            process.looks += 1;
            let count = process.looks;
            self.queue.after(Duration::ZERO, Event::Look(h, boot, count));
        }
        self.plan_soon(h);
    }
}
