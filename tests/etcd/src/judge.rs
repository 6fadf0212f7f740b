//! What is asked of a cluster, by etcd's own client and by `e2d status`.

use crate::PATIENCE;
use crate::cluster::Cluster;
use crate::diary::{Diary, FOLDER};
use crate::writer::{Writer, open};
use anyhow::{Context as _, Result, bail, ensure};
use camino::Utf8Path;
use e2d_testkit::{Network, Parts, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Stdio;

impl Cluster {
    fn endpoints(&self) -> Vec<String> {
        let scheme = if self.keys.is_some() { "https" } else { "http" };
        self.all().map(|n| format!("{scheme}://{}:2379", self.network.node(n).address())).collect()
    }

    /// What etcdctl says, asked from outside the machines.
    pub fn etcdctl(&self, args: &[&str]) -> Result<String> {
        self.etcdctl_from(args, None)
    }

    fn etcdctl_from(&self, args: &[&str], input: Option<&Utf8Path>) -> Result<String> {
        let etcdctl = Parts::locate()?.etcd(self.setup.version)?.join("etcdctl");
        let mut command = self.network.node(Network::HUB).command(etcdctl);
        command.env("ETCDCTL_API", "3").args(["--endpoints", &self.endpoints().join(","), "--command-timeout", "2s"]);
        if let Some(keys) = &self.keys {
            command.args(keys.client_flags());
        }
        command.stdin(match input {
            Some(file) => Stdio::from(std::fs::File::open(file)?),
            None => Stdio::null(),
        });
        let output = command.args(args).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts a client that writes all the time. From now on each step of the story happens under it.
    pub fn start_writing(&mut self) {
        self.writer = Some(Writer::start(self.network.clone(), self.endpoints(), self.diary.clone()));
    }

    /// Writes once, and remembers the acknowledgement. Whether an unanswered write counts is unknown.
    pub fn write(&mut self) -> Result<()> {
        let number = open(&self.diary).begin();
        let answer = self.etcdctl(&["put", &Diary::key(number), "x", "-w", "json"])?;
        let answer: Value = serde_json::from_str(&answer)?;
        let revision = answer["header"]["revision"].as_i64().context("no revision in etcdctl's answer")?;
        if self.writer.is_none() {
            open(&self.diary).acknowledge(number, revision);
        }
        Ok(())
    }

    /// Writes this many keys of one megabyte each, none of which is remembered.
    pub fn write_bulk(&self, megabytes: u32) -> Result<()> {
        let file = self.folder.join("bulk");
        fs_err::write(&file, vec![b'x'; 1 << 20])?;
        for n in 0..megabytes {
            wait_for(PATIENCE, "a large write", || {
                self.etcdctl_from(&["put", &format!("bulk/{n}"), "--command-timeout", "5s"], Some(&file))
            })?;
        }
        Ok(())
    }

    /// Waits until a write that was begun after now is acknowledged: the cluster serves.
    pub fn serves(&mut self, what: &str) -> Result<()> {
        let what = format!("the cluster to serve {what}");
        if self.writer.is_none() {
            return wait_for(PATIENCE, &what, || self.write());
        }
        let begun = open(&self.diary).begin();
        wait_for(PATIENCE, &what, || {
            let diary = open(&self.diary);
            ensure!(diary.last() > begun, "{} acknowledged writes, the last is {}", diary.len(), diary.last());
            Ok(())
        })
    }

    /// How many writes were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        open(&self.diary).len()
    }

    /// The highest revision that a client has seen.
    #[must_use]
    pub fn newest(&self) -> i64 {
        open(&self.diary).newest()
    }

    /// Writes that were acknowledged before this question and are not there.
    pub fn lost(&self) -> Result<Vec<u32>> {
        let acknowledged = open(&self.diary).acknowledged();
        let text = wait_for(PATIENCE, "the cluster to be read", || {
            self.etcdctl(&["get", FOLDER, "--prefix", "--keys-only", "--command-timeout", "10s"])
        })?;
        let there: BTreeSet<u32> = text.lines().filter_map(|line| line.strip_prefix(FOLDER)?.parse().ok()).collect();
        Ok(acknowledged.difference(&there).copied().collect())
    }

    /// Every acknowledged write is there, and no revision ever went back.
    pub fn lost_nothing(&self, what: &str) -> Result<()> {
        let lost = self.lost()?;
        ensure!(lost.is_empty(), "lost {what}: {lost:?}");
        if let Some(why) = open(&self.diary).went_back() {
            bail!("a revision went back {what}: {why}");
        }
        Ok(())
    }

    /// Ends the writing, and waits until every member holds the same, byte for byte.
    pub fn agrees(&mut self) -> Result<()> {
        drop(self.writer.take());
        wait_for(PATIENCE, "all members to agree", || -> Result<()> {
            let told: Value = serde_json::from_str(&self.etcdctl(&["endpoint", "hashkv", "-w", "json"])?)?;
            let told = told.as_array().context("no sums in etcdctl's answer")?;
            let sums: BTreeSet<(Option<u64>, Option<i64>)> = told
                .iter()
                .map(|told| (told["HashKV"]["hash"].as_u64(), told["HashKV"]["header"]["revision"].as_i64()))
                .collect();
            ensure!(
                told.len() == usize::from(self.setup.size) && sums.len() == 1,
                "{sums:?} of {} members",
                told.len()
            );
            Ok(())
        })
    }

    /// Releases the promises about what no archive held: its last disk is lost.
    pub fn forgive_above(&self, revision: i64) {
        open(&self.diary).forgive_above(revision);
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
        let size = usize::from(self.setup.size);
        let voters = wait_for(PATIENCE, &format!("{size} voters {what}"), || -> Result<_> {
            let voters = self.voters()?;
            ensure!(voters.len() == size, "{} voters", voters.len());
            self.etcdctl(&["endpoint", "health"])?;
            Ok(voters)
        })?;
        self.serves(what)?;
        Ok(voters)
    }

    /// Waits until every member is another one than these, and the cluster is whole.
    pub fn is_whole_without(&mut self, gone: &BTreeSet<u64>, what: &str) -> Result<BTreeSet<u64>> {
        let size = usize::from(self.setup.size);
        wait_for(PATIENCE, &format!("{size} voters {what}"), || -> Result<_> {
            let voters = self.voters()?;
            ensure!(voters.len() == size && voters.is_disjoint(gone), "voters {voters:x?}, of which {gone:x?} must go");
            Ok(())
        })?;
        self.is_whole(what)
    }

    /// Waits until exactly one of these members has made place for another, and the cluster is whole.
    pub fn one_replaced(&mut self, before: &BTreeSet<u64>, what: &str) -> Result<BTreeSet<u64>> {
        wait_for(PATIENCE, &format!("one other voter {what}"), || -> Result<()> {
            let voters = self.voters()?;
            let stay = voters.intersection(before).count();
            ensure!(voters.len() == before.len() && stay + 1 == before.len(), "voters {voters:x?} of {before:x?}");
            Ok(())
        })?;
        self.is_whole(what)
    }

    /// The machine whose etcd leads, when it has heard every member.
    pub fn leader(&self) -> Result<u8> {
        wait_for(PATIENCE, "a leader that hears all", || -> Result<u8> {
            for n in self.all() {
                let Ok(status) = self.status(n) else { continue };
                let members = status["members"].as_array().map(Vec::as_slice).unwrap_or_default();
                let hears_all = members.iter().all(|member| member["present"] == true);
                if status["role"] == "leader" && status["serves"] == true && hears_all {
                    return Ok(n);
                }
            }
            bail!("nobody says that it leads and hears all")
        })
    }

    /// The cluster's id and revision.
    pub fn header(&self) -> Result<(u64, i64)> {
        let answer = wait_for(PATIENCE, "an answer", || self.etcdctl(&["get", "nothing", "-w", "json"]))?;
        let answer: Value = serde_json::from_str(&answer)?;
        let header = &answer["header"];
        Ok((
            header["cluster_id"].as_u64().context("no cluster id")?,
            header["revision"].as_i64().context("no revision")?,
        ))
    }

    /// What `e2d status` says of a node.
    pub fn status(&self, n: u8) -> Result<Value> {
        let mut command = self.beside(n, &Parts::e2d()?);
        let output = command.args(["status", "--output", "json", "--data-dir", self.data_dir(n).as_str()]).output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Waits until everything that was acknowledged lies in a verified archive.
    pub fn archived(&self) -> Result<()> {
        let newest = self.newest();
        wait_for(PATIENCE, &format!("an archive of revision {newest}"), || -> Result<()> {
            let (_, archived) = self.newest_archive()?;
            ensure!(archived >= newest, "the newest holds revision {archived}");
            Ok(())
        })
    }

    /// Waits until `e2d status` on some machine contains this text.
    pub fn tells(&self, text: &str) -> Result<()> {
        wait_for(PATIENCE, &format!("somebody to say {text:?}"), || -> Result<()> {
            let said: Vec<String> = self.all().filter_map(|n| self.status(n).ok()).map(|s| s.to_string()).collect();
            ensure!(said.iter().any(|said| said.contains(text)), "{}", said.join("\n"));
            Ok(())
        })
    }

    /// Waits until `e2d status` on a machine says that it waits, with this reason among others.
    pub fn waits(&self, n: u8, reason: &str) -> Result<()> {
        wait_for(PATIENCE, &format!("n{n} to say {reason:?}"), || -> Result<()> {
            let waits = self.status(n)?["waits"].to_string();
            ensure!(waits.contains(reason), "n{n} says {waits}");
            Ok(())
        })
    }
}
