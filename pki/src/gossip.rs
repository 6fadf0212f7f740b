//! The secret from which the keys of gossip are derived.
//!
//! By default every node has the authority's private key, as with the old program, and the secret is a
//! function of that key: HKDF-SHA256 (RFC 5869), no salt, a label of its own as `info`, over the key's
//! numbers in their canonical form, so that one key gives one secret in whatever file format it lies.
//! Nothing of the key can be found from the secret. (The old program hashed the key file's DER, and
//! used the result for three purposes.)
//!
//! A cluster whose nodes should not hold the authority's key shares a key file instead. It holds at
//! least 32 random bytes, in one of three forms, told apart by its characters:
//!
//! | characters | form | made by |
//! |---|---|---|
//! | hexadecimal digits only, an even number | hex | `openssl rand -hex 32` |
//! | others of base64 | base64 | `openssl rand -base64 32` |
//! | others than printable ASCII and white space | the bytes themselves | `head -c 32 /dev/urandom` |
//!
//! White space around the text, and line ends in it, do not count. A text that is none of these is
//! refused, and so is one with fewer than [`LEAST_VARIETY`] different bytes: it was typed, not drawn. A
//! passphrase that happens to be base64 cannot be told from random bytes.
//!
//! What is done with the secret (key ids, sealing, a replay window) is the gossip crate's affair.

use crate::base64;
use crate::durable::{self, ReadError};
use crate::key::{KeyError, PrivateKey};
use crate::permission::Exposure;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use camino::{Utf8Path, Utf8PathBuf};
use std::fmt;
use zeroize::Zeroizing;

/// The length of the secret.
pub const SECRET_BYTES: usize = 32;
/// The fewest bytes in a key file, after decoding.
pub const LEAST_BYTES: usize = 32;
/// The most bytes in a key file, before decoding.
pub const MOST_BYTES: usize = 4096;
/// The fewest different bytes in a key file, after decoding. 32 random bytes have fewer less than once
/// in 10^12 draws.
pub const LEAST_VARIETY: usize = 16;

/// Part of the format: another label is another secret, and cuts the cluster in two.
const AUTHORITY_LABEL: &[u8] = b"e2d gossip secret of an authority key, version 1";
/// As above, so that a key file never gives the secret of an authority.
const FILE_LABEL: &[u8] = b"e2d gossip secret of a key file, version 1";

/// 32 secret bytes. Neither shown nor compared by the usual means.
#[derive(Clone)]
pub struct GossipSecret(Zeroizing<[u8; SECRET_BYTES]>);

/// Where a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The file of the authority's private key.
    AuthorityKey(Utf8PathBuf),
    /// A file of random bytes.
    KeyFile(Utf8PathBuf),
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It must count as known to everybody.
    #[error(
        "{path} has mode {mode:04o}: everybody on this machine could join gossip with it; replace it, or chmod 0600"
    )]
    Exposed {
        /// The file.
        path: Utf8PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The authority's key.
    #[error("{path} cannot be used")]
    Key {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
    /// The key file.
    #[error("{path} cannot be used")]
    Material {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        source: MaterialError,
    },
    /// Two sources for a rotation give one secret.
    #[error("{0} and {1} give the same secret, so that nothing would be rotated")]
    Same(Utf8PathBuf, Utf8PathBuf),
}

/// Why the content of a key file is not taken. It tells nothing of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaterialError {
    /// More than [`MOST_BYTES`].
    #[error("larger than {MOST_BYTES} bytes: not a key file")]
    TooLarge,
    /// Text that is neither hex nor base64.
    #[error("text that is neither hex nor base64; make one with: openssl rand -base64 32")]
    NotEncoded,
    /// Fewer than [`LEAST_BYTES`].
    #[error("only {0} bytes, and at least {LEAST_BYTES} are needed; make one with: openssl rand -base64 32")]
    TooShort(usize),
    /// Fewer different bytes than [`LEAST_VARIETY`].
    #[error("not random: it has only {0} different bytes; make one with: openssl rand -base64 32")]
    NotRandom(usize),
    /// A private key or a certificate, which belongs elsewhere.
    #[error("PEM, not a key file; the authority's private key is given as such")]
    Pem,
}

/// One secret to seal with, and perhaps a second one that still opens, while keys are rotated.
#[derive(Clone, Debug)]
pub struct GossipSecrets {
    /// Seals and opens.
    pub current: GossipSecret,
    /// Opens only.
    pub former: Option<GossipSecret>,
}

impl GossipSecrets {
    /// Loads one source or two.
    pub fn load(current: &SecretSource, former: Option<&SecretSource>) -> Result<Self, SecretError> {
        let secrets =
            Self { current: GossipSecret::load(current)?, former: former.map(GossipSecret::load).transpose()? };
        match (&secrets.former, former) {
            (Some(secret), Some(source)) if secret.0 == secrets.current.0 => {
                Err(SecretError::Same(current.path().into(), source.path().into()))
            }
            _ => Ok(secrets),
        }
    }
}

impl SecretSource {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        match self {
            Self::AuthorityKey(path) | Self::KeyFile(path) => path,
        }
    }
}

impl GossipSecret {
    /// Loads from a file. One that everybody on the machine can reach is refused.
    pub fn load(source: &SecretSource) -> Result<Self, SecretError> {
        let path = source.path();
        let content = durable::read(path)?;
        if Exposure::of(content.mode) == Exposure::World {
            return Err(SecretError::Exposed { path: path.into(), mode: content.mode });
        }
        match source {
            SecretSource::AuthorityKey(_) => {
                Self::of_authority_key(&content.bytes).map_err(|source| SecretError::Key { path: path.into(), source })
            }
            SecretSource::KeyFile(_) => {
                Self::of_key_file(&content.bytes).map_err(|source| SecretError::Material { path: path.into(), source })
            }
        }
    }

    /// The secret of an authority's private key, from its PEM.
    pub fn of_authority_key(pem: &[u8]) -> Result<Self, KeyError> {
        let numbers = PrivateKey::from_pem(pem)?.secret()?;
        Self::derive(&numbers, AUTHORITY_LABEL).ok_or(KeyError::Library)
    }

    /// The secret of a key file, from its content.
    pub fn of_key_file(content: &[u8]) -> Result<Self, MaterialError> {
        let material = decode(content)?;
        if material.len() < LEAST_BYTES {
            return Err(MaterialError::TooShort(material.len()));
        }
        let variety = variety(&material);
        if variety < LEAST_VARIETY {
            return Err(MaterialError::NotRandom(variety));
        }
        Self::derive(&material, FILE_LABEL).ok_or(MaterialError::NotEncoded)
    }

    fn derive(material: &[u8], label: &[u8]) -> Option<Self> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        let extracted = Salt::new(HKDF_SHA256, &[]).extract(material);
        let info = [label];
        extracted.expand(&info, Length).ok()?.fill(secret.as_mut_slice()).ok()?;
        Some(Self(secret))
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        SECRET_BYTES
    }
}

fn decode(content: &[u8]) -> Result<Zeroizing<Vec<u8>>, MaterialError> {
    if content.len() > MOST_BYTES {
        return Err(MaterialError::TooLarge);
    }
    if !content.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
        return Ok(Zeroizing::new(content.to_vec()));
    }
    if content.starts_with(b"-----BEGIN ") {
        return Err(MaterialError::Pem);
    }
    let text: Zeroizing<Vec<u8>> = {
        let mut text = Zeroizing::new(Vec::with_capacity(content.len()));
        // Blanks within a text are no line ends, and stay to be refused.
        text.extend(content.trim_ascii().iter().filter(|byte| !matches!(byte, b'\n' | b'\r')));
        text
    };
    if text.len().is_multiple_of(2) && text.iter().all(u8::is_ascii_hexdigit) {
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 2));
        bytes.extend(text.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | hex_value(*digit))));
        return Ok(bytes);
    }
    base64::decode(&text).ok_or(MaterialError::NotEncoded)
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

fn variety(bytes: &[u8]) -> usize {
    let mut seen = [false; 256];
    for byte in bytes {
        seen[usize::from(*byte)] = true;
    }
    seen.iter().filter(|seen| **seen).count()
}

impl fmt::Debug for GossipSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GossipSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::hex;
    use proptest::prelude::*;

    fn refusal(content: impl AsRef<[u8]>) -> MaterialError {
        GossipSecret::of_key_file(content.as_ref()).unwrap_err()
    }

    /// The format, here and below: a change cuts every cluster in two. Both values were computed by
    /// another implementation of HKDF.
    #[test]
    fn the_secret_of_a_key_file_is_fixed() {
        let content: Vec<u8> = (128..160).collect();
        let secret = GossipSecret::of_key_file(&content).unwrap();
        assert_eq!(hex(secret.expose()), "3edcc0a954f9f7d360371e2539966de307acd524ad89a7b35c715319dd27a1d9");
    }

    #[test]
    fn the_secret_of_an_authority_is_fixed() {
        // RFC 6979, appendix A.2.5: a P-256 key that nobody will use.
        let key = "-----BEGIN PRIVATE KEY-----\n\
            MEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCDJr6nYRbp1FmtcIVdn\n\
            sdaTTlDD2zbomxJ7imIrEg9nIQ==\n-----END PRIVATE KEY-----\n";
        let secret = GossipSecret::of_authority_key(key.as_bytes()).unwrap();
        assert_eq!(hex(secret.expose()), "1d7ef05291ad521d29f6e83f59ea5cd5ab598cd7615f0280327be58ba3dadb86");
    }

    #[test]
    fn bad_key_files_are_told_apart() {
        assert_eq!(refusal(""), MaterialError::TooShort(0));
        assert_eq!(refusal("0123456789abcdef"), MaterialError::TooShort(8));
        assert_eq!(refusal("c2hvcnQ="), MaterialError::TooShort(5));
        assert_eq!(refusal("correct horse battery staple, for all of us"), MaterialError::NotEncoded);
        assert_eq!(refusal("00".repeat(64)), MaterialError::NotRandom(1));
        assert_eq!(refusal("0123456789abcdef".repeat(8)), MaterialError::NotRandom(8));
        assert_eq!(refusal([0xff; 64]), MaterialError::NotRandom(1));
        assert_eq!(refusal("A".repeat(MOST_BYTES + 1)), MaterialError::TooLarge);
        assert_eq!(refusal("-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n"), MaterialError::Pem);
    }

    proptest! {
        /// S22; and a secret is never all zeros.
        #[test]
        fn any_content_is_a_secret_or_an_error(content: Vec<u8>) {
            if let Ok(secret) = GossipSecret::of_key_file(&content) {
                prop_assert_ne!(*secret.expose(), [0; SECRET_BYTES]);
            }
        }

        /// One bit more or less is another secret.
        #[test]
        fn every_bit_counts(mut content in proptest::collection::vec(128_u8..=255, 64..100), bit in 0_usize..512) {
            prop_assume!(variety(&content) > LEAST_VARIETY + 1);
            let before = *GossipSecret::of_key_file(&content).unwrap().expose();
            content[bit / 8] ^= 1 << (bit % 8);
            prop_assert_ne!(*GossipSecret::of_key_file(&content).unwrap().expose(), before);
        }
    }
}
