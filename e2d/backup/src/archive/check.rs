//! Reads an archive back, opens it as a database, and records what was found.
//!
//! The record lies beside the manifest and is replaced by each later check. What it says is evidence, not
//! a claim: whoever writes `sound` has held both digests against the bytes in the store and has gone
//! through every page and record (S15). A store that cannot be asked, or a disk without room, gives an
//! error and no record: it says nothing about the archive.

use super::read::{FetchError, bring};
use super::unnamed::Unnamed;
use super::{Archive, ArchiveName, Part};
use crate::database::{Database, DatabaseError, Facts};
use crate::store::{Condition, Disposition, Store, StoreError};
use camino::Utf8Path;
use e2d_core::id::{ArchiveId, Epoch, NodeId, Nonce, Revision};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::sync::atomic::AtomicU64;

/// The only format of the record that this version writes and reads.
const FORMAT: u32 = 1;
/// The largest record that is read, in bytes.
pub(crate) const MAX_CHECK_BYTES: usize = 16 * 1024;
/// The longest reason that is recorded, in characters.
const MAX_REASON: usize = 500;
/// How often the record is tried again when others write it too.
const ATTEMPTS: usize = 5;

/// The record of an archive's last read-back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// 1.
    pub format: u32,
    /// The archive that was read.
    pub archive: ArchiveId,
    /// The epoch of the archive.
    pub epoch: Epoch,
    /// Unlike that of any other state of the record.
    pub nonce: Nonce,
    /// When, by the checker's clock. For people.
    pub checked_at: Timestamp,
    /// The disk of the node that checked it.
    pub by: NodeId,
    /// What was found.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// It is a database at the revision that the manifest claims, or later.
    Sound(Found),
    /// It cannot be restored.
    Damaged {
        /// Why, for people.
        reason: String,
    },
}

/// What the database holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its exact revision.
    pub revision: Revision,
    /// The newest revision that was compacted away; 0 for none.
    pub compact_revision: Revision,
    /// How many keys a client would have found.
    pub keys: u64,
    /// The raft index of the last entry that changed it.
    pub raft_index: u64,
    /// Its term; etcd 3.4 does not store it.
    pub raft_term: Option<u64>,
    /// The size of the pages that are not free.
    pub in_use_bytes: u64,
}

/// Why an archive could not be checked. There is no new record.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It could not be brought back, for a reason that says nothing about it.
    #[error("the archive cannot be checked")]
    Fetch(#[source] FetchError),
    /// The unnamed file could not be read back. This says nothing about the archive.
    #[error("the archive's database cannot be read from the local disk")]
    Scratch(#[source] DatabaseError),
    /// It was checked, but that could not be recorded.
    #[error("the check of {archive} cannot be recorded")]
    Record {
        /// Which archive.
        archive: ArchiveName,
        /// What the store said.
        source: StoreError,
    },
}

impl CheckError {
    /// What the caller should do next.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Fetch(error) => error.disposition(),
            Self::Scratch(_) => Disposition::Wait,
            Self::Record { source, .. } => source.disposition(),
        }
    }
}

/// Checks an archive and records the outcome.
///
/// The plain database goes through an unnamed file in `scratch`, which must have room for it; a crash
/// leaves nothing there. `nonce` is fresh for each check.
pub async fn check(
    store: &dyn Store,
    archive: &Archive,
    scratch: &Utf8Path,
    by: NodeId,
    nonce: Nonce,
    checked_at: Timestamp,
) -> Result<Check, CheckError> {
    let outcome = read_back(store, archive, scratch).await?;
    record(store, archive, outcome, by, nonce, checked_at).await
}

/// Checks an archive and records nothing: for whoever may only look.
pub async fn read_back(store: &dyn Store, archive: &Archive, scratch: &Utf8Path) -> Result<Outcome, CheckError> {
    let claimed = archive.manifest.revision;
    match bring(store, archive, scratch, &AtomicU64::new(0), move |unnamed| examine(unnamed, claimed)).await {
        Ok(examined) => examined.map_err(CheckError::Scratch),
        Err(error) if error.is_damage() => Ok(damaged(&error)),
        Err(error) => Err(CheckError::Fetch(error)),
    }
}

/// Records what [`read_back`] has just found.
pub async fn record(
    store: &dyn Store,
    archive: &Archive,
    outcome: Outcome,
    by: NodeId,
    nonce: Nonce,
    checked_at: Timestamp,
) -> Result<Check, CheckError> {
    let epoch = archive.manifest.epoch;
    let check = Check { format: FORMAT, archive: archive.id, epoch, nonce, checked_at, by, outcome };
    let name = archive.name();
    put(store, name, &check).await.map_err(|source| CheckError::Record { archive: name, source })?;
    Ok(check)
}

fn examine(mut unnamed: Unnamed, claimed: Revision) -> Result<Outcome, DatabaseError> {
    match Database::open(unnamed.file()).and_then(|mut database| database.facts()) {
        Ok(facts) if facts.revision < claimed => {
            let reason = format!("the database is at revision {}, the manifest claims {claimed}", facts.revision);
            Ok(Outcome::Damaged { reason })
        }
        Ok(facts) => Ok(Outcome::Sound(facts.into())),
        Err(error @ DatabaseError::Bolt(crate::bolt::BoltError::Io(_))) => Err(error),
        Err(error) => Ok(damaged(&error)),
    }
}

impl From<Facts> for Found {
    fn from(facts: Facts) -> Self {
        Self {
            revision: facts.revision,
            compact_revision: facts.compact_revision,
            keys: facts.keys,
            raft_index: facts.raft_index,
            raft_term: facts.raft_term,
            in_use_bytes: facts.in_use_bytes,
        }
    }
}

fn damaged(error: &dyn Error) -> Outcome {
    let chain = std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string);
    let reason = chain.collect::<Vec<_>>().join(": ");
    Outcome::Damaged { reason: reason.chars().take(MAX_REASON).collect() }
}

impl Check {
    /// Reads a record; `None` for one that this version does not understand, which then counts for
    /// nothing.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_CHECK_BYTES {
            return None;
        }
        serde_json::from_slice(bytes).ok().filter(|check: &Self| check.format == FORMAT)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

/// Writes the record over whatever is there. Of two checks at one moment, the later write stays.
async fn put(store: &dyn Store, name: ArchiveName, check: &Check) -> Result<(), StoreError> {
    let (key, bytes) = (name.key(Part::Check), check.encode());
    let mut attempts = 0;
    loop {
        let condition = match store.get(&key, MAX_CHECK_BYTES).await? {
            Some(found) if found.bytes == bytes => return Ok(()),
            Some(found) => Condition::Matches(found.version),
            None => Condition::Absent,
        };
        match store.put(&key, &bytes, condition).await {
            Ok(_) => return Ok(()),
            Err(error) if error.disposition() == Disposition::LookAgain && attempts < ATTEMPTS => attempts += 1,
            Err(error) => return Err(error),
        }
    }
}
