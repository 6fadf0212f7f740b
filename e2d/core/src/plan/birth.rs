//! A new, empty cluster: only with proof that there is nothing to lose (S1, S2).
//!
//! The store was reached, and said that it holds no lineage and no backup of any kind; no visible
//! node has data or knows a lineage; and N empty nodes are here. Then one of them claims.

use super::{Verdict, nonces, restore, turn};
use crate::action::Action;
use crate::id::{Epoch, LineageId, NodeId, Nonce};
use crate::lineage::{Claim, ClaimKind, FORMAT, Founder, Lineage, LineageState};
use crate::memory::Phase;
use crate::observe::{DataDir, Trouble, World};
use crate::reason::Reason;
use crate::word::{StoreWord, Word};
use std::collections::{BTreeMap, VecDeque};

/// Whether enough nodes are here to be born, and which.
pub(super) enum Gathering {
    /// Exactly N.
    Complete(Vec<Founder>),
    /// Not yet, or never.
    Wait(Reason),
}

/// Considers a birth.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let empty = world.state.phase == Phase::Empty && world.data == Some(DataDir::Empty) && world.runs().is_none();
    if !world.policy.has_store || !empty {
        return Verdict::Idle;
    }
    if let Some(lineage) = world.lineage() {
        let vanished = world.store_view().is_some_and(|view| view.lineage.is_none());
        return Verdict::Wait(if vanished {
            Reason::LineageVanished
        } else {
            Reason::LineageStands { epoch: lineage.epoch, state: lineage.state }
        });
    }
    let Some(view) = world.store_view() else { return Verdict::Wait(store_reason(world)) };
    if !view.archives.is_empty() || view.other_backups {
        return Verdict::Wait(Reason::BackupsWithoutLineage);
    }
    let founders = match gather(world) {
        Gathering::Complete(founders) => founders,
        Gathering::Wait(reason) => return Verdict::Wait(reason),
    };
    let me = world.node();
    let sees_nothing = |node: NodeId| {
        Some(node) == me || world.words().any(|(id, word)| id == node && word.store == StoreWord::Absent)
    };
    let able: Vec<NodeId> = founders.iter().map(|founder| founder.node).filter(|node| sees_nothing(*node)).collect();
    let Some(position) = able.iter().position(|node| Some(*node) == me) else {
        return Verdict::Wait(Reason::NoSeat { members: founders.len() });
    };
    let steady = world.visible().map(|(_, peer)| peer.steady_since).max().unwrap_or(world.listening_since);
    if world.now.since(steady) < turn(position) {
        return Verdict::Wait(Reason::AnothersTurn(able[0]));
    }
    let (nonce, random) = nonces(world);
    let claim = Claim {
        nonce: Nonce(random),
        by: able[position],
        kind: ClaimKind::Birth,
        founders,
        source: None,
        evidence: vec![
            "the store was reached and holds neither lineage nor backup; no visible node has data".to_owned(),
        ],
        adopted: None,
    };
    let lineage = Lineage {
        format: FORMAT,
        lineage: LineageId((nonce ^ random.rotate_left(64)).max(1)),
        seq: 1,
        nonce: Nonce(nonce),
        epoch: Epoch(1),
        state: LineageState::Forming,
        claim,
        members: vec![],
        pinned: None,
        history: vec![],
    };
    Verdict::Act(Action::WriteLineage { replaces: None, lineage: Box::new(lineage) })
}

/// Why the store told nothing, or nothing of the lineage that is known.
pub(super) fn store_reason(world: &World) -> Reason {
    if world.store_view().is_some_and(|view| view.lineage.is_none()) && world.lineage().is_some() {
        return Reason::LineageVanished;
    }
    match world.trouble.as_ref().map(|seen| &seen.value) {
        Some(Trouble::Unreachable(what)) => Reason::StoreTrouble(format!("unreachable: {what}")),
        Some(Trouble::Denied(what)) => Reason::StoreTrouble(format!("denied: {what}")),
        Some(Trouble::Malformed(what) | Trouble::ForeignOwner(what)) => Reason::StoreTrouble(what.clone()),
        None => Reason::StoreNotSeen,
    }
}

/// Whether N empty nodes are here and nobody visible has anything.
pub(super) fn gather(world: &World) -> Gathering {
    let unheard: Vec<NodeId> = world.visible().filter(|(_, peer)| peer.word.is_none()).map(|(node, _)| node).collect();
    if !unheard.is_empty() {
        return Gathering::Wait(Reason::WordsMissing(unheard));
    }
    // What we know ourselves was judged before.
    let judged = world.lineage().map(|lineage| lineage.lineage);
    // Without a store another that is remembered may have ended with its disks as well.
    let is_over = |id: LineageId| {
        let copy = world.copies.values().find(|copy| copy.lineage == id).filter(|_| !world.policy.has_store);
        copy.is_some_and(|copy| restore::all_gone(world, copy).is_ok())
    };
    let knows = |word: &Word| {
        let news = word.known.is_some_and(|known| Some(known.lineage) != judged && !is_over(known.lineage));
        news || word.has_data || word.phase != Phase::Empty || word.place.is_some()
    };
    if let Some((node, _)) = world.words().find(|(_, word)| knows(word)) {
        return Gathering::Wait(Reason::SomebodyHasData(node));
    }
    let chosen = choose(world, |word| word.phase == Phase::Empty);
    if chosen.len() < world.policy.size {
        return Gathering::Wait(Reason::NodesMissing { present: chosen.len(), needed: world.policy.size });
    }
    Gathering::Complete(chosen)
}

/// At most N of the visible nodes, and of ourselves, that `wanted` lets through: by turns from each
/// zone, and in a zone by node id, so that everybody who sees the same chooses the same.
pub(super) fn choose(world: &World, wanted: impl Fn(&Word) -> bool) -> Vec<Founder> {
    let mut zones: BTreeMap<Option<String>, Vec<Founder>> = BTreeMap::new();
    let own = super::say::word(world);
    let me = world.node().map(|node| (node, &own));
    for (node, word) in world.words().chain(me).filter(|(_, word)| wanted(word)) {
        let founder = Founder { node, name: word.name.clone(), peer_url: word.peer_url.clone() };
        zones.entry(word.zone.clone()).or_default().push(founder);
    }
    let mut queues: Vec<VecDeque<Founder>> = zones
        .into_values()
        .map(|mut zone| {
            zone.sort_by_key(|founder| founder.node);
            VecDeque::from(zone)
        })
        .collect();
    let mut chosen: Vec<Founder> = Vec::new();
    while chosen.len() < world.policy.size && queues.iter().any(|queue| !queue.is_empty()) {
        for queue in &mut queues {
            let Some(founder) = queue.pop_front() else { continue };
            let taken = chosen.iter().any(|other| other.peer_url == founder.peer_url);
            if chosen.len() < world.policy.size && !taken {
                chosen.push(founder);
            }
        }
    }
    chosen.sort_by_key(|founder| founder.node);
    chosen
}
