//! One etcd from its start to its end, and what a successor of e2d finds of it.

use crate::rig::{Node, Parts, get, put, until};
use e2d_core::time::Moment;
use e2d_etcd::child::{self, Cause, Found, SpawnError, User};
use e2d_etcd::client::{Effect, Kind, Reading};
use e2d_etcd::datadir::{Contents, quarantine};
use e2d_etcd::launch::{Gate, Start};
use e2d_etcd::observe::{Ask, Observer, Process};
use e2d_etcd::version::Minor;
use e2d_etcd::{restore, scrape};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio::net::TcpStream;

on_each_version!(
    a_member_starts_serves_and_stops,
    the_gate_opens_by_a_restart,
    a_successor_finds_a_running_etcd,
    a_successor_learns_of_an_end,
    two_never_run_on_one_directory,
    a_missing_quorum_is_seen,
);

async fn a_member_starts_serves_and_stops(parts: Parts) {
    let mut node = Node::new(&parts, "n0");
    let expected = restore::expected(&node.launch).unwrap();
    assert_eq!(node.inspect(), Contents::Absent);
    let client = node.serve().await;
    put(&client, 20).await;
    let status = client.status().await.unwrap();
    assert_eq!((status.cluster, status.member), (expected.cluster, expected.member), "ids are computed as etcd does");
    assert_eq!(status.leader, Some(expected.member));
    assert_eq!(status.version, node.program.version.to_string());
    assert_eq!((status.revision.0, status.learner), (21, false));
    let members = client.members(Reading::Linearizable).await.unwrap();
    assert_eq!((members.len(), members[0].id, members[0].name.as_str()), (1, expected.member, "n0"));

    let within = Duration::from_secs(5);
    assert_eq!(scrape::health(&node.launch.data_dir, within).await.unwrap(), Ok(()));
    let metrics = scrape::metrics(&node.launch.data_dir, within).await.unwrap();
    assert_eq!((metrics.has_leader, metrics.is_leader, metrics.is_learner), (Some(true), Some(true), Some(false)));
    assert_eq!(metrics.quota_bytes, 0, "behind the gate there is none");
    assert!(metrics.database_bytes > 0 && metrics.leader_changes > 0 && metrics.log_sync.count > 0);

    let mut observer = Observer::new(client.clone(), node.launch.data_dir.clone());
    let ask = Ask { members: true, metrics: true };
    let seen = observer.look(Some(node.child()), Moment(1), ask).await;
    assert_eq!(seen.process, Process::Running { pid: node.child().pid(), gate: Gate::Gated });
    assert_eq!(seen.members.unwrap().unwrap(), members);
    assert_eq!(seen.status.unwrap().unwrap().member, expected.member);
    assert_eq!(seen.listening_since, Some(Moment(1)), "it leads");

    let mode = |name: &str| std::fs::metadata(node.home().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("."), mode("etcd.log"), mode("child")), (0o700, 0o600, 0o600));

    let exit = node.stop().await;
    assert_eq!((exit.cause, exit.signal), (Cause::Stopped, Some(15)), "{exit:?}");
    let data = node.data();
    assert_eq!((data.cluster, data.member), (expected.cluster, expected.member));
    assert!(data.last.index >= status.committed && data.hard_state.commit >= status.committed, "{data:?}");
    assert_eq!((data.last.term, data.hard_state.term), (status.term, status.term));
    assert_eq!(data.torn, None);
    let cluster_version = match parts.minor {
        Minor::V3_4 => (3, 4),
        Minor::V3_5 => (3, 5),
        Minor::V3_6 => (3, 6),
        Minor::V3_7 => (3, 7),
    };
    assert_eq!(data.cluster_version, Some(cluster_version));
    assert!(matches!(child::find(&node.launch.data_dir).unwrap(), Found::Nothing), "its end was reported");

    // It goes on with what it has, and never founds anything when there is nothing.
    node.launch.start = Start::Resume;
    let client = node.serve().await;
    assert_eq!(get(&client, "k19").await.as_deref(), Some("v19"));
    node.stop().await;
    quarantine::put_aside(&node.launch.data_dir, None, "test").unwrap().unwrap();
    assert_eq!(node.inspect(), Contents::Empty);
    let exit = node.dies().await;
    assert_eq!((exit.cause, exit.code), (Cause::Other, Some(1)), "{exit:?}");
    assert!(exit.lines.iter().any(|line| line.contains("cannot fetch cluster info")), "{exit:?}");
}

async fn the_gate_opens_by_a_restart(parts: Parts) {
    let mut node = Node::new(&parts, "n0");
    let port = node.launch.client.listen[0].authority().to_owned();
    let client = node.serve().await;
    put(&client, 1).await;
    assert!(TcpStream::connect(&port).await.is_err(), "the gate is closed");
    let advertised = client.members(Reading::Local).await.unwrap()[0].client_urls.clone();
    assert_eq!(advertised, [node.launch.client.advertise[0].as_str()], "and what is advertised is the real URL");
    let closed = node.launch.args(node.program.version).unwrap();
    assert!(node.child().runs(&node.program, &closed));
    node.stop().await;

    node.launch.gate = Gate::Open;
    let opened = node.launch.args(node.program.version).unwrap();
    let client = node.serve().await;
    assert!(node.child().runs(&node.program, &opened) && !node.child().runs(&node.program, &closed));
    assert_eq!(node.child().gate(), Gate::Open);
    TcpStream::connect(&port).await.unwrap();
    assert_eq!(get(&client, "k0").await.as_deref(), Some("v0"), "e2d's own way in is the same");
}

const DATA_DIR: &str = "E2D_TEST_SPAWN_ON";
const MINOR: &str = "E2D_TEST_SPAWN_VERSION";

/// Another process that starts an etcd and dies, as an e2d that crashes.
#[tokio::test]
async fn predecessor() {
    // Without the variables this is a run of all tests, and there is nothing to do.
    let (Ok(launch), Ok(minor)) = (std::env::var(DATA_DIR), std::env::var(MINOR)) else { return };
    let minor = [Minor::V3_4, Minor::V3_5, Minor::V3_6, Minor::V3_7].into_iter().find(|m| m.to_string() == minor);
    let parts = Parts::of(minor.unwrap()).await;
    let mut node = Node::new(&parts, "n0");
    let (data_dir, peer, client) = {
        let mut words = launch.split(' ');
        (words.next().unwrap(), words.next().unwrap(), words.next().unwrap())
    };
    node.settle_in(data_dir);
    node.launch.peer.listen = vec![peer.parse().unwrap()];
    node.launch.peer.advertise = vec![peer.parse().unwrap()];
    node.launch.client.listen = vec![client.parse().unwrap()];
    node.launch.client.advertise = vec![client.parse().unwrap()];
    let founders = vec![("n0".to_owned(), vec![peer.parse().unwrap()])];
    node.launch.start = Start::Found { founders, token: "e2d-test".to_owned() };
    node.start();
    std::process::abort();
}

/// Runs [`predecessor`] on the node's directory until it has died.
async fn left_by_a_predecessor(parts: &Parts, node: &Node) {
    let words =
        [node.launch.data_dir.as_str(), node.launch.peer.listen[0].as_str(), node.launch.client.listen[0].as_str()];
    let run = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "life::predecessor"])
        .env(DATA_DIR, words.join(" "))
        .env(MINOR, parts.minor.to_string())
        // Each of these would end etcd or make it speak to somebody if it reached it.
        .envs([("ETCD_NAME", "other"), ("ETCD_FORCE_NEW_CLUSTER", "true"), ("NOTIFY_SOCKET", "/dev/null")])
        .output()
        .await
        .unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&run.status), Some(6), "{run:?}");
}

async fn a_successor_finds_a_running_etcd(parts: Parts) {
    let mut node = Node::new(&parts, "n0");
    left_by_a_predecessor(&parts, &node).await;
    let Found::Running(child) = child::find(&node.launch.data_dir).unwrap() else { panic!("not found") };
    let pid = child.pid();
    node.adopt(*child);
    let client = node.served().await;
    put(&client, 1).await;
    let args = node.launch.args(node.program.version).unwrap();
    assert!(node.child().runs(&node.program, &args), "it was started as we would start it");

    // The record was not completed: its predecessor died in the very moment of the start.
    let record = node.home().join("child");
    let text = std::fs::read_to_string(&record).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["process"] = serde_json::Value::Null;
    std::fs::write(&record, json.to_string()).unwrap();
    drop(node.let_go());
    let Found::Running(child) = child::find(&node.launch.data_dir).unwrap() else { panic!("not found") };
    assert_eq!(child.pid(), pid);
    assert_eq!(std::fs::read_to_string(&record).unwrap(), text, "and it is completed now");
    node.adopt(*child);

    let exit = node.stop().await;
    assert_eq!(exit.cause, Cause::Stopped, "{exit:?}");
    assert_eq!((exit.code, exit.signal), (None, None), "it was not our child: its log told");
}

async fn a_successor_learns_of_an_end(parts: Parts) {
    let node = Node::new(&parts, "n0");
    left_by_a_predecessor(&parts, &node).await;
    let Found::Running(child) = child::find(&node.launch.data_dir).unwrap() else { panic!("not found") };
    let pid = rustix::process::Pid::from_raw(child.pid()).unwrap();
    drop(child);
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let mut found = Found::Nothing;
    until("its end", async || {
        found = child::find(&node.launch.data_dir).unwrap();
        if matches!(found, Found::Running(_)) { Err("it runs".to_owned()) } else { Ok(()) }
    })
    .await;
    let Found::Ended(exit) = found else { panic!("forgotten") };
    assert_eq!(exit.cause, Cause::Killed, "{exit:?}");
    assert!(matches!(child::find(&node.launch.data_dir).unwrap(), Found::Nothing), "an end is reported once");
}

async fn two_never_run_on_one_directory(parts: Parts) {
    let mut node = Node::new(&parts, "n0");
    node.start();
    let pid = node.child().pid();
    let second = |node: &Node| child::spawn(&node.program, &node.launch).unwrap_err();
    let error = second(&node);
    assert!(matches!(error, SpawnError::InUse { user: User::Process(by), .. } if by == pid), "{error}");
    let client = node.served().await;
    assert!(matches!(second(&node), SpawnError::InUse { .. }));
    assert!(quarantine::put_aside(&node.launch.data_dir, None, "x").is_err());
    assert!(client.revision(Reading::Linearizable).await.is_ok(), "the first was not disturbed");

    // A freeze is no end, and a killed one leaves no socket, lock or record in the way of the next.
    node.freeze().await;
    assert!(!node.child().has_ended());
    let error = client.within(Duration::from_millis(100)).promote(e2d_core::id::MemberId(1)).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (Kind::Timeout, Effect::Unknown), "{error}");
    let exit = node.let_go().stop(Duration::from_millis(100)).await.clone();
    assert_eq!((exit.cause, exit.signal), (Cause::Killed, Some(9)));
    until("the end of the old connection", async || {
        let error = client.promote(e2d_core::id::MemberId(1)).await.unwrap_err();
        if (error.kind, error.effect) == (Kind::NotConnected, Effect::None) { Ok(()) } else { Err(error.to_string()) }
    })
    .await;
    node.launch.start = Start::Resume;
    node.serve().await;
    assert!(client.status().await.is_ok(), "the client came back by itself");
}

async fn a_missing_quorum_is_seen(parts: Parts) {
    let mut cluster = crate::rig::Cluster::new(&parts, 3);
    let node = &mut cluster[0];
    node.start();
    let data_dir = node.launch.data_dir.clone();
    let within = Duration::from_secs(10);
    let health = async || match scrape::health(&data_dir, within).await {
        Ok(Err(_)) => Ok(()),
        other => Err(format!("{other:?}")),
    };
    until("an answer before there is a quorum", health).await;
    let metrics = scrape::metrics(&data_dir, within).await.unwrap();
    assert_eq!(metrics.has_leader, Some(false));
    let client = node.client().await;
    let mut observer = Observer::new(client, data_dir);
    let seen = observer.look(Some(node.child()), Moment(1), Ask { members: true, metrics: true }).await;
    // It takes connections, and says nothing on them until it has joined.
    assert!(seen.status.is_none() && seen.members.is_none() && seen.metrics.unwrap().is_ok());
    assert_eq!(seen.listening_since, None, "it does not lead");
    // Until it has joined, etcd does not close in order, and need not.
    assert_eq!(node.stop().await.cause, Cause::Stopped);
}
