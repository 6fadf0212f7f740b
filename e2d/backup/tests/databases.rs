//! Real databases of etcd, read and compared with what etcd itself answered; and the same, damaged.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use e2d_backup::bolt::BoltError;
use e2d_backup::database::{AlarmKind, Database, DatabaseError, Facts, KeyValue};
use e2d_core::id::{MemberId, Revision};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Cursor;

fn data(path: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn expected(folder: &str) -> serde_json::Value {
    serde_json::from_slice(&data(&format!("{folder}/expected.json"))).unwrap()
}

fn open(path: &str) -> Database<Cursor<Vec<u8>>> {
    Database::open(Cursor::new(data(path))).unwrap()
}

/// Base64 as Go prints it; a dependency for one loop would be too much.
fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        bits = bits << 6 | ALPHABET.iter().position(|letter| *letter == byte).unwrap() as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    bytes
}

fn keys(of: &serde_json::Value) -> BTreeMap<Vec<u8>, KeyValue> {
    let text = |kv: &serde_json::Value, field: &str| base64(kv[field].as_str().unwrap_or_default());
    let number = |kv: &serde_json::Value, field: &str| kv[field].as_i64().unwrap_or_default();
    of.as_array()
        .unwrap()
        .iter()
        .map(|kv| {
            let read = KeyValue {
                key: text(kv, "key"),
                value: text(kv, "value"),
                create_revision: number(kv, "create_revision"),
                mod_revision: number(kv, "mod_revision"),
                version: number(kv, "version"),
                lease: number(kv, "lease"),
            };
            (read.key.clone(), read)
        })
        .collect()
}

fn latest(database: &mut Database<Cursor<Vec<u8>>>, at: Option<Revision>) -> BTreeMap<Vec<u8>, KeyValue> {
    let all: Vec<KeyValue> = database.latest(at).unwrap().map(Result::unwrap).collect();
    let by_key: BTreeMap<_, _> = all.iter().map(|kv| (kv.key.clone(), kv.clone())).collect();
    assert_eq!(by_key.len(), all.len(), "a key came twice");
    by_key
}

#[test]
fn every_key_is_as_etcd_answered() {
    for (folder, file) in [
        ("old-plain", "etcd.snapshot.1795339717"),
        ("old-etcdctl", "snap.db"),
        ("etcd-3.4", "snap.db"),
        ("etcd-3.6", "snap.db"),
    ] {
        let (expected, mut database) = (expected(folder), open(&format!("{folder}/{file}")));
        let kvs = keys(&expected["kvs"]);
        let facts = database.facts().unwrap();
        assert_eq!(facts.revision.0, expected["revision"].as_i64().unwrap(), "{folder}");
        assert_eq!(facts.keys, kvs.len() as u64, "{folder}");
        assert!(latest(&mut database, None) == kvs, "{folder}");
        assert!(facts.changes >= facts.keys && facts.in_use_bytes <= facts.size_bytes, "{folder}: {facts:?}");
    }
}

fn facts_of(folder: &str) -> (Facts, serde_json::Value) {
    (open(&format!("{folder}/snap.db")).facts().unwrap(), expected(folder))
}

#[test]
fn everything_else_is_as_etcd_answered() {
    for folder in ["etcd-3.4", "etcd-3.6"] {
        let (facts, expected) = facts_of(folder);
        assert_eq!(facts.compact_revision.0, expected["compact_revision"].as_i64().unwrap());
        assert!(facts.raft_index > 1 && facts.raft_index <= expected["raft_index"].as_u64().unwrap(), "{facts:?}");
        let members = expected["members"].as_array().unwrap();
        assert_eq!(facts.members.len(), members.len());
        for member in members {
            let id = MemberId(member["ID"].as_u64().unwrap());
            let found = facts.members.iter().find(|found| found.id == id).unwrap();
            assert_eq!(found.name, member["name"].as_str().unwrap_or_default());
            assert_eq!(serde_json::json!(found.peer_urls), member["peerURLs"]);
            assert_eq!(found.is_learner, member["isLearner"].as_bool().unwrap_or_default());
        }
        let mut leases = open(&format!("{folder}/snap.db")).leases().unwrap();
        leases.sort_unstable();
        assert_eq!(serde_json::json!(leases), expected["leases"]);
        assert_eq!(facts.leases, leases.len() as u64);
        assert!(!facts.auth_enabled);
    }
}

#[test]
fn what_only_one_version_stores_is_told_from_what_is_missing() {
    let (old, expected) = facts_of("etcd-3.4");
    assert_eq!((old.raft_term, old.storage_version, old.voters), (None, None, vec![]));
    assert_eq!(old.cluster_version.as_deref(), Some("3.4.0"));
    assert_eq!(old.alarms.len(), 1);
    assert_eq!(serde_json::json!(old.alarms[0].member.0), expected["alarms"][0]["memberID"]);
    assert_eq!(old.alarms[0].kind, AlarmKind::NoSpace);

    let (new, expected) = facts_of("etcd-3.6");
    assert_eq!(new.raft_term, expected["raft_term"].as_u64());
    assert_eq!((new.storage_version.as_deref(), new.cluster_version.as_deref()), (Some("3.6.0"), Some("3.6.0")));
    let ids = |learner| new.members.iter().filter(move |m| m.is_learner == learner).map(|m| m.id).collect::<Vec<_>>();
    assert_eq!((&new.voters, &new.learners), (&ids(false), &ids(true)));
    assert_eq!(new.alarms, vec![]);
}

#[test]
fn an_older_revision_is_read_as_it_was() {
    for folder in ["etcd-3.4", "etcd-3.6"] {
        let (expected, mut database) = (expected(folder), open(&format!("{folder}/snap.db")));
        let at = Revision(expected["older_revision"].as_i64().unwrap());
        let older = expected["older_kvs"].as_array().unwrap().iter();
        let older: BTreeMap<_, _> =
            older.map(|kv| (base64(kv[0].as_str().unwrap()), kv[1].as_i64().unwrap())).collect();
        let found: BTreeMap<_, _> =
            latest(&mut database, Some(at)).into_iter().map(|(key, kv)| (key, kv.mod_revision)).collect();
        assert_eq!(found, older, "{folder}");
        assert_ne!(found.len(), 0);
    }
}

#[test]
fn a_revision_that_is_not_held_is_refused() {
    let (facts, _) = facts_of("etcd-3.6");
    let mut database = open("etcd-3.6/snap.db");
    assert!(database.latest(Some(facts.compact_revision)).is_ok());
    for at in [Revision(facts.compact_revision.0 - 1), Revision(facts.revision.0 + 1), Revision(-1)] {
        let Err(DatabaseError::NotHeld { asked, oldest, newest }) = database.latest(Some(at)) else { panic!("{at}") };
        assert_eq!((asked, oldest, newest), (at, facts.compact_revision, facts.revision));
    }
}

/// S9: after a restore that raises the revision, it is the raised one that is found, and what was before
/// is compacted away. The record that raises it is no key.
#[test]
fn a_raised_revision_is_found() {
    let (before, expected) = facts_of("etcd-3.6");
    let mut database = open("etcd-3.6-raised/db");
    let facts = database.facts().unwrap();
    assert_eq!(facts.revision.0, before.revision.0 + 1_000_000_000);
    assert_eq!(facts.compact_revision, facts.revision);
    assert_eq!((facts.keys, facts.changes), (before.keys, before.changes + 1));
    assert!(latest(&mut database, None) == keys(&expected["kvs"]));
}

/// etcd itself does so: when all that was newest has been compacted away, the compaction is the revision.
#[test]
fn a_compaction_above_the_last_change_is_the_revision() {
    for name in ["scheduledCompactRev", "finishedCompactRev"] {
        let mut bytes = data("etcd-3.6/snap.db");
        // A key and its value lie side by side in each page; the older copies of the page are free ones.
        let key = [name.as_bytes(), &0_i64.to_be_bytes()[..4]].concat();
        let places: Vec<usize> = (0..bytes.len() - key.len()).filter(|at| bytes[*at..].starts_with(&key)).collect();
        for place in places {
            bytes[place + name.len()..place + name.len() + 8].copy_from_slice(&99_i64.to_be_bytes());
        }
        let facts = read(bytes.clone()).unwrap();
        assert_eq!((facts.revision, facts.compact_revision), (Revision(99), Revision(99)), "{name}");
        assert_eq!(latest(&mut Database::open(Cursor::new(bytes)).unwrap(), None).len(), 135);
    }
}

#[test]
fn a_database_that_was_cut_off_is_refused() {
    let bytes = data("etcd-3.6/snap.db");
    let open = |length: usize| Database::open(Cursor::new(bytes[..length].to_vec()));
    open(bytes.len() - 32).unwrap();
    for length in [bytes.len() - 33, bytes.len() / 2, 8192, 4096] {
        let error = open(length).unwrap_err();
        assert!(matches!(error, DatabaseError::Bolt(BoltError::Truncated { .. })), "{length}: {error:?}");
    }
    for length in [0, 1, 79] {
        let error = open(length).unwrap_err();
        assert!(matches!(error, DatabaseError::Bolt(BoltError::NotBolt(_))), "{length}: {error:?}");
    }
}

const PAGE: usize = 4096;

/// The first page of a kind, by its number.
fn page_of_kind(bytes: &[u8], kind: u16) -> usize {
    let is = |page: &usize| {
        let header = &bytes[page * PAGE..];
        header[..8] == (*page as u64).to_le_bytes() && header[8..10] == kind.to_le_bytes()
    };
    // The tree's own branches are the ones that its root bucket leads to; a damaged free page would change nothing.
    (2..bytes.len() / PAGE).filter(is).find(|page| reading_fails_without(bytes, *page)).unwrap()
}

fn reading_fails_without(bytes: &[u8], page: usize) -> bool {
    let mut bytes = bytes.to_vec();
    bytes[page * PAGE..page * PAGE + 16].fill(0xff);
    read(bytes).is_err()
}

fn read(bytes: Vec<u8>) -> Result<Facts, DatabaseError> {
    Database::open(Cursor::new(bytes))?.facts()
}

fn rule(bytes: Vec<u8>) -> &'static str {
    match read(bytes).unwrap_err() {
        DatabaseError::Bolt(BoltError::Page { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

/// S22: each rule of a page, broken by itself.
#[test]
fn each_broken_rule_of_a_page_is_named() {
    let good = data("etcd-3.6/snap.db");
    read(good.clone()).unwrap();
    let branch = page_of_kind(&good, 1) * PAGE;
    let leaf = page_of_kind(&good, 2) * PAGE;
    let with = |at: usize, new: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        bytes
    };
    assert_eq!(rule(with(leaf, &[0xff])), "bears another page's number");
    assert_eq!(rule(with(leaf + 8, &[16])), "neither branch nor leaf");
    assert_eq!(rule(with(leaf + 10, &[0xff, 0xff])), "more elements than fit");
    assert_eq!(rule(with(branch + 10, &[0, 0])), "a branch without children");
    assert_eq!(rule(with(leaf + 12, &[0xff, 0xff])), "reaches beyond the file");
    assert_eq!(rule(with(leaf + 16 + 4, &[0, 0, 0, 1])), "a key outside its page");
    assert_eq!(rule(with(leaf + 16 + 12, &[0, 0, 0, 1])), "a value outside its page");
    // The second child of the branch becomes the first one again, and the branch itself.
    let first_child: [u8; 8] = good[branch + 24..branch + 32].try_into().unwrap();
    assert_eq!(rule(with(branch + 40, &first_child)), "reached twice");
    assert_eq!(rule(with(branch + 24, &((branch / PAGE) as u64).to_le_bytes())), "reached twice");
    assert_eq!(rule(with(branch + 24, &u64::MAX.to_le_bytes())), "outside the file");
    assert_eq!(rule(with(branch + 24, &1_u64.to_le_bytes())), "outside the file");
    // The two first children change places.
    let mut swapped = with(branch + 24, &good[branch + 40..branch + 48]);
    swapped[branch + 40..branch + 48].copy_from_slice(&first_child);
    assert_eq!(rule(swapped), "keys out of order");
    // The second child's keys are in order, but the branch says that they begin later: a look-up would miss them.
    let second = branch + 32;
    let key = second + u32::from_le_bytes(good[second..second + 4].try_into().unwrap()) as usize;
    assert_eq!(rule(with(key + 16, &[good[key + 16] + 1])), "keys out of order");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// S22: whatever a database has become, reading it ends, and ends without a panic.
    #[test]
    fn damaged_databases_never_panic(
        which in 0_usize..4,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        headers in any::<bool>(),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let files = ["etcd-3.4/snap.db", "etcd-3.6/snap.db", "etcd-3.6-raised/db", "old-plain/etcd.snapshot.1795339717"];
        let mut bytes = data(files[which]);
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            // Headers and first elements of pages are where a damage leads astray; meta pages are summed.
            let at = if headers { (at / PAGE).max(2) * PAGE + at % 64 } else { at };
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(mut database) = Database::open(Cursor::new(bytes)) {
            let _ = database.facts();
            let _ = database.leases();
            if let Ok(latest) = database.latest(None) {
                let _ = latest.flatten().count();
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..20_000)) {
        prop_assert!(Database::open(Cursor::new(bytes)).is_err());
    }
}
