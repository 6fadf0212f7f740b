//! Fills an empty seat: first as a learner, then, caught up, as a voter (S5, S10).
//!
//! The leader offers a seat to the first free node that it sees. An offer is an unstarted learner in
//! etcd's list, and the invitation in the leader's word. A learner that does not start, or does not
//! catch up, loses its seat again.

use super::Verdict;
use crate::action::Action;
use crate::id::NodeId;
use crate::memory::Phase;
use crate::observe::{Member, World};
use crate::reason::Reason;
use crate::safety;
use crate::word::{Invitation, Word};

/// How many entries a learner may lack and still be promoted: fewer than a busy cluster writes
/// between two polls. etcd itself asks for nine tenths only, which is not enough while a snapshot is
/// still being installed.
const CAUGHT_UP: u64 = 500;

/// Considers the learner, or the next node that wants a seat.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let (true, Some(members)) = (world.leads(), world.members()) else { return Verdict::Idle };
    if let Some(learner) = members.iter().find(|member| member.learner) {
        return if learner.has_started() { promote(world, members, learner) } else { unstarted(world, learner) };
    }
    let Some((node, told)) = candidate(world, members) else { return Verdict::Idle };
    if members.len() >= world.policy.size {
        return Verdict::Idle;
    }
    if let Some(absent) = members.iter().find(|member| !safety::is_present(world, member)) {
        return Verdict::Wait(Reason::AnotherUnhealthy(absent.id));
    }
    Verdict::Act(Action::AddLearner { node, peer_url: told.peer_url.clone() })
}

/// The free node that is to get a seat: of those whose peer URL no member has the one that was offered the fewest, the
/// lowest of them.
fn candidate<'a>(world: &'a World, members: &[Member]) -> Option<(NodeId, &'a Word)> {
    let epoch = world.state.place?.epoch;
    let lineage = world.state.place?.lineage;
    let wanting = world.words().filter(|(_, word)| {
        let informed = word.known.is_some_and(|known| known.lineage == lineage && known.epoch == epoch);
        let taken = members.iter().any(|member| member.peer_url == word.peer_url);
        wants_a_seat(word) && informed && !taken
    });
    // Who had a seat offered and is still without one has its turn after the others.
    let offered = |node: NodeId| world.sponsored.values().filter(|(whose, _)| *whose == node).count();
    wanting.min_by_key(|(node, _)| (offered(*node), *node))
}

fn wants_a_seat(word: &Word) -> bool {
    word.phase == Phase::Empty && !word.has_data
}

/// A learner that has not run yet: whose is it, and is it still coming?
fn unstarted(world: &World, learner: &Member) -> Verdict {
    let sponsored = world.sponsored.get(&learner.id);
    let recorded = world.lineage().and_then(|l| l.members.iter().find(|r| r.member == learner.id)).and_then(|r| r.node);
    let takes_it = |word: &Word| word.phase == Phase::Joining && word.place.is_some_and(|p| p.member == learner.id);
    let joining = || world.words().find(|(_, word)| takes_it(word)).map(|(node, _)| node);
    let node = sponsored.map(|(node, _)| *node).or(recorded).or_else(joining);
    let whose = node.map_or_else(|| "a node that nobody knows".to_owned(), |node| format!("node {node}"));
    let since = sponsored.map_or(world.lineage_since.max(world.listening_since), |(_, at)| *at);
    let waited = world.now.since(since);
    let at_home = world.words().find(|(_, word)| word.peer_url == learner.peer_url);
    let because = match at_home {
        Some((other, told)) if Some(other) != node && wants_a_seat(told) => {
            Some(format!("node {other} stands at {} in the place of {whose}", learner.peer_url))
        }
        // Heard, it runs, and its name was not published yet: that takes a quorum.
        _ if waited > world.policy.learner_patience && !safety::is_present(world, learner) => {
            Some(format!("{whose} did not start for {} s", waited.as_secs()))
        }
        _ => None,
    };
    match because.and_then(|because| safety::prove_unstarted(learner, because)) {
        Some(evidence) => Verdict::Act(Action::Remove(evidence)),
        None => Verdict::Wait(Reason::LearnerNotStarted { member: learner.id, node }),
    }
}

fn promote(world: &World, members: &[Member], learner: &Member) -> Verdict {
    let progress = learner.node().and_then(|node| {
        let (_, told) = world.words().find(|(id, _)| *id == node)?;
        told.progress
    });
    let behind = world.status().zip(progress).map(|(own, progress)| own.index.saturating_sub(progress.index));
    // A word may be older than its node: whom etcd does not hear has caught up with nothing.
    if behind.is_none_or(|behind| behind > CAUGHT_UP) || !safety::is_present(world, learner) {
        return stalled(world, learner, behind);
    }
    let unhealthy = |m: &&Member| m.id != learner.id && !m.learner && !safety::is_present(world, m);
    if let Some(absent) = members.iter().find(unhealthy) {
        return Verdict::Wait(Reason::AnotherUnhealthy(absent.id));
    }
    match safety::may_change(world, members, learner.id, |_| true) {
        Ok(()) => Verdict::Act(Action::Promote { member: learner.id }),
        Err(reason) => Verdict::Wait(reason),
    }
}

fn stalled(world: &World, learner: &Member, behind: Option<u64>) -> Verdict {
    let reason = match behind {
        Some(behind) => Reason::CatchingUp { member: learner.id, behind },
        None => Reason::ProgressUnknown(learner.id),
    };
    let silence = safety::etcd_silence(world, learner.id);
    if silence > world.policy.learner_patience && !safety::is_present(world, learner) {
        let because = format!("etcd has been without it for {} s, and {reason}", silence.as_secs());
        if let Some(evidence) = safety::prove_stalled(learner, because) {
            return Verdict::Act(Action::Remove(evidence));
        }
    }
    Verdict::Wait(reason)
}

/// The seat that this leader offers now, for its word.
#[must_use]
pub fn invitation(world: &World) -> Option<Invitation> {
    let (true, Some(members), Some(place)) = (world.leads(), world.members(), world.state.place) else {
        return None;
    };
    let learner = members.iter().find(|member| member.learner && !member.has_started())?;
    let recorded = world.lineage()?.members.iter().find(|r| r.member == learner.id).and_then(|r| r.node);
    let node = world.sponsored.get(&learner.id).map(|(node, _)| *node).or(recorded)?;
    let name = world.peers.get(&node)?.word.as_ref()?.name.clone();
    let listed = members.iter().map(|member| {
        let name = if member.id == learner.id { name.clone() } else { member.name.clone() };
        (name, member.peer_url.clone())
    });
    Some(Invitation {
        node,
        epoch: place.epoch,
        claim: place.claim,
        cluster: place.cluster,
        member: learner.id,
        members: listed.collect(),
    })
}
