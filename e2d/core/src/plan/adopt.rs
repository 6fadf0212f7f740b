//! etcd data that no e2d has run on: the old program's, or plain etcd's.
//!
//! It is started as it is. Its cluster gets a lineage object, live at once, when it has a quorum. Without a store the
//! lineage lives in the nodes' copies alone, as one that was born by vows does.

use super::{Verdict, nonces};
use crate::action::Action;
use crate::id::{ClusterId, Digest, Epoch, LineageId, Nonce};
use crate::lineage::{Claim, ClaimKind, FORMAT, Lineage, LineageState};
use crate::memory::{Phase, Place, Recall, State};
use crate::observe::{DataDir, Member, World};
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
    let (true, Some(members)) = (world.leads(), world.members()) else { return Verdict::Idle };
    if !world.policy.has_store {
        // Nobody could write it a second time: whoever names this cluster gives it the same name, and only when each
        // member says by its own name which disk is meant.
        if members.iter().any(|member| member.node().is_none()) {
            return Verdict::Idle;
        }
        let (lineage, claim) = own_name(place.cluster);
        let lineage = live(world, &place, members, lineage, (claim, claim));
        return Verdict::Act(Action::Recall(Box::new(Recall { lineage: Some(lineage), ..world.recall.clone() })));
    }
    let Some(view) = world.store_view() else { return Verdict::Idle };
    if view.lineage.is_some() || !view.archives.is_empty() {
        return Verdict::Wait(Reason::BackupsWithoutLineage);
    }
    let (nonce, claim) = nonces(world);
    let lineage = LineageId(nonce ^ claim.rotate_left(64) | 1);
    let lineage = live(world, &place, members, lineage, (Nonce(nonce), Nonce(claim)));
    Verdict::Act(Action::WriteLineage { replaces: None, lineage: Box::new(lineage) })
}

/// The lineage that a running cluster gets.
fn live(world: &World, place: &Place, members: &[Member], lineage: LineageId, nonces: (Nonce, Nonce)) -> Lineage {
    let (nonce, claim) = nonces;
    Lineage {
        format: FORMAT,
        lineage,
        seq: 1,
        nonce,
        epoch: Epoch(1),
        state: LineageState::Live,
        claim: Claim {
            nonce: claim,
            by: world.node().unwrap_or(crate::id::NodeId(0)),
            kind: ClaimKind::Adopt,
            founders: vec![],
            source: None,
            evidence: vec!["a running cluster without a lineage".to_owned()],
            adopted: Some(place.cluster),
        },
        members: record::of(world, members),
        pinned: None,
        history: vec![],
    }
}

/// The name of a cluster that has no store to be named in: it follows from etcd's own.
fn own_name(cluster: ClusterId) -> (LineageId, Nonce) {
    let digest = Digest::of(&[b"e2d adopt 1".as_slice(), &cluster.0.to_be_bytes()].concat()).0;
    let half = |range: std::ops::Range<usize>| digest[range].iter().fold(0u128, |n, &b| n << 8 | u128::from(b));
    (LineageId(half(0..16)), Nonce(half(16..32)))
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
        Some(DataDir::Unreadable(what) | DataDir::Unlogged(what)) => {
            Verdict::Wait(Reason::DataUnreadable(what.clone()))
        }
        _ => Verdict::Idle,
    }
}

/// The cluster has got its name.
fn name(world: &World, place: &Place, lineage: &Lineage) -> Verdict {
    if lineage.cluster_id() != place.cluster {
        return Verdict::Wait(Reason::OtherClusterKnown { disk: place.cluster, known: lineage.cluster_id() });
    }
    let place = Place { lineage: lineage.lineage, epoch: lineage.epoch, claim: lineage.claim.nonce, ..*place };
    let state = State { place: Some(place), ..world.state.clone() };
    Verdict::Act(Action::Remember(Box::new(state)))
}
