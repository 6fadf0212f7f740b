//! Carrying items: at once by pushing, and surely by comparing.
//!
//! A new word goes to every live peer of a small cluster. In a large one it goes to a few at random,
//! and whoever hears it for the first time passes it on to a few others: nearly all have it after a
//! handful of trips. What was lost is found by comparing with some peer now and then: root; if it
//! differs, sums per bucket; then heads; then each pushes what the other lacks and pulls what it lacks.

use super::Engine;
use crate::counters::Rejection;
use crate::event::{Event, Refusal};
use crate::identity::Peer;
use crate::items::digest::{BUCKETS, Sums};
use crate::items::{Head, Heard, Items, Key, Version};
use crate::packet::{MAX_DATAGRAM_PAYLOAD, MAX_FRAME_PAYLOAD};
use crate::timers::Timer;
use crate::wire::{Blob, Digest, Heads, Message, Word, Words};
use bytes::Bytes;
use e2d_core::id::NodeId;
use e2d_core::time::Moment;
use rand::RngExt as _;
use std::collections::BTreeMap;
use std::time::Duration;

/// To how many a word is passed on in a large cluster: e^-4 of the nodes, 2 %, miss it and find it by comparing.
const FANOUT: usize = 4;

/// How often somebody's items are compared with ours in a small cluster, while there is news.
const COMPARE_SMALL: Duration = Duration::from_millis(400);
/// How often otherwise.
const COMPARE_LARGE: Duration = Duration::from_secs(1);
/// For how long nobody must have told anything: by then everybody has compared with everybody many times.
const CALM: Duration = Duration::from_secs(10);

/// An upper bound of what an item's wrapping takes: two ids, three numbers, an age and a length.
const WORD_OVERHEAD: usize = 48;

/// Likewise of a head.
const HEAD_BYTES: usize = 40;

/// More than so many datagrams go as a stream.
const MAX_DATAGRAMS: usize = 4;

/// The most frames for one peer at once; the rest is found by the next comparison.
const MAX_FRAMES: usize = 16;

impl Engine {
    pub(super) fn publish(&mut self, topic: u8, body: Bytes) {
        if !self.fits(&body) {
            return;
        }
        let Peer { node: origin, boot, .. } = self.me.peer;
        if !self.items.has_topic_for(origin, topic) {
            return self.events.push(Event::Refused(Refusal::TooManyTopics { topic }));
        }
        self.said += 1;
        self.stirred = self.now;
        let version = Version { bump: self.me.bump, boot, counter: self.said };
        self.items.say(Head { origin, topic, version }, body);
        self.spread(&[(origin, topic)], None);
    }

    /// Pushes news: to all of a small cluster, to some of a large one, but not back to `teller`.
    pub(super) fn spread(&mut self, keys: &[Key], teller: Option<NodeId>) {
        if keys.is_empty() {
            return;
        }
        let to: Vec<Peer> = if self.is_small() { self.swim.live().collect() } else { self.some_live(FANOUT) };
        let to: Vec<Peer> = to.into_iter().filter(|peer| Some(peer.node) != teller).collect();
        self.push(&to, keys, true);
    }

    fn some_live(&mut self, wanted: usize) -> Vec<Peer> {
        let live = self.swim.live_count();
        let mut chosen = rand::seq::index::sample(&mut self.rng, live, wanted.min(live)).into_vec();
        chosen.sort_unstable();
        let mut members = self.swim.live().enumerate();
        chosen.into_iter().filter_map(|wanted| members.find(|(at, _)| *at == wanted).map(|(_, peer)| peer)).collect()
    }

    /// Sends these items to each of `to`.
    pub(super) fn push(&mut self, to: &[Peer], keys: &[Key], is_hot: bool) {
        let payloads = pack(&self.items, keys, is_hot, self.now);
        for peer in to {
            for payload in &payloads {
                self.send(*peer, payload.clone());
            }
        }
    }

    pub(super) fn receive_words(&mut self, from: Peer, words: &Words<'_>) {
        let mut news = Vec::new();
        for word in &words.words {
            if word.head.origin == self.me.peer.node {
                self.hear_of_ourselves(&word.head);
            } else if self.hear(from, word) {
                news.push((word.head.origin, word.head.topic));
            }
        }
        if words.hot && !self.is_small() {
            self.spread(&news, Some(from.node));
        }
    }

    /// Whether it was news.
    fn hear(&mut self, from: Peer, word: &Word<'_>) -> bool {
        let Head { origin, topic, version } = word.head;
        let direct = (from.node, from.boot) == (origin, version.boot);
        let gone_for = Duration::from_secs(word.gone_for_secs.into());
        match self.items.hear(word.head, word.body.0, direct, gone_for, self.now) {
            Heard::Taken { says_more, ended } => {
                self.events.extend(ended.map(|boot| Event::ItemsEnded { origin, boot }));
                if says_more {
                    let body = Bytes::copy_from_slice(word.body.0);
                    let Version { boot, counter, .. } = version;
                    self.events.push(Event::Item { origin, boot, topic, counter, body, direct });
                }
                true
            }
            // It lives and its word does not count: let it exceed what is remembered.
            Heard::Deposed(_) if direct && self.limiter.allow(self.now, (from.addr, from.boot)) => {
                let identity = crate::identity::Identity { peer: from, bump: version.bump };
                self.reply(identity, None, None);
                false
            }
            Heard::Refused => {
                self.counters.reject(Rejection::Full);
                false
            }
            Heard::Known | Heard::Late | Heard::Deposed(_) => false,
        }
    }

    /// Somebody remembers words of another process of our node: ours must supersede them.
    fn hear_of_ourselves(&mut self, head: &Head) {
        if head.version.boot != self.me.peer.boot {
            self.exceed(head.version.bump);
        }
    }

    pub(super) fn set_digest_timer(&mut self) {
        let is_stirred = self.now.since(self.stirred) < CALM;
        let pause = self.jitter(if self.is_small() && is_stirred { COMPARE_SMALL } else { COMPARE_LARGE });
        self.timers.set(self.now + pause, Timer::Digest);
    }

    pub(super) fn compare_with_somebody(&mut self) {
        self.compared = self.compared.wrapping_add(1);
        let peer = if self.is_small() {
            let turn = self.compared.checked_rem(self.swim.live_count());
            turn.and_then(|turn| self.peers.live().nth(turn)).map(|row| row.identity.peer)
        } else {
            self.some_live(1).first().copied()
        };
        if let Some(peer) = peer {
            self.compare_with(peer);
        }
    }

    pub(super) fn compare_with(&mut self, peer: Peer) {
        let digest = Digest { items: self.items.sums().root(), live: self.peers.live_sum(self.me) };
        self.send(peer, Message::Digest(digest).encode());
    }

    pub(super) fn receive_digest(&mut self, from: Peer, digest: Digest) {
        if digest.live != self.peers.live_sum(self.me) {
            self.tell_members(from);
        }
        if digest.items == self.items.sums().root() {
            return;
        }
        let few = MAX_DATAGRAM_PAYLOAD / HEAD_BYTES;
        let heads: Vec<Head> = self.items.heads(u64::MAX).take(few + 1).collect();
        let answer = if heads.len() <= few {
            Message::Heads(Heads { mask: u64::MAX, heads }).encode()
        } else {
            Message::Sums(Blob(&self.items.sums().to_bytes())).encode()
        };
        self.send(from, answer);
    }

    pub(super) fn receive_sums(&mut self, from: Peer, sums: &[u8]) -> Result<(), Rejection> {
        let theirs = Sums::from_bytes(sums).ok_or(Rejection::Malformed)?;
        let differing = self.items.sums().differing(&theirs);
        let first = self.rng.random_range(0..BUCKETS);
        let mut answer = Heads { mask: 0, heads: Vec::new() };
        for at in (0..BUCKETS).map(|n| 1 << ((first + n) % BUCKETS)).filter(|bit| differing & bit != 0) {
            let more: Vec<Head> = self.items.heads(at).collect();
            let is_first = answer.mask == 0;
            if !is_first && (answer.heads.len() + more.len()) * HEAD_BYTES > MAX_FRAME_PAYLOAD {
                break;
            }
            answer.mask |= at;
            answer.heads.extend(more);
        }
        if answer.mask != 0 {
            self.send(from, Message::Heads(answer).encode());
        }
        Ok(())
    }

    pub(super) fn receive_heads(&mut self, from: Peer, heads: &Heads) {
        let theirs: BTreeMap<Key, Version> = heads.heads.iter().map(|h| ((h.origin, h.topic), h.version)).collect();
        let lacks =
            |mine: &Head| theirs.get(&(mine.origin, mine.topic)).is_none_or(|version| mine.version.supersedes(version));
        let push: Vec<Key> = self.items.heads(heads.mask).filter(lacks).map(|h| (h.origin, h.topic)).collect();
        self.push(&[from], &push, false);
        let mut pull = Vec::new();
        for (key, version) in theirs {
            let (origin, topic) = key;
            if origin == self.me.peer.node {
                self.hear_of_ourselves(&Head { origin, topic, version });
            } else if self.items.would_take(&Head { origin, topic, version }) {
                pull.push(key);
            }
        }
        if !pull.is_empty() {
            self.send(from, Message::Pull(pull).encode());
        }
    }
}

/// The payloads that carry these items: a few datagrams, or else frames.
fn pack(items: &Items, keys: &[Key], hot: bool, now: Moment) -> Vec<Vec<u8>> {
    let words: Vec<Word<'_>> = keys
        .iter()
        .filter_map(|key| {
            let entry = items.get(*key)?;
            let gone_for_secs = items.gone_for(key.0, now).as_secs() as u16;
            let head = Head { origin: key.0, topic: key.1, version: entry.version };
            Some(Word { head, gone_for_secs, body: Blob(&entry.body) })
        })
        .collect();
    let size = |word: &Word<'_>| word.body.0.len() + WORD_OVERHEAD;
    let total: usize = words.iter().map(size).sum();
    let limit = if total > MAX_DATAGRAMS * MAX_DATAGRAM_PAYLOAD { MAX_FRAME_PAYLOAD } else { MAX_DATAGRAM_PAYLOAD };
    let mut payloads = Vec::new();
    let mut rest = words.as_slice();
    while !rest.is_empty() && payloads.len() < MAX_FRAMES {
        let mut bytes = 2 + 3;
        let fitting = rest.iter().take_while(|word| {
            bytes += size(word);
            bytes <= limit
        });
        // A body that fits no datagram makes a payload of its own.
        let (now, later) = rest.split_at(fitting.count().max(1));
        payloads.push(Message::Words(Words { hot, words: now.to_vec() }).encode());
        rest = later;
    }
    payloads
}
