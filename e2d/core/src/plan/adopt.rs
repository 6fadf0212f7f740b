//! etcd data that no e2d has run on: the old program's, or plain etcd's.
//!
//! It is started as it is. Its cluster gets a lineage object, live at once, when it has a quorum.

use super::{Verdict, nonces};
use crate::action::Action;
use crate::id::{Epoch, LineageId, Nonce};
use crate::lineage::{Claim, ClaimKind, FORMAT, Lineage, LineageState};
use crate::memory::{Phase, Place, State};
use crate::observe::{DataDir, World};
use crate::plan::record;
use crate::reason::Reason;

/// Whether a place belongs to a cluster that has no lineage yet.
#[must_use]
pub fn is_unrecorded(place: &Place) -> bool {
    place.lineage == LineageId(0)
}

/// Considers data without a record, and a running cluster without a lineage.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let Some(place) = world.state.place else { return take(world) };
    if !is_unrecorded(&place) {
        return Verdict::Idle;
    }
    if let Some(lineage) = world.lineage() {
        return name(world, &place, lineage);
    }
    if !world.policy.has_store || !world.leads() {
        return Verdict::Idle;
    }
    let (Some(members), Some(view)) = (world.members(), world.store_view()) else {
        return Verdict::Idle;
    };
    if view.lineage.is_some() || !view.archives.is_empty() {
        return Verdict::Wait(Reason::BackupsWithoutLineage);
    }
    let (nonce, claim) = nonces(world);
    let claim = Claim {
        nonce: Nonce(claim),
        by: world.node().unwrap_or(crate::id::NodeId(0)),
        kind: ClaimKind::Adopt,
        founders: vec![],
        source: None,
        evidence: vec!["a running cluster without a lineage".to_owned()],
        adopted: Some(place.cluster),
    };
    let lineage = Lineage {
        format: FORMAT,
        lineage: LineageId(nonce ^ claim.nonce.0.rotate_left(64) | 1),
        seq: 1,
        nonce: Nonce(nonce),
        epoch: Epoch(1),
        state: LineageState::Live,
        claim,
        members: record::of(world, members),
        pinned: None,
        history: vec![],
    };
    Verdict::Act(Action::WriteLineage { replaces: None, lineage: Box::new(lineage) })
}

/// Takes over data that has no record: this disk is a member, of a cluster that is not named yet.
fn take(world: &World) -> Verdict {
    let Some(DataDir::Member(data)) = &world.data else { return unreadable(world) };
    if world.state.phase != Phase::Empty {
        return Verdict::Idle;
    }
    let had_an_identity = world.identity.as_ref().is_some_and(|identity| !identity.former.is_empty());
    if had_an_identity || world.state.start > 0 {
        return Verdict::Wait(Reason::UnexpectedData);
    }
    let place = Place {
        lineage: LineageId(0),
        epoch: Epoch(0),
        claim: Nonce(0),
        cluster: data.cluster,
        member: data.member,
        archive: None,
    };
    let state = State { phase: Phase::Member, place: Some(place), ran: true, opened: true, ..world.state.clone() };
    Verdict::Act(Action::Remember(Box::new(state)))
}

fn unreadable(world: &World) -> Verdict {
    match &world.data {
        Some(DataDir::Unreadable(what)) => Verdict::Wait(Reason::DataUnreadable(what.clone())),
        _ => Verdict::Idle,
    }
}

/// The cluster has got its name.
fn name(world: &World, place: &Place, lineage: &Lineage) -> Verdict {
    if lineage.cluster_id() != place.cluster {
        return Verdict::Wait(Reason::UnexpectedData);
    }
    let place = Place { lineage: lineage.lineage, epoch: lineage.epoch, claim: lineage.claim.nonce, ..*place };
    let state = State { place: Some(place), ..world.state.clone() };
    Verdict::Act(Action::Remember(Box::new(state)))
}
