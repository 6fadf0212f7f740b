//! S10: nobody votes who has not caught up.
//!
//! A promotion is judged when it is appended: the learner runs, and has applied nearly all that its
//! leader has. And nobody has a vote who has never run, but for founders. What is not seen: how long a
//! promotion's first commit then takes.

use crate::raft::Op;
use crate::sim::Sim;

/// How many entries a learner may lack.
const BEHIND: usize = 500;

/// How many it may lack however short the log is, of which a tenth is nothing: what is written while it says so.
const MOMENT: usize = 10;

/// A change is about to be appended.
pub fn proposed(sim: &mut Sim, leader: usize, op: &Op) {
    let Op::Promote(member) = op else { return };
    let applied = |h: usize| sim.hosts[h].volume.data.as_ref().map_or(0, |disk| disk.applied.index);
    let speaks = (0..sim.hosts.len()).filter(|h| sim.hosts[*h].speaks() == Some(*member)).map(applied).max();
    // What it last had counts for a moment longer: nobody can know that it has gone.
    let presence = sim.ledger.presence.get(member);
    let lately = presence.is_some_and(|presence| sim.queue.now().since(presence.heard).as_secs() < 5);
    let last = sim.ledger.speakers.get(member).filter(|_| lately).map(|(_, applied)| *applied);
    let learner = speaks.max(last);
    let leads = applied(leader);
    let near = (leads * 9 / 10).min(leads.saturating_sub(MOMENT));
    if learner.is_none_or(|index| index < near || index + BEHIND < leads) {
        let why = format!("member {member} is promoted with {learner:?} of {leads} entries applied");
        sim.breach("S10", &why);
    }
}

/// A voter that was not there from the beginning has run before it got its vote.
pub fn check(sim: &mut Sim) {
    let mut broken = None;
    for host in &sim.hosts {
        let Some(disk) = host.volume.data.as_ref().filter(|_| host.etcd.is_some()) else { continue };
        let mut seats = disk.applied.seats.iter();
        let early = seats.find(|(id, seat)| seat.voter && seat.name.is_empty() && !disk.base.seats.contains_key(id));
        broken = broken.or(early.map(|(id, _)| *id));
    }
    if let Some(member) = broken {
        sim.breach("S10", &format!("member {member} has a vote and has never run"));
    }
}
