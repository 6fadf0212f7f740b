//! Greeting addresses, answering greetings, and choosing our bump.
//!
//! Asker to answerer: hello (challenge a). Back: reply (echo a, challenge b, the bump to exceed). Back
//! again: reply (echo b). Then both know that the other is alive now, at the address that it claims.
//! The bump to exceed is how a restarted process, or a successor on the same address, displaces what
//! is remembered there at once instead of waiting until that is declared dead.

use super::{Engine, SMALL};
use crate::contacts::Reason;
use crate::identity::Identity;
use crate::peers::{Row, State};
use crate::timers::Timer;
use crate::wire::{Challenge, Hello, HelloReply, Message};
use foca::State as SwimState;
use std::net::SocketAddr;
use std::time::Duration;

impl Engine {
    pub(super) fn set_seeds(&mut self, seeds: Vec<SocketAddr>) {
        for seed in self.contacts.set_seeds(seeds) {
            if self.reason(seed).is_some() {
                self.ask(seed);
            }
        }
    }

    /// Greets an address now, and again until there is no more reason to.
    pub(super) fn ask(&mut self, addr: SocketAddr) {
        if addr == self.me.peer.addr {
            return;
        }
        if self.contacts.start(addr) {
            self.set_ask_timer(addr, self.reason(addr).unwrap_or(Reason::Delivery));
        }
        if self.contacts.greet(addr, self.now) {
            self.say_hello(addr);
        }
    }

    pub(super) fn ask_again(&mut self, addr: SocketAddr) {
        let Some(reason) = self.reason(addr) else { return self.contacts.stop(addr) };
        self.set_ask_timer(addr, reason);
        if self.contacts.greet(addr, self.now) {
            self.say_hello(addr);
        }
    }

    fn set_ask_timer(&mut self, addr: SocketAddr, reason: Reason) {
        let pause = self.contacts.pause(addr, reason);
        let pause = self.jitter(pause);
        self.timers.set(self.now + pause, Timer::Ask(addr));
    }

    fn reason(&self, addr: SocketAddr) -> Option<Reason> {
        let is_seed = self.contacts.is_seed(addr);
        let target = self.target(addr);
        let row = self.peers.at(target);
        if addr == self.me.peer.addr || target == self.me.peer.addr {
            None
        } else if self.waiting.is_waiting(addr, self.now) {
            Some(Reason::Delivery)
        } else if let Some(row) = row.filter(|row| row.is_live()) {
            let peer = row.identity.peer;
            let is_unmet = self.is_small() && self.sessions.of(peer.node, peer.boot).is_none();
            let is_alias = is_seed && target != addr;
            is_unmet.then_some(Reason::Unmet).or(is_alias.then_some(Reason::Alias))
        } else if is_seed {
            Some(Reason::Seed)
        } else {
            row.map(|_| Reason::Dead)
        }
    }

    /// Who is meant by an address: whoever is met there, else whoever said that it is there too.
    pub(super) fn target(&self, addr: SocketAddr) -> SocketAddr {
        let is_met = self.sessions.at(addr).is_some() || self.peers.at(addr).is_some_and(Row::is_live);
        if is_met { addr } else { self.contacts.target(addr) }
    }

    pub(super) fn is_small(&self) -> bool {
        self.swim.live_count() <= SMALL
    }

    pub(super) fn say_hello(&mut self, to: SocketAddr) {
        let challenge = self.challenges.for_addr(to, self.now);
        let hello = Message::Hello(Hello { challenge, from: self.me }).encode();
        self.transmit(to, None, &hello);
    }

    /// Answers, or tells, `to`, who must have passed the limiter.
    pub(super) fn reply(&mut self, to: Identity, echo: Option<Challenge>, challenge: Option<Challenge>) {
        let reply = HelloReply { echo, challenge, from: self.me, exceed: self.must_exceed(to) };
        self.transmit(to.peer.addr, Some(to.peer.boot), &Message::HelloReply(reply).encode());
    }

    /// The process at `target` answers at `alias` too.
    pub(super) fn follow_alias(&mut self, alias: SocketAddr, target: SocketAddr) {
        self.contacts.alias(alias, target);
        self.waiting.redirect(alias, target);
        if self.sessions.at(target).is_none() {
            self.ask(target);
        }
    }

    pub(super) fn receive_hello_reply(&mut self, reply: &HelloReply) {
        let at = reply.from.peer.addr;
        match reply.echo.filter(|echo| self.challenges.is_fresh(*echo, self.now)) {
            Some(echo) if echo.addr != at => self.follow_alias(echo.addr, at),
            Some(_) => self.contacts.forget_alias(at),
            None => {}
        }
        if let Some(bump) = reply.exceed {
            self.exceed(bump);
        }
        let from = reply.from;
        let must_exceed = self.must_exceed(from);
        let is_owed = reply.challenge.is_some() || must_exceed.is_some();
        if is_owed && self.limiter.allow(self.now, (from.peer.addr, from.peer.boot)) {
            self.reply(from, reply.challenge, None);
        }
        for payload in self.waiting.take(from.peer, self.now) {
            self.transmit(from.peer.addr, Some(from.peer.boot), &payload);
        }
        let is_known = self.peers.at(from.peer.addr).is_some_and(|row| row.is_live() && row.identity == from);
        if !is_known && must_exceed.is_none() {
            self.announce(from);
        }
        if !is_known {
            self.compare_with(from.peer);
        }
    }

    /// The bump that `who` must exceed, or what we remember of its address or its node wins.
    fn must_exceed(&self, who: Identity) -> Option<u32> {
        let member = self.swim.member_at(who.peer.addr).and_then(|(known, state)| {
            let loses = if known.is_same_process(&who) {
                state == SwimState::Down && known.bump >= who.bump
            } else {
                !who.displaces(&known)
            };
            loses.then_some(known.bump)
        });
        member.max(self.items.must_exceed(who.peer.node, who.bump, who.peer.boot))
    }

    /// Takes a bump above `bump`, and puts our words under it.
    ///
    /// Not often: a cloned machine would otherwise drive both copies up at the speed of the network.
    pub(super) fn exceed(&mut self, bump: u32) {
        let Some(new) = bump.checked_add(1).filter(|new| *new > self.me.bump) else { return };
        if !self.renewals.take(self.now, 4, Duration::from_secs(5)) {
            return;
        }
        self.change_bump(new);
        let keys = self.items.renew(self.me.peer.node, new);
        self.spread(&keys, None);
    }

    /// Stops greeting dead peers after two days, or earlier if there are too many of them.
    pub(super) fn forget_the_dead(&mut self) {
        const MAX_DEAD: usize = 1024;
        const REMEMBERED: Duration = Duration::from_hours(48);
        let mut dead: Vec<_> = self.peers.iter().filter(|row| row.state == State::Down).copied().collect();
        dead.sort_by_key(|row| std::cmp::Reverse((row.since, row.identity.peer.addr)));
        let now = self.now;
        let is_over = |(rank, row): &(usize, crate::peers::Row)| *rank >= MAX_DEAD || now.since(row.since) > REMEMBERED;
        for (_, row) in dead.into_iter().enumerate().filter(is_over) {
            self.forget(row.identity);
        }
    }
}
