//! The members of real etcd servers, each in a network namespace of its own.

use super::{Change, Etcds};
use anyhow::{Context as _, Result, bail, ensure};
use camino::Utf8PathBuf;
use e2d_sim::raft::Refusal;
use e2d_testkit::{EtcdVersion, LogGate, Network, Parts, Process, Scratch, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long after a change all counts as at rest: an election takes one to two seconds.
const REST: Duration = Duration::from_secs(4);
/// How long a write is tried before it counts as refused.
const WRITTEN: Duration = Duration::from_secs(10);
/// How long etcd may take to come to an answer that is wanted.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Real {
    // The order of the fields is the order of their ends.
    running: BTreeMap<u8, Process>,
    scratch: Scratch,
    network: Network,
    programs: Utf8PathBuf,
    joined: Option<String>,
    all_run: bool,
}

impl Real {
    pub(super) fn new(version: EtcdVersion) -> Result<Self> {
        Ok(Self {
            running: BTreeMap::new(),
            scratch: Scratch::new("model")?,
            network: Network::new(5)?,
            programs: Parts::locate()?.etcd(version)?,
            joined: None,
            all_run: false,
        })
    }

    pub(super) fn passed(self) -> Result<()> {
        let Self { running, scratch, .. } = self;
        drop(running);
        scratch.passed(&LogGate::new())
    }

    fn url(&self, n: u8, port: u16) -> String {
        format!("http://{}:{port}", self.network.node(n).address())
    }

    /// What etcdctl says, asked of one member, or complains of.
    fn ask(&self, n: u8, words: &[&str]) -> Result<std::result::Result<String, String>> {
        let mut command = self.network.node(Network::HUB).command(self.programs.join("etcdctl"));
        command
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &self.url(n, 2379), "--command-timeout", "3s"])
            .args(words);
        let output = command.output()?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) })
    }

    fn change(&mut self, by: u8, words: &[&str]) -> Result<Change> {
        let Err(told) = self.ask(by, words)? else { return Ok(Change::Done) };
        let known = [
            ("unhealthy cluster", Refusal::Unhealthy),
            ("Peer URLs already exists", Refusal::UrlTaken),
            ("too many learner members", Refusal::TooManyLearners),
            ("can only promote a learner member", Refusal::NotReady),
        ];
        match known.iter().find(|(sign, _)| told.contains(sign)) {
            Some((_, refusal)) => Ok(Change::Refused(*refusal)),
            None if ["deadline exceeded", "no leader", "timed out"].iter().any(|sign| told.contains(sign)) => {
                Ok(Change::NoAnswer)
            }
            None => bail!("{words:?}: {}", told.trim()),
        }
    }

    fn list(&self, by: u8) -> Result<Vec<Value>> {
        let read = || self.ask(by, &["member", "list", "-w", "json"])?.map_err(anyhow::Error::msg);
        let list = wait_for(PATIENCE, "a list of the members", read)?;
        let list: Value = serde_json::from_str(&list)?;
        list["members"].as_array().cloned().context("no members")
    }

    fn member(&self, by: u8, n: u8) -> Result<String> {
        let url = self.url(n, 2380);
        let listed = self.list(by)?.into_iter().find(|member| member["peerURLs"][0] == url.as_str());
        let id =
            listed.and_then(|member| member["ID"].as_u64()).with_context(|| format!("member {n} is not listed"))?;
        Ok(format!("{id:x}"))
    }
}

impl Etcds for Real {
    fn start(&mut self, n: u8) -> Result<()> {
        let founders: Vec<String> = (1..=3).map(|n| format!("m{n}={}", self.url(n, 2380))).collect();
        let (state, members) = match (&self.joined, n) {
            (Some(members), 4..) => ("existing", members.clone()),
            _ => ("new", founders.join(",")),
        };
        let mut etcd = self.network.node(n).command(self.programs.join("etcd"));
        etcd.args(["--name", &format!("m{n}"), "--data-dir", self.scratch.path().join(format!("m{n}")).as_str()])
            .args(["--listen-peer-urls", &self.url(n, 2380), "--initial-advertise-peer-urls", &self.url(n, 2380)])
            .args(["--listen-client-urls", &self.url(n, 2379), "--advertise-client-urls", &self.url(n, 2379)])
            .args(["--initial-cluster", &members, "--initial-cluster-state", state, "--logger", "zap"]);
        // Its own complaints are about what this script does to it.
        let log = self.scratch.path().join(format!("m{n}.txt"));
        self.running.insert(n, Process::spawn(&format!("m{n}"), &mut etcd, &log)?);
        self.all_run = (1..=3).all(|n| self.running.contains_key(&n));
        if self.all_run || self.joined.is_some() {
            std::thread::sleep(REST);
        }
        Ok(())
    }

    fn kill(&mut self, n: u8) -> Result<()> {
        drop(self.running.remove(&n).context("it does not run")?);
        self.all_run = false;
        std::thread::sleep(REST);
        Ok(())
    }

    fn cut_one_way(&mut self, from: u8, to: u8) -> Result<()> {
        self.network.cut_one_way(from, to)?;
        std::thread::sleep(REST);
        Ok(())
    }

    fn isolate(&mut self, n: u8) -> Result<()> {
        self.network.isolate(n)?;
        std::thread::sleep(REST);
        Ok(())
    }

    fn heal(&mut self) -> Result<()> {
        self.network.heal_all()?;
        std::thread::sleep(REST);
        Ok(())
    }

    fn put(&mut self, n: u8, write: u64) -> Result<bool> {
        let end = Instant::now() + WRITTEN;
        loop {
            let written = self.ask(n, &["put", &format!("write{write}"), "x"])?.is_ok();
            if written || Instant::now() >= end {
                return Ok(written);
            }
        }
    }

    fn holds(&mut self, n: u8, write: u64) -> Result<bool> {
        let read = || self.ask(n, &["get", &format!("write{write}")])?.map_err(anyhow::Error::msg);
        Ok(!wait_for(PATIENCE, "a read", read)?.trim().is_empty())
    }

    fn add_learner(&mut self, by: u8, n: u8) -> Result<Change> {
        let (name, url) = (format!("m{n}"), self.url(n, 2380));
        let add = ["member", "add", &name, "--learner", "--peer-urls", &url];
        let mut done = self.change(by, &add)?;
        // On a busy machine those who are all there need longer to count as connected.
        let end = Instant::now() + PATIENCE;
        while self.all_run && done == Change::Refused(Refusal::Unhealthy) && Instant::now() < end {
            std::thread::sleep(Duration::from_secs(1));
            done = self.change(by, &add)?;
        }
        if done == Change::Done {
            let (voters, learners) = self.members(by)?;
            let named = |n: &u8| format!("m{n}={}", self.url(*n, 2380));
            self.joined = Some(voters.iter().chain(&learners).map(named).collect::<Vec<_>>().join(","));
        }
        Ok(done)
    }

    fn promote(&mut self, by: u8, n: u8) -> Result<Change> {
        let id = self.member(by, n)?;
        let may = self.running.contains_key(&n) && self.members(by)?.1.contains(&n);
        // One that runs catches up, however long that takes on a busy machine.
        let end = Instant::now() + PATIENCE;
        loop {
            let done = self.change(by, &["member", "promote", &id])?;
            if done != Change::Refused(Refusal::NotReady) || !may || Instant::now() >= end {
                return Ok(done);
            }
            std::thread::sleep(REST / 4);
        }
    }

    fn remove(&mut self, by: u8, n: u8) -> Result<Change> {
        let id = self.member(by, n)?;
        let done = self.change(by, &["member", "remove", &id]);
        std::thread::sleep(REST);
        done
    }

    fn members(&mut self, by: u8) -> Result<(Vec<u8>, Vec<u8>)> {
        let (mut voters, mut learners) = (Vec::new(), Vec::new());
        for member in self.list(by)? {
            let at =
                (1..=5).find(|n| member["peerURLs"][0] == self.url(*n, 2380).as_str()).context("a strange member")?;
            if member["isLearner"] == true { learners.push(at) } else { voters.push(at) }
        }
        voters.sort_unstable();
        Ok((voters, learners))
    }

    fn is_out(&mut self, n: u8) -> Result<bool> {
        let running = self.running.get_mut(&n).context("it was not started")?;
        let ended = wait_for(WRITTEN, "it to end", || -> Result<()> {
            ensure!(running.ended()?.is_some(), "it runs");
            Ok(())
        });
        if ended.is_err() {
            return Ok(false);
        }
        ensure!(running.log()?.contains("removed"), "m{n} has ended otherwise: {}", running.last_line());
        Ok(true)
    }

    fn leader(&mut self) -> Result<u8> {
        wait_for(PATIENCE, "a leader", || -> Result<u8> {
            let running: Vec<u8> = self.running.keys().copied().collect();
            for n in running {
                let Ok(told) = self.ask(n, &["endpoint", "status", "-w", "json"])? else { continue };
                let told: Value = serde_json::from_str(&told)?;
                let status = &told[0]["Status"];
                if status["leader"].as_u64() == status["header"]["member_id"].as_u64() && status["leader"] != 0 {
                    return Ok(n);
                }
            }
            bail!("nobody leads")
        })
    }
}
