//! What is served to programs: health, readiness and metrics over HTTP, the admin API behind mutual TLS.

use crate::orders::calm;
use crate::rig::{Cluster, PATIENCE, e2d};
use anyhow::{Context as _, Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use e2d::admin::v1::admin_client::AdminClient;
use e2d::admin::v1::{ReleaseRequest, StatusRequest};
use e2d_pki::tls::{Live, client_config};
use e2d_pki::{Identity, IdentityFiles};
use e2d_testkit::{EtcdVersion, LogGate, Scratch, wait_for};
use jiff::Timestamp;
use rustls::time_provider::DefaultTimeProvider;
use rustls_pki_types::ServerName;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tonic::Code;
use tonic::transport::{Channel, Endpoint, Uri};

/// One GET: the status code and everything after it.
fn get(address: Ipv4Addr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect((address, 7982))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: e2d\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let code = text.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status line")?;
    Ok((code, text))
}

/// S21: what a node is able to do is seen from outside, and a frozen etcd is not called ready.
#[test]
fn health_readiness_and_metrics_say_what_is_so() -> Result<()> {
    for version in [EtcdVersion::V3_4, EtcdVersion::V3_6] {
        let mut cluster = Cluster::new("doors", version, 1)?;
        cluster.serve()?;
        cluster.leader()?;
        let address = cluster.address(0);
        ensure!(get(address, "/healthz")?.0 == 200);
        ensure!(get(address, "/readyz")?.0 == 200);
        ensure!(get(address, "/else")?.0 == 404);
        cluster.etcdctl(0, &["put", "a", "1"])?;
        let metrics = wait_for(PATIENCE, "metrics of a backup", || -> Result<String> {
            let (code, text) = get(address, "/metrics")?;
            ensure!(code == 200 && text.contains("e2d_backup_lag_revisions 1.0"), "{text}");
            Ok(text)
        })?;
        for line in [
            "e2d_ready 1.0",
            "e2d_role{role=\"leader\"} 1.0",
            "e2d_members{kind=\"voter\"} 1.0",
            "e2d_backup_archives{verified=\"yes\"} 1.0",
            "e2d_acts_total{act=\"archive\",outcome=\"done\"} 1.0",
            "e2d_store_errors_total 0.0",
            "# EOF",
        ] {
            ensure!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
        }
        // etcd hangs: e2d is well, and clients had better go elsewhere.
        let pid = cluster.etcd_pid(0).and_then(rustix::process::Pid::from_raw).context("no etcd")?;
        rustix::process::kill_process(pid, rustix::process::Signal::STOP)?;
        wait_for(PATIENCE, "readiness to end", || -> Result<()> {
            ensure!(get(address, "/readyz")?.0 == 503, "still ready");
            Ok(())
        })?;
        ensure!(get(address, "/healthz")?.0 == 200);
        rustix::process::kill_process(pid, rustix::process::Signal::CONT)?;
        wait_for(PATIENCE, "readiness to return", || -> Result<()> {
            ensure!(get(address, "/readyz")?.0 == 200, "not ready");
            Ok(())
        })?;
        cluster.passed(&calm())?;
    }
    Ok(())
}

/// A tree of certificates, made by the program itself.
struct Tree(Utf8PathBuf);

impl Tree {
    /// An authority.
    fn new(folder: &Utf8Path) -> Result<Self> {
        fs_err::create_dir_all(folder)?;
        let tree = Self(folder.to_owned());
        tree.pki("init", &["--key-type", "ecdsa"])?;
        Ok(tree)
    }

    fn pki(&self, verb: &str, more: &[&str]) -> Result<()> {
        let mut command = e2d();
        command.args(["pki", verb, "--ca-cert", &self.file("ca.crt"), "--ca-key", &self.file("ca.key")]).args(more);
        let output = command.output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Leaves in a folder of their own, for a host and a role of the client.
    fn leaves(&self, name: &str, host: Ipv4Addr, role: &str) -> Result<()> {
        let (host, folder) = (host.to_string(), self.file(name));
        let options = ["--hosts", &host, "--output-dir", &folder, "--client-role", role, "--key-type", "ecdsa"];
        self.pki("gencerts", &options)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_string()
    }

    /// The arguments of a node.
    fn arguments(&self, leaves: &str) -> Vec<String> {
        let file = |name: &str| self.file(&format!("{leaves}/{name}"));
        let pairs = [
            ("--ca-cert", self.file("ca.crt")),
            ("--ca-key", self.file("ca.key")),
            ("--server-cert", file("server.crt")),
            ("--server-key", file("server.key")),
            ("--peer-cert", file("peer.crt")),
            ("--peer-key", file("peer.key")),
        ];
        pairs.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
    }

    /// A client of the admin API with somebody's certificate, who trusts `trusted`.
    async fn client(&self, leaves: &str, trusted: &Self, to: Ipv4Addr) -> Result<AdminClient<Channel>> {
        let files = IdentityFiles {
            certificate: self.file(&format!("{leaves}/client.crt")).into(),
            key: self.file(&format!("{leaves}/client.key")).into(),
            authorities: vec![trusted.file("ca.crt").into()],
        };
        let live = Live::new(Identity::load(&files, Timestamp::now())?);
        let mut config = client_config(&live, Arc::new(DefaultTimeProvider))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        let connect = tower::service_fn(move |_: Uri| {
            let connector = connector.clone();
            async move {
                let stream = tokio::net::TcpStream::connect((to, 7981)).await?;
                let name = ServerName::IpAddress(std::net::IpAddr::V4(to).into());
                connector.connect(name, stream).await.map(hyper_util::rt::TokioIo::new)
            }
        });
        let endpoint = Endpoint::from(Uri::from_static("http://e2d")).timeout(PATIENCE);
        Ok(AdminClient::new(endpoint.connect_with_connector(connect).await?))
    }
}

/// S18: without a certificate of the authority there is no call; what a certificate allows is its
/// organization; a renewed certificate is taken up live, and a broken one is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_admin_api_takes_mutual_tls_and_roles() -> Result<()> {
    let scratch = Scratch::new("tree")?;
    let mut cluster = Cluster::new("tls", EtcdVersion::V3_6, 1)?;
    let address = cluster.address(0);
    let ours = Tree::new(&scratch.path().join("ours"))?;
    let theirs = Tree::new(&scratch.path().join("theirs"))?;
    ours.leaves("reader", address, "read")?;
    ours.leaves("operator", address, "operate")?;
    ours.leaves("plain", address, "none")?;
    theirs.leaves("operator", address, "operate")?;
    let arguments = ours.arguments("operator");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    cluster.start_with(0, &arguments)?;
    cluster.serves(0)?;

    let status = async |mut client: AdminClient<Channel>| client.status(StatusRequest {}).await;
    let release = async |mut client: AdminClient<Channel>| client.release(ReleaseRequest {}).await;
    ensure!(release(ours.client("operator", &ours, address).await?).await.is_ok(), "who operates may act");
    let shown = status(ours.client("reader", &ours, address).await?).await?.into_inner();
    let kinds: Vec<&str> = shown.certificates.iter().map(|certificate| certificate.kind.as_str()).collect();
    ensure!(kinds == ["server", "peer", "authority"], "{kinds:?}");
    let refused = release(ours.client("reader", &ours, address).await?).await.err().context("a reader acted")?;
    ensure!(refused.code() == Code::PermissionDenied && refused.message().contains("e2d:operate"), "{refused:?}");
    let refused = status(ours.client("plain", &ours, address).await?).await.err().context("no role was enough")?;
    ensure!(refused.code() == Code::PermissionDenied, "{refused:?}");
    let stranger = theirs.client("operator", &ours, address).await;
    let stranger = match stranger {
        Ok(client) => status(client).await.map(drop).map_err(anyhow::Error::from),
        Err(error) => Err(error),
    };
    ensure!(stranger.is_err(), "another authority's certificate was let in");
    // Without TLS, and without a certificate.
    let mut plain = TcpStream::connect(SocketAddr::from((address, 7981)))?;
    plain.set_read_timeout(Some(PATIENCE))?;
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    ensure!(!answer.starts_with(b"HTTP") && answer.len() < 64, "plain text was answered");

    // Metrics are on a loopback address, so they are plain; the expiry is among them.
    ensure!(get(address, "/metrics")?.1.contains("e2d_certificate_expiry_timestamp_seconds{certificate=\"peer\"}"));

    // A broken file is not taken up, and the former serves on.
    let file = ours.file("operator/server.crt");
    let former = fs_err::read(&file)?;
    fs_err::write(&file, "no certificate at all")?;
    cluster.signal(0, rustix::process::Signal::HUP)?;
    wait_for(PATIENCE, "the broken file to be told", || -> Result<()> {
        let log = cluster.log(0)?;
        ensure!(log.contains("a certificate cannot be taken up") && log.contains("operator/server.crt"), "{log}");
        Ok(())
    })?;
    ensure!(status(ours.client("reader", &ours, address).await?).await.is_ok(), "the former serves on");
    // A renewed one is.
    fs_err::write(&file, &former)?;
    let before = shown.certificates[0].not_after_seconds;
    // Dates have whole seconds: the renewed one is to be of a later one.
    let second = || std::time::UNIX_EPOCH.elapsed().map(|since| since.as_secs()).unwrap_or_default();
    let now = second();
    wait_for(PATIENCE, "the next second", || -> Result<()> {
        ensure!(second() > now, "it is still {now}");
        Ok(())
    })?;
    ours.leaves("renewed", address, "operate")?;
    for name in ["server.key", "server.crt"] {
        fs_err::copy(ours.file(&format!("renewed/{name}")), ours.file(&format!("operator/{name}")))?;
    }
    cluster.signal(0, rustix::process::Signal::HUP)?;
    cluster.until(0, "the renewed certificate to be used", |status| {
        status["certificates"][0]["not_after_seconds"].as_i64() > Some(before)
    })?;
    ensure!(status(ours.client("reader", &ours, address).await?).await.is_ok(), "the new one serves");
    // S19: no key is in anything that was said.
    let key = fs_err::read_to_string(ours.file("operator/server.key"))?;
    let secret = key.lines().nth(1).context("no key")?;
    let said = [cluster.log(0)?, format!("{shown:?}"), get(address, "/metrics")?.1];
    ensure!(said.iter().all(|text| !text.contains(secret) && !text.contains("PRIVATE KEY")), "a key was shown");
    let gate = calm().allow("a certificate cannot be taken up, the former stays in use", "it was broken on purpose");
    cluster.passed(&gate)?;
    scratch.passed(&LogGate::new())
}

/// S14: the mark on the store's object follows the gossip key: from none to keys, from one key to the next. Whose cluster
/// it is stays known, and backups go on.
#[test]
fn the_mark_in_the_store_follows_the_gossip_key() -> Result<()> {
    let scratch = Scratch::new("marks")?;
    let mut cluster = Cluster::new("marked", EtcdVersion::V3_6, 1)?;
    let tree = Tree::new(&scratch.path().join("ours"))?;
    tree.leaves("node", cluster.address(0), "operate")?;
    let store = cluster.data_dir(0).join("e2d/store");
    cluster.keep_backups_in(&format!("file://{store}/"));
    let owner = || -> Result<String> {
        let object: serde_json::Value = serde_json::from_slice(&fs_err::read(store.join("lineage"))?)?;
        Ok(object["owner"].as_str().context("no mark")?.to_owned())
    };
    let follows = |former: &str| -> Result<String> {
        wait_for(PATIENCE, "the mark to follow", || -> Result<String> {
            let now = owner()?;
            ensure!(now != former, "it is still {former}");
            Ok(now)
        })
    };
    cluster.serve()?;
    let keyless = owner()?;
    cluster.stop(0)?;

    let (first, second) = (tree.file("first"), tree.file("second"));
    let key = |salt: u64| {
        (1..=2)
            .map(|n| {
                format!("{:032x}", u128::from(n * 37 + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
            })
            .collect::<Vec<_>>()
            .concat()
    };
    let (a, b, c) = (key(1), key(2), key(3));
    let write = |one: &str, two: &str| -> Result<()> {
        for (file, content) in [(&first, one), (&second, two)] {
            fs_err::write(file, content)?;
            fs_err::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        }
        Ok(())
    };
    write(&a, &b)?;
    let keys = format!("{first},{second}");
    let mut arguments = tree.arguments("node");
    arguments.extend(["--gossip-key-file".to_owned(), keys]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    cluster.start_with(0, &arguments)?;
    cluster.serves(0)?;
    let by_a = follows(&keyless)?;
    write(&b, &a)?;
    cluster.signal(0, rustix::process::Signal::HUP)?;
    follows(&by_a)?;
    write(&b, &c)?;
    cluster.signal(0, rustix::process::Signal::HUP)?;
    cluster.say(0, &["snapshot", "save"])?;
    cluster.passed(&calm())?;
    scratch.passed(&LogGate::new())
}

/// S22: a certificate that cannot be used ends the start with 78 and names file and date; nothing listens.
#[test]
fn a_bad_certificate_is_named_at_the_start() -> Result<()> {
    let scratch = Scratch::new("bad-tree")?;
    let mut cluster = Cluster::new("bad-tls", EtcdVersion::V3_6, 1)?;
    let address = cluster.address(0);
    let tree = Tree::new(&scratch.path().join("ours"))?;
    tree.leaves("good", address, "none")?;
    tree.leaves("other", address, "none")?;
    fs_err::copy(tree.file("other/server.key"), tree.file("good/server.key"))?;
    let arguments = tree.arguments("good");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    cluster.start_with(0, &arguments)?;
    let code = cluster.ended(0)?;
    let log = cluster.log(0)?;
    ensure!(code == Some(78) && log.contains("good/server.key does not belong"), "{code:?}: {log}");
    // One that has expired, of an authority that outlives it.
    let expired = expired(&scratch, address)?;
    let arguments: Vec<&str> = expired.iter().map(String::as_str).collect();
    cluster.start_with(0, &arguments)?;
    let code = cluster.ended(0)?;
    let log = cluster.log(0)?;
    ensure!(code == Some(78) && log.contains("server.crt expired at 20"), "{code:?}: {log}");
    ensure!(!cluster.data_dir(0).join("member").exists(), "etcd was not started");
    cluster.passed(&LogGate::new())?;
    scratch.passed(&LogGate::new())
}

/// The arguments of a node whose server certificate was good for a year, two years ago.
fn expired(scratch: &Scratch, address: Ipv4Addr) -> Result<Vec<String>> {
    use e2d_pki::{Authority, AuthorityFiles, Existing, Host, KeyType, Role, issue, leaf};
    let folder = scratch.path().join("expired");
    fs_err::create_dir_all(&folder)?;
    let then = Timestamp::now() - jiff::SignedDuration::from_hours(2 * 365 * 24);
    let files = AuthorityFiles { certificate: folder.join("ca.crt"), key: folder.join("ca.key") };
    Authority::init(&files, &Authority::default_name(), KeyType::EcdsaP256, Existing::Keep, None, then)?;
    let authority = Authority::load(&files)?;
    let leaves = leaf::etcd(&Host::list(&address.to_string())?, KeyType::EcdsaP256, Role::None);
    issue::run(&folder.join("leaves"), &leaves, &authority, None, then)?;
    Ok(Tree(folder).arguments("leaves"))
}
