//! Removes a member that is gone for good, so that its seat can be filled again (S4, S5, S6, S12).
//!
//! One at a time, and only on proof of death (see [`safety::prove_dead`]). It does not add the
//! successor: an empty seat is filled by `learner`.

use super::Verdict;
use crate::action::Action;
use crate::observe::{Member, World};
use crate::reason::Reason;
use crate::safety;

/// Considers removing one member.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    if !world.leads() {
        return match safety::unattended_leader(world) {
            Some((leader, node)) => Verdict::Wait(Reason::LeaderUnattended { leader, node }),
            None => Verdict::Idle,
        };
    }
    let (Some(members), Some(place)) = (world.members(), world.state.place) else { return Verdict::Idle };
    let suspect = |member: &&Member| member.id != place.member && safety::may_be_dead(world, member);
    let mut waiting = Verdict::Idle;
    for member in members.iter().filter(suspect) {
        // A learner that never ran is silent by nature: `learner` has its own patience with it.
        if member.learner && !member.has_started() {
            continue;
        }
        match safety::prove_dead(world, members, member) {
            Ok(evidence) => return Verdict::Act(Action::Remove(evidence)),
            // One that stalls may live: `learner` has a word on that.
            Err(_) if member.learner => {}
            Err(reason) => waiting = Verdict::Wait(reason),
        }
    }
    waiting
}
