//! The store port: named objects in a folder, a bucket or memory.
//!
//! A store promises four things, and the suite in [`crate::contract`] checks them on every
//! implementation:
//!
//! * **Empty is not unknown** (S2). `None`, or a page without entries, means that the store was reached
//!   and holds nothing of that name. Whatever kept the store from looking is a [`StoreError`].
//! * **No write without a condition.** An object is created only where there is none, or replaces
//!   exactly the version that the writer has read. Of any number of writers with the same condition, in
//!   any number of processes, one wins.
//! * **All or nothing.** An object is either absent or whole, whatever fails and whoever dies while it
//!   is written.
//! * **Fresh.** Reads and lists show every write that was confirmed before they began.
//!
//! The port says nothing of what objects mean; that is [`crate::archive`] and [`crate::lineage`]. It
//! has no timeouts and no retries: the caller knows how long it can wait. A future that is dropped may
//! still have its effect, so a dropped write counts as [`StoreError::Ambiguous`].

mod error;
mod folder;
mod key;
mod memory;

pub use error::{Disposition, StoreError};
pub use folder::{Base, FolderStore};
pub use key::{InvalidKey, Key, Prefix};
pub use memory::{Fault, MemoryStore};

use e2d_core::id::Digest;
use std::fmt;
use std::pin::Pin;
use tokio::io::AsyncRead;

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The most entries that one [`Store::list`] returns, whatever was asked for; S3 has the same bound.
pub const LIST_LIMIT: usize = 1000;

/// What a store calls one state of one object, such as S3's entity tag.
///
/// Two states with equal bytes may have equal versions, so an object under compare-and-swap must hold
/// something that no other state of it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(pub String);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What must be true of an object at the moment in which it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is none (`If-None-Match: *`).
    Absent,
    /// It is the one that was read (`If-Match`).
    Matches(Version),
}

/// A small object and the state in which it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The whole content.
    pub bytes: Vec<u8>,
    /// What to give [`Condition::Matches`] to replace exactly this.
    pub version: Version,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The object's name.
    pub key: Key,
    /// Its size.
    pub size_bytes: u64,
    /// Which state of it this is.
    pub stamp: Stamp,
}

/// What tells the states of one object apart in lists: one that has the same stamp as before has the same bytes.
///
/// It is no [`Version`]: it is good for no condition, and it may change while the bytes do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp([u8; 16]);

impl Stamp {
    /// The stamp of a state that is told from all others by these bytes, such as S3's entity tag.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let Digest(digest) = Digest::of(bytes);
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        Self(half)
    }
}

/// A part of a list, in the byte order of the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// At most as many as were asked for, and at most [`LIST_LIMIT`].
    pub entries: Vec<Entry>,
    /// Whether more follow; ask again after the last entry's key. A page with `more` is not empty.
    pub more: bool,
}

/// Which bytes of an object to read. What lies beyond its end is not an error: there is nothing there. A
/// span of no bytes asks whether there is an object, and how large it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first byte, counted from 0.
    pub start_bytes: u64,
    /// How many at most; `None` for all to the end.
    pub length_bytes: Option<u64>,
}

impl Span {
    /// The whole object.
    pub const ALL: Self = Self { start_bytes: 0, length_bytes: None };

    /// Everything from this byte on.
    #[must_use]
    pub fn from(start_bytes: u64) -> Self {
        Self { start_bytes, length_bytes: None }
    }
}

/// A large object on its way out of the store.
pub struct Download {
    /// The size of the whole object, whatever the span.
    pub size_bytes: u64,
    /// The bytes of the span. An error while reading says that the rest cannot be read now; the caller
    /// goes on by asking for the rest.
    pub body: Box<dyn AsyncRead + Send + Unpin>,
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("size_bytes", &self.size_bytes).finish_non_exhaustive()
    }
}

/// Where objects are kept. See the module for what an implementation promises.
pub trait Store: Send + Sync + fmt::Debug {
    /// Names the store in messages, as a URL without secrets.
    fn describe(&self) -> String;

    /// Reads a small object whole; `None` when there is none.
    ///
    /// An object larger than `limit_bytes` is [`StoreError::TooLarge`] and is not read.
    fn get<'a>(&'a self, key: &'a Key, limit_bytes: usize) -> BoxFuture<'a, Result<Option<Object>, StoreError>>;

    /// Writes a small object whole, if the condition holds, and returns its new version. The object
    /// survives a crash from then on.
    fn put<'a>(
        &'a self,
        key: &'a Key,
        bytes: &'a [u8],
        condition: Condition,
    ) -> BoxFuture<'a, Result<Version, StoreError>>;

    /// Lists objects by the beginning of their keys, in byte order, from the first one behind `after`.
    ///
    /// What is created or deleted meanwhile may or may not be listed; everything else is. Names that
    /// cannot be a [`Key`] are left out.
    fn list<'a>(
        &'a self,
        prefix: &'a Prefix,
        after: Option<&'a Key>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>>;

    /// Creates an object of any size in constant memory, if there is none of that name, and returns its
    /// size.
    ///
    /// The source ends the object by its end of file. When it fails instead, the error is
    /// [`StoreError::Source`] and there is no object.
    fn put_stream<'a>(
        &'a self,
        key: &'a Key,
        source: &'a mut (dyn AsyncRead + Send + Unpin),
    ) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// Opens an object of any size for reading; `None` when there is none.
    fn get_stream<'a>(&'a self, key: &'a Key, span: Span) -> BoxFuture<'a, Result<Option<Download>, StoreError>>;

    /// Deletes an object. That there is none is no error.
    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>>;
}
