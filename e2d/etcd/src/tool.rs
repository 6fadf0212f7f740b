//! Programs that do one thing for us and have no business without us, unlike etcd itself.
//!
//! A service manager that ends e2d alone, for etcd's sake, would leave them running: a restore would go on writing a
//! copy of the database where the next e2d clears up.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use tokio::process::Command;

/// Has a program end by SIGKILL when whoever starts it does, and when its handle is dropped.
///
/// To the kernel that is a thread. Those that run tasks live as long as their runtime; one for what blocks does not, and
/// must not start a program this way. The program must have run before, if only to say its version: what the kernel
/// takes for none is given to a shell here.
#[expect(unsafe_code, reason = "only between fork and exec can a process ask for this")]
pub(crate) fn ends_with_us(command: &mut Command) {
    let us = Pid::from_raw(std::process::id().cast_signed());
    let ask = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // We may have died before it was asked for.
        if getppid() == us { Ok(()) } else { Err(Errno::SRCH.into()) }
    };
    // SAFETY: it makes two system calls, and neither allocates nor takes a lock.
    unsafe { command.pre_exec(ask) };
    command.kill_on_drop(true);
}
