//! A claim that gets nowhere is replaced (lineage object, `forming` → `forming` of the next epoch).
//!
//! Nobody can have been served under it, so no proof about its founders is needed: only that those
//! who found the next one are free, and that none who is visible went on to be a member.

use super::birth::choose;
use super::{Verdict, nonces, turn};
use crate::action::Action;
use crate::id::Nonce;
use crate::lineage::{Claim, ClaimKind, Lineage, LineageState};
use crate::observe::{Process, World};
use crate::quorum::majority;
use crate::reason::Reason;
use crate::time::Moment;
use crate::word::{EtcdWord, Word};
use std::time::Duration;

/// How long a founder may take over one step that takes as long as there is data, and shows nothing meanwhile: to check,
/// raise and sync a restored database, to load it, to sum it up.
pub(super) const LONG: Duration = Duration::from_mins(5);

/// When a founder last got on, this node included.
fn progress(world: &World, lineage: &Lineage) -> Moment {
    let others = world.peers.iter().filter(|(node, _)| lineage.founder(**node).is_some());
    let others = others.map(|(_, peer)| peer.steady_since).max().unwrap_or(world.lineage_since);
    let started = match world.etcd.process {
        Process::Running { since, .. } => Some(since),
        Process::Absent | Process::Exited { .. } => None,
    };
    others.max(world.lineage_since).max(world.progressed_at.max(started).unwrap_or_default())
}

/// Whether a founder that is here is within such a step.
fn is_long(world: &World, lineage: &Lineage) -> bool {
    let own = super::say::word(world);
    let me = world.node().map(|node| (node, &own));
    let is_loading = |word: &Word| word.progress.is_none_or(|progress| progress.serves && word.hash.is_none());
    let is_at_it = |word: &Word| word.restored_bytes.is_some() || (word.etcd == EtcdWord::Gated && is_loading(word));
    world.words().chain(me).any(|(node, word)| lineage.founder(node).is_some() && is_at_it(word))
}

/// Considers replacing a stuck claim.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let Some(lineage) = world.lineage() else { return Verdict::Idle };
    if lineage.state != LineageState::Forming || !crate::plan::restore::is_free(world) {
        return Verdict::Idle;
    }
    let idle = world.now.since(progress(world, lineage));
    let failing = world.words().find(|(_, word)| word.failed == Some(lineage.claim.nonce)).map(|(node, _)| node);
    let failed = failing.is_some();
    let patience = if is_long(world, lineage) { LONG } else { world.policy.claim_patience };
    let founds = world.node().is_some_and(|me| lineage.founder(me).is_some());
    if idle < patience && !failed {
        return if founds {
            Verdict::Idle
        } else {
            Verdict::Wait(Reason::ClaimUnderWay { epoch: lineage.epoch, patience: patience.saturating_sub(idle) })
        };
    }
    if let Some((node, _)) = world.words().find(|(_, word)| word.holds(lineage.lineage, lineage.epoch)) {
        return Verdict::Wait(Reason::EpochHasData(node));
    }
    let unheard: Vec<_> = world.visible().filter(|(_, peer)| peer.word.is_none()).map(|(node, _)| node).collect();
    if !unheard.is_empty() {
        return Verdict::Wait(Reason::WordsMissing(unheard));
    }
    let birth = lineage.claim.kind == ClaimKind::Birth;
    let needed = if birth { world.policy.size } else { majority(world.policy.size) };
    // Who cannot found this one is left out of the next, and joins later, if there are enough others.
    let able = choose(world, |word| word.is_free() && word.failed != Some(lineage.claim.nonce));
    let founders = if able.len() >= needed { able } else { choose(world, Word::is_free) };
    if founders.len() < needed {
        return Verdict::Wait(Reason::NodesMissing { present: founders.len(), needed });
    }
    let Some((stored, version)) = world.stored() else {
        return Verdict::Wait(super::birth::store_reason(world));
    };
    if stored.nonce != lineage.nonce {
        return Verdict::Wait(Reason::ClaimNotInStore);
    }
    let Some(position) = founders.iter().position(|founder| Some(founder.node) == world.node()) else {
        return Verdict::Wait(Reason::NoSeat { members: founders.len() });
    };
    if idle < patience + turn(position) && !(failed && position == 0) {
        return Verdict::Wait(Reason::AnothersTurn(founders[0].node));
    }
    let (nonce, random) = nonces(world);
    let claim = Claim {
        nonce: Nonce(random),
        by: founders[position].node,
        founders,
        evidence: vec![match failing {
            Some(node) => format!("node {node} says that it cannot found claim {}", lineage.claim.nonce),
            None => format!("claim {} made no progress for {} s", lineage.claim.nonce, idle.as_secs()),
        }],
        ..lineage.claim.clone()
    };
    let next = lineage.succeed(Nonce(nonce), claim);
    Verdict::Act(Action::WriteLineage { replaces: Some(version.clone()), lineage: Box::new(next) })
}
