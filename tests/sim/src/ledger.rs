//! What really happened, as no node knows it: the ground that the invariants stand on.

use crate::raft::Write;
use crate::sim::Sim;
use e2d_core::id::{ClusterId, Epoch, MemberId, Nonce, Revision};
use e2d_core::lineage::{ClaimKind, Lineage, LineageState};
use e2d_core::memory::Phase;
use std::collections::{BTreeMap, BTreeSet};

/// A write on its way to a majority.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// The write.
    pub write: Write,
    /// The leader's host.
    pub leader: usize,
    /// The cluster.
    pub cluster: ClusterId,
    /// The entry's term.
    pub term: u64,
    /// The entry's place in the log, from 1.
    pub index: usize,
}

/// The ledger.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Counts the client's writes.
    pub writes: Write,
    /// Writes not answered yet.
    pub pending: Vec<Pending>,
    /// Acknowledged writes that must be there, by cluster.
    pub acked: BTreeMap<ClusterId, BTreeSet<Write>>,
    /// How many were acknowledged in all.
    pub acks: u64,
    /// The highest revision that a client can have seen.
    pub revision: Revision,
    /// Counts the makings of data directories.
    pub serials: u64,
    /// Which making first ran under a raft id, and how long its log was when it last ran.
    pub speakers: BTreeMap<MemberId, (u64, usize)>,
    /// Whether any epoch was ever live.
    pub ever_live: bool,
    /// The claims that went live.
    pub live: BTreeMap<Epoch, Nonce>,
    /// The cluster that serves clients now.
    pub serving: Option<ClusterId>,
    /// When it was last checked.
    pub checked: u64,
    /// How many acts were begun.
    pub acts: u64,
    /// How many restores went live.
    pub restores: u64,
    /// How many members were removed.
    pub evictions: u64,
}

/// The lineage object was written.
pub fn written(sim: &mut Sim, lineage: &Lineage) {
    let birth = lineage.claim.kind == ClaimKind::Birth;
    if lineage.state == LineageState::Forming && birth && sim.ledger.ever_live {
        sim.breach("S2", "an empty cluster was claimed although one had lived");
    }
    if lineage.state != LineageState::Live || sim.ledger.live.contains_key(&lineage.epoch) {
        return;
    }
    sim.ledger.live.insert(lineage.epoch, lineage.claim.nonce);
    sim.ledger.ever_live = true;
    crate::invariants::newest_wins::epoch_began(sim, lineage);
    if let Some(source) = lineage.claim.source {
        sim.ledger.restores += 1;
        let keys = sim.store.archives.get(&source.archive).map(|(_, keys)| keys.writes.clone());
        sim.ledger.acked.insert(lineage.cluster_id(), keys.unwrap_or_default());
    }
}

/// How many disks could still vote in a cluster, and how many voters it has, by the longest log.
#[must_use]
pub fn intact(sim: &Sim, cluster: ClusterId) -> (usize, usize) {
    let of_cluster = |h: &usize| sim.hosts[*h].volume.data.as_ref().is_some_and(|disk| disk.cluster == cluster);
    let newest = (0..sim.hosts.len())
        .filter(of_cluster)
        .filter_map(|h| sim.hosts[h].volume.data.as_ref())
        .max_by_key(|disk| disk.last());
    let Some(newest) = newest else { return (0, 0) };
    let voters = newest.applied.voters();
    let could = (0..sim.hosts.len()).filter(of_cluster).filter(|&h| {
        let volume = &sim.hosts[h].volume;
        let member = volume.data.as_ref().map(|disk| disk.member);
        let whole =
            !volume.damaged && !volume.set_back && matches!(volume.state.phase, Phase::Member | Phase::Founding);
        whole && member.is_some_and(|member| voters.contains(&member))
    });
    (could.count(), voters.len())
}
