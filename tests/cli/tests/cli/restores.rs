//! `e2d restore`, with no daemon anywhere. That etcd serves what was restored is shown by `netns`.

use crate::scratch;
use crate::shelf::{LINEAGE, Shelf, short};
use camino::Utf8PathBuf;
use e2d_core::id::{Epoch, LineageId, MemberId, NodeId, Nonce};
use e2d_core::lineage::{Claim, ClaimKind, FORMAT, Founder, Lineage, LineageState, Recorded};
use e2d_testkit::{EtcdVersion, Parts};
use e2d_tests_cli::{Ended, Run};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn programs() -> Utf8PathBuf {
    Parts::locate().unwrap().etcd(EtcdVersion::DEFAULT).unwrap()
}

fn restore(base: &Path, shelf: &Shelf, arguments: &[&str]) -> Ended {
    let run = Run::new(base, ["restore"].iter().chain(arguments)).variable("E2D_SNAPSHOT_URL", shelf.url());
    run.variable("E2D_ETCD_BIN_DIR", programs()).end()
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:#?}"))
}

/// Nothing happens without `--yes`, and what would is shown either way.
#[test]
fn nothing_is_restored_without_yes() {
    let folder = scratch();
    let shelf = Shelf::new(folder.path());
    let archive = shelf.verified(1, 1);
    let into = folder.path().join("into");
    let ended = restore(folder.path(), &shelf, &["--into", "into"]);
    assert!(ended.code == 1 && ended.stderr.contains("nothing was restored"), "{ended:#?}");
    let dry = restore(folder.path(), &shelf, &["--into", "into", "--dry-run"]);
    assert_eq!((dry.code, dry.stderr.as_str(), &dry.stdout), (0, "", &ended.stdout), "{dry:#?}");
    assert!(dry.stdout.contains(&archive.id.to_string()) && dry.stdout.contains("1000000014"), "{dry:#?}");
    assert!(dry.stdout.contains("does not exist"), "{dry:#?}");
    assert!(!into.exists());
}

/// S6: a folder that holds anything is somebody's, and is not even looked at twice.
#[test]
fn a_folder_that_is_not_empty_is_left_alone() {
    let folder = scratch();
    let shelf = Shelf::new(folder.path());
    shelf.verified(1, 1);
    let into = folder.path().join("into");
    fs::create_dir(&into).unwrap();
    fs::set_permissions(&into, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(into.join("mine"), "mine").unwrap();
    let ended = restore(folder.path(), &shelf, &["--into", "into", "--yes"]);
    assert!(ended.code == 1 && ended.stderr.contains("it holds mine"), "{ended:#?}");
    assert_eq!(fs::read_dir(&into).unwrap().count(), 1);
    assert_eq!(fs::metadata(&into).unwrap().permissions().mode() & 0o777, 0o755, "its rights were changed");
    let ended = restore(folder.path(), &shelf, &["--into", "into/mine", "--yes"]);
    assert!(ended.code == 1 && ended.stderr.contains("cannot be looked into"), "{ended:#?}");
}

/// S9: a restore is of the archive that was asked for, above its revision, and its folder is private.
#[test]
fn a_folder_is_restored_from_what_was_asked_for() {
    let folder = scratch();
    let shelf = Shelf::new(folder.path());
    let older = shelf.verified(1, 1);
    let newer = shelf.verified(2, 2);
    let id = |arguments: &[&str]| {
        let ended = restore(folder.path(), &shelf, &[arguments, &["--dry-run", "--output", "json"]].concat());
        assert_eq!(ended.code, 0, "{ended:#?}");
        json(&ended)
    };
    assert_eq!(id(&["--into", "a"])["archive"], newer.id.to_string());
    assert_eq!(id(&["--into", "a", "--at", "2026-11-22T10:00:00Z"])["archive"], newer.id.to_string());
    assert_eq!(id(&["--into", "a", "--revision", "14"])["archive"], newer.id.to_string());
    let back = id(&[&short(&older), "--into", "a"]);
    assert_eq!(back["archive"], older.id.to_string());
    assert!(back["lost"].to_string().contains(&newer.id.to_string()), "what is newer is lost: {back:#}");

    let ended = restore(folder.path(), &shelf, &["--into", "deep/a", "--yes", "--output", "json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:#?}");
    assert_eq!(json(&ended)["done"], true);
    let into = folder.path().join("deep/a");
    assert_eq!(fs::metadata(&into).unwrap().permissions().mode() & 0o777, 0o700);
    let names: Vec<_> = fs::read_dir(&into).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["member"], "a copy of the database, or a scratch folder, was left");
}

/// What does not lead to an archive says so, before anything is made.
#[test]
fn without_an_archive_there_is_no_restore() {
    let folder = scratch();
    let shelf = Shelf::new(folder.path());
    let archive = shelf.verified(1, 1);
    for (arguments, said) in [
        (&["--revision", "13"][..], "holds revision 13 or an earlier one"),
        (&["--at", "2026-11-22T09:00:00Z"], "was taken at 2026-11-22T09:00:00Z or earlier"),
        (&["000000"], "begins with 000000"),
    ] {
        let ended = restore(folder.path(), &shelf, &[arguments, &["--into", "a", "--yes"]].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{ended:#?}");
        assert!(ended.stderr.contains(said) && ended.stderr.contains("hint: "), "{ended:#?}");
    }
    // Spoilt since it was read back: found before a server could start on it.
    shelf.spoil(&archive);
    let ended = restore(folder.path(), &shelf, &["--into", "a", "--yes"]);
    assert!(ended.code == 1 && ended.stderr.contains("could not be brought back"), "{ended:#?}");
    assert!(!folder.path().join("a").exists(), "something was left behind");
    let none = Run::new(folder.path(), ["restore", "--into", "a", "--yes"]);
    let none = none.variable("E2D_SNAPSHOT_URL", shelf.url()).variable("PATH", "/nowhere").end();
    assert!(none.code == 78 && none.stderr.contains("etcd"), "{none:#?}");
}

fn lineage(state: LineageState) -> Lineage {
    let founder = Founder { node: NodeId(0xe), name: "n-e".into(), peer_url: "http://10.0.0.1:2380".into() };
    let claim = Claim {
        nonce: Nonce(1),
        by: NodeId(0xe),
        kind: ClaimKind::Birth,
        founders: vec![founder],
        source: None,
        evidence: vec![],
        adopted: None,
    };
    let member = Recorded {
        node: Some(NodeId(0xe)),
        member: MemberId(0xd),
        peer_url: "http://10.0.0.1:2380".into(),
        instance: None,
        machine: None,
        mounted: false,
        learner: false,
        started: true,
    };
    Lineage {
        format: FORMAT,
        lineage: LineageId(LINEAGE.0),
        seq: 4,
        nonce: Nonce(2),
        epoch: Epoch(1),
        state,
        claim,
        members: vec![member],
        pinned: None,
        history: vec![],
    }
}

/// S1: silence ends no epoch, and neither does a word that nobody heeds; the way out is named.
#[test]
fn a_live_epoch_is_not_ended_by_hand() {
    let folder = scratch();
    let shelf = Shelf::new(folder.path());
    shelf.verified(1, 1);
    let object = shelf.folder.join("lineage");
    let cluster = |more: &[&str]| restore(folder.path(), &shelf, &[&["--cluster"], more].concat());
    let ended = cluster(&[]);
    assert!(ended.code == 1 && ended.stderr.contains("holds no lineage"), "{ended:#?}");
    fs::write(&object, lineage(LineageState::Live).encode("")).unwrap();
    let before = fs::read(&object).unwrap();
    for more in [&["--yes"][..], &["--dry-run"], &["--yes", "--force", "--lost", "d"]] {
        let ended = cluster(more);
        assert_eq!(ended.code, 1, "{ended:#?}");
        assert!(ended.stdout.contains("member 000000000000000d at http://10.0.0.1:2380"), "{ended:#?}");
        assert!(ended.stdout.contains("not known: no daemon answers here"), "{ended:#?}");
        assert!(ended.stderr.contains("not proved gone: 000000000000000d"), "{ended:#?}");
        assert!(ended.stderr.contains("hint: stop e2d and etcd on every one of them"), "{ended:#?}");
    }
    let ended = cluster(&["--lost", "e", "--yes"]);
    assert!(ended.code == 78 && ended.stderr.contains("recorded are 000000000000000d"), "{ended:#?}");
    assert!(fs::read(&object).unwrap() == before, "the lineage was written");
    fs::write(&object, lineage(LineageState::Forming).encode("")).unwrap();
    let ended = cluster(&["--yes"]);
    assert!(ended.code == 1 && ended.stderr.contains("epoch 1 is forming already"), "{ended:#?}");
    fs::write(&object, "{\"format\": 2}").unwrap();
    let ended = cluster(&["--yes"]);
    assert!(ended.code == 1 && ended.stderr.contains("format 2"), "{ended:#?}");
}
