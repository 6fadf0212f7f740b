//! The peers as the caller sees them, kept in step with foca's membership.

use crate::fnv::Fnv;
use crate::identity::{Identity, Peer};
use e2d_core::id::NodeId;
use e2d_core::time::Moment;
use std::collections::BTreeMap;
use std::hash::Hasher as _;
use std::net::{IpAddr, SocketAddr};

/// What gossip holds of a peer. None of it is proof of anything (S12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It answers, or somebody says so.
    Alive,
    /// It did not answer somebody's probe, and has not refuted yet.
    Suspect,
    /// It left, or did not refute in time.
    Down,
}

/// One peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerStatus {
    /// Who.
    pub peer: Peer,
    /// Dead or alive, as far as the cluster says.
    pub state: State,
    /// Since when it is in that state.
    pub since: Moment,
    /// When it last sent *us* a packet that is authentic and cannot be a replay; none if never. Among up to
    /// nine nodes that is every second or so; in large clusters it takes as long as it takes until one
    /// happens to probe the other: whoever needs to know sooner asks a question.
    pub last_heard: Option<Moment>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) identity: Identity,
    pub(crate) state: State,
    pub(crate) since: Moment,
}

impl Row {
    pub(crate) fn is_live(&self) -> bool {
        self.state != State::Down
    }

    fn sum(&self) -> u64 {
        if self.is_live() { sum(&self.identity) } else { 0 }
    }
}

fn sum(identity: &Identity) -> u64 {
    let Peer { node, boot, addr } = identity.peer;
    let mut hasher = Fnv::default();
    match addr.ip() {
        IpAddr::V4(ip) => hasher.write(&ip.octets()),
        IpAddr::V6(ip) => hasher.write(&ip.octets()),
    }
    hasher.write(&addr.port().to_be_bytes());
    hasher.write(&node.0.to_be_bytes());
    hasher.write(&boot.0.to_be_bytes());
    hasher.write(&identity.bump.to_be_bytes());
    hasher.finish()
}

/// One row per address.
#[derive(Default)]
pub(crate) struct Peers {
    rows: BTreeMap<SocketAddr, Row>,
    live_sum: u64,
}

impl Peers {
    pub(crate) fn at(&self, addr: SocketAddr) -> Option<&Row> {
        self.rows.get(&addr)
    }

    /// Writes a row. `since` stays when the same process stays in its state. Gives the former row.
    pub(crate) fn set(&mut self, identity: Identity, state: State, now: Moment) -> Option<Row> {
        let addr = identity.peer.addr;
        let unchanged = |row: &&Row| row.state == state && row.identity.is_same_process(&identity);
        let since = self.rows.get(&addr).filter(unchanged).map_or(now, |row| row.since);
        let row = Row { identity, state, since };
        self.live_sum ^= row.sum();
        let former = self.rows.insert(addr, row);
        self.live_sum ^= former.as_ref().map_or(0, Row::sum);
        former
    }

    pub(crate) fn remove(&mut self, addr: SocketAddr) {
        self.live_sum ^= self.rows.remove(&addr).as_ref().map_or(0, Row::sum);
    }

    /// Sums up who is alive, `me` included: two nodes with the same sum need not compare.
    pub(crate) fn live_sum(&self, me: Identity) -> u64 {
        self.live_sum ^ sum(&me)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().filter(|row| row.is_live())
    }

    /// Whether any process of the node is alive.
    pub(crate) fn has_live(&self, node: NodeId) -> bool {
        self.live().any(|row| row.identity.peer.node == node)
    }
}
