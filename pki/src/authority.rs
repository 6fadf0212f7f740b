//! Certificate authorities: made, loaded, saved, and issuing.
//!
//! An authority is its certificate with its key, and the two are checked to belong together before
//! anything else. Whether it is still valid is for the caller's clock: see [`crate::issue`].

use crate::certificate::{Certificate, CertificateError};
use crate::clock::Validity;
use crate::host::Host;
use crate::key::{KeyError, KeyType, PrivateKey};
use crate::leaf::{BACKDATED, Leaf};
use crate::name::{Attribute, Name, NameError};
use crate::pem::{self, PemError};
use jiff::{SignedDuration, Timestamp};
use rcgen::string::{BmpString, Ia5String, PrintableString, TeletexString};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use std::fmt;
use x509_parser::asn1_rs::Tag;
use x509_parser::parse_x509_certificate;
use zeroize::Zeroizing;

mod files;
pub use files::{AuthorityFiles, Existing, LoadError, SaveError, Saved};

/// The life of an authority: ten years of 365 days.
pub const AUTHORITY_LIFE: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

/// An authority with its private key.
pub struct Authority {
    certificate: Certificate,
    key: PrivateKey,
    /// How its certificates name it: what rcgen takes instead of a certificate.
    issuer: CertificateParams,
}

/// Why there is no authority. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The key cannot be read or made.
    #[error("the authority's private key cannot be used")]
    Key(#[from] KeyError),
    /// The text does not hold a certificate.
    #[error("the authority's certificate cannot be read")]
    Pem(#[from] PemError),
    /// It holds a damaged one.
    #[error("the authority's certificate cannot be read")]
    Certificate(#[from] CertificateError),
    /// No certificate of the text has the public part of the key.
    #[error("the private key does not belong to the certificate of {0}")]
    Mismatch(String),
    /// It may not issue certificates.
    #[error("the certificate of {0} is not an authority's: it says CA:FALSE, or its key usage lacks keyCertSign")]
    NotAnAuthority(String),
    /// It cannot be named as the issuer byte by byte, so that its certificates would not verify.
    #[error("the subject {0} has a form that cannot be repeated as an issuer")]
    Subject(String),
    /// The name cannot be written.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The clock shows a time that no certificate can bear.
    #[error("{0} is outside of the years 1970 to 9999")]
    Clock(Timestamp),
    /// The library that writes certificates failed.
    #[error("cannot write the certificate of {name}")]
    Write {
        /// Whom it is about.
        name: String,
        /// What the library said.
        source: rcgen::Error,
    },
}

impl Authority {
    /// The subject of the old program's authority, with town and state each in its place.
    #[must_use]
    pub fn default_name() -> Name {
        Name::new("e2d-ca")
            .with(Attribute::Country, "US")
            .with(Attribute::State, "MA")
            .with(Attribute::Locality, "Boston")
            .with(Attribute::Organization, "Critical Stack")
    }

    /// Makes an authority of its own: a new key, and a certificate of [`AUTHORITY_LIFE`] that may issue
    /// leaves but no further authorities.
    pub fn create(name: &Name, key_type: KeyType, now: Timestamp) -> Result<Self, AuthorityError> {
        Self::with_key(name, PrivateKey::generate(key_type)?, now)
    }

    fn with_key(name: &Name, key: PrivateKey, now: Timestamp) -> Result<Self, AuthorityError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name.to_rcgen()?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(random_serial()?);
        let validity = Validity::from(now, BACKDATED, AUTHORITY_LIFE).ok_or(AuthorityError::Clock(now))?;
        validity.write_to(&mut params);
        let written =
            params.self_signed(&key).map_err(|source| AuthorityError::Write { name: name.to_string(), source })?;
        Self::new(Certificate::parse(written.der().clone())?, key)
    }

    /// Reads an authority from PEM. Of several certificates, as a bundle holds them while one authority
    /// follows another, the one that belongs to the key is taken.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, AuthorityError> {
        let key = PrivateKey::from_pem(key)?;
        let candidates = pem::certificates(certificate)?;
        let candidates = candidates.into_iter().map(Certificate::parse).collect::<Result<Vec<_>, _>>()?;
        let subjects: Vec<String> = candidates.iter().map(|candidate| candidate.subject.to_string()).collect();
        let public = key.public_key_info();
        match candidates.into_iter().find(|candidate| candidate.public_key_info() == public) {
            Some(certificate) => Self::new(certificate, key),
            None => Err(AuthorityError::Mismatch(subjects.join(" or of "))),
        }
    }

    /// `certificate` is known to belong to `key`.
    fn new(certificate: Certificate, key: PrivateKey) -> Result<Self, AuthorityError> {
        let subject = certificate.subject.to_string();
        let may_sign = certificate.key_usages.is_empty() || certificate.key_usages.contains(&"keyCertSign");
        if !certificate.is_authority || !may_sign {
            return Err(AuthorityError::NotAnAuthority(subject));
        }
        let unrepeatable = || AuthorityError::Subject(subject.clone());
        let mut issuer = CertificateParams::default();
        issuer.distinguished_name = repeat_subject(certificate.der()).ok_or_else(unrepeatable)?;
        if let Some(id) = key_id(certificate.der()) {
            issuer.key_identifier_method = KeyIdMethod::PreSpecified(id);
        }
        let authority = Self { certificate, key, issuer };
        // rcgen keeps one attribute of each kind, so the only sure way is to look at what it writes.
        let trial = authority.issuer.self_signed(&authority.key);
        let trial = trial.map_err(|source| AuthorityError::Write { name: subject.clone(), source })?;
        let trial = Certificate::parse(trial.der().clone())?;
        if trial.issuer_der() == authority.certificate.subject_der() { Ok(authority) } else { Err(unrepeatable()) }
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The authority's own certificate as text.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        pem::encode("CERTIFICATE", self.certificate.der()).to_string()
    }

    /// The private key as text: see [`PrivateKey::to_pem`] for its form.
    pub fn key_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        self.key.to_pem()
    }

    /// Issues a certificate for `key`, with a random serial number of 128 bits. Everything else about
    /// it was decided before.
    pub fn issue(&self, leaf: &Leaf, key: &PrivateKey, validity: Validity) -> Result<Certificate, AuthorityError> {
        let failed = |source| AuthorityError::Write { name: leaf.subject.to_string(), source };
        let mut params = CertificateParams::default();
        params.distinguished_name = leaf.subject.to_rcgen()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = self.certificate.subject_key_id.is_some();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if key.is_rsa() {
            // The key exchange of TLS 1.2's oldest suites, which etcd still offers.
            params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
        }
        if leaf.usage.serves() {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        if leaf.usage.connects() {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        }
        for host in &leaf.hosts {
            params.subject_alt_names.push(match host {
                Host::Dns(name) => SanType::DnsName(name.as_str().try_into().map_err(failed)?),
                Host::Ip(address) => SanType::IpAddress(*address),
            });
        }
        params.serial_number = Some(random_serial()?);
        validity.write_to(&mut params);
        let issuer = Issuer::from_params(&self.issuer, &self.key);
        let written = params.signed_by(key, &issuer).map_err(failed)?;
        Ok(Certificate::parse(written.der().clone())?)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { certificate, key, issuer: _ } = self;
        f.debug_struct("Authority").field("certificate", certificate).field("key", key).finish_non_exhaustive()
    }
}

/// 128 random bits (RFC 5280, section 4.1.2.2, allows up to 159 that are not negative).
fn random_serial() -> Result<SerialNumber, KeyError> {
    let mut serial = [0; 16];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| KeyError::Library)?;
    Ok(SerialNumber::from_slice(&serial))
}

fn key_id(der: &CertificateDer<'_>) -> Option<Vec<u8>> {
    use x509_parser::extensions::ParsedExtension;
    let (_, parsed) = parse_x509_certificate(der).ok()?;
    parsed.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    })
}

/// A certificate's subject in the encodings that it has. `None`: an encoding that cannot be written.
fn repeat_subject(der: &CertificateDer<'_>) -> Option<DistinguishedName> {
    let (_, parsed) = parse_x509_certificate(der).ok()?;
    let mut name = DistinguishedName::new();
    for attribute in parsed.subject().iter_attributes() {
        let oid: Vec<u64> = attribute.attr_type().iter()?.collect();
        let bytes = attribute.as_slice();
        let text = || std::str::from_utf8(bytes).ok();
        let value = match attribute.attr_value().tag() {
            Tag::Utf8String => DnValue::Utf8String(text()?.to_owned()),
            Tag::PrintableString => DnValue::PrintableString(PrintableString::try_from(text()?).ok()?),
            Tag::Ia5String => DnValue::Ia5String(Ia5String::try_from(text()?).ok()?),
            Tag::T61String => DnValue::TeletexString(TeletexString::try_from(text()?).ok()?),
            Tag::BmpString => DnValue::BmpString(BmpString::from_utf16be(bytes.to_vec()).ok()?),
            _ => return None,
        };
        name.push(DnType::from_oid(&oid), value);
    }
    Some(name)
}
