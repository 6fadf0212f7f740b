//! What must hold: one file a promise.
//!
//! What can be seen at any moment is checked after every heartbeat of etcd, which is the only moment at
//! which a model of etcd changes by itself; what concerns one act is checked where it takes effect. Each
//! file says what its check cannot see.

pub mod below_quorum;
pub mod comes_back;
pub mod fenced;
pub mod held;
pub mod learner_first;
pub mod never_empty;
pub mod newest_wins;
pub mod no_amnesia;
pub mod one_archive;
pub mod one_change;
pub mod one_cluster;
pub mod revisions;
pub mod through_raft;
pub mod two_witnesses;
pub mod verified;

use crate::sim::Sim;

/// Checks all that can be checked at any time.
pub fn check(sim: &mut Sim) {
    if sim.ledger.checked == sim.tick {
        return;
    }
    sim.ledger.checked = sim.tick;
    crate::ledger::note_presence(sim);
    one_cluster::check(sim);
    revisions::check(sim);
    learner_first::check(sim);
    no_amnesia::check(sim);
    if sim.tick.is_multiple_of(5) {
        newest_wins::check(sim);
        through_raft::check(sim);
    }
}
