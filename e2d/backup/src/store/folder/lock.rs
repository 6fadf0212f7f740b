//! The lock that makes "compare, then replace" one step among all processes that use the folder.
//!
//! It is advisory and dies with its holder. Nobody holds it longer than it takes to read one small
//! object and rename one file; a holder that was stopped in between keeps the others waiting until
//! their patience is over, and then they say so.

use super::place::Trouble;
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
pub(super) fn acquire(state: &OwnedFd, patience: Duration) -> Result<Held, Trouble> {
    let deadline = Instant::now() + patience;
    loop {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let held = Held(rustix::fs::openat(state, NAME, flags, Mode::RUSR | Mode::WUSR)?);
        match rustix::fs::flock(&held.0, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if held.is_current(state)? => return Ok(held),
            Ok(()) | Err(Errno::WOULDBLOCK) => {}
            Err(errno) => return Err(errno.into()),
        }
        if Instant::now() >= deadline {
            return Err(Trouble::Absent(format!("its lock was held by another process for {patience:?}")));
        }
        std::thread::sleep(PAUSE);
    }
}

impl Held {
    /// Whether the name still means the file that was locked: somebody may have removed the folder's
    /// state by hand, and then two files could be locked at once.
    fn is_current(&self, state: &OwnedFd) -> Result<bool, Trouble> {
        let locked = rustix::fs::fstat(&self.0)?;
        match rustix::fs::statat(state, NAME, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) => Ok((named.st_dev, named.st_ino) == (locked.st_dev, locked.st_ino)),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_waits_and_then_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let state = OwnedFd::from(std::fs::File::open(folder.path()).unwrap());
        let held = acquire(&state, PATIENCE).unwrap();
        let Err(Trouble::Absent(why)) = acquire(&state, Duration::ZERO) else { panic!("two holders") };
        assert_eq!(why, "its lock was held by another process for 0ns");
        drop(held);
        acquire(&state, Duration::ZERO).unwrap();
    }

    #[test]
    fn a_lock_on_a_file_that_was_removed_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let state = OwnedFd::from(std::fs::File::open(folder.path()).unwrap());
        let held = acquire(&state, PATIENCE).unwrap();
        std::fs::remove_file(folder.path().join(NAME)).unwrap();
        assert!(!held.is_current(&state).unwrap());
        let _other = acquire(&state, Duration::ZERO).unwrap();
        assert!(!held.is_current(&state).unwrap());
    }
}
