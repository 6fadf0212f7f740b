//! S3: no acknowledged write is lost, and nothing older takes the place of what a quorum of disks
//! holds.
//!
//! A write counts as acknowledged when the client was told; it must then be in the log of whoever leads
//! that cluster. After a restore, what the archive held takes the place of what was acknowledged before:
//! the rest died with the disks, which the second check vouches for. What is not seen: writes that only
//! disks held which a fault took back in time where nobody remembers better (see
//! [`crate::faults::forgive`]).

use crate::ledger;
use crate::sim::Sim;
use e2d_core::lineage::{Lineage, LineageState};
use e2d_core::quorum;

/// Every acknowledged write of a cluster is in what its leader serves.
pub fn check(sim: &mut Sim) {
    let mut lost = None;
    for (h, host) in sim.hosts.iter().enumerate() {
        let leads = host.runs() && host.etcd.as_ref().is_some_and(|etcd| etcd.server.has_quorum());
        let Some(disk) = host.volume.data.as_ref().filter(|_| leads) else { continue };
        let Some(acked) = sim.ledger.acked.get(&disk.cluster) else { continue };
        let missing = acked.iter().find(|write| !disk.holds(**write));
        lost = lost.or(missing.map(|write| (h, disk.cluster, *write)));
    }
    if let Some((h, cluster, write)) = lost {
        sim.breach("S3", &format!("write {write} was acknowledged and is not in cluster {cluster} on host{h}"));
    }
}

/// A new epoch may be claimed, and may serve, only when no older cluster has a quorum of whole disks left.
pub fn written(sim: &mut Sim, lineage: &Lineage) {
    let claimed = lineage.state == LineageState::Forming;
    let live = sim.ledger.live.get(&lineage.epoch) == Some(&lineage.cluster_id());
    if !claimed && live {
        return;
    }
    for past in &lineage.history {
        let (could, voters) = ledger::intact(sim, past.cluster_id, None);
        let was_live = sim.ledger.live.get(&past.epoch) == Some(&past.cluster_id);
        if past.cluster_id != lineage.cluster_id() && quorum::reached(could, voters) && was_live {
            let (epoch, old) = (lineage.epoch, past.epoch);
            sim.breach("S3", &format!("epoch {epoch} began while {could} of {voters} disks of epoch {old} are whole"));
        }
    }
}
