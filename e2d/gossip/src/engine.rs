//! The protocol as a pure machine: inputs and a moment in, packets, events and the next moment out.
//!
//! It promises to be deterministic: no clock, no IO, no ambient randomness, and no order that depends
//! on a hash. It promises bounded tables whatever it is fed. It does not judge: that a peer is held
//! dead is told as an event, with when it was last heard, and the caller decides.
//!
//! The parts: `receive` opens packets and lets through what is fresh; `handshake` greets addresses,
//! opens sessions and chooses our bump; `swim` drives foca; `spread` carries items.

mod handshake;
mod receive;
mod spread;
mod swim;

use crate::contacts::Contacts;
use crate::counters::{Counters, Rejection};
use crate::early::Early;
use crate::event::{Event, Input, Output, Refusal, Send, Via};
use crate::identity::{Identity, Peer};
use crate::items::{Item, Items, MAX_ITEM_BYTES};
use crate::keys::Keyring;
use crate::limiter::{Bucket, Limiter};
use crate::packet::{MAX_DATAGRAM_PAYLOAD, MAX_FRAME_PAYLOAD, Sealer};
use crate::peers::{PeerStatus, Peers};
use crate::sessions::{Challenges, Sessions};
use crate::settings::{Settings, SettingsError, Timing};
use crate::timers::{Timer, Timers};
use crate::waiting::Waiting;
use crate::wire::{Blob, Exchange, Message};
use bytes::Bytes;
use e2d_core::id::{BootId, NodeId};
use e2d_core::time::Moment;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::net::SocketAddr;
use std::time::Duration;

/// Up to this many live peers everybody speaks to everybody; with more, to a few at random.
const SMALL: usize = 8;

/// How often old things are forgotten.
const SWEEP: Duration = Duration::from_secs(5);

/// Whoever is this late for a timer did not run, and has no right to call others silent.
const FREEZE: Duration = Duration::from_millis(250);

/// One node's gossip.
pub struct Engine {
    now: Moment,
    me: Identity,
    timing: Timing,
    keys: Keyring,
    sealer: Sealer,
    rng: ChaCha8Rng,
    swim: swim::Swim,
    timers: Timers,
    sessions: Sessions,
    early: Early,
    challenges: Challenges,
    limiter: Limiter,
    /// How often we may take a higher bump of our own accord.
    renewals: Bucket,
    /// How often we may tell somebody all members of a large cluster.
    member_lists: Bucket,
    contacts: Contacts,
    waiting: Waiting,
    peers: Peers,
    items: Items,
    counters: Counters,
    /// Counts our own words.
    said: u64,
    /// Counts our comparisons.
    compared: usize,
    /// When there was last anything to tell.
    stirred: Moment,
    has_left: bool,
    sends: Vec<Send>,
    events: Vec<Event>,
}

impl Engine {
    /// An engine that knows nobody. `seed` is all the randomness that it will ever have; in production
    /// it comes from the operating system.
    pub fn new(settings: Settings, now: Moment, seed: u64) -> Result<Self, SettingsError> {
        settings.check()?;
        let Settings { node, boot, addr, keys, timing } = settings;
        let timing = timing.made_possible();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let me = Identity { peer: Peer { node, boot, addr }, bump: 0 };
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        let mut engine = Self {
            now,
            me,
            timing,
            sealer: Sealer::new(&keys, node, boot)?,
            keys,
            swim: swim::Swim::new(me, &timing, ChaCha8Rng::seed_from_u64(rng.next_u64())),
            timers: Timers::default(),
            sessions: Sessions::default(),
            early: Early::default(),
            challenges: Challenges::new(secret),
            limiter: Limiter::new(rng.next_u64()),
            renewals: Bucket::default(),
            member_lists: Bucket::default(),
            rng,
            contacts: Contacts::default(),
            waiting: Waiting::default(),
            peers: Peers::default(),
            items: Items::default(),
            counters: Counters::default(),
            said: 0,
            compared: 0,
            stirred: now,
            has_left: false,
            sends: Vec::new(),
            events: Vec::new(),
        };
        engine.timers.set(now + SWEEP, Timer::Sweep);
        engine.set_digest_timer();
        Ok(engine)
    }

    /// Takes one input. `now` must not go back; if it does, it is taken to stand still.
    pub fn handle(&mut self, now: Moment, input: Input) -> Output {
        self.now = self.now.max(now);
        if self.has_left {
            self.refuse_after_leaving(&input);
        } else {
            self.notice_freeze();
            self.take(input);
        }
        if !self.events.is_empty() {
            self.stirred = self.now;
        }
        Output {
            sends: std::mem::take(&mut self.sends),
            events: std::mem::take(&mut self.events),
            wake_at: self.timers.first(),
        }
    }

    /// Who we are.
    #[must_use]
    pub fn me(&self) -> Peer {
        self.me.peer
    }

    /// All peers, dead ones included, by address. We are not among them.
    pub fn peers(&self) -> impl Iterator<Item = PeerStatus> {
        self.peers.iter().map(|row| {
            let peer = row.identity.peer;
            let last_heard = self.sessions.of(peer.node, peer.boot).map(|session| session.heard);
            PeerStatus { peer, state: row.state, since: row.since, last_heard }
        })
    }

    /// The latest word of each node on each topic, our own included, by node and topic.
    pub fn items(&self) -> impl Iterator<Item = Item> {
        self.items.iter()
    }

    /// The latest word of one node on one topic.
    #[must_use]
    pub fn item(&self, origin: NodeId, topic: u8) -> Option<Item> {
        let key = (origin, topic);
        self.items.get(key).map(|entry| entry.item(key))
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Tick => {
                while let Some(timer) = self.timers.pop(self.now) {
                    self.fire(timer);
                }
            }
            Input::Datagram { from, bytes } => self.receive_datagram(from, &bytes),
            Input::Stream { bytes } => self.receive_frame(&bytes),
            Input::Seeds(seeds) => self.set_seeds(seeds),
            Input::Publish { topic, body } => self.publish(topic, body),
            Input::Ask { to, id, body } => self.put_question(to, id, &body),
            Input::Answer { to, id, body } => {
                if self.fits(&body) {
                    self.send(to, Message::Answer(Exchange { id, body: Blob(&body) }).encode());
                }
            }
            Input::Keys(keys) => match self.sealer.rekey(&keys) {
                Ok(()) => self.keys = keys,
                Err(_) => self.events.push(Event::Refused(Refusal::Keys)),
            },
            Input::Leave => self.leave(),
        }
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Swim(timer) => self.fire_swim(timer),
            Timer::Rumours => self.tell_rumours(),
            Timer::PingAgain => self.ping_again(),
            Timer::Ask(addr) => self.ask_again(addr),
            Timer::Digest => {
                self.compare_with_somebody();
                self.set_digest_timer();
            }
            Timer::Sweep => {
                self.sweep();
                self.timers.set(self.now + SWEEP, Timer::Sweep);
            }
        }
    }

    /// A process that was frozen has missed the packets that would have refuted its suspicions: no timer
    /// counts the time during which it could not have heard anything.
    fn notice_freeze(&mut self) {
        let late = self.timers.first().map_or(Duration::ZERO, |due| self.now.since(due));
        if late > FREEZE {
            self.counters.freezes += 1;
            self.timers.delay(late);
        }
    }

    fn sweep(&mut self) {
        self.early.clear();
        self.waiting.expire(self.now);
        self.forget_the_dead();
        let peers = &self.peers;
        let is_peer = |peer: &Peer| peers.at(peer.addr).is_some_and(|row| row.identity.peer == *peer);
        self.sessions.expire(self.now, is_peer);
        for (origin, boot) in self.items.expire(self.now) {
            self.events.push(Event::ItemsEnded { origin, boot });
        }
    }

    fn put_question(&mut self, to: SocketAddr, id: u64, body: &Bytes) {
        if !self.fits(body) {
            return;
        }
        let payload = Message::Question(Exchange { id, body: Blob(body) }).encode();
        let known = self.sessions.at(self.target(to)).map(|session| (session.peer, session.heard));
        match known {
            Some((peer, heard)) => {
                self.send(peer, payload);
                // Another process may be there by now: then it answers this, and the next question.
                if self.now.since(heard) > Duration::from_secs(1) {
                    self.ask(to);
                }
            }
            None if self.waiting.push(to, None, payload, self.now) => self.ask(to),
            None => self.counters.reject(Rejection::Full),
        }
    }

    fn fits(&mut self, body: &Bytes) -> bool {
        let fits = body.len() <= MAX_ITEM_BYTES;
        if !fits {
            self.events.push(Event::Refused(Refusal::TooLong { bytes: body.len() }));
        }
        fits
    }

    fn leave(&mut self) {
        self.tell_leaving();
        self.has_left = true;
        self.timers.clear();
    }

    fn refuse_after_leaving(&mut self, input: &Input) {
        if !matches!(input, Input::Tick | Input::Datagram { .. } | Input::Stream { .. } | Input::Leave) {
            self.events.push(Event::Refused(Refusal::Left));
        }
    }

    /// Sends a payload to a process, as soon as it has shown that it is alive.
    fn send(&mut self, to: Peer, payload: Vec<u8>) {
        if self.sessions.of(to.node, to.boot).is_some() {
            self.transmit(to.addr, Some(to.boot), &payload);
        } else if self.waiting.push(to.addr, Some(to.boot), payload, self.now) {
            self.ask(to.addr);
        } else {
            self.counters.reject(Rejection::Full);
        }
    }

    fn transmit(&mut self, to: SocketAddr, boot: Option<BootId>, payload: &[u8]) {
        let via = match payload.len() {
            len if len <= MAX_DATAGRAM_PAYLOAD => Via::Datagram,
            len if len <= MAX_FRAME_PAYLOAD => Via::Stream,
            _ => return self.counters.reject(Rejection::Oversized),
        };
        let Some(packet) = self.sealer.seal(boot, payload) else { return };
        self.counters.packets_out += 1;
        self.counters.bytes_out += packet.len() as u64;
        self.sends.push(Send { to, bytes: packet.into(), via });
    }

    /// A fifth more or less, so that nodes which started together do not speak together for ever.
    fn jitter(&mut self, span: Duration) -> Duration {
        span * self.rng.random_range(80..=120) / 100
    }
}

#[cfg(test)]
mod tests;
