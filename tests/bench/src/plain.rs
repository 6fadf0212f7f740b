//! The floor: plain etcd, started with the right flags and mended with the right commands, without delay.
//!
//! What a person would type with `etcdctl` is done by the same calls from within this process: a floor
//! has no programs to start.

use crate::machines::{MEMBERS, Machines, Programs};
use crate::member::{self, Whole};
use crate::patience::until;
use anyhow::{Context, Result};
use e2d_testkit::Network;

/// A cluster of plain etcd.
pub(crate) struct Plain<'a> {
    /// Its machines.
    pub(crate) machines: Machines<'a>,
    programs: &'a Programs,
    starts: u32,
}

impl<'a> Plain<'a> {
    /// Empty machines.
    pub(crate) fn new(network: &'a Network, programs: &'a Programs) -> Result<Self> {
        Ok(Self { machines: Machines::new(network)?, programs, starts: 0 })
    }

    /// Starts the founders of a new cluster.
    pub(crate) fn start_all(&mut self) -> Result<()> {
        let all: Vec<String> = MEMBERS.into_iter().map(|n| format!("n{n}={}", self.peer_url(n))).collect();
        MEMBERS.into_iter().try_for_each(|n| self.start(n, &format!("n{n}"), "new", &all.join(",")))
    }

    /// Replaces the member on a machine, which is dead and has an empty disk: remove, add a learner, start it,
    /// promote it as soon as etcd lets. `seat` is a machine that serves.
    pub(crate) async fn replace(&mut self, victim: u8, seat: u8) -> Result<()> {
        let client = member::client(&self.machines.address(seat)).await?;
        let url = self.peer_url(victim);
        let (dead, _) = until("a list of members", async || {
            let members = client.members(e2d_etcd::client::Reading::Linearizable).await?;
            let dead = members.iter().find(|member| member.peer_urls.contains(&url)).context("no such member")?;
            Ok(dead.id)
        })
        .await?;
        until("the dead member to be removed", async || Ok(client.remove(dead).await?)).await?;
        let ((id, members), _) = until("a learner", async || Ok(client.add_learner(&[&url]).await?)).await?;
        self.starts += 1;
        let name = format!("n{victim}-{}", self.starts);
        let pairs: Vec<String> = members
            .iter()
            .flat_map(|member| member.peer_urls.iter().map(move |url| (member, url)))
            .map(|(member, url)| format!("{}={url}", if member.id == id { &name } else { &member.name }))
            .collect();
        self.start(victim, &name, "existing", &pairs.join(","))?;
        until("the learner to be promoted", async || Ok(client.promote(id).await?)).await?;
        Ok(())
    }

    /// Waits until all members vote and serve.
    pub(crate) async fn whole(&self) -> Result<Whole> {
        let addresses: Vec<(u8, String)> = MEMBERS.into_iter().map(|n| (n, self.machines.address(n))).collect();
        Ok(until("three voters", async || member::whole(&addresses).await).await?.0)
    }

    fn peer_url(&self, n: u8) -> String {
        format!("http://{}:2380", self.machines.address(n))
    }

    fn start(&mut self, n: u8, name: &str, state: &str, cluster: &str) -> Result<()> {
        let (peer, address) = (self.peer_url(n), self.machines.address(n));
        let mut run = self.machines.command(n, &self.programs.etcd.join("etcd"));
        run.args(["--name", name, "--data-dir", self.machines.data_dir(n).as_str()])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--listen-client-urls", &format!("http://{address}:2379")])
            .args(["--advertise-client-urls", &format!("http://{address}:2379")])
            .args(["--initial-cluster", cluster, "--initial-cluster-state", state])
            .args(["--initial-cluster-token", "bench", "--quota-backend-bytes", "8589934592", "--logger", "zap"]);
        self.machines.run(n, &mut run)
    }
}
