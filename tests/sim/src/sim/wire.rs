//! Between the gossip engines and the network, and between the engines and the worlds.
//!
//! What an engine tells is taken level by level, as its contract allows: after each event the peers and
//! what they said are read from the engine's state. A word or a copy that was passed on is not read
//! again, one whose node was not yet a peer is, as soon as it is one.

use super::{Event, Sim};
use crate::gossip::{COPY, Gossip, Output, WORD};
use crate::host::Process;
use e2d_core::id::NodeId;
use e2d_core::interview::{self, Question, Testimony};
use e2d_core::lineage::Lineage;
use e2d_core::word::Word;
use e2d_gossip::{Input, Peer, Send, State, Via};
use rand::RngExt;
use std::time::Duration;

/// How many packets wait for a frozen process: what a socket buffer holds.
const SOCKET_BUFFER: usize = 256;

/// A packet on its way.
#[derive(Debug)]
pub struct Packet {
    from: usize,
    to: usize,
    send: Send,
}

impl Sim {
    /// Gives one input to a process's gossip, and does what it wants done.
    pub fn feed(&mut self, h: usize, input: Input) {
        let now = self.queue.now();
        let Some(process) = &mut self.hosts[h].process else { return };
        process.tell_time(now);
        let (ahead, boot, local) = (process.ahead, process.boot, process.local(now));
        let Some(gossip) = &mut process.gossip else { return };
        let Output { sends, events, wake } = gossip.handle(local, input);
        if let Some(wake) = wake {
            self.queue.at(wake - ahead, Event::Wake(h, boot));
        }
        for send in sends {
            self.carry(h, send);
        }
        if events.is_empty() {
            return;
        }
        let changed = self.hosts[h].process.as_mut().is_some_and(|process| meet(process) | hear(process));
        for event in events {
            self.take(h, event);
        }
        if changed {
            self.plan_soon(h);
        }
    }

    /// A tick is due, unless an earlier one served.
    pub(super) fn wake(&mut self, h: usize) {
        let now = self.queue.now();
        let Some(process) = &mut self.hosts[h].process else { return };
        let local = process.local(now);
        if process.gossip.as_mut().is_some_and(|gossip| gossip.is_due(local)) {
            self.feed(h, Input::Tick);
        }
    }

    /// What the peers are, as of now: a plan rests on when each was last heard.
    pub(super) fn meet_peers(&mut self, h: usize) {
        if let Some(process) = &mut self.hosts[h].process {
            meet(process);
        }
    }

    fn carry(&mut self, from: usize, send: Send) {
        let Some(to) = self.hosts.iter().position(|host| host.addr == send.to) else { return };
        self.mix(&send.bytes);
        let lost = self.network.loss > 0 && self.rng.random_range(0..100) < self.network.loss;
        let both_up = self.hosts[from].up && self.hosts[to].up;
        let both = self.network.carries_gossip(from, to) && self.network.carries_gossip(to, from);
        let (carried, trips) = match send.via {
            Via::Datagram => (self.network.carries_gossip(from, to) && !lost, 1),
            // Opening it takes a trip there and back, and what is lost is sent again.
            Via::Stream if lost => (both, 30),
            Via::Stream => (both, 3),
        };
        if both_up && carried {
            let delay = Duration::from_micros(self.rng.random_range(200..15_000) * trips);
            self.queue.after(delay, Event::Arrive(Box::new(Packet { from, to, send })));
        }
    }

    pub(super) fn arrive(&mut self, packet: Box<Packet>) {
        let host = &mut self.hosts[packet.to];
        if !host.up || host.process.is_none() {
            return;
        }
        if host.frozen {
            if host.waiting.len() < SOCKET_BUFFER {
                host.waiting.push(Event::Arrive(packet));
            }
            return;
        }
        let Packet { from, to, send } = *packet;
        let from = self.hosts[from].addr;
        let input = match send.via {
            Via::Datagram => Input::Datagram { from, bytes: send.bytes },
            Via::Stream => Input::Stream { bytes: send.bytes },
        };
        self.feed(to, input);
    }

    fn take(&mut self, h: usize, event: e2d_gossip::Event) {
        match event {
            e2d_gossip::Event::Question { from, id, body } => self.testify(h, from, id, &body),
            e2d_gossip::Event::Answer { from, body, .. } => {
                let testimony = serde_json::from_slice::<Testimony>(&body);
                if let (Ok(testimony), Some(process)) = (testimony, &mut self.hosts[h].process) {
                    if let Some(round) = process.round.as_mut().filter(|round| round.start == testimony.start) {
                        round.answered.insert(from.node);
                    }
                    process.world.hear_testimony(from.node, testimony);
                    self.plan_soon(h);
                }
            }
            // Told once, and true for as long as this process speaks.
            e2d_gossip::Event::Cloned { one, other } => {
                let Some(process) = &mut self.hosts[h].process else { return };
                let clone = [one, other].into_iter().find(|peer| peer.boot != process.boot);
                if process.world.node() == Some(one.node) {
                    process.world.clone_at = clone.map(|peer| peer.addr);
                    self.note(|| format!("host{h} meets its clone at {:?}", clone.map(|peer| peer.addr)));
                    self.plan_soon(h);
                }
            }
            _ => {}
        }
    }

    /// Answers a question about a disk: what it says is durable before it is known. While the same file
    /// is being written for another reason it says nothing, and is asked again.
    fn testify(&mut self, h: usize, from: Peer, id: u64, body: &[u8]) {
        let Ok(question) = serde_json::from_slice::<Question>(body) else { return };
        let Some(process) = &mut self.hosts[h].process else { return };
        if process.busy[0] {
            return;
        }
        let (testimony, recall) = interview::testify(&process.world, &question);
        process.world.recall = recall.clone();
        let boot = process.boot;
        self.hosts[h].volume.recall = recall;
        self.queue.after(Duration::from_millis(2), Event::Answer(h, boot, from, id, testimony));
    }

    pub(super) fn answer(&mut self, h: usize, to: Peer, id: u64, testimony: &Testimony) {
        let body = serde_json::to_vec(testimony).unwrap_or_default();
        self.feed(h, Input::Answer { to, id, body: body.into() });
    }
}

/// Passes on who is there. Says whether that is news.
fn meet(process: &mut Process) -> bool {
    let Process { world, gossip: Some(gossip), .. } = process else { return false };
    let peers = gossip.peers();
    let gone: Vec<NodeId> = world.peers.keys().copied().filter(|node| !peers.contains_key(node)).collect();
    let mut changed = !gone.is_empty();
    for node in gone {
        world.forget_peer(node);
        gossip.forget(node);
    }
    for (node, status) in peers {
        let alive = status.state != State::Down;
        let known = world.peers.get(&node).map(|peer| (peer.boot, peer.alive));
        changed |= known != Some((status.peer.boot, alive));
        world.see_peer(node, status.peer.boot, status.peer.addr, alive, status.last_heard);
    }
    changed
}

/// Passes on what the peers said. Says whether that is news to act on: how far an etcd has come is not.
fn hear(process: &mut Process) -> bool {
    let Process { world, gossip: Some(gossip), memo, .. } = process else { return false };
    let peers: Vec<Peer> =
        world.peers.iter().map(|(node, peer)| Peer { node: *node, boot: peer.boot, addr: peer.addr }).collect();
    let mut changed = false;
    for peer in peers {
        if let Some(word) = news::<Word>(gossip, peer, WORD, |body| Word::decode(body).ok()) {
            memo.heard(peer.node, &word);
            let known = world.peers.get(&peer.node).and_then(|known| known.word.as_ref());
            changed |= known.is_none_or(|known| !says_the_same(known, &word));
            world.hear_word(peer.node, word);
        }
        if let Some((copy, _)) = news(gossip, peer, COPY, |body| Lineage::decode(body).ok()) {
            world.hear_copy(peer.node, copy);
            changed = true;
        }
    }
    changed
}

fn news<T>(gossip: &mut Gossip, peer: Peer, topic: u8, decode: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
    gossip.news(peer, topic).and_then(|body| decode(&body))
}

/// Whether two words of a node differ in nothing but how far its etcd has come.
fn says_the_same(a: &Word, b: &Word) -> bool {
    let stands = |word: &Word| word.progress.map(|progress| (progress.leads, progress.serves, progress.term));
    stands(a) == stands(b) && Word { progress: None, ..a.clone() } == Word { progress: None, ..b.clone() }
}
