//! Four machines on a network of their own, with one cluster on them at a time.
//!
//! A cluster is e2d's ([`crate::supervised`]) or plain etcd, started by hand ([`crate::plain`]). It
//! ends with its value: everything that runs on its machines is killed and its folder removed.

use crate::stop;
use anyhow::{Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use e2d_testkit::{Network, Process};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// How many machines there are; clusters have three members.
pub(crate) const MACHINES: u8 = 4;
/// The members' machines.
pub(crate) const MEMBERS: [u8; 3] = [1, 2, 3];

/// Where the real programs are.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// The e2d that is measured.
    pub(crate) e2d: Utf8PathBuf,
    /// The folder of etcd.
    pub(crate) etcd: Utf8PathBuf,
}

/// The machines of one cluster, its folder, and its processes.
pub(crate) struct Machines<'a> {
    network: &'a Network,
    folder: Option<tempfile::TempDir>,
    path: Utf8PathBuf,
    running: BTreeMap<u8, Process>,
    well: bool,
}

impl<'a> Machines<'a> {
    /// An empty folder, and machines on which nothing runs.
    pub(crate) fn new(network: &'a Network) -> Result<Self> {
        let base = std::env::var_os("E2D_TEST_SCRATCH").map_or_else(std::env::temp_dir, Into::into);
        let folder = tempfile::Builder::new().prefix("e2d-bench-").tempdir_in(base)?;
        let path = Utf8PathBuf::try_from(folder.path().to_owned())?;
        Ok(Self { network, folder: Some(folder), path, running: BTreeMap::new(), well: false })
    }

    /// The cluster's folder.
    pub(crate) fn folder(&self) -> &Utf8Path {
        &self.path
    }

    /// Where the member on a machine keeps its data.
    pub(crate) fn data_dir(&self, n: u8) -> Utf8PathBuf {
        self.path.join(format!("n{n}"))
    }

    /// The log of what runs on a machine.
    pub(crate) fn log(&self, n: u8) -> Utf8PathBuf {
        self.path.join(format!("n{n}.log"))
    }

    /// The network between the machines.
    pub(crate) fn network(&self) -> &'a Network {
        self.network
    }

    /// A machine's address.
    pub(crate) fn address(&self, n: u8) -> String {
        self.network.node(n).address().to_string()
    }

    /// A command on a machine.
    pub(crate) fn command(&self, n: u8, program: &Utf8Path) -> Command {
        let mut command = self.network.node(n).command(program);
        // What is set for benchmarks is none of e2d's and etcd's.
        let ours = |name: &str| ["E2D_", "ETCD_", "ETCDCTL_"].iter().any(|prefix| name.starts_with(prefix));
        for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
            command.env_remove(name);
        }
        command.process_group(0);
        command
    }

    /// Starts the one process of a machine.
    pub(crate) fn run(&mut self, n: u8, command: &mut Command) -> Result<()> {
        let process = Process::spawn(&format!("n{n}"), command, &self.log(n))?;
        self.running.insert(n, process);
        Ok(())
    }

    /// The process of a machine.
    pub(crate) fn process(&mut self, n: u8) -> Option<&mut Process> {
        self.running.get_mut(&n)
    }

    /// Takes the power of a machine: everything on it is gone at once. Returns the moment before.
    pub(crate) fn power_off(&mut self, n: u8) -> Result<Instant> {
        let children = self.others_on(n)?;
        let at = Instant::now();
        if let Some(mut process) = self.running.remove(&n) {
            process.kill()?;
        }
        for pid in children.iter().copied().filter_map(Pid::from_raw) {
            // It may have ended with its parent.
            let _ = kill_process(pid, Signal::KILL);
        }
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let left: Vec<i32> = self.others_on(n)?;
            if left.is_empty() {
                return Ok(at);
            }
            for pid in left.iter().copied().filter_map(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
            ensure!(Instant::now() < end, "{left:?} on n{n} cannot be killed");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Takes the disk of a machine that is off.
    pub(crate) fn wipe(&self, n: u8) -> Result<()> {
        Ok(fs_err::remove_dir_all(self.data_dir(n))?)
    }

    /// The processes on a machine but the one that we started there.
    pub(crate) fn others_on(&self, n: u8) -> Result<Vec<i32>> {
        let name = self.network.node(n).name();
        let output = Command::new("ip").args(["netns", "pids", name]).output()?;
        ensure!(output.status.success(), "ip netns pids {name}: {}", String::from_utf8_lossy(&output.stderr).trim());
        let own = self.running.get(&n).map(Process::pid);
        let pids =
            String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| line.trim().parse().ok()).collect();
        let pids: Vec<i32> = pids;
        Ok(pids.into_iter().filter(|pid| Some(pid.unsigned_abs()) != own).collect())
    }

    /// Nothing here needs to be kept.
    pub(crate) fn well(&mut self) {
        self.well = true;
    }
}

impl Drop for Machines<'_> {
    #[expect(clippy::print_stderr, reason = "the reader of a failed run is told where to look")]
    fn drop(&mut self) {
        for n in 1..=MACHINES {
            let _ = self.power_off(n);
        }
        if !self.well
            && !stop::wanted()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("logs and data of the failed run are kept in {}", folder.keep().display());
        }
    }
}
