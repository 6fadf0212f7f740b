//! The programs as they are installed now.

use super::{ANSWER_WITHIN, ETCD, FindError, Program, RestorePrograms, find_restore, place, version_of};
use camino::{Utf8Path, Utf8PathBuf};
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Where the programs are looked for, and what the server there said last.
#[derive(Debug)]
pub struct Installed {
    /// Where the server is looked for.
    folders: Vec<Utf8PathBuf>,
    /// Where its tools are, if not beside it.
    on_path: Vec<Utf8PathBuf>,
    answer_within: Duration,
    last: Mutex<(Program, Option<Stamp>)>,
}

/// What a file cannot keep when it is replaced, or written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Utf8Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self {
            file: (found.dev(), found.ino()),
            size_bytes: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }
}

impl Installed {
    /// Finds the server: in `bin_dir` if one is given, else in the folders of `path`, the value of `PATH`. Relative
    /// folders in that are not searched.
    pub async fn find(bin_dir: Option<&Utf8Path>, path: &OsStr) -> Result<Self, FindError> {
        Self::find_within(ANSWER_WITHIN, bin_dir, path).await
    }

    pub(super) async fn find_within(
        answer_within: Duration,
        bin_dir: Option<&Utf8Path>,
        path: &OsStr,
    ) -> Result<Self, FindError> {
        let on_path = std::env::split_paths(path).filter_map(|folder| Utf8PathBuf::from_path_buf(folder).ok());
        let on_path: Vec<Utf8PathBuf> = on_path.filter(|folder| folder.is_absolute()).collect();
        let given = bin_dir.map(|folder| camino::absolute_utf8(folder).unwrap_or_else(|_| folder.to_owned()));
        let folders = given.map_or_else(|| on_path.clone(), |folder| vec![folder]);
        let last = ask(&folders, answer_within).await?;
        Ok(Self { folders, on_path, answer_within, last: Mutex::new(last) })
    }

    /// The server as it last answered.
    #[must_use]
    pub fn known(&self) -> Program {
        self.last().0
    }

    /// The server as it is now: it is asked again if its file is another, or has changed.
    pub async fn etcd(&self) -> Result<Program, FindError> {
        let (known, stamp) = self.last();
        let path = place(ETCD, &self.folders)?;
        if path == known.path && stamp.is_some() && stamp == Stamp::of(&path) {
            return Ok(known);
        }
        let (program, stamp) = ask(&self.folders, self.answer_within).await?;
        if program != known {
            tracing::info!(version = %program.version, before = %known.version, path = %program.path, "etcd was replaced");
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = (program.clone(), stamp);
        Ok(program)
    }

    /// What restores a backup for this server, or why that cannot be done now.
    pub async fn restore(&self) -> Result<RestorePrograms, FindError> {
        let etcd = self.etcd().await?;
        let beside = etcd.path.parent().map(Utf8Path::to_owned);
        let folders: Vec<Utf8PathBuf> = beside.into_iter().chain(self.on_path.iter().cloned()).collect();
        find_restore(etcd.version, &folders, self.answer_within).await
    }

    fn last(&self) -> (Program, Option<Stamp>) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Asks the server, and says which file that was.
async fn ask(folders: &[Utf8PathBuf], within: Duration) -> Result<(Program, Option<Stamp>), FindError> {
    let path = place(ETCD, folders)?;
    // Before it is asked: a file that is replaced meanwhile is asked again.
    let stamp = Stamp::of(&path);
    let version = version_of(ETCD, &path, within).await?;
    Ok((Program { path, version }, stamp))
}
