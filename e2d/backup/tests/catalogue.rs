//! What a store's catalogue shows when something in it cannot be read.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use e2d_backup::archive::{Archive, Check, Compression, Extent, FORMAT, Found, Manifest, Outcome, Part};
use e2d_backup::catalogue::{self, Contents, Presence};
use e2d_backup::choice::{Trust, Wanted, Why, choose};
use e2d_backup::store::{Fault, MemoryStore, Store};
use e2d_core::id::{ArchiveId, ClusterId, Digest, Epoch, LineageId, MemberId, NodeId, Nonce, Revision};
use jiff::Timestamp;
use std::sync::Arc;

const LINEAGE: LineageId = LineageId(0xabc);
const WANTED: Wanted = Wanted { lineage: LINEAGE, epoch: Epoch(1), base: None, trust: Trust::Verified };

/// Plants an archive that looks whole to whoever does not read its data.
fn plant(store: &MemoryStore, revision: i64) -> Archive {
    let extent = Extent { size_bytes: 512, sha256: Digest([0; 32]) };
    let manifest = Manifest {
        format: FORMAT,
        lineage: LINEAGE,
        epoch: Epoch(1),
        nonce: Nonce(revision.unsigned_abs().into()),
        cluster_id: ClusterId(0xc),
        member_id: MemberId(0xd),
        node_id: NodeId(0xe),
        etcd_version: "3.6.16".to_owned(),
        revision: Revision(revision),
        raft_term: 2,
        raft_index: 22,
        created_at: Timestamp::UNIX_EPOCH,
        plain: extent,
        stored: extent,
        compression: Compression::default(),
        encryption: None,
        parent: None,
    };
    let bytes = manifest.encode();
    let archive = Archive { id: ArchiveId(Digest::of(&bytes)), manifest };
    store.plant(archive.name().key(Part::Data), vec![0; 512]);
    store.plant(archive.name().key(Part::Manifest), bytes);
    archive
}

/// Plants the record of a read-back.
fn record(store: &MemoryStore, archive: &Archive, outcome: Outcome) {
    let check = Check {
        format: FORMAT,
        archive: archive.id,
        epoch: Epoch(1),
        nonce: Nonce(9),
        checked_at: Timestamp::UNIX_EPOCH,
        by: NodeId(0xe),
        outcome,
    };
    store.plant(archive.name().key(Part::Check), serde_json::to_vec(&check).unwrap());
}

fn sound(revision: i64) -> Outcome {
    Outcome::Sound(Found {
        revision: Revision(revision),
        compact_revision: Revision(0),
        keys: 1,
        raft_index: 22,
        raft_term: None,
        in_use_bytes: 512,
    })
}

fn verified(store: &MemoryStore, revision: i64) -> Archive {
    let archive = plant(store, revision);
    record(store, &archive, sound(revision));
    archive
}

async fn contents(memory: &MemoryStore) -> Contents {
    let store: Arc<dyn Store> = Arc::new(memory.clone());
    catalogue::read(&store).await.unwrap()
}

/// S2 S15: a record that nobody can read hides no other archive, and its own is not passed over in silence.
#[tokio::test]
async fn a_record_that_cannot_be_read_counts_for_nothing_and_hides_nothing() {
    let memory = MemoryStore::new();
    let (older, newer) = (verified(&memory, 10), verified(&memory, 20));
    memory.fail_on(newer.name().key(Part::Check).as_str(), Fault::Denied, usize::MAX);
    let all = contents(&memory).await;
    assert!(all.find(older.id).unwrap().verified.is_some());
    let listed = all.find(newer.id).unwrap();
    assert!(listed.verified.is_none(), "nobody knows what it says");
    let reason = listed.unread.as_ref().unwrap();
    assert!(reason.contains(".check: access denied"), "{reason}");
    let choice = choose(&all, &WANTED);
    assert_eq!(choice.chosen.unwrap().archive.id, older.id);
    assert_eq!(choice.passed_over[0].why, Why::Unread(reason.clone()));
}

/// S2: a backup is there, whoever may read it.
#[tokio::test]
async fn an_archive_whose_manifest_cannot_be_read_is_there_all_the_same() {
    let memory = MemoryStore::new();
    let (older, newer) = (verified(&memory, 10), verified(&memory, 20));
    memory.fail_on(newer.name().key(Part::Manifest).as_str(), Fault::Denied, usize::MAX);
    let all = contents(&memory).await;
    assert!(all.find(newer.id).is_none() && all.find(older.id).unwrap().verified.is_some());
    assert_eq!(all.unreadable[0].name, newer.name());
    assert!(all.has_others() && all.presence() == Presence::Archives);
    assert!(matches!(choose(&all, &WANTED).passed_over[0].why, Why::Unreadable(_)));

    let only = MemoryStore::new();
    let archive = verified(&only, 10);
    only.fail_on(archive.name().key(Part::Manifest).as_str(), Fault::Denied, usize::MAX);
    let all = contents(&only).await;
    assert!(all.archives.is_empty() && all.has_others() && all.presence() == Presence::Archives, "{all:?}");
}
