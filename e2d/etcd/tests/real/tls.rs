//! The open client port under mutual TLS, and settings that change while a client lives.

use crate::rig::{Node, Parts, address, get, put};
use camino::Utf8Path;
use e2d_etcd::child::Cause;
use e2d_etcd::client::{Client, Kind, Place, Reading, TlsSettings};
use e2d_etcd::launch::{Gate, Tls};
use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::sync::watch;

on_each_version!(the_open_port_takes_mutual_tls);

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for an address, as PEM, and its key.
    fn issue(&self, ip: Ipv4Addr) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![ip.to_string()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    fn files(&self, dir: &Utf8Path, ip: Ipv4Addr) -> Tls {
        let (certificate, key) = self.issue(ip);
        let file = |name: &str, content: String| {
            let path = dir.join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        Tls {
            certificate: file("cert.pem", certificate.pem()),
            key: file("key.pem", key.serialize_pem()),
            authority: file("ca.pem", self.0.pem()),
        }
    }

    fn client(&self, identity: Option<(rcgen::Certificate, KeyPair)>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots);
        Arc::new(match identity {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                config.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
            }
        })
    }
}

async fn the_open_port_takes_mutual_tls(parts: Parts) {
    let mut node = Node::new(&parts, "n0");
    let files = tempfile::tempdir_in("/dev/shm").unwrap();
    let files = Utf8Path::from_path(files.path()).unwrap();
    let (ip, port) = address();
    let (authority, stranger) = (Authority::new(), Authority::new());
    node.launch.client_tls = Some(authority.files(files, ip));
    node.launch.client.listen = vec![format!("https://{ip}:{port}").parse().unwrap()];
    node.launch.client.advertise = node.launch.client.listen.clone();
    node.launch.gate = Gate::Open;
    let socket = node.serve().await;
    put(&socket, 1).await;

    let (settings, config) = watch::channel(authority.client(None));
    let name = ServerName::from(std::net::IpAddr::V4(ip));
    let tls = TlsSettings { name, config };
    let client = Client::new(Place::Tcp(format!("{ip}:{port}")), Some(tls), None).await.unwrap();
    assert!(client.status().await.is_err(), "nobody without a certificate");
    let identity = || authority.issue(ip);
    settings.send_replace(stranger.client(Some(identity())));
    let error = client.status().await.unwrap_err();
    assert_eq!(error.kind, Kind::NotConnected, "a server of another authority: {error}");
    settings.send_replace(authority.client(Some(stranger.issue(ip))));
    assert!(client.status().await.is_err(), "a client of another authority");
    settings.send_replace(authority.client(Some(identity())));
    assert_eq!(client.revision(Reading::Linearizable).await.unwrap().0, 2, "and the same client, once it may");
    assert_eq!(get(&client, "k0").await.as_deref(), Some("v0"));
    assert_eq!(node.stop().await.cause, Cause::Stopped);
}
