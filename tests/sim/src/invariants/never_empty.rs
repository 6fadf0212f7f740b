//! S2: an empty cluster begins only where there is nothing to lose.
//!
//! With a store, that is: no epoch was ever live, and there is no archive of anybody's. Without one,
//! it is what can be seen: no machine in reach holds the data of a cluster that served. What is not
//! seen: an empty cluster that nobody starts an etcd for, and one from before e2d that left no trace.

use crate::setup::Begin;
use crate::sim::Sim;
use e2d_core::action::{Cluster, Launch};
use e2d_core::id::{ClusterId, Nonce};
use e2d_core::lineage::{ClaimKind, Lineage, LineageState};

/// A birth is claimed: was nothing there?
pub fn written(sim: &mut Sim, lineage: &Lineage) {
    let birth = lineage.state == LineageState::Forming && lineage.claim.kind == ClaimKind::Birth;
    if birth && has_lived(sim, lineage.cluster_id(), lineage.claim.nonce) {
        sim.breach("S2", "an empty cluster was claimed although one had lived");
    }
}

/// etcd is about to begin on an empty directory.
pub fn begins(sim: &mut Sim, h: usize, launch: &Launch) {
    if launch.cluster == Cluster::Existing {
        return;
    }
    let cluster = launch.place.cluster;
    let restores = sim.ledger.sources.get(&cluster).is_some_and(Option::is_some);
    if restores {
        sim.breach("S2", &format!("host{h} starts an empty etcd in cluster {cluster}, which restores an archive"));
    } else if has_lived(sim, cluster, launch.place.claim) && (sim.setup.has_store || is_in_sight(sim, h, cluster)) {
        sim.breach("S2", &format!("host{h} starts an empty etcd, and another cluster has lived"));
    }
}

/// Whether there was anything before this claim's cluster: another one that lived, or a backup of one.
fn has_lived(sim: &Sim, but: ClusterId, claim: Nonce) -> bool {
    let mut lived = sim.ledger.live.values().chain(&sim.ledger.served).chain(&sim.ledger.plain);
    let mut archives = sim.stores.iter().flat_map(|store| &store.archives);
    let backups = sim.setup.begin == Begin::OldBackups || archives.any(|archive| archive.claim != claim);
    backups || lived.any(|cluster| *cluster != but && !is_traceless(sim, *cluster))
}

/// Whether this is the cluster from before e2d, lost with all its disks before it had a lineage.
fn is_traceless(sim: &Sim, cluster: ClusterId) -> bool {
    let holds = |host: &crate::host::Host| host.volume.data.as_ref().is_some_and(|disk| disk.cluster == cluster);
    let recorded = sim.ledger.live.values().any(|live| *live == cluster);
    sim.ledger.plain == Some(cluster) && !recorded && !sim.hosts.iter().any(holds)
}

/// Whether a machine that can be talked to holds the data of a cluster that served.
fn is_in_sight(sim: &Sim, h: usize, but: ClusterId) -> bool {
    (0..sim.hosts.len()).any(|other| {
        let host = &sim.hosts[other];
        let disk = host.volume.data.as_ref().filter(|_| other != h && host.process.is_some());
        let lived = disk.is_some_and(|disk| disk.cluster != but && sim.ledger.served.contains(&disk.cluster));
        lived && sim.gossips(h, other) && sim.is_settled(h, other)
    })
}
