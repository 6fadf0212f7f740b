//! A lineage lives, and every member of it is gone: its newest verified archive is restored.
//!
//! Each recorded member must be *gone*, *sealed* or by its own word *empty*, and silence is neither. No visible node may hold
//! data of the epoch. Then a new epoch is claimed, from one archive for all (S3, S7, S15).

use super::birth::choose;
use super::{Verdict, nonces, turn};
use crate::action::Action;
use crate::id::Nonce;
use crate::lineage::{Claim, ClaimKind, Lineage, LineageState, Recorded, Source, is_fenced};
use crate::memory::Phase;
use crate::observe::{ArchiveSeen, DataDir, World};
use crate::quorum::majority;
use crate::reason::Reason;
use crate::safety;
use crate::word::{Known, Word};

/// Whether this disk may found another epoch.
#[must_use]
pub(super) fn is_free(world: &World) -> bool {
    let empty = world.state.phase == Phase::Empty && world.data == Some(DataDir::Empty);
    empty || (world.state.phase == Phase::Founding && !world.state.opened)
}

/// Considers a restore.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let Some(lineage) = world.lineage() else { return Verdict::Idle };
    let empty = world.state.phase == Phase::Empty && world.data == Some(DataDir::Empty) && world.runs().is_none();
    if !empty || lineage.state != LineageState::Live || !world.policy.has_store {
        return Verdict::Idle;
    }
    let Some((stored, version)) = world.stored() else {
        let vanished = world.store_view().is_some_and(|view| view.lineage.is_none());
        let reason = if vanished { Reason::LineageVanished } else { super::birth::store_reason(world) };
        return Verdict::Wait(reason);
    };
    if stored.nonce != lineage.nonce {
        return Verdict::Wait(Reason::StoreLags { stored: stored.seq, known: lineage.seq });
    }
    let newer = |known: &Known| known.lineage == lineage.lineage && (known.epoch, known.seq) > lineage.version();
    if let Some(known) = world.words().filter_map(|(_, word)| word.known).find(newer) {
        return Verdict::Wait(Reason::StoreLags { stored: stored.seq, known: known.seq });
    }
    let evidence = match all_gone(world, lineage) {
        Ok(evidence) => evidence,
        Err(reason) => return Verdict::Wait(reason),
    };
    let Some((archive, said)) = newest(world, lineage) else { return Verdict::Wait(Reason::NoArchive) };
    let evidence = evidence.into_iter().chain(said).collect();
    let founders = choose(world, Word::is_free);
    let Some(position) = founders.iter().position(|founder| Some(founder.node) == world.node()) else {
        return Verdict::Wait(Reason::NoSeat { members: founders.len() });
    };
    let steady = world.visible().map(|(_, peer)| peer.steady_since).max().unwrap_or(world.listening_since);
    let waited = world.now.since(steady.max(world.lineage_since));
    let size = world.policy.size;
    let needed = if waited >= world.policy.restore_patience { majority(size) } else { size };
    if founders.len() < needed {
        return Verdict::Wait(Reason::NodesMissing { present: founders.len(), needed });
    }
    if waited < turn(position) {
        return Verdict::Wait(Reason::AnothersTurn(founders[0].node));
    }
    let (nonce, random) = nonces(world);
    let claim = Claim {
        nonce: Nonce(random),
        by: founders[position].node,
        kind: ClaimKind::Restore,
        founders,
        source: Some(Source {
            archive: archive.id,
            epoch: archive.epoch,
            revision: archive.revision,
            bump: bump(world, lineage, archive),
        }),
        evidence,
        adopted: None,
    };
    let next = lineage.succeed(Nonce(nonce), claim);
    Verdict::Act(Action::WriteLineage { replaces: Some(version.clone()), lineage: Box::new(next) })
}

/// The proof that the epoch is over: every recorded member gone, sealed or empty, and nobody in sight with
/// its data.
pub(super) fn all_gone(world: &World, lineage: &Lineage) -> Result<Vec<String>, Reason> {
    let sealed = |member: &Recorded| {
        world.words().find(|(node, word)| {
            Some(*node) == member.node && word.phase == Phase::Sealed && word.seal == Some(lineage.seq)
        })
    };
    let mut evidence = Vec::new();
    let mut alive = Vec::new();
    if lineage.members.is_empty() {
        alive.push("the members of the epoch, of which none is recorded".to_owned());
    }
    for member in &lineage.members {
        if let Some(proof) = safety::prove_gone(world, member.node, &member.peer_url, Some(member)) {
            evidence.push(format!("member {}: {proof}", member.member));
        } else if sealed(member).is_some() {
            evidence.push(format!("member {}: sealed at seq {}", member.member, lineage.seq));
        } else if let Some(proof) = safety::prove_empty(world, lineage, member) {
            evidence.push(format!("member {}: {proof}", member.member));
        } else if let Some(proof) = safety::has_left(world, lineage, member) {
            evidence.push(format!("member {}: {proof}", member.member));
        } else {
            let node = member.node.map_or_else(|| "no node of ours".to_owned(), |node| format!("node {node}"));
            alive.push(format!("member {} ({node}, {})", member.member, member.peer_url));
        }
    }
    let unsealed = world.words().find(|(_, word)| {
        let sealed_now = word.phase == Phase::Sealed && word.seal == Some(lineage.seq);
        word.holds(lineage.lineage, lineage.epoch) && !sealed_now
    });
    if let Some((node, _)) = unsealed {
        return Err(Reason::EpochHasData(node));
    }
    let unheard: Vec<_> = world.visible().filter(|(_, peer)| peer.word.is_none()).map(|(node, _)| node).collect();
    if !unheard.is_empty() {
        return Err(Reason::WordsMissing(unheard));
    }
    if alive.is_empty() { Ok(evidence) } else { Err(Reason::NotProvedGone(alive)) }
}

/// How far the revision is raised: once for each epoch since the archive was taken. An epoch between
/// may have served clients and ended before it had an archive of its own (S9).
fn bump(world: &World, lineage: &Lineage, archive: &ArchiveSeen) -> u64 {
    world.policy.bump.saturating_mul(lineage.epoch.next().0.saturating_sub(archive.epoch.0))
}

/// The archive to restore, and what is to be said about it: the newest verified one of the ended epoch, else the one that this
/// epoch was restored from, or an older one; where none was verified, the newest (S15).
///
/// Of older epochs, nothing newer than what the ended one was restored from is its past: a node that did not know that its
/// epoch had ended may have written it (S16). Archives of other clusters are nobody's past here.
fn newest<'a>(world: &'a World, lineage: &Lineage) -> Option<(&'a ArchiveSeen, Option<String>)> {
    let archives = || world.store_view().into_iter().flat_map(|view| &view.archives);
    let order = |archive: &&ArchiveSeen| (archive.epoch, archive.revision);
    let bounds = lineage.bounds(|id| archives().find(|archive| archive.id == id).map(|archive| archive.revision));
    let usable = |archive: &&ArchiveSeen| {
        let fenced = archive.epoch < lineage.epoch && is_fenced(&bounds, archive.epoch, archive.revision);
        archive.lineage == lineage.lineage && archive.epoch <= lineage.epoch && !fenced
    };
    let newest = archives().filter(usable).max_by_key(order)?;
    match archives().filter(usable).filter(|archive| archive.verified).max_by_key(order) {
        None => Some((newest, Some("no archive of this lineage was ever verified, this one neither".to_owned()))),
        Some(verified) if order(&verified) < order(&newest) => {
            let ArchiveSeen { id, epoch, revision, .. } = newest;
            let said = format!("archive {id}, revision {revision} of epoch {epoch}, is newer and was never verified");
            Some((verified, Some(said)))
        }
        Some(verified) => Some((verified, None)),
    }
}
