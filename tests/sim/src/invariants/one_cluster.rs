//! S1: at no time do two clusters of one lineage accept writes, and none comes back after another has
//! taken its place.
//!
//! A cluster accepts writes when a member whose client port is open reaches a leader with a quorum: a
//! client that knew that member's address would be served, whether ours asks it or not. What is not
//! seen: two clusters with one and the same id, which is for S11 and S16.

use crate::sim::Sim;
use e2d_core::id::ClusterId;
use e2d_core::observe::Gate;
use std::collections::BTreeSet;

/// The clusters that serve clients now.
#[must_use]
pub fn serving(sim: &Sim) -> BTreeSet<ClusterId> {
    let serves = |h: &usize| {
        let open = sim.hosts[*h].etcd.as_ref().is_some_and(|etcd| etcd.gate == Gate::Open);
        open && sim.serving(*h).is_some()
    };
    let cluster = |h: usize| sim.hosts[h].volume.data.as_ref().map(|disk| disk.cluster);
    (0..sim.hosts.len()).filter(serves).filter_map(cluster).collect()
}

/// Checks it.
pub fn check(sim: &mut Sim) {
    let clusters = serving(sim);
    if clusters.len() > 1 {
        sim.breach("S1", &format!("clusters {clusters:?} accept writes at once"));
    }
    let Some(cluster) = clusters.first().copied() else { return };
    match sim.ledger.served.iter().position(|served| *served == cluster) {
        None => sim.ledger.served.push(cluster),
        Some(at) if at + 1 == sim.ledger.served.len() => {}
        Some(at) => {
            let later = sim.ledger.served[at + 1];
            sim.breach("S1", &format!("cluster {cluster} serves again after cluster {later} took its place"));
        }
    }
}
