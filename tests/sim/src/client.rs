//! A client that writes all the time and remembers every acknowledgement.

use crate::ledger::Pending;
use crate::raft::{Entry, Op};
use crate::sim::{Event, Sim};
use e2d_core::observe::Gate;
use rand::RngExt;

/// Writes once, through a random member.
pub fn write(sim: &mut Sim) {
    let pause = sim.millis(100, 600);
    sim.queue.after(pause, Event::Client);
    let h = sim.rng.random_range(0..sim.hosts.len());
    let open = sim.hosts[h].runs() && sim.hosts[h].etcd.as_ref().is_some_and(|etcd| etcd.gate == Gate::Open);
    let leader = if open { sim.leader_for(h) } else { None };
    let Some(leader) = leader else { return };
    sim.ledger.writes += 1;
    let write = sim.ledger.writes;
    let Some(disk) = &mut sim.hosts[leader].volume.data else { return };
    disk.log.push(Entry { term: disk.term, op: Op::Put(write) });
    let pending = Pending { write, leader, cluster: disk.cluster, term: disk.term, index: disk.log.len() };
    sim.ledger.pending.push(pending);
}

/// Acknowledges what has reached a majority, and forgets what can no longer be answered.
pub fn acknowledge(sim: &mut Sim) {
    let pending = std::mem::take(&mut sim.ledger.pending);
    for write in pending {
        let host = &sim.hosts[write.leader];
        let leads = host.runs() && host.etcd.as_ref().is_some_and(|etcd| etcd.server.leads);
        let Some(disk) = host.volume.data.as_ref().filter(|disk| leads && disk.cluster == write.cluster) else {
            continue;
        };
        let entry = disk.log.get(write.index - 1);
        if entry.is_none_or(|entry| entry.term != write.term || entry.op != Op::Put(write.write)) {
            continue;
        }
        if disk.applied.index >= write.index {
            sim.ledger.acked.entry(write.cluster).or_default().insert(write.write);
            sim.ledger.acks += 1;
        } else {
            sim.ledger.pending.push(write);
        }
    }
}
