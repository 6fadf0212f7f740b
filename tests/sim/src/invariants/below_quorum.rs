//! S4: no act of ours takes a member away if the rest could then not commit.
//!
//! A removal, an identity that is given up with its data, and a stop for a newer epoch are judged by
//! what is true, with a few seconds' grace for what nobody can know yet. What is not seen: stops to
//! reopen after a restore, where nobody was served before; an operator's own order to stop.

use crate::ledger;
use crate::sim::Sim;
use e2d_core::action::StopReason;
use e2d_core::id::MemberId;
use e2d_core::lineage::LineageState;
use e2d_core::memory::{Phase, State};
use e2d_core::quorum;

/// A leader is about to remove a member: is the rest enough?
pub fn removes(sim: &mut Sim, h: usize, leader: usize, member: MemberId) {
    let Some(disk) = &sim.hosts[leader].volume.data else { return };
    if !disk.applied.votes(member) {
        return;
    }
    let voters: Vec<MemberId> = disk.applied.voters().into_iter().filter(|id| *id != member).collect();
    let present = voters.iter().filter(|id| **id == disk.member || !is_absent(sim, **id)).count();
    let count = voters.len();
    if !quorum::reached(present, count) {
        sim.breach("S4", &format!("host{h} removes member {member}: {present} of {count} voters are left to commit"));
    }
}

/// Whether a member has been away for long enough to be known to be.
pub(super) fn is_absent(sim: &Sim, member: MemberId) -> bool {
    let presence = sim.ledger.presence.get(&member).copied().unwrap_or_default();
    presence.missed > presence.heard && presence.missed.since(presence.heard).as_secs() >= 5
}

fn was_heard(sim: &Sim, member: MemberId) -> bool {
    let presence = sim.ledger.presence.get(&member);
    presence.is_some_and(|presence| sim.queue.now().since(presence.heard).as_secs() < 5)
}

/// A disk is about to note something: if it gives its identity up, can the rest commit without it?
pub fn notes(sim: &mut Sim, h: usize, state: &State) {
    let volume = &sim.hosts[h].volume;
    if state.phase != Phase::Abandoned || volume.state.phase == Phase::Abandoned {
        return;
    }
    let (Some(disk), Some(place)) = (&volume.data, volume.state.place) else { return };
    let twin = |(other, host): (usize, &crate::host::Host)| {
        other != h && !host.gone && host.volume.data.as_ref().is_some_and(|twin| twin.member == disk.member)
    };
    // A copy has an original, what went back in time must not speak, and what was restored and has never run is in the
    // store.
    let newest = ledger::newest(sim, disk.cluster);
    let is_old = volume.set_back && newest.is_some_and(|newest| newest.last() > disk.last());
    if is_old || disk.log.is_empty() || sim.hosts.iter().enumerate().any(twin) {
        return;
    }
    let over = sim.ledger.live.keys().next_back().is_some_and(|epoch| *epoch > place.epoch);
    let is_member = newest.is_some_and(|newest| newest.applied.seats.contains_key(&disk.member));
    let whole = ledger::whole(sim, disk.cluster, Some(h));
    // Who was there a moment ago is there, for all that anybody knows.
    let stays = |id: &&MemberId| whole.contains(*id) || (**id != disk.member && was_heard(sim, **id));
    let voters = newest.map(|newest| newest.applied.voters()).unwrap_or_default();
    let (others, voters) = (voters.iter().filter(stays).count(), voters.len());
    // The only member of an epoch that went live knows whether it has served.
    let live = sim.ledger.live.get(&place.epoch) == Some(&disk.cluster);
    let lived = sim.ledger.served.contains(&disk.cluster) || (live && voters > 1);
    if !over && is_member && lived && !quorum::reached(others, voters) {
        let why = format!("host{h} gives its data up: {others} of {voters} disks of its cluster are left");
        sim.breach("S4", &why);
    }
}

/// etcd is about to be stopped.
pub fn stops(sim: &mut Sim, h: usize, why: &StopReason) {
    let Some(place) = sim.hosts[h].volume.state.place.filter(|_| matches!(why, StopReason::Fenced { .. })) else {
        return;
    };
    let newer = |lineage: &e2d_core::lineage::Lineage| {
        lineage.epoch > place.epoch || (lineage.epoch == place.epoch && lineage.claim.nonce != place.claim)
    };
    let claimed = sim.stores.iter().filter_map(|store| store.lineage()).any(newer);
    let vowed = !sim.setup.has_store;
    if !claimed && !vowed {
        let live = sim.store(h).lineage().map(|lineage| lineage.state == LineageState::Live);
        sim.breach("S4", &format!("host{h} stops its etcd for a newer epoch, and there is none (live: {live:?})"));
    }
}
