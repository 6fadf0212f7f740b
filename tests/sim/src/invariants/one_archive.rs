//! S7: all members of a cluster begin with the same data.

use crate::raft::Keys;
use crate::sim::Sim;
use e2d_core::id::ClusterId;
use std::collections::BTreeMap;

/// Founders that ran agree on what their logs begin with.
pub fn check(sim: &mut Sim) {
    let mut bases: BTreeMap<ClusterId, &Keys> = BTreeMap::new();
    let mut broken = None;
    for host in &sim.hosts {
        let Some(disk) = host.volume.data.as_ref().filter(|disk| !disk.base.seats.is_empty() && host.etcd.is_some())
        else {
            continue;
        };
        let first = bases.entry(disk.cluster).or_insert(&disk.base.keys);
        if **first != disk.base.keys {
            broken = Some(disk.cluster);
        }
    }
    if let Some(cluster) = broken {
        sim.breach("S7", &format!("members of cluster {cluster} began with different data"));
    }
}
