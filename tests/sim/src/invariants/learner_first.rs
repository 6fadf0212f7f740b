//! S10: nobody votes who has not caught up.

use crate::sim::Sim;

/// A voter that was not there from the beginning has run before it got its vote.
pub fn check(sim: &mut Sim) {
    let mut broken = None;
    for host in &sim.hosts {
        let Some(disk) = host.volume.data.as_ref().filter(|_| host.etcd.is_some()) else { continue };
        let early = disk
            .applied
            .seats
            .iter()
            .find(|(id, seat)| seat.voter && seat.name.is_empty() && !disk.base.seats.contains_key(id));
        broken = broken.or(early.map(|(id, _)| *id));
    }
    if let Some(member) = broken {
        sim.breach("S10", &format!("member {member} has a vote and has never run"));
    }
}
