//! One installation of a part at a time, also between checkouts.

use anyhow::{Context, Result};
use camino::Utf8Path;
use std::fs::{File, TryLockError};

/// Holds the lock of `folder` until it is dropped, or until the process ends.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock; says so when that takes time. The folder is made.
    ///
    /// # Errors
    ///
    /// The folder or the lock could not be made.
    pub(super) fn of(folder: &Utf8Path) -> Result<Self> {
        fs_err::create_dir_all(folder)?;
        let path = folder.join(".lock");
        let file = fs_err::OpenOptions::new().create(true).append(true).open(&path)?.into_parts().0;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                crate::out::note(&format!("another installation into {folder} is under way; waiting for it"));
                file.lock().with_context(|| format!("cannot lock {path}"))?;
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("cannot lock {path}")),
        }
        Ok(Self { _file: file })
    }
}
