//! Files that are whole or absent, whatever moment the machine stops at.
//!
//! A rename is durable only when the folder that holds the name is synced too; everything here does both. These calls
//! block, so that callers in async code put the long ones ([`sync_tree`]) on a blocking thread.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err::os::unix::fs::OpenOptionsExt;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;

/// Whether what failed may succeed by itself later. Not where something is missing, forbidden, or not of its kind: that
/// lasts until a person changes it.
#[must_use]
pub fn may_pass(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound, PermissionDenied};
    let lasting = [NotFound, PermissionDenied, NotADirectory, IsADirectory, InvalidFilename, InvalidInput];
    // Not a program, or not one of this machine: these have no kind of their own.
    let unfit = [Errno::NOEXEC, Errno::LIBBAD].map(|errno| Some(errno.raw_os_error()));
    !lasting.contains(&error.kind()) && !unfit.contains(&error.raw_os_error())
}

/// Makes a folder that only its owner may enter, with its parents, and makes its name durable. An existing one keeps
/// its content and loses the rights of everybody else.
pub fn private_dir(path: &Utf8Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            if !fs_err::metadata(path)?.is_dir() {
                return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("`{path}` is not a folder")));
            }
            fs_err::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
            return Ok(());
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound && path.parent().is_some_and(|parent| parent != "") => {
            path.parent().map_or(Ok(()), private_dir)?;
            return private_dir(path);
        }
        Err(e) => return Err(io::Error::new(e.kind(), format!("failed to create directory `{path}`: {e}"))),
    }
    sync_parent(path)
}

/// Replaces the file at `path`, readable by its owner alone, by `bytes`: afterwards it holds either the old content
/// or the new. Two writers of one path must not run at once.
pub fn write(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = Utf8PathBuf::from(format!("{path}.tmp"));
    let mut file = fs_err::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    rename(&temporary, path)
}

/// Renames within one file system, and syncs the folders on both sides.
pub fn rename(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    fs_err::rename(from, to)?;
    sync_parent(to)?;
    if from.parent() == to.parent() { Ok(()) } else { sync_parent(from) }
}

/// Removes a file if it is there, durably.
pub fn remove(path: &Utf8Path) -> io::Result<()> {
    match fs_err::remove_file(path) {
        Ok(()) => sync_parent(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Syncs every file and folder below `path`, and `path` itself, deepest first. Symbolic links are not followed.
pub fn sync_tree(path: &Utf8Path) -> io::Result<()> {
    for entry in path.read_dir_utf8().map_err(|e| named(&e, path))? {
        let entry = entry.map_err(|e| named(&e, path))?;
        let kind = entry.file_type().map_err(|e| named(&e, entry.path()))?;
        if kind.is_dir() {
            sync_tree(entry.path())?;
        } else if kind.is_file() {
            fs_err::File::open(entry.path())?.sync_all()?;
        }
    }
    sync_dir(path)
}

/// How many bytes the files below a folder hold; what cannot be looked at counts for nothing.
#[must_use]
pub fn size_bytes(path: &Utf8Path) -> u64 {
    let entries = path.read_dir_utf8().into_iter().flatten().flatten();
    let size = |entry: camino::Utf8DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => size_bytes(entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(size).fold(0, u64::saturating_add)
}

/// Syncs a folder: the names in it.
pub fn sync_dir(path: &Utf8Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(path.as_std_path(), flags, Mode::empty()).map_err(|e| named(&e.into(), path))?;
    rustix::fs::fsync(&folder).map_err(|e| named(&e.into(), path))
}

fn sync_parent(path: &Utf8Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent != "" => sync_dir(parent),
        _ => sync_dir(Utf8Path::new(".")),
    }
}

fn named(error: &io::Error, path: &Utf8Path) -> io::Error {
    io::Error::new(error.kind(), format!("`{path}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_written_is_private_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(dir.path()).unwrap().join("data/e2d");
        private_dir(&home).unwrap();
        write(&home.join("child"), b"1").unwrap();
        write(&home.join("child"), b"22").unwrap();
        assert_eq!(std::fs::read(home.join("child")).unwrap(), b"22");
        let mode = |path: &Utf8Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&home), mode(&home.join("child"))), (0o700, 0o600));
        assert_eq!(home.read_dir_utf8().unwrap().count(), 1);
        remove(&home.join("child")).unwrap();
        remove(&home.join("child")).unwrap();
        assert_eq!(home.read_dir_utf8().unwrap().count(), 0);
    }

    #[test]
    fn an_open_folder_is_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("e2d");
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        private_dir(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
