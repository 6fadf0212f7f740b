//! What a process shows of itself and whom it trusts: a key, its certificate, and authorities, loaded
//! from files and checked, ready for TLS.
//!
//! Everything that would make every handshake fail is an error here, with the file's name. Keys of all
//! types that rustls knows will do, for they need not be ours.

use crate::certificate::{Certificate, CertificateError};
use crate::chain;
use crate::clock::{Validity, unix_time};
use crate::durable::{self, ReadError};
use crate::leaf::Usage;
use crate::pair::{self, Paths};
use crate::pem::{self, PemError};
use crate::permission::Exposure;
use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// Where an identity lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// The certificate, with its intermediates if there are any.
    pub certificate: Utf8PathBuf,
    /// Its private key.
    pub key: Utf8PathBuf,
    /// The authorities that are trusted: one file, or two while one authority follows another.
    pub authorities: Vec<Utf8PathBuf>,
}

/// A key with its certificate, and whom it trusts.
pub struct Identity {
    certificate: Certificate,
    warnings: Vec<Warning>,
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) for_servers: Arc<dyn ServerCertVerifier>,
    pub(crate) for_clients: Arc<dyn ClientCertVerifier>,
}

/// Something that works, and should be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A group may reach the private key.
    GroupCanReachKey {
        /// The key's file.
        path: Utf8PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// One of several authorities is not valid now, and is not trusted.
    AuthorityNotValid {
        /// Its file.
        path: Utf8PathBuf,
        /// When it is valid.
        validity: Validity,
    },
    /// The new certificate still waits beside its key; the next issue puts it in its place.
    Interrupted {
        /// The certificate's file.
        path: Utf8PathBuf,
    },
}

/// Why there is no identity. Nothing was changed; one that was in use stays in use.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file is not the PEM that is wanted.
    #[error("{path} cannot be used")]
    Pem {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        source: PemError,
    },
    /// A file holds a damaged certificate.
    #[error("{path} cannot be used")]
    Certificate {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        source: CertificateError,
    },
    /// Strict verifiers refuse it, ours among them.
    #[error("{path} is X.509 version {version}, and only version 3 is accepted: issue it anew")]
    Version {
        /// The file.
        path: Utf8PathBuf,
        /// 1 or 2.
        version: u32,
    },
    /// Not valid any more.
    #[error("{path} expired at {}; it is {now}", validity.not_after)]
    Expired {
        /// The file.
        path: Utf8PathBuf,
        /// When it was valid.
        validity: Validity,
        /// The clock.
        now: Timestamp,
    },
    /// Not valid yet: the clock of this machine, or of the one that issued it, is wrong.
    #[error("{path} is not valid before {}; it is {now}", validity.not_before)]
    NotYetValid {
        /// The file.
        path: Utf8PathBuf,
        /// When it will be valid.
        validity: Validity,
        /// The clock.
        now: Timestamp,
    },
    /// A key of a type that TLS does not use, or a damaged one.
    #[error("{0} holds a private key that cannot be used")]
    Key(Utf8PathBuf),
    /// Two files of two pairs.
    #[error("the private key {key} does not belong to the certificate {certificate}")]
    Mismatch {
        /// The certificate's file.
        certificate: Utf8PathBuf,
        /// The key's file.
        key: Utf8PathBuf,
    },
    /// It must count as known to everybody.
    #[error(
        "{path} has mode {mode:04o}: everybody on this machine could use this private key; replace it, or chmod 0600"
    )]
    Exposed {
        /// The key's file.
        path: Utf8PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A certificate that may not issue others is no authority.
    #[error("{path} holds the certificate of {subject}, which is no authority's")]
    NotAnAuthority {
        /// The file.
        path: Utf8PathBuf,
        /// Whom it is about.
        subject: String,
    },
    /// No file of authorities was given.
    #[error("no authority is given, so nobody could be trusted")]
    NoAuthority,
    /// rustls refused what passed all checks.
    #[error("cannot prepare TLS with {path}")]
    Tls {
        /// The certificate's file.
        path: Utf8PathBuf,
        /// What it said.
        source: rustls::Error,
    },
}

impl Identity {
    /// Loads an identity. Of a pair whose replacement was interrupted, the complete one is taken.
    pub fn load(files: &IdentityFiles, now: Timestamp) -> Result<Self, IdentityError> {
        let paths = Paths { certificate: files.certificate.clone(), key: files.key.clone() };
        let pair = pair::read(&paths, pair::belongs)?;
        let mut warnings = Vec::new();
        match Exposure::of(pair.key.mode) {
            Exposure::World => return Err(IdentityError::Exposed { path: paths.key, mode: pair.key.mode }),
            Exposure::Group => {
                warnings.push(Warning::GroupCanReachKey { path: paths.key.clone(), mode: pair.key.mode });
            }
            Exposure::Owner => {}
        }
        if pair.interrupted {
            warnings.push(Warning::Interrupted { path: paths.certificate.clone() });
        }
        let in_key = |source| IdentityError::Pem { path: files.key.clone(), source };
        let key = pem::private_key(&pair.key.bytes).map_err(in_key)?;
        let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)
            .map_err(|_| IdentityError::Key(files.key.clone()))?;
        let (certificate, chain) = own_certificate(&files.certificate, &pair.certificate.bytes, now)?;
        if pair::public_key_info(&key).as_deref() != Some(certificate.public_key_info()) {
            return Err(IdentityError::Mismatch { certificate: paths.certificate, key: paths.key });
        }
        let roots = authorities(&files.authorities, now, &mut warnings)?;
        let tls = |source| IdentityError::Tls { path: files.certificate.clone(), source };
        let prepared = |error: rustls::client::VerifierBuilderError| tls(rustls::Error::General(error.to_string()));
        let for_servers = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), chain::provider());
        let for_clients = WebPkiClientVerifier::builder_with_provider(roots, chain::provider());
        Ok(Self {
            for_servers: for_servers.build().map_err(prepared)?,
            for_clients: for_clients.build().map_err(prepared)?,
            certified: Arc::new(CertifiedKey::new(chain, signing)),
            certificate,
            warnings,
        })
    }

    /// What others with the same authorities will say of the own certificate: whether it serves for all that `usage` names,
    /// as a server's under the address `host`. The name is asked last: an error that it is not valid for the name says that all
    /// else is well.
    pub fn is_accepted(&self, usage: Usage, host: IpAddr, now: Timestamp) -> Result<(), rustls::Error> {
        let Some((leaf, intermediates)) = self.certified.cert.split_first() else { return Ok(()) };
        if usage.connects() {
            self.for_clients.verify_client_cert(leaf, intermediates, unix_time(now))?;
        }
        if usage.serves() {
            self.for_servers.verify_server_cert(leaf, intermediates, &host.into(), &[], unix_time(now))?;
        }
        Ok(())
    }

    /// The own certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// What should be looked at.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

fn own_certificate(
    path: &Utf8Path,
    text: &[u8],
    now: Timestamp,
) -> Result<(Certificate, Vec<CertificateDer<'static>>), IdentityError> {
    let unusable = |source| IdentityError::Pem { path: path.into(), source };
    let chain = pem::certificates(text).map_err(unusable)?;
    let leaf = chain.first().cloned().ok_or_else(|| unusable(PemError::NoCertificate))?;
    let damaged = |source| IdentityError::Certificate { path: path.into(), source };
    let certificate = Certificate::parse(leaf).map_err(damaged)?;
    if certificate.version != 3 {
        return Err(IdentityError::Version { path: path.into(), version: certificate.version });
    }
    check_dates(path, certificate.validity, now)?;
    Ok((certificate, chain))
}

fn check_dates(path: &Utf8Path, validity: Validity, now: Timestamp) -> Result<(), IdentityError> {
    let path = path.into();
    if validity.holds_at(now) {
        Ok(())
    } else if now < validity.not_before {
        Err(IdentityError::NotYetValid { path, validity, now })
    } else {
        Err(IdentityError::Expired { path, validity, now })
    }
}

/// webpki does not ask how old a trust anchor is (etcd and openssl do), so it is asked here: one that is
/// not valid is left out, and if none remains, that is an error.
fn authorities(
    files: &[Utf8PathBuf],
    now: Timestamp,
    warnings: &mut Vec<Warning>,
) -> Result<Arc<RootCertStore>, IdentityError> {
    let (mut valid, mut invalid) = (Vec::new(), Vec::new());
    for path in files {
        let text = durable::read(path)?;
        let found =
            pem::certificates(&text.bytes).map_err(|source| IdentityError::Pem { path: path.clone(), source })?;
        for der in found {
            let damaged = |source| IdentityError::Certificate { path: path.clone(), source };
            let authority = Certificate::parse(der).map_err(damaged)?;
            if !authority.is_authority {
                let subject = authority.subject.to_string();
                return Err(IdentityError::NotAnAuthority { path: path.clone(), subject });
            }
            let list = if authority.validity.holds_at(now) { &mut valid } else { &mut invalid };
            list.push((path, authority));
        }
    }
    if valid.is_empty() {
        let (path, authority) = invalid.first().ok_or(IdentityError::NoAuthority)?;
        check_dates(path, authority.validity, now)?;
    }
    warnings.extend(
        invalid.iter().map(|(path, authority)| Warning::AuthorityNotValid {
            path: (*path).clone(),
            validity: authority.validity,
        }),
    );
    let path = files.first().cloned().unwrap_or_default();
    chain::trust(valid.iter().map(|(_, authority)| authority.der()))
        .map_err(|source| IdentityError::Tls { path, source })
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { certificate, warnings, .. } = self;
        f.debug_struct("Identity")
            .field("subject", &certificate.subject)
            .field("serial", &certificate.serial)
            .field("warnings", warnings)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GroupCanReachKey { path, mode } => {
                write!(f, "{path} has mode {mode:04o}: a group can reach this private key")
            }
            Self::AuthorityNotValid { path, validity } => {
                write!(
                    f,
                    "an authority in {path} is only valid from {} to {}, and is not trusted",
                    validity.not_before, validity.not_after
                )
            }
            Self::Interrupted { path } => {
                write!(f, "the replacement of {path} was interrupted; the new certificate is in use")
            }
        }
    }
}
