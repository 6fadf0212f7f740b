//! Certificates and gossip's keys: loaded at the start, read again on SIGHUP.
//!
//! At the start a file that cannot be used ends the process: nothing was changed, and a person must mend
//! it. While it runs, what cannot be used is said and the former stays in use, so that a half-done renewal
//! takes nobody down. etcd itself reads its certificates and keys at each handshake.

use crate::admin::v1::Certificate;
use crate::config::{KeyPair, Keys};
use camino::Utf8PathBuf;
use e2d_gossip::{Keyring, MasterSecret};
use e2d_pki::inspect::{self, Content};
use e2d_pki::tls::{self, Live};
use e2d_pki::{GossipSecret, GossipSecrets, Identity, IdentityError, IdentityFiles, Usage};
use jiff::Timestamp;
use rustls::time_provider::DefaultTimeProvider;
use std::error::Error;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

const SERVER: &str = "server-cert";
const PEER: &str = "peer-cert";

/// The certificates of this node.
pub(super) struct Certificates {
    keys: Keys,
    hosts: [(IpAddr, bool); 2],
    server: Arc<Live>,
    peer: Arc<Live>,
    shown: RwLock<Vec<Certificate>>,
}

fn files(keys: &Keys, pair: &KeyPair) -> IdentityFiles {
    IdentityFiles { certificate: pair.cert.clone(), key: pair.key.clone(), authorities: vec![keys.ca_cert.clone()] }
}

/// Why a certificate of this node is of no use. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CertificateError {
    /// A file cannot be used.
    #[error("--{flag} cannot be used")]
    Unusable {
        /// The flag that names it.
        flag: &'static str,
        /// What is wrong with it.
        source: IdentityError,
    },
    /// Who trusts the configured authority refuses it: etcd would take it, and nobody would speak with it.
    #[error("{path} would be refused by all who trust the authority in {authority}: {why}")]
    Refused {
        /// The certificate's file.
        path: Utf8PathBuf,
        /// The authority's file.
        authority: Utf8PathBuf,
        /// What a verifier says.
        why: String,
    },
}

/// Reads a pair and looks at it as every peer and client of ours will, which reach us at `host`, and only there if `by_name`.
fn load(
    keys: &Keys,
    flag: &'static str,
    pair: &KeyPair,
    (host, by_name): (IpAddr, bool),
) -> Result<Identity, CertificateError> {
    let now = Timestamp::now();
    let identity =
        Identity::load(&files(keys, pair), now).map_err(|source| CertificateError::Unusable { flag, source })?;
    for warning in identity.warnings() {
        tracing::warn!(what = %warning, "a certificate should be looked at");
    }
    let usage = if flag == PEER { Usage::ServerAndClient } else { Usage::Server };
    if let Err(error) = identity.is_accepted(usage, host, now) {
        let (path, authority, why) = (pair.cert.clone(), keys.ca_cert.clone(), error.to_string());
        if by_name || !is_about_the_name(&error) {
            return Err(CertificateError::Refused { path, authority, why });
        }
        tracing::warn!(file = %path, why, "whoever goes to this node by its address will refuse this certificate");
    }
    Ok(identity)
}

fn is_about_the_name(error: &rustls::Error) -> bool {
    use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(error, rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
}

impl Certificates {
    /// Loads them all. Clients are sent to `client_ip`, and may know this node by a name alone, or by that of a balancer; etcd's
    /// peers reach it at `peer_ip`, if it `is_new`.
    pub(super) fn load(
        keys: &Keys,
        client_ip: IpAddr,
        peer_ip: IpAddr,
        is_new: bool,
    ) -> Result<Self, CertificateError> {
        let hosts = [(client_ip, false), (peer_ip, is_new)];
        let server = Live::new(load(keys, SERVER, &keys.server, hosts[0])?);
        let peer = Live::new(load(keys, PEER, &keys.peer, hosts[1])?);
        let all = Self { keys: keys.clone(), hosts, server, peer, shown: RwLock::default() };
        all.look();
        Ok(all)
    }

    /// Reads them again. What cannot be used stays as it was.
    pub(super) fn reload(&self) {
        let pairs = [
            (SERVER, &self.server, &self.keys.server, self.hosts[0]),
            (PEER, &self.peer, &self.keys.peer, self.hosts[1]),
        ];
        for (flag, live, pair, host) in pairs {
            match load(&self.keys, flag, pair, host).map(|identity| live.replace(identity)) {
                Ok(_) => tracing::info!(file = %pair.cert, "certificate read again"),
                Err(error) => {
                    let error = super::describe::chain(&error);
                    tracing::error!(error, "a certificate cannot be taken up, the former stays in use");
                }
            }
        }
        self.look();
    }

    /// What accepts connections with a client's certificate; ALPN for HTTP/2 if `http2`.
    pub(super) fn acceptor(&self, http2: bool) -> Result<TlsAcceptor, rustls::Error> {
        let mut config = tls::server_config(&self.server, Arc::new(DefaultTimeProvider))?;
        config.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Until when each is valid, as it is used now; the authority as its file says.
    pub(super) fn shown(&self) -> Vec<Certificate> {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn look(&self) {
        let used = |kind: &str, live: &Live, path: &Utf8PathBuf| {
            shown(kind, path, live.current().certificate().validity.not_after)
        };
        let mut all =
            vec![used("server", &self.server, &self.keys.server.cert), used("peer", &self.peer, &self.keys.peer.cert)];
        let authority = inspect::inspect(std::slice::from_ref(&self.keys.ca_cert), Timestamp::now());
        let ends = authority.files.iter().filter_map(|file| match &file.content {
            // Of several authorities the last to end counts: one follows another.
            Content::Certificates { certificates } => {
                certificates.iter().map(|report| report.certificate.validity.not_after).max()
            }
            _ => None,
        });
        all.extend(ends.max().map(|ends| shown("authority", &self.keys.ca_cert, ends)));
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

fn shown(kind: &str, path: &Utf8PathBuf, not_after: Timestamp) -> Certificate {
    Certificate {
        kind: kind.to_owned(),
        path: path.to_string(),
        not_after: not_after.to_string(),
        not_after_seconds: not_after.as_second(),
    }
}

/// The keys of gossip from the configured secrets, or, where nobody can reach us or the operator does not
/// care, the one that everybody knows.
pub(super) fn keyring(keys: Option<&Keys>) -> Result<Keyring, Box<dyn Error + Send + Sync>> {
    let Some(keys) = keys else { return Ok(Keyring::insecure()?) };
    let secrets = GossipSecrets::load(&keys.gossip.seal, keys.gossip.open.as_ref())?;
    let master = |secret: &GossipSecret| MasterSecret::new(Zeroizing::new(secret.expose().to_vec()));
    let former = secrets.former.as_ref().map(master).transpose()?;
    Ok(Keyring::new(&master(&secrets.current)?, former.as_ref())?)
}
