//! Gossip inside the simulation.

use e2d_core::id::{BootId, NodeId};
use e2d_core::time::Moment;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// What a node knows of another.
#[derive(Clone, Debug)]
pub struct PeerView {
    /// The disk.
    pub node: NodeId,
    /// The run of its process.
    pub boot: BootId,
    /// Where it is reached.
    pub addr: SocketAddr,
    /// Whether it is held alive.
    pub alive: bool,
    /// When a packet of its own last came.
    pub heard_at: Moment,
}

/// What comes out of the engine.
#[derive(Clone, Debug)]
pub enum Event {
    /// A node told something about itself.
    Item {
        /// Who.
        node: NodeId,
        /// About what.
        topic: u8,
        /// What.
        body: Vec<u8>,
    },
    /// A node asks.
    Question {
        /// Where to answer.
        from: SocketAddr,
        /// Which question.
        id: u64,
        /// What.
        body: Vec<u8>,
    },
    /// A node answers.
    Answer {
        /// Who.
        node: NodeId,
        /// What.
        body: Vec<u8>,
    },
}

/// What the engine wants done.
#[derive(Default, Debug)]
pub struct Output {
    /// Packets to send.
    pub sends: Vec<(SocketAddr, Packet)>,
    /// What happened.
    pub events: Vec<Event>,
    /// When to tick.
    pub wake: Option<Moment>,
}

/// A packet.
#[derive(Clone, Debug)]
pub struct Packet {
    node: NodeId,
    boot: BootId,
    addr: SocketAddr,
    count: u64,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Items(Vec<(u8, Vec<u8>)>),
    Question(u64, Vec<u8>),
    Answer(Vec<u8>),
}

/// The engine of one process.
pub struct Gossip {
    node: NodeId,
    boot: BootId,
    addr: SocketAddr,
    seeds: Vec<SocketAddr>,
    items: BTreeMap<u8, Vec<u8>>,
    peers: BTreeMap<NodeId, PeerView>,
    counts: BTreeMap<NodeId, (BootId, u64)>,
    count: u64,
    now: Moment,
    next: Moment,
}

const PERIOD: Duration = Duration::from_millis(400);
const DEAD: Duration = Duration::from_secs(3);

impl Gossip {
    /// The gossip of a process that has just started.
    #[must_use]
    pub fn new(now: Moment, node: NodeId, boot: BootId, addr: SocketAddr, seeds: Vec<SocketAddr>) -> Self {
        Self {
            node,
            boot,
            addr,
            seeds,
            items: BTreeMap::new(),
            peers: BTreeMap::new(),
            counts: BTreeMap::new(),
            count: 0,
            now,
            next: now,
        }
    }

    fn packet(&mut self, body: Body) -> Packet {
        self.count += 1;
        Packet { node: self.node, boot: self.boot, addr: self.addr, count: self.count, body }
    }

    fn spread(&mut self, out: &mut Output) {
        let items = self.items.iter().map(|(topic, body)| (*topic, body.clone())).collect();
        let packet = self.packet(Body::Items(items));
        out.sends.extend(self.seeds.iter().filter(|seed| **seed != self.addr).map(|seed| (*seed, packet.clone())));
    }

    /// Time passes.
    pub fn tick(&mut self, now: Moment) -> Output {
        self.now = now;
        let mut out = Output::default();
        if now >= self.next {
            self.next = now + PERIOD;
            self.spread(&mut out);
        }
        for peer in self.peers.values_mut() {
            peer.alive = now.since(peer.heard_at) <= DEAD;
        }
        out.wake = Some(self.next);
        out
    }

    /// Tells something about this node.
    pub fn publish(&mut self, now: Moment, topic: u8, body: Vec<u8>) -> Output {
        self.now = now;
        let mut out = Output::default();
        self.items.insert(topic, body);
        self.spread(&mut out);
        out
    }

    /// Puts a question to an address.
    pub fn ask(&mut self, now: Moment, to: SocketAddr, id: u64, body: Vec<u8>) -> Output {
        self.now = now;
        let packet = self.packet(Body::Question(id, body));
        Output { sends: vec![(to, packet)], ..Output::default() }
    }

    /// Answers one.
    pub fn answer(&mut self, now: Moment, to: SocketAddr, body: Vec<u8>) -> Output {
        self.now = now;
        let packet = self.packet(Body::Answer(body));
        Output { sends: vec![(to, packet)], ..Output::default() }
    }

    /// A packet came.
    pub fn receive(&mut self, now: Moment, packet: Packet) -> Output {
        self.now = now;
        let mut out = Output::default();
        if packet.node == self.node {
            return out;
        }
        let view = PeerView { node: packet.node, boot: packet.boot, addr: packet.addr, alive: true, heard_at: now };
        let last = self.counts.get(&packet.node).copied();
        let fresh = last.is_none_or(|(boot, count)| boot != packet.boot || packet.count > count);
        if fresh {
            self.counts.insert(packet.node, (packet.boot, packet.count));
            self.peers.retain(|node, peer| *node == packet.node || peer.addr != packet.addr);
            self.peers.insert(packet.node, view);
        }
        match packet.body {
            Body::Items(items) if fresh => {
                let node = packet.node;
                out.events.extend(items.into_iter().map(|(topic, body)| Event::Item { node, topic, body }));
            }
            Body::Items(_) => {}
            Body::Question(id, body) => out.events.push(Event::Question { from: packet.addr, id, body }),
            Body::Answer(body) => out.events.push(Event::Answer { node: packet.node, body }),
        }
        out
    }

    /// The other nodes.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerView> {
        self.peers.values().cloned().collect()
    }
}
