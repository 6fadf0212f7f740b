//! Takes a snapshot to the store.
//!
//! The snapshot is compressed in a blocking thread while the store takes what has come out of it, so that
//! neither waits for the other; a few MiB lie between them. Nothing is ever on a local disk.

use super::encode::{EncodeError, Encoded, encode};
use super::{Archive, Compression, FORMAT, Manifest, Part, SnapshotForm};
use crate::pipe::{self, PumpError};
use crate::store::{Condition, Disposition, Key, Store, StoreError};
use e2d_core::id::{ArchiveId, ClusterId, Digest, Epoch, LineageId, MemberId, NodeId, Nonce, Revision};
use jiff::Timestamp;
use std::io;
use tokio::io::AsyncRead;

/// How often a small write whose reply was lost is looked at before that is left to the caller.
const LOOKS: usize = 3;

/// What the writer knows before the snapshot begins. Each field is one of [`Manifest`]'s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The logical cluster.
    pub lineage: LineageId,
    /// The writer's epoch: it decides where the archive lies (S16).
    pub epoch: Epoch,
    /// Fresh for each attempt.
    pub nonce: Nonce,
    /// etcd's cluster.
    pub cluster_id: ClusterId,
    /// The member that gives the snapshot.
    pub member_id: MemberId,
    /// Its disk.
    pub node_id: NodeId,
    /// Its version.
    pub etcd_version: String,
    /// Its revision before the snapshot.
    pub revision: Revision,
    /// Its raft term before the snapshot.
    pub raft_term: u64,
    /// The raft index it had applied before the snapshot.
    pub raft_index: u64,
    /// Now, by the writer's clock.
    pub created_at: Timestamp,
}

/// Why there is no archive. At worst a data object without a manifest is left, which is none.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The statement cannot be a manifest. Nothing was written.
    #[error("the archive cannot be described: {0}")]
    Statement(&'static str),
    /// The snapshot is not what it should be, or broke off. Nothing was written.
    #[error("the snapshot cannot be archived")]
    Snapshot(#[from] EncodeError),
    /// The store did not take the data.
    #[error("the archive's data cannot be stored")]
    Data(#[source] StoreError),
    /// The store took the data, but not the manifest.
    #[error("the archive's manifest cannot be stored")]
    Manifest(#[source] StoreError),
}

impl WriteError {
    /// What the caller should do next. After anything but [`Disposition::Fatal`], a new attempt needs a
    /// new nonce.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Data(error) | Self::Manifest(error) => error.disposition(),
            Self::Snapshot(EncodeError::Compression(_)) | Self::Statement(_) => Disposition::Fatal,
            Self::Snapshot(_) => Disposition::Retry,
        }
    }
}

/// Streams a snapshot to the store and makes it an archive.
///
/// Takes memory for a few chunks and the compression's window, whatever the size: see
/// [`Compression::window_log`]. If the returned future is dropped, there is no archive, or a whole one.
pub async fn write(
    store: &dyn Store,
    statement: &Statement,
    form: SnapshotForm,
    compression: Compression,
    snapshot: &mut (dyn AsyncRead + Send + Unpin),
) -> Result<Archive, WriteError> {
    // What cannot be a manifest should not cost an upload.
    let page = super::Extent { size_bytes: 4096, sha256: Digest([0; 32]) };
    let mut manifest = statement.manifest(Encoded { plain: page, stored: page }, compression);
    manifest.validate().map_err(WriteError::Statement)?;
    let encoded = upload(store, &manifest.name().key(Part::Data), form, compression, snapshot).await?;
    (manifest.plain, manifest.stored) = (encoded.plain, encoded.stored);
    let bytes = manifest.encode();
    put_once(store, &manifest.name().key(Part::Manifest), &bytes).await.map_err(WriteError::Manifest)?;
    Ok(Archive { id: ArchiveId(Digest::of(&bytes)), manifest })
}

impl Statement {
    fn manifest(&self, encoded: Encoded, compression: Compression) -> Manifest {
        Manifest {
            format: FORMAT,
            lineage: self.lineage,
            epoch: self.epoch,
            nonce: self.nonce,
            cluster_id: self.cluster_id,
            member_id: self.member_id,
            node_id: self.node_id,
            etcd_version: self.etcd_version.clone(),
            revision: self.revision,
            raft_term: self.raft_term,
            raft_index: self.raft_index,
            created_at: self.created_at,
            plain: encoded.plain,
            stored: encoded.stored,
            compression,
            encryption: None,
            parent: None,
        }
    }
}

/// snapshot → pipe → thread that compresses → pipe → store.
async fn upload(
    store: &dyn Store,
    key: &Key,
    form: SnapshotForm,
    compression: Compression,
    snapshot: &mut (dyn AsyncRead + Send + Unpin),
) -> Result<Encoded, WriteError> {
    let (feed, mut plain) = pipe::into_thread();
    let (packed, mut stream) = pipe::out_of_thread();
    let mut thread = tokio::task::spawn_blocking(move || {
        let (encoded, packed) = encode(&mut plain, form, compression, packed)?;
        // Only now does the store learn that this was all.
        packed.finish().map_err(EncodeError::Sink)?;
        Ok(encoded)
    });
    let mut encoding = Box::pin(async {
        let pumped = tokio::select! {
            // A thread that fails does not wait for a snapshot that stalls.
            encoded = &mut thread => return joined(encoded),
            pumped = feed.pump(snapshot) => pumped,
        };
        let encoded = joined(thread.await);
        match pumped {
            Err(PumpError::Source(error)) => Err(EncodeError::Source(error)),
            Ok(()) | Err(PumpError::Reader) => encoded,
        }
    });
    let mut storing = store.put_stream(key, &mut stream);
    let (encoded, stored) = tokio::select! {
        stored = &mut storing => match stored {
            // The store saw the end, or the lack of one: either way the thread is done.
            Ok(_) | Err(StoreError::Source { .. }) => (encoding.await, stored),
            // A store that fails does not wait for a snapshot either.
            Err(error) => return Err(WriteError::Data(error)),
        },
        encoded = &mut encoding => (encoded, storing.await),
    };
    match (encoded, stored) {
        (Ok(encoded), Ok(_)) => Ok(encoded),
        (Ok(_), Err(error)) => Err(WriteError::Data(error)),
        // That the store then lacked the end says nothing new.
        (Err(error), _) => Err(error.into()),
    }
}

fn joined(encoded: Result<Result<Encoded, EncodeError>, tokio::task::JoinError>) -> Result<Encoded, EncodeError> {
    encoded.unwrap_or_else(|error| Err(EncodeError::Source(io::Error::from(error))))
}

/// Creates a small object that nobody else creates with other bytes: after a lost reply, what is there
/// tells whether it was written.
async fn put_once(store: &dyn Store, key: &Key, bytes: &[u8]) -> Result<(), StoreError> {
    let mut looks = 0;
    loop {
        let Err(error) = store.put(key, bytes, Condition::Absent).await else { return Ok(()) };
        looks += 1;
        if error.disposition() != Disposition::LookAgain || looks > LOOKS {
            return Err(error);
        }
        match store.get(key, bytes.len()).await {
            Ok(Some(found)) if found.bytes == bytes => return Ok(()),
            Ok(None) => {}
            // Something else is there, or nobody can look: the first error says it best.
            Ok(Some(_)) | Err(_) => return Err(error),
        }
    }
}
