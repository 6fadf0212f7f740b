//! The etcds together: their heartbeat, who leads, and what a read through one of them sees.

use super::{Event, HEARTBEAT, Sim};
use crate::host::Etcd;
use crate::raft::{self, Entry, Op, Server};
use e2d_core::id::ClusterId;
use e2d_core::observe::Gate;
use rand::RngExt;
use std::collections::BTreeMap;

impl Sim {
    /// What a linearizable read through this host's etcd sees, if it works.
    #[must_use]
    pub fn serving(&self, h: usize) -> Option<&raft::Applied> {
        let host = &self.hosts[h];
        let (Some(_), Some(disk)) = (&host.etcd, &host.volume.data) else { return None };
        if !host.runs() || disk.applied.seats.get(&disk.member).is_some_and(|seat| !seat.voter) {
            return None;
        }
        let leader = self.leader_for(h)?;
        self.hosts[leader].volume.data.as_ref().map(|disk| &disk.applied)
    }

    /// The host of the leader that this host's etcd can reach, and that has a quorum.
    #[must_use]
    pub fn leader_for(&self, h: usize) -> Option<usize> {
        let cluster = self.hosts[h].volume.data.as_ref()?.cluster;
        self.leaders(cluster).filter(|(l, _)| self.rafts(h, *l)).max_by_key(|(_, disk)| disk.term).map(|(l, _)| l)
    }

    /// The members of a cluster that lead it with a quorum. A leader answers reads only when it has
    /// committed in its own term (raft, read index).
    pub fn leaders(&self, cluster: ClusterId) -> impl Iterator<Item = (usize, &raft::Disk)> {
        self.hosts.iter().enumerate().filter_map(move |(l, host)| {
            let disk = host.volume.data.as_deref().filter(|disk| disk.cluster == cluster && host.runs())?;
            let leads = host.etcd.as_ref().is_some_and(|etcd| etcd.server.has_quorum());
            let last = disk.applied.index.checked_sub(1).and_then(|last| disk.log.get(last));
            (leads && last.is_some_and(|last| last.term == disk.term)).then_some((l, disk))
        })
    }

    pub(super) fn heartbeat(&mut self) {
        self.queue.after(HEARTBEAT, Event::Heartbeat);
        self.tick += 1;
        let mut clusters: BTreeMap<ClusterId, (Vec<usize>, Vec<raft::Pair<'_>>)> = BTreeMap::new();
        for (h, host) in self.hosts.iter_mut().enumerate().filter(|(_, host)| host.runs()) {
            if let (Some(etcd), Some(disk)) = (&mut host.etcd, &mut host.volume.data) {
                let (hosts, pairs) = clusters.entry(disk.cluster).or_default();
                hosts.push(h);
                pairs.push((disk, &mut etcd.server));
            }
        }
        let (network, rng) = (&self.network, &mut self.rng);
        for (hosts, pairs) in clusters.values_mut() {
            let reaches = |a: usize, b: usize| network.carries_raft(hosts[a], hosts[b]);
            raft::step(self.tick, pairs, &reaches, &mut || rng.random_range(10..20));
        }
        for h in 0..self.hosts.len() {
            self.publish_name(h);
            self.catch_up(h);
        }
        crate::client::acknowledge(self);
    }

    /// A member publishes its name through the log when it first runs, or runs under another name.
    fn publish_name(&mut self, h: usize) {
        let host = &self.hosts[h];
        let (true, Some(etcd), Some(disk)) = (host.runs(), &host.etcd, &host.volume.data) else { return };
        let seat = disk.applied.seats.get(&disk.member);
        if seat.is_none_or(|seat| seat.name == etcd.server.name) {
            return;
        }
        let (id, op) = (disk.member, Op::Publish(disk.member, etcd.server.name.clone()));
        let Some(leader) = self.leader_for(h) else { return };
        let Some(disk) = &mut self.hosts[leader].volume.data else { return };
        let is_new = !disk.log.iter().rev().take(20).any(|entry| entry.op == op);
        if is_new && disk.applied.seats.contains_key(&id) {
            disk.log.push(Entry { term: disk.term, op });
        }
    }

    /// A disk that was set back and has all that its leader has is as good as any.
    fn catch_up(&mut self, h: usize) {
        if !self.hosts[h].volume.set_back || self.hosts[h].etcd.is_none() {
            return;
        }
        let Some(leader) = self.leader_for(h) else { return };
        let last = |h: usize| self.hosts[h].volume.data.as_ref().map(|disk| disk.last());
        if leader != h && last(leader) == last(h) {
            self.hosts[h].volume.set_back = false;
        }
    }

    /// etcd is started on what the disk holds.
    pub fn start_etcd(&mut self, h: usize, name: String, gate: Gate) {
        let patience = self.rng.random_range(10..20);
        let since = self.queue.now();
        self.hosts[h].etcd = Some(Etcd { server: Server::new(name, patience), gate, since });
        (self.hosts[h].exit, self.hosts[h].etcd_changed) = (None, since);
    }
}
