//! S8: nothing of ours changes a keyspace but through raft.
//!
//! Two members that have applied the same log hold the same keys, and a cluster that we found empty
//! begins at revision 1. What is not seen: an edit that all members make alike.

use crate::acts::data::hash;
use crate::sim::Sim;
use e2d_core::id::{ClusterId, MemberId};
use std::collections::BTreeMap;

/// Compares the members that run.
pub fn check(sim: &mut Sim) {
    let mut seen: BTreeMap<(ClusterId, usize, u64), (MemberId, u32)> = BTreeMap::new();
    let mut broken = None;
    for host in sim.hosts.iter().filter(|host| host.speaks().is_some()) {
        let Some(disk) = host.volume.data.as_ref() else { continue };
        let Some(last) = disk.applied.index.checked_sub(1).and_then(|last| disk.log.get(last)) else { continue };
        let hash = hash(&disk.applied.keys);
        let (other, first) = *seen.entry((disk.cluster, disk.applied.index, last.term)).or_insert((disk.member, hash));
        if first != hash {
            broken = Some((disk.member, other));
        }
    }
    if let Some((a, b)) = broken {
        sim.breach("S8", &format!("members {a} and {b} have applied the same log and hold different keys"));
    }
}
