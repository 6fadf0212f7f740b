//! Real etcd, old and new, with our tree: its peers find each other, its clients are let in, strangers
//! are not, and its HTTP gateway shows why the server's leaf may also connect.

use crate::openssl::Bench;
use anyhow::{Context, Result, bail};
use camino::Utf8PathBuf;
use e2d_pki::tls::{Live, client_config};
use e2d_pki::{Host, Identity, IdentityFiles, KeyType, Leaf, Role, Usage, leaf};
use e2d_testkit::{EtcdVersion, LogGate, Parts, Process, Scratch, wait_for};
use jiff::Timestamp;
use rustls::ClientConnection;
use rustls::time_provider::DefaultTimeProvider;
use rustls_pki_types::ServerName;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_mins(1);

/// Two members on loopback addresses of their own, so that no port of the machine is in the way.
struct Members {
    hosts: [String; 2],
    bin: Utf8PathBuf,
    _processes: Vec<Process>,
}

/// Addresses of this process and test: all of 127.0.0.0/8 is loopback, and the process id picks the
/// last two bytes.
fn addresses(test: u8) -> [String; 2] {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    [0, 1].map(|member| format!("127.{}.{}.{low}", 128 + test * 2 + member, middle ^ high))
}

impl Members {
    fn start(scratch: &Scratch, bench: &Bench, version: EtcdVersion, hosts: [String; 2]) -> Result<Self> {
        let bin = Parts::locate()?.etcd(version)?;
        let cluster: Vec<String> =
            hosts.iter().enumerate().map(|(index, host)| format!("n{index}=https://{host}:2380")).collect();
        let mut processes = Vec::new();
        for (index, host) in hosts.iter().enumerate() {
            let mut command = Command::new(bin.join("etcd"));
            command
                .args(["--name", &format!("n{index}"), "--initial-cluster", &cluster.join(",")])
                .arg("--data-dir")
                .arg(scratch.path().join(format!("n{index}.etcd")))
                .args(["--listen-client-urls", &format!("https://{host}:2379")])
                .args(["--advertise-client-urls", &format!("https://{host}:2379")])
                .args(["--listen-peer-urls", &format!("https://{host}:2380")])
                .args(["--initial-advertise-peer-urls", &format!("https://{host}:2380")])
                .args(["--client-cert-auth", "--peer-client-cert-auth"]);
            for (flag, file) in [
                ("--trusted-ca-file", "ca.crt"),
                ("--cert-file", "server.crt"),
                ("--key-file", "server.key"),
                ("--peer-trusted-ca-file", "ca.crt"),
                ("--peer-cert-file", "peer.crt"),
                ("--peer-key-file", "peer.key"),
            ] {
                command.arg(flag).arg(bench.path(file));
            }
            processes.push(scratch.spawn(&format!("n{index}"), &mut command)?);
        }
        Ok(Self { hosts, bin, _processes: processes })
    }

    /// etcdctl with the identity of a folder, against one member.
    fn etcdctl(&self, member: usize, trusted: &Bench, identity: (&Bench, &str), arguments: &[&str]) -> Result<String> {
        let (bench, stem) = identity;
        let output = Command::new(self.bin.join("etcdctl"))
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &format!("https://{}:2379", self.hosts[member])])
            .args(["--dial-timeout=2s", "--command-timeout=5s", "--cacert"])
            .arg(trusted.path("ca.crt"))
            .arg("--cert")
            .arg(bench.path(&format!("{stem}.crt")))
            .arg("--key")
            .arg(bench.path(&format!("{stem}.key")))
            .args(arguments)
            .output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// A write through the HTTP gateway of the first member, over our own TLS client.
    fn gateway(&self, bench: &Bench) -> Result<String> {
        let files = IdentityFiles {
            certificate: bench.path("client.crt"),
            key: bench.path("client.key"),
            authorities: vec![bench.path("ca.crt")],
        };
        let live = Live::new(Identity::load(&files, Timestamp::now())?);
        let config = client_config(&live, Arc::new(DefaultTimeProvider))?;
        let host = self.hosts[0].clone();
        let mut connection = ClientConnection::new(Arc::new(config), ServerName::try_from(host.clone())?)?;
        let mut socket = TcpStream::connect((host.as_str(), 2379))?;
        socket.set_read_timeout(Some(DEADLINE))?;
        let mut stream = rustls::Stream::new(&mut connection, &mut socket);
        let body = r#"{"key":"Zw==","value":"dw=="}"#;
        let length = body.len();
        write!(
            stream,
            "POST /v3/kv/put HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )?;
        let mut reply = Vec::new();
        // etcd may end without a goodbye of TLS, which rustls reports; what came before counts.
        let _ = stream.read_to_end(&mut reply);
        let reply = String::from_utf8_lossy(&reply).into_owned();
        reply.lines().next().map(str::to_owned).context("no reply")
    }
}

fn tree(hosts: &[String; 2], change: impl Fn(Leaf) -> Leaf) -> Result<Bench> {
    let bench = Bench::new();
    let now = Timestamp::now();
    let authority = e2d_pki::Authority::create(&e2d_pki::Authority::default_name(), KeyType::Rsa2048, now)?;
    bench.put("ca.crt", authority.certificate_pem());
    let wanted = leaf::etcd(&Host::list(&hosts.join(","))?, KeyType::EcdsaP256, Role::Operate);
    bench.issue(&authority, &wanted.into_iter().map(change).collect::<Vec<_>>(), now);
    Ok(bench)
}

fn etcd_takes_our_tree_and_nobody_elses(version: EtcdVersion, salt: u8) -> Result<()> {
    let hosts = addresses(salt);
    let (ours, theirs) = (tree(&hosts, |leaf| leaf)?, tree(&hosts, |leaf| leaf)?);
    let scratch = Scratch::new("pki-etcd")?;
    let members = Members::start(&scratch, &ours, version, hosts)?;
    // A write through one member that the other serves: the peers took each other's leaves.
    let client = (&ours, "client");
    wait_for(DEADLINE, "a write", || members.etcdctl(0, &ours, client, &["put", "k", "v"]))?;
    wait_for(DEADLINE, "the other member to serve it", || {
        let read = members.etcdctl(1, &ours, client, &["get", "k", "--print-value-only"])?;
        if read.trim() == "v" { Ok(()) } else { bail!("it serves {read:?}") }
    })?;
    // The members' own leaves are clients too.
    members.etcdctl(0, &ours, (&ours, "server"), &["get", "k"])?;
    assert_eq!(members.gateway(&ours)?, "HTTP/1.1 200 OK");
    // A stranger who knows our authority, and shows a leaf of his own.
    let stranger = members.etcdctl(0, &ours, (&theirs, "client"), &["get", "k"]);
    assert!(stranger.is_err(), "{version}: a stranger read {stranger:?}");
    members.etcdctl(0, &ours, client, &["get", "k"])?;
    let log = |name: &str| std::fs::read_to_string(scratch.path().join(name)).unwrap_or_default();
    let refusal = ["unknown authority", "failed to verify certificate", "bad certificate"];
    let logs = log("n0.log");
    assert!(refusal.iter().any(|text| logs.contains(text)), "{version} does not tell of the refusal:\n{logs}");
    drop(members);
    scratch.passed(&LogGate::new())
}

#[test]
fn etcd_3_4_takes_our_tree_and_nobody_elses() -> Result<()> {
    etcd_takes_our_tree_and_nobody_elses(EtcdVersion::V3_4, 0)
}

#[test]
fn etcd_3_6_takes_our_tree_and_nobody_elses() -> Result<()> {
    etcd_takes_our_tree_and_nobody_elses(EtcdVersion::V3_6, 1)
}

/// The reason for `clientAuth` in the server's leaf: without it etcd's gateway cannot reach etcd.
fn the_gateway_needs_a_server_that_may_connect(version: EtcdVersion, salt: u8) -> Result<()> {
    let hosts = addresses(salt);
    let bench =
        tree(&hosts, |leaf| Leaf { usage: if leaf.stem == "server" { Usage::Server } else { leaf.usage }, ..leaf })?;
    let scratch = Scratch::new("pki-gateway")?;
    let members = Members::start(&scratch, &bench, version, hosts)?;
    wait_for(DEADLINE, "a write", || members.etcdctl(0, &bench, (&bench, "client"), &["put", "k", "v"]))?;
    let reply = members.gateway(&bench)?;
    assert_ne!(reply, "HTTP/1.1 200 OK", "{version} does without clientAuth by now");
    drop(members);
    scratch.passed(&LogGate::new())
}

#[test]
fn the_gateway_of_etcd_3_4_needs_a_server_that_may_connect() -> Result<()> {
    the_gateway_needs_a_server_that_may_connect(EtcdVersion::V3_4, 2)
}

#[test]
fn the_gateway_of_etcd_3_6_needs_a_server_that_may_connect() -> Result<()> {
    the_gateway_needs_a_server_that_may_connect(EtcdVersion::V3_6, 3)
}
