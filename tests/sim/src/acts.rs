//! What each act does to the simulated world: its outcome when it begins, its effect when it is done.

use crate::gossip::Gossip;
use crate::mutants::Mutant;
use crate::raft::{self, Keys, Op, Seat};
use crate::sim::{Event, Outcome, Sim};
use crate::store::Access;
use e2d_core::action::{Action, Cluster, Launch};
use e2d_core::id::{ArchiveId, BootId, Digest, MemberId, NodeId};
use e2d_core::lineage::Source;
use e2d_core::observe::{ArchiveSeen, DataDir, ExitCause, Process, Seen};
use e2d_core::raftid;
use rand::{Rng, RngExt};
use std::collections::BTreeMap;

/// How an act goes: decided when it begins, from the world as it is then.
pub fn outcome(sim: &mut Sim, h: usize, action: &Action) -> Outcome {
    match action {
        Action::Restore { source, .. } => restorable(sim, h, source),
        Action::MarkRestored { .. } => propose(sim, h, |_| Op::Mark, false),
        Action::AddLearner { peer_url, .. } => add(sim, h, peer_url),
        Action::Promote { member } => promote(sim, h, *member),
        Action::Remove(evidence) => {
            let member = evidence.subject().member;
            crate::invariants::evictions::check(sim, h, member);
            propose(sim, h, |_| Op::Remove(member), true)
        }
        Action::Archive if sim.hosts[h].access != Access::Open => Outcome::Failed("the store did not answer".into()),
        _ => Outcome::Ok,
    }
}

/// The effect of an act that is done.
pub fn apply(sim: &mut Sim, h: usize, action: &Action, outcome: &Outcome) {
    let now = sim.queue.now();
    let failed = matches!(outcome, Outcome::Failed(_));
    match action {
        Action::Identify(identity) => {
            let host = &mut sim.hosts[h];
            host.volume.identity = Some(identity.clone());
            host.volume.state = e2d_core::memory::State::default();
            host.volume.recall.members.clear();
            let boot = BootId(sim.rng.next_u64());
            let seeds = sim.hosts.iter().map(|host| host.addr).collect();
            let addr = sim.hosts[h].addr;
            if let Some(process) = &mut sim.hosts[h].process {
                process.world.identified(identity.clone());
                process.world.me.boot = boot;
                process.gossip = Gossip::new(now, identity.node, boot, addr, seeds);
                process.told.clear();
                process.heard.clear();
                let old = std::mem::replace(&mut process.boot, boot);
                rename_process(sim, h, old, boot);
            }
        }
        Action::Remember(state) => {
            sim.hosts[h].volume.state = (**state).clone();
            if let Some(process) = &mut sim.hosts[h].process {
                process.world.remembered((**state).clone());
            }
        }
        Action::Recall(recall) => {
            sim.hosts[h].volume.recall = (**recall).clone();
            if let Some(process) = &mut sim.hosts[h].process {
                process.world.recalled((**recall).clone());
            }
        }
        Action::Interview { start } => {
            if let Some(process) = &mut sim.hosts[h].process {
                process.world.interviewing(*start);
            }
        }
        Action::Restore { source, launch } if !failed => restore(sim, h, source, launch),
        Action::Restore { launch, .. } if sim.setup.mutant == Some(Mutant::FailedRestoreStartsEmpty) => {
            let empty = fresh(sim, launch, Keys::default());
            sim.hosts[h].volume.data = Some(empty);
        }
        Action::Start(launch) => start(sim, h, launch),
        Action::Stop { .. } => {
            sim.hosts[h].etcd = None;
            sim.hosts[h].exit = None;
            if let Some(process) = &mut sim.hosts[h].process {
                process.world.exited(Process::Exited { cause: ExitCause::Stopped, at: now });
            }
        }
        Action::Quarantine(_) => {
            let volume = &mut sim.hosts[h].volume;
            volume.quarantine.extend(volume.data.take());
            (volume.damaged, volume.set_back) = (false, false);
        }
        Action::AddLearner { node, .. } => {
            if let (Outcome::Added(member), Some(process)) = (outcome, &mut sim.hosts[h].process) {
                process.world.sponsored.insert(*member, (*node, now));
            }
        }
        Action::Archive if !failed => archive(sim, h),
        Action::Refuse { why } => {
            sim.hosts[h].refused = Some(why.to_string());
            sim.kill_e2d(h);
        }
        _ => {}
    }
    let data = sim.hosts[h].volume.inspect();
    if let Some(process) = &mut sim.hosts[h].process {
        process.world.see_data(data);
    }
}

/// A process that took a new identity goes on under a new boot: its clockwork follows.
fn rename_process(sim: &mut Sim, h: usize, _old: BootId, boot: BootId) {
    sim.queue.after(std::time::Duration::ZERO, Event::Gossip(h, boot));
    sim.queue.after(std::time::Duration::ZERO, Event::Observe(h, boot));
    let count = sim.hosts[h].process.as_mut().map_or(0, |process| {
        process.looks += 1;
        process.planned = false;
        process.busy = [false; 2];
        process.looks
    });
    sim.queue.after(std::time::Duration::ZERO, Event::Look(h, boot, count));
}

/// A digest of a keyspace, as `HashKV` gives it.
#[must_use]
pub fn hash(keys: &Keys) -> u32 {
    let digest = Digest::of(format!("{keys:?}").as_bytes());
    u32::from_be_bytes([digest.0[0], digest.0[1], digest.0[2], digest.0[3]])
}

fn fresh(sim: &mut Sim, launch: &Launch, keys: Keys) -> raft::Disk {
    sim.ledger.serials += 1;
    let seat = |(name, url): &(String, String)| {
        let id = raftid::founder(&[url], &launch.token);
        (id, Seat { name: name.clone(), peer_url: url.clone(), voter: true })
    };
    let seats: BTreeMap<MemberId, Seat> = match launch.cluster {
        Cluster::New => launch.members.iter().map(seat).collect(),
        Cluster::Existing => BTreeMap::new(),
    };
    raft::Disk::new(launch.place.cluster, launch.place.member, seats, keys, sim.ledger.serials)
}

fn start(sim: &mut Sim, h: usize, launch: &Launch) {
    let now = sim.queue.now();
    if sim.hosts[h].volume.data.is_none() {
        let revision = e2d_core::id::Revision(1);
        let data = fresh(sim, launch, Keys { revision, ..Keys::default() });
        sim.hosts[h].volume.data = Some(data);
    }
    crate::invariants::no_amnesia::started(sim, h);
    let gate = if sim.setup.mutant == Some(Mutant::NoGate) { e2d_core::observe::Gate::Open } else { launch.gate };
    sim.start_etcd(h, launch.name.clone(), gate);
    if let Some(process) = &mut sim.hosts[h].process {
        process.world.started(Process::Running { gate: launch.gate, since: now });
    }
}

fn restorable(sim: &mut Sim, h: usize, source: &Source) -> Outcome {
    if sim.hosts[h].access != Access::Open {
        return Outcome::Failed("the store did not answer".into());
    }
    if !sim.store.archives.contains_key(&source.archive) {
        return Outcome::Failed("no such archive".into());
    }
    Outcome::Ok
}

fn restore(sim: &mut Sim, h: usize, source: &Source, launch: &Launch) {
    let newest = sim.store.archives.values().map(|(seen, _)| *seen).max_by_key(|seen| (seen.epoch, seen.revision));
    let archive = match (sim.setup.mutant, newest) {
        (Some(Mutant::NewestArchiveEach), Some(newest)) => newest.id,
        _ => source.archive,
    };
    let Some((_, keys)) = sim.store.archives.get(&archive) else { return };
    let mut keys = keys.clone();
    if sim.setup.mutant != Some(Mutant::NoBump) {
        keys.revision.0 += source.bump.cast_signed();
    }
    keys.marked = false;
    let mut launch = launch.clone();
    if sim.setup.mutant == Some(Mutant::ConstantToken) {
        launch.token = "etcd-cluster".into();
    }
    let data = fresh(sim, &launch, keys);
    (sim.hosts[h].volume.data, sim.hosts[h].volume.damaged) = (Some(data), false);
}

/// Appends to the leader's log, if this host's etcd leads and has a quorum.
fn propose(sim: &mut Sim, h: usize, op: impl FnOnce(&raft::Disk) -> Op, change: bool) -> Outcome {
    let Some(leader) = sim.leader_for(h) else { return Outcome::Failed("no leader".into()) };
    let Some(disk) = &mut sim.hosts[leader].volume.data else { return Outcome::Failed("no data".into()) };
    let is_change = |op: &Op| !matches!(op, Op::Lead | Op::Put(_) | Op::Mark | Op::Publish(..));
    let pending = disk.log[disk.applied.index.min(disk.log.len())..].iter().any(|entry| is_change(&entry.op));
    if change && pending {
        return Outcome::Failed("another change is pending".into());
    }
    let op = op(disk);
    let term = disk.term;
    disk.log.push(raft::Entry { term, op });
    if sim.rng.random_bool(0.02) { Outcome::Failed("the reply was lost".into()) } else { Outcome::Ok }
}

/// etcd's own checks of an addition: everybody connected, one learner, no URL twice.
fn add(sim: &mut Sim, h: usize, peer_url: &str) -> Outcome {
    let Some(leader) = sim.leader_for(h) else { return Outcome::Failed("no leader".into()) };
    let tick = sim.tick;
    let (Some(etcd), Some(disk)) = (&sim.hosts[leader].etcd, &sim.hosts[leader].volume.data) else {
        return Outcome::Failed("no leader".into());
    };
    let seats = &disk.applied.seats;
    let connected = |id: &MemberId| {
        *id == disk.member || etcd.server.heard.get(id).is_some_and(|heard| tick.saturating_sub(*heard) < 20)
    };
    if !seats.iter().filter(|(_, seat)| seat.voter).all(|(id, _)| connected(id)) {
        return Outcome::Failed("unhealthy cluster".into());
    }
    if seats.values().any(|seat| !seat.voter) {
        return Outcome::Failed("too many learners".into());
    }
    if seats.values().any(|seat| seat.peer_url == peer_url) {
        return Outcome::Failed("peer URL already exists".into());
    }
    let id = MemberId(sim.rng.next_u64());
    let url = peer_url.to_owned();
    let voter = sim.setup.mutant == Some(Mutant::JoinAsVoter);
    let op = move |_: &raft::Disk| if voter { Op::AddVoter(id, url) } else { Op::AddLearner(id, url) };
    match propose(sim, h, op, true) {
        Outcome::Ok => Outcome::Added(id),
        other => other,
    }
}

fn promote(sim: &mut Sim, h: usize, member: MemberId) -> Outcome {
    let Some(leader) = sim.leader_for(h) else { return Outcome::Failed("no leader".into()) };
    let behind = sim.hosts[leader].etcd.as_ref().is_none_or(|etcd| {
        let matched = etcd.server.matched.get(&member).copied().unwrap_or(0);
        let own = sim.hosts[leader].volume.data.as_ref().map_or(0, |disk| disk.log.len());
        matched * 10 < own * 9
    });
    if behind {
        return Outcome::Failed("learner not ready".into());
    }
    propose(sim, h, |_| Op::Promote(member), true)
}

/// A member publishes its name through the log when it first runs, or runs under another name.
pub fn publish_name(sim: &mut Sim, h: usize) {
    let host = &sim.hosts[h];
    let (Some(etcd), Some(disk)) = (&host.etcd, &host.volume.data) else { return };
    let Some(seat) = disk.applied.seats.get(&disk.member) else { return };
    if seat.name == etcd.server.name {
        return;
    }
    let (id, name) = (disk.member, etcd.server.name.clone());
    let Some(leader) = sim.leader_for(h) else { return };
    let Some(disk) = &mut sim.hosts[leader].volume.data else { return };
    let known = disk.applied.seats.contains_key(&id);
    let op = Op::Publish(id, name);
    if known && !disk.log.iter().rev().take(20).any(|entry| entry.op == op) {
        let term = disk.term;
        disk.log.push(raft::Entry { term, op });
    }
}

/// Takes what a linearizable read sees into the store.
fn archive(sim: &mut Sim, h: usize) {
    let Some(keys) = sim.serving(h).map(|applied| applied.keys.clone()) else { return };
    let Some(process) = &sim.hosts[h].process else { return };
    let (Some(place), Some(node)) = (process.world.state.place, process.world.node()) else { return };
    let term = sim.hosts[h].volume.data.as_ref().map_or(0, |disk| disk.term);
    let seen = ArchiveSeen {
        id: ArchiveId(Digest([0; 32])),
        epoch: place.epoch,
        revision: keys.revision,
        term,
        // What this very disk holds: a follower may lag behind the read.
        index: sim.hosts[h].volume.data.as_ref().map_or(0, |disk| disk.applied.index as u64),
        node,
        verified: true,
    };
    crate::invariants::fenced::archived(sim, place.epoch, place.claim);
    let revision = keys.revision;
    sim.store.keep(seen, keys);
    let at = sim.queue.now();
    if let Some(process) = &mut sim.hosts[h].process {
        process.world.archived = Some(Seen { value: revision, at });
    }
}

/// The node behind a host's disk.
#[must_use]
pub fn node(sim: &Sim, h: usize) -> Option<NodeId> {
    sim.hosts[h].volume.identity.as_ref().map(|identity| identity.node)
}

/// Whether a host's disk holds readable data.
#[must_use]
pub fn has_data(sim: &Sim, h: usize) -> bool {
    matches!(sim.hosts[h].volume.inspect(), DataDir::Member(_))
}
