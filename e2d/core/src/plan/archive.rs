//! A full archive is due at the start of an epoch, and then every interval, unless nothing changed.

use super::Verdict;
use crate::action::Action;
use crate::observe::World;

/// Considers taking an archive.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let off = !world.policy.has_store || world.policy.archive_interval.is_zero();
    let (false, true, Some(place)) = (off, world.leads(), world.state.place) else { return Verdict::Idle };
    let (Some(view), Some(status)) = (world.store_view(), world.status()) else { return Verdict::Idle };
    // Only the epoch that the store holds live may be archived (S16).
    let current = view.lineage.as_ref().is_some_and(|(stored, _)| stored.claim.nonce == place.claim);
    if !current {
        return Verdict::Idle;
    }
    let newest =
        view.archives.iter().filter(|archive| archive.epoch == place.epoch).map(|archive| archive.revision).max();
    let due = match (&world.archived, newest) {
        (Some(last), _) => {
            let waited = world.now.since(last.at) >= world.policy.archive_interval;
            waited && status.revision > last.value
        }
        (None, None) => true,
        (None, Some(revision)) => status.revision > revision,
    };
    if due { Verdict::Act(Action::Archive) } else { Verdict::Idle }
}
