//! What each node last said about itself, by topic.
//!
//! Only the origin makes an item. Items of one process are ordered by that process's own counter. A
//! process supersedes another of the same node when its (bump, boot) is higher: a process chooses its
//! bump above any that its peers remember of its node, so the later one wins, with no clock and
//! nothing durable. The highest seen is the node's *reign*; what belongs to another process is late
//! news and refused, and a new reign drops what the old one said, on every topic. Hence two stores
//! that have heard the same items agree, in whatever order they came.
//!
//! Bounds: [`MAX_ORIGINS`] nodes, [`MAX_TOPICS`] topics each, [`MAX_ITEM_BYTES`] per body and
//! [`MAX_STORE_BYTES`] in all. Items of a node that nobody has had alive for [`GONE_FOR`] are dropped;
//! that age travels with the item, so copies do not keep each other alive.

pub(crate) mod digest;

use bytes::Bytes;
use digest::Sums;
use e2d_core::id::{BootId, NodeId};
use e2d_core::time::Moment;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The most nodes whose items are kept.
pub const MAX_ORIGINS: usize = 2048;
/// The most topics of one node.
pub const MAX_TOPICS: usize = 8;
/// The longest body of an item, a question or an answer.
pub const MAX_ITEM_BYTES: usize = 64 * 1024;
/// The most bytes of all bodies together.
pub(crate) const MAX_STORE_BYTES: usize = 16 * 1024 * 1024;
/// How long the word of a node that is gone is kept.
pub(crate) const GONE_FOR: Duration = Duration::from_mins(10);

/// One node's word on one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Who said it.
    pub origin: NodeId,
    /// In which run of its process.
    pub boot: BootId,
    /// About what. The caller gives topics their meaning.
    pub topic: u8,
    /// Rises with each word of that process.
    pub counter: u64,
    /// What was said, untouched.
    pub body: Bytes,
    /// Whether it came from the origin itself: then it is a fact, else hearsay of a trusted peer.
    pub direct: bool,
}

/// Where an item stands among those of the same node and topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) bump: u32,
    pub(crate) boot: BootId,
    pub(crate) counter: u64,
}

impl Version {
    /// Whether this one is the later word.
    pub(crate) fn supersedes(&self, other: &Self) -> bool {
        if self.boot == other.boot {
            (self.counter, self.bump) > (other.counter, other.bump)
        } else {
            (self.bump, self.boot) > (other.bump, other.boot)
        }
    }
}

/// Names one item's place.
pub(crate) type Key = (NodeId, u8);

/// One item without its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) origin: NodeId,
    pub(crate) topic: u8,
    pub(crate) version: Version,
}

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) version: Version,
    pub(crate) body: Bytes,
    pub(crate) direct: bool,
}

struct Origin {
    /// The process whose word counts, and the highest bump it was heard under.
    bump: u32,
    boot: BootId,
    /// When its words are dropped; none while it is alive.
    drop_at: Option<Moment>,
    topics: BTreeMap<u8, Entry>,
}

/// What became of an item that was heard.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Taken. `says_more`: it is news to the caller; `ended`: the process whose word it ended.
    Taken { says_more: bool, ended: Option<BootId> },
    /// The same is known already.
    Known,
    /// Late news of the reigning process.
    Late,
    /// From a process that does not reign; it would have to exceed this bump.
    Deposed(u32),
    /// A table is full, or its node has been gone for too long.
    Refused,
}

/// All items, the own ones included.
#[derive(Default)]
pub(crate) struct Items {
    origins: BTreeMap<NodeId, Origin>,
    bytes: usize,
    sums: Sums,
}

impl Items {
    /// Takes note of an item. `gone_for` is how long the teller has not had its node alive.
    pub(crate) fn hear(&mut self, head: Head, body: &[u8], direct: bool, gone_for: Duration, now: Moment) -> Heard {
        let Version { bump, boot, counter } = head.version;
        let origin = self.origins.get(&head.origin);
        if let Some(reign) = origin.filter(|o| o.boot != boot && (o.bump, o.boot) > (bump, boot)) {
            return Heard::Deposed(reign.bump);
        }
        if origin.is_none() && (gone_for >= GONE_FOR || self.origins.len() >= MAX_ORIGINS) {
            return Heard::Refused;
        }
        let ended = origin.map(|origin| origin.boot).filter(|reigning| *reigning != boot);
        let known = origin.filter(|_| ended.is_none()).and_then(|origin| origin.topics.get(&head.topic));
        let is_same_word = known.is_some_and(|entry| entry.version.counter == counter);
        let confirms = is_same_word && direct && known.is_some_and(|entry| !entry.direct);
        match known {
            Some(entry) if entry.version == head.version && !confirms => return Heard::Known,
            Some(entry) if entry.version != head.version && !head.version.supersedes(&entry.version) => {
                return Heard::Late;
            }
            _ if !self.has_room(&head, body.len(), ended.is_some()) => return Heard::Refused,
            _ => {}
        }
        let direct = direct || is_same_word && known.is_some_and(|entry| entry.direct);
        let is_end_of_words = ended.is_some() && self.drop_words(head.origin);
        let drop_at = now + GONE_FOR.saturating_sub(gone_for);
        self.put(head, Bytes::copy_from_slice(body), direct, Some(drop_at));
        Heard::Taken { says_more: !is_same_word || confirms, ended: ended.filter(|_| is_end_of_words) }
    }

    fn put(&mut self, head: Head, body: Bytes, direct: bool, drop_at: Option<Moment>) {
        let Head { origin, topic, version } = head;
        let Version { bump, boot, .. } = version;
        let new = || Origin { bump, boot, drop_at, topics: BTreeMap::new() };
        let place = self.origins.entry(origin).or_insert_with(new);
        place.bump = if place.boot == boot { place.bump.max(bump) } else { bump };
        place.boot = boot;
        self.bytes += body.len();
        self.sums.toggle(&head);
        if let Some(old) = place.topics.insert(topic, Entry { version, body, direct }) {
            self.bytes -= old.body.len();
            self.sums.toggle(&Head { origin, topic, version: old.version });
        }
    }

    /// Whether a body of `len` bytes has room; `ends_others` when the origin's other words go first.
    fn has_room(&self, head: &Head, len: usize, ends_others: bool) -> bool {
        let topics = self.origins.get(&head.origin).map(|origin| &origin.topics);
        let replaced = |(topic, _): &(&u8, &Entry)| ends_others || **topic == head.topic;
        let freed: usize = topics.into_iter().flatten().filter(replaced).map(|(_, entry)| entry.body.len()).sum();
        let kept = topics.into_iter().flatten().filter(|word| !replaced(word)).count();
        len <= MAX_ITEM_BYTES && kept < MAX_TOPICS && self.bytes - freed + len <= MAX_STORE_BYTES
    }

    /// Whether this would be news.
    pub(crate) fn would_take(&self, head: &Head) -> bool {
        let Some(origin) = self.origins.get(&head.origin) else { return true };
        let Version { bump, boot, .. } = head.version;
        if origin.boot == boot {
            origin.topics.get(&head.topic).is_none_or(|entry| head.version.supersedes(&entry.version))
        } else {
            (bump, boot) > (origin.bump, origin.boot)
        }
    }

    /// Whether `origin` may publish under `topic`.
    pub(crate) fn has_topic_for(&self, origin: NodeId, topic: u8) -> bool {
        let topics = self.origins.get(&origin).map(|origin| &origin.topics);
        topics.is_none_or(|topics| topics.contains_key(&topic) || topics.len() < MAX_TOPICS)
    }

    /// Our own word. It is kept even when the store is full: the bound is for what others say.
    pub(crate) fn say(&mut self, head: Head, body: Bytes) {
        self.put(head, body, true, None);
    }

    /// Puts our own words under a higher bump, so that they supersede those of an earlier process.
    pub(crate) fn renew(&mut self, own: NodeId, bump: u32) -> Vec<Key> {
        let Some(origin) = self.origins.get_mut(&own) else { return Vec::new() };
        origin.bump = origin.bump.max(bump);
        for (topic, entry) in &mut origin.topics {
            self.sums.toggle(&Head { origin: own, topic: *topic, version: entry.version });
            entry.version.bump = bump;
            self.sums.toggle(&Head { origin: own, topic: *topic, version: entry.version });
        }
        origin.topics.keys().map(|topic| (own, *topic)).collect()
    }

    /// Learns by membership which process of `node` lives: the words of earlier ones end at once, even
    /// before it speaks. Gives the process whose words ended.
    pub(crate) fn crown(&mut self, node: NodeId, bump: u32, boot: BootId) -> Option<BootId> {
        let Some(origin) = self.origins.get_mut(&node) else {
            if self.origins.len() < MAX_ORIGINS {
                self.origins.insert(node, Origin { bump, boot, drop_at: None, topics: BTreeMap::new() });
            }
            return None;
        };
        origin.drop_at = None;
        if origin.boot == boot {
            origin.bump = origin.bump.max(bump);
        }
        if origin.boot == boot || (bump, boot) < (origin.bump, origin.boot) {
            return None;
        }
        let ended = std::mem::replace(&mut origin.boot, boot);
        origin.bump = bump;
        self.drop_words(node).then_some(ended)
    }

    /// The bump that `boot` must exceed before its word counts for `node`; none when it reigns or nobody does.
    pub(crate) fn must_exceed(&self, node: NodeId, bump: u32, boot: BootId) -> Option<u32> {
        let origin = self.origins.get(&node)?;
        (origin.boot != boot && (origin.bump, origin.boot) > (bump, boot)).then_some(origin.bump)
    }

    /// Nobody has the node alive any more: its words age from now on.
    pub(crate) fn bury(&mut self, node: NodeId, now: Moment) {
        if let Some(origin) = self.origins.get_mut(&node) {
            origin.drop_at = origin.drop_at.or(Some(now + GONE_FOR));
        }
    }

    /// Drops the words of nodes long gone, and names their processes.
    pub(crate) fn expire(&mut self, now: Moment) -> Vec<(NodeId, BootId)> {
        let is_over = |origin: &Origin| origin.drop_at.is_some_and(|at| at <= now);
        let over: Vec<_> = self.origins.iter().filter(|(_, o)| is_over(o)).map(|(node, o)| (*node, o.boot)).collect();
        let mut ended = Vec::new();
        for (node, boot) in over {
            ended.extend(self.drop_words(node).then_some((node, boot)));
            self.origins.remove(&node);
        }
        ended
    }

    /// False when there were none.
    fn drop_words(&mut self, node: NodeId) -> bool {
        let Some(origin) = self.origins.get_mut(&node) else { return false };
        let words = std::mem::take(&mut origin.topics);
        for (topic, entry) in &words {
            self.bytes -= entry.body.len();
            self.sums.toggle(&Head { origin: node, topic: *topic, version: entry.version });
        }
        !words.is_empty()
    }

    pub(crate) fn get(&self, (origin, topic): Key) -> Option<&Entry> {
        self.origins.get(&origin)?.topics.get(&topic)
    }

    /// For how long nobody has had the node alive.
    pub(crate) fn gone_for(&self, node: NodeId, now: Moment) -> Duration {
        let drop_at = self.origins.get(&node).and_then(|origin| origin.drop_at);
        drop_at.map_or(Duration::ZERO, |at| GONE_FOR.saturating_sub(at.since(now)))
    }

    pub(crate) fn sums(&self) -> &Sums {
        &self.sums
    }

    /// All heads in order, of the buckets in `mask`.
    pub(crate) fn heads(&self, mask: u64) -> impl Iterator<Item = Head> {
        self.origins
            .iter()
            .filter(move |(node, _)| mask & (1 << digest::bucket(**node)) != 0)
            .flat_map(|(node, origin)| origin.topics.iter().map(|(topic, entry)| (*node, *topic, entry.version)))
            .map(|(origin, topic, version)| Head { origin, topic, version })
    }

    /// All items in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Item> {
        self.origins
            .iter()
            .flat_map(|(node, origin)| origin.topics.iter().map(|(topic, entry)| entry.item((*node, *topic))))
    }
}

impl Entry {
    pub(crate) fn item(&self, (origin, topic): Key) -> Item {
        let Version { boot, counter, .. } = self.version;
        Item { origin, boot, topic, counter, body: self.body.clone(), direct: self.direct }
    }
}

#[cfg(test)]
mod tests;
