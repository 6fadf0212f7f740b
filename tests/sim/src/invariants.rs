//! What must hold after every event: one file a promise.

pub mod evictions;
pub mod fenced;
pub mod learner_first;
pub mod newest_wins;
pub mod no_amnesia;
pub mod one_archive;
pub mod one_cluster;

use crate::sim::Sim;

/// Checks all that can be checked at any time. What concerns a single act is checked where it is
/// done.
pub fn check(sim: &mut Sim) {
    if sim.ledger.checked == sim.tick {
        return;
    }
    sim.ledger.checked = sim.tick;
    one_cluster::check(sim);
    newest_wins::check(sim);
    one_archive::check(sim);
    learner_first::check(sim);
    no_amnesia::remember(sim);
}
