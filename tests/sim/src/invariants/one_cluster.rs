//! S1: at no time do two clusters of one lineage accept writes. And S9: revisions never go back.

use crate::sim::Sim;
use e2d_core::id::ClusterId;
use e2d_core::observe::Gate;
use std::collections::BTreeSet;

/// The clusters that serve clients now: an open member that reaches a leader with a quorum.
#[must_use]
pub fn serving(sim: &Sim) -> BTreeSet<ClusterId> {
    let serves = |h: &usize| {
        let host = &sim.hosts[*h];
        let open = host.runs() && host.etcd.as_ref().is_some_and(|etcd| etcd.gate == Gate::Open);
        open && sim.serving(*h).is_some()
    };
    let cluster = |h: usize| sim.hosts[h].volume.data.as_ref().map(|disk| disk.cluster);
    (0..sim.hosts.len()).filter(serves).filter_map(cluster).collect()
}

/// Checks both.
pub fn check(sim: &mut Sim) {
    let clusters = serving(sim);
    if clusters.len() > 1 {
        sim.breach("S1", &format!("clusters {clusters:?} accept writes at once"));
    }
    let Some(cluster) = clusters.first().copied() else { return };
    sim.ledger.serving = Some(cluster);
    let revision = (0..sim.hosts.len())
        .filter(|&h| sim.hosts[h].volume.data.as_ref().is_some_and(|disk| disk.cluster == cluster))
        .filter_map(|h| sim.serving(h))
        .map(|applied| applied.keys.revision)
        .max();
    if revision.is_some_and(|revision| revision < sim.ledger.revision) {
        let seen = sim.ledger.revision;
        sim.breach("S9", &format!("revision {revision:?} is served after {seen} was seen"));
    }
}
