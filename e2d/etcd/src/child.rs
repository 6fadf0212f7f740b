//! The etcd process: started, found again, watched, stopped, and asked what it died of.
//!
//! An etcd that is started here does not depend on who started it: it runs in its own process group, writes to a file
//! and not into a pipe, and no handle kills it when dropped. A record on the disk, durable before the process exists
//! and completed when it does, lets the next e2d find it and prove that it is ours ([`find`]); a process is watched
//! and signalled by its pidfd, so that a number that went to somebody else is never hit. The same code serves an etcd
//! that is our child, one that an e2d before us started, and one that became our child again by an `exec` of
//! ourselves.
//!
//! What it does not do: decide to start or stop, or start a server on a directory that somebody else uses. A second
//! etcd on the same directory would not fail but wait for ever on the database's lock, so [`spawn`] looks first.

mod exit;
mod flags;
mod log;
mod process;
mod record;

pub use exit::{Cause, Exit, LONGEST_LINE, MOST_LINES};
pub use record::{Record, RunId};

use crate::datadir;
use crate::durable;
use crate::launch::{Gate, Launch, LaunchError};
use crate::programs::Program;
use crate::socket;
use camino::{Utf8Path, Utf8PathBuf};
use process::Identity;
use rustix::process::Signal;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::OnceCell;

/// What etcd inherits of the environment, by name. Everything else stays here: an `ETCD_` variable beside the flag of
/// the same name ends etcd, `NOTIFY_SOCKET` would let it speak to systemd in our place, and secrets have no business
/// in it.
const INHERITED: &[&str] =
    &["PATH", "HOME", "LANG", "TZ", "TMPDIR", "GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK"];

/// The variable by which a process is known as ours, whatever became of the record.
const RUN_VARIABLE: &str = "E2D_CHILD";

/// A running etcd of ours, or one that has just ended. Dropping it leaves the process alone.
#[derive(Debug)]
pub struct Child {
    pidfd: AsyncFd<OwnedFd>,
    identity: Identity,
    record: Record,
    home: Utf8PathBuf,
    exit: OnceCell<Exit>,
}

/// What became of the etcd that was last started on a data directory.
#[derive(Debug)]
pub enum Found {
    /// None was started, or its end has been reported.
    Nothing,
    /// It runs.
    Running(Box<Child>),
    /// It ended while nobody watched; its log says how.
    Ended(Exit),
}

/// Who uses a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// This process.
    Process(i32),
    /// Somebody who holds the database's lock and cannot be seen.
    Unseen,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(pid) => write!(f, "process {pid}"),
            Self::Unseen => f.write_str("another process"),
        }
    }
}

/// Why no etcd was started. Unless said otherwise nothing was changed but e2d's own record and log.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The flags cannot be made. Nothing was changed.
    #[error("etcd cannot be started as configured")]
    Launch(#[from] LaunchError),
    /// Another process uses the data directory.
    #[error("data directory {data_dir} is in use by {user}")]
    InUse {
        /// The directory.
        data_dir: Utf8PathBuf,
        /// Who uses it.
        user: User,
    },
    /// Whether anybody uses the data directory cannot be seen. Nothing was changed.
    #[error("cannot see whether another process uses data directory {data_dir}")]
    Unseen {
        /// The directory.
        data_dir: Utf8PathBuf,
        /// What the system said, and of which file.
        source: io::Error,
    },
    /// A file of ours could not be read or written.
    #[error("e2d's files in {home} could not be prepared")]
    Prepare {
        /// e2d's folder.
        home: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The program could not be run.
    #[error("{program} could not be started")]
    Start {
        /// The program.
        program: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It was started, could not be watched, and was ended again: nobody would have stopped it.
    #[error("{program} was started and ended again, because it cannot be watched")]
    Watch {
        /// The program.
        program: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why it is not known what became of an etcd. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The record could not be read or written, or the process on it not be looked at.
    #[error("the record of etcd's process in {home} could not be followed")]
    Record {
        /// e2d's folder.
        home: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The process could not be watched.
    #[error("etcd's process {pid} could not be watched")]
    Process {
        /// Its process id.
        pid: i32,
        /// What the system said.
        source: io::Error,
    },
}

/// Who uses a data directory, as far as that can be seen: the etcd on record, any other that was told to use it, and
/// who holds the database's lock.
pub fn user_of(data_dir: &Utf8Path) -> io::Result<Option<User>> {
    if let Some(record) = Record::load(&datadir::home(data_dir))?
        && let Some((identity, pidfd)) = process_of(&record)?
        && !process::has_ended(&pidfd)
    {
        return Ok(Some(User::Process(identity.pid())));
    }
    process::user_of(data_dir)
}

/// The process of a record, if it is still there, though perhaps ended.
fn process_of(record: &Record) -> io::Result<Option<(Identity, OwnedFd)>> {
    let identity = match record.identity {
        Some(identity) => Some(identity),
        None => process::with_environment(RUN_VARIABLE, &record.run.to_string())?,
    };
    let Some(identity) = identity else { return Ok(None) };
    Ok(identity.reopen()?.map(|pidfd| (identity, pidfd)))
}

/// Starts etcd on a data directory.
///
/// The directory's `e2d/` is made if need be. Needs a tokio runtime.
pub fn spawn(program: &Program, launch: &Launch) -> Result<Child, SpawnError> {
    let args = launch.args(program.version)?;
    let data_dir = &launch.data_dir;
    let home = datadir::home(data_dir);
    let prepare = |source| SpawnError::Prepare { home: home.clone(), source };
    durable::private_dir(data_dir).map_err(prepare)?;
    durable::private_dir(&home).map_err(prepare)?;
    let unseen = |source| SpawnError::Unseen { data_dir: data_dir.clone(), source };
    if let Some(user) = user_of(data_dir).map_err(unseen)? {
        return Err(SpawnError::InUse { data_dir: data_dir.clone(), user });
    }
    // A server that was killed leaves its sockets behind, and 3.4 takes them for somebody else's.
    for name in [socket::CLIENT, socket::METRICS] {
        durable::remove(&home.join(name)).map_err(prepare)?;
    }
    let record = Record {
        run: RunId::random().map_err(prepare)?,
        identity: None,
        args: process::digest(&args),
        program: program.path.clone(),
        version: program.version,
        gate: launch.gate,
    };
    let log = log::open(&home, record.run).map_err(prepare)?;
    record.save(&home).map_err(prepare)?;
    let errors = log.try_clone().map_err(prepare)?;
    let mut command = Command::new(&program.path);
    command.args(&args).current_dir(&home).process_group(0).stdin(Stdio::null()).stdout(log).stderr(errors);
    command.env_clear().env(RUN_VARIABLE, record.run.to_string());
    command.envs(INHERITED.iter().filter_map(|name| std::env::var_os(name).map(|value| (*name, value))));
    // Where nothing runs any more, nothing is on record.
    let forget = || Record::forget(&home);
    let mut started = command.spawn().map_err(|source| {
        let _ = forget();
        SpawnError::Start { program: program.path.clone(), source }
    })?;
    Child::of(&started, record, &home).map_err(|source| {
        let _ = started.kill().and_then(|()| started.wait()).and_then(|_| forget());
        SpawnError::Watch { program: program.path.clone(), source }
    })
}

/// Finds what became of the etcd that was last started on this data directory.
///
/// A process counts as ours when the machine has not been started anew since, and process id and start time are those
/// of the record; and when the record was not completed, by the run that its environment names. An end is reported
/// once: the record is removed with it. Needs a tokio runtime.
pub fn find(data_dir: &Utf8Path) -> Result<Found, FindError> {
    let home = datadir::home(data_dir);
    let unread = |source| FindError::Record { home: home.clone(), source };
    let Some(mut record) = Record::load(&home).map_err(unread)? else {
        return Ok(Found::Nothing);
    };
    let mut status = None;
    if let Some((identity, pidfd)) = process_of(&record).map_err(unread)? {
        if record.identity.is_none() {
            record.complete(identity, &home);
        }
        if !process::has_ended(&pidfd) {
            let pid = identity.pid();
            tracing::info!(pid, gate = ?record.gate, version = %record.version, "running etcd found");
            let watched = Child::watch(pidfd, identity, record, home);
            let child = watched.map_err(|source| FindError::Process { pid, source })?;
            return Ok(Found::Running(Box::new(child)));
        }
        status = process::reap(&pidfd);
    }
    let exit = explain(&home, record.run, status).map_err(unread)?;
    Record::forget(&home).map_err(unread)?;
    // A record without a process whose run wrote nothing: e2d died before it started anything.
    if record.identity.is_none() && exit.lines.is_empty() {
        return Ok(Found::Nothing);
    }
    Ok(Found::Ended(exit))
}

/// Why a run ended, by its status, its log, and the room that its disk has left.
fn explain(home: &Utf8Path, run: RunId, status: Option<process::Status>) -> io::Result<Exit> {
    let exit = exit::classify(status, &log::tail(home, run)?);
    Ok(exit.on_a_disk_with(log::room(home)?))
}

impl Child {
    /// A process that was started just now.
    fn of(started: &std::process::Child, mut record: Record, home: &Utf8Path) -> io::Result<Self> {
        // Until it is waited for, which only this handle does, the number stays its own.
        let identity = Identity::of(started.id().cast_signed())?;
        let pidfd = identity.open()?;
        record.complete(identity, home);
        tracing::info!(pid = identity.pid(), gate = ?record.gate, version = %record.version, "etcd started");
        Self::watch(pidfd, identity, record, home.to_owned())
    }

    fn watch(pidfd: OwnedFd, identity: Identity, record: Record, home: Utf8PathBuf) -> io::Result<Self> {
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for types whose descriptor may change; ours owns its own"
        )]
        let pidfd = AsyncFd::with_interest(pidfd, Interest::READABLE)?;
        Ok(Self { pidfd, identity, record, home, exit: OnceCell::new() })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.identity.pid()
    }

    /// How it was started.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Who may talk to it.
    #[must_use]
    pub fn gate(&self) -> Gate {
        self.record.gate
    }

    /// Whether it was started with exactly these flags by this program.
    #[must_use]
    pub fn runs(&self, program: &Program, args: &[String]) -> bool {
        self.record.version == program.version && self.record.args == process::digest(args)
    }

    /// A flag that it was started with; `None` if it was not, or cannot be looked at any more.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<String> {
        let start = format!("--{name}=");
        flags::of(self.pid(), self.record.args)?.iter().find_map(|arg| arg.strip_prefix(&start).map(str::to_owned))
    }

    /// The names of the flags, without dashes, that it would be given otherwise than it was; nothing if it cannot be
    /// looked at any more. Those that count only at a member's birth are not compared.
    #[must_use]
    pub fn differences(&self, wanted: &[String]) -> Vec<String> {
        flags::of(self.pid(), self.record.args).map_or_else(Vec::new, |args| flags::differences(&args, wanted))
    }

    /// Whether it has ended. A frozen process has not.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.exit.initialized() || process::has_ended(self.pidfd.get_ref())
    }

    /// Waits for its end and says what it died of. May be awaited by several, and again; each gets the same answer.
    pub async fn ended(&self) -> &Exit {
        self.exit
            .get_or_init(|| async {
                loop {
                    match self.pidfd.readable().await {
                        Ok(_) if process::has_ended(self.pidfd.get_ref()) => break,
                        Ok(mut woken) => woken.clear_ready(),
                        // The runtime is going away, and etcd is not: nothing may be concluded.
                        Err(_) => std::future::pending().await,
                    }
                }
                let status = process::reap(self.pidfd.get_ref());
                let exit = explain(&self.home, self.record.run, status).unwrap_or_else(|_| exit::classify(status, ""));
                if let Err(error) = Record::forget(&self.home) {
                    tracing::warn!(%error, "record of an ended etcd not removed");
                }
                tracing::info!(pid = self.pid(), cause = ?exit.cause, "etcd ended");
                exit
            })
            .await
    }

    /// Asks it to end (SIGTERM), and after `patience` ends it (SIGKILL).
    ///
    /// etcd drains requests, hands leadership over and closes its log first, which takes up to 20 s at the default
    /// election time-out: `patience` should be 30 s or more. From 3.5 on an open stream on e2d's socket, a watch or a
    /// snapshot, costs 7 s of it: close ours first. Cancelling this leaves etcd as it is, perhaps ending.
    pub async fn stop(&self, patience: Duration) -> &Exit {
        self.signal(Signal::TERM);
        if let Ok(exit) = tokio::time::timeout(patience, self.ended()).await {
            return exit;
        }
        tracing::warn!(pid = self.pid(), ?patience, "etcd did not end when asked, killing it");
        self.kill().await
    }

    /// Ends it at once (SIGKILL). What it had acknowledged is on the disk.
    pub async fn kill(&self) -> &Exit {
        self.signal(Signal::KILL);
        self.ended().await
    }

    /// Keeps its log within bounds; to be called now and then. `false` when there was nothing to do.
    pub fn trim_log(&self) -> io::Result<bool> {
        log::trim(&self.home)
    }

    fn signal(&self, signal: Signal) {
        // The only failure is that it is gone already, which is what both signals are for.
        let _ = rustix::process::pidfd_send_signal(self.pidfd.get_ref(), signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that ends with its test.
    struct Ends(std::process::Child);

    impl Drop for Ends {
        fn drop(&mut self) {
            let _ = self.0.kill();
        }
    }

    /// A process in the place of an etcd, and the record that was made before it.
    fn started(home: &Utf8Path) -> (Ends, Record) {
        let record = Record {
            run: RunId::random().unwrap(),
            identity: None,
            args: process::digest(&[]),
            program: "/usr/bin/etcd".into(),
            version: "3.6.0".parse().unwrap(),
            gate: Gate::Gated,
        };
        durable::private_dir(home).unwrap();
        record.save(home).unwrap();
        let started = Command::new("sleep").arg("600").env(RUN_VARIABLE, record.run.to_string()).spawn().unwrap();
        (Ends(started), record)
    }

    /// A disk that has room for the record and not for its completion costs no etcd its supervisor, nor the next.
    #[tokio::test]
    async fn a_record_that_cannot_be_completed_loses_no_process() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = Utf8Path::from_path(dir.path()).unwrap();
        let home = datadir::home(data_dir);
        let (process, record) = started(&home);
        std::fs::create_dir(home.join("child.tmp")).unwrap();
        let child = Child::of(&process.0, record.clone(), &home).unwrap();
        assert_eq!(Record::load(&home).unwrap(), Some(record), "it could not be completed");
        drop(child);
        // A process that is only just being executed shows no environment yet; nor does the next e2d come that soon.
        let is_seen = || process_of(&Record::load(&home).unwrap().unwrap()).unwrap().is_some();
        tokio::time::timeout(Duration::from_secs(30), async {
            while !is_seen() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        let Found::Running(child) = find(data_dir).unwrap() else { panic!("it is lost") };
        assert_eq!(child.pid(), process.0.id().cast_signed());
        assert_eq!(child.kill().await.cause, Cause::Killed);
    }
}
