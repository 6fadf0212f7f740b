//! One folder, several processes: who wins a race, and what a killed writer leaves behind.
//!
//! The racers are this test binary itself, started again for the test `racer` with a folder in its
//! environment. Without one, `racer` has nothing to do.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use e2d_backup::store::{Base, Condition, FolderStore, Key, Prefix, Store, StoreError};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, ReadBuf};

const FOLDER: &str = "E2D_TEST_RACE_FOLDER";
const ROLE: &str = "E2D_TEST_RACE_ROLE";
const RACERS: usize = 4;
const ROUNDS: usize = 40;

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

/// A racer; it ends with this value at the latest.
struct Racer(Child);

impl Racer {
    fn start(folder: &Path, role: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "racer"])
            .envs([(FOLDER, folder.as_os_str()), (ROLE, role.as_ref())])
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn store(folder: &Path) -> FolderStore {
    FolderStore::new(folder.to_str().unwrap(), Base::MustExist)
}

/// Races for every round's object, then adds to the counter.
async fn race(folder: &Path, store: &FolderStore) {
    let me = std::process::id().to_string();
    std::fs::write(folder.join(format!(".ready-{me}")), "").unwrap();
    wait_until("the start", || folder.join(".go").exists());
    for round in 0..ROUNDS {
        match store.put(&key(&format!("rounds/{round}")), me.as_bytes(), Condition::Absent).await {
            Ok(_) => {
                std::fs::write(folder.join(format!(".won-{round}-{me}")), "").unwrap();
            }
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    let mut left = ROUNDS;
    while left > 0 {
        let found = store.get(&key("counter"), 99).await.unwrap().unwrap();
        let next = std::str::from_utf8(&found.bytes).unwrap().parse::<usize>().unwrap() + 1;
        match store.put(&key("counter"), next.to_string().as_bytes(), Condition::Matches(found.version)).await {
            Ok(_) => left -= 1,
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// A source that never ends.
struct Endless;

impl AsyncRead for Endless {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        buf.put_slice(&[7; 4096][..buf.remaining().min(4096)]);
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn racer() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let store = store(&folder);
    match std::env::var(ROLE).unwrap().as_str() {
        "race" => race(&folder, &store).await,
        _ => drop(store.put_stream(&key("archives/1/endless"), &mut Endless).await),
    }
}

/// S1: the right to begin an epoch is taken by one, also among processes.
#[tokio::test]
async fn of_several_processes_one_wins_every_time() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    store(folder).put(&key("counter"), b"0", Condition::Absent).await.unwrap();
    let mut racers: Vec<Racer> = (0..RACERS).map(|_| Racer::start(folder, "race")).collect();
    let ready = || std::fs::read_dir(folder).unwrap().filter(|e| name(e).starts_with(".ready-")).count();
    wait_until("all racers", || ready() == RACERS);
    std::fs::write(folder.join(".go"), "").unwrap();
    for racer in &mut racers {
        assert!(racer.0.wait().unwrap().success());
    }
    for round in 0..ROUNDS {
        let won: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| name(&entry).strip_prefix(&format!(".won-{round}-")).map(str::to_owned))
            .collect();
        let found = store(folder).get(&key(&format!("rounds/{round}")), 99).await.unwrap().unwrap();
        assert_eq!(won, [String::from_utf8(found.bytes).unwrap()], "round {round}");
    }
    let count = store(folder).get(&key("counter"), 99).await.unwrap().unwrap();
    assert_eq!(String::from_utf8(count.bytes).unwrap(), (RACERS * ROUNDS).to_string());
}

fn name(entry: &std::io::Result<std::fs::DirEntry>) -> String {
    entry.as_ref().unwrap().file_name().into_string().unwrap()
}

/// What nothing but a real crash shows: the name never appears, the next writer is not hindered, and the
/// leftover goes with it.
#[tokio::test]
async fn a_killed_writer_leaves_nothing_that_looks_whole() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path();
    let state = folder.join(".e2d-store");
    let parts = || -> Vec<u64> {
        let entries = std::fs::read_dir(&state).into_iter().flatten();
        let parts = entries.filter(|entry| name(entry).contains(".part"));
        parts.map(|entry| entry.unwrap().metadata().unwrap().len()).collect()
    };
    let writer = Racer::start(folder, "stream");
    wait_until("a part of an object", || parts().iter().any(|size| *size > 1 << 20));
    drop(writer);

    assert_eq!(parts().len(), 1);
    let store = store(folder);
    assert_eq!(store.get(&key("archives/1/endless"), 9).await.unwrap(), None);
    assert!(store.list(&Prefix::default(), None, 9).await.unwrap().entries.is_empty());
    store.put_stream(&key("archives/1/endless"), &mut b"whole".as_slice()).await.unwrap();
    assert_eq!(store.get(&key("archives/1/endless"), 9).await.unwrap().unwrap().bytes, b"whole");
    assert!(parts().is_empty(), "{:?}", parts());
}
