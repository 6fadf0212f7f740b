//! Whose the parts of the folder are.
//!
//! The folder belongs to the user that e2d runs as, and people run verbs as root. What root makes there would
//! be root's alone, by its mode, and the daemon could neither read nor lock it. So root gives all that it makes to
//! the owner of the folder. Everybody else can make things only as himself. What lies there already is left as it is.

use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use std::os::fd::AsFd;

/// Who is to own what is made; `None` for whoever makes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner(Option<(Uid, Gid)>);

impl Owner {
    /// Whoever owns this folder, if this process is root.
    pub(super) fn of(folder: impl AsFd) -> Result<Self, Errno> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self(None));
        }
        let stat = rustix::fs::fstat(folder)?;
        Ok(Self(Some((Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid)))))
    }

    /// Gives away what this process has just made, and nobody else can have put there.
    pub(super) fn give(self, made: impl AsFd) -> Result<(), Errno> {
        let Some((uid, gid)) = self.0 else { return Ok(()) };
        match rustix::fs::fchown(made, Some(uid), Some(gid)) {
            // In a container, or on a share, root may not be allowed to. What it then keeps is no reason not to write.
            Err(Errno::PERM | Errno::INVAL) => Ok(()),
            given => given,
        }
    }
}
