//! S16: a node of an older epoch neither writes into the newer one nor speaks in it.
//!
//! Judged when an archive is kept, when etcd starts, and when the lineage object is written. What is
//! not seen: deletions, which belong to retention.

use crate::sim::Sim;
use e2d_core::id::Epoch;
use e2d_core::lineage::Lineage;

/// An archive is kept in an epoch's folder: was it taken from that epoch's cluster?
pub fn archives(sim: &mut Sim, h: usize, epoch: Epoch) {
    let cluster = sim.hosts[h].volume.data.as_ref().map(|disk| disk.cluster);
    if sim.ledger.live.get(&epoch).is_some_and(|live| Some(*live) != cluster) {
        sim.breach("S16", &format!("host{h} keeps an archive of another cluster in epoch {epoch}"));
    }
}

/// etcd starts: would members of another cluster take it for one of theirs?
pub fn starts(sim: &mut Sim, h: usize) {
    let Some(disk) = &sim.hosts[h].volume.data else { return };
    let (wire, cluster) = (disk.wire, disk.cluster);
    let mixes = (0..sim.hosts.len()).filter(|other| *other != h).find(|other| {
        let host = &sim.hosts[*other];
        let theirs = host.volume.data.as_ref().filter(|_| host.etcd.is_some());
        theirs.is_some_and(|theirs| theirs.wire == wire && theirs.cluster != cluster)
    });
    if let Some(other) = mixes {
        sim.breach("S16", &format!("host{h} and host{other} are of two epochs, and of one name to each other"));
    }
}

/// The lineage object never goes back to an older epoch.
pub fn written(sim: &mut Sim, lineage: &Lineage) {
    let newest = sim.ledger.live.keys().next_back().copied();
    if newest.is_some_and(|newest| newest > lineage.epoch) {
        sim.breach("S16", &format!("epoch {} was written after epoch {newest:?} was live", lineage.epoch));
    }
}
