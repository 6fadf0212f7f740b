//! What a node tells about itself, and how often it looks at the store: both follow from the world.

use crate::lineage::LineageState;
use crate::memory::Phase;
use crate::observe::{DataDir, Gate, World};
use crate::word::{EtcdWord, Known, Past, Progress, StoreWord, Word};
use std::time::Duration;

/// This node's word.
#[must_use]
pub fn word(world: &World) -> Word {
    let status = world.status();
    Word {
        name: world.name(),
        peer_url: world.me.peer_url.clone(),
        client_url: world.me.client_url.clone(),
        machine: world.me.machine.clone(),
        mounted: world.me.mounted,
        instance: world.me.instance.clone(),
        zone: world.me.zone.clone(),
        former: world.identity.as_ref().map(|identity| identity.former.clone()).unwrap_or_default(),
        phase: world.state.phase,
        place: world.state.place,
        start: world.state.start,
        seal: world.state.seal,
        has_data: !matches!(world.data, Some(DataDir::Empty)),
        vow: world.state.vows.last().cloned(),
        bound: world.state.vows.iter().map(|vow| vow.founders.clone()).collect(),
        known: world.lineage().map(|lineage| Known {
            lineage: lineage.lineage,
            epoch: lineage.epoch,
            seq: lineage.seq,
            state: lineage.state,
        }),
        store: store(world),
        etcd: match world.runs() {
            None => EtcdWord::Stopped,
            Some(Gate::Gated) => EtcdWord::Gated,
            Some(Gate::Open) => EtcdWord::Open,
        },
        progress: status.map(|status| Progress {
            term: status.term,
            index: status.index,
            revision: status.revision,
            leads: world.leads(),
            serves: world.serves(),
        }),
        hash: world.etcd.hash,
        restored_bytes: world.restored_bytes,
        failed: failed(world),
        invitation: super::learner::invitation(world),
        past: match (world.state.opened, world.state.ran) {
            (true, _) => Past::Opened,
            (false, true) => Past::Ran,
            (false, false) => Past::NeverRan,
        },
    }
}

fn store(world: &World) -> StoreWord {
    if !world.policy.has_store {
        return StoreWord::None;
    }
    if let Some(missed) = super::shared::missed(world) {
        return StoreWord::Differs(missed);
    }
    match world.last_store_view() {
        None => StoreWord::Unknown,
        Some(view) => match &view.lineage {
            Some((lineage, _)) => StoreWord::Lineage(lineage.lineage),
            None if view.archives.is_empty() && !view.other_backups => StoreWord::Absent,
            None => StoreWord::ArchivesOnly,
        },
    }
}

/// The claim that this node promised to found and cannot: its restore failed, again and again.
fn failed(world: &World) -> Option<crate::id::Nonce> {
    let failure = world.failures.get(&crate::action::Kind::Restore)?;
    let founding = world.state.phase == Phase::Founding && failure.count >= 3;
    world.state.place.filter(|_| founding).map(|place| place.claim)
}

/// How soon to look at the store again: often while an epoch forms or a cluster is to be born, else
/// at the pace of the fence.
#[must_use]
pub fn look_every(world: &World) -> Duration {
    let settled = world.state.phase == Phase::Member
        && world.serves()
        && world.lineage().is_some_and(|lineage| lineage.state == LineageState::Live);
    if settled { Duration::from_secs(30) } else { Duration::from_millis(500) }
}
