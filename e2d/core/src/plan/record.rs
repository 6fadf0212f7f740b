//! The record, R, follows etcd's own member list.
//!
//! The object also bears a mark of the gossip key, which follows that key. The record
//! is what a later epoch must prove gone, so it is written right after each change, by the leader,
//! from a list that is read *after* the version it replaces.

use super::{Verdict, nonces};
use crate::action::Action;
use crate::id::Nonce;
use crate::lineage::{ClaimKind, Lineage, LineageState, Recorded};
use crate::memory::Phase;
use crate::observe::{Member, World};
use crate::reason::Reason;
use crate::word::{Past, Word};
use std::time::Duration;

/// How long a write may take to be seen by everybody who looks at the store.
const SETTLE: Duration = Duration::from_secs(15);

/// Considers writing the record.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    if !world.leads() || !world.policy.has_store {
        return Verdict::Idle;
    }
    let (Some(members), Some(place)) = (world.members(), world.state.place) else { return Verdict::Idle };
    let Some((stored, version)) = world.stored() else { return put_back(world) };
    if world.lineage().is_some_and(|known| known.is_newer_than(stored)) {
        // Right after somebody else's write, a look is merely older than what gossip tells.
        let looked_at = world.store.as_ref().map_or(world.lineage_since, |seen| seen.at);
        return if looked_at.since(world.lineage_since) >= SETTLE { put_back(world) } else { Verdict::Idle };
    }
    let mine = stored.lineage == place.lineage && stored.claim.nonce == place.claim;
    if !mine || stored.state != LineageState::Live {
        return Verdict::Idle;
    }
    let record = of(world, members);
    let former_mark = world.store_view().is_some_and(|view| view.former_mark);
    if same(&record, &stored.members) && !former_mark {
        return Verdict::Idle;
    }
    let listed_at = world.etcd.members.as_ref().map(|seen| seen.at);
    let stored_at = world.store.as_ref().map(|seen| seen.at);
    if listed_at < stored_at {
        return Verdict::Wait(Reason::ListTooOld);
    }
    let (nonce, _) = nonces(world);
    let lineage = Lineage { members: record, ..stored.next(Nonce(nonce)) };
    Verdict::Act(Action::WriteLineage { replaces: Some(version.clone()), lineage: Box::new(lineage) })
}

/// Without a store the record is in the copies of the nodes alone: the leader's, with etcd's list in it, where they differ.
#[must_use]
pub(super) fn kept(world: &World) -> Option<Lineage> {
    let (lineage, place, members) = (world.lineage()?, world.state.place?, world.members()?);
    let mine = lineage.lineage == place.lineage && lineage.claim.nonce == place.claim;
    let keeps = !world.policy.has_store && world.leads() && mine && lineage.state == LineageState::Live;
    let record = of(world, members);
    let (nonce, _) = nonces(world);
    (keeps && !same(&record, &lineage.members)).then(|| Lineage { members: record, ..lineage.next(Nonce(nonce)) })
}

/// The object vanished from the store, or an older one came back, while a quorum lives: it is written again.
fn put_back(world: &World) -> Verdict {
    let (Some(view), Some(known), Some(place)) = (world.store_view(), world.lineage(), world.state.place) else {
        return Verdict::Idle;
    };
    let mine = known.lineage == place.lineage && known.claim.nonce == place.claim && known.state == LineageState::Live;
    let Some(members) = world.members().filter(|_| mine) else { return Verdict::Idle };
    // Beside the backups of another cluster nobody could tell later whose folder this is; that is said where backups are due.
    if view.lineage.is_none() && view.foreign_archive(&place).is_some() {
        return Verdict::Idle;
    }
    let (nonce, _) = nonces(world);
    let lineage = Lineage { members: of(world, members), ..known.next(Nonce(nonce)) };
    let replaces = view.lineage.as_ref().map(|(_, version)| version.clone());
    Verdict::Act(Action::WriteLineage { replaces, lineage: Box::new(lineage) })
}

/// etcd's list as a record: with the node of each member, and what is known of its machine.
#[must_use]
pub fn of(world: &World, members: &[Member]) -> Vec<Recorded> {
    let known = world.lineage().map(|lineage| lineage.members.as_slice()).unwrap_or_default();
    let record = |member: &Member| {
        let before = known.iter().find(|recorded| recorded.member == member.id);
        let sponsored = world.sponsored.get(&member.id).map(|(node, _)| *node);
        let node = member.node().or(sponsored).or(before.and_then(|recorded| recorded.node));
        let own = node.is_some() && node == world.node();
        let told = node.and_then(|node| world.peers.get(&node)).and_then(|peer| peer.word.as_ref());
        let machine = if own { Some(world.me.machine.clone()) } else { told.map(|word| word.machine.clone()) };
        let instance = if own { world.me.instance.clone() } else { told.and_then(|word| word.instance.clone()) };
        let mounted = if own { Some(world.me.mounted) } else { told.map(|word| word.mounted) };
        Recorded {
            node,
            member: member.id,
            peer_url: member.peer_url.clone(),
            instance: before.and_then(|recorded| recorded.instance.clone()).or(instance),
            machine: before.and_then(|recorded| recorded.machine.clone()).or(machine),
            started: has_run(world, member, before, told, own),
            learner: member.learner,
            mounted: before.map(|recorded| recorded.mounted).or(mounted).unwrap_or(false),
        }
    };
    let mut record: Vec<Recorded> = members.iter().map(record).collect();
    record.sort_by_key(|recorded| recorded.member);
    record
}

/// Whether a member's etcd has run. The founders of a restore bear their names in etcd's list from its beginning.
fn has_run(world: &World, member: &Member, before: Option<&Recorded>, told: Option<&Word>, own: bool) -> bool {
    let founds = world.lineage().is_some_and(|lineage| {
        let restores = !matches!(lineage.claim.kind, ClaimKind::Birth | ClaimKind::Adopt);
        restores && lineage.claim.founders.iter().any(|founder| lineage.founder_member(founder) == member.id)
    });
    let was_seen = || {
        let ran = told.is_some_and(|word| word.past > Past::NeverRan || word.phase == Phase::Member);
        own || ran || world.etcd.heard.contains_key(&member.id) || before.is_some_and(|recorded| recorded.started)
    };
    member.has_started() && (!founds || was_seen())
}

/// Whether two records name the same members at the same places.
fn same(a: &[Recorded], b: &[Recorded]) -> bool {
    let key = |recorded: &Recorded| {
        let standing = (recorded.started, recorded.learner);
        (recorded.member, recorded.node, recorded.peer_url.clone(), standing)
    };
    let sorted = |record: &[Recorded]| {
        let mut keys: Vec<_> = record.iter().map(key).collect();
        keys.sort();
        keys
    };
    sorted(a) == sorted(b)
}

#[cfg(test)]
mod tests;
