//! One store for all: private folders given as one shared store are found before anything starts.
//!
//! Each node tells which lineage *its own* look at the store showed. A node that has started nothing
//! yet, and sees something else than another node does, refuses to go on; and so does one whose view
//! nobody shares. A member that serves is not stopped for a newcomer's mistake, nor are several nodes that
//! see the same. Nor does an empty node go on beside a store that bears another cluster's mark (S14); one with data
//! needs no store to start (S17).

use super::Verdict;
use crate::action::{Action, Refusal};
use crate::id::{LineageId, NodeId};
use crate::memory::Phase;
use crate::observe::{Peer, StoreView, Trouble, World};
use crate::reason::Reason;
use crate::word::StoreWord;
use std::time::Duration;

/// How long news of the store may take to reach everybody who shares it: a look at a slow one takes up to ten seconds
/// and shows what was there when it began, and a network file system may serve a cached answer for a while.
const SETTLE: Duration = Duration::from_secs(15);

/// How long a cluster that lives may take to write the object again, where somebody removed it: its leader looks every half
/// minute.
const REWRITTEN: Duration = Duration::from_mins(1);

/// How long a node then tells that it sees something else, before it ends: so that the other ends as well.
const TELL: Duration = Duration::from_secs(3);

/// Considers whether the others see the same store.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    if let Some(Trouble::ForeignOwner(what)) = world.trouble.as_ref().map(|seen| &seen.value)
        && world.state.phase == Phase::Empty
    {
        return Verdict::Act(Action::Refuse { why: Refusal::ForeignStore(what.clone()) });
    }
    let Some(view) = view(world) else { return Verdict::Idle };
    let ours = lineage(view);
    let judge = |is_sure: bool, reason: Reason| {
        let refusal = Action::Refuse { why: Refusal::StoreNotShared(reason.to_string()) };
        if is_sure { Verdict::Act(refusal) } else { Verdict::Wait(reason) }
    };
    let confirmed = |ours| world.words().any(|(_, word)| word.store == StoreWord::Lineage(ours));
    if let Some(ours) = ours.filter(|ours| !confirmed(*ours)) {
        let missing = |peer: &Peer| peer.word.as_ref().is_some_and(|word| word.store == StoreWord::Differs(ours));
        // What a node told holds although it has ended since.
        let told: Vec<_> = world.peers.iter().filter(|(_, peer)| missing(peer)).collect();
        // Whoever says so ends soon, and the last to end is this node, whose word the others go by.
        let is_over = |peer: &Peer| !peer.alive || world.now.since(peer.steady_since) >= TELL * 2;
        if let Some((node, _)) = told.first() {
            return judge(told.iter().all(|(_, peer)| is_over(peer)), Reason::StoreNotSharedBy { node: **node, ours });
        }
    }
    match strange(world) {
        None => Verdict::Idle,
        Some((node, theirs, since)) => {
            let is_sure = since >= settle(world, theirs) + TELL && !is_deleted(world);
            judge(is_sure, Reason::StoreNotShared { node, theirs })
        }
    }
}

/// The lineage that another node sees in its store, and this node, which has looked for long enough, does not.
#[must_use]
pub(super) fn missed(world: &World) -> Option<LineageId> {
    let (_, theirs, since) = strange(world)?;
    (since >= settle(world, theirs) && !is_deleted(world)).then_some(theirs)
}

/// How long a difference must last to be none of those that pass: longer where this store was the others' once.
fn settle(world: &World, theirs: LineageId) -> Duration {
    if world.store_showed == Some(theirs) { REWRITTEN } else { SETTLE }
}

/// What this node sees in its store, while it has started nothing.
fn view(world: &World) -> Option<&StoreView> {
    let idle =
        world.policy.has_store && world.runs().is_none() && matches!(world.state.phase, Phase::Empty | Phase::Founding);
    world.store_view().filter(|_| idle)
}

fn lineage(view: &StoreView) -> Option<LineageId> {
    view.lineage.as_ref().map(|(lineage, _)| lineage.lineage)
}

/// Who sees another lineage than this node, which, and for how long this node has looked since, and seen what it sees.
fn strange(world: &World) -> Option<(NodeId, LineageId, Duration)> {
    let ours = lineage(view(world)?);
    let looked_at = world.store.as_ref().map_or(world.now, |seen| seen.at);
    let shown_since = world.store_shows.as_ref().map(|shows| shows.at).unwrap_or_default();
    let others = world.visible().filter_map(|(node, peer)| match peer.word.as_ref()?.store {
        StoreWord::Lineage(theirs) if ours != Some(theirs) => {
            Some((node, theirs, looked_at.since(peer.steady_since.max(shown_since))))
        }
        _ => None,
    });
    others.max_by_key(|(node, _, since)| (*since, *node))
}

/// Backups without a lineage: nobody's private folder, but a shared one whose object was deleted. A quorum that lives
/// will write it again.
fn is_deleted(world: &World) -> bool {
    world.store_view().is_some_and(|view| view.lineage.is_none() && (!view.archives.is_empty() || view.other_backups))
}
