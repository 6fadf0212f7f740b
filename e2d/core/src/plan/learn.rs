//! The newest lineage copy is written down before anything is decided by it.

use super::{Verdict, restore};
use crate::action::Action;
use crate::id::LineageId;
use crate::lineage::Lineage;
use crate::memory::{Phase, Recall};
use crate::observe::World;
use crate::word::Word;

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
    let seen = world.copies.values().chain(stored);
    let order = |copy: &&Lineage| (copy.version(), copy.nonce);
    if let Some(known) = world.lineage() {
        // An empty disk that remembers another cluster belongs to the one whose store it has.
        if let Some(stored) = stored.filter(|stored| stored.lineage != known.lineage && is_unbound(world)) {
            return Some(stored);
        }
        // A disk belongs to what it vowed to found, if that was born.
        if let Some(own) = vowed(world).filter(|own| own.lineage != known.lineage && is_unbound(world)) {
            return Some(own);
        }
        // Without a store a lineage ends with its disks, and others may have been born since.
        if !world.policy.has_store && is_unbound(world) && restore::all_gone(world, known).is_ok() {
            let served = |copy: &&Lineage| copy.lineage != known.lineage && is_served(world, copy.lineage);
            return world.copies.values().filter(served).max_by_key(order);
        }
        // A disk that is bound to one lineage and remembers another knows nothing yet of its own.
        let bound = world.state.place.map(|place| place.lineage).filter(|bound| *bound != LineageId(0));
        return match bound.filter(|bound| *bound != known.lineage) {
            Some(bound) => seen.filter(|copy| copy.lineage == bound).max_by_key(order),
            None => seen.filter(|copy| copy.is_newer_than(known)).max_by_key(order),
        };
    }
    stored.or_else(|| vowed(world)).or_else(|| world.copies.values().max_by_key(order))
}

/// The copy of the lineage that this disk's last vow founds, if that was born.
fn vowed(world: &World) -> Option<&Lineage> {
    let founds = world.state.vows.last().filter(|_| !world.policy.has_store)?.founds();
    world.copies.values().find(|copy| (copy.lineage, copy.claim.nonce) == founds)
}

fn is_served(world: &World, lineage: LineageId) -> bool {
    let serves = |word: &Word| word.progress.is_some_and(|progress| progress.serves);
    world.words().any(|(_, word)| serves(word) && word.place.is_some_and(|place| place.lineage == lineage))
}

fn is_unbound(world: &World) -> bool {
    world.state.phase == Phase::Empty && world.state.place.is_none()
}
