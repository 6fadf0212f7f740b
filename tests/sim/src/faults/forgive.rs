//! What a fault took that nobody can give back: it is not held against anybody.
//!
//! A disk that goes back in time takes acknowledged writes with it. Where a majority that lacks a write
//! could now lead, and no peer that must answer remembers better, nobody could know. So is what no disk
//! and no store holds any more.

use crate::sim::Sim;
use e2d_core::id::{ClusterId, MemberId, Revision};
use e2d_core::quorum;
use std::collections::BTreeMap;

/// A disk was replaced by another, or by none.
pub fn lost(sim: &mut Sim) {
    let holds = |host: &crate::host::Host| host.volume.data.is_some() && !host.gone;
    let nowhere = !sim.hosts.iter().any(holds);
    // A store that nobody ever got to write to, or that somebody emptied, knows of no cluster either.
    let is_empty = |store: &crate::store::Store| store.lineage().is_none() && store.archives.is_empty();
    if nowhere && (!sim.setup.has_store || sim.stores.iter().all(is_empty)) {
        sim.ledger.acked.clear();
        sim.ledger.live.clear();
        sim.ledger.served.clear();
        sim.ledger.revision = Revision(0);
    }
    let clusters: Vec<ClusterId> = sim.ledger.acked.keys().copied().collect();
    for cluster in clusters {
        let of = |host: &&crate::host::Host| host.volume.data.as_ref().is_some_and(|disk| disk.cluster == cluster);
        if sim.hosts.iter().any(|host| host.volume.set_back && of(&host)) {
            forgive(sim, cluster);
        }
    }
}

/// Forgets the writes that a majority of the disks of a cluster may lack.
fn forgive(sim: &mut Sim, cluster: ClusterId) {
    let Some(newest) = crate::ledger::newest(sim, cluster) else { return };
    let voters = newest.applied.voters();
    let Some(acked) = sim.ledger.acked.get(&cluster) else { return };
    let mut kept = acked.clone();
    kept.retain(|write| {
        // A member may have two disks by now, of which either may speak for it.
        let mut lacks: BTreeMap<MemberId, bool> = BTreeMap::new();
        for disk in sim.hosts.iter().filter(|host| !host.gone).filter_map(|host| host.volume.data.as_ref()) {
            if disk.cluster == cluster && voters.contains(&disk.member) {
                *lacks.entry(disk.member).or_default() |= !disk.holds(*write);
            }
        }
        !quorum::reached(lacks.values().filter(|lacks| **lacks).count(), voters.len())
    });
    // A cluster of one may have shown a revision whose write was never answered; no peer saw it.
    let unanswered = voters.len() == 1 && newest.applied.keys.revision < sim.ledger.revision;
    if kept.len() < acked.len() || unanswered {
        sim.ledger.acked.insert(cluster, kept);
        sim.ledger.forgiven.insert(cluster);
    }
}
