//! One network namespace: a machine as far as the network is concerned.
//!
//! The processes in it see its loopback and its one interface, and nothing of this machine's own
//! network. It ends with the value: whatever still runs in it is killed, and it is deleted, also when
//! a test panics. What a killed test left is removed by the next one (see [`sweep`]).

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::ffi::OsStr;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

/// Where `ip netns` keeps them.
const FOLDER: &str = "/run/netns";
/// The names of ours: this, the process id of the test, and the rest after a dash.
const PREFIX: &str = "e2d";

/// A namespace of this test.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    address: Ipv4Addr,
}

impl Namespace {
    /// Makes `e2d<pid>-<suffix>` with loopback up. The address is given to it by [`crate::Network`].
    pub(crate) fn new(suffix: &str, address: Ipv4Addr) -> Result<Self> {
        let name = format!("{PREFIX}{}-{suffix}", std::process::id());
        run(&["ip", "netns", "add", &name], "")?;
        let namespace = Self { name, address };
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Its name, as `ip netns list` shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address on the network.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A command that runs `program` inside. The process id of the child is the program's own.
    ///
    /// By `nsenter`, because `ip netns exec` mounts another `/sys` and hides the cgroups.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).arg("--").arg(program);
        command
    }

    /// Runs `story` on a thread inside: the sockets that it opens are sockets of this machine, also
    /// those of a runtime that it starts.
    ///
    /// # Errors
    ///
    /// The thread could not enter; `story` did not run.
    ///
    /// # Panics
    ///
    /// As `story` does.
    pub fn inside<T: Send>(&self, story: impl FnOnce() -> T + Send) -> Result<T> {
        let folder = fs_err::File::open(self.path())?;
        let outcome = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                move_into_link_name_space(folder.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok::<T, rustix::io::Errno>(story())
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        outcome.with_context(|| format!("cannot enter the network namespace {}", self.name))
    }

    /// Runs `ip` with this namespace as its world.
    pub(crate) fn ip(&self, arguments: &[&str]) -> Result<()> {
        run(&[&["ip", "-n", &self.name], arguments].concat(), "")
    }

    /// Replaces what the packet filter of this namespace holds by `ruleset`, at once or not at all.
    pub(crate) fn filter(&self, ruleset: &str) -> Result<()> {
        let enter = format!("--net={}", self.path());
        run(&["nsenter", &enter, "--", "nft", "-f", "-"], ruleset)
            .context("cutting links takes nft; install it: cargo xtask parts nftables")
    }

    fn path(&self) -> String {
        format!("{FOLDER}/{}", self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // A failure here cannot be returned, and must not hide the test's own; the next sweep repeats it.
        let _ = remove(&self.name);
    }
}

/// Removes the namespaces of tests that no longer run.
pub(crate) fn sweep() -> Result<()> {
    let Ok(entries) = fs_err::read_dir(FOLDER) else {
        return Ok(()); // No namespace was ever made here.
    };
    for entry in entries {
        let name = entry?.file_name();
        let Some(name) = name.to_str().filter(|name| is_stale(name, alive)) else { continue };
        // Two tests may sweep at once; the slower one finds it gone.
        let _ = remove(name);
    }
    Ok(())
}

fn alive(process: u32) -> bool {
    std::path::Path::new(&format!("/proc/{process}")).exists()
}

/// Whether `name` is one of ours and its test is gone. A foreign name never is.
fn is_stale(name: &str, alive: impl Fn(u32) -> bool) -> bool {
    let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-')).and_then(|(pid, _)| pid.parse().ok());
    owner.is_some_and(|pid| !alive(pid))
}

/// Kills what runs inside, then deletes.
fn remove(name: &str) -> Result<()> {
    let output = Command::new("ip").args(["netns", "pids", name]).stdin(Stdio::null()).output()?;
    let inside = String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.trim().parse().ok()).collect();
    let inside: Vec<i32> = inside;
    let myself = i32::try_from(std::process::id()).ok();
    for pid in inside.into_iter().filter(|pid| Some(*pid) != myself).filter_map(Pid::from_raw) {
        // It may have ended by itself since.
        let _ = kill_process(pid, Signal::KILL);
    }
    run(&["ip", "netns", "del", name], "")
}

fn run(command: &[&str], input: &str) -> Result<()> {
    let line = command.join(" ");
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{line}`; install {}: cargo xtask parts", command[0]))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input has said why on stderr.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let hint = if rustix::process::geteuid().is_root() { "" } else { " (network namespaces take root)" };
        bail!("`{line}` failed: {}{hint}", said.trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_namespaces_of_dead_tests_are_stale() {
        let alive = |pid| pid == 7;
        assert!(is_stale("e2d8-1-hub", alive));
        for name in ["e2d7-1-hub", "e2d-1", "e2dx-1", "e2d8", "cni-8-1", "8-1"] {
            assert!(!is_stale(name, alive), "{name}");
        }
    }

    #[test]
    fn a_failure_names_the_command_and_what_it_said() {
        let error = run(&["sh", "-c", "cat >&2; exit 3"], "no such thing\n").unwrap_err().to_string();
        assert!(error.starts_with("`sh -c cat >&2; exit 3` failed: no such thing"), "{error}");
    }
}
