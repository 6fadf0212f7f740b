//! Birth without a store: empty disks vow to one another (see [`crate::vow`]).
//!
//! A lineage that somebody still remembers forbids it, unless every member of it is proved gone:
//! without a store, the data of a cluster is lost with the last of its disks.

use super::Verdict;
use super::birth::{self, Gathering};
use super::restore;
use crate::action::Action;
use crate::id::{Epoch, NodeId};
use crate::lineage::{Claim, ClaimKind, FORMAT, Founder, Lineage, LineageState, Recorded};
use crate::memory::{Phase, Recall, State};
use crate::observe::{DataDir, World};
use crate::raftid;
use crate::reason::Reason;
use crate::vow::Vow;
use std::collections::BTreeSet;

/// Considers a birth by vows.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let idle = world.policy.has_store || world.state.phase != Phase::Empty;
    let (false, Some(me)) = (idle, world.node()) else { return Verdict::Idle };
    if let Some(lineage) = world.lineage()
        && let Err(reason) = restore::all_gone(world, lineage)
    {
        return Verdict::Wait(reason);
    }
    if world.data != Some(DataDir::Empty) {
        return Verdict::Idle;
    }
    // However many are here now: a proposal that all have vowed to is decided.
    if let Some(vow) = world.state.vows.last()
        && vow.founders.iter().all(|node| *node == me || word_vow(world, *node) == Some(vow))
    {
        return born(world, vow);
    }
    let founders = match birth::gather(world) {
        Gathering::Complete(founders) => founders,
        Gathering::Wait(reason) => return Verdict::Wait(reason),
    };
    let set: BTreeSet<NodeId> = founders.iter().map(|founder| founder.node).collect();
    let proposer = set.first().copied().unwrap_or(me);
    let highest = world.words().filter_map(|(_, word)| word.vow.as_ref()).chain(world.state.vows.last());
    let highest = highest.map(|vow| vow.round).max().unwrap_or(0);
    let vow = if proposer == me {
        match world.state.vows.last() {
            // A founder that vowed to others in this round or a later one can only follow a higher one.
            Some(last) if last.founders == set && !is_overtaken(world, last) => {
                return Verdict::Wait(Reason::FoundersMissing(not_vowed(world, last, me)));
            }
            _ => Vow { round: highest.saturating_add(1), founders: set },
        }
    } else {
        match word_vow(world, proposer) {
            Some(vow) if vow.founders.contains(&me) => vow.clone(),
            _ => return Verdict::Wait(Reason::AnothersTurn(proposer)),
        }
    };
    if world.state.vows.last() == Some(&vow) {
        return Verdict::Wait(Reason::FoundersMissing(not_vowed(world, &vow, me)));
    }
    if !vow.may_follow(&world.state.vows) {
        return Verdict::Wait(Reason::FoundersMissing(vow.founders.into_iter().filter(|node| *node != me).collect()));
    }
    let mut vows = world.state.vows.clone();
    vows.push(vow);
    Verdict::Act(Action::Remember(Box::new(State { vows, ..world.state.clone() })))
}

fn is_overtaken(world: &World, vow: &Vow) -> bool {
    world.words().filter_map(|(_, word)| word.vow.as_ref()).any(|other| other.round >= vow.round && other != vow)
}

fn word_vow(world: &World, node: NodeId) -> Option<&Vow> {
    world.words().find(|(id, _)| *id == node)?.1.vow.as_ref()
}

fn not_vowed(world: &World, vow: &Vow, me: NodeId) -> Vec<NodeId> {
    vow.founders.iter().copied().filter(|node| *node != me && word_vow(world, *node) != Some(vow)).collect()
}

/// All vowed: the lineage follows from the vows alone, so that every founder writes down the same.
fn born(world: &World, vow: &Vow) -> Verdict {
    let (lineage, claim) = vow.founds();
    let mut founders = Vec::new();
    for node in &vow.founders {
        if Some(*node) == world.node() {
            founders.push(Founder { node: *node, name: world.name(), peer_url: world.me.peer_url.clone() });
        } else if let Some((_, word)) = world.words().find(|(id, _)| id == node) {
            founders.push(Founder { node: *node, name: word.name.clone(), peer_url: word.peer_url.clone() });
        } else {
            return Verdict::Wait(Reason::FoundersMissing(vec![*node]));
        }
    }
    let token = raftid::token(lineage, Epoch(1), claim);
    let members = founders.iter().map(|founder| Recorded {
        node: Some(founder.node),
        member: raftid::founder(&[&founder.peer_url], &token),
        peer_url: founder.peer_url.clone(),
        instance: None,
        machine: None,
        mounted: false,
        started: false,
    });
    let lineage = Lineage {
        format: FORMAT,
        lineage,
        seq: 1,
        nonce: claim,
        epoch: Epoch(1),
        state: LineageState::Live,
        members: members.collect(),
        claim: Claim {
            nonce: claim,
            by: vow.founders.first().copied().unwrap_or(NodeId(0)),
            kind: ClaimKind::Birth,
            founders,
            source: None,
            evidence: vec![format!("all founders vowed in round {}", vow.round)],
            adopted: None,
        },
        pinned: None,
        history: vec![],
    };
    let recall = Recall { lineage: Some(lineage), ..world.recall.clone() };
    Verdict::Act(Action::Recall(Box::new(recall)))
}
