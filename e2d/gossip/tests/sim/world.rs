//! A virtual network of engines in one queue of happenings: latency, loss, cuts, crashes and freezes.
//!
//! One seed gives one history. Each process has a clock of its own that starts somewhere else, so
//! nothing can rest on comparing moments of two of them.
#![expect(clippy::unwrap_used, reason = "a world that cannot be made fails its test")]

use bytes::Bytes;
use e2d_core::id::{BootId, NodeId};
use e2d_core::time::Moment;
use e2d_gossip::{Engine, Event, Input, Item, Keyring, MasterSecret, Peer, Settings, State, Timing, Via};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::time::Duration;

/// Where the `n`th machine listens.
pub fn addr(n: u32) -> SocketAddr {
    let [_, a, b, c] = n.to_be_bytes();
    SocketAddr::from(([10, a, b, c], 7980))
}

pub fn ring(first: u8, second: Option<u8>) -> Keyring {
    let secret = |byte: u8| MasterSecret::new(vec![byte; 32].into()).unwrap();
    Keyring::new(&secret(first), second.map(secret).as_ref()).unwrap()
}

pub fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A packet on its way, or seen by an eavesdropper.
#[derive(Clone)]
pub struct Packet {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub via: Via,
    pub bytes: Bytes,
}

struct Process {
    engine: Engine,
    /// The world's time at which this process's clock would show zero may lie before its start.
    clock_ahead: u64,
    wake: Option<(u64, u64)>,
    /// What arrives while it is frozen.
    frozen: Option<Vec<Packet>>,
}

enum Happening {
    Arrival(Packet),
    Wake(SocketAddr),
}

/// An event, when and at whom.
#[derive(Debug, Clone)]
pub struct Seen {
    pub at: Duration,
    pub by: SocketAddr,
    /// The process that saw it.
    pub boot: BootId,
    pub event: Event,
}

pub struct World {
    now: u64,
    seq: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    processes: BTreeMap<SocketAddr, Process>,
    cuts: BTreeSet<(SocketAddr, SocketAddr)>,
    /// Addresses that lead to a machine which advertises another one.
    aliases: BTreeMap<SocketAddr, SocketAddr>,
    rng: ChaCha8Rng,
    /// Which part of the datagrams is lost.
    pub loss: f64,
    /// One way, in microseconds.
    pub latency: std::ops::Range<u64>,
    pub timing: Timing,
    /// What an eavesdropper has recorded, if one listens.
    pub tape: Option<Vec<Packet>>,
    pub seen: Vec<Seen>,
    /// Whether `seen` is kept.
    pub keep_seen: bool,
    pub packets: u64,
    pub bytes: u64,
    pub happenings: u64,
    trace: DefaultHasher,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            now: 0,
            seq: 0,
            queue: BTreeMap::new(),
            processes: BTreeMap::new(),
            cuts: BTreeSet::new(),
            aliases: BTreeMap::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            loss: 0.0,
            latency: 200..2_000,
            timing: Timing::default(),
            tape: None,
            seen: Vec::new(),
            keep_seen: true,
            packets: 0,
            bytes: 0,
            happenings: 0,
            trace: DefaultHasher::new(),
        }
    }

    pub fn now(&self) -> Duration {
        Duration::from_micros(self.now)
    }

    pub fn random(&mut self, below: u64) -> u64 {
        self.rng.random_range(0..below)
    }

    /// Sums up everything that was sent and told, in order.
    pub fn trace(&self) -> u64 {
        self.trace.finish()
    }

    /// Starts machine `n` with node id `n` under the usual key.
    pub fn start(&mut self, n: u32, seeds: &[u32]) -> Peer {
        self.start_as(n, u64::from(n) + 1, &ring(1, None), seeds)
    }

    /// Starts a process at the address of machine `n`; whatever ran there before is gone.
    pub fn start_as(&mut self, n: u32, node: u64, keys: &Keyring, seeds: &[u32]) -> Peer {
        self.start_advertising(n, addr(n), node, keys, seeds)
    }

    /// Starts a process that says that it is reached elsewhere.
    pub fn start_advertising(&mut self, n: u32, as_addr: SocketAddr, node: u64, keys: &Keyring, seeds: &[u32]) -> Peer {
        self.kill(n);
        let peer = Peer { node: NodeId(node), boot: BootId(self.rng.next_u64().max(1)), addr: as_addr };
        let settings =
            Settings { node: peer.node, boot: peer.boot, addr: peer.addr, keys: keys.clone(), timing: self.timing };
        let clock_ahead = self.rng.random_range(0..1_000_000_000_000);
        let seed = self.rng.next_u64();
        let engine = Engine::new(settings, Moment(self.now + clock_ahead), seed).unwrap();
        self.processes.insert(addr(n), Process { engine, clock_ahead, wake: None, frozen: None });
        self.give(n, Input::Seeds(seeds.iter().map(|n| addr(*n)).collect()));
        peer
    }

    pub fn kill(&mut self, n: u32) {
        if let Some(process) = self.processes.remove(&addr(n)) {
            process.wake.map(|key| self.queue.remove(&key));
        }
    }

    /// Stops the process without ending it.
    pub fn freeze(&mut self, n: u32) {
        let process = self.processes.get_mut(&addr(n)).unwrap();
        process.frozen = Some(Vec::new());
        process.wake.take().map(|key| self.queue.remove(&key));
    }

    /// Lets it run on: first it reads what has arrived, as the shell does.
    pub fn thaw(&mut self, n: u32) {
        let late = self.processes.get_mut(&addr(n)).unwrap().frozen.take().unwrap();
        for packet in late {
            self.arrive(packet);
        }
        self.give(n, Input::Tick);
    }

    /// Cuts one direction.
    pub fn cut(&mut self, from: u32, to: u32) {
        self.cuts.insert((addr(from), addr(to)));
    }

    /// Cuts both directions between all of `left` and all of `right`.
    pub fn part(&mut self, left: &[u32], right: &[u32]) {
        for (l, r) in left.iter().flat_map(|l| right.iter().map(move |r| (*l, *r))) {
            self.cut(l, r);
            self.cut(r, l);
        }
    }

    /// Lets `n` be reached at the address of `alias`, too. Its own packets come from where it advertises.
    pub fn alias(&mut self, alias: u32, n: u32) {
        self.aliases.insert(addr(alias), addr(n));
    }

    pub fn heal(&mut self) {
        self.cuts.clear();
    }

    pub fn engine(&self, n: u32) -> &Engine {
        &self.processes[&addr(n)].engine
    }

    pub fn is_running(&self, n: u32) -> bool {
        self.processes.contains_key(&addr(n))
    }

    pub fn publish(&mut self, n: u32, topic: u8, body: &str) {
        self.give(n, Input::Publish { topic, body: Bytes::copy_from_slice(body.as_bytes()) });
    }

    pub fn give(&mut self, n: u32, input: Input) {
        self.feed(addr(n), input);
    }

    fn feed(&mut self, at: SocketAddr, input: Input) {
        let Some(process) = self.processes.get_mut(&at) else { return };
        self.happenings += 1;
        let boot = process.engine.me().boot;
        let output = process.engine.handle(Moment(self.now + process.clock_ahead), input);
        if let Some(key) = process.wake.take() {
            self.queue.remove(&key);
        }
        if let Some(wake_at) = output.wake_at {
            self.seq += 1;
            let key = (wake_at.0.saturating_sub(process.clock_ahead).max(self.now), self.seq);
            process.wake = Some(key);
            self.queue.insert(key, Happening::Wake(at));
        }
        for send in output.sends {
            (self.now, at, &send.to, &send.bytes).hash(&mut self.trace);
            self.carry(Packet { from: at, to: send.to, via: send.via, bytes: send.bytes });
        }
        for event in output.events {
            (self.now, at, format!("{event:?}")).hash(&mut self.trace);
            if self.keep_seen {
                self.seen.push(Seen { at: Duration::from_micros(self.now), by: at, boot, event });
            }
        }
    }

    /// Puts a packet on the wire.
    pub fn carry(&mut self, packet: Packet) {
        self.packets += 1;
        self.bytes += packet.bytes.len() as u64;
        if let Some(tape) = &mut self.tape {
            tape.push(packet.clone());
        }
        let is_lost = packet.via == Via::Datagram && self.loss > 0.0 && self.rng.random_bool(self.loss);
        if is_lost || self.cuts.contains(&(packet.from, packet.to)) {
            return;
        }
        // A stream takes two more trips to open.
        let trips = if packet.via == Via::Stream { 3 } else { 1 };
        let at = self.now + (0..trips).map(|_| self.rng.random_range(self.latency.clone())).sum::<u64>();
        self.seq += 1;
        self.queue.insert((at, self.seq), Happening::Arrival(packet));
    }

    /// What was recorded since `tape` was put in.
    pub fn take_tape(&mut self) -> Vec<Packet> {
        self.tape.take().unwrap_or_default()
    }

    /// Hands a packet over at once, as an attacker on the receiver's network would, and gives what the
    /// receiver sends in return.
    pub fn inject(&mut self, packet: Packet) -> Vec<Packet> {
        let tape = self.tape.replace(Vec::new());
        self.arrive(packet);
        std::mem::replace(&mut self.tape, tape).unwrap_or_default()
    }

    fn arrive(&mut self, packet: Packet) {
        let to = self.aliases.get(&packet.to).copied().unwrap_or(packet.to);
        let Some(process) = self.processes.get_mut(&to) else { return };
        if let Some(late) = &mut process.frozen {
            return late.push(packet);
        }
        let input = match packet.via {
            Via::Datagram => Input::Datagram { from: packet.from, bytes: packet.bytes },
            Via::Stream => Input::Stream { bytes: packet.bytes },
        };
        self.feed(to, input);
    }

    pub fn run(&mut self, span: Duration) {
        let end = self.now + span.as_micros() as u64;
        self.run_while(end, |_| true);
        self.now = end;
    }

    /// Runs until `done`, and gives how long that took; panics with what is seen after `limit`.
    pub fn until(&mut self, what: &str, limit: Duration, done: impl Fn(&Self) -> bool) -> Duration {
        let start = self.now;
        self.run_while(start + limit.as_micros() as u64, |world| !done(world));
        assert!(done(self), "{what}: not within {limit:?}:\n{}", self.report());
        Duration::from_micros(self.now - start)
    }

    fn run_while(&mut self, end: u64, go_on: impl Fn(&Self) -> bool) {
        while go_on(self) {
            let Some(next) = self.queue.first_entry().filter(|next| next.key().0 <= end) else { break };
            self.now = next.key().0;
            match next.remove() {
                Happening::Arrival(packet) => self.arrive(packet),
                Happening::Wake(at) => self.feed(at, Input::Tick),
            }
        }
    }

    /// How `viewer` holds whoever is at the address of `n`.
    pub fn state(&self, viewer: u32, n: u32) -> Option<State> {
        self.engine(viewer).peers().find(|status| status.peer.addr == addr(n)).map(|status| status.state)
    }

    /// Whether `viewer` has exactly this process alive.
    pub fn sees(&self, viewer: u32, peer: Peer) -> bool {
        let mut peers = self.engine(viewer).peers();
        self.is_running(viewer) && peers.any(|status| status.peer == peer && status.state != State::Down)
    }

    /// Whether all running processes have all running processes alive, and nobody else.
    pub fn is_whole(&self) -> bool {
        let running: BTreeSet<Peer> = self.processes.values().map(|process| process.engine.me()).collect();
        self.processes.values().all(|process| {
            let live = process.engine.peers().filter(|status| status.state != State::Down).map(|status| status.peer);
            let mut seen: BTreeSet<Peer> = live.collect();
            seen.insert(process.engine.me());
            seen == running
        })
    }

    /// What `viewer` has as the word of node `node` on `topic`.
    pub fn word(&self, viewer: u32, node: u64, topic: u8) -> Option<String> {
        let item = self.engine(viewer).item(NodeId(node), topic)?;
        Some(String::from_utf8_lossy(&item.body).into_owned())
    }

    /// Whether everybody has this word.
    pub fn all_have(&self, node: u64, topic: u8, body: &str) -> bool {
        self.processes.values().all(|process| {
            let item = process.engine.item(NodeId(node), topic);
            item.is_some_and(|item| item.body == body.as_bytes())
        })
    }

    /// The moments at which `viewer` saw an event.
    pub fn times(&self, viewer: u32, is_it: impl Fn(&Event) -> bool) -> Vec<Duration> {
        self.seen.iter().filter(|seen| seen.by == addr(viewer) && is_it(&seen.event)).map(|seen| seen.at).collect()
    }

    /// For how long, at most, anybody held somebody dead who then turned out to live.
    pub fn longest_false_death(&self) -> Duration {
        let mut down = BTreeMap::new();
        let mut longest = Duration::ZERO;
        for seen in &self.seen {
            match seen.event {
                Event::Down(peer) => drop(down.insert((seen.boot, peer), seen.at)),
                Event::Up(peer) => {
                    let since = down.remove(&(seen.boot, peer));
                    longest = longest.max(since.map_or(Duration::ZERO, |since| seen.at.saturating_sub(since)));
                }
                _ => {}
            }
        }
        longest
    }

    fn report(&self) -> String {
        let mut lines = vec![format!("at {:?}", self.now())];
        for (at, process) in &self.processes {
            lines.push(format!("{at}: {:?}", process.engine.counters()));
            lines.extend(process.engine.peers().map(|status| format!("    {} {:?}", status.peer, status.state)));
            let item =
                |item: Item| format!("    item of {} topic {} counter {}", item.origin, item.topic, item.counter);
            lines.extend(process.engine.items().map(item));
        }
        lines.join("\n")
    }
}

/// The value below which `part` of the samples lie.
pub fn quantile(samples: &[Duration], part: f64) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}
