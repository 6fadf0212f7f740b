//! A cluster of real nodes for stories: e2d and etcd on machines of their own, a shared folder as the
//! store, and a client that remembers every acknowledgement.
//!
//! Nothing here knows what should happen: that is in the tests.

use anyhow::{Context as _, Result, bail, ensure};
use camino::Utf8PathBuf;
use e2d_testkit::{EtcdVersion, LogGate, Network, Parts, Process, Scratch, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

/// How long a cluster may take for anything that it does by itself.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A cluster of machines.
pub struct Cluster {
    scratch: Option<Scratch>,
    folder: Utf8PathBuf,
    network: Network,
    etcd: Utf8PathBuf,
    nodes: Vec<Option<Process>>,
    acked: BTreeSet<u32>,
    next: u32,
}

impl Cluster {
    /// Machines without power.
    pub fn new(story: &str, version: EtcdVersion, size: u8) -> Result<Self> {
        let scratch = Scratch::new(story)?;
        fs_err::create_dir(scratch.path().join("store"))?;
        let etcd = Parts::locate()?.etcd(version)?;
        let nodes = (0..size).map(|_| None).collect();
        let folder = scratch.path().to_owned();
        Ok(Self {
            scratch: Some(scratch),
            folder,
            network: Network::new(size)?,
            etcd,
            nodes,
            acked: BTreeSet::new(),
            next: 0,
        })
    }

    /// Every machine's number.
    pub fn all(&self) -> impl Iterator<Item = u8> + use<> {
        1..=u8::try_from(self.nodes.len()).unwrap_or(u8::MAX)
    }

    /// The network between the machines.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    fn data_dir(&self, n: u8) -> Utf8PathBuf {
        self.folder.join(format!("n{n}"))
    }

    /// Starts e2d on a machine.
    pub fn start(&mut self, n: u8) -> Result<()> {
        let address = |n: u8| self.network.node(n).address().to_string();
        let peers: Vec<String> = self.all().map(address).collect();
        let mut run = self.network.node(n).command(Parts::e2d()?);
        // The tests' own variables are none of e2d's.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("E2D_")) {
            run.env_remove(name);
        }
        run.args(["run", "--insecure", "--log-format", "json", "--host", &address(n)])
            .args(["--required-cluster-size", &self.nodes.len().to_string(), "--bootstrap-addrs", &peers.join(",")])
            .args(["--snapshot-url", &format!("file://{}/", self.folder.join("store"))])
            .args(["--health-check-timeout", "10s", "--snapshot-interval", "2s"])
            .args(["--etcd-bin-dir", self.etcd.as_str(), "--data-dir", self.data_dir(n).as_str()]);
        self.nodes[usize::from(n) - 1] =
            Some(self.scratch.as_ref().context("the story is over")?.spawn(&format!("n{n}"), &mut run)?);
        Ok(())
    }

    /// Takes the power of a machine: e2d and etcd are gone at once.
    pub fn power_off(&mut self, n: u8) -> Result<()> {
        if let Some(mut node) = self.nodes[usize::from(n) - 1].take() {
            node.kill()?;
        }
        let ours = format!("--data-dir={}", self.data_dir(n));
        let pids = running(&ours)?;
        ensure!(!pids.is_empty(), "n{n} runs no etcd");
        for pid in pids {
            Command::new("kill").args(["-9", &pid.to_string()]).status()?;
        }
        wait_for(PATIENCE, "etcd to be gone", || {
            let left = running(&ours).map_err(|error| error.to_string())?;
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?} still run")) }
        })
    }

    /// Takes the disk of a machine that is off.
    pub fn wipe(&self, n: u8) -> Result<()> {
        Ok(fs_err::remove_dir_all(self.data_dir(n))?)
    }

    /// What etcdctl says, asked from outside the machines.
    pub fn etcdctl(&self, args: &[&str]) -> Result<String> {
        let endpoints: Vec<String> =
            self.all().map(|n| format!("http://{}:2379", self.network.node(n).address())).collect();
        let mut command = self.network.node(Network::HUB).command(self.etcd.join("etcdctl"));
        command
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &endpoints.join(","), "--command-timeout", "2s"])
            .args(args);
        let output = command.output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Writes once, and remembers the acknowledgement. Whether an unanswered write counts is unknown.
    pub fn write(&mut self) -> Result<()> {
        let n = self.next;
        self.next += 1;
        self.etcdctl(&["put", &format!("story/{n:06}"), "x"])?;
        self.acked.insert(n);
        Ok(())
    }

    /// Writes until a write is acknowledged: the cluster serves.
    pub fn serves(&mut self, what: &str) -> Result<()> {
        wait_for(PATIENCE, &format!("the cluster to serve {what}"), || self.write().map_err(|error| error.to_string()))
    }

    /// Acknowledged writes that are not there.
    pub fn lost(&self) -> Result<Vec<u32>> {
        let text = self.etcdctl(&["get", "story/", "--prefix", "--keys-only"])?;
        let there: BTreeSet<u32> = text.lines().filter_map(|line| line.strip_prefix("story/")?.parse().ok()).collect();
        Ok(self.acked.difference(&there).copied().collect())
    }

    /// Forgets acknowledgements: what only lost disks held is lost.
    pub fn forgive(&mut self) -> Result<()> {
        let lost: BTreeSet<u32> = self.lost()?.into_iter().collect();
        self.acked.retain(|write| !lost.contains(write));
        Ok(())
    }

    /// The ids of the voters that have run.
    pub fn voters(&self) -> Result<BTreeSet<u64>> {
        let list: Value = serde_json::from_str(&self.etcdctl(&["member", "list", "-w", "json"])?)?;
        let members = list["members"].as_array().context("no members in etcdctl's answer")?;
        let voter = |member: &Value| {
            let started = member["name"].as_str().is_some_and(|name| !name.is_empty());
            let learner = member["isLearner"].as_bool().unwrap_or(false);
            member["ID"].as_u64().filter(|_| started && !learner)
        };
        Ok(members.iter().filter_map(voter).collect())
    }

    /// Waits until all members vote, and each answers for itself.
    pub fn is_whole(&mut self, what: &str) -> Result<BTreeSet<u64>> {
        let size = self.nodes.len();
        let voters = wait_for(PATIENCE, &format!("{size} voters {what}"), || -> Result<_> {
            let voters = self.voters()?;
            ensure!(voters.len() == size, "{} voters", voters.len());
            self.etcdctl(&["endpoint", "health"])?;
            Ok(voters)
        })?;
        self.write()?;
        Ok(voters)
    }

    /// The cluster's id and revision.
    pub fn header(&self) -> Result<(u64, i64)> {
        let answer: Value = serde_json::from_str(&self.etcdctl(&["get", "nothing", "-w", "json"])?)?;
        let header = &answer["header"];
        Ok((
            header["cluster_id"].as_u64().context("no cluster id")?,
            header["revision"].as_i64().context("no revision")?,
        ))
    }

    /// How many verified archives lie in the store.
    pub fn archives(&self) -> Result<usize> {
        let epochs = self.folder.join("store/archives");
        let mut count = 0;
        for epoch in fs_err::read_dir(epochs)? {
            for object in fs_err::read_dir(epoch?.path())? {
                count += usize::from(object?.path().extension().is_some_and(|ending| ending == "check"));
            }
        }
        Ok(count)
    }

    /// What `e2d status` says of a node.
    pub fn status(&self, n: u8) -> Result<Value> {
        let mut command = self.network.node(n).command(Parts::e2d()?);
        let output = command.args(["status", "--output", "json", "--data-dir", self.data_dir(n).as_str()]).output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Stops every node in order, and passes what was logged through the gate.
    pub fn passed(mut self, gate: &LogGate) -> Result<()> {
        for node in self.nodes.iter_mut().flatten() {
            node.terminate()?;
        }
        for node in self.nodes.iter_mut().flatten() {
            let status = node.wait(PATIENCE)?;
            ensure!(status.success(), "{} ended with {status}", node.name());
        }
        self.scratch.take().context("the story is over")?.passed(gate)
    }
}

impl Drop for Cluster {
    /// Ends the etcds: they outlive their e2d on purpose.
    fn drop(&mut self) {
        for n in self.all() {
            for pid in running(&format!("--data-dir={}", self.data_dir(n))).unwrap_or_default() {
                let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
            }
        }
    }
}

/// The processes that were started with this argument, in this or in two words.
fn running(argument: &str) -> Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in fs_err::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&line).replace('\0', " ").replace("--data-dir ", "--data-dir=");
        let etcd = words.split(' ').next().is_some_and(|program| program.ends_with("/etcd"));
        if etcd && words.split(' ').any(|word| word == argument) {
            pids.push(pid);
        }
    }
    Ok(pids)
}
