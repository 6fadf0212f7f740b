//! The members of the model, with a disk, a server and a network for each.

use super::{Change, Etcds};
use anyhow::{Context as _, Result};
use e2d_core::id::{ClusterId, MemberId, Revision};
use e2d_sim::raft::{self, Disk, Entry, Keys, Op, Pair, Refusal, Seat, Server};
use std::collections::{BTreeMap, BTreeSet};

/// How many heartbeats a step lasts: enough for a few elections.
const STEP: u32 = 200;
/// How many heartbeats an answer may take.
const ANSWER: u32 = 100;

pub(super) struct Simulated {
    tick: u64,
    disks: BTreeMap<u8, Disk>,
    servers: BTreeMap<u8, Server>,
    cuts: BTreeSet<(u8, u8)>,
    elections: u32,
}

fn id(n: u8) -> MemberId {
    MemberId(u64::from(n))
}

fn url(n: u8) -> String {
    format!("http://{n}:2380")
}

impl Simulated {
    pub(super) fn new() -> Self {
        let seat = |n: u8| (id(n), Seat { name: format!("m{n}"), peer_url: url(n), voter: true });
        let seats: BTreeMap<MemberId, Seat> = (1..=3).map(seat).collect();
        let keys = Keys { revision: Revision(1), ..Keys::default() };
        let disk = |n: u8| (n, Disk::new(ClusterId(1), id(n), seats.clone(), keys.clone(), u64::from(n)));
        let disks = (1..=3).map(disk).collect();
        Self { tick: 0, disks, servers: BTreeMap::new(), cuts: BTreeSet::new(), elections: 0 }
    }

    fn pass(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.tick += 1;
            let running: Vec<u8> = self.servers.keys().copied().collect();
            let disks = self.disks.iter_mut().filter(|(n, _)| running.contains(n)).map(|(_, disk)| disk);
            let mut pairs: Vec<Pair<'_>> = disks.zip(self.servers.values_mut()).collect();
            let (cuts, elections) = (&self.cuts, &mut self.elections);
            let reaches = |a: usize, b: usize| !cuts.contains(&(running[a], running[b]));
            raft::step(self.tick, &mut pairs, &reaches, &mut || {
                *elections += 7;
                10 + *elections % 10
            });
        }
    }

    fn reach(&self, a: u8, b: u8) -> bool {
        a == b || (!self.cuts.contains(&(a, b)) && !self.cuts.contains(&(b, a)))
    }

    /// The leader that a member reaches, if it has a quorum and has committed in its own term.
    fn leader_for(&self, n: u8) -> Option<u8> {
        let leads = |other: &u8| {
            let (server, disk) = (&self.servers[other], &self.disks[other]);
            let last = disk.applied.index.checked_sub(1).and_then(|last| disk.log.get(last));
            server.has_quorum() && !server.removed && last.is_some_and(|last| last.term == disk.term)
        };
        let reached = self.servers.keys().filter(|other| self.servers.contains_key(&n) && self.reach(n, **other));
        reached.filter(|other| leads(other)).max_by_key(|other| self.disks[*other].term).copied()
    }

    /// Whether an entry that is appended through a member is committed.
    fn commit(&mut self, by: u8, op: Op) -> bool {
        let Some(leader) = self.leader_for(by) else { return false };
        let Some(disk) = self.disks.get_mut(&leader) else { return false };
        let term = disk.term;
        disk.log.push(Entry { term, op });
        let index = disk.log.len();
        self.pass(ANSWER);
        let disk = &self.disks[&leader];
        disk.applied.index >= index && disk.log.get(index - 1).is_some_and(|entry| entry.term == term)
    }

    fn change(&mut self, by: u8, check: impl FnOnce(u64, &Disk, &Server) -> Result<(), Refusal>, op: Op) -> Change {
        let Some(leader) = self.leader_for(by) else { return Change::NoAnswer };
        match check(self.tick, &self.disks[&leader], &self.servers[&leader]) {
            Err(refusal) => Change::Refused(refusal),
            Ok(()) if self.commit(by, op) => Change::Done,
            Ok(()) => Change::NoAnswer,
        }
    }
}

impl Etcds for Simulated {
    fn start(&mut self, n: u8) -> Result<()> {
        self.servers.insert(n, Server::new(format!("m{n}"), 10 + u32::from(n)));
        self.pass(STEP);
        Ok(())
    }

    fn kill(&mut self, n: u8) -> Result<()> {
        self.servers.remove(&n);
        self.pass(STEP);
        Ok(())
    }

    fn cut_one_way(&mut self, from: u8, to: u8) -> Result<()> {
        self.cuts.insert((from, to));
        self.pass(STEP);
        Ok(())
    }

    fn isolate(&mut self, n: u8) -> Result<()> {
        let others: Vec<u8> = self.disks.keys().copied().filter(|other| *other != n).collect();
        self.cuts.extend(others.iter().flat_map(|other| [(n, *other), (*other, n)]));
        self.pass(STEP);
        Ok(())
    }

    fn heal(&mut self) -> Result<()> {
        self.cuts.clear();
        self.pass(STEP);
        Ok(())
    }

    fn put(&mut self, n: u8, write: u64) -> Result<bool> {
        Ok(self.commit(n, Op::Put(write)))
    }

    fn holds(&mut self, n: u8, write: u64) -> Result<bool> {
        let leader = self.leader_for(n).context("no leader")?;
        Ok(self.disks[&leader].applied.keys.writes.contains(&write))
    }

    fn add_learner(&mut self, by: u8, n: u8) -> Result<Change> {
        let taken = url(n);
        let done = self.change(
            by,
            |tick, disk, server| raft::may_add(tick, disk, server, &taken),
            Op::AddLearner(id(n), url(n)),
        );
        if done == Change::Done {
            self.disks.insert(n, Disk::new(ClusterId(1), id(n), BTreeMap::new(), Keys::default(), u64::from(n)));
        }
        Ok(done)
    }

    fn promote(&mut self, by: u8, n: u8) -> Result<Change> {
        Ok(self.change(by, |_, disk, server| raft::may_promote(disk, server, id(n)), Op::Promote(id(n))))
    }

    fn remove(&mut self, by: u8, n: u8) -> Result<Change> {
        Ok(self.change(by, |_, _, _| Ok(()), Op::Remove(id(n))))
    }

    fn members(&mut self, by: u8) -> Result<(Vec<u8>, Vec<u8>)> {
        let leader = self.leader_for(by).context("no leader")?;
        let seats = &self.disks[&leader].applied.seats;
        let of = |voter: bool| seats.iter().filter(|(_, seat)| seat.voter == voter).map(|(id, _)| id.0 as u8).collect();
        Ok((of(true), of(false)))
    }

    fn is_out(&mut self, n: u8) -> Result<bool> {
        Ok(self.servers.get(&n).is_some_and(|server| server.removed))
    }

    fn leader(&mut self) -> Result<u8> {
        self.servers.keys().find_map(|n| self.leader_for(*n)).context("no leader")
    }
}
