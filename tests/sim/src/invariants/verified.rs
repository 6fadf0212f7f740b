//! S15: what is restored was read back before, and is what was taken.
//!
//! Judged when a restore is done, against what was read from etcd for that archive. What is not seen:
//! how the reading back is done; that is the archive codec's own matter.

use crate::sim::Sim;
use e2d_core::id::ArchiveId;

/// An archive was restored.
pub fn restored(sim: &mut Sim, h: usize, id: ArchiveId) {
    let sound = sim.store(h).archive(id).is_some_and(|archive| {
        let intact = !archive.damaged && archive.keys == archive.whole;
        intact && archive.seen.verified
    });
    if !sound {
        sim.breach("S15", &format!("host{h} restored archive {id}, which is damaged or was never verified"));
    }
}
