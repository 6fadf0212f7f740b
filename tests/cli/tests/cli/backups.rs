//! `e2d snapshot list`, `show`, `verify` and `export`, with no daemon anywhere.

use crate::scratch;
use crate::shelf::{LINEAGE, Shelf, short, snapshot};
use e2d_backup::archive::Part;
use e2d_core::id::LineageId;
use e2d_testkit::{EtcdVersion, Parts};
use e2d_tests_cli::{Ended, Run};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

fn e2d(base: &Path, shelf: &Shelf, arguments: &[&str]) -> Ended {
    Run::new(base, ["snapshot"].iter().chain(arguments)).variable("E2D_SNAPSHOT_URL", shelf.url()).end()
}

fn json(base: &Path, shelf: &Shelf, arguments: &[&str]) -> Value {
    let ended = e2d(base, shelf, &[arguments, &["--output", "json"]].concat());
    assert_eq!(ended.code, 0, "{ended:#?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Whatever lies in a store is listed, and as what it is.
#[test]
fn a_list_leaves_nothing_out() {
    let folder = scratch();
    let shelf = Shelf::new(folder.path());
    assert_eq!(json(folder.path(), &shelf, &["list"]), Value::Array(vec![]));
    let good = shelf.verified(1, 1);
    let unread = shelf.write(LINEAGE, 1, 2);
    let damaged = shelf.verified(1, 3);
    shelf.spoil(&damaged);
    shelf.verify(&damaged);
    let half = shelf.write(LINEAGE, 1, 4);
    fs::remove_file(shelf.file(half.name(), Part::Manifest)).unwrap();
    let newer = shelf.write(LINEAGE, 1, 5);
    fs::write(shelf.file(newer.name(), Part::Manifest), "{\"format\": 9}").unwrap();
    let garbled = shelf.write(LINEAGE, 1, 6);
    fs::write(shelf.file(garbled.name(), Part::Manifest), "{").unwrap();
    // Whatever keeps one object from being read.
    let (closed, hidden) = (shelf.verified(1, 7), shelf.verified(1, 8));
    for file in [shelf.file(closed.name(), Part::Manifest), shelf.file(hidden.name(), Part::Check)] {
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("elsewhere", file).unwrap();
    }
    fs::write(shelf.folder.join("etcd.snapshot.LATEST"), "etcd.snapshot.1").unwrap();
    fs::write(shelf.folder.join("archives/stranger"), "").unwrap();

    let ended = e2d(folder.path(), &shelf, &["list"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:#?}");
    let line =
        |part: &str| ended.stdout.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{ended:#?}"));
    assert!(line(&short(&good)).ends_with("  verified"), "{ended:#?}");
    assert!(line(&short(&unread)).ends_with("  not verified"), "{ended:#?}");
    assert!(line(&short(&damaged)).contains("damaged: "), "{ended:#?}");
    assert!(line("incomplete").contains(&half.name().to_string()), "{ended:#?}");
    assert!(line("format 9").contains("unreadable"), "{ended:#?}");
    assert!(line(&closed.name().key(Part::Manifest).to_string()).contains("unreadable: "), "{ended:#?}");
    assert!(line(&short(&hidden)).contains("not verified: file://"), "{ended:#?}");
    assert!(line(&short(&hidden)).contains(".check: not as a store should be"), "{ended:#?}");
    assert!(line(&garbled.name().to_string()).starts_with('-'), "{ended:#?}");
    assert!(line("of the program before").contains("etcd.snapshot.LATEST"), "{ended:#?}");
    assert!(line("not an archive").contains("archives/stranger"), "{ended:#?}");

    let listed = json(folder.path(), &shelf, &["list"]);
    let states: Vec<&str> = listed.as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap()).collect();
    for state in ["verified", "not verified", "damaged", "unreadable", "incomplete", "of the program before"] {
        assert!(states.contains(&state), "{state}: {states:?}");
    }
    assert_eq!(json(folder.path(), &shelf, &["show", "newest"])["id"], good.id.to_string());
}

#[test]
fn an_archive_is_shown() {
    let folder = scratch();
    let shelf = Shelf::new(folder.path());
    let archive = shelf.verified(1, 1);
    let shown = e2d(folder.path(), &shelf, &["show", &short(&archive)]);
    insta::assert_snapshot!("snapshot_show", shown.shown(folder.path()));
    let json = json(folder.path(), &shelf, &["show"]);
    assert_eq!((&json["manifest"]["revision"], &json["check"]["revision"]), (&14.into(), &14.into()));
    assert_eq!((&json["state"], &json["id"]), (&"verified".into(), &archive.id.to_string().into()));
}

/// Who names an archive that is not there, or two, is told which there are.
#[test]
fn a_name_fits_one_archive_or_the_candidates_are_said() {
    let folder = scratch();
    let shelf = Shelf::new(folder.path());
    let ended = e2d(folder.path(), &shelf, &["show"]);
    assert!(ended.code == 1 && ended.stderr.contains("no archive in"), "{ended:#?}");
    let archive = shelf.write(LINEAGE, 1, 1);
    let ended = e2d(folder.path(), &shelf, &["export", "newest", "--to", "out.db"]);
    assert!(ended.code == 1 && ended.stderr.contains("known to be good"), "{ended:#?}");
    shelf.verify(&archive);
    for verb in [&["show", "000000"][..], &["verify", "000000"], &["export", "000000", "--to", "out.db"]] {
        let ended = e2d(folder.path(), &shelf, verb);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{ended:#?}");
        assert!(ended.stderr.contains("begins with 000000") && ended.stderr.contains(&short(&archive)), "{ended:#?}");
    }
    let other = shelf.write(LineageId(7), 1, 2);
    let ended = e2d(folder.path(), &shelf, &["show"]);
    assert!(ended.code == 1 && ended.stderr.contains("archives of 2 clusters"), "{ended:#?}");
    assert!(ended.stderr.contains(&short(&other)), "{ended:#?}");
    assert_eq!(names(folder.path()), ["store"]);
}

/// S15: a read-back finds what was spoilt, and on a node it is recorded, so that no restore takes it.
#[test]
fn a_spoilt_archive_is_found_and_recorded_on_a_node() {
    let folder = scratch();
    let shelf = Shelf::new(folder.path());
    let archive = shelf.write(LINEAGE, 1, 1);
    let ended = e2d(folder.path(), &shelf, &["verify"]);
    assert!(ended.code == 0 && ended.stdout.contains("sound, ") && ended.stdout.contains("revision 14"), "{ended:#?}");
    assert!(ended.stderr.contains("not recorded"), "{ended:#?}");
    assert_eq!(json(folder.path(), &shelf, &["list"])[0]["state"], "not verified");

    fs::create_dir_all(folder.path().join("data/e2d")).unwrap();
    let identity = r#"{"format":1,"node":"00000000000000ab","machine":"m","mounted":false}"#;
    fs::write(folder.path().join("data/e2d/identity"), identity).unwrap();
    let ended = e2d(folder.path(), &shelf, &["verify", "newest"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:#?}");
    assert_eq!(json(folder.path(), &shelf, &["list"])[0]["check"]["by"], "00000000000000ab");

    shelf.spoil(&archive);
    let ended = e2d(folder.path(), &shelf, &["verify", &short(&archive)]);
    assert!(ended.code == 1 && ended.stdout.contains("damaged: "), "{ended:#?}");
    assert_eq!(json(folder.path(), &shelf, &["list"])[0]["state"], "damaged");
    let ended = e2d(folder.path(), &shelf, &["export", &short(&archive), "--to", "out.db"]);
    assert!(ended.code == 1 && ended.stderr.contains("is damaged"), "{ended:#?}");
    assert_eq!(names(&folder.path().join("data/e2d")), ["identity"], "the scratch file is gone");
}

/// S19 S22: whole and private, or not at all; what is there stays.
#[test]
fn an_export_is_whole_or_absent_and_overwrites_nothing() {
    let folder = scratch();
    let shelf = Shelf::new(folder.path());
    let archive = shelf.verified(1, 1);
    let to = folder.path().join("out.db");
    let ended = e2d(folder.path(), &shelf, &["export", "newest", "--to", "out.db"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:#?}");
    assert!(fs::read(&to).unwrap() == snapshot(), "not the snapshot that was taken");
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);

    fs::write(&to, "mine").unwrap();
    let ended = e2d(folder.path(), &shelf, &["export", "newest", "--to", "out.db"]);
    assert!(ended.code == 1 && ended.stderr.contains("never overwritten"), "{ended:#?}");
    assert_eq!(fs::read(&to).unwrap(), b"mine");
    std::os::unix::fs::symlink("nowhere", folder.path().join("link.db")).unwrap();
    assert_eq!(e2d(folder.path(), &shelf, &["export", "newest", "--to", "link.db"]).code, 1);
    fs::remove_file(folder.path().join("link.db")).unwrap();

    // Spoilt since it was read back.
    shelf.spoil(&archive);
    for target in ["new.db", "no/such/folder/new.db"] {
        let ended = e2d(folder.path(), &shelf, &["export", "newest", "--to", target]);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{ended:#?}");
        assert!(ended.stderr.contains("could not be exported"), "{ended:#?}");
    }
    assert_eq!(names(folder.path()), ["out.db", "store"]);
}

/// The tools of every version take what was exported for a snapshot of theirs.
#[test]
fn etcd_s_own_tools_accept_an_export() -> anyhow::Result<()> {
    let folder = scratch();
    let shelf = Shelf::new(folder.path());
    shelf.verified(1, 1);
    assert_eq!(e2d(folder.path(), &shelf, &["export", "--to", "out.db"]).code, 0);
    let parts = Parts::locate()?;
    for version in EtcdVersion::covered()? {
        let tool = if version == EtcdVersion::V3_4 { "etcdctl" } else { "etcdutl" };
        let run = |arguments: &[&str]| -> anyhow::Result<String> {
            let mut command = Command::new(parts.etcd(version)?.join(tool));
            let output = command.env("ETCDCTL_API", "3").current_dir(folder.path()).args(arguments).output()?;
            assert!(output.status.success(), "{version}: {}", String::from_utf8_lossy(&output.stderr));
            Ok(String::from_utf8(output.stdout)?)
        };
        let status: Value = serde_json::from_str(&run(&["snapshot", "status", "out.db", "-w", "json"])?)?;
        assert_eq!(status["revision"], 14, "{version}");
        run(&["snapshot", "restore", "out.db", "--data-dir", &format!("restored-{version}")])?;
    }
    Ok(())
}

/// S2: a store that cannot be read is not an empty one.
#[test]
fn a_store_that_is_not_there_is_not_empty() {
    let folder = scratch();
    let none = Run::new(folder.path(), ["snapshot", "list", "--snapshot-url", "none"]).end();
    assert!(none.code == 78 && none.stderr.contains("no store of backups is configured"), "{none:#?}");
    let gone = Run::new(folder.path(), ["snapshot", "list", "--snapshot-url", "file://gone/"]).end();
    assert_eq!((gone.code, gone.stdout.as_str()), (75, ""), "{gone:#?}");
    assert!(!folder.path().join("gone").exists());
    fs::write(folder.path().join("file"), "").unwrap();
    let file = Run::new(folder.path(), ["snapshot", "list", "--snapshot-url", "file://file/"]).end();
    assert!(file.code != 0 && file.stdout.is_empty(), "{file:#?}");
    let wrong = Run::new(folder.path(), ["snapshot", "list", "--snapshot-url", "s3://b/p/"]).end();
    assert!(wrong.code == 78 && wrong.stderr.contains("snapshot-url = \"s3://b/p/\""), "{wrong:#?}");
}
