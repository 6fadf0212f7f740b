//! Processes as the kernel shows them, by pidfd and `/proc`.
//!
//! A process is the same one as before when the boot id of the machine, its number and its start time are the same:
//! numbers are used again, but not within one tick of the clock that counts starts.

use super::User;
use camino::Utf8Path;
use e2d_core::id::Digest;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::FlockOperation;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// One process on one boot of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pid: i32,
    /// Ticks since boot, field 22 of `/proc/PID/stat`.
    start: u64,
    /// The kernel's random id of this boot.
    #[serde(with = "hex")]
    boot: u128,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl Identity {
    /// The identity of a process that cannot end unseen, or whose identity is checked again.
    pub(super) fn of(pid: i32) -> io::Result<Self> {
        Ok(Self { pid, start: start_time(pid)?, boot: boot_id()? })
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// A descriptor of the process with this number.
    pub(super) fn open(&self) -> io::Result<OwnedFd> {
        let pid = Pid::from_raw(self.pid).ok_or_else(|| invalid("process id 0"))?;
        Ok(rustix::process::pidfd_open(pid, PidfdFlags::empty())?)
    }

    /// A descriptor of this very process, or `None` when it is gone.
    pub(super) fn reopen(&self) -> io::Result<Option<OwnedFd>> {
        if boot_id()? != self.boot {
            return Ok(None);
        }
        match self.open() {
            // The number may have changed hands just before: whom the descriptor holds is settled now.
            Ok(pidfd) => Ok(self.is_alive().then_some(pidfd)),
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Whether the process is there; one that ended and was not waited for by us still is.
    pub(super) fn is_alive(&self) -> bool {
        start_time(self.pid).is_ok_and(|start| start == self.start)
    }
}

/// Whether the process has ended, whoever has waited for it.
pub(super) fn has_ended(pidfd: &OwnedFd) -> bool {
    // A descriptor of a process is readable from its end on.
    let mut ended = [PollFd::new(pidfd, PollFlags::IN)];
    rustix::event::poll(&mut ended, Some(&Timespec::default())).is_ok_and(|count| count > 0)
}

/// Takes the status of an ended child; `None` when it was never a child of ours.
pub(super) fn reap(pidfd: &OwnedFd) -> Option<Status> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    let status = rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), options).ok()??;
    status.exit_status().map(Status::Code).or(status.terminating_signal().map(Status::Signal))
}

/// The process whose environment holds `name=value`, among those that can be looked at.
pub(super) fn with_environment(name: &str, value: &str) -> io::Result<Option<Identity>> {
    let wanted = format!("{name}={value}").into_bytes();
    let is_it = |pid| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&b| b == 0).any(|variable| variable == wanted)
    };
    match pids()?.find(|&pid| is_it(pid)) {
        Some(pid) => Ok(Identity::of(pid).ok()),
        None => Ok(None),
    }
}

/// Who uses a data directory, if anybody does.
///
/// It is asked in two ways, because a starting etcd does not hold the lock yet, and a process of another name space
/// cannot be seen.
pub(super) fn user_of(data_dir: &Utf8Path) -> io::Result<Option<User>> {
    let data_dir_flag = format!("--data-dir={data_dir}").into_bytes();
    let runs_on_it = |pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|&b| b == 0).collect();
        let pair = words
            .windows(2)
            .any(|pair| matches!(pair[0], b"--data-dir" | b"-data-dir") && pair[1] == data_dir.as_str().as_bytes());
        let is_etcd = words.first().is_some_and(|program| program.ends_with(b"etcd"));
        is_etcd && (pair || words.iter().any(|word| *word == data_dir_flag || Some(*word) == data_dir_flag.get(1..)))
    };
    if let Some(pid) = pids()?.find(|&pid| runs_on_it(pid)) {
        return Ok(Some(User::Process(pid)));
    }
    let database = match fs_err::File::open(data_dir.join("member/snap/db")) {
        Ok(database) => database,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    // Shared, so that two that only look do not see each other; given back when the file is closed.
    match rustix::fs::flock(&database, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(Some(User::Unseen)),
        Err(e) => Err(e.into()),
    }
}

/// A digest of an argument list.
pub(super) fn digest(args: &[String]) -> Digest {
    Digest::of(args.join("\0").as_bytes())
}

/// 128 random bits of the kernel.
pub(super) fn random() -> io::Result<u128> {
    uuid("/proc/sys/kernel/random/uuid")
}

fn boot_id() -> io::Result<u128> {
    uuid("/proc/sys/kernel/random/boot_id")
}

fn uuid(path: &str) -> io::Result<u128> {
    let text = fs_err::read_to_string(path)?;
    u128::from_str_radix(&text.trim().replace('-', ""), 16).map_err(|_| invalid("no uuid"))
}

fn pids() -> io::Result<impl Iterator<Item = i32>> {
    let entries = fs_err::read_dir("/proc")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()))
}

fn start_time(pid: i32) -> io::Result<u64> {
    parse_start_time(&fs_err::read_to_string(format!("/proc/{pid}/stat"))?).ok_or_else(|| invalid("no start time"))
}

/// Field 22; the second is the program's name in parentheses, and may hold anything.
fn parse_start_time(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{value:032x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        u128::from_str_radix(&String::deserialize(deserializer)?, 16).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let fields: Vec<String> = (3..=52).map(|n| n.to_string()).collect();
        let stat = format!("7 (a ) b) (c) {}", fields.join(" "));
        assert_eq!(parse_start_time(&stat), Some(22));
        assert_eq!(parse_start_time("7 (a) S 1"), None);
    }

    #[test]
    fn a_process_is_itself_and_nobody_else() {
        let own = Identity::of(std::process::id().cast_signed()).unwrap();
        assert!(own.reopen().unwrap().is_some());
        assert!(Identity { start: own.start + 1, ..own }.reopen().unwrap().is_none(), "the number went to another");
        assert!(Identity { boot: own.boot ^ 1, ..own }.reopen().unwrap().is_none(), "the machine was started anew");
        assert!(Identity { pid: i32::MAX, ..own }.reopen().unwrap().is_none());
        let json = serde_json::to_string(&own).unwrap();
        assert_eq!(serde_json::from_str::<Identity>(&json).unwrap(), own);
    }

    #[test]
    fn a_held_lock_is_a_user() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = Utf8Path::from_path(dir.path()).unwrap();
        assert_eq!(user_of(data_dir).unwrap(), None);
        std::fs::create_dir_all(data_dir.join("member/snap")).unwrap();
        let database = std::fs::File::create(data_dir.join("member/snap/db")).unwrap();
        assert_eq!(user_of(data_dir).unwrap(), None);
        rustix::fs::flock(&database, FlockOperation::LockExclusive).unwrap();
        assert_eq!(user_of(data_dir).unwrap(), Some(User::Unseen));
    }
}
