//! TLS for servers and clients whose certificates and authorities change while they run.
//!
//! Both sides show a certificate and verify the other's (mutual TLS, 1.2 or 1.3). Everything is looked
//! up in a [`Live`] identity at the moment of a handshake, so that a reload needs no restart and breaks
//! no connection. Sessions are never resumed: a resumed session is not verified again, and would
//! outlive the trust in its authority.
//!
//! Certificates that were revoked are not known here; leaves live for a year, and authorities can be
//! replaced.

use crate::chain;
use crate::identity::{Identity, IdentityError, IdentityFiles};
use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::{Arc, PoisonError, RwLock};

/// An identity that can be swapped under running servers and clients.
#[derive(Debug)]
pub struct Live(RwLock<Arc<Identity>>);

impl Live {
    /// Starts with `identity`.
    #[must_use]
    pub fn new(identity: Identity) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Arc::new(identity))))
    }

    /// The identity that the next handshake takes.
    #[must_use]
    pub fn current(&self) -> Arc<Identity> {
        // Nothing can panic between locking and unlocking, so that poison means nothing here.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Swaps the identity, certificate and trust at once, and returns the former one. Connections that
    /// are established live on.
    pub fn replace(&self, identity: Identity) -> Arc<Identity> {
        let next = Arc::new(identity);
        std::mem::replace(&mut self.0.write().unwrap_or_else(PoisonError::into_inner), next)
    }

    /// Loads the files again and swaps to what they hold. On an error the former identity stays in use.
    pub fn reload(&self, files: &IdentityFiles, now: Timestamp) -> Result<Arc<Identity>, IdentityError> {
        Ok(self.replace(Identity::load(files, now)?))
    }
}

/// A server that demands a client certificate. Protocols (ALPN) are the caller's to add. `clock` is
/// [`rustls::time_provider::DefaultTimeProvider`] outside of tests.
pub fn server_config(live: &Arc<Live>, clock: Arc<dyn TimeProvider>) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_details(chain::provider(), clock)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(Now(Arc::clone(live))))
        .with_cert_resolver(Arc::new(Now(Arc::clone(live))));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// A client that shows its certificate. Protocols (ALPN) are the caller's to add. `clock` as for
/// [`server_config`].
pub fn client_config(live: &Arc<Live>, clock: Arc<dyn TimeProvider>) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_details(chain::provider(), clock)
        .with_safe_default_protocol_versions()?
        // What rustls calls dangerous is any verifier of one's own; this one asks webpki's.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Now(Arc::clone(live))))
        .with_client_cert_resolver(Arc::new(Now(Arc::clone(live))));
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Answers rustls's questions with the identity of this moment.
#[derive(Debug)]
struct Now(Arc<Live>);

impl ResolvesServerCert for Now {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.current().certified))
    }
}

impl ResolvesClientCert for Now {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.current().certified))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Now {
    /// No hints: they would have to outlive the authorities that they name, and a client with one
    /// certificate needs none.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.0.current().for_clients.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.current().for_clients.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.current().for_clients.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.current().for_clients.supported_verify_schemes()
    }
}

impl ServerCertVerifier for Now {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let current = self.0.current();
        current.for_servers.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.current().for_servers.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.current().for_servers.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.current().for_servers.supported_verify_schemes()
    }
}
