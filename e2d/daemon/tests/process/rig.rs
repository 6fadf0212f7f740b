//! What the tests stand on: nodes of a cluster on loopback addresses, and the command line.

use anyhow::{Context as _, Result, bail, ensure};
use camino::Utf8PathBuf;
use e2d_testkit::{EtcdVersion, LogGate, Parts, Process, Scratch, Signal, wait_for};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A loopback address that belongs to this process, and that nobody was given before.
fn address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(128);
    let [_, _, b, c] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, NEXT.fetch_add(1, Ordering::Relaxed).max(128), b, c)
}

/// A cluster of nodes with a shared store.
pub(crate) struct Cluster {
    scratch: Option<Scratch>,
    folder: Utf8PathBuf,
    etcd: Utf8PathBuf,
    store: String,
    variables: Vec<(String, String)>,
    nodes: Vec<Node>,
}

struct Node {
    address: Ipv4Addr,
    process: Option<Process>,
}

impl Cluster {
    /// Nodes that do not run yet.
    pub(crate) fn new(test: &str, version: EtcdVersion, size: usize) -> Result<Self> {
        let scratch = Scratch::new(test)?;
        let folder = scratch.path().to_owned();
        fs_err::create_dir(folder.join("store"))?;
        let etcd = Parts::locate()?.etcd(version)?;
        let nodes = (0..size).map(|_| Node { address: address(), process: None }).collect();
        let store = format!("file://{}/", folder.join("store"));
        Ok(Self { scratch: Some(scratch), folder, etcd, store, variables: Vec::new(), nodes })
    }

    /// A node's address.
    pub(crate) fn address(&self, n: usize) -> Ipv4Addr {
        self.nodes[n].address
    }

    /// A node's data directory.
    pub(crate) fn data_dir(&self, n: usize) -> Utf8PathBuf {
        self.folder.join(format!("n{n}"))
    }

    /// Takes another store from now on.
    pub(crate) fn keep_backups_in(&mut self, url: &str) {
        url.clone_into(&mut self.store);
    }

    /// Takes another etcd from now on.
    pub(crate) fn install(&mut self, version: EtcdVersion) -> Result<()> {
        self.etcd = Parts::locate()?.etcd(version)?;
        Ok(())
    }

    /// Takes programs from a folder of the test's own from now on, which nothing is in yet.
    pub(crate) fn own_programs(&mut self) -> Result<Utf8PathBuf> {
        self.etcd = self.folder.join("bin");
        fs_err::create_dir(&self.etcd)?;
        Ok(self.etcd.clone())
    }

    /// Puts a program of a version in the place of another, as a package does: at once.
    pub(crate) fn replace(&self, name: &str, version: EtcdVersion) -> Result<()> {
        let (place, new) = (self.etcd.join(name), self.etcd.join("new"));
        std::os::unix::fs::symlink(Parts::locate()?.etcd(version)?.join(name), &new)?;
        Ok(fs_err::rename(new, place)?)
    }

    /// Gives every node a variable from its next start on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Starts a node with further arguments.
    pub(crate) fn start_with(&mut self, n: usize, more: &[&str]) -> Result<()> {
        let peers: Vec<String> = self.nodes.iter().map(|node| node.address.to_string()).collect();
        let mut run = e2d();
        run.args(["run", "--log-format", "json", "--host", &peers[n]])
            .args(["--required-cluster-size", &peers.len().to_string()])
            .args(["--metrics-addr", &format!("{}:7982", peers[n])])
            .args(["--snapshot-url", &self.store])
            .args(["--etcd-bin-dir", self.etcd.as_str(), "--data-dir", self.data_dir(n).as_str()])
            .args(more)
            .envs(self.variables.iter().cloned());
        if peers.len() > 1 {
            run.args(["--bootstrap-addrs", &peers.join(",")]);
        }
        let scratch = self.scratch.as_ref().context("the test is over")?;
        self.nodes[n].process = Some(scratch.spawn(&format!("n{n}"), &mut run)?);
        Ok(())
    }

    /// Starts a node.
    pub(crate) fn start(&mut self, n: usize) -> Result<()> {
        self.start_with(n, &[])
    }

    /// Starts all, and waits until each serves with all members, and the leader's etcd hears them all.
    pub(crate) fn serve(&mut self) -> Result<()> {
        (0..self.nodes.len()).try_for_each(|n| self.start(n))?;
        (0..self.nodes.len()).try_for_each(|n| self.serves(n))?;
        let leader = self.leader()?;
        let hears = |status: &Value| {
            status["members"].as_array().is_some_and(|members| members.iter().all(|member| member["present"] == true))
        };
        self.until(leader, "it to hear every member", hears).map(drop)
    }

    /// Waits until a node serves, knows all members, and hears them if it leads.
    pub(crate) fn serves(&self, n: usize) -> Result<()> {
        let size = self.nodes.len();
        self.until(n, "it to serve", |status| {
            let members = status["members"].as_array().map(Vec::as_slice).unwrap_or_default();
            let all = members.len() == size && members.iter().all(|member| member["present"] != false);
            status["serves"] == true && status["etcd"] == "open" && all
        })
        .map(drop)
    }

    /// Waits until a node's status is as wanted.
    pub(crate) fn until(&self, n: usize, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Result<Value> {
        wait_for(PATIENCE, &format!("n{n}: {what}"), || -> Result<Value> {
            let status = self.status(n)?;
            ensure!(wanted(&status), "{status:#}");
            Ok(status)
        })
    }

    /// What `e2d status` says.
    pub(crate) fn status(&self, n: usize) -> Result<Value> {
        Ok(serde_json::from_str(&self.say(n, &["status", "--output", "json"])?)?)
    }

    /// Runs a verb, whatever comes of it.
    pub(crate) fn run(&self, n: usize, words: &[&str]) -> Result<Output> {
        Ok(e2d().args(words).args(["--data-dir", self.data_dir(n).as_str()]).output()?)
    }

    /// Runs a verb that must be done, and returns what it printed.
    pub(crate) fn say(&self, n: usize, words: &[&str]) -> Result<String> {
        let output = self.run(n, words)?;
        let text = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{words:?}: {}", text.trim());
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs a verb that must end with this code, and returns what it complained of.
    pub(crate) fn refuses(&self, n: usize, code: i32, words: &[&str]) -> Result<String> {
        let output = self.run(n, words)?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.code() == Some(code), "{words:?} ended with {}: {text}", output.status);
        Ok(text)
    }

    /// What etcdctl says of a node.
    pub(crate) fn etcdctl(&self, n: usize, words: &[&str]) -> Result<String> {
        let mut command = Command::new(self.etcd.join("etcdctl"));
        let endpoint = format!("http://{}:2379", self.address(n));
        command.env("ETCDCTL_API", "3").args(["--endpoints", &endpoint, "--command-timeout", "3s"]).args(words);
        let output = command.output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The node whose etcd leads, as all say that answer.
    pub(crate) fn leader(&self) -> Result<usize> {
        wait_for(PATIENCE, "a leader", || -> Result<usize> {
            for n in 0..self.nodes.len() {
                if self.nodes[n].process.is_some() && self.status(n)?["role"] == "leader" {
                    return Ok(n);
                }
            }
            bail!("nobody leads")
        })
    }

    /// Kills a node: e2d and its etcd.
    pub(crate) fn kill(&mut self, n: usize) -> Result<()> {
        self.crash(n)?;
        self.kill_etcd(n);
        Ok(())
    }

    /// Kills a node's e2d alone.
    pub(crate) fn crash(&mut self, n: usize) -> Result<()> {
        match self.nodes[n].process.take() {
            Some(mut process) => process.kill().map(drop),
            None => Ok(()),
        }
    }

    /// Stops a node's e2d in order, and its etcd with it. Returns how it ended.
    pub(crate) fn stop(&mut self, n: usize) -> Result<std::process::ExitStatus> {
        let mut process = self.nodes[n].process.take().context("it does not run")?;
        process.terminate()?;
        process.wait(PATIENCE)
    }

    /// Sends a node's e2d a signal.
    pub(crate) fn signal(&mut self, n: usize, signal: Signal) -> Result<()> {
        self.nodes[n].process.as_mut().context("it does not run")?.signal(signal)
    }

    /// Waits until a node's e2d ends by itself, and returns its exit code.
    pub(crate) fn ended(&mut self, n: usize) -> Result<Option<i32>> {
        let mut process = self.nodes[n].process.take().context("it does not run")?;
        Ok(process.wait(PATIENCE)?.code())
    }

    /// What a node has logged.
    pub(crate) fn log(&self, n: usize) -> Result<String> {
        Ok(fs_err::read_to_string(self.folder.join(format!("n{n}.log")))?)
    }

    /// The process id of a node's etcd.
    pub(crate) fn etcd_pid(&self, n: usize) -> Option<i32> {
        let record = fs_err::read(self.data_dir(n).join("e2d/child")).ok()?;
        let record: Value = serde_json::from_slice(&record).ok()?;
        record["process"]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok())
    }

    /// Kills a node's etcd.
    pub(crate) fn kill_etcd(&self, n: usize) {
        if let Some(pid) = self.etcd_pid(n).and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }

    /// Stops every node in order, and passes what was logged through the gate.
    pub(crate) fn passed(mut self, gate: &LogGate) -> Result<()> {
        for n in 0..self.nodes.len() {
            if self.nodes[n].process.is_some() {
                let status = self.stop(n)?;
                ensure!(status.success(), "n{n} ended with {status}");
            }
        }
        self.scratch.take().context("the test is over")?.passed(gate)
    }
}

impl Drop for Cluster {
    /// Ends the etcds: they outlive their e2d on purpose.
    fn drop(&mut self) {
        for n in 0..self.nodes.len() {
            drop(self.nodes[n].process.take());
            self.kill_etcd(n);
        }
    }
}

/// The program, without the variables of the tests.
pub(crate) fn e2d() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_e2d"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("E2D_")) {
        command.env_remove(name);
    }
    command
}
