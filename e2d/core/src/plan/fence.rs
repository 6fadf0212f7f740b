//! A newer epoch ends an older one, on every disk (S16).
//!
//! Known, it stops etcd; live, it makes the older data obsolete. Until it is live the data is kept:
//! the claim may yet be replaced by one that needs this very disk.

use super::Verdict;
use super::disk::abandon;
use crate::action::{Action, Refusal, StopReason};
use crate::lineage::LineageState;
use crate::memory::{Phase, State};
use crate::observe::World;
use crate::reason::Reason;
use crate::safety;

/// Considers whether this disk's epoch is over.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let Some(place) = world.state.place else { return Verdict::Idle };
    if let Some(refusal) = other_lineage(world) {
        return refusal;
    }
    let Some(lineage) = world.lineage().filter(|lineage| lineage.lineage == place.lineage) else {
        return Verdict::Idle;
    };
    let is_newer = lineage.epoch > place.epoch;
    let conflicts = lineage.epoch == place.epoch && lineage.claim.nonce != place.claim;
    if !is_newer && !conflicts {
        return if safety::is_outvoted(world, lineage) {
            abandon(world, "so many of its members have founded another that the rest can never commit".to_owned())
        } else {
            unseal(world)
        };
    }
    // A founder that never served moves on to the claim that names it (see `found`).
    let founds_again = world.state.phase == Phase::Founding
        && !world.state.opened
        && lineage.state == LineageState::Forming
        && world.node().is_some_and(|me| lineage.founder(me).is_some());
    if world.runs().is_some() {
        return Verdict::Act(Action::Stop { why: StopReason::Fenced { ours: place.epoch, known: lineage.epoch } });
    }
    match lineage.state {
        _ if founds_again => Verdict::Idle,
        _ if conflicts => Verdict::Wait(Reason::ClaimsConflict(place.epoch)),
        LineageState::Forming => Verdict::Wait(Reason::NewerEpochForms(lineage.epoch)),
        LineageState::Live | LineageState::Pausing | LineageState::Paused => {
            let (ours, newer) = (place.epoch, lineage.epoch);
            abandon(world, format!("its data is of epoch {ours}, and epoch {newer} is {}", lineage.state))
        }
    }
}

/// A sealed disk goes on only when the epoch was said to be live again, after its seal.
fn unseal(world: &World) -> Verdict {
    if world.state.phase != Phase::Sealed {
        return Verdict::Idle;
    }
    let sealed_at = world.state.seal.unwrap_or(u64::MAX);
    match world.lineage() {
        Some(lineage) if lineage.state == LineageState::Live && lineage.seq > sealed_at => {
            let state = State { phase: Phase::Member, seal: None, ..world.state.clone() };
            Verdict::Act(Action::Remember(Box::new(state)))
        }
        Some(lineage) => Verdict::Wait(Reason::LineageStands { epoch: lineage.epoch, state: lineage.state }),
        None => Verdict::Wait(Reason::StoreNotSeen),
    }
}

/// A store that holds another lineage than our data: somebody mixed two clusters up. Nothing is
/// touched; a member that serves is not stopped for it.
fn other_lineage(world: &World) -> Option<Verdict> {
    let place = world.state.place?;
    let (stored, _) = world.stored()?;
    let differs = stored.lineage != place.lineage && !crate::plan::adopt::is_unrecorded(&place);
    let idle = world.runs().is_none() && matches!(world.state.phase, Phase::Member | Phase::Sealed);
    (differs && idle).then(|| {
        let (disk, store) = (place.lineage.to_string(), stored.lineage.to_string());
        Verdict::Act(Action::Refuse { why: Refusal::OtherLineage { disk, store } })
    })
}
