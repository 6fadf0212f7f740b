//! Objects on their way into the folder, and out of it.
//!
//! The order of every write: a file of its own in the state folder, its content, `fsync`, the one step
//! that gives it its name, `fsync` of the folder that holds the name. The file is locked while its writer
//! lives, so that [`sweep`] can tell what a dead one left behind.

use super::super::{Key, Version};
use super::lock;
use super::place::{self, Location, State, Trouble};
use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

const SUFFIX: &str = ".part";

/// A file without its name. Dropping it removes it.
struct Part {
    state: OwnedFd,
    name: String,
    file: File,
    placed: bool,
}

impl Part {
    fn new(state: State) -> Result<Self, Trouble> {
        let State { folder: state, owner } = state;
        loop {
            let mut random = [0; 16];
            aws_lc_rs::rand::fill(&mut random).map_err(|_| std::io::Error::other("no random numbers"))?;
            let name = format!("{:032x}{SUFFIX}", u128::from_ne_bytes(random));
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&state, &*name, flags, Mode::RUSR | Mode::WUSR)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                // A sweep that came between these two steps has taken it for a leftover: try again.
                Ok(()) if rustix::fs::fstat(&file)?.st_nlink == 0 => {}
                Err(Errno::WOULDBLOCK) => {}
                Ok(()) => {
                    let part = Self { state, name, file: file.into(), placed: false };
                    return owner.give(&part.file).map(|()| part).map_err(Trouble::from);
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Takes all bytes of a source and makes them durable.
    fn fill(&mut self, source: &mut impl Read) -> Result<u64, Trouble> {
        let size_bytes = std::io::copy(source, &mut self.file)?;
        rustix::fs::fsync(&self.file)?;
        Ok(size_bytes)
    }

    /// Gives it a name that nothing has.
    fn create(mut self, folder: &OwnedFd, name: &str) -> Result<(), Trouble> {
        match rustix::fs::renameat_with(&self.state, &*self.name, folder, name, RenameFlags::NOREPLACE) {
            Ok(()) => self.placed = true,
            Err(Errno::EXIST) => return Err(Trouble::Conflict),
            // Not every file system has this flag, NFS among them.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.link(folder, name)?,
            Err(errno) => return Err(Trouble::while_changing(errno)),
        }
        rustix::fs::fsync(folder).map_err(|errno| Trouble::Unsure(errno.into()))
    }

    fn link(&self, folder: &OwnedFd, name: &str) -> Result<(), Trouble> {
        match rustix::fs::linkat(&self.state, &*self.name, folder, name, AtFlags::empty()) {
            Ok(()) => Ok(()),
            // A network file system may have done it, lost the reply, and tried again.
            Err(Errno::EXIST) if self.is(folder, name) => Ok(()),
            Err(Errno::EXIST) => Err(Trouble::Conflict),
            Err(errno) => Err(Trouble::while_changing(errno)),
        }
    }

    fn is(&self, folder: &OwnedFd, name: &str) -> bool {
        let ours = rustix::fs::fstat(&self.file).map(|stat| (stat.st_dev, stat.st_ino));
        let named = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| (stat.st_dev, stat.st_ino));
        ours.is_ok() && ours == named
    }

    /// Gives it the name of another file, which is gone then. The caller holds the lock.
    fn replace(mut self, folder: &OwnedFd, name: &str) -> Result<(), Trouble> {
        rustix::fs::renameat(&self.state, &*self.name, folder, name).map_err(Trouble::while_changing)?;
        self.placed = true;
        rustix::fs::fsync(folder).map_err(|errno| Trouble::Unsure(errno.into()))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.placed {
            let _ = rustix::fs::unlinkat(&self.state, &*self.name, AtFlags::empty());
        }
    }
}

/// Creates an object where there is none, from all bytes of a source.
pub(super) fn create(location: &Location, key: &Key, source: &mut impl Read) -> Result<u64, Trouble> {
    let mut part = Part::new(location.open_state()?)?;
    let size_bytes = part.fill(source)?;
    part.create(&location.make_parent(key)?, key.split().1)?;
    Ok(size_bytes)
}

/// Replaces the object that has been seen.
pub(super) fn replace(location: &Location, key: &Key, bytes: &[u8], seen: &Version) -> Result<(), Trouble> {
    let state = location.open_state()?;
    let Some(folder) = location.open_parent(key)? else { return Err(Trouble::Conflict) };
    let mut part = Part::new(location.open_state()?)?;
    part.fill(&mut { bytes })?;
    let _held = lock::acquire(&state, location.patience)?;
    match place::open_file(&folder, key.split().1)? {
        Some(file) if place::version_of(&place::read_at_most(&file, u64::MAX - 1)?) == *seen => {
            part.replace(&folder, key.split().1)
        }
        _ => Err(Trouble::Conflict),
    }
}

/// Deletes an object, if there is one.
pub(super) fn delete(location: &Location, key: &Key) -> Result<(), Trouble> {
    let Some(folder) = location.open_parent(key)? else { return Ok(()) };
    // Between the comparison and the rename of a replacement, nothing may vanish.
    let _held = lock::acquire(&location.open_state()?, location.patience)?;
    match rustix::fs::unlinkat(&folder, key.split().1, AtFlags::empty()) {
        Ok(()) => rustix::fs::fsync(&folder).map_err(|errno| Trouble::Unsure(errno.into())),
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(Trouble::while_changing(errno)),
    }
}

/// Removes what writers that died have left behind.
///
/// That one cannot be removed is no reason not to write: it is tried again before the next stream.
pub(super) fn sweep(location: &Location) -> Result<(), Trouble> {
    let state = location.open_state()?.folder;
    for entry in Dir::read_from(&state)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.to_bytes().ends_with(SUFFIX.as_bytes()) {
            continue;
        }
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let removed = rustix::fs::openat(&state, name, flags, Mode::empty()).and_then(|file| {
            rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            rustix::fs::unlinkat(&state, name, AtFlags::empty())
        });
        match removed {
            Ok(()) => tracing::info!(name = ?name, "removed an incomplete object of a writer that died"),
            Err(Errno::WOULDBLOCK | Errno::NOENT) => {}
            Err(errno) => tracing::warn!(name = ?name, error = %errno, "an incomplete object cannot be removed"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::owner::Owner;
    use super::*;

    /// Where a file system cannot rename without replacing, a link does the same; and a network file
    /// system that repeats a request whose reply was lost does not make it a conflict.
    #[test]
    fn a_link_creates_once_and_may_be_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let open = || OwnedFd::from(File::open(folder.path()).unwrap());
        let filled = |bytes: &[u8]| {
            let state = State { owner: Owner::of(open()).unwrap(), folder: open() };
            let mut part = Part::new(state).unwrap();
            part.fill(&mut { bytes }).unwrap();
            part
        };
        let (first, second) = (filled(b"first"), filled(b"second"));
        first.link(&open(), "object").unwrap();
        first.link(&open(), "object").unwrap();
        assert!(matches!(second.link(&open(), "object"), Err(Trouble::Conflict)));
        drop((first, second));
        assert_eq!(std::fs::read(folder.path().join("object")).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a part was left");
    }
}
