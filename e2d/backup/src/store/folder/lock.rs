//! The lock that makes "compare, then replace" one step among all processes that use the folder.
//!
//! It is advisory and dies with its holder. Nobody holds it longer than it takes to read one small
//! object and rename one file; a holder that was stopped in between keeps the others waiting until
//! their patience is over, and then they say so.

use super::place::{State, Trouble};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

const NAME: &str = "lock";
/// How long is enough for everybody but a holder that was stopped.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(2);

/// The lock, held as long as this value lives.
#[derive(Debug)]
pub(super) struct Held(OwnedFd);

/// Takes the lock, waiting so long for its holder.
pub(super) fn acquire(state: &State, patience: Duration) -> Result<Held, Trouble> {
    let deadline = Instant::now() + patience;
    loop {
        let held = Held(open(state)?);
        match rustix::fs::flock(&held.0, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if held.is_current(&state.folder)? => return Ok(held),
            Ok(()) | Err(Errno::WOULDBLOCK) => {}
            Err(errno) => return Err(errno.into()),
        }
        if Instant::now() >= deadline {
            return Err(Trouble::Absent(format!("its lock was held by another process for {patience:?}")));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Opens the file, making it if there is none.
fn open(state: &State) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let new = OFlags::CREATE | OFlags::EXCL;
    loop {
        match rustix::fs::openat(&state.folder, NAME, flags, Mode::empty()) {
            Err(Errno::NOENT) => {}
            opened => return opened,
        }
        match rustix::fs::openat(&state.folder, NAME, flags | new, Mode::RUSR | Mode::WUSR) {
            Ok(made) => return state.owner.give(&made).map(|()| made),
            // Somebody else made it at the same moment.
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
}

impl Held {
    /// Whether the name still means the file that was locked: somebody may have removed the folder's
    /// state by hand, and then two files could be locked at once.
    fn is_current(&self, folder: &OwnedFd) -> Result<bool, Trouble> {
        let locked = rustix::fs::fstat(&self.0)?;
        match rustix::fs::statat(folder, NAME, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) => Ok((named.st_dev, named.st_ino) == (locked.st_dev, locked.st_ino)),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::owner::Owner;
    use super::*;

    fn state(folder: &tempfile::TempDir) -> State {
        let folder = OwnedFd::from(std::fs::File::open(folder.path()).unwrap());
        State { owner: Owner::of(&folder).unwrap(), folder }
    }

    #[test]
    fn a_second_holder_waits_and_then_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let state = state(&folder);
        let held = acquire(&state, PATIENCE).unwrap();
        let Err(Trouble::Absent(why)) = acquire(&state, Duration::ZERO) else { panic!("two holders") };
        assert_eq!(why, "its lock was held by another process for 0ns");
        drop(held);
        acquire(&state, Duration::ZERO).unwrap();
    }

    #[test]
    fn a_lock_on_a_file_that_was_removed_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let state = state(&folder);
        let held = acquire(&state, PATIENCE).unwrap();
        std::fs::remove_file(folder.path().join(NAME)).unwrap();
        assert!(!held.is_current(&state.folder).unwrap());
        let _other = acquire(&state, Duration::ZERO).unwrap();
        assert!(!held.is_current(&state.folder).unwrap());
    }
}
