//! Whether a verifier would accept a chain: asked of webpki, as rustls will ask it.

use crate::clock::unix_time;
use crate::leaf::Usage;
use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls_pki_types::CertificateDer;
use std::sync::{Arc, LazyLock};

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// The one cryptographic provider, never taken from the process-wide default.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

/// Trust in these authorities. An unusable one is an error.
pub(crate) fn trust<'a>(
    authorities: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> Result<Arc<RootCertStore>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone())?;
    }
    Ok(Arc::new(roots))
}

/// Whether `leaf` is accepted for all that `usage` names, at that moment. Host names are not asked.
pub(crate) fn verify(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    roots: &Arc<RootCertStore>,
    usage: Usage,
    at: Timestamp,
) -> Result<(), rustls::Error> {
    let provider = provider();
    if usage.serves() {
        let algorithms = provider.signature_verification_algorithms.all;
        let parsed = ParsedCertificate::try_from(leaf)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, unix_time(at), algorithms)?;
    }
    if usage.connects() {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider)
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        verifier.verify_client_cert(leaf, intermediates, unix_time(at))?;
    }
    Ok(())
}
