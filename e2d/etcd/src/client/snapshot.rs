//! The stream of a member's database.
//!
//! What comes is a database file of the moment at which the stream began, then 32 bytes of SHA-256 over all before.
//! They prove the way here and not the server's disk. The server holds a read transaction open for as long as the
//! stream lives, and its database may grow meanwhile: read on, or drop it.

use super::CallError;
use super::error::Call;
use etcd_client::SnapshotStreaming;
use std::time::Duration;

/// A database that is being streamed.
pub struct Snapshot {
    pub(super) stream: SnapshotStreaming,
    pub(super) place: String,
    pub(super) patience: Duration,
}

/// A part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The bytes that follow those of the chunk before.
    pub bytes: Vec<u8>,
    /// How many bytes are to come, without the digest.
    pub remaining: u64,
}

impl Snapshot {
    /// The next part; `None` at the end. After an error the stream is of no use.
    ///
    /// Fails when no part comes for as long as the client's deadline.
    pub async fn next(&mut self) -> Result<Option<Chunk>, CallError> {
        let call = Call { name: "snapshot", place: &self.place, changes: false };
        let answer = tokio::time::timeout(self.patience, self.stream.message()).await;
        let part = answer.map_err(|_| call.timed_out())?.map_err(|error| call.failed(&error))?;
        Ok(part.map(|part| Chunk { bytes: part.blob().to_vec(), remaining: part.remaining_bytes() }))
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("place", &self.place).finish_non_exhaustive()
    }
}
