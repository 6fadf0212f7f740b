//! Private keys of ours: made, read, written, and signing.
//!
//! They lie in memory of aws-lc, which wipes what it frees, and leave it only as PEM in a buffer that
//! is wiped. `Debug` shows the type alone. Keys that are only *used* for TLS may be of more types: see
//! [`crate::Identity`].

use crate::pem::{self, PemError};
use aws_lc_rs::encoding::{AsBigEndian, AsDer};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair as RsaPair,
};
use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey};
use rustls_pki_types::PrivateKeyDer;
use std::fmt;
use x509_parser::asn1_rs::{FromDer, Integer, OctetString, Sequence};
use zeroize::Zeroizing;

/// The types of key that are made here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyType {
    /// RSA of 2048 bits: what the old program made, and the only type of authority key that it reads.
    #[default]
    Rsa2048,
    /// ECDSA on P-256: smaller, and far cheaper to sign with.
    EcdsaP256,
}

/// Why there is no private key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text does not hold one.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Neither RSA of 2048 to 8192 bits nor ECDSA on P-256, or its numbers do not fit together.
    #[error("not an RSA key of 2048 to 8192 bits and not an ECDSA key on P-256 ({0})")]
    Rejected(&'static str),
    /// The cryptographic library failed: it has no randomness or no memory.
    #[error("the cryptographic library could not make or write a key")]
    Library,
}

/// A private key that can sign certificates.
pub struct PrivateKey(Kind);

enum Kind {
    Rsa(RsaPair),
    Ecdsa(EcdsaKeyPair),
}

impl PrivateKey {
    /// Makes a new one.
    pub fn generate(key_type: KeyType) -> Result<Self, KeyError> {
        let kind = match key_type {
            KeyType::Rsa2048 => RsaPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).map(Kind::Rsa),
            KeyType::EcdsaP256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map(Kind::Ecdsa),
        };
        kind.map(Self).map_err(|_| KeyError::Library)
    }

    /// Reads the one private key of a text: PKCS#1 (`RSA PRIVATE KEY`), SEC1 (`EC PRIVATE KEY`) or
    /// PKCS#8 (`PRIVATE KEY`).
    pub fn from_pem(text: &[u8]) -> Result<Self, KeyError> {
        let der = pem::private_key(text)?;
        Self::from_der(&der)
    }

    pub(crate) fn from_der(der: &PrivateKeyDer<'_>) -> Result<Self, KeyError> {
        let ecdsa = |der| EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der).map(Kind::Ecdsa);
        let kind = match der {
            PrivateKeyDer::Pkcs1(der) => RsaPair::from_der(der.secret_pkcs1_der()).map(Kind::Rsa),
            PrivateKeyDer::Sec1(der) => ecdsa(der.secret_sec1_der()),
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                ecdsa(der).or_else(|_| RsaPair::from_pkcs8(der).map(Kind::Rsa))
            }
            _ => return Err(KeyError::Pem(PemError::NoPrivateKey)),
        };
        kind.map(Self).map_err(|error| KeyError::Rejected(error.description_()))
    }

    /// Writes it: RSA as PKCS#1, because the old program reads nothing else; ECDSA as PKCS#8, which
    /// everything reads.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        match &self.0 {
            Kind::Rsa(_) => Ok(pem::encode("RSA PRIVATE KEY", &self.secret()?)),
            Kind::Ecdsa(pair) => {
                let der = pair.to_pkcs8v1().map_err(|_| KeyError::Library)?;
                Ok(pem::encode("PRIVATE KEY", der.as_ref()))
            }
        }
    }

    /// Its type and size, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.0 {
            Kind::Rsa(pair) => format!("RSA {}", pair.public_modulus_len() * 8),
            Kind::Ecdsa(_) => "ECDSA P-256".into(),
        }
    }

    /// The secret numbers in their one canonical form, whatever file format they came in: the DER of
    /// `RSAPrivateKey` (RFC 8017, appendix A.1.2), or the P-256 scalar as 32 bytes, big-endian.
    pub(crate) fn secret(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match &self.0 {
            Kind::Rsa(pair) => {
                let pkcs8 = pair.as_der().map_err(|_| KeyError::Library)?;
                unwrap_pkcs8(pkcs8.as_ref()).ok_or(KeyError::Library)
            }
            Kind::Ecdsa(pair) => {
                let scalar = pair.private_key().as_be_bytes().map_err(|_| KeyError::Library)?;
                Ok(Zeroizing::new(scalar.as_ref().to_vec()))
            }
        }
    }

    pub(crate) fn is_rsa(&self) -> bool {
        matches!(self.0, Kind::Rsa(_))
    }

    /// The DER of its `SubjectPublicKeyInfo`: equal for a key and the certificate that belongs to it.
    #[must_use]
    pub fn public_key_info(&self) -> Vec<u8> {
        self.subject_public_key_info()
    }
}

/// `PrivateKeyInfo` (RFC 5208): version, algorithm, and the key as an octet string.
fn unwrap_pkcs8(der: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (_, outer) = Sequence::from_der(der).ok()?;
    let content: &[u8] = outer.content.as_ref();
    let (rest, _version) = Integer::from_der(content).ok()?;
    let (rest, _algorithm) = Sequence::from_der(rest).ok()?;
    let (_, key) = OctetString::from_der(rest).ok()?;
    Some(Zeroizing::new(key.as_ref().to_vec()))
}

impl PublicKeyData for PrivateKey {
    fn der_bytes(&self) -> &[u8] {
        match &self.0 {
            Kind::Rsa(pair) => pair.public_key().as_ref(),
            Kind::Ecdsa(pair) => pair.public_key().as_ref(),
        }
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match &self.0 {
            Kind::Rsa(_) => &rcgen::PKCS_RSA_SHA256,
            Kind::Ecdsa(_) => &rcgen::PKCS_ECDSA_P256_SHA256,
        }
    }
}

impl SigningKey for PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let random = SystemRandom::new();
        let signature = match &self.0 {
            Kind::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map(|()| signature)
            }
            Kind::Ecdsa(pair) => pair.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
        };
        signature.map_err(|_| rcgen::Error::RingUnspecified)
    }
}

/// Tells the type, never a number.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.describe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_comes_back_from_its_file() {
        for (key_type, label, name) in [
            (KeyType::Rsa2048, "-----BEGIN RSA PRIVATE KEY-----", "PrivateKey(RSA 2048)"),
            (KeyType::EcdsaP256, "-----BEGIN PRIVATE KEY-----", "PrivateKey(ECDSA P-256)"),
        ] {
            let key = PrivateKey::generate(key_type).unwrap();
            let text = key.to_pem().unwrap();
            assert!(text.starts_with(label), "{}", &text[..40]);
            let again = PrivateKey::from_pem(text.as_bytes()).unwrap();
            assert_eq!(again.public_key_info(), key.public_key_info());
            assert_eq!(again.secret().unwrap(), key.secret().unwrap());
            // S19.
            assert_eq!(format!("{again:?}"), name);
        }
    }

    #[test]
    fn other_keys_are_refused_and_nothing_of_them_is_told() {
        let text = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0IG51bWJlcnM=\n-----END PRIVATE KEY-----\n";
        let error = PrivateKey::from_pem(text.as_bytes()).unwrap_err();
        assert!(matches!(error, KeyError::Rejected(_)), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }

    proptest! {
        /// S22.
        #[test]
        fn hostile_der_is_an_error_at_worst(der: Vec<u8>, cut in 0_usize..200, flip in 0_usize..200) {
            for label in ["RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"] {
                let _ = PrivateKey::from_pem(pem::encode(label, &der).as_bytes());
            }
            let mut der = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()
                .to_pkcs8v1().unwrap().as_ref().to_vec();
            let at = flip % der.len();
            der[at] ^= 0x40;
            der.truncate(cut);
            let _ = PrivateKey::from_pem(pem::encode("PRIVATE KEY", &der).as_bytes());
            let _ = unwrap_pkcs8(&der);
        }
    }
}
