//! What is inside a sealed packet: one message of version 1.
//!
//! A message is one byte for its kind and then its fields by postcard, but for foca's packets, which
//! are carried as they are. How the format may grow: a kind that is not known is ignored and counted,
//! and so are bytes after the known fields, so a later program may add kinds, and fields at the end. A
//! change of anything else needs a new version byte in the header.

use crate::identity::Identity;
use crate::items::Head;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::net::SocketAddr;

/// Whoever can echo this has lately received what was sent to `addr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Challenge {
    pub(crate) number: u64,
    pub(crate) addr: SocketAddr,
}

/// Asks whoever is at an address to show that it is alive now. The only message that may be unbound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) challenge: Challenge,
    pub(crate) from: Identity,
}

/// Answers a hello, bound to the asker's boot; or, without an echo, only tells the bump to exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HelloReply {
    pub(crate) echo: Option<Challenge>,
    /// The answerer's own question, if the asker has not yet shown to be alive.
    pub(crate) challenge: Option<Challenge>,
    pub(crate) from: Identity,
    /// The asker's bump must be above this, or what is remembered of its address or node wins.
    pub(crate) exceed: Option<u32>,
}

/// One item on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Word<'a> {
    pub(crate) head: Head,
    /// For how long the teller has not had the origin alive.
    pub(crate) gone_for_secs: u16,
    #[serde(borrow)]
    pub(crate) body: Blob<'a>,
}

/// Items, `hot` when they are news that large clusters pass on at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Words<'a> {
    pub(crate) hot: bool,
    #[serde(borrow)]
    pub(crate) words: Vec<Word<'a>>,
}

/// Speak up if yours differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digest {
    /// The root of the sender's items.
    pub(crate) items: u64,
    /// The sum of whom the sender has alive.
    pub(crate) live: u64,
}

/// Everything that the sender has in the buckets of `mask`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heads {
    pub(crate) mask: u64,
    pub(crate) heads: Vec<Head>,
}

/// A question, or the answer to one: the caller's number and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exchange<'a> {
    pub(crate) id: u64,
    #[serde(borrow)]
    pub(crate) body: Blob<'a>,
}

/// Borrowed bytes, copied as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blob<'a>(pub(crate) &'a [u8]);

impl Serialize for Blob<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Blob<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&[u8]>::deserialize(deserializer).map(Self)
    }
}

/// All kinds of version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    Hello(Hello),
    HelloReply(HelloReply),
    /// A packet of foca's.
    Swim(&'a [u8]),
    Words(Words<'a>),
    Digest(Digest),
    /// The sender's sums, because the roots differ.
    Sums(Blob<'a>),
    /// The sender's heads, because sums differ: push what it lacks, pull what you lack.
    Heads(Heads),
    /// Asks for these items.
    Pull(Vec<(e2d_core::id::NodeId, u8)>),
    Question(Exchange<'a>),
    Answer(Exchange<'a>),
    /// Whom the sender has alive, because the sums of it differ.
    Members(Vec<foca::Member<Identity>>),
}

/// Why a payload could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    UnknownKind,
    Malformed,
}

const HELLO: u8 = 1;
const HELLO_REPLY: u8 = 2;
const SWIM: u8 = 3;
const WORDS: u8 = 4;
const DIGEST: u8 = 5;
const SUMS: u8 = 6;
const HEADS: u8 = 7;
const PULL: u8 = 8;
const QUESTION: u8 = 9;
const ANSWER: u8 = 10;
const MEMBERS: u8 = 11;

impl<'a> Message<'a> {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hello(fields) => with_kind(HELLO, fields),
            Self::HelloReply(fields) => with_kind(HELLO_REPLY, fields),
            Self::Swim(packet) => [&[SWIM], *packet].concat(),
            Self::Words(fields) => with_kind(WORDS, fields),
            Self::Digest(fields) => with_kind(DIGEST, fields),
            Self::Sums(sums) => with_kind(SUMS, sums),
            Self::Heads(fields) => with_kind(HEADS, fields),
            Self::Pull(keys) => with_kind(PULL, keys),
            Self::Question(fields) => with_kind(QUESTION, fields),
            Self::Answer(fields) => with_kind(ANSWER, fields),
            Self::Members(members) => with_kind(MEMBERS, members),
        }
    }

    pub(crate) fn decode(payload: &'a [u8]) -> Result<Self, Unreadable> {
        let (kind, fields) = payload.split_first().ok_or(Unreadable::Malformed)?;
        match *kind {
            HELLO => read(fields).map(Self::Hello),
            HELLO_REPLY => read(fields).map(Self::HelloReply),
            SWIM => Ok(Self::Swim(fields)),
            WORDS => read(fields).map(Self::Words),
            DIGEST => read(fields).map(Self::Digest),
            SUMS => read(fields).map(Self::Sums),
            HEADS => read(fields).map(Self::Heads),
            PULL => read(fields).map(Self::Pull),
            QUESTION => read(fields).map(Self::Question),
            ANSWER => read(fields).map(Self::Answer),
            MEMBERS => read(fields).map(Self::Members),
            _ => Err(Unreadable::UnknownKind),
        }
    }
}

fn with_kind(kind: u8, fields: &impl Serialize) -> Vec<u8> {
    // Growing a vector in memory cannot fail, and none of these types can.
    postcard::to_extend(fields, vec![kind]).unwrap_or_default()
}

/// Ignores what follows the known fields.
fn read<'a, T: Deserialize<'a>>(fields: &'a [u8]) -> Result<T, Unreadable> {
    postcard::take_from_bytes(fields).map(|(value, _)| value).map_err(|_| Unreadable::Malformed)
}

#[cfg(test)]
mod tests;
