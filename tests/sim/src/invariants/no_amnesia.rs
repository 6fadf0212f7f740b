//! S11: no raft identity speaks from two disks, or from a disk that forgot what it said.

use crate::sim::Sim;

/// etcd starts on a host's disk: is it the disk that first ran under its id, and has it all?
pub fn started(sim: &mut Sim, h: usize) {
    let Some(disk) = &sim.hosts[h].volume.data else { return };
    let (member, serial, length) = (disk.member, disk.serial, disk.log.len());
    match sim.ledger.speakers.get(&member).copied() {
        Some((first, _)) if first != serial => {
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

/// Whether a majority of the others could have answered that this disk had more: nobody can know what
/// no answering peer remembers.
fn is_remembered(sim: &Sim, h: usize, length: usize) -> bool {
    let Some(node) = crate::acts::node(sim, h) else { return false };
    let remembers = |other: &usize| {
        let more = sim.hosts[*other].volume.recall.heard.get(&node).is_some_and(|heard| heard.index > length as u64);
        *other != h && more && sim.hosts[*other].process.is_some() && sim.steady_links(h, *other)
    };
    (0..sim.hosts.len()).filter(remembers).count() >= e2d_core::quorum::majority(sim.setup.size)
}

/// Notes how far each running member has come. A log may be cut by a leader: then less is right.
pub fn remember(sim: &mut Sim) {
    for host in &sim.hosts {
        if let (Some(_), Some(disk)) = (&host.etcd, &host.volume.data) {
            sim.ledger.speakers.insert(disk.member, (disk.serial, disk.applied.index));
        }
    }
}
