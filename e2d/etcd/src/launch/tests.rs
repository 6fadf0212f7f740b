//! The flags that each version gets, and what is refused before any is made.

use super::*;

fn urls(list: &[&str]) -> Vec<Url> {
    list.iter().map(|url| url.parse().unwrap()).collect()
}

fn tls(side: &str) -> Tls {
    let file = |name: &str| Utf8PathBuf::from(format!("/etc/e2d/{side}-{name}.pem"));
    Tls { certificate: file("cert"), key: file("key"), authority: file("ca") }
}

fn launch() -> Launch {
    Launch {
        name: "n1".to_owned(),
        data_dir: "/var/lib/etcd".into(),
        wal_dir: None,
        peer: Urls { listen: urls(&["https://10.0.0.1:2380"]), advertise: urls(&["https://10.0.0.1:2380"]) },
        client: Urls {
            listen: urls(&["https://10.0.0.1:2379", "https://127.0.0.1:2379"]),
            advertise: urls(&["https://10.0.0.1:2379"]),
        },
        gate: Gate::Open,
        start: Start::Found {
            founders: vec![
                ("n1".to_owned(), urls(&["https://10.0.0.1:2380"])),
                ("n2".to_owned(), urls(&["https://10.0.0.2:2380"])),
            ],
            token: "e2d-1-1-1".to_owned(),
        },
        client_tls: Some(tls("client")),
        peer_tls: Some(tls("peer")),
        metrics: Vec::new(),
        tuning: Tuning::default(),
        extra: Extra::default(),
    }
}

fn args(launch: &Launch, version: &str) -> Vec<String> {
    launch.args(version.parse().unwrap()).unwrap()
}

const ALL: &str = "\
--name=n1
--data-dir=/var/lib/etcd
--listen-peer-urls=https://10.0.0.1:2380
--initial-advertise-peer-urls=https://10.0.0.1:2380
--listen-client-urls=unix://etcd-client:0,https://10.0.0.1:2379,https://127.0.0.1:2379
--advertise-client-urls=https://10.0.0.1:2379
--listen-metrics-urls=unix://etcd-metrics:0
--initial-cluster=n1=https://10.0.0.1:2380,n2=https://10.0.0.2:2380
--initial-cluster-state=new
--initial-cluster-token=e2d-1-1-1
--cert-file=/etc/e2d/client-cert.pem
--key-file=/etc/e2d/client-key.pem
--trusted-ca-file=/etc/e2d/client-ca.pem
--client-cert-auth=true
--peer-cert-file=/etc/e2d/peer-cert.pem
--peer-key-file=/etc/e2d/peer-key.pem
--peer-trusted-ca-file=/etc/e2d/peer-ca.pem
--peer-client-cert-auth=true
--pre-vote=true
--strict-reconfig-check=true
--quota-backend-bytes=8589934592
--snapshot-count=10000
--auto-compaction-mode=periodic
--auto-compaction-retention=3600s
CHECKS
--logger=zap
--log-outputs=stderr
--log-level=info";

#[test]
fn golden_lists_of_each_version() {
    for (version, checks) in [
        ("3.4.23", "--experimental-initial-corrupt-check=true\n--experimental-corrupt-check-time=12h"),
        ("3.5.4", "--experimental-initial-corrupt-check=true\n--experimental-corrupt-check-time=12h"),
        ("3.5.35", "--experimental-initial-corrupt-check=true\n--experimental-compact-hash-check-enabled=true"),
        ("3.6.16", "--feature-gates=InitialCorruptCheck=true,CompactHashCheck=true"),
        ("3.7.3", "--feature-gates=InitialCorruptCheck=true,CompactHashCheck=true"),
    ] {
        assert_eq!(args(&launch(), version).join("\n"), ALL.replace("CHECKS", checks), "{version}");
    }
}

#[test]
fn a_closed_gate_is_e2ds_socket_alone_and_advertises_the_real_url() {
    let gated = args(&Launch { gate: Gate::Gated, ..launch() }, "3.4.23");
    assert!(gated.contains(&"--listen-client-urls=unix://etcd-client:0".to_owned()));
    assert!(gated.contains(&"--advertise-client-urls=https://10.0.0.1:2379".to_owned()));
}

#[test]
fn who_joins_or_goes_on_never_founds() {
    let resumed = args(&Launch { start: Start::Resume, ..launch() }, "3.5.35");
    assert!(resumed.contains(&"--initial-cluster-state=existing".to_owned()));
    assert!(resumed.contains(&"--initial-cluster=n1=https://10.0.0.1:2380".to_owned()));
    let members =
        vec![("n0".to_owned(), urls(&["https://10.0.0.9:2380"])), ("n1".to_owned(), urls(&["https://10.0.0.1:2380"]))];
    let joined = args(&Launch { start: Start::Join { members }, ..launch() }, "3.5.35");
    assert!(joined.contains(&"--initial-cluster-state=existing".to_owned()));
    assert!(joined.contains(&"--initial-cluster=n0=https://10.0.0.9:2380,n1=https://10.0.0.1:2380".to_owned()));
    assert!(!joined.iter().any(|arg| arg.contains("token")));
}

#[test]
fn what_is_configured_is_passed() {
    let mut wanted = launch();
    wanted.wal_dir = Some("/wal".into());
    wanted.metrics = urls(&["http://127.0.0.1:2381"]);
    wanted.tuning = Tuning {
        quota_bytes: 1,
        heartbeat: Some(Duration::from_millis(50)),
        election: Some(Duration::from_millis(500)),
        compaction: Compaction::Off,
        snapshot_entries: 5,
        skip_fsync: true,
    };
    wanted.extra = Extra::parse(["max-txn-ops=512", "--feature-gates=LeaseCheckpoint=true"]).unwrap();
    let got = args(&wanted, "3.6.16");
    for expected in [
        "--wal-dir=/wal",
        "--listen-metrics-urls=unix://etcd-metrics:0,http://127.0.0.1:2381",
        "--quota-backend-bytes=1",
        "--heartbeat-interval=50",
        "--election-timeout=500",
        "--snapshot-count=5",
        "--auto-compaction-retention=0",
        "--unsafe-no-fsync=true",
        "--max-txn-ops=512",
        "--feature-gates=InitialCorruptCheck=true,CompactHashCheck=true,LeaseCheckpoint=true",
    ] {
        assert!(got.contains(&expected.to_owned()), "{expected} is not in {got:#?}");
    }
    assert!(!got.iter().any(|arg| arg.contains("compaction-mode")));
    wanted.extra = Extra::default();
    wanted.tuning.compaction = Compaction::Revisions(1000);
    let got = args(&wanted, "3.4.23");
    assert!(got.contains(&"--auto-compaction-mode=revision".to_owned()));
    assert!(got.contains(&"--auto-compaction-retention=1000".to_owned()));
    assert!(!got.iter().any(|arg| arg.contains("fsync")), "3.4 has no such flag");
}

#[test]
fn no_version_gets_a_flag_it_does_not_know() {
    let with = |extra: &str, version: &str| {
        Launch { extra: Extra::parse([extra]).unwrap(), ..launch() }.args(version.parse().unwrap())
    };
    let prefixed = "experimental-watch-progress-notify-interval=1m";
    assert!(with(prefixed, "3.5.35").is_ok());
    assert!(matches!(with(prefixed, "3.6.16"), Err(LaunchError::Unknown { .. })));
    assert!(matches!(with("feature-gates=X=true", "3.5.35"), Err(LaunchError::Unknown { .. })));
    for version in ["3.6.16", "3.7.3"] {
        assert!(!args(&launch(), version).iter().any(|arg| arg.contains("experimental")));
    }
}

#[test]
fn what_etcd_would_refuse_is_refused_before() {
    let refused = |change: fn(&mut Launch)| {
        let mut wrong = launch();
        change(&mut wrong);
        wrong.args(EtcdVersion::new(Minor::V3_6, 16)).unwrap_err().to_string()
    };
    assert_eq!(refused(|l| l.name = "a,b".to_owned()), "member name \"a,b\" is empty or has one of `=`, `,`");
    assert_eq!(refused(|l| l.data_dir = "data".into()), "path \"data\" is not absolute");
    assert_eq!(refused(|l| l.client.advertise.clear()), "no client URLs given");
    assert!(refused(|l| l.peer.listen = urls(&["https://host:2380"])).contains("is not an IP address"));
    assert!(refused(|l| l.peer_tls = None).contains("needs a certificate"));
    assert!(refused(|l| l.name = "n3".to_owned()).contains("is not in the list"));
    assert!(refused(|l| l.tuning.heartbeat = Some(Duration::from_millis(300))).contains("five heartbeats"));
    assert!(refused(|l| l.tuning.election = Some(Duration::from_secs(51))).contains("50 s"));
}
