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
use crate::quorum::majority;
use crate::raftid;
use crate::reason::Reason;
use crate::vow::Vow;
use crate::word::Word;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

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
        Gathering::Complete(founders) => founders.into_iter().map(|founder| founder.node).collect(),
        Gathering::Wait(reason) => return Verdict::Wait(reason),
    };
    let Some(set) = fitting(world, me, founders) else { return Verdict::Wait(Reason::VowsConflict) };
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
    // An earlier vow to the same disks binds to nothing more.
    vows.retain(|earlier| earlier.founders != vow.founders);
    vows.push(vow);
    Verdict::Act(Action::Remember(Box::new(State { vows, ..world.state.clone() })))
}

/// How many empty nodes are looked at for a set that fits: 120 sets of three, and 252 of five.
const MOST_LOOKED_AT: usize = 10;

/// The disks to found a cluster: those of the newest vow, else those chosen, else the first set that the vows of its own
/// disks allow.
fn fitting(world: &World, me: NodeId, chosen: BTreeSet<NodeId>) -> Option<BTreeSet<NodeId>> {
    let own = super::say::word(world);
    let here: BTreeMap<NodeId, &Word> = world.words().chain([(me, &own)]).collect();
    let fits = |set: &BTreeSet<NodeId>| {
        let shares = |bound: &BTreeSet<NodeId>| set.intersection(bound).count() >= majority(bound.len());
        set.iter().all(|node| here.get(node).is_some_and(|word| word.bound.iter().all(shares)))
    };
    let mut made: Vec<&Vow> = here.values().filter_map(|word| word.vow.as_ref()).collect();
    made.sort_by_key(|vow| (Reverse(vow.round), &vow.founders));
    let made = made.into_iter().map(|vow| vow.founders.clone());
    let size = world.policy.size;
    let looked_at: Vec<NodeId> = here.keys().copied().take(MOST_LOOKED_AT).collect();
    made.chain([chosen]).chain(sets(&looked_at, size)).find(|set| set.len() == size && fits(set))
}

/// All sets of so many of the nodes, in order.
fn sets(nodes: &[NodeId], size: usize) -> Vec<BTreeSet<NodeId>> {
    let mut grown: Vec<BTreeSet<NodeId>> = vec![BTreeSet::new()];
    for _ in 0..size {
        let longer = |set: &BTreeSet<NodeId>| {
            let last = set.last().copied();
            let next = nodes.iter().filter(move |node| Some(**node) > last);
            next.map(|node| set.iter().copied().chain([*node]).collect()).collect::<Vec<_>>()
        };
        grown = grown.iter().flat_map(longer).collect();
    }
    grown
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
        learner: false,
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
