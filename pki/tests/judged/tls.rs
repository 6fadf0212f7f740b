//! Mutual TLS between two ends in memory: who is let in, who is not, and what changes while it runs.

use crate::openssl::{Bench, days, leaves, now};
use e2d_pki::tls::{Live, client_config, server_config};
use e2d_pki::{Identity, IdentityFiles, KeyType, Leaf, Name, Role, Usage, leaf};
use jiff::Timestamp;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use rustls_pki_types::{ServerName, UnixTime};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
struct Clock(Timestamp);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.as_second() as u64)))
    }
}

fn clock(at: Timestamp) -> Arc<Clock> {
    Arc::new(Clock(at))
}

/// A folder with an authority and the leaves of a test: those of etcd, a reader, and a pure server.
fn tree() -> Bench {
    let bench = Bench::new();
    let authority = bench.authority(KeyType::EcdsaP256);
    let mut wanted = leaves();
    let reader = leaf::etcd(&BTreeSet::new(), KeyType::EcdsaP256, Role::Read).remove(2);
    wanted.push(Leaf { stem: "reader".into(), ..reader });
    let web = Leaf::new("web", Name::new("web"), Usage::Server).serving(&BTreeSet::new());
    wanted.push(Leaf { key_type: KeyType::EcdsaP256, ..web });
    bench.issue(&authority, &wanted, now());
    bench
}

fn files(bench: &Bench, stem: &str) -> IdentityFiles {
    IdentityFiles {
        certificate: bench.path(&format!("{stem}.crt")),
        key: bench.path(&format!("{stem}.key")),
        authorities: vec![bench.path("ca.crt")],
    }
}

fn live(bench: &Bench, stem: &str) -> Arc<Live> {
    Live::new(Identity::load(&files(bench, stem), now()).unwrap())
}

/// Both ends of an established connection.
#[derive(Debug)]
struct Both {
    client: ClientConnection,
    server: ServerConnection,
}

impl Both {
    fn start(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, name: &str) -> Self {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        Self {
            client: ClientConnection::new(Arc::clone(client), name).unwrap(),
            server: ServerConnection::new(Arc::clone(server)).unwrap(),
        }
    }

    /// Carries bytes until nobody has more to say. The error names the end that gave up first.
    fn talk(&mut self) -> Result<(), String> {
        while self.client.wants_write() || self.server.wants_write() {
            let mut wire = Vec::new();
            while self.client.wants_write() {
                self.client.write_tls(&mut wire).unwrap();
            }
            let mut wire = &wire[..];
            while !wire.is_empty() {
                self.server.read_tls(&mut wire).unwrap();
                self.server.process_new_packets().map_err(|error| format!("server: {error}"))?;
            }
            let mut wire = Vec::new();
            while self.server.wants_write() {
                self.server.write_tls(&mut wire).unwrap();
            }
            let mut wire = &wire[..];
            while !wire.is_empty() {
                self.client.read_tls(&mut wire).unwrap();
                self.client.process_new_packets().map_err(|error| format!("client: {error}"))?;
            }
        }
        Ok(())
    }

    fn say(&mut self, text: &str) -> String {
        use std::io::{Read, Write};
        self.client.writer().write_all(text.as_bytes()).unwrap();
        self.talk().unwrap();
        let mut heard = vec![0; text.len()];
        self.server.reader().read_exact(&mut heard).unwrap();
        String::from_utf8(heard).unwrap()
    }
}

fn connect(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, name: &str) -> Result<Both, String> {
    let mut both = Both::start(client, server, name);
    both.talk()?;
    assert!(!both.client.is_handshaking() && !both.server.is_handshaking());
    Ok(both)
}

fn handshake(client: &Arc<Live>, server: &Arc<Live>, at: Timestamp) -> Result<Both, String> {
    let client = Arc::new(client_config(client, clock(at)).unwrap());
    let server = Arc::new(server_config(server, clock(at)).unwrap());
    connect(&client, &server, "localhost")
}

/// S18.
#[test]
fn who_is_let_in_and_in_which_role() {
    let bench = tree();
    for (client, server, expected) in [
        ("client", "server", Ok(Role::Operate)),
        ("reader", "server", Ok(Role::Read)),
        ("peer", "server", Ok(Role::None)),
        ("server", "peer", Ok(Role::None)),
        ("client", "web", Ok(Role::Operate)),
        // A client's leaf as a server's, and the other way round.
        (
            "client",
            "client",
            Err(
                "client: invalid peer certificate: certificate does not allow extended key usage for server authentication",
            ),
        ),
        (
            "web",
            "server",
            Err(
                "server: invalid peer certificate: certificate does not allow extended key usage for client authentication",
            ),
        ),
    ] {
        let both = handshake(&live(&bench, client), &live(&bench, server), now());
        match (both, expected) {
            (Ok(both), Ok(role)) => assert_eq!(Role::of_peer(&both.server), role, "{client} to {server}"),
            (Err(error), Err(expected)) => assert!(error.starts_with(expected), "{client} to {server}: {error}"),
            (both, _) => panic!("{client} to {server}: {both:?}"),
        }
    }
}

#[test]
fn another_authority_is_refused_by_both_ends() {
    let (ours, theirs) = (tree(), tree());
    let with = |bench: &Bench, stem, trusted: &Bench| {
        let files = IdentityFiles { authorities: vec![trusted.path("ca.crt")], ..files(bench, stem) };
        Live::new(Identity::load(&files, now()).unwrap())
    };
    let stranger = handshake(&with(&theirs, "client", &ours), &with(&ours, "server", &ours), now()).unwrap_err();
    assert_eq!(stranger, "server: invalid peer certificate: BadSignature");
    let impostor = handshake(&with(&ours, "client", &ours), &with(&theirs, "server", &ours), now()).unwrap_err();
    assert_eq!(impostor, "client: invalid peer certificate: BadSignature");
    // While one authority follows another, both are trusted.
    let mut both = files(&ours, "server");
    both.authorities.push(theirs.path("ca.crt"));
    let server = Live::new(Identity::load(&both, now()).unwrap());
    handshake(&with(&theirs, "client", &ours), &server, now()).unwrap();
    handshake(&with(&ours, "client", &ours), &server, now()).unwrap();
}

#[test]
fn both_ends_read_the_clock() {
    let bench = tree();
    let (client, server) = (live(&bench, "client"), live(&bench, "server"));
    let with = |client_at, server_at| {
        let client = Arc::new(client_config(&client, clock(client_at)).unwrap());
        let server = Arc::new(server_config(&server, clock(server_at)).unwrap());
        connect(&client, &server, "localhost").map(drop)
    };
    let (early, late) = (now() - days(1), now() + days(366));
    with(now(), now()).unwrap();
    for (client_at, server_at, expected) in [
        (late, now(), "client: invalid peer certificate: certificate expired"),
        (early, now(), "client: invalid peer certificate: certificate not valid yet"),
        (now(), late, "server: invalid peer certificate: certificate expired"),
        (now(), early, "server: invalid peer certificate: certificate not valid yet"),
    ] {
        let error = with(client_at, server_at).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_client_without_a_certificate_and_a_server_of_another_name_are_refused() {
    let bench = tree();
    let server = Arc::new(server_config(&live(&bench, "server"), clock(now())).unwrap());
    let mut roots = rustls::RootCertStore::empty();
    let text = std::fs::read(bench.path("ca.crt")).unwrap();
    let authority = rustls_pki_types::pem::PemObject::from_pem_slice(&text).unwrap();
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let anonymous = ClientConfig::builder_with_details(provider, clock(now()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let error = connect(&Arc::new(anonymous), &server, "localhost").unwrap_err();
    assert_eq!(error, "server: peer sent no certificates");

    let client = Arc::new(client_config(&live(&bench, "client"), clock(now())).unwrap());
    for name in ["localhost", "etcd.example.com", "127.0.0.1", "::1", "10.0.0.1"] {
        connect(&client, &server, name).unwrap();
    }
    for name in ["example.com", "10.0.0.2"] {
        let error = connect(&client, &server, name).unwrap_err();
        assert!(error.starts_with("client: invalid peer certificate: certificate not valid for name"), "{error}");
    }
}

/// Between the client's proof that the key is its own and the end of the handshake, rustls already
/// shows the certificate; the role must not follow from it.
#[test]
fn there_is_no_role_before_the_handshake_is_done() {
    let bench = tree();
    let mut client = client_config(&live(&bench, "client"), clock(now())).unwrap();
    // So small that no record holds both the end of that proof and all of the last message.
    client.max_fragment_size = Some(32);
    let server = Arc::new(server_config(&live(&bench, "server"), clock(now())).unwrap());
    let mut both = Both::start(&Arc::new(client), &server, "localhost");
    let mut shown_too_early = 0;
    while both.server.is_handshaking() {
        let mut wire = Vec::new();
        while both.client.wants_write() {
            both.client.write_tls(&mut wire).unwrap();
        }
        for byte in wire {
            assert_eq!(both.server.read_tls(&mut &[byte][..]).unwrap(), 1);
            both.server.process_new_packets().unwrap();
            if both.server.is_handshaking() {
                assert_eq!(Role::of_peer(&both.server), Role::None);
                shown_too_early += usize::from(both.server.peer_certificates().is_some());
            }
        }
        let mut wire = Vec::new();
        while both.server.wants_write() {
            both.server.write_tls(&mut wire).unwrap();
        }
        let mut wire = &wire[..];
        while !wire.is_empty() {
            both.client.read_tls(&mut wire).unwrap();
            both.client.process_new_packets().unwrap();
        }
    }
    assert!(shown_too_early > 0, "this test would not notice");
    assert_eq!(Role::of_peer(&both.server), Role::Operate);
}

#[test]
fn tls_1_3_is_preferred_and_1_2_is_spoken() {
    let bench = tree();
    let server = Arc::new(server_config(&live(&bench, "server"), clock(now())).unwrap());
    let client = client_config(&live(&bench, "client"), clock(now())).unwrap();
    let both = connect(&Arc::new(client.clone()), &server, "localhost").unwrap();
    assert_eq!(both.server.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    // rustls cannot narrow a finished configuration, so this client is built by hand, like etcd's of old.
    let identity = files(&bench, "client");
    let pem = |path: &camino::Utf8Path| std::fs::read(path).unwrap();
    let chain: Vec<_> =
        rustls_pki_types::pem::PemObject::pem_slice_iter(&pem(&identity.certificate)).map(Result::unwrap).collect();
    let key = rustls_pki_types::pem::PemObject::from_pem_slice(&pem(&identity.key)).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls_pki_types::pem::PemObject::from_pem_slice(&pem(&bench.path("ca.crt"))).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let old = ClientConfig::builder_with_details(provider, clock(now()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    let both = connect(&Arc::new(old), &server, "localhost").unwrap();
    assert_eq!(both.server.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
    assert_eq!(Role::of_peer(&both.server), Role::Operate);
}

#[test]
fn certificates_are_swapped_without_a_restart_or_a_broken_connection() {
    let bench = tree();
    let (client_live, server_live) = (live(&bench, "client"), live(&bench, "server"));
    let client = Arc::new(client_config(&client_live, clock(now())).unwrap());
    let server = Arc::new(server_config(&server_live, clock(now())).unwrap());
    let mut first = connect(&client, &server, "localhost").unwrap();
    let shown = |both: &Both| {
        (both.client.peer_certificates().unwrap()[0].clone(), both.server.peer_certificates().unwrap()[0].clone())
    };
    let before = shown(&first);

    let authority = e2d_pki::Authority::load(&bench.authority_files()).unwrap();
    let later = now() + days(300);
    assert_eq!(bench.issue(&authority, &leaves(), later).done.len(), 3);
    // On an error what was in use stays in use.
    server_live.reload(&IdentityFiles { key: bench.path("no.key"), ..files(&bench, "server") }, later).unwrap_err();
    assert_eq!(shown(&connect(&client, &server, "localhost").unwrap()), before);

    server_live.reload(&files(&bench, "server"), now()).unwrap_err();
    server_live.reload(&files(&bench, "server"), later).unwrap();
    client_live.reload(&files(&bench, "client"), later).unwrap();
    let at = |config: &Arc<ClientConfig>| {
        let mut config = ClientConfig::clone(config);
        config.time_provider = clock(later);
        Arc::new(config)
    };
    let mut server_later = ServerConfig::clone(&server);
    server_later.time_provider = clock(later);
    let second = connect(&at(&client), &Arc::new(server_later), "localhost").unwrap();
    let after = shown(&second);
    assert!(after.0 != before.0 && after.1 != before.1);
    assert_eq!(first.say("still here"), "still here");
}

/// A resumed session would not be verified again; so there is none, whatever the client wants.
#[test]
fn trust_that_is_withdrawn_ends_with_the_next_connection() {
    let (ours, theirs) = (tree(), tree());
    let mut both = files(&ours, "server");
    both.authorities.push(theirs.path("ca.crt"));
    let server_live = Live::new(Identity::load(&both, now()).unwrap());
    let server = Arc::new(server_config(&server_live, clock(now())).unwrap());
    let trusting = IdentityFiles { authorities: vec![ours.path("ca.crt")], ..files(&theirs, "client") };
    let mut client = client_config(&Live::new(Identity::load(&trusting, now()).unwrap()), clock(now())).unwrap();
    client.resumption = rustls::client::Resumption::in_memory_sessions(8);
    let client = Arc::new(client);
    for _ in 0..2 {
        let both = connect(&client, &server, "localhost").unwrap();
        assert_eq!(both.server.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
    server_live.reload(&files(&ours, "server"), now()).unwrap();
    assert_eq!(connect(&client, &server, "localhost").unwrap_err(), "server: invalid peer certificate: BadSignature");
}

#[test]
fn throw_away_certificates_serve_one_connection_of_both_kinds() {
    let bench = Bench::new();
    let made = e2d_pki::Throwaway::make(now()).unwrap();
    bench.put("ca.crt", &made.authority);
    bench.put("gated.crt", &made.certificate);
    bench.put("gated.key", made.key.as_bytes());
    let gated = live(&bench, "gated");
    let both = handshake(&gated, &gated, now() + days(6)).unwrap();
    assert_eq!(Role::of_peer(&both.server), Role::None);
    handshake(&gated, &gated, now() + days(8)).unwrap_err();
    bench.openssl(&format!("verify -x509_strict -attime {} -CAfile ca.crt gated.crt", now().as_second()));
    // Another one has nothing to do with it.
    let other = Bench::new();
    let stranger = e2d_pki::Throwaway::make(now()).unwrap();
    other.put("ca.crt", &stranger.authority);
    other.put("gated.crt", &stranger.certificate);
    other.put("gated.key", stranger.key.as_bytes());
    handshake(&live(&other, "gated"), &gated, now()).unwrap_err();
}
