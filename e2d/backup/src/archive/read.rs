//! Brings an archive back from the store.
//!
//! A download that breaks goes on from where it broke. The file appears under its name only when both
//! digests fit, and a failure or a crash leaves none.

use super::decode::{DecodeError, decode};
use super::unnamed::Unnamed;
use super::{Archive, Manifest, Part, SnapshotForm};
use crate::pipe::{self, CHUNK_BYTES, TaskWriter};
use crate::store::{Disposition, Key, Span, Store, StoreError};
use bytes::BytesMut;
use camino::{Utf8Path, Utf8PathBuf};
use std::io::{self, BufWriter, Seek as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::AsyncReadExt as _;

/// How often in a row a download may break without a single byte of progress.
const BREAKS: usize = 5;
/// What a file system needs besides the bytes of a file.
const SPARE_BYTES: u64 = 1024 * 1024;

/// Why an archive was not brought back. No file was left.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The store could not be asked. This says nothing about the archive.
    #[error("{archive} cannot be read")]
    Store {
        /// Which archive.
        archive: super::ArchiveName,
        /// What the store said.
        source: StoreError,
    },
    /// The download broke again and again. This says nothing about the archive.
    #[error("the download of {archive} broke after {read_bytes} bytes, {BREAKS} times in a row")]
    Broken {
        /// Which archive.
        archive: super::ArchiveName,
        /// How much had come.
        read_bytes: u64,
        /// How it broke.
        source: io::Error,
    },
    /// There is a manifest, but no data.
    #[error("{archive} has a manifest, but no data")]
    NoData {
        /// Which archive.
        archive: super::ArchiveName,
    },
    /// The data is not what the manifest says, or cannot be decoded here: see [`DecodeError::is_damage`].
    #[error("{archive} cannot be decoded")]
    Decode {
        /// Which archive.
        archive: super::ArchiveName,
        /// What is wrong.
        source: DecodeError,
    },
    /// The disk has no room for the database. This says nothing about the archive.
    #[error("{path} needs {needed_bytes} bytes, and its file system has {available_bytes}")]
    NoSpace {
        /// The file, or the folder for an unnamed one.
        path: Utf8PathBuf,
        /// The database's size, and a little.
        needed_bytes: u64,
        /// What is free.
        available_bytes: u64,
    },
    /// The file cannot be made. This says nothing about the archive.
    #[error("{path} cannot be written")]
    File {
        /// The file, or the folder for an unnamed one.
        path: Utf8PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl FetchError {
    /// Whether the archive itself is damaged, which trying again will not change.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::NoData { .. } => true,
            Self::Decode { source, .. } => source.is_damage(),
            Self::Store { .. } | Self::Broken { .. } | Self::NoSpace { .. } | Self::File { .. } => false,
        }
    }

    /// What the caller should do next.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Store { source, .. } => source.disposition(),
            Self::Broken { .. } => Disposition::Retry,
            Self::NoData { .. } | Self::Decode { .. } => Disposition::Fatal,
            Self::NoSpace { .. } | Self::File { .. } => Disposition::Wait,
        }
    }
}

/// Writes an archive's database to a new file, mode 0600.
///
/// [`SnapshotForm::WithDigest`] makes it a snapshot as etcd itself writes them, which `etcdutl` checks;
/// [`SnapshotForm::Bare`] is the database alone. The file must not exist, its folder must.
pub async fn fetch(
    store: &dyn Store,
    archive: &Archive,
    form: SnapshotForm,
    path: &Utf8Path,
) -> Result<(), FetchError> {
    fetch_counted(store, archive, form, path, &AtomicU64::new(0)).await
}

/// The same, and how many of the stored bytes have come is to be seen in `read_bytes` meanwhile.
pub async fn fetch_counted(
    store: &dyn Store,
    archive: &Archive,
    form: SnapshotForm,
    path: &Utf8Path,
    read_bytes: &AtomicU64,
) -> Result<(), FetchError> {
    let folder = path.parent().filter(|folder| !folder.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
    let failed = |source| FetchError::File { path: path.to_owned(), source };
    let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?.to_owned();
    let sha256 = archive.manifest.plain.sha256;
    bring(store, archive, folder, read_bytes, move |mut unnamed| {
        if form == SnapshotForm::WithDigest {
            unnamed.file().write_all(&sha256.0)?;
        }
        unnamed.publish(&name)
    })
    .await?
    .map_err(failed)
}

/// Brings an archive's database into a file without a name, positioned at its end, and hands it on in
/// the same blocking thread.
pub(super) async fn bring<T: Send + 'static>(
    store: &dyn Store,
    archive: &Archive,
    folder: &Utf8Path,
    read_bytes: &AtomicU64,
    then: impl FnOnce(Unnamed) -> T + Send + 'static,
) -> Result<T, FetchError> {
    let (feed, stored) = pipe::into_thread();
    let (manifest, folder) = (archive.manifest.clone(), folder.to_owned());
    let mut thread = tokio::task::spawn_blocking(move || unpack(stored, &manifest, &folder).map(then));
    let downloaded = tokio::select! {
        // A disk that is full does not wait for the rest of the archive.
        unpacked = &mut thread => return joined(archive, unpacked),
        downloaded = download(store, archive, feed, read_bytes) => downloaded,
    };
    let unpacked = joined(archive, thread.await);
    // A download that fails makes the thread fail, and is the reason; a thread that fails by itself ends
    // the download without an error.
    downloaded.and(unpacked)
}

fn joined<T>(
    archive: &Archive,
    unpacked: Result<Result<T, FetchError>, tokio::task::JoinError>,
) -> Result<T, FetchError> {
    let lost = |error: tokio::task::JoinError| {
        let source = DecodeError::Plain(error.into());
        Err(FetchError::Decode { archive: archive.name(), source })
    };
    unpacked.unwrap_or_else(lost)
}

fn unpack(stored: impl io::Read, manifest: &Manifest, folder: &Utf8Path) -> Result<Unnamed, FetchError> {
    let failed = |source| FetchError::File { path: folder.to_owned(), source };
    let mut unnamed = Unnamed::new(folder).map_err(failed)?;
    let needed_bytes = manifest.plain.size_bytes.saturating_add(SPARE_BYTES);
    let available_bytes = unnamed.available_bytes().map_err(failed)?;
    if available_bytes < needed_bytes {
        return Err(FetchError::NoSpace { path: folder.to_owned(), needed_bytes, available_bytes });
    }
    let mut file = BufWriter::with_capacity(CHUNK_BYTES, unnamed.file());
    let decoded = decode(stored, manifest, &mut file).and_then(|()| file.flush().map_err(DecodeError::Plain));
    drop(file);
    if let Err(source) = decoded {
        // What is free now: others write there too.
        let available_bytes = unnamed.available_bytes().unwrap_or_default();
        return Err(undecoded(manifest, folder, available_bytes, source));
    }
    unnamed.file().seek(io::SeekFrom::End(0)).map_err(failed)?;
    Ok(unnamed)
}

/// A disk that takes no more is not the archive's fault, and is named.
fn undecoded(manifest: &Manifest, folder: &Utf8Path, available_bytes: u64, source: DecodeError) -> FetchError {
    let path = folder.to_owned();
    match source {
        DecodeError::Plain(source)
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
        {
            let needed_bytes = manifest.plain.size_bytes.saturating_add(SPARE_BYTES);
            FetchError::NoSpace { path, needed_bytes, available_bytes }
        }
        DecodeError::Plain(source) => FetchError::File { path, source },
        source => FetchError::Decode { archive: manifest.name(), source },
    }
}

/// Hands over the data object, going on after breaks. Ends without an error when the thread that reads
/// has stopped, for that one knows why.
async fn download(
    store: &dyn Store,
    archive: &Archive,
    mut feed: TaskWriter,
    read_bytes: &AtomicU64,
) -> Result<(), FetchError> {
    let name = archive.name();
    let key = name.key(if archive.manifest.encryption.is_some() { Part::EncryptedData } else { Part::Data });
    let mut breaks = 0;
    read_bytes.store(0, Ordering::Relaxed);
    loop {
        let before = read_bytes.load(Ordering::Relaxed);
        let broken = match download_from(store, &key, read_bytes, &mut feed).await {
            Ok(Some(Ended::Whole)) => {
                let _ = feed.finish().await;
                return Ok(());
            }
            Ok(Some(Ended::Unwanted)) => return Ok(()),
            Ok(None) => return Err(FetchError::NoData { archive: name }),
            Err(Failed::Store(source)) => return Err(FetchError::Store { archive: name, source }),
            Err(Failed::Broken(error)) => error,
        };
        let read_bytes = read_bytes.load(Ordering::Relaxed);
        breaks = if read_bytes > before { 0 } else { breaks + 1 };
        if breaks == BREAKS {
            return Err(FetchError::Broken { archive: name, read_bytes, source: broken });
        }
        tracing::debug!(archive = %name, read_bytes, error = %broken, "a download broke and goes on");
    }
}

enum Ended {
    Whole,
    Unwanted,
}

enum Failed {
    Store(StoreError),
    Broken(io::Error),
}

async fn download_from(
    store: &dyn Store,
    key: &Key,
    read_bytes: &AtomicU64,
    feed: &mut TaskWriter,
) -> Result<Option<Ended>, Failed> {
    let found = store.get_stream(key, Span::from(read_bytes.load(Ordering::Relaxed))).await.map_err(Failed::Store)?;
    let Some(mut download) = found else { return Ok(None) };
    while read_bytes.load(Ordering::Relaxed) < download.size_bytes {
        let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
        let read = download.body.read_buf(&mut chunk).await.map_err(Failed::Broken)?;
        if read == 0 {
            return Err(Failed::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
        read_bytes.fetch_add(read as u64, Ordering::Relaxed);
        if feed.send(chunk.freeze()).await.is_err() {
            return Ok(Some(Ended::Unwanted));
        }
    }
    Ok(Some(Ended::Whole))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    /// S15 S21: a disk that fills up while the database is written is named, with what is needed.
    #[test]
    fn a_disk_that_takes_no_more_is_named() {
        let manifest = include_bytes!("../../tests/data/golden/manifest-v1.json");
        let manifest = Manifest::decode(manifest).unwrap().manifest;
        let undecoded = |errno: Errno| undecoded(&manifest, "/scratch".into(), 9, DecodeError::Plain(errno.into()));
        for errno in [Errno::NOSPC, Errno::DQUOT] {
            let error = undecoded(errno);
            let needed = manifest.plain.size_bytes + SPARE_BYTES;
            assert_eq!(error.to_string(), format!("/scratch needs {needed} bytes, and its file system has 9"));
            assert!(!error.is_damage());
        }
        assert_eq!(undecoded(Errno::IO).to_string(), "/scratch cannot be written");
    }
}
