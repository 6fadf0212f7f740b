//! A member with its data starts again, without anybody's leave but its fellow members' (S3, S17).
//!
//! It raises its count of starts, asks the members that it last knew, gives the store a short look,
//! and starts unless somebody knows better (S11, S16).

use super::disk::abandon;
use super::{Verdict, clone};
use crate::action::{Action, Cluster, Launch, Refusal};
use crate::id::NodeId;
use crate::interview::{self, Finding, Interview};
use crate::lineage::Lineage;
use crate::memory::{Heard, Phase, Place, State};
use crate::observe::{DataDir, ExitCause, Gate, Process, World};
use crate::reason::Reason;
use crate::safety;
use std::time::Duration;

/// How long the answer of one more member is waited for, when enough others have answered.
const LATE: Duration = Duration::from_secs(1);

/// Considers starting etcd on the data that is there.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let Some(place) = world.state.place else { return Verdict::Idle };
    if !matches!(world.state.phase, Phase::Member | Phase::Founding | Phase::Joining) {
        return Verdict::Idle;
    }
    if world.runs().is_some() {
        return settled(world);
    }
    let data = match &world.data {
        Some(DataDir::Member(data)) => data,
        // It has never said anything in the cluster's name, so that nothing of it is missed.
        Some(DataDir::Unlogged(_)) if joins_nobody(world) => {
            return abandon(world, "it never got as far as to join, and every member is gone".to_owned());
        }
        Some(DataDir::Unreadable(what) | DataDir::Unlogged(what)) => return damaged(world, what),
        _ => return Verdict::Idle,
    };
    if let Process::Exited { cause, .. } = &world.etcd.process {
        match cause {
            ExitCause::NewerData(what) => {
                return Verdict::Act(Action::Refuse { why: Refusal::NewerData(what.clone()) });
            }
            ExitCause::Corrupt(what) => return damaged(world, what),
            ExitCause::Removed => return removed(world, &place),
            ExitCause::Stopped | ExitCause::Failed(_) => {}
        }
    }
    if let Err(verdict) = ask(world) {
        return verdict;
    }
    if let Err(verdict) = check_store(world, data.index) {
        return verdict;
    }
    Verdict::Act(Action::Start(Box::new(Launch {
        name: world.name(),
        place,
        cluster: Cluster::Existing,
        members: vec![(world.name(), world.me.peer_url.clone())],
        token: String::new(),
        gate: if world.state.opened { Gate::Open } else { Gate::Gated },
    })))
}

/// Asks the members last known, and the store for a moment, whether this disk may speak.
///
/// # Errors
/// What to do instead of starting.
pub(super) fn ask(world: &World) -> Result<(), Verdict> {
    let Some(place) = world.state.place else { return Err(Verdict::Idle) };
    let (term, index) = match &world.data {
        Some(DataDir::Member(data)) => (data.term, data.index),
        _ => (0, 0),
    };
    let wait = |reason| Err(Verdict::Wait(reason));
    let interview = begun(world)?;
    match interview::weigh(world, &place, term, index, interview) {
        Finding::Clear => {
            let (silent, needed) = (late(world, &place, interview), interview::fellows(world, &place).1);
            if !silent.is_empty() {
                return wait(Reason::AnswersMissing { silent, away: vec![], needed });
            }
        }
        Finding::Missing { silent, away, needed } => return wait(Reason::AnswersMissing { silent, away, needed }),
        Finding::NewerEpoch { witness, known } => {
            return wait(Reason::NewerEpochKnown { witness, epoch: known.epoch, state: known.state });
        }
        Finding::Removed { witness } => {
            let because =
                format!("node {witness}, whose etcd has a quorum, says that member {} was removed", place.member);
            return Err(abandon(world, because));
        }
        Finding::WentBack { witness, heard, reseeded: true } => {
            let because = format!(
                "node {witness} heard this disk at start {}, term {}, index {}, and it is at start {}, term {term}, index {index}",
                heard.start, heard.term, heard.index, world.state.start
            );
            return Err(abandon(world, because));
        }
        Finding::WentBack { witness, .. } => return wait(Reason::DiskWentBack { witness }),
    }
    let looked = !world.policy.has_store
        || world.store_view().is_some()
        || world.now.since(interview.since) >= world.policy.look_patience;
    if looked { Ok(()) } else { wait(Reason::StoreNotSeen) }
}

/// Whether this disk was about to join a cluster of which nobody is left.
pub(super) fn joins_nobody(world: &World) -> bool {
    let lineage = world.lineage().filter(|_| world.state.phase == Phase::Joining && world.runs().is_none());
    lineage.is_some_and(|lineage| safety::others_have_nothing(world, lineage))
}

/// The members that may still answer: a majority is enough, but whoever is there and knows better is heard.
fn late(world: &World, place: &Place, interview: &Interview) -> Vec<NodeId> {
    if world.now.since(interview.grown) >= LATE {
        return vec![];
    }
    let fellows = interview::fellows(world, place).0;
    let others = fellows.into_iter().filter(|node| Some(*node) != world.node());
    others.filter(|node| !interview.answers.contains_key(node)).collect()
}

/// A disk that may be a copy gives way to those who serve, and asks nobody: what a copy asks in its original's name
/// would stand against the original.
pub(super) fn give_way(world: &World, place: &Place, home: &str) -> Verdict {
    // What is told to be served now is served without this disk, whose etcd has not run for as long as we listen.
    let apart = world.now.since(world.listening_since) >= world.policy.observation_ttl * 2;
    let serves = world.words().find(|(_, word)| {
        let same = word.place.is_some_and(|theirs| theirs.cluster == place.cluster);
        same && word.progress.is_some_and(|progress| progress.serves)
    });
    match serves.filter(|_| apart) {
        Some((node, _)) => {
            let here = &world.me.peer_url;
            abandon(world, format!("its member's place is {home}, not {here}, and node {node} serves what it holds"))
        }
        None => Verdict::Wait(Reason::Elsewhere(home.to_owned())),
    }
}

/// The interview under this start, or the next step towards it.
fn begun(world: &World) -> Result<&Interview, Verdict> {
    if let Some(place) = world.state.place
        && let Some(home) = clone::elsewhere(world, &place)
    {
        return Err(give_way(world, &place, home));
    }
    match &world.interview {
        Some(interview) if interview.start == world.state.start => Ok(interview),
        // This run of the process has raised the count of starts already.
        _ if world.raised == Some(world.state.start) => {
            Err(Verdict::Act(Action::Interview { start: world.state.start }))
        }
        _ => {
            let state = State { start: world.state.start.saturating_add(1), ..world.state.clone() };
            Err(Verdict::Act(Action::Remember(Box::new(state))))
        }
    }
}

/// Whether an archive that was taken from this very disk holds more than the disk does now.
///
/// # Errors
/// What to do instead of starting: the disk was set back.
pub(super) fn check_store(world: &World, index: u64) -> Result<(), Verdict> {
    let (Some(me), Some(place), Some(view)) = (world.node(), world.state.place, world.store_view()) else {
        return Ok(());
    };
    let ahead = |a: &&crate::observe::ArchiveSeen| a.node == me && a.is_of(&place) && a.index > index;
    let Some(archive) = view.archives.iter().find(ahead) else { return Ok(()) };
    let further = archive.index;
    Err(match reseeded_by(world)? {
        Some(node) => abandon(
            world,
            format!(
                "archive {} was taken from it at index {further}, and it is at {index} now; node {node} serves",
                archive.id
            ),
        ),
        None => Verdict::Wait(Reason::ArchiveIsAhead { archive: archive.id, further, index }),
    })
}

/// Data that etcd cannot read is given up only when others would fill this node again.
pub(super) fn damaged(world: &World, what: &str) -> Verdict {
    match reseeded_by(world) {
        Err(verdict) => verdict,
        Ok(Some(node)) => {
            abandon(world, format!("its data cannot be read, and node {node} serves what it held: {what}"))
        }
        Ok(None) => Verdict::Wait(Reason::DataUnreadable(what.to_owned())),
    }
}

/// The member of this disk was removed, as etcd found out or as its last list shows. Its data may be all that is left of the cluster, if the others were lost
/// while they agreed on that, so it is given up only when they serve.
pub(super) fn removed(world: &World, place: &Place) -> Verdict {
    match reseeded_by(world) {
        Err(verdict) => verdict,
        Ok(Some(node)) => {
            abandon(world, format!("member {} was removed from its cluster, which node {node} serves", place.member))
        }
        Ok(None) => Verdict::Wait(Reason::RemovedAndAlone(place.member)),
    }
}

/// A newcomer whose etcd never wrote anything, and whom nobody invites any more: its seat may have been given away.
pub(super) fn unseated(world: &World, place: &Place) -> Verdict {
    let interview = match begun(world) {
        Ok(interview) => interview,
        Err(verdict) => return verdict,
    };
    match interview.answers.iter().find(|(_, testimony)| testimony.removed) {
        Some((node, _)) => abandon(
            world,
            format!("node {node} says that seat {} was given away before etcd wrote anything", place.member),
        ),
        None => Verdict::Wait(Reason::NoInvitation),
    }
}

/// A node whose etcd has a quorum without this disk. It is asked: what its word said may be older than the damage.
fn reseeded_by(world: &World) -> Result<Option<NodeId>, Verdict> {
    let interview = begun(world)?;
    let mut answers = interview.answers.iter().filter(|(_, testimony)| testimony.start == interview.start);
    Ok(answers.find(|(_, testimony)| testimony.serves || testimony.removed).map(|(node, _)| *node))
}

/// etcd runs. A newcomer that answers is a member from now on, and what was asked is done with.
fn settled(world: &World) -> Verdict {
    if world.status().is_none() {
        return Verdict::Wait(unsettled(world));
    }
    if world.state.phase == Phase::Joining {
        let home = Some(world.me.peer_url.clone());
        let state = State { phase: Phase::Member, opened: true, home, ..world.state.clone() };
        return Verdict::Act(Action::Remember(Box::new(state)));
    }
    if world.state.phase == Phase::Member && world.state.home.as_ref() != Some(&world.me.peer_url) {
        let home = Some(world.me.peer_url.clone());
        return Verdict::Act(Action::Remember(Box::new(State { home, ..world.state.clone() })));
    }
    if let Some(recall) = remember_others(world) {
        return Verdict::Act(Action::Recall(Box::new(recall)));
    }
    match world.status() {
        _ if world.serves() => Verdict::Idle,
        Some(status) if status.learner => Verdict::Wait(Reason::StillLearner),
        _ => Verdict::Wait(unserved(world)),
    }
}

/// Why etcd, which runs, has not told its status.
pub(super) fn unsettled(world: &World) -> Reason {
    if world.etcd.locked { Reason::EtcdLocked } else { Reason::Settling }
}

/// Why no read through etcd, which runs, works.
pub(super) fn unserved(world: &World) -> Reason {
    if world.etcd.locked { Reason::EtcdLocked } else { Reason::NoQuorum }
}

/// What to write down of the others: the member list when it changed, where gossip reaches them, and
/// how far they have come.
fn remember_others(world: &World) -> Option<crate::memory::Recall> {
    let mut recall = world.recall.clone();
    if let Some(members) = world.members() {
        recall.members = super::record::of(world, members);
    }
    let kept = super::record::kept(world);
    let mut due = recall.members != world.recall.members || kept.is_some();
    if due {
        recall.lineage = kept.or(recall.lineage);
        recall.listed = recall.lineage.as_ref().map(Lineage::version).unwrap_or_default();
    }
    for (node, peer) in world.visible() {
        let Some(told) = &peer.word else { continue };
        let Some(progress) = told.progress else { continue };
        if !recall.members.iter().any(|member| member.node == Some(node)) {
            continue;
        }
        recall.addresses.insert(node, peer.addr.to_string());
        let heard = Heard { start: told.start, boot: Some(peer.boot), term: progress.term, index: progress.index };
        recall.hear(node, heard);
    }
    due |= recall.addresses != world.recall.addresses;
    let starts = |r: &crate::memory::Recall| r.heard.values().map(|h| (h.start, h.term)).collect::<Vec<_>>();
    due |= starts(&recall) != starts(&world.recall);
    let since = world.recalled_at.map_or(std::time::Duration::MAX, |at| world.now.since(at));
    due |= recall.heard != world.recall.heard && since >= std::time::Duration::from_secs(10);
    if !due {
        return None;
    }
    let kept: Vec<Option<NodeId>> = recall.members.iter().map(|member| member.node).collect();
    recall.heard.retain(|node, _| kept.contains(&Some(*node)));
    recall.addresses.retain(|node, _| kept.contains(&Some(*node)));
    Some(recall)
}
