//! S7: all members of a cluster begin with the same data: the archive that its claim names.
//!
//! Judged when etcd starts on data that it has not run on: a founder's keyspace is the pinned archive's,
//! and that of every other founder that runs. What is not seen: a restore that no etcd is ever started
//! on; and the revision, which is for S9.

use crate::sim::Sim;

/// etcd starts on a host's disk.
pub fn starts(sim: &mut Sim, h: usize) {
    let Some(disk) = sim.hosts[h].volume.data.as_ref().filter(|disk| !disk.joins && disk.log.is_empty()) else {
        return;
    };
    let cluster = disk.cluster;
    let runs = sim.hosts.iter().filter(|host| host.etcd.is_some()).filter_map(|host| host.volume.data.as_ref());
    let differs = runs.filter(|other| other.cluster == cluster && !other.joins).any(|other| other.base != disk.base);
    let source = sim.ledger.sources.get(&cluster).copied().flatten();
    let archive = source.and_then(|source| sim.store(h).archive(source.archive));
    let wrong = archive.is_some_and(|archive| archive.whole.writes != disk.base.keys.writes);
    if differs || wrong {
        sim.breach("S7", &format!("host{h} begins in cluster {cluster} with other data than the claim's archive"));
    }
}
