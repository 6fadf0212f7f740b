//! Archives: full backups of one member, as they lie in a store.
//!
//! The format and its reasons are in `docs/adr/0006-archive-format.md`. In short: a data object, then a
//! manifest that is written last and never changes, then the record of the last read-back. An archive
//! without a manifest does not exist; one without a record that says *sound* does not count (S15).
//!
//! * [`write()`] takes etcd's snapshot stream to the store, [`encode`] is its pure part.
//! * [`fetch`] brings an archive back as a file, [`decode`] is its pure part.
//! * [`check`] reads one back, opens it as a database and records what it found.
//!
//! Nothing here decides when to take, restore or delete an archive; which one to restore is in
//! [`crate::choice`].

mod check;
mod decode;
mod encode;
mod manifest;
mod name;
mod read;
mod summed;
mod unnamed;
mod write;

pub(crate) use check::MAX_CHECK_BYTES;
pub use check::{Check, CheckError, Found, Outcome, check, read_back, record};
pub use decode::{DecodeError, decode};
pub use encode::{EncodeError, Encoded, SnapshotForm, encode};
pub use manifest::{
    Codec, Compression, Encryption, Extent, FORMAT, MAX_MANIFEST_BYTES, Manifest, ManifestError, WrappedKey,
};
pub use name::{ArchiveName, FOLDER, Part};
pub use read::{FetchError, fetch, fetch_counted};
pub use write::{Statement, WriteError, write};

use e2d_core::id::ArchiveId;

/// An archive whose manifest was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// The digest of the manifest's bytes.
    pub id: ArchiveId,
    /// What the manifest says.
    pub manifest: Manifest,
}

impl Archive {
    /// Where it lies.
    #[must_use]
    pub fn name(&self) -> ArchiveName {
        self.manifest.name()
    }
}
