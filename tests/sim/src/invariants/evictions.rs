//! S4, S12: nobody is removed whom etcd hears, and never below a quorum.

use crate::sim::Sim;
use e2d_core::id::MemberId;
use e2d_core::quorum;

/// A leader is about to remove a member: was it really dead, and is the rest enough?
pub fn check(sim: &mut Sim, h: usize, member: MemberId) {
    let Some(leader) = sim.leader_for(h) else { return };
    let Some(disk) = sim.hosts[leader].volume.data.as_ref() else { return };
    let Some(seat) = disk.applied.seats.get(&member).cloned() else { return };
    sim.ledger.evictions += 1;
    let runs = |id: MemberId| {
        (0..sim.hosts.len()).find(|&other| {
            let host = &sim.hosts[other];
            let is = host.volume.data.as_ref().is_some_and(|disk| disk.member == id);
            is && host.runs() && host.etcd.is_some()
        })
    };
    let exchanges = |other: usize| other == leader || (sim.reaches(leader, other) && sim.reaches(other, leader));
    let steady = runs(member).filter(|&other| {
        let since = sim.hosts[other].etcd.as_ref().map_or(sim.queue.now(), |etcd| etcd.since);
        exchanges(other) && sim.queue.now().since(since).as_secs() >= 3 && sim.steady_links(leader, other)
    });
    let voters: Vec<MemberId> = disk.applied.voters().into_iter().filter(|id| *id != member).collect();
    let present = voters.iter().filter(|id| runs(**id).is_some_and(exchanges)).count();
    let unsafe_rest = seat.voter && !quorum::reached(present, voters.len()) && sim.calm_for(5);
    let count = voters.len();
    if seat.voter
        && let Some(other) = steady
    {
        sim.breach("S12", &format!("host{h} removes member {member}, which runs on host{other} and is heard"));
    }
    if unsafe_rest {
        sim.breach("S4", &format!("host{h} removes member {member}: {present} of {count} voters are left to commit"));
    }
}
