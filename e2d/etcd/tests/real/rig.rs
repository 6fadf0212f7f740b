//! What the tests stand on: binaries, addresses, data directories, and etcds that never outlive their test.

use camino::{Utf8Path, Utf8PathBuf};
use e2d_etcd::child::{self, Child, Exit, SpawnError};
use e2d_etcd::client::{Client, Place, Reading};
use e2d_etcd::datadir::{self, Contents, MemberData};
use e2d_etcd::launch::{Extra, Gate, Launch, Start, Tuning, Url, Urls};
use e2d_etcd::programs::{self, Programs};
use e2d_etcd::socket;
use e2d_etcd::version::Minor;
use rustix::process::{Pid, Signal, kill_process};
use std::net::Ipv4Addr;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The programs of one version.
pub(crate) struct Parts {
    pub(crate) minor: Minor,
    pub(crate) programs: Programs,
}

impl Parts {
    /// Finds them; the tools that 3.4 lacks are those of 3.5.
    pub(crate) async fn of(minor: Minor) -> Self {
        let root = match std::env::var("E2D_TEST_PARTS") {
            Ok(root) => Utf8PathBuf::from(root),
            Err(_) => Utf8PathBuf::from(std::env::var("HOME").unwrap()).join(".cache/e2d/parts"),
        };
        let folder = root.join(format!("etcd-{minor}"));
        let programs = programs::find(Some(&folder), root.join("etcd-3.5").as_os_str()).await;
        let programs = programs.unwrap_or_else(|e| panic!("these tests need etcd {minor} in {folder}: {e}"));
        assert_eq!(programs.etcd.version.minor, minor, "{folder} holds another version");
        Self { minor, programs }
    }
}

/// A loopback address that belongs to this process, and a port on it that nobody was given before.
///
/// Nothing has to be tried: 127.0.0.0/8 is all local, and process ids have 22 bits.
pub(crate) fn address() -> (Ipv4Addr, u16) {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let [_, a, b, c] = std::process::id().to_be_bytes();
    (Ipv4Addr::new(127, a + 64, b, c), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn url(scheme: &str) -> Url {
    let (ip, port) = address();
    format!("{scheme}://{ip}:{port}").parse().unwrap()
}

/// One etcd, its data directory, and a client of its socket.
pub(crate) struct Node {
    pub(crate) launch: Launch,
    pub(crate) program: programs::Program,
    child: Option<Child>,
    dir: Option<tempfile::TempDir>,
}

/// The node's data directory is below a folder of this name: longer than a socket's path may be.
const DEEP: &str =
    "a-folder-whose-name-is-so-long-that-no-unix-socket-below-it-could-be-bound-or-reached-by-its-path-of-108-bytes";

impl Node {
    /// A node that founds a cluster of itself.
    pub(crate) fn new(parts: &Parts, name: &str) -> Self {
        let peer = url("http");
        let start =
            Start::Found { founders: vec![(name.to_owned(), vec![peer.clone()])], token: "e2d-test".to_owned() };
        Self::with(parts, name, peer, start)
    }

    /// A node with this peer URL.
    pub(crate) fn with(parts: &Parts, name: &str, peer: Url, start: Start) -> Self {
        let dir = match std::fs::metadata("/dev/shm") {
            Ok(_) => tempfile::tempdir_in("/dev/shm").unwrap(),
            Err(_) => tempfile::tempdir().unwrap(),
        };
        let data_dir = Utf8Path::from_path(dir.path()).unwrap().join(DEEP).join(name);
        let client = url("http");
        let launch = Launch {
            name: name.to_owned(),
            data_dir,
            wal_dir: None,
            peer: Urls { listen: vec![peer.clone()], advertise: vec![peer] },
            client: Urls { listen: vec![client.clone()], advertise: vec![client] },
            gate: Gate::Gated,
            start,
            client_tls: None,
            peer_tls: None,
            metrics: Vec::new(),
            tuning: Tuning { skip_fsync: true, ..Tuning::default() },
            extra: Extra::default(),
        };
        Self { launch, program: parts.programs.etcd.clone(), child: None, dir: Some(dir) }
    }

    /// Uses a data directory that somebody else made, and will remove.
    pub(crate) fn settle_in(&mut self, data_dir: &str) {
        self.launch.data_dir = data_dir.into();
        self.dir = None;
    }

    /// Starts it, or says why not.
    pub(crate) fn try_start(&mut self) -> Result<(), SpawnError> {
        self.child = Some(child::spawn(&self.program, &self.launch)?);
        Ok(())
    }

    pub(crate) fn start(&mut self) {
        self.try_start().unwrap();
    }

    /// Starts it and waits until it serves with a quorum.
    pub(crate) async fn serve(&mut self) -> Client {
        self.start();
        self.served().await
    }

    /// Waits until it serves with a quorum.
    pub(crate) async fn served(&self) -> Client {
        let client = self.client().await;
        until("a linearizable read", async || {
            assert!(!self.child().has_ended(), "etcd ended: {:?}", self.child().ended().await);
            client.revision(Reading::Linearizable).await.map(drop).map_err(|e| e.to_string())
        })
        .await;
        client
    }

    /// A client of its socket.
    pub(crate) async fn client(&self) -> Client {
        Client::new(Place::Unix(self.home().join(socket::CLIENT)), None, None).await.unwrap()
    }

    pub(crate) fn child(&self) -> &Child {
        self.child.as_ref().unwrap()
    }

    /// Takes over an etcd that somebody else started.
    pub(crate) fn adopt(&mut self, child: Child) {
        self.child = Some(child);
    }

    /// Lets go of it without ending it.
    pub(crate) fn let_go(&mut self) -> Child {
        self.child.take().unwrap()
    }

    /// Stops it in order.
    pub(crate) async fn stop(&mut self) -> Exit {
        self.child.take().unwrap().stop(PATIENCE).await.clone()
    }

    /// Waits until it ended by itself.
    pub(crate) async fn ended(&mut self) -> Exit {
        let child = self.child.take().unwrap();
        let ended = tokio::time::timeout(PATIENCE, child.ended()).await;
        ended.unwrap_or_else(|_| panic!("etcd did not end: {}", self.log())).clone()
    }

    /// Runs it with what must end it at once.
    pub(crate) async fn dies(&mut self) -> Exit {
        self.start();
        self.ended().await
    }

    /// Freezes it, and waits until every thread of it stands still.
    pub(crate) async fn freeze(&self) {
        let pid = self.child().pid();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::STOP).unwrap();
        until("the freeze", async || {
            let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
            let state = |entry: std::fs::DirEntry| {
                let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap();
                stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
            };
            let states: String = threads.map(|entry| state(entry.unwrap())).collect();
            if states.bytes().all(|state| state == b'T') { Ok(()) } else { Err(states) }
        })
        .await;
    }

    /// Ends the freeze.
    pub(crate) fn thaw(&self) {
        kill_process(Pid::from_raw(self.child().pid()).unwrap(), Signal::CONT).unwrap();
    }

    pub(crate) fn home(&self) -> Utf8PathBuf {
        datadir::home(&self.launch.data_dir)
    }

    pub(crate) fn inspect(&self) -> Contents {
        datadir::inspect(&self.launch.data_dir, self.launch.wal_dir.as_deref()).unwrap()
    }

    /// What it holds, which must be a member's data.
    pub(crate) fn data(&self) -> MemberData {
        match self.inspect() {
            Contents::Member(data) => data,
            other => panic!("{other:?}"),
        }
    }

    /// The newest segment of its log.
    pub(crate) fn newest_segment(&self) -> Utf8PathBuf {
        let wal = self.launch.wal_dir.clone().unwrap_or_else(|| self.launch.data_dir.join("member/wal"));
        let names = wal.read_dir_utf8().unwrap().map(|entry| entry.unwrap().path().to_owned());
        names.filter(|path| path.extension() == Some("wal")).max().unwrap()
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.home().join("etcd.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- last lines of etcd {} of {} ---\n{}", self.program.version, self.launch.name, self.log());
        }
        if let Some(child) = self.child.as_ref().filter(|child| !child.has_ended()) {
            // A process that was not waited for keeps its number.
            let _ = kill_process(Pid::from_raw(child.pid()).unwrap(), Signal::KILL);
        }
    }
}

/// Several nodes that found one cluster.
pub(crate) struct Cluster(pub(crate) Vec<Node>);

impl Cluster {
    /// Nodes `n0`, `n1`, … that know each other and have not been started.
    pub(crate) fn new(parts: &Parts, size: usize) -> Self {
        let founders: Vec<(String, Vec<Url>)> = (0..size).map(|n| (format!("n{n}"), vec![url("http")])).collect();
        let node = |(name, urls): &(String, Vec<Url>)| {
            let start = Start::Found { founders: founders.clone(), token: "e2d-test-cluster".to_owned() };
            Node::with(parts, name, urls[0].clone(), start)
        };
        Self(founders.iter().map(node).collect())
    }

    /// Starts all and waits until all serve.
    pub(crate) async fn serve(&mut self) -> Vec<Client> {
        self.iter_mut().for_each(Node::start);
        let mut clients = Vec::new();
        for node in self.iter() {
            clients.push(node.served().await);
        }
        clients
    }

    /// The number of the leader, once all agree on one.
    pub(crate) async fn leader(&self, clients: &[Client]) -> usize {
        let mut leader = None;
        until("one leader", async || {
            let mut seen = Vec::new();
            for client in clients {
                seen.push(client.status().await.map_err(|e| e.to_string())?);
            }
            let known = seen[0].leader.ok_or("none")?;
            leader = seen.iter().position(|status| status.member == known);
            if seen.iter().all(|status| status.leader == Some(known)) { Ok(()) } else { Err("no agreement".to_owned()) }
        })
        .await;
        leader.expect("the leader is one of them")
    }
}

impl Deref for Cluster {
    type Target = Vec<Node>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Cluster {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

/// Waits for something, and says what it waited for and how it stood if it does not come.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> Result<(), String>) {
    let begun = Instant::now();
    loop {
        match holds().await {
            Ok(()) => return,
            Err(state) if begun.elapsed() > PATIENCE => panic!("{what} did not come: {state}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Puts keys `k0`, `k1`, … through a client.
pub(crate) async fn put(client: &Client, count: usize) {
    for n in 0..count {
        client.raw().kv_client().put(format!("k{n}"), format!("v{n}"), None).await.unwrap();
    }
}

/// The value of a key, by a linearizable read.
pub(crate) async fn get(client: &Client, key: &str) -> Option<String> {
    let answer = client.raw().kv_client().get(key, None).await.unwrap();
    answer.kvs().first().map(|found| found.value_str().unwrap().to_owned())
}
