//! The newest lineage copy is written down before anything is decided by it.

use super::Verdict;
use crate::action::Action;
use crate::lineage::Lineage;
use crate::memory::{Phase, Recall};
use crate::observe::World;

/// Considers a copy that is newer than the one on this disk.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let Some(newest) = newest(world) else { return Verdict::Idle };
    let recall = Recall { lineage: Some(newest.clone()), ..world.recall.clone() };
    Verdict::Act(Action::Recall(Box::new(recall)))
}

/// A copy that supersedes the one on this disk, if any was seen.
fn newest(world: &World) -> Option<&Lineage> {
    let stored = world.stored().map(|(lineage, _)| lineage);
    let told = world.copies.values();
    match world.lineage() {
        Some(known) => {
            // An empty disk that remembers another cluster belongs to the one whose store it has.
            let other = stored.filter(|stored| stored.lineage != known.lineage && is_unbound(world));
            let newer = told.chain(stored).filter(|copy| copy.is_newer_than(known));
            other.or_else(|| newer.max_by_key(|copy| copy.seq))
        }
        None => stored.or_else(|| told.max_by_key(|copy| (copy.seq, copy.nonce))),
    }
}

fn is_unbound(world: &World) -> bool {
    world.state.phase == Phase::Empty && world.state.place.is_none()
}
