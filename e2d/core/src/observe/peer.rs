//! Another node as gossip shows it.

use crate::id::BootId;
use crate::time::Moment;
use crate::word::Word;
use std::net::SocketAddr;

/// What was seen of another node by gossip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The run of its process.
    pub boot: BootId,
    /// Where gossip reaches it.
    pub addr: SocketAddr,
    /// Whether gossip holds it alive, a suspect included.
    pub alive: bool,
    /// When a packet of its own last reached this node directly.
    pub heard_at: Option<Moment>,
    /// Its newest word.
    pub word: Option<Word>,
    /// Since when its phase, place and etcd have been what they are.
    pub steady_since: Moment,
}
