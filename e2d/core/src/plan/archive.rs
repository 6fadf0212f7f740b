//! A full archive is due at the start of an epoch, and then every interval, unless nothing changed.
//!
//! The node beside etcd's leader takes it. While that node is away, though its etcd leads on, the lowest
//! of the others does: a follower's archive is as good.

use super::Verdict;
use crate::action::Action;
use crate::id::{NodeId, Revision};
use crate::lineage::Lineage;
use crate::memory::Place;
use crate::observe::{Seen, StoreView, World};
use crate::reason::Reason;
use crate::safety;
use std::time::Duration;

/// How long after an archive was taken a look may not show it yet: a look is dated by its end.
const SETTLE: Duration = Duration::from_mins(1);

/// Considers taking an archive.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let off = !world.policy.has_store || world.policy.archive_interval.is_zero();
    let (false, true, Some(place)) = (off, stands_in(world), world.state.place) else { return Verdict::Idle };
    let (Some(view), Some(status)) = (world.store_view(), world.status()) else { return Verdict::Idle };
    // Only the epoch that the store holds live may be archived (S16).
    match &view.lineage {
        Some((stored, _)) if (stored.lineage, stored.claim.nonce) == (place.lineage, place.claim) => {}
        Some((stored, _)) => return other(world, &place, stored),
        None => return unowned(view, &place),
    }
    // What was never verified is verified first, which the act sees to.
    let ours = view.archives.iter().filter(|archive| archive.is_of(&place) && archive.verified);
    let newest = ours.map(|archive| archive.revision).max();
    // What this process took once counts while the store still shows it, or was not looked at since.
    let unseen = |last: &Seen<Revision>| world.store.as_ref().is_none_or(|seen| seen.at.since(last.at) < SETTLE);
    let last = world.archived.as_ref().filter(|last| newest >= Some(last.value) || unseen(last));
    let due = match (last, newest) {
        (Some(last), _) => {
            let waited = world.now.since(last.at) >= world.policy.archive_interval;
            waited && status.revision > last.value
        }
        (None, None) => true,
        (None, Some(revision)) => status.revision > revision,
    };
    if due { Verdict::Act(Action::Archive) } else { Verdict::Idle }
}

/// Whether backups are this node's: it leads, or the leader's node is away and this is the lowest that serves.
fn stands_in(world: &World) -> bool {
    if world.leads() {
        return true;
    }
    let serving = world.words().filter(|(_, word)| word.progress.is_some_and(|progress| progress.serves));
    let lowest = |me: NodeId| serving.map(|(node, _)| node).all(|node| me < node);
    world.serves() && safety::unattended_leader(world).is_some() && world.node().is_some_and(lowest)
}

/// No object says whose the folder is. One with the archives of another cluster alone in it is not taken.
fn unowned(view: &StoreView, place: &Place) -> Verdict {
    match view.foreign_archive(place) {
        Some(archive) => Verdict::Wait(Reason::OtherLineageStored { ours: place.lineage, theirs: archive.lineage }),
        None => Verdict::Idle,
    }
}

/// The store shows another epoch, or another lineage, than the one that lives here.
fn other(world: &World, place: &Place, stored: &Lineage) -> Verdict {
    let known = world.lineage().filter(|known| known.lineage == place.lineage && known.claim.nonce == place.claim);
    match known {
        Some(known) if stored.lineage != known.lineage => {
            Verdict::Wait(Reason::OtherLineageStored { ours: known.lineage, theirs: stored.lineage })
        }
        Some(known) if known.is_newer_than(stored) => {
            Verdict::Wait(Reason::StoreLags { stored: stored.seq, known: known.seq })
        }
        _ => Verdict::Idle,
    }
}
