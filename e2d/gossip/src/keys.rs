//! The gossip key: one or two master secrets, and everything that is derived from them.
//!
//! Each purpose has a key of its own by HKDF-SHA256 (RFC 5869) under a label of its own: packets (one
//! key per sending process, so that a counter is nonce enough), the key's public id, and the mark of
//! ownership on the lineage object. Secrets are wiped when dropped, and nothing here has a `Debug`.

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::hmac;
use e2d_core::id::{BootId, NodeId};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The fewest bytes of a master secret.
const MIN_SECRET_BYTES: usize = 32;

const SALT: &[u8] = b"e2d gossip";
const LABEL_ID: &[u8] = b"e2d gossip key id 1";
const LABEL_PACKETS: &[u8] = b"e2d gossip packets 1";
const LABEL_OWNER: &[u8] = b"e2d lineage owner 1";

/// Known to everybody: it hides nothing, and only lets keyless nodes share the sealed code path.
const PUBLIC_SECRET: &[u8; MIN_SECRET_BYTES] = b"e2d runs without a key: insecure";

/// Why a key could not be made. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A short secret could be guessed.
    #[error("the gossip secret has {len} bytes, at least 32 are needed")]
    TooShort {
        /// Bytes given.
        len: usize,
    },
    /// The cryptographic library refused.
    #[error("the gossip key could not be derived")]
    Derivation,
}

/// The bytes that a key file holds, or that were derived from the CA key: at least 32.
pub struct MasterSecret(Zeroizing<Vec<u8>>);

impl MasterSecret {
    /// Takes the bytes over.
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Result<Self, KeyError> {
        match bytes.len() {
            len if len < MIN_SECRET_BYTES => Err(KeyError::TooShort { len }),
            _ => Ok(Self(bytes)),
        }
    }
}

/// Names a key in clear, in the header of each packet.
pub(crate) type KeyId = [u8; 4];

/// Which key of the ring made a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFit {
    /// The key in use.
    Newest,
    /// The key that is being rotated out, or not yet in use: rewrite the mark.
    Other,
}

struct Key {
    id: KeyId,
    /// From which each sending process has its own key.
    packets: Prk,
    owner: hmac::Key,
}

/// One or two keys: the first seals, both open. Cheap to clone; changed in a running engine by
/// `Input::Keys`.
///
/// A rotation that nobody notices takes three rounds over all nodes: (old, new), (new, old), (new).
#[derive(Clone)]
pub struct Keyring {
    keys: Arc<[Key]>,
    is_public: bool,
}

impl Keyring {
    /// A ring that seals with `first` and opens with both.
    pub fn new(first: &MasterSecret, second: Option<&MasterSecret>) -> Result<Self, KeyError> {
        let keys = [Some(first), second].into_iter().flatten().map(|secret| Key::derive(&secret.0));
        Ok(Self { keys: keys.collect::<Result<_, _>>()?, is_public: false })
    }

    /// The ring of nodes that run without a key. Anybody can open and forge their packets: whoever
    /// uses it listens on loopback only, or was told to be insecure.
    pub fn insecure() -> Result<Self, KeyError> {
        Ok(Self { keys: [Key::derive(PUBLIC_SECRET)?].into(), is_public: true })
    }

    /// Whether this is the ring of [`Keyring::insecure`].
    #[must_use]
    pub fn is_insecure(&self) -> bool {
        self.is_public
    }

    /// Marks `bytes` as ours: HMAC-SHA256 (RFC 2104) under the newest key.
    #[must_use]
    pub fn owner_mac(&self, bytes: &[u8]) -> [u8; 32] {
        let mut mac = [0; 32];
        if let Some(key) = self.keys.first() {
            mac.copy_from_slice(hmac::sign(&key.owner, bytes).as_ref());
        }
        mac
    }

    /// Whether a key of this ring made `mac` over `bytes`, and which. Takes constant time per key.
    #[must_use]
    pub fn verify_owner(&self, bytes: &[u8], mac: &[u8; 32]) -> Option<KeyFit> {
        let fits = |key: &Key| hmac::verify(&key.owner, bytes, mac).is_ok();
        match self.keys.iter().position(fits)? {
            0 => Some(KeyFit::Newest),
            _ => Some(KeyFit::Other),
        }
    }

    /// The key with which the process (`node`, `boot`) seals, and its id.
    pub(crate) fn sealing_key(&self, node: NodeId, boot: BootId) -> Option<(KeyId, LessSafeKey)> {
        let key = self.keys.first()?;
        Some((key.id, key.packet_key(node, boot)?))
    }

    /// The keys with which a packet of (`node`, `boot`) under `id` may have been sealed. More than one
    /// only if two ids collide.
    pub(crate) fn opening_keys(&self, id: KeyId, node: NodeId, boot: BootId) -> impl Iterator<Item = LessSafeKey> {
        self.keys.iter().filter(move |key| key.id == id).filter_map(move |key| key.packet_key(node, boot))
    }

    /// Whether any key has this id.
    pub(crate) fn knows(&self, id: KeyId) -> bool {
        self.keys.iter().any(|key| key.id == id)
    }
}

impl Key {
    fn derive(secret: &[u8]) -> Result<Self, KeyError> {
        let root = Salt::new(HKDF_SHA256, SALT).extract(secret);
        let mut id = KeyId::default();
        let filled = root.expand(&[LABEL_ID], Bytes(id.len())).and_then(|okm| okm.fill(&mut id));
        filled.map_err(|_| KeyError::Derivation)?;
        let packets = root.expand(&[LABEL_PACKETS], HKDF_SHA256).map_err(|_| KeyError::Derivation)?.into();
        let owner = root.expand(&[LABEL_OWNER], hmac::HMAC_SHA256).map_err(|_| KeyError::Derivation)?.into();
        Ok(Self { id, packets, owner })
    }

    fn packet_key(&self, node: NodeId, boot: BootId) -> Option<LessSafeKey> {
        let (node, boot) = (node.0.to_be_bytes(), boot.0.to_be_bytes());
        let info = [node.as_slice(), &boot];
        let okm = self.packets.expand(&info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(okm)))
    }
}

/// A length of derived bytes.
struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> MasterSecret {
        MasterSecret::new(Zeroizing::new(vec![byte; 32])).unwrap()
    }

    #[test]
    fn a_short_secret_is_refused() {
        let error = MasterSecret::new(Zeroizing::new(vec![7; 31])).err().unwrap();
        assert_eq!(error.to_string(), "the gossip secret has 31 bytes, at least 32 are needed");
    }

    #[test]
    fn a_mark_fits_any_key_of_the_ring_and_no_other() {
        let old = Keyring::new(&secret(1), None).unwrap();
        let both = Keyring::new(&secret(2), Some(&secret(1))).unwrap();
        let mark = old.owner_mac(b"lineage");
        assert_eq!(old.verify_owner(b"lineage", &mark), Some(KeyFit::Newest));
        assert_eq!(both.verify_owner(b"lineage", &mark), Some(KeyFit::Other));
        assert_eq!(both.verify_owner(b"lineage", &both.owner_mac(b"lineage")), Some(KeyFit::Newest));
        assert_eq!(both.verify_owner(b"another", &mark), None);
        assert_eq!(Keyring::new(&secret(2), None).unwrap().verify_owner(b"lineage", &mark), None);
    }

    /// Marks are kept in the store and ids are on the wire: neither may ever change for a given secret.
    #[test]
    fn derivations_are_those_of_version_1() {
        let ring = Keyring::new(&secret(1), None).unwrap();
        let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        assert_eq!(hex(&ring.keys[0].id), "15b75898");
        let mark = "b62d0c8f626b161c2491bc12b97ad5070abd2795ac8e8b6f102190f88253a11d";
        assert_eq!(hex(&ring.owner_mac(b"lineage")), mark);
    }
}
