//! Driving foca, and telling the caller what it found.
//!
//! What is added to foca: a ping is repeated until it is answered or the probe ends, so that loss alone
//! hardly ever makes a suspect; news of the membership is passed on at once in small clusters; probing
//! goes on after a renewal even if nobody is heard any more; and the dead are forgotten by the engine's
//! own rules.

use super::{Engine, SMALL};
use crate::counters::{Counters, Rejection};
use crate::event::Event;
use crate::identity::{Identity, Peer};
use crate::packet::{MAX_DATAGRAM_PAYLOAD, MAX_FRAME_PAYLOAD};
use crate::peers::{Peers, State};
use crate::settings::Timing;
use crate::timers::Timer;
use crate::wire::Message;
use e2d_core::time::Moment;
use foca::{AccumulatingRuntime, Foca, NoCustomBroadcast, OwnedNotification, PostcardCodec, State as SwimState};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

/// foca's packets travel behind one byte for the kind.
const MAX_PACKET: NonZeroUsize = NonZeroUsize::new(MAX_DATAGRAM_PAYLOAD - 1).unwrap();

/// How often a ping is sent within the round trip allowed to it. One repeat too many costs a packet.
const PINGS_PER_RTT: u32 = 3;

/// How often rumours are told, besides what rides on pings.
const RUMOURS: Duration = Duration::from_millis(200);

/// The most members, dead or alive. Beyond it, packets that would add one are refused.
const MAX_MEMBERS: usize = 4096;

/// An upper bound of what a member takes in a list.
const MEMBER_BYTES: usize = 48;

/// A long list is told this often at most.
const LIST_PAUSE: Duration = Duration::from_secs(5);

/// With more members than this, suspicions are looked for now and then only.
const SURVEYED_ALWAYS: usize = 32;
const SURVEY: Duration = Duration::from_millis(250);

type Node = Foca<Identity, PostcardCodec, ChaCha8Rng, NoCustomBroadcast>;
type Effects = AccumulatingRuntime<Identity>;

/// foca and what belongs to it.
pub(super) struct Swim {
    foca: Node,
    effects: Effects,
    /// The last ping, until it is answered.
    probe: Option<Probe>,
    /// Whether a timer is set to tell rumours.
    tells: bool,
    surveyed: Moment,
    tuned: (NonZeroU8, Duration),
}

struct Probe {
    peer: Peer,
    payload: Vec<u8>,
    ends: Moment,
}

impl Swim {
    pub(super) fn new(me: Identity, timing: &Timing, rng: ChaCha8Rng) -> Self {
        let config = timing.swim(0, MAX_PACKET);
        Self {
            tuned: (config.max_transmissions, config.suspect_to_down_after),
            foca: Foca::new(me, config, rng, PostcardCodec),
            effects: AccumulatingRuntime::new(),
            probe: None,
            tells: false,
            surveyed: Moment::default(),
        }
    }

    /// Whether there is something to tell, and somebody to tell it to.
    fn has_rumours(&self) -> bool {
        self.foca.updates_backlog() > 0 && self.live_count() > 0
    }

    pub(super) fn live_count(&self) -> usize {
        self.foca.num_members()
    }

    pub(super) fn live(&self) -> impl Iterator<Item = Peer> {
        self.foca.iter_members().map(|member| member.id().peer)
    }

    /// What foca remembers of an address, dead or alive.
    pub(super) fn member_at(&self, addr: SocketAddr) -> Option<(Identity, SwimState)> {
        let mut members = self.foca.iter_membership_state();
        members.find(|member| member.id().peer.addr == addr).map(|member| (*member.id(), member.state()))
    }

    /// Whether a packet may be taken: always, but for one that names a new member while there is no room.
    fn has_room_for(&self, packet: &[u8]) -> bool {
        let is_known = |id: &Identity| self.member_at(id.peer.addr).is_some();
        self.room() > 0 || names(packet).is_some_and(|names| names.iter().all(is_known))
    }

    fn room(&self) -> usize {
        MAX_MEMBERS.saturating_sub(self.foca.iter_membership_state().len())
    }
}

/// The identities that a packet of foca's names as members.
fn names(packet: &[u8]) -> Option<Vec<Identity>> {
    let (header, rest) = postcard::take_from_bytes::<foca::Header<Identity>>(packet).ok()?;
    let mut names = vec![header.src];
    let Some((count, mut rest)) = rest.split_first_chunk::<2>() else { return Some(names) };
    for _ in 0..u16::from_be_bytes(*count) {
        let (member, after) = postcard::take_from_bytes::<foca::Member<Identity>>(rest).ok()?;
        names.push(*member.id());
        rest = after;
    }
    Some(names)
}

fn message(packet: &[u8]) -> Option<foca::Message<Identity>> {
    let header = postcard::take_from_bytes::<foca::Header<Identity>>(packet);
    header.ok().map(|(header, _)| header.message)
}

impl Engine {
    pub(super) fn receive_swim(&mut self, from: Peer, packet: &[u8]) {
        if self.swim.probe.as_ref().is_some_and(|probe| probe.peer == from)
            && matches!(message(packet), Some(foca::Message::Ack(_)))
        {
            self.swim.probe = None;
            self.timers.unset(&Timer::PingAgain);
        }
        if self.swim.has_room_for(packet) {
            self.run_swim(|foca, effects| foca.handle_data(packet, effects));
        } else {
            self.counters.reject(Rejection::Full);
        }
    }

    pub(super) fn fire_swim(&mut self, timer: foca::Timer<Identity>) {
        self.run_swim(|foca, effects| foca.handle_timer(timer, effects));
    }

    pub(super) fn announce(&mut self, to: Identity) {
        self.run_swim(|foca, effects| foca.announce(to, effects));
    }

    pub(super) fn change_bump(&mut self, bump: u32) {
        self.me.bump = bump;
        self.counters.renewals += 1;
        let me = self.me;
        self.run_swim(|foca, effects| foca.change_identity(me, effects));
    }

    pub(super) fn tell_leaving(&mut self) {
        self.run_swim(|foca, effects| foca.leave_cluster(&mut *effects).and_then(|()| foca.gossip(effects)));
    }

    /// Forgets a dead peer.
    pub(super) fn forget(&mut self, identity: Identity) {
        self.peers.remove(identity.peer.addr);
        self.run_swim(|foca, effects| foca.handle_timer(foca::Timer::RemoveDown(identity), effects));
    }

    /// Tells whom we have alive: what SWIM's rumours missed is found by comparing.
    pub(super) fn tell_members(&mut self, to: Peer) {
        let live = self.swim.live_count();
        let is_short = live * MEMBER_BYTES <= MAX_DATAGRAM_PAYLOAD;
        if live == 0 || !is_short && !self.member_lists.take(self.now, 4, LIST_PAUSE) {
            return;
        }
        let first = self.rng.random_range(0..live);
        let all = || self.swim.foca.iter_members().cloned();
        let members = all().skip(first).chain(all().take(first)).take(MAX_FRAME_PAYLOAD / MEMBER_BYTES).collect();
        self.send(to, Message::Members(members).encode());
    }

    pub(super) fn receive_members(&mut self, members: Vec<foca::Member<Identity>>) {
        if members.len() > self.swim.room() {
            return self.counters.reject(Rejection::Full);
        }
        self.run_swim(|foca, effects| foca.apply_many(members.into_iter(), true, effects));
    }

    fn run_swim(&mut self, act: impl FnOnce(&mut Node, &mut Effects) -> Result<(), foca::Error>) {
        let Swim { foca, effects, .. } = &mut self.swim;
        let is_by_itself = act(foca, effects).is_ok();
        // A changed identity leaves foca disconnected until it hears somebody, with no timer running; if
        // nobody is left to be heard, it would hold all for alive for ever. No updates, but reconnects.
        let is_reconnected = foca.apply_many(std::iter::empty(), false, effects).is_ok();
        if !is_by_itself || !is_reconnected {
            self.counters.reject(Rejection::Swim);
        }
        let is_news = self.take_notifications();
        if is_news && self.is_small() {
            let Swim { foca, effects, .. } = &mut self.swim;
            if foca.gossip(effects).is_err() {
                self.counters.reject(Rejection::Swim);
            }
        }
        self.take_effects();
        if self.swim.has_rumours() && !self.swim.tells {
            self.swim.tells = true;
            self.timers.set(self.now + RUMOURS, Timer::Rumours);
        }
        self.survey();
    }

    pub(super) fn tell_rumours(&mut self) {
        self.swim.tells = false;
        if self.swim.has_rumours() {
            self.run_swim(|foca, effects| foca.gossip(effects));
        }
    }

    fn take_effects(&mut self) {
        while let Some((after, timer)) = self.swim.effects.to_schedule() {
            self.timers.set(self.now + after, Timer::Swim(timer));
        }
        while let Some((to, packet)) = self.swim.effects.to_send() {
            let payload = Message::Swim(&packet).encode();
            if let Some(foca::Message::Ping(_)) = message(&packet) {
                let ends = self.now + self.timing.probe_period;
                self.swim.probe = Some(Probe { peer: to.peer, payload: payload.clone(), ends });
                self.timers.set(self.now + self.timing.probe_rtt / PINGS_PER_RTT, Timer::PingAgain);
            }
            self.send(to.peer, payload);
        }
    }

    pub(super) fn ping_again(&mut self) {
        let next = self.now + self.timing.probe_rtt / PINGS_PER_RTT;
        let Some(probe) = self.swim.probe.as_ref().filter(|probe| next < probe.ends) else { return };
        let (peer, payload) = (probe.peer, probe.payload.clone());
        self.timers.set(next, Timer::PingAgain);
        self.send(peer, payload);
    }

    /// Whether the membership changed.
    fn take_notifications(&mut self) -> bool {
        let mut is_news = false;
        while let Some(notification) = self.swim.effects.to_notify() {
            match notification {
                OwnedNotification::MemberUp(id) => self.note_up(id),
                OwnedNotification::MemberDown(id) => self.note_down(id),
                OwnedNotification::Rename(old, new) => self.note_rename(old, new),
                OwnedNotification::Rejoin(id) => {
                    self.me = id;
                    self.counters.renewals += 1;
                }
                OwnedNotification::Active | OwnedNotification::Idle | OwnedNotification::Defunct => continue,
            }
            is_news = true;
        }
        if is_news {
            self.tune();
        }
        is_news
    }

    fn note_up(&mut self, id: Identity) {
        let former = self.peers.set(id, State::Alive, self.now);
        if former.is_some_and(|row| row.state == State::Down && row.identity.is_same_process(&id)) {
            self.counters.false_deaths += 1;
        }
        self.crown(id);
        self.events.push(Event::Up(id.peer));
        if self.is_small() && self.sessions.of(id.peer.node, id.peer.boot).is_none() {
            self.ask(id.peer.addr);
        }
    }

    fn note_down(&mut self, id: Identity) {
        self.peers.set(id, State::Down, self.now);
        self.events.push(Event::Down(id.peer));
        if !self.peers.has_live(id.peer.node) {
            self.items.bury(id.peer.node, self.now);
        }
        let mut lost = self.contacts.seeds_of(id.peer.addr);
        self.contacts.forget_aliases_of(id.peer.addr);
        lost.push(id.peer.addr);
        for addr in lost {
            self.ask(addr);
        }
    }

    /// foca tells first that the address has another identity, and then, if that changes, whether it is
    /// alive.
    fn note_rename(&mut self, old: Identity, new: Identity) {
        let was_live = self.peers.at(old.peer.addr).is_some_and(crate::peers::Row::is_live);
        if old.is_same_process(&new) {
            let state = self.peers.at(old.peer.addr).map_or(State::Down, |row| row.state);
            self.peers.set(new, state, self.now);
            return;
        }
        self.events.push(Event::Replaced { old: old.peer, new: new.peer });
        let is_live = self.swim.member_at(new.peer.addr).is_some_and(|(_, state)| state != SwimState::Down);
        if was_live && is_live {
            self.note_up(new);
        } else if is_live {
            self.peers.remove(old.peer.addr);
        } else {
            self.peers.set(new, State::Down, self.now);
        }
        if !self.peers.has_live(old.peer.node) {
            self.items.bury(old.peer.node, self.now);
        }
    }

    fn crown(&mut self, id: Identity) {
        let Peer { node, boot, .. } = id.peer;
        if node == self.me.peer.node {
            return;
        }
        if let Some(boot) = self.items.crown(node, id.bump, boot) {
            self.events.push(Event::ItemsEnded { origin: node, boot });
        }
    }

    fn tune(&mut self) {
        let config = self.timing.swim(self.swim.live_count(), MAX_PACKET);
        let tuned = (config.max_transmissions, config.suspect_to_down_after);
        if tuned != self.swim.tuned && self.swim.foca.set_config(config).is_ok() {
            self.swim.tuned = tuned;
        }
    }

    /// foca does not tell of suspicions: compare its members with our rows.
    fn survey(&mut self) {
        let members = self.swim.foca.iter_membership_state();
        if members.len() > SURVEYED_ALWAYS && self.now.since(self.swim.surveyed) < SURVEY {
            return;
        }
        self.swim.surveyed = self.now;
        for member in members {
            survey(&mut self.peers, &mut self.counters, *member.id(), member.state(), self.now);
        }
    }
}

fn survey(peers: &mut Peers, counters: &mut Counters, id: Identity, state: SwimState, now: Moment) {
    match (peers.at(id.peer.addr).map(|row| row.state), state) {
        (Some(State::Alive), SwimState::Suspect) => {
            counters.suspicions += 1;
            peers.set(id, State::Suspect, now);
        }
        (Some(State::Suspect), SwimState::Alive) => {
            counters.false_suspicions += 1;
            peers.set(id, State::Alive, now);
        }
        _ => {}
    }
}

const _: () = assert!(SMALL <= SURVEYED_ALWAYS, "small clusters see suspicions at once");
