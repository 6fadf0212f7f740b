//! Files that have no name until they are complete.
//!
//! A database on the local disk is plain text, so that no crash may leave one behind (S19): the file is
//! made without a name (`O_TMPFILE`) and gets one by `link`, if at all. Where the file system cannot do
//! that, it has a hidden name until then, and a crash leaves it.

use camino::Utf8Path;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

const FILE: OFlags = OFlags::RDWR.union(OFlags::CLOEXEC);
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A file, mode 0600, that is gone when this value is dropped.
#[derive(Debug)]
pub(super) struct Unnamed {
    folder: OwnedFd,
    file: File,
    hidden: Option<String>,
}

impl Unnamed {
    /// Makes one in a folder, whose file system will hold its bytes.
    pub(super) fn new(folder: &Utf8Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(CWD, folder.as_str(), flags, Mode::empty())?;
        match rustix::fs::openat(&folder, ".", FILE | OFlags::TMPFILE, FILE_MODE) {
            Ok(file) => Ok(Self { folder, file: file.into(), hidden: None }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Self::hidden(folder),
            Err(errno) => Err(errno.into()),
        }
    }

    fn hidden(folder: OwnedFd) -> io::Result<Self> {
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("no random numbers"))?;
        let name = format!(".e2d-{:032x}", u128::from_ne_bytes(random));
        let flags = FILE | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(&folder, &*name, flags, FILE_MODE)?;
        Ok(Self { folder, file: file.into(), hidden: Some(name) })
    }

    /// The file itself.
    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// How many bytes this process may still write to its file system.
    pub(super) fn available_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.file)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Makes the file durable and gives it a name in its folder, which nothing may have.
    pub(super) fn publish(mut self, name: &str) -> io::Result<()> {
        rustix::fs::fsync(&self.file)?;
        match &self.hidden {
            None => {
                let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                rustix::fs::linkat(CWD, &*own, &self.folder, name, AtFlags::SYMLINK_FOLLOW)?;
            }
            Some(hidden) => {
                rustix::fs::renameat_with(&self.folder, &**hidden, &self.folder, name, RenameFlags::NOREPLACE)?;
                self.hidden = None;
            }
        }
        Ok(rustix::fs::fsync(&self.folder)?)
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if let Some(hidden) = &self.hidden {
            let _ = rustix::fs::unlinkat(&self.folder, &**hidden, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::MetadataExt as _;

    fn open(folder: &Utf8Path) -> OwnedFd {
        File::open(folder).unwrap().into()
    }

    /// S19: until it is published, there is nothing to find; then it is whole, and nobody else's. Where
    /// it must have a hidden name until then, that goes with it.
    #[test]
    fn it_appears_whole_or_not_at_all() {
        type Maker = fn(&Utf8Path) -> Unnamed;
        let makers: [(Maker, usize); 2] =
            [(|folder| Unnamed::new(folder).unwrap(), 0), (|folder| Unnamed::hidden(open(folder)).unwrap(), 1)];
        for (make, before) in makers {
            let temp = tempfile::tempdir().unwrap();
            let folder = Utf8Path::from_path(temp.path()).unwrap();
            let names = || std::fs::read_dir(folder).unwrap().count();
            let mut unnamed = make(folder);
            unnamed.file().write_all(b"database").unwrap();
            assert_eq!(names(), before);
            drop(unnamed);
            assert_eq!(names(), 0);
            let mut unnamed = make(folder);
            unnamed.file().write_all(b"database").unwrap();
            unnamed.publish("snap.db").unwrap();
            let path = folder.join("snap.db");
            assert_eq!(std::fs::read(&path).unwrap(), b"database");
            assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
            let error = make(folder).publish("snap.db").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(names(), 1);
        }
    }
}
