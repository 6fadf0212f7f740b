//! The network between the machines: which links are cut, one way each, and how much is lost.
//!
//! Gossip's datagrams are delayed, reordered by that, and lost; its streams need both directions, and
//! loss only makes them slower. etcd's traffic is as whole as its links. Either can be cut off alone, as
//! a firewall does that knows one port and not the other.

use e2d_core::time::Moment;
use std::collections::BTreeSet;

/// The network.
#[derive(Clone, Debug, Default)]
pub struct Network {
    cut: BTreeSet<(usize, usize)>,
    no_gossip: BTreeSet<usize>,
    no_raft: BTreeSet<usize>,
    /// The share of datagrams that is lost, in percent.
    pub loss: u32,
    /// When a link was last cut or mended.
    pub changed: Moment,
}

impl Network {
    /// Whether gossip that `from` sends comes to `to`.
    #[must_use]
    pub fn carries_gossip(&self, from: usize, to: usize) -> bool {
        !self.cut.contains(&(from, to)) && !self.no_gossip.contains(&from) && !self.no_gossip.contains(&to)
    }

    /// Whether what the etcd of `from` sends comes to that of `to`.
    #[must_use]
    pub fn carries_raft(&self, from: usize, to: usize) -> bool {
        !self.cut.contains(&(from, to)) && !self.no_raft.contains(&from) && !self.no_raft.contains(&to)
    }

    /// Drops the gossip of a machine.
    pub fn block_gossip(&mut self, host: usize, now: Moment) {
        self.no_gossip.insert(host);
        self.changed = now;
    }

    /// Drops the traffic of a machine's etcd with the others.
    pub fn block_raft(&mut self, host: usize, now: Moment) {
        self.no_raft.insert(host);
        self.changed = now;
    }

    /// Cuts a link, one way.
    pub fn cut(&mut self, from: usize, to: usize, now: Moment) {
        self.cut.insert((from, to));
        self.changed = now;
    }

    /// Mends all links.
    pub fn heal(&mut self, now: Moment) {
        self.cut.clear();
        self.no_gossip.clear();
        self.no_raft.clear();
        self.changed = now;
    }
}
