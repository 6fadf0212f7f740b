//! What goes into the engine and what comes out of it.

use crate::identity::Peer;
use crate::keys::Keyring;
use bytes::Bytes;
use e2d_core::id::{BootId, NodeId};
use e2d_core::time::Moment;
use std::net::SocketAddr;

/// One thing that happens to an engine.
#[derive(Clone)]
pub enum Input {
    /// Time has passed. Due at [`Output::wake_at`]; harmless at any other moment.
    Tick,
    /// A datagram arrived.
    Datagram {
        /// Where it says it comes from. Nothing but hints rests on it.
        from: SocketAddr,
        /// All of it, or a byte more than the longest if it was longer.
        bytes: Bytes,
    },
    /// A frame arrived by TCP.
    Stream {
        /// The frame without its length.
        bytes: Bytes,
    },
    /// From now on these addresses are asked until each is a live peer, for ever. Replaces the former. At
    /// most 256; our own may be among them.
    Seeds(Vec<SocketAddr>),
    /// This node's word on a topic, in place of its former word on it.
    Publish {
        /// At most [`crate::MAX_TOPICS`] different ones.
        topic: u8,
        /// At most [`crate::MAX_ITEM_BYTES`].
        body: Bytes,
    },
    /// Puts a question to whoever is at an address, a live peer or not. May be lost: ask again.
    Ask {
        /// Where to.
        to: SocketAddr,
        /// Comes back in the answer.
        id: u64,
        /// At most [`crate::MAX_ITEM_BYTES`].
        body: Bytes,
    },
    /// Answers a question. May be lost: answer again when asked again.
    Answer {
        /// Who asked.
        to: Peer,
        /// Under which number.
        id: u64,
        /// At most [`crate::MAX_ITEM_BYTES`].
        body: Bytes,
    },
    /// Seals and opens with these keys from now on.
    Keys(Keyring),
    /// Tells the peers that we go. The engine is silent and deaf afterwards.
    Leave,
}

/// What the caller has to do, in order, and when to come back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Packets to send. Losing one is safe.
    pub sends: Vec<Send>,
    /// What happened.
    pub events: Vec<Event>,
    /// When the next [`Input::Tick`] is due; none after [`Input::Leave`].
    pub wake_at: Option<Moment>,
}

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Send {
    /// To which address.
    pub to: SocketAddr,
    /// Sealed.
    pub bytes: Bytes,
    /// By which transport.
    pub via: Via,
}

/// How a packet travels. Both transports use the same port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// UDP.
    Datagram,
    /// TCP: too long for a datagram.
    Stream,
}

/// Something that the caller may want to know. Each is also visible in the engine's state, so that a
/// caller may lose events and look instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A peer is alive, or again alive.
    Up(Peer),
    /// A peer is held dead: by its own word, or because it was silent and did not refute.
    Down(Peer),
    /// Another process is at a peer's address: restarted if the node is the same, else a successor. If
    /// it is alive, [`Event::Up`] follows.
    Replaced {
        /// Gone for good.
        old: Peer,
        /// There now.
        new: Peer,
    },
    /// Two processes of one node were both heard after both had been up: a cloned machine. One of them
    /// may be ourselves.
    Cloned {
        /// The one known longer.
        one: Peer,
        /// The other.
        other: Peer,
    },
    /// A node said something new about itself; or what was hearsay is now confirmed by the node.
    Item {
        /// Who.
        origin: NodeId,
        /// In which run of its process.
        boot: BootId,
        /// About what.
        topic: u8,
        /// Its how manieth word.
        counter: u64,
        /// What.
        body: Bytes,
        /// Whether the origin itself told us.
        direct: bool,
    },
    /// Nothing that this process said counts any more: it was superseded or is long gone.
    ItemsEnded {
        /// Whose.
        origin: NodeId,
        /// Which process.
        boot: BootId,
    },
    /// A peer asks.
    Question {
        /// Who, with a packet that cannot be older than our own process.
        from: Peer,
        /// Goes back with the answer.
        id: u64,
        /// What.
        body: Bytes,
    },
    /// A peer answers.
    Answer {
        /// Who.
        from: Peer,
        /// Which question. Whether it was asked is for the caller to check.
        id: u64,
        /// What.
        body: Bytes,
    },
    /// An input was not carried out.
    Refused(Refusal),
}

/// Why an input was not carried out. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body is longer than [`crate::MAX_ITEM_BYTES`].
    #[error("a body of {bytes} bytes is longer than 65536")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// [`crate::MAX_TOPICS`] topics are in use.
    #[error("topic {topic} would be the ninth")]
    TooManyTopics {
        /// The one too many.
        topic: u8,
    },
    /// The new keyring cannot seal: the old one stays.
    #[error("the keys cannot be used")]
    Keys,
    /// The engine has left.
    #[error("this node has left gossip")]
    Left,
}
