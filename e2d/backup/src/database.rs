//! What a bolt file means to etcd: revisions, keys, leases, members, and where raft stood.
//!
//! It reads a database that no server has open: a snapshot, an archive's plain bytes, or the
//! `member/snap/db` of a stopped member. [`Database::facts`] is what "opens as an etcd database" means in
//! S15: it reads every page and every record once and fails on the first that is wrong.
//! [`Database::latest`] gives the keys as a client would have read them at one revision.
//!
//! It knows nothing of the write-ahead log, in which a stopped member may have up to 10,000 further
//! entries. Formats: etcd `server/storage/schema`, `server/storage/mvcc/{revision,kvstore}.go`.

mod facts;
mod latest;
mod record;

pub use facts::{Alarm, AlarmKind, Facts, Member};
pub use latest::Latest;
pub use record::{KeyValue, Position};

use crate::bolt::{Bolt, BoltError, Bucket, Reached};
use e2d_core::id::Revision;
use std::collections::BTreeMap;
use std::io::{Read, Seek};

/// The largest value that is read, in bytes. etcd's default limit of a request is 1.5 MiB, and it warns
/// above 10 MiB.
pub const MAX_VALUE_BYTES: u64 = 32 * 1024 * 1024;

/// Why a file cannot be read as etcd's database. Nothing was changed; reading never does.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The file is no bolt file, or a damaged one.
    #[error("the database cannot be read")]
    Bolt(#[from] BoltError),
    /// It is a bolt file, but not etcd's.
    #[error("not an etcd database: there is no bucket {0:?}")]
    NotEtcd(&'static str),
    /// A record of the keyspace is not what it has to be.
    #[error("the record {position} is damaged: {what}")]
    Record {
        /// Its place in the keyspace.
        position: Position,
        /// The rule that it breaks.
        what: &'static str,
    },
    /// An entry outside the keyspace is not what it has to be.
    #[error("an entry of bucket {bucket:?} is damaged: {what}")]
    Entry {
        /// The bucket it lies in.
        bucket: &'static str,
        /// The rule that it breaks.
        what: String,
    },
    /// The revision that was asked for is not in the database.
    #[error("revision {asked} is not in the database, which holds {oldest} to {newest}")]
    NotHeld {
        /// What was asked for.
        asked: Revision,
        /// The oldest revision that can be read.
        oldest: Revision,
        /// The newest.
        newest: Revision,
    },
}

/// etcd's database, opened for reading.
#[derive(Debug)]
pub struct Database<R> {
    bolt: Bolt<R>,
    keyspace: Bucket,
    buckets: BTreeMap<Vec<u8>, Bucket>,
    /// The pages of the list of buckets.
    reached: Reached,
}

impl<R: Read + Seek> Database<R> {
    /// Opens a database, with or without the digest that ends a snapshot. That digest is not checked
    /// here: see [`crate::archive`].
    pub fn open(file: R) -> Result<Self, DatabaseError> {
        let mut bolt = Bolt::open(file)?;
        let mut reached = Reached::none(bolt.meta());
        let buckets = bolt.buckets(&mut reached)?;
        let keyspace = buckets.get(b"key".as_slice()).cloned().ok_or(DatabaseError::NotEtcd("key"))?;
        if !buckets.contains_key(b"meta".as_slice()) {
            return Err(DatabaseError::NotEtcd("meta"));
        }
        Ok(Self { bolt, keyspace, buckets, reached })
    }

    /// Reads everything once and says what there is.
    ///
    /// Fails on a page that lies outside the file, is reached twice or has its keys out of order, and on
    /// a record or an entry that etcd could not have written.
    pub fn facts(&mut self) -> Result<Facts, DatabaseError> {
        facts::read(self)
    }

    /// The keys and values as a client would have read them at a revision, or at the newest one.
    ///
    /// They come in no order that means anything. Takes up to 30 MB of memory, whatever the size of the
    /// database, and goes through it several times where that is not enough.
    pub fn latest(&mut self, at: Option<Revision>) -> Result<Latest<'_, R>, DatabaseError> {
        latest::open(self, at)
    }
}
