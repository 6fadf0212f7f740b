//! S5: one membership change at a time, and none while another member is unhealthy.
//!
//! A change is judged when it is appended to the leader's log: no other may be pending there, there is
//! one learner at most, and nobody is added or promoted while a voter has been away for longer than
//! anybody needs to notice. A removal is what heals, and has S4 and S12 for judges. What is not seen: a
//! change that a leader without a quorum appended and that nobody will ever commit.

use super::below_quorum::is_absent;
use crate::raft::Op;
use crate::sim::Sim;
use e2d_core::id::MemberId;

/// A change is about to be appended.
pub fn proposed(sim: &mut Sim, leader: usize, op: &Op) {
    let Some(disk) = &sim.hosts[leader].volume.data else { return };
    let pending = disk.pending_changes().next().cloned();
    let learner = disk.applied.seats.iter().find(|(_, seat)| !seat.voter).map(|(id, _)| *id);
    let subject = match op {
        Op::Promote(member) | Op::Remove(member) => Some(*member),
        _ => None,
    };
    let adds = matches!(op, Op::AddLearner(..) | Op::AddVoter(..));
    let heals = matches!(op, Op::Remove(_));
    let away: Option<MemberId> = disk
        .applied
        .voters()
        .into_iter()
        .find(|id| *id != disk.member && Some(*id) != subject && !heals && is_absent(sim, *id));
    if let Some(pending) = pending {
        sim.breach("S5", &format!("{op:?} is proposed while {pending:?} is pending"));
    }
    if let Some(learner) = learner.filter(|_| adds) {
        sim.breach("S5", &format!("{op:?} is proposed while {learner} is a learner"));
    }
    if let Some(away) = away {
        sim.breach("S5", &format!("{op:?} is proposed while member {away} is away"));
    }
}
