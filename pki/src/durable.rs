//! Files that are either the old ones or the new ones, whatever happens meanwhile; and reading with
//! a bound.
//!
//! A write is: a temporary file beside the target with its final mode, fsync, rename, fsync of the
//! folder. Writers of one folder take [`lock`] first, so that temporary files have fixed names and a
//! crash leaves at most one of each behind.

use camino::{Utf8Path, Utf8PathBuf};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use zeroize::Zeroizing;

/// The largest file that is read, in bytes: far above any bundle of authorities.
pub const LARGEST_FILE_BYTES: u64 = 1024 * 1024;

/// The mode of a file with a private key.
pub(crate) const SECRET: u32 = 0o600;
/// The mode of a file with a certificate.
pub(crate) const PUBLIC: u32 = 0o644;

/// Who owns the files that are written: numbers of a user and a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not there.
    #[error("{0} does not exist")]
    Missing(Utf8PathBuf),
    /// A folder, a device, a pipe.
    #[error("{0} is not a regular file")]
    NotAFile(Utf8PathBuf),
    /// Larger than [`LARGEST_FILE_BYTES`].
    #[error("{0} is larger than {LARGEST_FILE_BYTES} bytes")]
    TooLarge(Utf8PathBuf),
    /// The system refused.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A file's content, which may be secret, and its mode.
pub(crate) struct Content {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    /// The permission bits alone.
    pub(crate) mode: u32,
}

/// Reads a regular file.
pub(crate) fn read(path: &Utf8Path) -> Result<Content, ReadError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ReadError::Missing(path.into()),
        _ => ReadError::Io { path: path.into(), source },
    };
    // Asked before the file is opened, because opening a pipe waits for its writer.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(ReadError::NotAFile(path.into()));
    }
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.len() > LARGEST_FILE_BYTES {
        return Err(ReadError::TooLarge(path.into()));
    }
    // With one byte to spare the buffer never grows, and growing would leave a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(metadata.len() as usize + 1));
    file.take(metadata.len()).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Content { bytes, mode: metadata.mode() & 0o7777 })
}

/// Keeps other writers out of a folder until the value is dropped.
pub(crate) fn lock(folder: &Utf8Path) -> io::Result<File> {
    let file = File::open(folder)?;
    file.lock()?;
    Ok(file)
}

/// Puts `bytes` at `path`, over whatever is there.
pub(crate) fn write(path: &Utf8Path, bytes: &[u8], mode: u32, owner: Option<Owner>) -> io::Result<()> {
    let temporary = write_beside(path, bytes, mode, owner)?;
    rename(&temporary, path)
}

/// Puts `bytes` at `path` if nothing is there; else [`io::ErrorKind::AlreadyExists`], and nothing
/// has changed.
pub(crate) fn create(path: &Utf8Path, bytes: &[u8], mode: u32, owner: Option<Owner>) -> io::Result<()> {
    let temporary = write_beside(path, bytes, mode, owner)?;
    let linked = std::fs::hard_link(&temporary, path);
    std::fs::remove_file(&temporary)?;
    linked?;
    sync_folder_of(path)
}

/// Renames durably.
pub(crate) fn rename(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    sync_folder_of(to)
}

fn write_beside(path: &Utf8Path, bytes: &[u8], mode: u32, owner: Option<Owner>) -> io::Result<Utf8PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let temporary = path.with_file_name(format!(".{name}.tmp"));
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(SECRET).open(&temporary)?;
    if let Some(Owner { uid, gid }) = owner {
        fchown(&file, Some(uid), Some(gid))?;
    }
    // Set, not masked: what is public must be readable under any umask.
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(temporary)
}

/// The folder that a file lies in.
pub(crate) fn folder_of(path: &Utf8Path) -> &Utf8Path {
    path.parent().filter(|parent| !parent.as_str().is_empty()).unwrap_or(Utf8Path::new("."))
}

fn sync_folder_of(path: &Utf8Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::try_from(folder.path().to_path_buf()).unwrap();
        (folder, path)
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_nothing_is_left_beside_it() {
        let (_guard, folder) = folder();
        let path = folder.join("server.key");
        write(&path, b"old", PUBLIC, None).unwrap();
        // A temporary file that a crash left, with a mode that would give the key away.
        write(&folder.join(".server.key.tmp"), b"torn", 0o666, None).unwrap();
        write(&path, b"new", SECRET, None).unwrap();
        let content = read(&path).unwrap();
        assert_eq!((content.bytes.as_slice(), content.mode), (&b"new"[..], 0o600));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn what_is_there_is_not_created_over() {
        let (_guard, folder) = folder();
        let path = folder.join("ca.key");
        create(&path, b"first", SECRET, None).unwrap();
        let error = create(&path, b"second", SECRET, None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(read(&path).unwrap().bytes.as_slice(), b"first");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_file_gets_the_owner_that_was_asked_for() {
        let (_guard, folder) = folder();
        let own = std::fs::metadata(&folder).unwrap();
        // Only root may give a file away.
        let owner = if own.uid() == 0 { Owner { uid: 1, gid: 2 } } else { Owner { uid: own.uid(), gid: own.gid() } };
        let path = folder.join("server.key");
        write(&path, b"key", SECRET, Some(owner)).unwrap();
        let written = std::fs::metadata(&path).unwrap();
        assert_eq!(Owner { uid: written.uid(), gid: written.gid() }, owner);
    }

    /// S22.
    #[test]
    fn only_regular_files_of_a_sane_size_are_read() {
        let (_guard, folder) = folder();
        let error = |path: &Utf8Path| read(path).err().unwrap().to_string();
        let missing = folder.join("missing");
        assert_eq!(error(&missing), format!("{missing} does not exist"));
        assert_eq!(error(&folder), format!("{folder} is not a regular file"));
        assert_eq!(error("/dev/zero".into()), "/dev/zero is not a regular file");
        let large = folder.join("large");
        File::create(&large).unwrap().set_len(LARGEST_FILE_BYTES + 1).unwrap();
        assert_eq!(error(&large), format!("{large} is larger than 1048576 bytes"));
    }
}
