//! The manifest: what the writer of an archive knew when its last byte was stored.
//!
//! It is JSON, never changes, and its digest names the archive. Fields that this version does not know
//! are ignored; the digest covers them all the same. It claims, it does not prove: see [`super::Check`].

use super::{Archive, ArchiveName};
use e2d_core::id::{ArchiveId, ClusterId, Digest, Epoch, LineageId, MemberId, NodeId, Nonce, Revision};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The only format that this version writes and reads.
pub const FORMAT: u32 = 1;
/// The largest manifest that is read, in bytes. One that this version writes has less than 1 KiB.
pub const MAX_MANIFEST_BYTES: usize = 64 * 1024;
/// The largest window that a reader keeps, as a power of two: 32 MiB.
pub(super) const MAX_WINDOW_LOG: u8 = 25;
const MIN_WINDOW_LOG: u8 = 20;
const MAX_LEVEL: i32 = 19;
/// The smallest and the largest bolt page, which is what a database's size is a multiple of.
const MIN_PAGE_BYTES: u64 = 512;

/// A number of bytes and their digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// How many.
    pub size_bytes: u64,
    /// Their SHA-256.
    pub sha256: Digest,
}

/// How the database is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compression {
    /// By what.
    pub codec: Codec,
    /// How hard, from 1 to 19. Level 1 is what T5 is measured with.
    pub level: i32,
    /// Looks for repetitions within so many bytes, as a power of two from 20 to 25 (32 MiB), with as much
    /// more memory. Worth it where many versions of the same large objects are kept; else it costs twice
    /// the time for nothing. `None` leaves it to the level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_log: Option<u8>,
}

/// A compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// RFC 8878, one frame with a checksum.
    Zstd,
}

impl Default for Compression {
    fn default() -> Self {
        Self { codec: Codec::Zstd, level: 1, window_log: None }
    }
}

/// How the compressed database is encrypted. This version writes none and reads none; that it knows the
/// fields lets it say so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// Cipher and construction.
    pub scheme: String,
    /// The size of one frame's plain bytes.
    pub frame_bytes: u32,
    /// Commits to the data key, which lies wrapped in the archive's `.key` object.
    pub data_key_id: Digest,
}

/// The archive's `.key` object: the data key, wrapped by a master key. Re-wrapping replaces it and
/// leaves the manifest, and so the archive's id, as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    /// [`FORMAT`].
    pub format: u32,
    /// The epoch of the writer.
    pub epoch: Epoch,
    /// Unlike that of any other state of the object.
    pub nonce: Nonce,
    /// Which data key: [`Encryption::data_key_id`].
    pub data_key_id: Digest,
    /// Which master key unwraps it.
    pub master_key_id: String,
    /// How it is wrapped.
    pub wrapping: String,
    /// The wrapped key, in hexadecimal digits.
    pub wrapped: String,
}

/// What is known of an archive when it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The logical cluster.
    pub lineage: LineageId,
    /// The epoch in which it was taken, from 1.
    pub epoch: Epoch,
    /// Tells it from other archives of the same revision.
    pub nonce: Nonce,
    /// etcd's cluster.
    pub cluster_id: ClusterId,
    /// The member whose database it is.
    pub member_id: MemberId,
    /// The disk of that member.
    pub node_id: NodeId,
    /// The version of the etcd that it was taken from, such as `3.5.35`.
    pub etcd_version: String,
    /// The member's revision just before the snapshot, from 1: the database holds at least this.
    pub revision: Revision,
    /// The member's raft term at that moment.
    pub raft_term: u64,
    /// The raft index that the member had applied at that moment.
    pub raft_index: u64,
    /// When it was taken, by the writer's clock. For people and for retention; never for choosing.
    pub created_at: Timestamp,
    /// The database, without the digest that ends etcd's snapshot.
    pub plain: Extent,
    /// What lies in the store.
    pub stored: Extent,
    /// How the one became the other.
    pub compression: Compression,
    /// How it was encrypted after that; `null` if it was not.
    pub encryption: Option<Encryption>,
    /// The archive that this one continues; `null` for a full one. This version writes only those.
    pub parent: Option<ArchiveId>,
}

/// Why bytes are not a manifest that this version can act on. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Larger than [`MAX_MANIFEST_BYTES`].
    #[error("the manifest has {0} bytes, more than {MAX_MANIFEST_BYTES}")]
    TooLarge(usize),
    /// Not JSON, or not this JSON.
    #[error("the manifest cannot be read: {0}")]
    Malformed(String),
    /// Written by a newer e2d. It may be a good archive.
    #[error("the manifest has format {0}; this e2d reads format {FORMAT}: upgrade it")]
    UnknownFormat(u32),
    /// Its parts contradict one another, or a rule of the format.
    #[error("the manifest contradicts itself: {0}")]
    Inconsistent(&'static str),
}

impl Manifest {
    /// Where the archive lies.
    #[must_use]
    pub fn name(&self) -> ArchiveName {
        ArchiveName { epoch: self.epoch, revision: self.revision, nonce: self.nonce }
    }

    /// Writes the manifest; the bytes are what the archive's id is the digest of.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Nothing in it can fail to be written: there are no maps and no floating numbers.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads a manifest and names its archive.
    pub fn decode(bytes: &[u8]) -> Result<Archive, ManifestError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        let malformed = |error: serde_json::Error| ManifestError::Malformed(error.to_string());
        let Format { format } = serde_json::from_slice(bytes).map_err(malformed)?;
        if format != FORMAT {
            return Err(ManifestError::UnknownFormat(format));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        manifest.validate().map_err(ManifestError::Inconsistent)?;
        Ok(Archive { id: ArchiveId(Digest::of(bytes)), manifest })
    }

    /// Whether it keeps the rules of the format, and if not, which one it breaks.
    pub(super) fn validate(&self) -> Result<(), &'static str> {
        let ensure = |holds: bool, rule| if holds { Ok(()) } else { Err(rule) };
        ensure(self.epoch.0 >= 1 && self.revision.0 >= 1, "epochs and revisions begin with 1")?;
        let printable = |text: &str| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
        ensure(printable(&self.etcd_version), "not a version of etcd")?;
        ensure(
            self.plain.size_bytes > 0 && self.plain.size_bytes.is_multiple_of(MIN_PAGE_BYTES),
            "a database consists of whole pages",
        )?;
        ensure(self.stored.size_bytes > 0, "nothing is stored")?;
        ensure(
            self.encryption.as_ref().is_none_or(|encryption| printable(&encryption.scheme)),
            "not a scheme of encryption",
        )?;
        self.compression.validate()
    }
}

impl Compression {
    /// Whether it is one that readers accept, and if not, why.
    pub(super) fn validate(self) -> Result<(), &'static str> {
        if !(1..=MAX_LEVEL).contains(&self.level) {
            return Err("compression levels go from 1 to 19");
        }
        match self.window_log {
            Some(log) if !(MIN_WINDOW_LOG..=MAX_WINDOW_LOG).contains(&log) => Err("windows go from 2^20 to 2^25 bytes"),
            _ => Ok(()),
        }
    }
}
