//! A claim that gets nowhere is replaced (lineage object, `forming` → `forming` of the next epoch).
//!
//! Nobody can have been served under it, so no proof about its founders is needed: only that those
//! who found the next one are free, and that none who is visible went on to be a member.

use super::birth::choose;
use super::{Verdict, nonces, turn};
use crate::action::Action;
use crate::id::Nonce;
use crate::lineage::{Claim, ClaimKind, LineageState};
use crate::observe::World;
use crate::quorum::majority;
use crate::reason::Reason;
use crate::word::Word;

/// Considers replacing a stuck claim.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let Some(lineage) = world.lineage() else { return Verdict::Idle };
    if lineage.state != LineageState::Forming || !crate::plan::restore::is_free(world) {
        return Verdict::Idle;
    }
    let steady = world.peers.iter().filter(|(node, _)| lineage.founder(**node).is_some());
    let steady = steady.map(|(_, peer)| peer.steady_since).max().unwrap_or(world.lineage_since);
    let idle = world.now.since(steady.max(world.lineage_since));
    let failing = world.words().find(|(_, word)| word.failed == Some(lineage.claim.nonce)).map(|(node, _)| node);
    let failed = failing.is_some();
    let patience = world.policy.claim_patience;
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
