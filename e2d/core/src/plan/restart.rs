//! A member with its data starts again, without anybody's leave but its fellow members' (S3, S17).
//!
//! It raises its count of starts, asks the members that it last knew, gives the store a short look,
//! and starts unless somebody knows better (S11, S16).

use super::Verdict;
use super::disk::abandon;
use crate::action::{Action, Cluster, Launch, Refusal};
use crate::id::NodeId;
use crate::interview::{self, Finding, Interview};
use crate::memory::{Heard, Phase, State};
use crate::observe::{DataDir, DiskData, ExitCause, Gate, Process, World};
use crate::reason::Reason;

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
        Some(DataDir::Unreadable(what)) => return damaged(world, what),
        _ => return Verdict::Idle,
    };
    if let Process::Exited { cause, .. } = &world.etcd.process {
        match cause {
            ExitCause::NewerData(what) => {
                return Verdict::Act(Action::Refuse { why: Refusal::NewerData(what.clone()) });
            }
            ExitCause::Corrupt(what) => return damaged(world, what),
            ExitCause::Stopped | ExitCause::Removed | ExitCause::Failed(_) => {}
        }
    }
    if let Err(verdict) = ask(world) {
        return verdict;
    }
    if let Some(witness) = store_remembers_more(world, data) {
        return Verdict::Wait(Reason::DiskWentBack { witness });
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
    let interview = begun(world)?;
    let wait = |reason| Err(Verdict::Wait(reason));
    match interview::weigh(world, &place, term, index, interview) {
        Finding::Clear => {}
        Finding::Missing { silent, needed } => return wait(Reason::AnswersMissing { silent, needed }),
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

/// The interview under this start, or the next step towards it.
fn begun(world: &World) -> Result<&Interview, Verdict> {
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

/// An archive that was taken from this very disk holds more than the disk does now.
fn store_remembers_more(world: &World, data: &DiskData) -> Option<NodeId> {
    let (me, place) = (world.node()?, world.state.place?);
    let ahead = |a: &&crate::observe::ArchiveSeen| a.node == me && a.epoch == place.epoch && a.index > data.index;
    world.store_view()?.archives.iter().find(ahead).map(|archive| archive.node)
}

/// Data that etcd cannot read is given up only when others would fill this node again.
pub(super) fn damaged(world: &World, what: &str) -> Verdict {
    let reseeds = world.words().find(|(_, word)| {
        let same = word.place.map(|p| p.cluster) == world.state.place.map(|p| p.cluster);
        same && word.progress.is_some_and(|progress| progress.serves)
    });
    match reseeds {
        Some((node, _)) => {
            abandon(world, format!("its data cannot be read, and node {node} serves what it held: {what}"))
        }
        None => Verdict::Wait(Reason::DataUnreadable(what.to_owned())),
    }
}

/// etcd runs. A newcomer that answers is a member from now on, and what was asked is done with.
fn settled(world: &World) -> Verdict {
    if world.status().is_none() {
        return Verdict::Wait(Reason::Settling);
    }
    if world.state.phase == Phase::Joining {
        let state = State { phase: Phase::Member, opened: true, ..world.state.clone() };
        return Verdict::Act(Action::Remember(Box::new(state)));
    }
    if let Some(recall) = remember_others(world) {
        return Verdict::Act(Action::Recall(Box::new(recall)));
    }
    if world.serves() { Verdict::Idle } else { Verdict::Wait(Reason::NoQuorum) }
}

/// What to write down of the others: the member list when it changed, where gossip reaches them, and
/// how far they have come.
fn remember_others(world: &World) -> Option<crate::memory::Recall> {
    let mut recall = world.recall.clone();
    if let Some(members) = world.members() {
        recall.members = super::record::of(world, members);
    }
    let mut due = recall.members != world.recall.members;
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
