//! Machines and processes: power, starts, ends, freezes.

use super::{Event, Sim};
use crate::gossip::Gossip;
use crate::host::Process;
use crate::mutants::Memo;
use e2d_core::id::{BootId, Revision};
use e2d_core::observe::{self, Hold, Me, Policy, World};
use e2d_gossip::{Input, Peer};
use rand::{Rng, RngExt};
use std::net::SocketAddr;
use std::time::Duration;

impl Sim {
    /// Power comes, and e2d is started.
    pub fn boot(&mut self, h: usize) {
        if self.hosts[h].gone {
            return;
        }
        if !self.hosts[h].up {
            (self.hosts[h].up, self.hosts[h].changed) = (true, self.queue.now());
        }
        self.start_e2d(h);
    }

    /// The machine loses power.
    pub fn power_off(&mut self, h: usize) {
        let now = self.queue.now();
        let host = &mut self.hosts[h];
        (host.up, host.frozen, host.changed) = (false, false, now);
        (host.process, host.etcd, host.exit, host.etcd_changed) = (None, None, None, now);
        host.waiting.clear();
    }

    /// All processes of a machine stop without knowing it.
    pub fn freeze(&mut self, h: usize) {
        (self.hosts[h].frozen, self.hosts[h].changed) = (self.hosts[h].up, self.queue.now());
    }

    /// They go on: what had arrived meanwhile is read first.
    pub fn thaw(&mut self, h: usize) {
        if !std::mem::take(&mut self.hosts[h].frozen) {
            return;
        }
        self.hosts[h].changed = self.queue.now();
        let (packets, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.hosts[h].waiting).into_iter().partition(|event| matches!(event, Event::Arrive(_)));
        for event in packets.into_iter().chain(others) {
            self.queue.after(Duration::ZERO, event);
        }
        // Whatever it believed, nobody has answered it for a while.
        if let Some(etcd) = &mut self.hosts[h].etcd {
            etcd.server.quiet += 1;
        }
    }

    /// e2d is started, and finds its etcd running if there is one.
    pub fn start_e2d(&mut self, h: usize) {
        let host = &self.hosts[h];
        if !host.up || host.process.is_some() || host.refused.is_some() {
            return;
        }
        let boot = BootId(self.rng.next_u64().max(1));
        let ahead = Duration::from_micros(self.rng.random_range(0..1_000_000_000_000));
        let policy = Policy {
            size: self.setup.size,
            has_store: self.setup.has_store,
            replace_after: self.setup.replace_after,
            learner_patience: Duration::from_secs(15),
            archive_interval: Duration::from_secs(15),
            ..Policy::default()
        };
        let host = &mut self.hosts[h];
        let me = Me {
            label: format!("host{h}"),
            boot,
            peer_url: host.peer_url.clone(),
            client_url: host.peer_url.replace("2380", "2379"),
            machine: format!("machine{h}"),
            ..Me::default()
        };
        let now = self.queue.now() + ahead;
        let volume = &host.volume;
        let (identity, state, recall) = (volume.identity.clone(), volume.state.clone(), volume.recall.clone());
        let mut world = World::new(now, policy, me, identity, state, recall);
        if let Some(etcd) = &host.etcd {
            world.started(observe::Process::Running { gate: etcd.gate, since: now });
        }
        host.process = Some(Process {
            boot,
            ahead,
            world,
            gossip: None,
            busy: Default::default(),
            planned: false,
            looks: 0,
            round: None,
            memo: Memo::default(),
        });
        self.note(|| format!("host{h} e2d starts, boot {boot}"));
        self.hold(h);
        self.join_gossip(h);
        self.wind_up(h);
    }

    /// e2d dies; its etcd lives on.
    pub fn kill_e2d(&mut self, h: usize) {
        self.hosts[h].process = None;
    }

    /// etcd ends: the shell sees it at its next look.
    pub fn end_etcd(&mut self, h: usize, cause: observe::ExitCause) {
        let now = self.queue.now();
        let host = &mut self.hosts[h];
        if host.etcd.take().is_some() {
            (host.exit, host.etcd_changed) = (Some(cause), now);
        }
    }

    /// Tells e2d whether an operator holds its acts.
    pub fn hold(&mut self, h: usize) {
        let host = &mut self.hosts[h];
        let hold = host.held.then(|| Hold { reason: "maintenance".into(), remaining: Duration::from_mins(1) });
        if let Some(process) = &mut host.process {
            process.world.hold = hold;
        }
    }

    /// The process has learned who it is: it may speak.
    pub fn join_gossip(&mut self, h: usize) {
        let seeds: Vec<SocketAddr> = self.hosts.iter().map(|host| host.addr).collect();
        let (now, seed, addr) = (self.queue.now(), self.rng.next_u64(), self.hosts[h].addr);
        let (Some(process), Some(keys)) = (&mut self.hosts[h].process, self.keys.clone()) else { return };
        let Some(node) = process.world.node() else { return };
        let me = Peer { node, boot: process.boot, addr };
        match Gossip::new(me, keys, process.local(now), seed) {
            Ok(gossip) => process.gossip = Some(gossip),
            Err(error) => self.breach("harness", &error.to_string()),
        }
        self.feed(h, Input::Seeds(seeds));
    }

    /// Sets the process's clockwork going, anew if it took another boot id.
    pub fn wind_up(&mut self, h: usize) {
        let Some(process) = &mut self.hosts[h].process else { return };
        process.looks += 1;
        process.planned = false;
        let (boot, looks) = (process.boot, process.looks);
        self.queue.after(Duration::ZERO, Event::Wake(h, boot));
        self.queue.after(Duration::ZERO, Event::Observe(h, boot));
        self.queue.after(Duration::ZERO, Event::Look(h, boot, looks));
    }

    /// A cluster of plain etcd runs on the first N machines before e2d comes.
    pub(super) fn install_plain_etcd(&mut self) {
        let ids: Vec<_> = (0..self.setup.size).map(|_| e2d_core::id::MemberId(self.rng.next_u64())).collect();
        let seat = |(h, id): (usize, &e2d_core::id::MemberId)| {
            let (name, peer_url) = (format!("plain{h}"), self.hosts[h].peer_url.clone());
            (*id, crate::raft::Seat { name, peer_url, voter: true })
        };
        let seats: std::collections::BTreeMap<_, _> = ids.iter().enumerate().map(seat).collect();
        let cluster = e2d_core::raftid::cluster(&ids);
        let keys = crate::raft::Keys { revision: Revision(1), ..crate::raft::Keys::default() };
        for (h, id) in ids.into_iter().enumerate() {
            self.ledger.serials += 1;
            let disk = crate::raft::Disk::new(cluster, id, seats.clone(), keys.clone(), self.ledger.serials);
            self.hosts[h].volume.data = Some(Box::new(disk));
        }
        self.ledger.plain = Some(cluster);
    }
}
