//! A cluster that e2d keeps: one e2d and its etcd on each machine.

use crate::machines::{MACHINES, MEMBERS, Machines, Programs};
use crate::member::{self, Whole};
use crate::patience::until;
use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use e2d::admin::v1::admin_client::AdminClient;
use e2d::admin::v1::{Peer, StatusReply, StatusRequest};
use e2d_testkit::Network;
use std::net::SocketAddr;
use tonic::transport::Channel;

/// Where lineage and backups lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    /// In a folder that all share.
    Folder,
    /// Nowhere: births go by vows.
    Nowhere,
}

/// The cluster.
pub(crate) struct Supervised<'a> {
    /// Its machines.
    pub(crate) machines: Machines<'a>,
    programs: &'a Programs,
    store: Store,
    options: Vec<String>,
}

impl<'a> Supervised<'a> {
    /// Empty nodes, not started. `options` go to each `e2d run`, beyond what a cluster needs.
    pub(crate) fn new(network: &'a Network, programs: &'a Programs, store: Store, options: &[&str]) -> Result<Self> {
        let machines = Machines::new(network)?;
        fs_err::create_dir(machines.folder().join("store"))?;
        let options = options.iter().map(ToString::to_string).collect();
        Ok(Self { machines, programs, store, options })
    }

    /// Starts e2d on a machine.
    pub(crate) fn start(&mut self, n: u8) -> Result<()> {
        let peers: Vec<String> = (1..=MACHINES).map(|n| self.machines.address(n)).collect();
        let mut run = self.machines.command(n, &self.programs.e2d);
        run.args(["run", "--insecure", "--log-format", "json", "--host", &self.machines.address(n)])
            .args(["--required-cluster-size", "3", "--bootstrap-addrs", &peers.join(",")])
            .args(["--etcd-bin-dir", self.programs.etcd.as_str(), "--data-dir", self.machines.data_dir(n).as_str()])
            .args(&self.options);
        if self.store == Store::Folder {
            run.args(["--snapshot-url", &format!("file://{}/", self.machines.folder().join("store"))]);
        }
        self.machines.run(n, &mut run)
    }

    /// Starts the members' machines.
    pub(crate) fn start_all(&mut self) -> Result<()> {
        MEMBERS.into_iter().try_for_each(|n| self.start(n))
    }

    /// The program.
    pub(crate) fn program(&self) -> &Utf8Path {
        &self.programs.e2d
    }

    /// The admin socket of the e2d on a machine.
    pub(crate) fn socket(&self, n: u8) -> Utf8PathBuf {
        self.machines.data_dir(n).join("e2d/e2d.sock")
    }

    /// Waits until all members vote and serve.
    pub(crate) async fn whole(&self, seats: &[u8]) -> Result<Whole> {
        let addresses: Vec<(u8, String)> = seats.iter().map(|n| (*n, self.machines.address(*n))).collect();
        Ok(until("three voters", async || member::whole(&addresses).await).await?.0)
    }

    /// Waits until the e2d on each of `seats` sees the one on `other` in gossip, and has heard its word.
    pub(crate) async fn see(&self, seats: &[u8], other: u8) -> Result<()> {
        for n in seats.iter().copied().filter(|n| *n != other) {
            until(&format!("n{n} to see n{other}"), async || {
                let reply = status(&mut e2d::admin::connect(&self.socket(n)).await?).await?;
                let peer = self.peer(&reply, other).context("not heard of")?;
                anyhow::ensure!(peer.alive && !peer.phase.is_empty(), "{peer:?}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// What a node says of the living node on a machine, or else of a dead one.
    pub(crate) fn peer<'r>(&self, reply: &'r StatusReply, n: u8) -> Option<&'r Peer> {
        let ip = self.machines.address(n);
        let there = |peer: &&Peer| peer.address.parse().is_ok_and(|at: SocketAddr| at.ip().to_string() == ip);
        reply.peers.iter().filter(there).max_by_key(|peer| peer.alive)
    }
}

/// Asks a node about itself.
pub(crate) async fn status(client: &mut AdminClient<Channel>) -> Result<StatusReply> {
    Ok(client.status(StatusRequest {}).await?.into_inner())
}
