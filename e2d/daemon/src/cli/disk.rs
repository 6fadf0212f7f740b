//! What the verbs read of a node's disk while its daemon may be down. Nothing is written.

use super::exit::{Exit, Failure};
use camino::{Utf8Path, Utf8PathBuf};
use e2d_core::memory::{self, DecodeError, Identity, Recall};
use serde::de::DeserializeOwned;
use std::io;

/// One of our files cannot be used.
#[derive(Debug, thiserror::Error)]
enum DiskError {
    #[error("{path} cannot be read")]
    Read { path: Utf8PathBuf, source: io::Error },
    #[error("{path} cannot be used")]
    Decode { path: Utf8PathBuf, source: DecodeError },
}

/// What the node in this data directory heard of others; nothing if it never ran.
pub(super) fn recall(data_dir: &Utf8Path) -> Result<Recall, Failure> {
    Ok(read(data_dir, "seen")?.unwrap_or_default())
}

/// Who the disk is, if it was ever used.
pub(super) fn identity(data_dir: &Utf8Path) -> Result<Option<Identity>, Failure> {
    read(data_dir, "identity")
}

fn read<T: DeserializeOwned>(data_dir: &Utf8Path, name: &str) -> Result<Option<T>, Failure> {
    let path = e2d_etcd::datadir::home(data_dir).join(name);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(source) => {
            return Err(Failure::advise(DiskError::Read { path, source }, "run this as the user that e2d runs as"));
        }
    };
    memory::decode(&bytes).map(Some).map_err(|source| {
        let hint = "it was written by another version, or the disk is damaged; it was left as it is";
        Failure::with_hint(Exit::BadConfiguration, DiskError::Decode { path, source }, hint)
    })
}
