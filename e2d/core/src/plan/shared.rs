//! One store for all: private folders given as one shared store are found before anything starts.
//!
//! Each node tells which lineage *its own* look at the store showed. A node that has started nothing
//! yet, and sees something else than another node does, refuses to go on. A member that serves is
//! not stopped for a newcomer's mistake.

use super::Verdict;
use crate::action::{Action, Refusal};
use crate::memory::Phase;
use crate::observe::World;
use crate::reason::Reason;
use crate::word::StoreWord;
use std::time::Duration;

/// How long news of the store may take to reach everybody who shares it: a look at a slow one takes up to ten seconds
/// and shows what was there when it began, and a network file system may serve a cached answer for a while.
const SETTLE: Duration = Duration::from_secs(15);

/// Considers whether the others see the same store.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let idle =
        world.policy.has_store && world.runs().is_none() && matches!(world.state.phase, Phase::Empty | Phase::Founding);
    let (true, Some(view)) = (idle, world.store_view()) else { return Verdict::Idle };
    let looked_at = world.store.as_ref().map_or(world.now, |seen| seen.at);
    let ours = view.lineage.as_ref().map(|(lineage, _)| lineage.lineage);
    let mut verdict = Verdict::Idle;
    for (node, peer) in world.visible() {
        let Some(StoreWord::Lineage(theirs)) = peer.word.as_ref().map(|word| word.store) else { continue };
        if ours == Some(theirs) {
            continue;
        }
        let reason = Reason::StoreNotShared { node, theirs };
        // Backups without a lineage: nobody's private folder, but a shared one whose object was deleted. A quorum that
        // lives will write it again.
        let deleted = ours.is_none() && (!view.archives.is_empty() || view.other_backups);
        if !deleted && looked_at.since(peer.steady_since) >= SETTLE {
            return Verdict::Act(Action::Refuse { why: Refusal::StoreNotShared(reason.to_string()) });
        }
        verdict = Verdict::Wait(reason);
    }
    verdict
}
