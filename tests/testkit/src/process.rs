//! One real process of a test: its log, its death, its freezing.
//!
//! It ends with the value: killed at once, and reaped. It stays in the process group of its test, so
//! that a runner which gives up on the test ends it too. It is never restarted here.

use crate::wait::wait_for;
use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{Pid, kill_process};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

pub use rustix::process::Signal;

/// A child with all its output in one file.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: Utf8PathBuf,
}

impl Process {
    /// Starts `command` with its output appended to `log`: a process of the same name that is started
    /// again goes on in the same file.
    ///
    /// # Errors
    ///
    /// The log could not be opened or the program not started: names both.
    pub fn spawn(name: &str, command: &mut Command, log: &Utf8Path) -> Result<Self> {
        let file = fs_err::OpenOptions::new().create(true).append(true).open(log)?.into_parts().0;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {name}: {command:?}"))?;
        Ok(Self { name: name.into(), child, log: log.into() })
    }

    /// What the test calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has written so far, and what earlier processes of its name wrote.
    ///
    /// # Errors
    ///
    /// The file could not be read.
    pub fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs_err::read(&self.log)?).into_owned())
    }

    /// The last line that it wrote: the status of a wait.
    #[must_use]
    pub fn last_line(&self) -> String {
        let log = self.log().unwrap_or_default();
        let line = log.lines().next_back().unwrap_or("nothing in its log");
        format!("{}: {line}", self.name)
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Errors
    ///
    /// The kernel does not know it.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot ask after {}", self.name))
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// It still runs at the deadline: names it and its last line.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let what = format!("{} to end", self.name);
        wait_for(deadline, &what, || self.ended()?.with_context(|| self.last_line()))
    }

    /// Sends any signal. Nothing is sent to a process that has ended and was asked after: its number
    /// may be another's by now.
    ///
    /// # Errors
    ///
    /// It has ended, or the kernel refused.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if let Some(status) = self.ended()? {
            anyhow::bail!("{} has ended: {status}", self.name);
        }
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("not a process id")?;
        kill_process(pid, signal).with_context(|| format!("cannot send {signal:?} to {}", self.name))
    }

    /// Kills it at once (SIGKILL) and waits until it is gone. It has no chance to tidy up; its own
    /// children live on.
    ///
    /// # Errors
    ///
    /// It had ended before, so that the test's story is not what happened.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.child.wait().map(drop).with_context(|| format!("cannot wait for {}", self.name))
    }

    /// Asks it to stop (SIGTERM).
    ///
    /// # Errors
    ///
    /// As [`Process::signal`].
    pub fn terminate(&mut self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Freezes it (SIGSTOP): it holds its sockets and locks, and does nothing.
    ///
    /// # Errors
    ///
    /// As [`Process::signal`].
    pub fn freeze(&mut self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen process go on (SIGCONT).
    ///
    /// # Errors
    ///
    /// As [`Process::signal`].
    pub fn thaw(&mut self) -> Result<()> {
        self.signal(Signal::CONT)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
