//! Archives in a store: written, brought back, checked, listed; and everything that can go wrong.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use camino::{Utf8Path, Utf8PathBuf};
use e2d_backup::archive::{
    self, Archive, ArchiveName, CheckError, Compression, EncodeError, FetchError, Manifest, Outcome, Part,
    SnapshotForm, Statement, WriteError,
};
use e2d_backup::catalogue::{self, Contents, Presence};
use e2d_backup::choice::{Trust, Wanted, choose};
use e2d_backup::store::{
    Base, BoxFuture, Condition, Disposition, Download, Fault, FolderStore, Key, MemoryStore, Object, Page, Prefix,
    Span, Store, StoreError, Version,
};
use e2d_core::id::{ArchiveId, ClusterId, Digest, Epoch, LineageId, MemberId, NodeId, Nonce, Revision};
use jiff::Timestamp;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};

const FORM: SnapshotForm = SnapshotForm::WithDigest;
const LINEAGE: LineageId = LineageId(0xabc);

fn data(path: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn snapshot() -> Vec<u8> {
    data("etcd-3.6/snap.db")
}

fn now() -> Timestamp {
    "2026-11-22T09:28:37Z".parse().unwrap()
}

fn statement(epoch: u64, revision: i64, nonce: u128) -> Statement {
    Statement {
        lineage: LINEAGE,
        epoch: Epoch(epoch),
        nonce: Nonce(nonce),
        cluster_id: ClusterId(0xc),
        member_id: MemberId(0xd),
        node_id: NodeId(0xe),
        etcd_version: "3.6.16".to_owned(),
        revision: Revision(revision),
        raft_term: 2,
        raft_index: 22,
        created_at: now(),
    }
}

async fn try_write(store: &MemoryStore, bytes: &[u8], nonce: u128) -> Result<Archive, WriteError> {
    archive::write(store, &statement(1, 14, nonce), FORM, Compression::default(), &mut { bytes }).await
}

async fn write(store: &MemoryStore) -> Archive {
    try_write(store, &snapshot(), 1).await.unwrap()
}

async fn check(store: &MemoryStore, archive: &Archive) -> Result<Outcome, CheckError> {
    let folder = Folder::new();
    let result = archive::check(store, archive, &folder.path, NodeId(0xe), Nonce(9), now()).await;
    assert_eq!(folder.names(), Vec::<String>::new(), "a check left something on the disk");
    result.map(|check| check.outcome)
}

async fn keys(store: &dyn Store) -> Vec<String> {
    let page = store.list(&Prefix::default(), None, 1000).await.unwrap();
    page.entries.into_iter().map(|entry| entry.key.to_string()).collect()
}

async fn object(store: &MemoryStore, key: &Key) -> Vec<u8> {
    store.get(key, 1 << 20).await.unwrap().unwrap().bytes
}

async fn contents(store: &MemoryStore) -> Contents {
    let store: Arc<dyn Store> = Arc::new(store.clone());
    catalogue::read(&store).await.unwrap()
}

struct Folder {
    _temp: tempfile::TempDir,
    path: Utf8PathBuf,
}

impl Folder {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(temp.path()).unwrap().to_owned();
        Self { _temp: temp, path }
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.path).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

#[tokio::test]
async fn an_archive_comes_back_as_the_snapshot_it_was() {
    let (store, folder) = (MemoryStore::new(), Folder::new());
    let written = write(&store).await;
    for (form, name, expected) in
        [(FORM, "with.db", snapshot()), (SnapshotForm::Bare, "bare.db", snapshot()[..snapshot().len() - 32].to_vec())]
    {
        let path = folder.path.join(name);
        archive::fetch(&store, &written, form, &path).await.unwrap();
        assert!(std::fs::read(&path).unwrap() == expected, "{form:?}");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }
    let error = archive::fetch(&store, &written, FORM, &folder.path.join("with.db")).await.unwrap_err();
    assert!(matches!(error, FetchError::File { .. }), "overwritten: {error:?}");
    assert_eq!(folder.names().len(), 2);
}

/// S16: every object of a writer lies below its own epoch.
#[tokio::test]
async fn a_writer_of_an_epoch_writes_nowhere_else() {
    let store = MemoryStore::new();
    let written = archive::write(&store, &statement(7, 14, 1), FORM, Compression::default(), &mut &*snapshot()).await;
    check(&store, &written.unwrap()).await.unwrap();
    let stem = "archives/00000000000000000007/00000000000000000014-00000000000000000000000000000001";
    assert_eq!(keys(&store).await, [".check", ".db.zst", ".manifest"].map(|ending| format!("{stem}{ending}")));
}

#[tokio::test]
async fn the_manifest_says_what_was_stored() {
    let store = MemoryStore::new();
    let written = write(&store).await;
    let bytes = object(&store, &written.name().key(Part::Manifest)).await;
    assert_eq!(Manifest::decode(&bytes).unwrap(), written);
    assert_eq!(written.id, ArchiveId(Digest::of(&bytes)));
    let stored = object(&store, &written.name().key(Part::Data)).await;
    assert_eq!(written.manifest.stored.size_bytes, stored.len() as u64);
    assert_eq!(written.manifest.stored.sha256, Digest::of(&stored));
    let snapshot = snapshot();
    let (plain, digest) = snapshot.split_at(snapshot.len() - 32);
    assert_eq!(written.manifest.plain.size_bytes, plain.len() as u64);
    assert_eq!(written.manifest.plain.sha256.0, digest);
    // `zstd -d` opens an archive without e2d.
    assert!(zstd::decode_all(stored.as_slice()).unwrap() == plain);
}

/// S15: what was read back is recorded, with the exact revision.
#[tokio::test]
async fn a_check_finds_what_the_database_holds() {
    let store = MemoryStore::new();
    let written = archive::write(&store, &statement(1, 10, 1), FORM, Compression::default(), &mut &*snapshot()).await;
    let written = written.unwrap();
    assert_eq!(contents(&store).await.archives[0].verified, None);
    let Outcome::Sound(found) = check(&store, &written).await.unwrap() else { panic!("not sound") };
    assert_eq!((found.revision, found.compact_revision, found.keys), (Revision(14), Revision(8), 135));
    assert_eq!(found.raft_term, Some(2));
    let listed = contents(&store).await;
    assert_eq!(listed.archives[0].verified.as_ref().unwrap().outcome, Outcome::Sound(found));
    assert_eq!(listed.archives[0].revision(), Revision(14));
    // A second check replaces the record.
    check(&store, &written).await.unwrap();
}

#[tokio::test]
async fn a_database_below_its_claimed_revision_is_damaged() {
    let store = MemoryStore::new();
    let written = archive::write(&store, &statement(1, 15, 1), FORM, Compression::default(), &mut &*snapshot()).await;
    let Outcome::Damaged { reason } = check(&store, &written.unwrap()).await.unwrap() else { panic!("sound") };
    assert_eq!(reason, "the database is at revision 14, the manifest claims 15");
    assert_eq!(contents(&store).await.damaged[0].reason, reason);
    assert!(contents(&store).await.archives.is_empty());
}

/// The digests fit, but a page of the database is not what it was: only the walk finds that.
#[tokio::test]
async fn a_database_that_was_damaged_before_it_was_archived_is_found() {
    let store = MemoryStore::new();
    let mut bytes = snapshot();
    bytes.truncate(bytes.len() - 32);
    let pages = bytes.len() / 4096;
    for page in 2..pages {
        bytes[page * 4096] ^= 0x80;
    }
    bytes.extend(Digest::of(&bytes).0);
    let written = try_write(&store, &bytes, 1).await.unwrap();
    let Outcome::Damaged { reason } = check(&store, &written).await.unwrap() else { panic!("sound") };
    assert!(reason.starts_with("the database cannot be read: page "), "{reason}");
}

/// A snapshot, and the error it must give.
type Case<'a> = (&'a [u8], fn(&EncodeError) -> bool);

/// S22: a snapshot that is not one is refused, and nothing is left in the store.
#[tokio::test]
async fn a_bad_snapshot_leaves_nothing() {
    let store = MemoryStore::new();
    let good = snapshot();
    let mut flipped = good.clone();
    flipped[50_000] ^= 1;
    let bare = &good[..good.len() - 32];
    let zeros = vec![0; 100_000];
    let cases: [Case<'_>; 6] = [
        (&flipped, |error| matches!(error, EncodeError::Digest { .. })),
        (&good[..good.len() - 1], |error| matches!(error, EncodeError::Size { .. })),
        (&good[..50_000], |error| matches!(error, EncodeError::Size { .. })),
        (bare, |error| matches!(error, EncodeError::Size { .. })),
        (b"", |error| matches!(error, EncodeError::NotADatabase)),
        (&zeros, |error| matches!(error, EncodeError::NotADatabase)),
    ];
    for (bytes, expected) in cases {
        match try_write(&store, bytes, 1).await {
            Err(WriteError::Snapshot(error)) => assert!(expected(&error), "{} bytes: {error:?}", bytes.len()),
            other => panic!("{} bytes: {other:?}", bytes.len()),
        }
        assert_eq!(keys(&store).await, Vec::<String>::new());
    }
}

/// A source that ends in an error.
struct Broken<'a>(&'a [u8]);

impl AsyncRead for Broken<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Ready(Err(io::Error::other("etcd went away")));
        }
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

/// A stream that breaks is not a stream that ends, even where it is complete.
#[tokio::test]
async fn a_snapshot_that_breaks_leaves_nothing() {
    let store = MemoryStore::new();
    let good = snapshot();
    for length in [0, 100, 50_000, good.len()] {
        let mut source = Broken(&good[..length]);
        let result = archive::write(&store, &statement(1, 1, 1), FORM, Compression::default(), &mut source).await;
        let Err(WriteError::Snapshot(EncodeError::Source(error))) = &result else { panic!("{length}: {result:?}") };
        assert_eq!(error.to_string(), "etcd went away");
        assert_eq!(keys(&store).await, Vec::<String>::new());
    }
}

/// S15: until the manifest is there, there is no archive.
#[tokio::test]
async fn without_its_manifest_an_archive_does_not_exist() {
    let store = MemoryStore::new();
    for (fault, disposition) in [(Fault::Down, Disposition::Retry), (Fault::Denied, Disposition::Wait)] {
        store.fail_on(".manifest", fault, usize::MAX);
        let error = try_write(&store, &snapshot(), disposition as u128).await.unwrap_err();
        assert!(matches!(&error, WriteError::Manifest(_)) && error.disposition() == disposition, "{error:?}");
    }
    store.heal();
    let listed = contents(&store).await;
    assert_eq!((listed.archives.len(), listed.incomplete.len()), (0, 2));
    // And yet somebody wrote here: it is no place for a birth.
    assert_eq!(listed.presence(), Presence::Archives);
}

#[tokio::test]
async fn a_store_that_fails_while_the_data_is_written_is_named_as_the_reason() {
    for fault in [Fault::Down, Fault::Denied, Fault::Full, Fault::LostReply { written: true }] {
        let store = MemoryStore::new();
        store.fail_on(".zst", fault, usize::MAX);
        let error = try_write(&store, &snapshot(), 1).await.unwrap_err();
        let WriteError::Data(error) = &error else { panic!("{fault:?}: {error:?}") };
        assert_eq!(matches!(error, StoreError::Ambiguous { .. }), fault == Fault::LostReply { written: true });
        store.heal();
        // No manifest without its data, whatever happens.
        let left = contents(&store).await;
        assert_eq!((left.archives.len(), left.damaged.len()), (0, 0));
    }
}

/// A source that gives what it has and then nothing, for ever.
struct Stalled<'a>(&'a [u8]);

impl AsyncRead for Stalled<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.0.is_empty() { Poll::Pending } else { Pin::new(&mut self.0).poll_read(cx, buf) }
    }
}

/// While etcd stalls, a transaction stays open in it: a store that has failed must not prolong that.
#[tokio::test]
async fn a_store_that_fails_does_not_wait_for_a_snapshot_that_stalls() {
    let store = FolderStore::new("/nonexistent/share", Base::MustExist);
    for length in [0, 100_000] {
        let bytes = snapshot();
        let (mut source, statement) = (Stalled(&bytes[..length]), statement(1, 14, 1));
        let write = archive::write(&store, &statement, FORM, Compression::default(), &mut source);
        let result = tokio::time::timeout(std::time::Duration::from_secs(30), write).await.unwrap();
        assert!(matches!(result, Err(WriteError::Data(StoreError::Unreachable { .. }))), "{result:?}");
    }
}

/// The same for a thread that has seen enough.
#[tokio::test]
async fn a_snapshot_that_is_none_is_not_waited_for() {
    let (store, zeros) = (MemoryStore::new(), vec![0; 1 << 20]);
    let (mut source, statement) = (Stalled(&zeros), statement(1, 14, 1));
    let write = archive::write(&store, &statement, FORM, Compression::default(), &mut source);
    let result = tokio::time::timeout(std::time::Duration::from_secs(30), write).await.unwrap();
    assert!(matches!(result, Err(WriteError::Snapshot(EncodeError::NotADatabase))), "{result:?}");
}

#[tokio::test]
async fn a_manifest_whose_reply_was_lost_is_looked_at() {
    for (written, times) in [(true, 1), (false, 1), (false, 3)] {
        let store = MemoryStore::new();
        store.fail_on(".manifest", Fault::LostReply { written }, times);
        write(&store).await;
        assert_eq!(contents(&store).await.archives.len(), 1, "written {written}, {times} times");
    }
    let store = MemoryStore::new();
    store.fail_on(".manifest", Fault::LostReply { written: false }, usize::MAX);
    let error = try_write(&store, &snapshot(), 1).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::LookAgain, "{error:?}");
}

/// A nonce that is used twice is a mistake; it must not cost the first archive.
#[tokio::test]
async fn a_second_archive_of_the_same_name_changes_nothing() {
    let store = MemoryStore::new();
    let written = write(&store).await;
    let error = try_write(&store, &snapshot(), 1).await.unwrap_err();
    assert!(matches!(&error, WriteError::Data(StoreError::Conflict { .. })), "{error:?}");
    assert_eq!(contents(&store).await.archives[0].archive, written);
}

#[tokio::test]
async fn a_download_that_breaks_goes_on_where_it_broke() {
    let (store, folder) = (MemoryStore::new(), Folder::new());
    let written = write(&store).await;
    store.fail(Fault::CutDownload { after_bytes: 100 }, usize::MAX);
    let path = folder.path.join("snap.db");
    archive::fetch(&store, &written, FORM, &path).await.unwrap();
    assert!(std::fs::read(&path).unwrap() == snapshot());

    store.fail(Fault::CutDownload { after_bytes: 0 }, usize::MAX);
    let error = archive::fetch(&store, &written, FORM, &folder.path.join("other.db")).await.unwrap_err();
    assert!(matches!(error, FetchError::Broken { read_bytes: 0, .. }), "{error:?}");
    assert!(!error.is_damage() && error.disposition() == Disposition::Retry);
    assert_eq!(folder.names(), ["snap.db"]);
}

/// S15, S2: that nobody can look is never evidence about an archive.
#[tokio::test]
async fn a_check_that_cannot_look_records_nothing() {
    let store = MemoryStore::new();
    let written = write(&store).await;
    for fault in [Fault::Down, Fault::Denied, Fault::CutDownload { after_bytes: 0 }] {
        store.fail_on(".zst", fault, usize::MAX);
        let error = check(&store, &written).await.unwrap_err();
        assert!(matches!(error, CheckError::Fetch(_)), "{fault:?}: {error:?}");
    }
    store.fail_on(".check", Fault::Down, usize::MAX);
    assert!(matches!(check(&store, &written).await, Err(CheckError::Record { .. })));
    store.heal();
    let check = written.name().key(Part::Check);
    assert_eq!(store.get(&check, 1 << 20).await.unwrap(), None);
    let missing = Utf8Path::new("/nonexistent/folder");
    let error = archive::check(&store, &written, missing, NodeId(1), Nonce(1), now()).await.unwrap_err();
    assert!(matches!(error, CheckError::Fetch(FetchError::File { .. })), "{error:?}");
}

#[tokio::test]
async fn a_record_whose_reply_was_lost_is_written_once() {
    for written in [true, false] {
        let store = MemoryStore::new();
        let archive = write(&store).await;
        store.fail_on(".check", Fault::LostReply { written }, 1);
        check(&store, &archive).await.unwrap();
        assert!(contents(&store).await.archives[0].verified.is_some());
    }
}

/// S22: a hostile manifest does not fill the disk.
#[tokio::test]
async fn a_database_that_cannot_fit_is_not_begun() {
    let (store, folder) = (MemoryStore::new(), Folder::new());
    let mut written = write(&store).await;
    written.manifest.plain.size_bytes = 1 << 60;
    let error = archive::fetch(&store, &written, FORM, &folder.path.join("snap.db")).await.unwrap_err();
    assert!(matches!(error, FetchError::NoSpace { needed_bytes, .. } if needed_bytes > 1 << 60), "{error:?}");
    assert!(folder.names().is_empty() && error.disposition() == Disposition::Wait);
}

#[tokio::test]
async fn damaged_data_is_refused_recorded_and_leaves_no_file() {
    let (store, folder) = (MemoryStore::new(), Folder::new());
    let written = write(&store).await;
    let key = written.name().key(Part::Data);
    let good = object(&store, &key).await;
    let mut flipped = good.clone();
    flipped[1000] ^= 4;
    for (bytes, what) in [(flipped, "stored bytes have the digest"), (good[..1000].to_vec(), "1000 bytes are stored")] {
        store.plant(key.clone(), bytes);
        let error = archive::fetch(&store, &written, FORM, &folder.path.join("snap.db")).await.unwrap_err();
        assert!(error.is_damage() && error.disposition() == Disposition::Fatal, "{error:?}");
        assert!(folder.names().is_empty());
        let Outcome::Damaged { reason } = check(&store, &written).await.unwrap() else { panic!("sound") };
        assert!(reason.contains(what), "{reason}");
    }
    store.delete(&key).await.unwrap();
    let error = archive::fetch(&store, &written, FORM, &folder.path.join("snap.db")).await.unwrap_err();
    assert!(matches!(error, FetchError::NoData { .. }) && error.is_damage());
}

/// S2: empty, old, damaged, unreadable and unreachable are five different answers.
#[tokio::test]
async fn the_catalogue_tells_everything_apart() {
    let store = MemoryStore::new();
    assert_eq!(contents(&store).await, Contents::default());
    assert_eq!(catalogue::presence(&store).await.unwrap(), Presence::Nothing);
    let key = |text: &str| Key::new(text).unwrap();
    store.plant(key("lineage"), "{}");
    assert_eq!(contents(&store).await.presence(), Presence::Nothing);

    store.plant(key("etcd.snapshot.1795339717"), "old");
    store.plant(key("etcd.snapshot.LATEST"), "{}");
    assert_eq!(contents(&store).await.old.len(), 2);
    assert_eq!(contents(&store).await.presence(), Presence::OldBackups);
    assert_eq!(catalogue::presence(&store).await.unwrap(), Presence::OldBackups);

    let good = write(&store).await;
    check(&store, &good).await.unwrap();
    let unverified = try_write(&store, &snapshot(), 2).await.unwrap();
    let manifest = object(&store, &good.name().key(Part::Manifest)).await;
    let text = String::from_utf8(manifest.clone()).unwrap();
    let name = |nonce| ArchiveName { epoch: Epoch(1), revision: Revision(14), nonce: Nonce(nonce) };
    let plant = |nonce, bytes: &[u8], data: bool| {
        store.plant(name(nonce).key(Part::Manifest), bytes.to_vec());
        if data {
            store.plant(name(nonce).key(Part::Data), vec![0; 9]);
        }
    };
    plant(0x10, b"half a mani", true);
    plant(0x11, &manifest, true);
    plant(
        0x12,
        text.replace("\"nonce\": \"00000000000000000000000000000001", "\"nonce\": \"00000000000000000000000000000012")
            .as_bytes(),
        true,
    );
    plant(0x13, text.replace("00000000000000000000000000000001", "00000000000000000000000000000013").as_bytes(), false);
    plant(0x14, &vec![b' '; 70_000], true);
    plant(0x15, text.replace("\"format\": 1", "\"format\": 2").as_bytes(), true);
    let encrypted = text.replace(
        "\"encryption\": null",
        &format!(
            "\"encryption\": {{\"scheme\": \"aes-256-gcm-stream\", \"frame_bytes\": 65536, \"data_key_id\": \"{}\"}}",
            Digest([1; 32])
        ),
    );
    plant(
        0x16,
        encrypted.replace("00000000000000000000000000000001", "00000000000000000000000000000016").as_bytes(),
        true,
    );
    store.plant(name(0x17).key(Part::Data), "half");
    store.plant(key("archives/notes.txt"), "what is this?");

    let all = contents(&store).await;
    let listed: Vec<_> = all.archives.iter().map(|listed| (listed.archive.id, listed.verified.is_some())).collect();
    assert_eq!(listed, [(good.id, true), (unverified.id, false)]);
    let damaged: Vec<_> = all.damaged.iter().map(|bad| (bad.name.nonce.0, bad.reason.as_str())).collect();
    let reason = |nonce| damaged.iter().find(|(other, _)| *other == nonce).map(|(_, reason)| *reason).unwrap();
    assert_eq!(damaged.len(), 5, "{damaged:?}");
    assert!(reason(0x10).starts_with("the manifest cannot be read"), "{damaged:?}");
    assert!(reason(0x11).starts_with("the manifest belongs to archives/"), "{damaged:?}");
    assert!(reason(0x12).starts_with("the data has 9 bytes"), "{damaged:?}");
    assert_eq!(reason(0x13), "there is no data");
    assert!(reason(0x14).starts_with("the manifest has 70000 bytes"), "{damaged:?}");
    let unreadable: Vec<_> = all.unreadable.iter().map(|other| other.reason.as_str()).collect();
    assert_eq!(unreadable.len(), 2);
    assert!(unreadable[0].contains("format 2") && unreadable[1].contains("aes-256-gcm-stream"), "{unreadable:?}");
    assert_eq!((all.incomplete.as_slice(), all.foreign.len()), ([name(0x17)].as_slice(), 1));
    assert_eq!((all.presence(), all.find(good.id).is_some()), (Presence::Archives, true));

    let wanted = Wanted { lineage: LINEAGE, epoch: Epoch(1), bounds: vec![], trust: Trust::Verified };
    let choice = choose(&all, &wanted);
    assert_eq!(choice.chosen.unwrap().archive.id, good.id);
    assert_eq!(choice.passed_over.len(), 9);
}

/// S2: what cannot be read is never left out.
#[tokio::test]
async fn a_catalogue_that_cannot_be_read_whole_is_an_error() {
    let memory = MemoryStore::new();
    let archive = write(&memory).await;
    check(&memory, &archive).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(memory.clone());
    for (ending, faults) in [
        ("", [Fault::Down, Fault::Denied].as_slice()),
        ("archives/", &[Fault::Down, Fault::Denied]),
        (".manifest", &[Fault::Down]),
        (".check", &[Fault::Down]),
        ("etcd.snapshot", &[Fault::Down, Fault::Denied]),
    ] {
        for fault in faults {
            memory.fail_on(ending, *fault, 1);
            let error = catalogue::read(&store).await.unwrap_err();
            assert_ne!(error.disposition(), Disposition::Fatal, "{ending}: {error:?}");
        }
    }
    let forbidding: Arc<dyn Store> = Arc::new(OddStore(memory, Odd::Forbidding));
    let error = catalogue::read(&forbidding).await.unwrap_err();
    assert!(matches!(error, StoreError::Denied { .. }), "an access that ended is no matter of single objects: {error}");
    for ending in ["archives/", "segments/", "etcd.snapshot"] {
        let empty = MemoryStore::new();
        empty.fail_on(ending, Fault::Down, usize::MAX);
        catalogue::presence(&empty).await.unwrap_err();
    }
}

/// What is odd about a store's lists.
#[derive(Clone, Copy, Debug)]
enum Odd {
    /// They lack the data, because it was written after they had passed its key.
    Overtaken,
    /// They say that there is more, and begin again.
    Endless,
    /// They are all that can still be had.
    Forbidding,
}

#[derive(Debug)]
struct OddStore(MemoryStore, Odd);

impl Store for OddStore {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn get<'a>(&'a self, key: &'a Key, limit_bytes: usize) -> BoxFuture<'a, Result<Option<Object>, StoreError>> {
        if let Odd::Forbidding = self.1 {
            let object = key.to_string();
            return Box::pin(async { Err(StoreError::Denied { object, source: "the key has expired".into() }) });
        }
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
        Box::pin(async move {
            match self.1 {
                Odd::Overtaken => {
                    let mut page = self.0.list(prefix, after, limit).await?;
                    page.entries.retain(|entry| !entry.key.as_str().contains(".db.zst"));
                    Ok(page)
                }
                Odd::Forbidding => self.0.list(prefix, after, limit).await,
                Odd::Endless => Ok(Page { more: true, ..self.0.list(prefix, None, limit).await? }),
            }
        })
    }

    fn put_stream<'a>(
        &'a self,
        key: &'a Key,
        source: &'a mut (dyn AsyncRead + Send + Unpin),
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.0.put_stream(key, source)
    }

    fn get_stream<'a>(&'a self, key: &'a Key, span: Span) -> BoxFuture<'a, Result<Option<Download>, StoreError>> {
        self.0.get_stream(key, span)
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        self.0.delete(key)
    }
}

/// A list is no snapshot of a store: data that was written while it ran is not missing.
#[tokio::test]
async fn an_archive_that_was_written_during_the_list_is_whole() {
    let memory = MemoryStore::new();
    let written = write(&memory).await;
    let store: Arc<dyn Store> = Arc::new(OddStore(memory, Odd::Overtaken));
    let listed = catalogue::read(&store).await.unwrap();
    assert!(listed.find(written.id).is_some(), "{:?}", listed.damaged);
}

/// S22: a store that answers nonsense costs neither time nor memory.
#[tokio::test]
async fn a_list_that_never_ends_is_malformed() {
    let (empty, full) = (MemoryStore::new(), MemoryStore::new());
    write(&full).await;
    for memory in [empty, full] {
        let store: Arc<dyn Store> = Arc::new(OddStore(memory, Odd::Endless));
        let error = catalogue::read(&store).await.unwrap_err();
        assert!(matches!(error, StoreError::Malformed { .. }), "{error:?}");
    }
}

/// The whole way through a folder, with the real file system in every step.
#[tokio::test]
async fn a_folder_does_as_well_as_memory() {
    let (folder, out) = (Folder::new(), Folder::new());
    let store: Arc<dyn Store> = Arc::new(FolderStore::new(folder.path.clone(), Base::MustExist));
    let compression = Compression { level: 3, window_log: Some(22), ..Compression::default() };
    let written = archive::write(&*store, &statement(1, 14, 1), FORM, compression, &mut &*snapshot()).await.unwrap();
    let check = archive::check(&*store, &written, &out.path, NodeId(0xe), Nonce(9), now()).await.unwrap();
    assert!(matches!(check.outcome, Outcome::Sound(_)));
    let listed = catalogue::read(&store).await.unwrap();
    let wanted = Wanted { lineage: LINEAGE, epoch: Epoch(1), bounds: vec![], trust: Trust::Verified };
    let chosen = choose(&listed, &wanted).chosen.unwrap();
    archive::fetch(&*store, &chosen.archive, FORM, &out.path.join("snap.db")).await.unwrap();
    assert!(std::fs::read(out.path.join("snap.db")).unwrap() == snapshot());
}

/// The record of another archive's check is not this one's, even under its name.
#[tokio::test]
async fn a_check_of_other_bytes_counts_for_nothing() {
    let store = MemoryStore::new();
    let (one, other) = (write(&store).await, try_write(&store, &snapshot(), 2).await.unwrap());
    check(&store, &one).await.unwrap();
    let record = object(&store, &one.name().key(Part::Check)).await;
    store.plant(other.name().key(Part::Check), record);
    let listed = contents(&store).await;
    assert!(listed.find(one.id).unwrap().verified.is_some());
    assert!(listed.find(other.id).unwrap().verified.is_none());
    store.plant(one.name().key(Part::Check), "{\"format\": 2}");
    assert!(contents(&store).await.find(one.id).unwrap().verified.is_none());
}

#[tokio::test]
async fn the_lineage_object_is_swapped_and_never_guessed() {
    use e2d_backup::lineage;
    let store = MemoryStore::new();
    assert_eq!(lineage::read(&store).await.unwrap(), None);
    let first = lineage::write(&store, b"one", Condition::Absent).await.unwrap();
    lineage::write(&store, b"two", Condition::Absent).await.unwrap_err();
    let found = lineage::read(&store).await.unwrap().unwrap();
    assert_eq!((found.bytes.as_slice(), &found.version), (b"one".as_slice(), &first));
    lineage::write(&store, b"two", Condition::Matches(first)).await.unwrap();
    store.plant(Key::new(lineage::KEY).unwrap(), vec![0; lineage::MAX_BYTES + 1]);
    assert!(matches!(lineage::read(&store).await, Err(StoreError::TooLarge { .. })));
    store.fail(Fault::Down, 1);
    assert!(matches!(lineage::read(&store).await, Err(StoreError::Unreachable { .. })));
}
