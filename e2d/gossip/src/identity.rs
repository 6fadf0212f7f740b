//! Who somebody is: a process of a node at an address.
//!
//! SWIM's unit is the socket address. Two identities at one address are ordered by their bump, a
//! number that the newer process chooses after it has heard which one to exceed; no clock and no
//! durable counter is involved. This module only orders; the choice is made in the engine's handshake.

use e2d_core::id::{BootId, NodeId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;

/// One process of one node, at the address where it listens for UDP and TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Peer {
    /// The data directory that it runs on.
    pub node: NodeId,
    /// This run of the process.
    pub boot: BootId,
    /// Where it says it can be reached.
    pub addr: SocketAddr,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} (boot {})", self.node, self.addr, self.boot)
    }
}

/// A peer under one bump: what foca calls an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) peer: Peer,
    pub(crate) bump: u32,
}

impl Identity {
    /// Whether both are the same process, under whatever bump.
    pub(crate) fn is_same_process(&self, other: &Self) -> bool {
        self.peer == other.peer
    }

    /// Whether this identity displaces `other` at the same address. The tie-break between equal bumps
    /// is arbitrary, but the same for all.
    pub(crate) fn displaces(&self, other: &Self) -> bool {
        (self.bump, self.peer.boot, self.peer.node) > (other.bump, other.peer.boot, other.peer.node)
    }
}

impl foca::Identity for Identity {
    type Addr = SocketAddr;

    fn renew(&self) -> Option<Self> {
        Some(Self { bump: self.bump.checked_add(1)?, ..*self })
    }

    fn addr(&self) -> SocketAddr {
        self.peer.addr
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.displaces(adversary)
    }
}
