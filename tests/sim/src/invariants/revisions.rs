//! S9: revisions never go back.
//!
//! What any open member has applied, some client may have read; whoever serves later serves at least
//! that. What is not seen: whether old watches are cut, which the model has none of; and clusters whose
//! writes a fault took back in time unnoticed.

use crate::sim::Sim;
use e2d_core::observe::Gate;

/// Checks it.
pub fn check(sim: &mut Sim) {
    let mut seen = sim.ledger.revision;
    let mut back = None;
    for (h, host) in sim.hosts.iter().enumerate() {
        let open = host.runs() && host.etcd.as_ref().is_some_and(|etcd| etcd.gate == Gate::Open);
        let judged = |disk: &&crate::raft::Disk| open && !sim.ledger.forgiven.contains(&disk.cluster);
        let Some(disk) = host.volume.data.as_deref().filter(judged) else { continue };
        seen = seen.max(disk.applied.keys.revision);
        let served = sim.serving(h).map(|applied| applied.keys.revision);
        back = back.or(served.filter(|served| *served < sim.ledger.revision));
    }
    if let Some(back) = back {
        let before = sim.ledger.revision;
        sim.breach("S9", &format!("revision {back} is served after {before} was seen"));
    }
    sim.ledger.revision = seen;
}
