//! Acts that go through etcd's log: the marker, and changes of the membership.

use super::Outcome;
use crate::invariants;
use crate::mutants::Mutant;
use crate::raft::{self, Disk, Entry, Op, Refusal};
use crate::sim::Sim;
use e2d_core::action::Action;
use e2d_core::id::{ClusterId, MemberId};
use e2d_core::time::Moment;
use rand::Rng;
use std::time::Duration;

/// How long a client waits for etcd.
const PATIENCE: Duration = Duration::from_secs(5);

/// An entry that was appended, and may be committed.
#[derive(Clone, Debug)]
pub struct Proposal {
    leader: usize,
    cluster: ClusterId,
    term: u64,
    index: usize,
    added: Option<MemberId>,
    at: Moment,
}

/// Appends to the leader's log, if this host's etcd reaches one with a quorum.
pub fn propose(sim: &mut Sim, h: usize, action: &Action) -> Result<Proposal, String> {
    let leader = sim.leader_for(h).ok_or("no leader")?;
    let Some(disk) = sim.hosts[leader].volume.data.as_deref() else { return Err("no leader".into()) };
    let fresh = MemberId(sim.rng.next_u64());
    let (op, added) = match action {
        Action::MarkRestored { .. } => (Op::Mark, None),
        Action::AddLearner { peer_url, .. } => {
            may_change(sim, leader, |disk, server| raft::may_add(sim.tick, disk, server, peer_url))?;
            let voter = sim.setup.mutant == Some(Mutant::JoinAsVoter);
            let url = peer_url.clone();
            (if voter { Op::AddVoter(fresh, url) } else { Op::AddLearner(fresh, url) }, Some(fresh))
        }
        Action::Promote { member } => {
            may_change(sim, leader, |disk, server| raft::may_promote(disk, server, *member))?;
            (Op::Promote(*member), None)
        }
        Action::Remove(evidence) => (Op::Remove(named(sim, disk, evidence.subject().member)), None),
        _ => return Err("not a proposal".into()),
    };
    if op.is_change() {
        if disk.pending_changes().next().is_some() && sim.setup.mutant != Some(Mutant::ManyChanges) {
            return Err("another change is pending".into());
        }
        invariants::one_change::proposed(sim, leader, &op);
        invariants::learner_first::proposed(sim, leader, &op);
    }
    if let Op::Remove(member) = &op {
        invariants::two_witnesses::removes(sim, h, leader, *member);
        invariants::below_quorum::removes(sim, h, leader, *member);
        sim.ledger.evictions += 1;
    }
    let at = sim.queue.now();
    let Some(disk) = &mut sim.hosts[leader].volume.data else { return Err("no leader".into()) };
    disk.log.push(Entry { term: disk.term, op });
    Ok(Proposal { leader, cluster: disk.cluster, term: disk.term, index: disk.log.len(), added, at })
}

/// How a proposal went, once that is known, or nobody waits for it any more.
pub fn settled(sim: &Sim, proposal: &Proposal, _action: &Action) -> Option<Outcome> {
    let failed = |why: &str| Some(Outcome::Failed(why.into()));
    let disk = sim.hosts[proposal.leader].volume.data.as_ref().filter(|disk| disk.cluster == proposal.cluster);
    let Some(disk) = disk else { return failed("the leader is gone") };
    if disk.log.get(proposal.index - 1).is_none_or(|entry| entry.term != proposal.term) {
        return failed("leader changed");
    }
    if disk.applied.index >= proposal.index {
        return Some(proposal.added.map_or(Outcome::Ok, Outcome::Added));
    }
    if sim.queue.now().since(proposal.at) > PATIENCE { failed("request timed out") } else { None }
}

/// Whom a removal names: an id, unless a bug goes by the name that the member had when it was chosen.
fn named(sim: &Sim, disk: &Disk, member: MemberId) -> MemberId {
    if sim.setup.mutant != Some(Mutant::LateEviction) {
        return member;
    }
    let url = sim.ledger.urls.get(&member);
    let at_url = disk.applied.seats.iter().find(|(_, seat)| Some(&seat.peer_url) == url);
    at_url.map_or(member, |(id, _)| *id)
}

/// etcd's own check of a change.
fn may_change(
    sim: &Sim,
    leader: usize,
    check: impl FnOnce(&Disk, &raft::Server) -> Result<(), Refusal>,
) -> Result<(), String> {
    let host = &sim.hosts[leader];
    let (Some(disk), Some(etcd)) = (host.volume.data.as_deref(), &host.etcd) else { return Err("no leader".into()) };
    match check(disk, &etcd.server) {
        Err(Refusal::TooManyLearners) if sim.setup.mutant == Some(Mutant::ManyChanges) => Ok(()),
        other => other.map_err(|refusal| refusal.to_string()),
    }
}
