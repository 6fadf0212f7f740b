//! The etcds of the world: one heartbeat after the other.

use super::{Event, HEARTBEAT, Sim};
use crate::host::Etcd;
use crate::raft::{self, Server};
use e2d_core::id::ClusterId;
use e2d_core::observe::Gate;
use rand::RngExt;
use std::collections::{BTreeMap, BTreeSet};

impl Sim {
    pub(super) fn heartbeat(&mut self) {
        self.queue.after(HEARTBEAT, Event::Heartbeat);
        self.tick += 1;
        let mut clusters: BTreeMap<ClusterId, Vec<usize>> = BTreeMap::new();
        for (h, host) in self.hosts.iter().enumerate() {
            if let (true, Some(_), Some(disk)) = (host.runs(), &host.etcd, &host.volume.data) {
                clusters.entry(disk.cluster).or_default().push(h);
            }
        }
        for running in clusters.into_values() {
            let reach: BTreeSet<(usize, usize)> = running
                .iter()
                .flat_map(|&a| running.iter().map(move |&b| (a, b)))
                .filter(|&(a, b)| a != b && self.reaches(a, b))
                .collect();
            let reaches = |a: usize, b: usize| reach.contains(&(running[a], running[b]));
            let rng = &mut self.rng;
            let mut patience = || rng.random_range(10..20);
            let mut taken: Vec<(raft::Disk, Server)> = running
                .iter()
                .filter_map(|&h| {
                    let host = &mut self.hosts[h];
                    Some((host.volume.data.take()?, host.etcd.as_ref()?.server.clone()))
                })
                .collect();
            let mut pairs: Vec<raft::Pair<'_>> = taken.iter_mut().map(|(disk, server)| (disk, server)).collect();
            raft::step(self.tick, &mut pairs, &reaches, &mut patience);
            for (&h, (disk, server)) in running.iter().zip(taken) {
                self.hosts[h].volume.data = Some(disk);
                if let Some(etcd) = &mut self.hosts[h].etcd {
                    etcd.server = server;
                }
            }
            for &h in &running {
                crate::acts::publish_name(self, h);
            }
        }
        crate::client::acknowledge(self);
    }

    /// etcd is started on what the disk holds.
    pub fn start_etcd(&mut self, h: usize, name: String, gate: Gate) {
        let patience = self.rng.random_range(10..20);
        let since = self.queue.now();
        self.hosts[h].etcd = Some(Etcd { server: Server::new(name, patience), gate, since });
        self.hosts[h].exit = None;
    }
}
