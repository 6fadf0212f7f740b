//! Backups taken by the stream and restored.

use crate::rig::{Node, Parts, get, put, url};
use camino::{Utf8Path, Utf8PathBuf};
use e2d_core::id::{MemberId, Revision};
use e2d_core::raftid;
use e2d_etcd::child::Cause;
use e2d_etcd::client::{Alarm, AlarmKind, Client, Kind, MARKER, Reading};
use e2d_etcd::datadir::{Contents, quarantine};
use e2d_etcd::launch::{Start, Url};
use e2d_etcd::programs::{Program, RestorePrograms};
use e2d_etcd::restore::{self, RestoreError};
use e2d_etcd::version::Minor;
use std::io::Write;

on_each_version!(a_restore_raises_the_revision, a_failed_restore_changes_nothing, one_of_three_founders_is_restored);

const BUMP: u64 = 1_000_000_000;

/// Streams a member's database into a file.
async fn archive(client: &Client, path: &Utf8Path) {
    let mut file = std::fs::File::create(path).unwrap();
    let mut snapshot = client.snapshot().await.unwrap();
    let mut remaining = u64::MAX;
    while let Some(chunk) = snapshot.next().await.unwrap() {
        assert!(chunk.remaining <= remaining);
        remaining = chunk.remaining;
        file.write_all(&chunk.bytes).unwrap();
    }
    assert_eq!((remaining, file.metadata().unwrap().len() % 512), (0, 32), "a database and its digest");
}

/// A member with ten keys and two volatile ones, and its archive.
async fn archived(parts: &Parts) -> (Node, Utf8PathBuf, Revision) {
    let mut node = Node::new(parts, "n0");
    let client = node.serve().await;
    put(&client, 10).await;
    for key in ["/_e2d", "/_e2d/a", "/_e2d/snapshot/old", "/_e2e"] {
        client.raw().kv_client().put(key, "old", None).await.unwrap();
    }
    let path = node.home().join("archive");
    archive(&client, &path).await;
    let revision = client.revision(Reading::Linearizable).await.unwrap();
    node.stop().await;
    (node, path, revision)
}

fn token(node: &mut Node, text: &str) {
    if let Start::Found { token, .. } = &mut node.launch.start {
        text.clone_into(token);
    }
}

async fn a_restore_raises_the_revision(parts: Parts) {
    let (mut node, path, before) = archived(&parts).await;
    let old = node.data();
    let programs = parts.programs.restore.as_ref().unwrap();
    let refused = restore::restore(programs, &node.launch, &path, BUMP).await.unwrap_err();
    assert!(matches!(refused, RestoreError::NotEmpty { .. }), "{refused}");
    assert_eq!(node.data(), old);

    quarantine::put_aside(&node.launch.data_dir, None, "test").unwrap().unwrap();
    token(&mut node, "e2d-test-2");
    let restored = restore::restore(programs, &node.launch, &path, BUMP).await.unwrap();
    assert_ne!((restored.cluster, restored.member), (old.cluster, old.member), "another token, other ids");
    let data = node.data();
    assert_eq!((data.cluster, data.member), (restored.cluster, restored.member));
    assert!(!node.home().join("restore").exists(), "no copy is left");

    let client = node.serve().await;
    let status = client.status().await.unwrap();
    assert_eq!((status.cluster, status.member), (restored.cluster, restored.member));
    assert_eq!(status.revision, Revision(before.0 + BUMP.cast_signed()));
    assert_eq!(get(&client, "k9").await.as_deref(), Some("v9"));
    for old in [Revision(5), before] {
        let options = etcd_client::GetOptions::new().with_revision(old.0);
        let error = client.raw().kv_client().get("k0", Some(options)).await.unwrap_err().to_string();
        assert!(error.contains("required revision has been compacted"), "{error}");
    }

    assert_eq!(client.marker().await.unwrap(), None);
    let marked = client.mark_restored(b"archive 7").await.unwrap();
    assert_eq!(marked, Revision(status.revision.0 + 1), "one transaction");
    assert_eq!(client.marker().await.unwrap().as_deref(), Some(&b"archive 7"[..]));
    let options = etcd_client::GetOptions::new().with_prefix();
    let left = client.raw().kv_client().get("/_e2", Some(options)).await.unwrap();
    let left: Vec<&str> = left.kvs().iter().map(|found| found.key_str().unwrap()).collect();
    assert_eq!(left, [MARKER, "/_e2e"], "what is not ours is not touched");

    // The calls of maintenance, on what was restored.
    client.compact(marked).await.unwrap();
    let error = client.compact(Revision(marked.0 + 100)).await.unwrap_err();
    assert_eq!(error.kind, Kind::FutureRevision, "{error}");
    client.defragment().await.unwrap();
    assert_eq!(client.alarms().await.unwrap(), []);
    client.disarm(Alarm { member: MemberId(7), kind: AlarmKind::NoSpace }).await.unwrap();
    let hash = client.hash_kv(Revision(0)).await.unwrap();
    assert_eq!((hash.compacted, hash.revision), (marked, marked));
    assert_eq!(node.stop().await.cause, Cause::Stopped);
}

async fn a_failed_restore_changes_nothing(parts: Parts) {
    let mut node = Node::new(&parts, "n0");
    let programs = parts.programs.restore.as_ref().unwrap();
    std::fs::create_dir_all(node.home()).unwrap();
    let garbage = node.home().join("garbage");
    std::fs::write(&garbage, vec![7; 8192]).unwrap();
    let error = restore::restore(programs, &node.launch, &garbage, BUMP).await.unwrap_err();
    assert!(matches!(error, RestoreError::Tool { .. }), "{error}");
    assert!(error.to_string().contains(" database"), "{error}");
    let error = restore::restore(programs, &node.launch, &node.home().join("absent"), BUMP).await.unwrap_err();
    assert!(matches!(error, RestoreError::Io { .. }), "{error}");
    assert_eq!(node.inspect(), Contents::Empty);
    assert!(!node.home().join("restore").exists(), "no copy is left");

    // A digest at the end that is wrong, as after a transfer that was not noticed to fail.
    let (source, path, _) = archived(&parts).await;
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&garbage, bytes).unwrap();
    let error = restore::restore(programs, &node.launch, &garbage, BUMP).await.unwrap_err();
    assert!(matches!(error, RestoreError::Tool { .. }), "{error}");
    assert_eq!(node.inspect(), Contents::Empty);

    // What an interrupted one left is not in the way of the next, nor are folders of a start that was cut short.
    std::fs::create_dir_all(node.home().join("restore/made/member/wal")).unwrap();
    std::fs::create_dir_all(node.launch.data_dir.join("member/snap")).unwrap();
    restore::restore(programs, &node.launch, &path, BUMP).await.unwrap();
    let client = node.serve().await;
    assert_eq!(get(&client, "k9").await.as_deref(), Some("v9"));
    drop(source);
}

async fn one_of_three_founders_is_restored(parts: Parts) {
    let (source, path, _) = archived(&parts).await;
    let founders: Vec<(String, Vec<Url>)> = (0..3).map(|n| (format!("r{n}"), vec![url("http")])).collect();
    let start = Start::Found { founders: founders.clone(), token: "e2d-three".to_owned() };
    let mut node = Node::with(&parts, "r1", founders[1].1[0].clone(), start);
    // Its log stands on another disk.
    let other_disk = tempfile::tempdir_in("/dev/shm").unwrap();
    let wal_dir = Utf8Path::from_path(other_disk.path()).unwrap().join("wal");
    node.launch.wal_dir = Some(wal_dir.clone());
    let programs = parts.programs.restore.as_ref().unwrap();
    let restored = restore::restore(programs, &node.launch, &path, BUMP).await.unwrap();
    let ids: Vec<MemberId> =
        founders.iter().map(|(_, urls)| raftid::founder(&[urls[0].as_str()], "e2d-three")).collect();
    assert_eq!((restored.member, restored.cluster), (ids[1], raftid::cluster(&ids)));
    assert_eq!((node.data().member, node.data().cluster), (restored.member, restored.cluster));
    assert!(wal_dir.exists() && !node.launch.data_dir.join("member/wal").exists());

    // Alone it is no quorum, but it is the member that was restored.
    node.start();
    let client = node.client().await;
    crate::rig::until("its own voice", async || {
        let metrics = e2d_etcd::scrape::metrics(&node.launch.data_dir, std::time::Duration::from_secs(5)).await;
        if metrics.is_ok_and(|metrics| metrics.has_leader == Some(false)) { Ok(()) } else { Err("silent".to_owned()) }
    })
    .await;
    assert!(client.within(std::time::Duration::from_millis(200)).revision(Reading::Linearizable).await.is_err());
    node.stop().await;
    let aside = quarantine::put_aside(&node.launch.data_dir, Some(&wal_dir), "test").unwrap().unwrap();
    assert!(aside.wal_path.is_some() && node.inspect() == Contents::Empty);
    drop(source);
}

const DATA_DIR: &str = "E2D_TEST_RESTORE_INTO";

/// Another process that restores, and is killed meanwhile.
#[tokio::test]
async fn predecessor() {
    // Without the variable this is a run of all tests, and there is nothing to do.
    let Ok(data_dir) = std::env::var(DATA_DIR) else { return };
    let mut node = Node::new(&Parts::of(Minor::V3_6).await, "n0");
    node.settle_in(&data_dir);
    let beside = Utf8Path::new(&data_dir).parent().unwrap();
    let etcdutl = Program { path: beside.join("etcdutl"), version: node.program.version };
    let programs = RestorePrograms { etcdutl, etcdctl: None };
    let _ = restore::restore(&programs, &node.launch, &beside.join("database"), 0).await;
}

/// S19: a restore ends with the e2d that makes it, and nothing goes on writing a copy of the database.
#[tokio::test]
async fn a_tool_ends_with_its_e2d() {
    let dir = tempfile::tempdir().unwrap();
    let beside = Utf8Path::from_path(dir.path()).unwrap();
    std::fs::write(beside.join("database"), vec![0; 512]).unwrap();
    let tool =
        format!("printf '#!/bin/sh\necho $$ > {beside}/pid\nkill -9 $PPID\nexec sleep 60\n' > $0 && chmod 755 $0");
    let written = std::process::Command::new("sh").args(["-c", &tool, beside.join("etcdutl").as_str()]).status();
    assert!(written.unwrap().success());
    let run = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "restores::predecessor"])
        .env(DATA_DIR, beside.join("data"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .await
        .unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&run), Some(9), "{run:?}");
    let pid = std::fs::read_to_string(beside.join("pid")).unwrap();
    let process = Utf8PathBuf::from(format!("/proc/{}", pid.trim()));
    crate::rig::until("the end of the tool", async || {
        let state = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        // One that has ended and that nobody waits for is still listed.
        if state.is_empty() || state.contains(") Z ") { Ok(()) } else { Err(state) }
    })
    .await;
}
