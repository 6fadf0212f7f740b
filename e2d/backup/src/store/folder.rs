//! A store in a folder, for `file://DIR/`: a local disk or a file system that several machines share.
//!
//! Each object is a file with the object's key as its path. Writes go to a file in `.e2d-store/`, which
//! is synced and then moved to its name in one step, so that a name never holds a part of an object; what
//! a writer that died leaves there is removed by the next one. An object is created by
//! `renameat2(RENAME_NOREPLACE)`, or by `link` where the file system lacks that. It is replaced under a
//! lock on `.e2d-store/lock`, which excludes other processes, and other machines as far as the shared
//! file system carries `flock` (NFS 4 does; a mount with `nolock` or `local_lock` does not).
//!
//! Versions are SHA-256 digests of the content. Folders are made with mode 0700, files with 0600; what root
//! makes is given to the owner of the folder, so that a verb that a person runs as root shuts nobody out.
//! Symbolic links below the folder are never followed. A list of a shared file system is as fresh as its client's
//! cache of attributes, which a mount option bounds (NFS: `acdirmax`, a minute).
//!
//! **Missing is not empty** (S2). A folder that does not exist, or whose mount point is listed in
//! `/etc/fstab` while nothing is mounted there, is [`StoreError::Unreachable`].

mod listing;
mod lock;
mod mount;
mod owner;
mod part;
mod place;
#[cfg(test)]
mod tests;

use super::{BoxFuture, Condition, Download, Key, Object, Page, Prefix, Span, Store, StoreError, Version};
use crate::pipe::{self, PumpError};
use camino::Utf8PathBuf;
use place::{Location, Trouble};
use std::io::{Seek as _, SeekFrom};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What it means that the store's own folder is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// An operator named it, so it should be there: perhaps it is not mounted. The store is unreachable.
    MustExist,
    /// It is ours, below a folder that exists, and nobody has needed it yet. It is made by the first use.
    Create,
}

/// A store in a folder. See the module.
#[derive(Clone, Debug)]
pub struct FolderStore {
    location: Location,
}

impl FolderStore {
    /// The store in this folder. Nothing is touched before its first use.
    pub fn new(path: impl Into<Utf8PathBuf>, base: Base) -> Self {
        Self { location: Location::new(path.into(), base) }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        object: &str,
        lost: fn(std::io::Error) -> Trouble,
        work: impl FnOnce(&Location) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, StoreError> {
        let location = self.location.clone();
        let done = tokio::task::spawn_blocking(move || work(&location)).await;
        done.unwrap_or_else(|error| Err(lost(error.into()))).map_err(|trouble| trouble.about(self.location.url(object)))
    }
}

impl Store for FolderStore {
    fn describe(&self) -> String {
        self.location.url("")
    }

    fn get<'a>(&'a self, key: &'a Key, limit_bytes: usize) -> BoxFuture<'a, Result<Option<Object>, StoreError>> {
        let wanted = key.clone();
        Box::pin(self.blocking(key.as_str(), Trouble::Io, move |location| {
            let Some(file) = location.open_object(&wanted)? else { return Ok(None) };
            let bytes = place::read_at_most(&file, limit_bytes as u64)?;
            Ok(Some(Object { version: place::version_of(&bytes), bytes }))
        }))
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        bytes: &'a [u8],
        condition: Condition,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        let (wanted, bytes) = (key.clone(), bytes.to_vec());
        Box::pin(self.blocking(key.as_str(), Trouble::Unsure, move |location| {
            let version = place::version_of(&bytes);
            match condition {
                Condition::Absent => part::create(location, &wanted, &mut bytes.as_slice()).map(drop)?,
                Condition::Matches(seen) => part::replace(location, &wanted, &bytes, &seen)?,
            }
            Ok(version)
        }))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a Prefix,
        after: Option<&'a Key>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        let (wanted, after) = (prefix.clone(), after.cloned());
        Box::pin(self.blocking(prefix.as_str(), Trouble::Io, move |location| {
            listing::list(location, &wanted, after.as_ref(), limit)
        }))
    }

    fn put_stream<'a>(
        &'a self,
        key: &'a Key,
        source: &'a mut (dyn AsyncRead + Send + Unpin),
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        let (writer, mut reader) = pipe::into_thread();
        let wanted = key.clone();
        let mut written = Box::pin(self.blocking(key.as_str(), Trouble::Unsure, move |location| {
            part::sweep(location)?;
            part::create(location, &wanted, &mut reader)
        }));
        Box::pin(async move {
            let pumped = tokio::select! {
                // A folder that fails does not wait for a source that stalls.
                written = &mut written => return written,
                pumped = writer.pump(source) => pumped,
            };
            let written = written.await;
            match pumped {
                Err(PumpError::Source(source)) => {
                    Err(StoreError::Source { object: self.location.url(key.as_str()), source })
                }
                Ok(()) | Err(PumpError::Reader) => written,
            }
        })
    }

    fn get_stream<'a>(&'a self, key: &'a Key, span: Span) -> BoxFuture<'a, Result<Option<Download>, StoreError>> {
        let wanted = key.clone();
        Box::pin(self.blocking(key.as_str(), Trouble::Io, move |location| {
            let Some(mut file) = location.open_object(&wanted)? else { return Ok(None) };
            let size_bytes = file.metadata()?.len();
            file.seek(SeekFrom::Start(span.start_bytes.min(size_bytes)))?;
            let body = AsyncReadExt::take(tokio::fs::File::from_std(file), span.length_bytes.unwrap_or(u64::MAX));
            Ok(Some(Download { size_bytes, body: Box::new(body) }))
        }))
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        let wanted = key.clone();
        Box::pin(self.blocking(key.as_str(), Trouble::Unsure, move |location| part::delete(location, &wanted)))
    }
}
