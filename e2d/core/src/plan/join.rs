//! An empty node takes the seat that the cluster's leader offers it (S10, S11).
//!
//! It asks for it by being there, empty, and knowing of a live cluster: the leader reads that in its
//! word. It refuses a seat in an older epoch than the newest it knows, and one in another cluster
//! than the lineage's.

use super::{Verdict, disk, restart};
use crate::action::{Action, Cluster, Launch};
use crate::lineage::LineageState;
use crate::memory::{Phase, Place, State};
use crate::observe::{DataDir, Gate, World};
use crate::reason::Reason;
use crate::word::Invitation;

/// Considers taking a seat.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let never_ran = match world.state.phase {
        Phase::Empty => true,
        Phase::Joining => world.data == Some(DataDir::Empty) && world.state.start == 0,
        _ => false,
    };
    let started_joining = world.state.phase == Phase::Joining && world.data == Some(DataDir::Empty);
    if !never_ran && !started_joining {
        return Verdict::Idle;
    }
    let Some(lineage) = world.lineage().filter(|lineage| lineage.state == LineageState::Live) else {
        return Verdict::Idle;
    };
    let epoch_answers = world.words().any(|(_, word)| {
        word.holds(lineage.lineage, lineage.epoch) && word.progress.is_some_and(|progress| progress.serves)
    });
    let Some(invitation) = invitation(world) else {
        return match world.state.place {
            Some(_) if started_joining && restart::joins_nobody(world) => {
                disk::abandon(world, "it never got as far as to join, and every member is gone".to_owned())
            }
            Some(_) if !epoch_answers && world.runs().is_none() => Verdict::Wait(Reason::NoInvitation),
            _ if !epoch_answers => Verdict::Idle,
            Some(place) if started_joining && world.runs().is_none() => restart::unseated(world, &place),
            _ => no_seat(world),
        };
    };
    if (invitation.epoch, invitation.claim) != (lineage.epoch, lineage.claim.nonce)
        || invitation.cluster != lineage.cluster_id()
    {
        return Verdict::Wait(Reason::NoInvitation);
    }
    let place = Place {
        lineage: lineage.lineage,
        epoch: lineage.epoch,
        claim: lineage.claim.nonce,
        cluster: invitation.cluster,
        member: invitation.member,
        archive: None,
    };
    let state = State {
        phase: Phase::Joining,
        place: Some(place),
        start: world.state.start.max(1),
        ran: true,
        opened: true,
        seal: None,
        ..world.state.clone()
    };
    if world.runs().is_some() {
        return Verdict::Wait(Reason::Settling);
    }
    if world.state != state {
        return Verdict::Act(Action::Remember(Box::new(state)));
    }
    Verdict::Act(Action::Start(Box::new(Launch {
        name: world.name(),
        place,
        cluster: Cluster::Existing,
        members: invitation.members.clone(),
        token: lineage.token(),
        gate: Gate::Open,
    })))
}

/// The seat that a leader of the newest epoch offers us.
fn invitation(world: &World) -> Option<&Invitation> {
    let me = world.node()?;
    let offers = world.words().filter_map(|(_, word)| word.invitation.as_ref());
    // A copy of this disk on another machine is not meant.
    let here = |invitation: &&Invitation| invitation.members.iter().any(|(_, url)| *url == world.me.peer_url);
    offers.filter(|invitation| invitation.node == me).filter(here).max_by_key(|invitation| invitation.epoch)
}

fn no_seat(world: &World) -> Verdict {
    let members = world.lineage().map_or(0, |lineage| lineage.members.len());
    if members >= world.policy.size {
        Verdict::Wait(Reason::NoSeat { members })
    } else {
        Verdict::Wait(Reason::NoInvitation)
    }
}
