//! Where the folder is, how its parts are opened, and what the system's errors mean.

use super::super::{Key, StoreError, Version};
use super::mount::MountTables;
use super::owner::Owner;
use super::{Base, lock};
use camino::{Utf8Path, Utf8PathBuf};
use e2d_core::id::Digest;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// The folder of the store's own: its lock, and objects that are not complete.
pub(super) const STATE_FOLDER: &str = ".e2d-store";
pub(super) const FOLDER_MODE: Mode = Mode::RWXU;

/// What went wrong, before it is known about which object to say so.
#[derive(Debug)]
pub(super) enum Trouble {
    Conflict,
    /// An error that the system reported before anything was changed.
    Io(io::Error),
    /// An error after which the change may have been made.
    Unsure(io::Error),
    Absent(String),
    Malformed(&'static str),
    TooLarge {
        size_bytes: u64,
        limit_bytes: u64,
    },
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Self::Io(errno.into())
    }
}

impl Trouble {
    /// The same trouble, met while the change was being made: what would be a store that is out of
    /// reach is now a change that may have been made.
    pub(super) fn while_changing(errno: Errno) -> Self {
        match Self::from(errno).about(String::new()) {
            StoreError::Unreachable { .. } => Self::Unsure(errno.into()),
            _ => Self::from(errno),
        }
    }

    /// Says it of an object.
    pub(super) fn about(self, object: String) -> StoreError {
        match self {
            Self::Conflict => StoreError::Conflict { object },
            Self::Unsure(error) => StoreError::Ambiguous { object, source: error.into() },
            Self::Absent(what) => StoreError::Unreachable { object, source: what.into() },
            Self::Malformed(what) => StoreError::Malformed { object, source: what.into() },
            Self::TooLarge { size_bytes, limit_bytes } => StoreError::TooLarge { object, size_bytes, limit_bytes },
            Self::Io(error) => {
                let errno = Errno::from_io_error(&error);
                let source = error.into();
                match errno {
                    Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => StoreError::Denied { object, source },
                    Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => StoreError::Full { object, source },
                    Some(
                        Errno::NOTDIR
                        | Errno::ISDIR
                        | Errno::LOOP
                        | Errno::NAMETOOLONG
                        | Errno::NOLCK
                        | Errno::OPNOTSUPP
                        | Errno::NXIO,
                    ) => StoreError::Malformed { object, source },
                    // Busy, broken or hung devices, lost servers, exhausted descriptors: all of them may pass.
                    _ => StoreError::Unreachable { object, source },
                }
            }
        }
    }
}

/// The folder of the store's own, open.
#[derive(Debug)]
pub(super) struct State {
    pub(super) folder: OwnedFd,
    /// Who is to own what is made in the store.
    pub(super) owner: Owner,
}

/// Where the store is.
#[derive(Clone, Debug)]
pub(super) struct Location {
    path: Utf8PathBuf,
    base: Base,
    pub(super) mounts: MountTables,
    pub(super) patience: Duration,
}

impl Location {
    pub(super) fn new(path: Utf8PathBuf, base: Base) -> Self {
        Self { path, base, mounts: MountTables::default(), patience: lock::PATIENCE }
    }

    /// The store and an object in it, as messages name them.
    pub(super) fn url(&self, object: &str) -> String {
        format!("file://{}/{object}", self.path.as_str().trim_end_matches('/'))
    }

    /// Opens the store's folder itself.
    pub(super) fn open(&self) -> Result<OwnedFd, Trouble> {
        if let Some(mount_point) = self.mounts.unmounted_above(&self.path) {
            return Err(Trouble::Absent(format!("{mount_point} is in /etc/fstab, and nothing is mounted there")));
        }
        let missing = || Trouble::Absent(format!("the folder {} does not exist", self.path));
        match open_folder(CWD, self.path.as_str(), OFlags::empty()) {
            Err(Errno::NOENT) if self.base == Base::MustExist => Err(missing()),
            Err(Errno::NOENT) => {
                // Only the last folder: one that lacks the folder above it may lack a mount.
                let above = self.path.parent().filter(|above| !above.as_str().is_empty());
                let above = open_folder(CWD, above.map_or(".", Utf8Path::as_str), OFlags::empty());
                let above = above.map_err(|errno| if errno == Errno::NOENT { missing() } else { errno.into() })?;
                make_folder(&above, self.path.file_name().ok_or_else(missing)?, Owner::of(&above)?)
            }
            opened => Ok(opened?),
        }
    }

    /// Opens the folder of the store's own, making it if needed.
    pub(super) fn open_state(&self) -> Result<State, Trouble> {
        let base = self.open()?;
        let owner = Owner::of(&base)?;
        Ok(State { folder: make_folder(&base, STATE_FOLDER, owner)?, owner })
    }

    /// Opens the folder that a key's object lies in; `None` when there is none.
    pub(super) fn open_parent(&self, key: &Key) -> Result<Option<OwnedFd>, Trouble> {
        descend(self.open()?, key.split().0)
    }

    /// Opens the folder that a key's object lies in, making what is missing.
    pub(super) fn make_parent(&self, key: &Key) -> Result<OwnedFd, Trouble> {
        let base = self.open()?;
        let owner = Owner::of(&base)?;
        key.split().0.try_fold(base, |folder, name| make_folder(&folder, name, owner))
    }

    /// Opens an object for reading; `None` when there is none.
    pub(super) fn open_object(&self, key: &Key) -> Result<Option<File>, Trouble> {
        match self.open_parent(key)? {
            Some(folder) => open_file(&folder, key.split().1),
            None => Ok(None),
        }
    }
}

fn open_folder(at: impl AsFd, path: impl rustix::path::Arg, flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(at, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | flags, Mode::empty())
}

/// Goes down folders without following links; `None` when one is missing.
pub(super) fn descend<'a>(base: OwnedFd, names: impl Iterator<Item = &'a str>) -> Result<Option<OwnedFd>, Trouble> {
    let mut folder = base;
    for name in names {
        match descend_one(&folder, name)? {
            Some(below) => folder = below,
            None => return Ok(None),
        }
    }
    Ok(Some(folder))
}

/// Goes into one folder, unless it is a link; `None` when it is missing.
pub(super) fn descend_one(folder: &OwnedFd, name: &str) -> Result<Option<OwnedFd>, Trouble> {
    match open_folder(folder, name, OFlags::NOFOLLOW) {
        Err(Errno::NOENT) => Ok(None),
        opened => Ok(Some(opened?)),
    }
}

fn make_folder(above: &OwnedFd, name: &str, owner: Owner) -> Result<OwnedFd, Trouble> {
    match open_folder(above, name, OFlags::NOFOLLOW) {
        Err(Errno::NOENT) => {}
        opened => return Ok(opened?),
    }
    let is_ours = match rustix::fs::mkdirat(above, name, FOLDER_MODE) {
        Ok(()) => true,
        // Somebody else made it at the same moment.
        Err(Errno::EXIST) => false,
        Err(errno) => return Err(errno.into()),
    };
    let made = open_folder(above, name, OFlags::NOFOLLOW)?;
    if is_ours {
        owner.give(&made)?;
    }
    rustix::fs::fsync(above)?;
    Ok(made)
}

/// Opens one object of a folder for reading; `None` when there is none.
pub(super) fn open_file(folder: &OwnedFd, name: &str) -> Result<Option<File>, Trouble> {
    // Opening a pipe or a terminal must not wait for its other side.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        opened => File::from(opened?),
    };
    match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(Some(file)),
        _ => Err(Trouble::Malformed("not a regular file")),
    }
}

/// Whether a name in a folder is a symbolic link that leads to a folder.
pub(super) fn leads_to_folder(folder: &OwnedFd, name: &str) -> bool {
    rustix::fs::statat(folder, name, AtFlags::empty())
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Reads a file whole, if it has at most so many bytes.
pub(super) fn read_at_most(mut file: &File, limit_bytes: u64) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    let size_bytes = file.metadata()?.len();
    if size_bytes <= limit_bytes {
        file.by_ref().take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    }
    let size_bytes = size_bytes.max(bytes.len() as u64);
    if size_bytes > limit_bytes { Err(Trouble::TooLarge { size_bytes, limit_bytes }) } else { Ok(bytes) }
}

/// What this store calls an object with this content.
pub(super) fn version_of(bytes: &[u8]) -> Version {
    Version(Digest::of(bytes).to_string())
}
