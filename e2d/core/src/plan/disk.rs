//! The disk comes first: who it is, what it holds, and whether the two fit.
//!
//! A disk that gave its identity up is emptied, into quarantine, and gets a new one. A member whose
//! data is missing gives its identity up (S11). Data that is somebody else's is not touched.

use super::{Verdict, clone, nonces};
use crate::action::{Action, Refusal, StopReason};
use crate::id::NodeId;
use crate::lineage::{ClaimKind, LineageState};
use crate::memory::{FORMER_IDS, Identity, Phase, State};
use crate::observe::{DataDir, World};
use crate::reason::Reason;
use crate::safety;

/// Considers the disk.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let Some(data) = &world.data else { return Verdict::Wait(Reason::DataNotSeen) };
    match data {
        DataDir::Unseen(what) => return Verdict::Wait(Reason::DataUnseen(what.clone())),
        DataDir::ForeignOwner(what) => {
            return Verdict::Act(Action::Refuse { why: Refusal::ForeignOwner(what.clone()) });
        }
        // etcd finds that out only after it has written, and 3.4 not at all. One that runs on it is left alone.
        DataDir::NewerData(what) if world.runs().is_none() => {
            return Verdict::Act(Action::Refuse { why: Refusal::NewerData(what.clone()) });
        }
        DataDir::Empty | DataDir::Member(_) | DataDir::Unreadable(_) | DataDir::Unlogged(_) | DataDir::NewerData(_) => {
        }
    }
    let Some(identity) = &world.identity else {
        return Verdict::Act(Action::Identify(fresh(world, vec![])));
    };
    let empty = *data == DataDir::Empty;
    let running = world.runs().is_some();
    match world.state.phase {
        Phase::Abandoned if running => Verdict::Act(Action::Stop { why: StopReason::Abandoned }),
        Phase::Abandoned if !empty => {
            safety::prove_obsolete(world).map_or(Verdict::Idle, |evidence| Verdict::Act(Action::Quarantine(evidence)))
        }
        Phase::Abandoned => {
            let mut former = identity.former.clone();
            // Elsewhere than at its member's place it may be a copy, and what it gives up is not its own: the word
            // that this id is gone would kill the original. A copy of a disk that held nothing knows of no place.
            if clone::home(world) == Some(world.me.peer_url.as_str()) {
                former.push(identity.node);
            }
            former.drain(..former.len().saturating_sub(FORMER_IDS));
            Verdict::Act(Action::Identify(fresh(world, former)))
        }
        // etcd may have spoken under this identity, and what it promised is lost with its data.
        Phase::Member | Phase::Sealed if empty && !running => abandon(world, missing(world, "the data")),
        // Unless this very run is about to start it for the first time.
        Phase::Joining | Phase::Founding if empty && !running && world.state.ran && !about_to_start(world) => {
            abandon(world, missing(world, "what etcd wrote"))
        }
        // It was a member, and its disk has forgotten all about it: it was set back to before.
        Phase::Empty if empty && was_a_member(world, identity.node) => abandon(
            world,
            "the record knows this disk as a member that ran, and the disk does not: it was set back".to_owned(),
        ),
        // It has run, and knows no more than that it was to restore. (A birth is recorded before anybody runs.)
        Phase::Founding if !running && !world.state.ran && restores(world) && was_a_member(world, identity.node) => {
            abandon(world, "the record knows this founder as a member that ran, and the disk does not".to_owned())
        }
        Phase::Member | Phase::Joining | Phase::Sealed | Phase::Founding | Phase::Empty => mismatch(world),
    }
}

fn restores(world: &World) -> bool {
    world.lineage().is_some_and(|lineage| lineage.claim.kind != ClaimKind::Birth)
}

/// Whether this run of the process noted the start and has not carried it out yet, or has seen etcd
/// end before it wrote anything.
fn about_to_start(world: &World) -> bool {
    let wrote_nothing = world.launched.is_some() && world.launched == world.state.place.map(|place| place.claim);
    world.raised == Some(world.state.start) || world.promised.is_some() || wrote_nothing
}

/// Whether the record names this disk, which holds nothing, as a member that has run.
fn was_a_member(world: &World, me: NodeId) -> bool {
    let live = world.lineage().filter(|lineage| lineage.state == LineageState::Live);
    live.is_some_and(|lineage| lineage.members.iter().any(|member| member.node == Some(me) && member.started))
}

/// Data of another cluster than the one on record was put here by somebody.
fn mismatch(world: &World) -> Verdict {
    let (Some(DataDir::Member(data)), Some(place)) = (&world.data, world.state.place) else { return Verdict::Idle };
    if (data.cluster, data.member) == (place.cluster, place.member) {
        return Verdict::Idle;
    }
    let why = Refusal::DataMismatch(format!(
        "it is member {} of cluster {}, and this disk's record says member {} of cluster {}",
        data.member, data.cluster, place.member, place.cluster
    ));
    Verdict::Act(Action::Refuse { why })
}

/// What was lost of a member.
fn missing(world: &World, what: &str) -> String {
    let whose = world.state.place.map(|place| format!(" of member {} of epoch {}", place.member, place.epoch));
    format!("{what}{} is missing, and its promises with it", whose.unwrap_or_default())
}

/// Gives this disk's identity up, durably, before anything else is done about it; `because` is kept for
/// whoever asks later why the data was set aside.
pub(super) fn abandon(world: &World, because: String) -> Verdict {
    let state = State { phase: Phase::Abandoned, because: Some(because), ..world.state.clone() };
    Verdict::Act(Action::Remember(Box::new(state)))
}

fn fresh(world: &World, former: Vec<NodeId>) -> Identity {
    let (_, random) = nonces(world);
    Identity {
        node: NodeId((random as u64).max(1)),
        machine: world.me.machine.clone(),
        mounted: world.me.mounted,
        former,
    }
}
