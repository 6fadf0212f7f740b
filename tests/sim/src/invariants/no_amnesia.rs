//! S11: no raft identity speaks from two disks, or from a disk that forgot what it said.
//!
//! Judged when etcd starts: the data is the making that first ran under its id; no other machine that
//! can be heard speaks under it; and it is as long as anybody said who answered before the start, or as
//! a majority of those who could have been asked remembers. And whenever two speak under one id for
//! longer than it takes to notice. What is not seen, because nobody could know it: a disk set back where
//! no answering peer remembers more, and a copy that is started while its original is out of reach.

use crate::sim::Sim;
use e2d_core::id::MemberId;
use e2d_core::lineage::{Lineage, LineageState};
use e2d_core::quorum;
use std::collections::BTreeMap;

/// etcd starts on a host's disk.
pub fn starts(sim: &mut Sim, h: usize) {
    let Some(disk) = &sim.hosts[h].volume.data else { return };
    let (member, serial, length) = (disk.member, disk.serial, disk.log.len());
    let twin = (0..sim.hosts.len()).find(|&other| {
        let heard = sim.gossips(h, other) && sim.is_settled(h, other);
        other != h && heard && sim.hosts[other].speaks() == Some(member)
    });
    if let Some(twin) = twin {
        sim.breach("S11", &format!("member {member} runs on host{twin}, and is started on host{h}"));
    }
    match sim.ledger.speakers.get(&member).copied() {
        Some((first, _)) if first != serial && !is_forgotten(sim, h) => {
            sim.breach("S11", &format!("member {member} speaks from another disk on host{h}"));
        }
        Some((_, longest)) if length < longest && is_remembered(sim, h, length) => {
            sim.breach("S11", &format!("member {member} on host{h} has {length} entries and had {longest}"));
        }
        _ => {
            sim.ledger.speakers.insert(member, (serial, length));
        }
    }
}

/// A process decides to start etcd: nobody who has answered had heard more of this disk.
pub fn decides(sim: &mut Sim, h: usize) {
    let (Some(process), Some(disk)) = (&sim.hosts[h].process, &sim.hosts[h].volume.data) else { return };
    let (member, length) = (disk.member, disk.log.len());
    let answers = process.world.interview.iter().flat_map(|interview| interview.answers.values());
    let told = answers.filter_map(|testimony| testimony.heard).map(|heard| heard.index).max();
    if told.is_some_and(|told| told > length as u64) {
        sim.breach("S11", &format!("member {member} on host{h} has {length} entries and was told of {told:?}"));
    }
}

/// Whether the disk was set back to before its etcd ran, and nothing is left that knows better: no other machine, and
/// in the store no object, because somebody deleted it, or one that only says that this disk is to found what it founds.
fn is_forgotten(sim: &Sim, h: usize) -> bool {
    let forms = |lineage: &Lineage| lineage.state == LineageState::Forming;
    sim.hosts[h].volume.set_back && sim.hosts.len() == 1 && sim.store(h).lineage().is_none_or(forms)
}

/// Whether a majority of the others could have answered that this disk had more: nobody can know what
/// no answering peer remembers.
fn is_remembered(sim: &Sim, h: usize, length: usize) -> bool {
    let Some(node) = sim.hosts[h].volume.node() else { return false };
    let remembers = |other: &usize| {
        let more = sim.hosts[*other].volume.recall.heard.get(&node).is_some_and(|heard| heard.index > length as u64);
        let there = sim.hosts[*other].process.is_some() && sim.gossips(h, *other) && sim.is_settled(h, *other);
        *other != h && more && there
    };
    (0..sim.hosts.len()).filter(remembers).count() >= quorum::majority(sim.setup.size)
}

/// Notes how far each running member has come: a log may be cut by a leader, then less is right. And
/// looks for two of one name.
pub fn check(sim: &mut Sim) {
    let mut speakers: BTreeMap<MemberId, usize> = BTreeMap::new();
    let mut twins = None;
    for (h, host) in sim.hosts.iter().enumerate() {
        let (Some(_), Some(disk)) = (&host.etcd, &host.volume.data) else { continue };
        sim.ledger.speakers.insert(disk.member, (disk.serial, disk.applied.index));
        let Some(member) = host.speaks() else { continue };
        if let Some(other) = speakers.insert(member, h) {
            let since = sim.hosts[other].etcd_changed.max(host.etcd_changed);
            let long = sim.queue.now().since(since).as_secs() >= 20;
            let heard = sim.gossips(h, other)
                && sim.is_settled(h, other)
                && sim.queue.now().since(host.changed).as_secs() >= 20;
            twins = twins.or((long && heard).then_some((member, other, h)));
        }
    }
    if let Some((member, a, b)) = twins {
        sim.breach("S11", &format!("member {member} speaks from host{a} and from host{b}"));
    }
}
