//! PEM (RFC 7468): the text in which certificates and keys lie on disk.
//!
//! A file may hold text around its sections, which is skipped, as openssl writes it. Nothing that a
//! file holds is ever repeated in an error. Buffers that may hold a key are wiped, but for the scratch
//! space of the library that reads the base64.

use crate::base64;
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

/// Characters of base64 in a line.
const LINE_LENGTH: usize = 64;

/// Why a text holds nothing that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// No `-----BEGIN` in it.
    #[error("not PEM: no line starts with -----BEGIN")]
    NotPem,
    /// A section without an end, or whose content is not base64.
    #[error("damaged PEM: a section has no end or is not base64")]
    Damaged,
    /// It holds other things.
    #[error("holds no CERTIFICATE section")]
    NoCertificate,
    /// It holds other things.
    #[error("holds no private key (RSA PRIVATE KEY, EC PRIVATE KEY or PRIVATE KEY)")]
    NoPrivateKey,
    /// Which of them is meant cannot be known.
    #[error("holds more than one private key")]
    SeveralPrivateKeys,
    /// The passphrase is not asked for.
    #[error("the private key is encrypted; decrypt it first: openssl pkey -in FILE -out NEW-FILE")]
    Encrypted,
}

/// Writes one section. What it holds may be secret.
pub(crate) fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let base64 = base64::encode(der);
    let markers = 2 * (label.len() + "-----BEGIN -----\n".len());
    let mut text = Zeroizing::new(String::with_capacity(markers + base64.len() + base64.len() / LINE_LENGTH + 1));
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE_LENGTH));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

/// All certificates of a text, in its order: at least one.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let mut found = Vec::new();
    for section in sections(text)? {
        if let (SectionKind::Certificate, der) = section {
            found.push(CertificateDer::from(der.to_vec()));
        }
    }
    if found.is_empty() { Err(PemError::NoCertificate) } else { Ok(found) }
}

/// The one private key of a text.
pub(crate) fn private_key(text: &[u8]) -> Result<Zeroizing<PrivateKeyDer<'static>>, PemError> {
    if is_encrypted(text) {
        return Err(PemError::Encrypted);
    }
    let mut found = None;
    for (kind, der) in sections(text)? {
        let Some(key) = PrivateKeyDer::from_pem(kind, der.to_vec()) else { continue };
        if found.replace(Zeroizing::new(key)).is_some() {
            return Err(PemError::SeveralPrivateKeys);
        }
    }
    found.ok_or(PemError::NoPrivateKey)
}

/// Whether a private key is in it, readable or not.
pub(crate) fn mentions_private_key(text: &[u8]) -> bool {
    contains(text, b"PRIVATE KEY-----")
}

type Section = (SectionKind, Zeroizing<Vec<u8>>);

fn sections(text: &[u8]) -> Result<Vec<Section>, PemError> {
    if !contains(text, b"-----BEGIN ") {
        return Err(PemError::NotPem);
    }
    let mut found = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
        // The library's errors quote lines of the file.
        let (kind, der) = section.map_err(|_| PemError::Damaged)?;
        found.push((kind, Zeroizing::new(der)));
    }
    Ok(found)
}

/// PKCS#8 says it in the label (RFC 7468, section 11), the older formats in a header (RFC 1421).
fn is_encrypted(text: &[u8]) -> bool {
    contains(text, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || contains(text, b"Proc-Type: 4,ENCRYPTED")
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n";
    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAwQF\n-----END CERTIFICATE-----\n";

    #[test]
    fn a_section_is_written_as_openssl_writes_it() {
        let text = encode("CERTIFICATE", &[7; 49]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "-----BEGIN CERTIFICATE-----");
        assert_eq!((lines[1].len(), lines[2].len(), lines.len()), (64, 4, 4));
        assert_eq!(lines[3], "-----END CERTIFICATE-----");
        // One allocation: growing would leave a copy of a key behind.
        assert!(text.capacity() < text.len() + 4, "{} {}", text.capacity(), text.len());
    }

    #[test]
    fn both_may_stand_in_one_file_among_other_text() {
        let text = format!("subject=CN = x\r\n{KEY}between\n{CERTIFICATE}{CERTIFICATE}");
        assert_eq!(certificates(text.as_bytes()).unwrap().len(), 2);
        assert_eq!(private_key(text.as_bytes()).unwrap().secret_der(), [0, 1, 2]);
    }

    #[test]
    fn what_cannot_be_used_is_told_apart() {
        let key = |text: &str| private_key(text.as_bytes()).unwrap_err();
        assert_eq!(key(""), PemError::NotPem);
        assert_eq!(key("\0\u{1}binary"), PemError::NotPem);
        assert_eq!(key(CERTIFICATE), PemError::NoPrivateKey);
        assert_eq!(key(&KEY.repeat(2)), PemError::SeveralPrivateKeys);
        assert_eq!(key(&KEY.replace("AAEC", "A*EC")), PemError::Damaged);
        assert_eq!(key(&KEY.replace("-----END PRIVATE KEY-----", "")), PemError::Damaged);
        assert_eq!(key(&KEY.replace(" PRIVATE", " ENCRYPTED PRIVATE")), PemError::Encrypted);
        let header = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAEC";
        assert_eq!(key(&KEY.replace("AAEC", header)), PemError::Encrypted);
        assert_eq!(certificates(KEY.as_bytes()).unwrap_err(), PemError::NoCertificate);
    }

    proptest! {
        /// S22.
        #[test]
        fn hostile_text_is_an_error_at_worst(
            start in "(-----BEGIN (CERTIFICATE|RSA PRIVATE KEY|X)-----\n)?",
            middle: Vec<u8>,
            end in "(\n-----END (CERTIFICATE|RSA PRIVATE KEY|X)-----\n)?",
        ) {
            let text = [start.as_bytes(), &middle, end.as_bytes()].concat();
            let _ = certificates(&text);
            let _ = private_key(&text);
        }

        #[test]
        fn what_is_written_is_read(der in proptest::collection::vec(any::<u8>(), 1..300)) {
            prop_assert_eq!(certificates(encode("CERTIFICATE", &der).as_bytes()).unwrap()[0].to_vec(), der.clone());
            let key = encode("EC PRIVATE KEY", &der);
            prop_assert_eq!(private_key(key.as_bytes()).unwrap().secret_der().to_vec(), der);
        }
    }
}
