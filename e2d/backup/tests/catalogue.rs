//! What a store's catalogue shows when something in it cannot be read, and what looking again costs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use e2d_backup::archive::{Archive, Check, Compression, Extent, FORMAT, Found, Manifest, Outcome, Part};
use e2d_backup::catalogue::{self, Contents, Presence, Reader};
use e2d_backup::choice::{Trust, Wanted, Why, choose};
use e2d_backup::store::{
    BoxFuture, Condition, Download, Fault, Key, MemoryStore, Object, Page, Prefix, Span, Store, StoreError, Version,
};
use e2d_core::id::{ArchiveId, ClusterId, Digest, Epoch, LineageId, MemberId, NodeId, Nonce, Revision};
use jiff::Timestamp;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncRead;

const LINEAGE: LineageId = LineageId(0xabc);
const WANTED: Wanted = Wanted { lineage: LINEAGE, epoch: Epoch(1), bounds: vec![], trust: Trust::Verified };

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

/// A store that remembers which objects were read.
#[derive(Debug)]
struct Counting(MemoryStore, Arc<Mutex<Vec<Key>>>);

impl Store for Counting {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn get<'a>(&'a self, key: &'a Key, limit_bytes: usize) -> BoxFuture<'a, Result<Option<Object>, StoreError>> {
        self.1.lock().unwrap().push(key.clone());
        self.0.get(key, limit_bytes)
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        bytes: &'a [u8],
        condition: Condition,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        self.0.put(key, bytes, condition)
    }

    fn list<'a>(
        &'a self,
        prefix: &'a Prefix,
        after: Option<&'a Key>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.0.list(prefix, after, limit)
    }

    fn put_stream<'a>(
        &'a self,
        key: &'a Key,
        source: &'a mut (dyn AsyncRead + Send + Unpin),
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.0.put_stream(key, source)
    }

    fn get_stream<'a>(&'a self, key: &'a Key, span: Span) -> BoxFuture<'a, Result<Option<Download>, StoreError>> {
        self.1.lock().unwrap().push(key.clone());
        self.0.get_stream(key, span)
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        self.0.delete(key)
    }
}

/// Somebody who looks again and again.
struct Looker {
    memory: MemoryStore,
    read: Arc<Mutex<Vec<Key>>>,
    reader: Reader,
}

impl Looker {
    fn new(keep: usize) -> Self {
        let (memory, read) = (MemoryStore::new(), Arc::default());
        let store = Arc::new(Counting(memory.clone(), Arc::clone(&read)));
        Self { memory, read, reader: Reader::new(store, keep) }
    }

    /// Looks, and tells which objects were read for it.
    async fn look(&mut self) -> (Contents, Vec<Key>) {
        let contents = self.reader.read().await.unwrap();
        // It shows what one who looks for the first time would see.
        if contents.left_out == 0 {
            assert_eq!(contents, self::contents(&self.memory).await);
        }
        let mut read = std::mem::take(&mut *self.read.lock().unwrap());
        read.sort();
        (contents, read)
    }
}

/// The bytes of a manifest never change, and a check is read again when it was replaced.
#[tokio::test]
async fn a_look_reads_what_is_new_and_nothing_twice() {
    let mut looker = Looker::new(100);
    let archives: Vec<Archive> = (1..=20).map(|revision| verified(&looker.memory, revision)).collect();
    let (first, read) = looker.look().await;
    assert_eq!((first.archives.len(), read.len()), (20, 40));
    assert_eq!(looker.look().await, (first, vec![]));

    let new = plant(&looker.memory, 21);
    let (contents, read) = looker.look().await;
    assert_eq!((contents.archives.len(), read), (21, vec![new.name().key(Part::Manifest)]));
    // The same size, so that only the store's word tells.
    let check = archives[3].name().key(Part::Check);
    record(&looker.memory, &archives[3], sound(5));
    let (contents, read) = looker.look().await;
    assert_eq!(read, vec![check.clone()]);
    assert_eq!(contents.find(archives[3].id).unwrap().revision(), Revision(5));
    record(&looker.memory, &archives[3], Outcome::Damaged { reason: "spoilt".to_owned() });
    let (contents, read) = looker.look().await;
    assert_eq!((contents.damaged.len(), read), (1, vec![check.clone()]));
    looker.memory.delete(&check).await.unwrap();
    let (contents, read) = looker.look().await;
    assert_eq!((contents.find(archives[3].id).unwrap().verified.as_ref(), read), (None, vec![]));

    // Nobody should, and whoever does is not believed to be who was there before.
    let manifest = archives[7].name().key(Part::Manifest);
    let before = looker.memory.get(&manifest, 9999).await.unwrap().unwrap().bytes;
    looker.memory.plant(manifest.clone(), vec![b' '; before.len()]);
    let (contents, read) = looker.look().await;
    assert_eq!((contents.damaged.len(), contents.archives.len(), read), (1, 20, vec![manifest.clone()]));
    looker.memory.delete(&manifest).await.unwrap();
    let (contents, read) = looker.look().await;
    assert_eq!((contents.incomplete, read), (vec![archives[7].name()], vec![]));
    looker.memory.plant(manifest.clone(), before);
    let (contents, read) = looker.look().await;
    assert_eq!((contents.archives.len(), contents.damaged.len(), read), (21, 0, vec![manifest]));
}

fn check_of(archive: &Archive) -> Key {
    archive.name().key(Part::Check)
}

/// What was not read is not known: neither that nothing is there, nor that it is as it was.
#[tokio::test]
async fn what_could_not_be_read_is_read_by_the_next_look() {
    let mut looker = Looker::new(100);
    let archives: Vec<Archive> = (1..=3).map(|revision| verified(&looker.memory, revision)).collect();
    looker.memory.fail_on(check_of(&archives[1]).as_str(), Fault::Denied, 2);
    assert!(looker.look().await.0.find(archives[1].id).unwrap().unread.is_some());
    let (contents, read) = looker.look().await;
    assert!(contents.find(archives[1].id).unwrap().verified.is_some());
    assert_eq!(read, [check_of(&archives[1])]);

    let new = verified(&looker.memory, 4);
    looker.memory.fail_on(check_of(&new).as_str(), Fault::Down, 1);
    let error = looker.reader.read().await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
    let (contents, _) = looker.look().await;
    assert!(contents.find(new.id).unwrap().verified.is_some());
    assert_eq!(looker.look().await.1, []);
}

/// S2 S22: more archives than anybody looks at are no reason to see none; the newest are seen, and the rest is said.
#[tokio::test]
async fn of_too_many_archives_the_newest_are_seen() {
    let mut looker = Looker::new(3);
    for revision in 1..=5 {
        verified(&looker.memory, revision);
    }
    let (contents, read) = looker.look().await;
    let revisions = |contents: &Contents| -> Vec<i64> {
        contents.archives.iter().map(|listed| listed.archive.manifest.revision.0).collect()
    };
    assert_eq!((revisions(&contents), contents.left_out, read.len()), (vec![3, 4, 5], 2, 6));
    assert!(contents.has_others());
    let newest = verified(&looker.memory, 6);
    let (contents, read) = looker.look().await;
    assert_eq!((revisions(&contents), contents.left_out), (vec![4, 5, 6], 3));
    assert_eq!(read, [check_of(&newest), newest.name().key(Part::Manifest)]);
    assert_eq!(choose(&contents, &WANTED).chosen.unwrap().archive.id, newest.id);
}

/// The newest archive of one epoch, read back or not; what cannot be restored is passed over, and what lies in other
/// epochs is not asked.
#[tokio::test]
async fn the_newest_of_an_epoch_is_found_by_reading_little() {
    let (memory, read) = (MemoryStore::new(), Arc::default());
    let store = Counting(memory.clone(), Arc::clone(&read));
    let newest = async |epoch| {
        let found = catalogue::newest(&store, LINEAGE, Epoch(epoch)).await.unwrap();
        found.map(|listed| (listed.archive.manifest.revision.0, listed.verified.is_some()))
    };
    assert_eq!(newest(1).await, None);
    for revision in 1..=9 {
        verified(&memory, revision);
    }
    assert_eq!((newest(1).await, newest(2).await), (Some((9, true)), None));
    assert_eq!(read.lock().unwrap().len(), 2, "one manifest and one record");
    plant(&memory, 10);
    assert_eq!(newest(1).await, Some((10, false)));
    // Damaged, and without its manifest.
    let (damaged, half) = (plant(&memory, 11), plant(&memory, 12));
    record(&memory, &damaged, Outcome::Damaged { reason: "spoilt".to_owned() });
    memory.delete(&half.name().key(Part::Manifest)).await.unwrap();
    assert_eq!(newest(1).await, Some((10, false)));
    // And none of it is another cluster's.
    assert_eq!(catalogue::newest(&store, LineageId(0xb0b), Epoch(1)).await.unwrap(), None);
}
