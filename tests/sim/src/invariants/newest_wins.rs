//! S3: no acknowledged write is lost, and nothing older takes the place of what a quorum of disks
//! holds.

use crate::ledger;
use crate::sim::Sim;
use e2d_core::lineage::Lineage;
use e2d_core::quorum;

/// Every acknowledged write of a cluster is in what its leader serves.
pub fn check(sim: &mut Sim) {
    if !sim.tick.is_multiple_of(5) {
        return;
    }
    for h in 0..sim.hosts.len() {
        let leads = sim.hosts[h].etcd.as_ref().is_some_and(|etcd| etcd.server.leads && etcd.server.quiet == 0);
        let Some(disk) = sim.hosts[h].volume.data.as_ref().filter(|_| leads && sim.hosts[h].runs()) else { continue };
        let Some(acked) = sim.ledger.acked.get(&disk.cluster) else { continue };
        // A new leader has committed nothing of its own yet: its log counts.
        let in_log = |write| disk.log.iter().any(|entry| entry.op == crate::raft::Op::Put(write));
        let lost = acked.iter().find(|write| !disk.applied.keys.writes.contains(write) && !in_log(**write)).copied();
        if let Some(lost) = lost {
            let cluster = disk.cluster;
            sim.breach("S3", &format!("write {lost} was acknowledged and is not in cluster {cluster} on host{h}"));
            return;
        }
    }
}

/// A new epoch may serve only when no older cluster has a quorum of whole disks left.
pub fn epoch_began(sim: &mut Sim, lineage: &Lineage) {
    for past in &lineage.history {
        let (could, voters) = ledger::intact(sim, past.cluster_id);
        if past.cluster_id != lineage.cluster_id()
            && quorum::reached(could, voters)
            && voters > 0
            && was_live(sim, past.epoch)
        {
            sim.breach(
                "S3",
                &format!(
                    "epoch {} began while {could} of {voters} disks of epoch {} are whole",
                    lineage.epoch, past.epoch
                ),
            );
        }
    }
}

fn was_live(sim: &Sim, epoch: e2d_core::id::Epoch) -> bool {
    sim.ledger.live.contains_key(&epoch)
}
