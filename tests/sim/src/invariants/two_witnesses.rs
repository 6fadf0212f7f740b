//! S12: nobody is removed whom etcd hears, and nobody who proves healthy by gossip.
//!
//! Judged when a removal is appended. Heard by etcd: the member runs, and has exchanged every heartbeat
//! with its leader for seconds. Healthy by gossip: its node's e2d runs, can talk with the remover, and holds
//! the member's data whole, whatever its etcd does. What is not seen: removals that are right for another
//! reason than the one given.

use crate::sim::Sim;
use e2d_core::id::MemberId;
use e2d_core::memory::Phase;

/// A leader is about to remove a member: was it really dead?
pub fn removes(sim: &mut Sim, h: usize, leader: usize, member: MemberId) {
    let now = sim.queue.now();
    let heard = sim.ledger.presence.get(&member).is_some_and(|presence| {
        let steady = presence.heard.since(presence.missed).as_secs() >= 5;
        steady && now.since(presence.heard).as_secs() < 1
    });
    let speaks = sim.hosts.iter().any(|host| host.speaks() == Some(member));
    if heard && speaks && sim.hosts[leader].etcd.is_some() {
        sim.breach("S12", &format!("host{h} removes member {member}, which etcd hears"));
    }
    // A learner has no vote: whether it gets one is for S10.
    let votes = sim.hosts[leader].volume.data.as_ref().is_some_and(|disk| disk.applied.votes(member));
    let healthy = (0..sim.hosts.len()).find(|&other| {
        let (host, talks) = (&sim.hosts[other], sim.gossips(h, other) && sim.is_settled(h, other));
        let volume = &host.volume;
        let holds = volume.data.as_ref().is_some_and(|disk| disk.member == member) && !volume.damaged;
        let stands = volume.state.phase == Phase::Member && !volume.set_back;
        talks && holds && stands && host.process.is_some() && sim.network.loss == 0 && has_been_up(sim, other)
    });
    if let Some(other) = healthy.filter(|_| votes) {
        sim.breach("S12", &format!("host{h} removes member {member}, and gossip reaches host{other} that holds it"));
    }
}

/// Whether e2d has run there for long enough to be known to all.
fn has_been_up(sim: &Sim, h: usize) -> bool {
    let process = sim.hosts[h].process.as_ref();
    process.is_some_and(|process| process.world.now.since(process.world.listening_since).as_secs() >= 5)
}
