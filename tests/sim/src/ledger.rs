//! What really happened, as no node knows it: the ground that the invariants stand on.

use crate::raft::{Disk, Write};
use crate::setup::Begin;
use crate::sim::Sim;
use e2d_core::id::{ClusterId, Epoch, MemberId, Nonce, Revision};
use e2d_core::lineage::{Lineage, LineageState, Source};
use e2d_core::memory::Phase;
use e2d_core::time::Moment;
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

/// When a member last exchanged heartbeats with a leader that had a quorum, and when it last did not
/// although there was one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Presence {
    /// It did.
    pub heard: Moment,
    /// It did not.
    pub missed: Moment,
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
    /// The clusters that lost acknowledged writes to a fault which nobody could know of.
    pub forgiven: BTreeSet<ClusterId>,
    /// The highest revision that a client can have seen.
    pub revision: Revision,
    /// Counts the makings of data directories.
    pub serials: u64,
    /// Which making first ran under a raft id, and how long its log was when it last ran.
    pub speakers: BTreeMap<MemberId, (u64, usize)>,
    /// When each member was last present.
    pub presence: BTreeMap<MemberId, Presence>,
    /// The clusters of the epochs that went live.
    pub live: BTreeMap<Epoch, ClusterId>,
    /// What each claimed cluster restores.
    pub sources: BTreeMap<ClusterId, Option<Source>>,
    /// The claims that were ever written.
    pub claims: BTreeSet<Nonce>,
    /// The cluster that was there before e2d.
    pub plain: Option<ClusterId>,
    /// The clusters that served clients, in order.
    pub served: Vec<ClusterId>,
    /// Where a member listened that a bug is about to remove.
    pub urls: BTreeMap<MemberId, String>,
    /// How many machines are to leave for good.
    pub leaving: usize,
    /// The heartbeat at which the invariants were last checked.
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
    crate::invariants::never_empty::written(sim, lineage);
    crate::invariants::fenced::written(sim, lineage);
    crate::invariants::newest_wins::written(sim, lineage);
    let cluster = lineage.cluster_id();
    sim.ledger.claims.insert(lineage.claim.nonce);
    sim.ledger.sources.insert(cluster, lineage.claim.source);
    if lineage.state != LineageState::Live || sim.ledger.live.get(&lineage.epoch) == Some(&cluster) {
        return;
    }
    sim.ledger.live.insert(lineage.epoch, cluster);
    if let Some(source) = lineage.claim.source {
        sim.ledger.restores += 1;
        let store = sim.stores.iter().find_map(|store| store.archive(source.archive));
        let writes = store.map(|archive| archive.whole.writes.clone());
        sim.ledger.acked.insert(cluster, writes.unwrap_or_default());
    }
}

/// Notes who is present. Once a heartbeat.
pub fn note_presence(sim: &mut Sim) {
    let now = sim.queue.now();
    for host in &sim.hosts {
        let Some(etcd) = host.etcd.as_ref().filter(|etcd| host.runs() && etcd.server.has_quorum()) else { continue };
        let Some(disk) = &host.volume.data else { continue };
        for id in disk.applied.seats.keys() {
            let presence = sim.ledger.presence.entry(*id).or_insert(Presence { heard: now, missed: now });
            if etcd.server.matched.contains_key(id) {
                presence.heard = now;
            } else {
                presence.missed = now;
            }
        }
    }
}

/// The longest log of a cluster, wherever it lies; of equal ones, one that can be read, and of those the one that was
/// carried out the furthest: what the survivors do not know to be committed does not help them.
#[must_use]
pub fn newest(sim: &Sim, cluster: ClusterId) -> Option<&Disk> {
    let disks = sim.hosts.iter().filter_map(|host| Some((host.volume.data.as_deref()?, !host.volume.damaged)));
    let ours = disks.filter(|(disk, _)| disk.cluster == cluster);
    ours.max_by_key(|(disk, readable)| (disk.last(), *readable, disk.applied.index)).map(|(disk, _)| disk)
}

/// The members of a cluster that have a whole disk on a machine that may return, `without` left aside.
#[must_use]
pub fn whole(sim: &Sim, cluster: ClusterId, without: Option<usize>) -> BTreeSet<MemberId> {
    let mut members = BTreeSet::new();
    for (h, host) in sim.hosts.iter().enumerate().filter(|(_, host)| !host.gone) {
        let volume = &host.volume;
        let old_program = volume.state.place.is_none() && sim.setup.begin == Begin::PlainEtcd;
        let stands = old_program || matches!(volume.state.phase, Phase::Member | Phase::Founding | Phase::Joining);
        let is_whole = !volume.damaged && !volume.set_back && stands && without != Some(h);
        let disk = volume.data.as_ref().filter(|disk| is_whole && disk.cluster == cluster);
        members.extend(disk.map(|disk| disk.member));
    }
    members
}

/// How many disks could still vote in a cluster, and how many voters it has, by the longest log.
#[must_use]
pub fn intact(sim: &Sim, cluster: ClusterId, without: Option<usize>) -> (usize, usize) {
    let Some(newest) = newest(sim, cluster) else { return (0, 0) };
    let voters = newest.applied.voters();
    let whole = whole(sim, cluster, without);
    (voters.iter().filter(|voter| whole.contains(voter)).count(), voters.len())
}
