//! Opening packets, and letting through only what is authentic, meant for this very process, and fresh.

use super::Engine;
use crate::counters::Rejection;
use crate::event::Event;
use crate::identity::Peer;
use crate::packet::{self, Header, MAX_DATAGRAM_BYTES, MAX_FRAME_BYTES};
use crate::wire::{Hello, HelloReply, Message, Unreadable};
use bytes::Bytes;
use std::net::SocketAddr;

impl Engine {
    pub(super) fn receive_datagram(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.receive(Some(from), bytes, MAX_DATAGRAM_BYTES);
    }

    pub(super) fn receive_frame(&mut self, bytes: &[u8]) {
        self.receive(None, bytes, MAX_FRAME_BYTES);
    }

    fn receive(&mut self, source: Option<SocketAddr>, bytes: &[u8], limit: usize) {
        self.counters.packets_in += 1;
        self.counters.bytes_in += bytes.len() as u64;
        if let Err(why) = self.try_receive(source, bytes, limit) {
            self.counters.reject(why);
        }
    }

    fn try_receive(&mut self, source: Option<SocketAddr>, bytes: &[u8], limit: usize) -> Result<(), Rejection> {
        let header = Header::parse(bytes, limit)?;
        if (header.node, header.boot) == (self.me.peer.node, self.me.peer.boot) {
            return Err(Rejection::Own);
        }
        let payload = packet::open(&self.keys, &header, bytes)?;
        match header.to {
            None => match (Message::decode(&payload), source) {
                (Ok(Message::Hello(hello)), Some(_)) => self.receive_hello(&header, &hello),
                _ => Err(Rejection::Unbound),
            },
            Some(boot) if boot != self.me.peer.boot => {
                self.greet_back(&header, source);
                Err(Rejection::OtherBoot)
            }
            Some(_) => self.receive_bound(&header, source, payload),
        }
    }

    fn receive_bound(
        &mut self,
        header: &Header,
        source: Option<SocketAddr>,
        payload: Vec<u8>,
    ) -> Result<(), Rejection> {
        match self.sessions.accept(header.node, header.boot, header.counter) {
            Some(true) => return self.take_fresh(header, &payload),
            Some(false) => return Err(Rejection::Replayed),
            None => {}
        }
        let Ok(Message::HelloReply(reply)) = Message::decode(&payload) else {
            self.early.keep(header.node, header.boot, header.counter, payload);
            if !self.early.is_about_to_confirm(header.node, header.boot, self.now) {
                self.greet_back(header, source);
            }
            return Err(Rejection::NoSession);
        };
        self.open_session(header, &reply)?;
        self.take_fresh(header, &payload)?;
        for (counter, payload) in self.early.take(header.node, header.boot, header.counter) {
            if self.sessions.accept(header.node, header.boot, counter) == Some(true)
                && let Err(why) = self.take_fresh(header, &payload)
            {
                self.counters.reject(why);
            }
        }
        Ok(())
    }

    /// Only an answer to a recent hello opens a session; whatever else comes from a process without one
    /// may be a replay.
    fn open_session(&mut self, header: &Header, reply: &HelloReply) -> Result<(), Rejection> {
        let peer = check_sender(header, reply.from.peer)?;
        let echo = reply.echo.filter(|echo| self.challenges.is_fresh(*echo, self.now)).ok_or(Rejection::Stale)?;
        if echo.addr != peer.addr {
            self.follow_alias(echo.addr, peer.addr);
            return Err(Rejection::Alias);
        }
        let is_open = self.sessions.open(peer, header.counter, self.now);
        is_open.then_some(()).ok_or(Rejection::Full)
    }

    fn take_fresh(&mut self, header: &Header, payload: &[u8]) -> Result<(), Rejection> {
        self.note_heard(header);
        let session = self.sessions.of(header.node, header.boot).ok_or(Rejection::NoSession)?;
        match Message::decode(payload) {
            Ok(message) => self.take_message(session.peer, message),
            Err(Unreadable::UnknownKind) => Err(Rejection::UnknownKind),
            Err(Unreadable::Malformed) => Err(Rejection::Malformed),
        }
    }

    fn note_heard(&mut self, header: &Header) {
        let clones = if header.node == self.me.peer.node {
            let is_news = self.sessions.mark_clone(header.node, header.boot);
            let other = self.sessions.of(header.node, header.boot).map(|session| session.peer);
            other.filter(|_| is_news).map(|other| (self.me.peer, other))
        } else {
            None
        };
        let clones = self.sessions.hear(header.node, header.boot, self.now).or(clones);
        if let Some((one, other)) = clones {
            self.events.push(Event::Cloned { one, other });
        }
    }

    fn take_message(&mut self, from: Peer, message: Message<'_>) -> Result<(), Rejection> {
        match message {
            Message::Hello(_) => return Err(Rejection::Malformed),
            Message::HelloReply(reply) if reply.from.peer != from => return Err(Rejection::Malformed),
            Message::HelloReply(reply) => self.receive_hello_reply(&reply),
            Message::Swim(packet) => self.receive_swim(from, packet),
            Message::Words(words) => self.receive_words(from, &words),
            Message::Digest(digest) => self.receive_digest(from, digest),
            Message::Members(members) => self.receive_members(members),
            Message::Sums(sums) => return self.receive_sums(from, sums.0),
            Message::Heads(heads) => self.receive_heads(from, &heads),
            Message::Pull(keys) => self.push(&[from], &keys, false),
            Message::Question(question) => {
                let body = Bytes::copy_from_slice(question.body.0);
                self.events.push(Event::Question { from, id: question.id, body });
            }
            Message::Answer(answer) => {
                let body = Bytes::copy_from_slice(answer.body.0);
                self.events.push(Event::Answer { from, id: answer.id, body });
            }
        }
        Ok(())
    }

    /// A hello proves nothing, for it may be old. It changes nothing here, and the answer goes to where
    /// its sender, not the packet, says that it is.
    fn receive_hello(&mut self, header: &Header, hello: &Hello) -> Result<(), Rejection> {
        let peer = check_sender(header, hello.from.peer)?;
        if peer.addr == self.me.peer.addr {
            return Err(Rejection::AddressClash);
        }
        let session = self.sessions.accept(header.node, header.boot, header.counter);
        if session == Some(false) {
            return Err(Rejection::Replayed);
        }
        if !self.limiter.allow(self.now, (peer.addr, peer.boot)) {
            return Err(Rejection::Limited);
        }
        let challenge = session.is_none().then(|| self.challenges.for_addr(peer.addr, self.now));
        if challenge.is_some() {
            self.early.answer(header.node, header.boot, self.now);
        }
        self.reply(hello.from, Some(hello.challenge), challenge);
        Ok(())
    }

    /// What an unknown process sealed for us, or for an earlier process at our address, may be a replay,
    /// or it does not know that we, or it, have restarted: asking settles it.
    fn greet_back(&mut self, header: &Header, source: Option<SocketAddr>) {
        let known = self.sessions.of_node(header.node).map(|session| session.peer.addr);
        let Some(to) = known.or(source) else { return };
        if to != self.me.peer.addr && self.limiter.allow(self.now, (to, header.boot)) {
            self.say_hello(to);
        }
    }
}

/// The sender that a message names must be the one that sealed it.
fn check_sender(header: &Header, peer: Peer) -> Result<Peer, Rejection> {
    if (peer.node, peer.boot) == (header.node, header.boot) { Ok(peer) } else { Err(Rejection::Malformed) }
}
