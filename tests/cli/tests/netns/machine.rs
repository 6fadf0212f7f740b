//! One machine with one node.

use anyhow::{Context as _, Result, bail, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use e2d_testkit::{EtcdVersion, LogGate, Network, Parts, Process, Scratch, wait_for};
use serde_json::Value;
use std::process::{Command, Output};
use std::time::Duration;

/// How long anything may take that a node does by itself.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Machine {
    pub(crate) scratch: Scratch,
    network: Network,
    pub(crate) etcd: Utf8PathBuf,
    pub(crate) data: Utf8PathBuf,
}

/// How one run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Machine {
    pub(crate) fn new(story: &str, version: EtcdVersion) -> Result<Self> {
        let scratch = Scratch::new(story)?;
        let etcd = Parts::locate()?.etcd(version)?;
        let data = scratch.path().join("data");
        Ok(Self { scratch, network: Network::new(1)?, etcd, data })
    }

    pub(crate) fn folder(&self) -> &Utf8Path {
        self.scratch.path()
    }

    pub(crate) fn address(&self) -> String {
        self.network.node(1).address().to_string()
    }

    /// A program on this machine.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.network.node(1).command(program);
        // The tests' own variables are none of the programs'.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("E2D_")) {
            command.env_remove(name);
        }
        command.current_dir(self.folder());
        command
    }

    fn e2d(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = self.command(Parts::e2d()?);
        command.args(arguments);
        if !arguments.contains(&"--data-dir") {
            command.args(["--data-dir", self.data.as_str()]);
        }
        Ok(command)
    }

    /// Starts the node.
    pub(crate) fn run(&self, more: &[&str]) -> Result<Process> {
        let run = ["run", "--etcd-bin-dir", self.etcd.as_str(), "--log-format", "json"];
        self.scratch.spawn("node", &mut self.e2d(&[&run[..], more].concat())?)
    }

    /// Runs the node where it is to end by itself.
    pub(crate) fn run_to_end(&self, more: &[&str]) -> Result<Ended> {
        let mut process = self.run(more)?;
        let status = process.wait(PATIENCE)?;
        Ok(Ended { code: status.code(), stdout: String::new(), stderr: process.log()? })
    }

    /// Starts the node and waits until it serves.
    pub(crate) fn serve(&self, more: &[&str]) -> Result<Process> {
        let node = self.run(more)?;
        wait_for(PATIENCE, "the node to serve", || -> Result<()> {
            ensure!(self.status()?["serves"] == true, "{}", node.last_line());
            Ok(())
        })?;
        Ok(node)
    }

    /// Stops the node in order, its etcd with it.
    pub(crate) fn stop(mut node: Process) -> Result<()> {
        node.terminate()?;
        ensure!(node.wait(PATIENCE)?.success(), "{}", node.last_line());
        Ok(())
    }

    /// Runs a verb.
    pub(crate) fn verb(&self, arguments: &[&str]) -> Result<Ended> {
        Ok(self.e2d(arguments)?.output()?.into())
    }

    /// Runs a verb that is to go well.
    pub(crate) fn done(&self, arguments: &[&str]) -> Result<String> {
        let ended = self.verb(arguments)?;
        ensure!(ended.code == Some(0), "{arguments:?}: {ended:#?}");
        Ok(ended.stdout)
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Result<Value> {
        serde_json::from_str(&self.done(&[arguments, &["--output", "json"]].concat())?).context("not JSON")
    }

    pub(crate) fn status(&self) -> Result<Value> {
        self.json(&["status"])
    }

    /// etcdctl with the variables that `e2d env` prints, evaluated by a shell.
    pub(crate) fn etcdctl(&self, env: &[&str], arguments: &str) -> Result<String> {
        let variables = self.done(&[&["env"], env].concat())?;
        let script = format!("{variables}exec {}/etcdctl {arguments}", self.etcd);
        let ended = Ended::from(self.command("sh").args(["-c", &script]).output()?);
        if ended.code != Some(0) {
            bail!("{arguments}: {ended:#?}");
        }
        Ok(ended.stdout)
    }

    /// The story is over, and the logs hold nothing that was not announced.
    pub(crate) fn passed(self, gate: &LogGate) -> Result<()> {
        self.scratch.passed(gate)
    }
}

/// A program with another view of the mounts: `setup` is run first, as a shell's commands.
pub(crate) fn mounted(machine: &Machine, setup: &str, arguments: &[&str]) -> Result<Command> {
    let mut command = machine.command("unshare");
    let script = format!("set -e; {setup}; exec \"$@\"");
    command.args(["--mount", "sh", "-c", &script, "sh", Parts::e2d()?.as_str()]).args(arguments);
    Ok(command)
}

/// What any node may say here.
pub(crate) fn gate() -> LogGate {
    LogGate::new().allow("no restore is possible on this node", "etcd 3.4 may stand without etcdutl")
}
