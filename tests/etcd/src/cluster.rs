//! The machines of a story: power, disks, and the programs on them.

use crate::PATIENCE;
use crate::diary::Diary;
use crate::keys::Keys;
use crate::running::{etcds, signal};
use crate::setup::{Setup, Store};
use crate::writer::Writer;
use anyhow::{Context as _, Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use e2d_testkit::{EtcdVersion, LogGate, Network, Parts, Process, Scratch, wait_for};
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Mutex};

/// One machine.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) e2d: Option<Process>,
    /// Which etcd is installed.
    pub(crate) etcd: Utf8PathBuf,
    /// What `--data-dir` says.
    pub(crate) data_dir: Utf8PathBuf,
    /// What `--snapshot-url` says.
    pub(crate) store: String,
    /// What stands before a program on its command line.
    pub(crate) wrap: Vec<String>,
    /// The flags about keys.
    pub(crate) security: Vec<String>,
    /// Flags of this machine alone.
    pub(crate) flags: Vec<String>,
}

/// A cluster of machines.
#[derive(Debug)]
pub struct Cluster {
    // The order of the fields is the order of their ends: the writer first, the network last.
    pub(crate) writer: Option<Writer>,
    pub(crate) machines: Vec<Machine>,
    scratch: Option<Scratch>,
    pub(crate) folder: Utf8PathBuf,
    pub(crate) diary: Arc<Mutex<Diary>>,
    pub(crate) keys: Option<Keys>,
    pub(crate) setup: Setup,
    pub(crate) network: Arc<Network>,
}

impl Cluster {
    /// `size` machines without power, with a shared store and this version of etcd.
    pub fn new(story: &str, version: EtcdVersion, size: u8) -> Result<Self> {
        Setup::new(story, size).version(version).build()
    }

    pub(crate) fn build(setup: Setup) -> Result<Self> {
        let scratch = Scratch::new(&setup.story)?;
        let folder = scratch.path().to_owned();
        fs_err::create_dir(folder.join("store"))?;
        let etcd = Parts::locate()?.etcd(setup.version)?;
        let count = setup.size + setup.spares;
        let network = Arc::new(Network::new(count)?);
        let keys = if setup.keys { Some(Keys::make(&folder.join("pki"), &network, setup.size)?) } else { None };
        let mut machines = Vec::new();
        for n in 1..=count {
            let own = folder.join(format!("store{n}"));
            let spare = n > setup.size;
            let store = match setup.store {
                Store::Shared if !spare => format!("file://{}/", folder.join("store")),
                Store::None => "none".to_owned(),
                Store::Shared | Store::Private => {
                    fs_err::create_dir(&own)?;
                    format!("file://{own}/")
                }
            };
            let security = keys.as_ref().filter(|_| !spare).map(|keys| keys.flags(n));
            machines.push(Machine {
                e2d: None,
                etcd: etcd.clone(),
                data_dir: folder.join(format!("n{n}")),
                store,
                wrap: vec![],
                security: security.unwrap_or_else(|| vec!["--insecure".to_owned()]),
                flags: vec![],
            });
        }
        let diary = Arc::default();
        let mut cluster = Self { writer: None, machines, scratch: Some(scratch), folder, diary, keys, setup, network };
        if cluster.setup.named {
            cluster.all().try_for_each(|n| cluster.resolve(n, true))?;
        }
        Ok(cluster)
    }

    /// Every machine's number.
    pub fn all(&self) -> impl Iterator<Item = u8> + use<> {
        1..=self.setup.size
    }

    /// The network between the machines.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The story's own folder, with the store in `store` and each machine's disk in `n1`, `n2`, ...
    #[must_use]
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    pub(crate) fn machine(&self, n: u8) -> &Machine {
        &self.machines[usize::from(n) - 1]
    }

    pub(crate) fn machine_mut(&mut self, n: u8) -> &mut Machine {
        &mut self.machines[usize::from(n) - 1]
    }

    /// The e2d of a machine that is on.
    pub fn e2d(&mut self, n: u8) -> Result<&mut Process> {
        self.machine_mut(n).e2d.as_mut().with_context(|| format!("n{n} is off"))
    }

    pub(crate) fn data_dir(&self, n: u8) -> &Utf8Path {
        &self.machine(n).data_dir
    }

    /// A machine's disk.
    #[must_use]
    pub fn disk(&self, n: u8) -> &Utf8Path {
        self.data_dir(n)
    }

    /// Another version of etcd on one machine, from its next start.
    pub fn install(&mut self, n: u8, version: EtcdVersion) -> Result<()> {
        self.machine_mut(n).etcd = Parts::locate()?.etcd(version)?;
        Ok(())
    }

    /// Another folder to find etcd in, on one machine.
    pub fn etcd_from(&mut self, n: u8, folder: &Utf8Path) {
        self.machine_mut(n).etcd = folder.to_owned();
    }

    /// Another store for all machines, from their next start.
    pub fn store_at(&mut self, folder: &Utf8Path) {
        for machine in &mut self.machines {
            machine.store = format!("file://{folder}/");
        }
    }

    /// A program that everything on one machine is started through, for example `setpriv`.
    pub fn wrap(&mut self, n: u8, wrap: &[&str]) {
        self.machine_mut(n).wrap = wrap.iter().map(|&word| word.to_owned()).collect();
    }

    /// Flags for one machine alone, in place of those that were given before.
    pub fn flags(&mut self, n: u8, flags: &[&str]) {
        self.machine_mut(n).flags = flags.iter().map(|&word| word.to_owned()).collect();
    }

    /// Gives a machine an authority and certificates of its own, which nobody else trusts.
    pub fn other_keys(&mut self, n: u8) -> Result<()> {
        let other = Keys::make(&self.folder.join("pki-other"), &self.network, self.setup.size + self.setup.spares)?;
        self.machine_mut(n).security = other.flags(n);
        Ok(())
    }

    /// A command on a machine.
    pub(crate) fn command(&self, n: u8, program: &Utf8Path) -> Command {
        let machine = self.machine(n);
        let node = self.network.node(n);
        let mut command = match machine.wrap.split_first() {
            None => node.command(program),
            Some((first, rest)) => {
                let mut command = node.command(first);
                command.args(rest).arg(program);
                command
            }
        };
        // The tests' own variables are none of e2d's.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("E2D_")) {
            command.env_remove(name);
        }
        command
    }

    /// A command that sees the files that a machine's e2d sees.
    pub(crate) fn beside(&self, n: u8, program: &Utf8Path) -> Command {
        let node = self.network.node(n);
        match &self.machine(n).e2d {
            Some(e2d) => {
                let mut command = node.command("nsenter");
                command.arg(format!("--mount=/proc/{}/ns/mnt", e2d.pid())).arg("--").arg(program);
                command
            }
            None => node.command(program),
        }
    }

    /// Starts e2d on a machine.
    pub fn start(&mut self, n: u8) -> Result<()> {
        let address = |n: u8| self.network.node(n).address().to_string();
        let peers: Vec<String> = self.all().map(|n| if self.setup.named { name(n) } else { address(n) }).collect();
        let machine = self.machine(n);
        let mut run = self.command(n, &Parts::e2d()?);
        if !machine.etcd.join("etcdutl").is_file() {
            // Debian's 3.4 has none, and a newer one restores for it.
            run.env("PATH", format!("{}:/usr/bin:/bin", Parts::locate()?.etcd(EtcdVersion::DEFAULT)?));
        }
        run.args(["run", "--log-format", "json", "--host", &address(n)])
            .args(["--required-cluster-size", &self.setup.size.to_string(), "--bootstrap-addrs", &peers.join(",")])
            .args(["--snapshot-url", &machine.store])
            .args(["--health-check-timeout", &self.setup.silence, "--snapshot-interval", "2s"])
            .args(["--etcd-bin-dir", machine.etcd.as_str(), "--data-dir", machine.data_dir.as_str()]);
        run.args(&machine.security).args(&machine.flags);
        let process = self.scratch.as_ref().context("the story is over")?.spawn(&format!("n{n}"), &mut run)?;
        self.machine_mut(n).e2d = Some(process);
        Ok(())
    }

    /// Starts e2d on every machine.
    pub fn start_all(&mut self) -> Result<()> {
        self.all().try_for_each(|n| self.start(n))
    }

    /// Takes the power of a machine: e2d and etcd are gone at once.
    pub fn power_off(&mut self, n: u8) -> Result<()> {
        if let Some(mut node) = self.machine_mut(n).e2d.take() {
            node.kill()?;
        }
        let pids = etcds(self.data_dir(n))?;
        ensure!(!pids.is_empty(), "n{n} runs no etcd");
        self.kill_etcd(n)
    }

    /// Takes the power of a machine whose etcd may not run.
    pub fn unplug(&mut self, n: u8) -> Result<()> {
        drop(self.machine_mut(n).e2d.take());
        self.kill_etcd(n)
    }

    /// Kills a machine's etcd (SIGKILL) and waits until it is gone; e2d is left alone.
    pub fn kill_etcd(&self, n: u8) -> Result<()> {
        let pids = etcds(self.data_dir(n))?;
        signal(&pids, "-9")?;
        wait_for(PATIENCE, "etcd to be gone", || {
            let left: Vec<u32> = etcds(self.data_dir(n))?.into_iter().filter(|pid| pids.contains(pid)).collect();
            ensure!(left.is_empty(), "{left:?} still run");
            Ok::<_, anyhow::Error>(())
        })
    }

    /// The process id of a machine's etcd.
    pub fn etcd_pid(&self, n: u8) -> Result<u32> {
        let pids = etcds(self.data_dir(n))?;
        ensure!(pids.len() == 1, "n{n} runs {} etcds", pids.len());
        Ok(pids[0])
    }

    /// Takes the disk of a machine that is off.
    pub fn wipe(&self, n: u8) -> Result<()> {
        Ok(fs_err::remove_dir_all(self.data_dir(n))?)
    }

    /// Waits for a machine's e2d to end by itself.
    pub fn ends(&mut self, n: u8) -> Result<ExitStatus> {
        let status = self.e2d(n)?.wait(PATIENCE)?;
        self.machine_mut(n).e2d = None;
        Ok(status)
    }

    /// Waits until this many machines' e2d have ended by themselves: which, with their exit codes.
    pub fn some_end(&mut self, count: usize) -> Result<Vec<(u8, Option<i32>)>> {
        let ended = wait_for(PATIENCE, &format!("{count} nodes to end"), || -> Result<_> {
            let mut ended = Vec::new();
            for (n, machine) in (1..).zip(&mut self.machines) {
                if let Some(status) = machine.e2d.as_mut().map(Process::ended).transpose()?.flatten() {
                    ended.push((n, status.code()));
                }
            }
            ensure!(ended.len() >= count, "{ended:?} have ended");
            Ok(ended)
        })?;
        for (n, _) in &ended {
            self.machine_mut(*n).e2d = None;
        }
        Ok(ended)
    }

    /// What a machine's e2d has logged, in all its runs.
    pub fn log(&self, n: u8) -> Result<String> {
        Ok(fs_err::read_to_string(self.folder.join(format!("n{n}.log")))?)
    }

    /// Stops every node in order, and passes what was logged through the gate.
    pub fn passed(mut self, gate: &LogGate) -> Result<()> {
        drop(self.writer.take());
        for node in self.machines.iter_mut().filter_map(|machine| machine.e2d.as_mut()) {
            node.terminate()?;
        }
        for node in self.machines.iter_mut().filter_map(|machine| machine.e2d.as_mut()) {
            let status = node.wait(PATIENCE)?;
            ensure!(status.success(), "{} ended with {status}", node.name());
        }
        self.scratch.take().context("the story is over")?.passed(gate)
    }
}

/// What a machine is called.
pub(crate) fn name(n: u8) -> String {
    format!("n{n}.story.test")
}

impl Drop for Cluster {
    /// Ends the etcds: they outlive their e2d on purpose.
    fn drop(&mut self) {
        for machine in &mut self.machines {
            // Else it would start etcd again.
            drop(machine.e2d.take());
            let _ = signal(&etcds(&machine.data_dir).unwrap_or_default(), "-9");
        }
    }
}
