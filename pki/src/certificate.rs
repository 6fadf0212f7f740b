//! Certificates as plain data: what one says, not whether it is true.
//!
//! Whether somebody trusted signed it is asked of [`crate::inspect`] and of TLS itself.

use crate::clock::Validity;
use crate::host::Host;
use crate::name::Name;
use aws_lc_rs::digest;
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::parse_x509_certificate;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// Extended key usages, by what they allow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExtendedUsage {
    /// To be a TLS server.
    ServerAuth,
    /// To be a TLS client.
    ClientAuth,
    /// Anything.
    Any,
    /// Something that is not used here, by its object identifier or the library's name for it.
    Other(String),
}

/// What a certificate says of itself.
#[derive(Clone, Serialize)]
pub struct Certificate {
    /// 1 to 3. Strict verifiers, rustls among them, refuse all but 3.
    pub version: u32,
    /// Who it is about.
    pub subject: Name,
    /// Who issued it, as it says.
    pub issuer: Name,
    /// The hosts that it is good for.
    pub hosts: BTreeSet<Host>,
    /// How many alternative names it has that are no hosts, or damaged.
    pub other_names: usize,
    /// The key usages by their names in RFC 5280, section 4.2.1.3.
    pub key_usages: Vec<&'static str>,
    /// What for; empty where it does not say, which means: anything.
    pub extended_usages: BTreeSet<ExtendedUsage>,
    /// Whether it says that it may issue certificates.
    pub is_authority: bool,
    /// When it is valid.
    #[serde(flatten)]
    pub validity: Validity,
    /// The serial number in hex.
    pub serial: String,
    /// SHA-256 over all of it, in hex.
    pub fingerprint_sha256: String,
    /// Type and size of its key, for people.
    pub key: String,
    /// Its own key identifier, in hex.
    pub subject_key_id: Option<String>,
    /// Its issuer's, in hex.
    pub authority_key_id: Option<String>,
    #[serde(skip)]
    der: CertificateDer<'static>,
    #[serde(skip)]
    subject_der: Vec<u8>,
    #[serde(skip)]
    issuer_der: Vec<u8>,
    #[serde(skip)]
    public_key_info: Vec<u8>,
}

/// The bytes are no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an X.509 certificate, or a damaged one")]
pub struct CertificateError;

impl Certificate {
    /// Reads one from its DER. Nothing may follow it, and no extension may stand in it twice.
    pub fn parse(der: CertificateDer<'static>) -> Result<Self, CertificateError> {
        let parsed = match parse_x509_certificate(&der) {
            Ok(([], parsed)) if parsed.extensions_map().is_ok() => parsed,
            _ => return Err(CertificateError),
        };
        let (hosts, other_names) = alternative_names(&parsed);
        let certificate = Self {
            version: parsed.version().0.saturating_add(1),
            subject: Name::of(parsed.subject()),
            issuer: Name::of(parsed.issuer()),
            hosts,
            other_names,
            key_usages: key_usages(&parsed),
            extended_usages: extended_usages(&parsed),
            is_authority: parsed.is_ca(),
            validity: Validity {
                not_before: timestamp(parsed.validity().not_before.timestamp()),
                not_after: timestamp(parsed.validity().not_after.timestamp()),
            },
            serial: hex(without_leading_zero(parsed.raw_serial())),
            fingerprint_sha256: hex(digest::digest(&digest::SHA256, &der).as_ref()),
            key: describe_key(parsed.public_key()),
            subject_key_id: key_id(&parsed, |extension| match extension {
                ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
                _ => None,
            }),
            authority_key_id: key_id(&parsed, |extension| match extension {
                ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0),
                _ => None,
            }),
            subject_der: parsed.subject().as_raw().to_vec(),
            issuer_der: parsed.issuer().as_raw().to_vec(),
            public_key_info: parsed.public_key().raw.to_vec(),
            der: CertificateDer::from(Vec::new()),
        };
        drop(parsed);
        Ok(Self { der, ..certificate })
    }

    /// All of it.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The DER of its `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_key_info(&self) -> &[u8] {
        &self.public_key_info
    }

    /// Whether it names `authority` as its issuer, byte by byte as verifiers compare.
    #[must_use]
    pub fn names_as_issuer(&self, authority: &Self) -> bool {
        self.issuer_der == authority.subject_der
    }

    /// Whether it names itself as its issuer.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.names_as_issuer(self)
    }

    pub(crate) fn subject_der(&self) -> &[u8] {
        &self.subject_der
    }

    pub(crate) fn issuer_der(&self) -> &[u8] {
        &self.issuer_der
    }
}

/// What tells certificates apart, without pages of bytes.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, issuer, hosts, extended_usages, validity, serial, .. } = self;
        f.debug_struct("Certificate")
            .field("subject", subject)
            .field("issuer", issuer)
            .field("hosts", hosts)
            .field("extended_usages", extended_usages)
            .field("validity", validity)
            .field("serial", serial)
            .finish_non_exhaustive()
    }
}

/// Every moment that a certificate can tell; the last day of 9999, "for ever" in RFC 5280, is cut to
/// what the type holds.
fn timestamp(second: i64) -> Timestamp {
    let range = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
    Timestamp::from_second(second.clamp(*range.start(), *range.end())).unwrap_or(Timestamp::MAX)
}

fn alternative_names(parsed: &X509Certificate<'_>) -> (BTreeSet<Host>, usize) {
    let mut hosts = BTreeSet::new();
    let mut other_names = 0;
    let Ok(Some(extension)) = parsed.subject_alternative_name() else { return (hosts, other_names) };
    for name in &extension.value.general_names {
        let host = match name {
            GeneralName::DNSName(name) => name.parse().ok(),
            GeneralName::IPAddress(bytes) => match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
                (Ok(v4), _) => Some(Host::Ip(IpAddr::from(v4))),
                (_, Ok(v6)) => Some(Host::Ip(IpAddr::from(v6))),
                _ => None,
            },
            _ => None,
        };
        match host {
            Some(host) => drop(hosts.insert(host)),
            None => other_names += 1,
        }
    }
    (hosts, other_names)
}

fn key_usages(parsed: &X509Certificate<'_>) -> Vec<&'static str> {
    let Ok(Some(extension)) = parsed.key_usage() else { return Vec::new() };
    let usage = extension.value;
    [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "nonRepudiation"),
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.key_cert_sign(), "keyCertSign"),
        (usage.crl_sign(), "cRLSign"),
        (usage.encipher_only(), "encipherOnly"),
        (usage.decipher_only(), "decipherOnly"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
    .collect()
}

fn extended_usages(parsed: &X509Certificate<'_>) -> BTreeSet<ExtendedUsage> {
    let Ok(Some(extension)) = parsed.extended_key_usage() else { return BTreeSet::new() };
    let usage = extension.value;
    let named = [
        (usage.server_auth, ExtendedUsage::ServerAuth),
        (usage.client_auth, ExtendedUsage::ClientAuth),
        (usage.any, ExtendedUsage::Any),
        (usage.code_signing, ExtendedUsage::Other("codeSigning".into())),
        (usage.email_protection, ExtendedUsage::Other("emailProtection".into())),
        (usage.time_stamping, ExtendedUsage::Other("timeStamping".into())),
        (usage.ocsp_signing, ExtendedUsage::Other("OCSPSigning".into())),
    ];
    let named = named.into_iter().filter_map(|(set, name)| set.then_some(name));
    named.chain(usage.other.iter().map(|oid| ExtendedUsage::Other(oid.to_id_string()))).collect()
}

fn key_id<'a>(
    parsed: &'a X509Certificate<'a>,
    select: impl Fn(&'a ParsedExtension<'a>) -> Option<&'a [u8]>,
) -> Option<String> {
    parsed.iter_extensions().find_map(|extension| select(extension.parsed_extension())).map(hex)
}

fn describe_key(info: &SubjectPublicKeyInfo<'_>) -> String {
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
        Ok(PublicKey::EC(point)) => format!("ECDSA P-{}", point.key_size()),
        _ => format!("{} (object identifier)", info.algorithm.algorithm.to_id_string()),
    }
}

/// DER puts a zero before a number whose first bit is set.
fn without_leading_zero(number: &[u8]) -> &[u8] {
    match number {
        [0, rest @ ..] if !rest.is_empty() => rest,
        _ => number,
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Authority, KeyType};
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static REAL: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let authority = Authority::create(&Authority::default_name(), KeyType::EcdsaP256, now).unwrap();
        authority.certificate().der().to_vec()
    });

    #[test]
    fn nothing_may_follow_a_certificate() {
        let mut der = REAL.clone();
        Certificate::parse(der.clone().into()).unwrap();
        der.push(0);
        assert_eq!(Certificate::parse(der.into()).unwrap_err(), CertificateError);
    }

    #[test]
    fn the_last_day_of_rfc_5280_is_a_moment() {
        assert_eq!(timestamp(253_402_300_799), Timestamp::from_second(Timestamp::MAX.as_second()).unwrap());
        assert_eq!(timestamp(i64::MIN).as_second(), Timestamp::MIN.as_second());
    }

    proptest! {
        /// S22.
        #[test]
        fn hostile_der_is_an_error_at_worst(
            noise: Vec<u8>,
            flips in proptest::collection::vec((0_usize..600, any::<u8>()), 1..8),
            cut in 0_usize..600,
        ) {
            let _ = Certificate::parse(noise.into());
            let mut der = REAL.clone();
            for (at, value) in flips {
                let at = at % der.len();
                der[at] = value;
            }
            if let Ok(certificate) = Certificate::parse(der.clone().into()) {
                let _ = format!("{certificate:?} {}", serde_json::to_string(&certificate).unwrap());
            }
            der.truncate(cut);
            let _ = Certificate::parse(der.into());
        }
    }
}
