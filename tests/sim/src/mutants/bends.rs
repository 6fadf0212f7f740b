//! Bugs in what acts do.

use super::Mutant;
use crate::host::Volume;
use crate::raft::{Disk, Keys};
use crate::sim::Sim;
use crate::store::Store;
use e2d_core::action::Action;
use e2d_core::id::{ArchiveId, Revision};
use e2d_core::lineage::{Founder, Lineage, LineageState};
use e2d_core::memory::{Phase, State};
use rand::RngExt;

impl Mutant {
    /// What is written when a lineage should be.
    #[must_use]
    pub fn claim(self, sim: &Sim, h: usize, lineage: &Lineage) -> Lineage {
        let mut lineage = lineage.clone();
        let Some(process) = &sim.hosts[h].process else { return lineage };
        if self == Self::AllVisibleFound && lineage.state == LineageState::Forming {
            for (node, word) in process.world.words() {
                let known = lineage.claim.founders.iter().any(|founder| founder.node == node);
                if word.phase == Phase::Empty && !known {
                    let (name, peer_url) = (word.name.clone(), word.peer_url.clone());
                    lineage.claim.founders.push(Founder { node, name, peer_url });
                }
            }
        }
        lineage
    }
}

/// Notes whom a removal means, by the name that it will go by.
pub fn note_target(sim: &mut Sim, h: usize, action: &Action) {
    let Action::Remove(evidence) = action else { return };
    let member = evidence.subject().member;
    let Some(leader) = sim.leader_for(h) else { return };
    let seat = sim.hosts[leader].volume.data.as_ref().and_then(|disk| disk.applied.seats.get(&member));
    if let Some(url) = seat.map(|seat| seat.peer_url.clone()) {
        sim.ledger.urls.insert(member, url);
    }
}

/// The pointer is there, and half of what it points to is not, for ever if nobody is left to write it.
pub fn write_later(sim: &mut Sim, store: usize, id: ArchiveId) {
    let half = |keys: &Keys| keys.writes.iter().copied().take(keys.writes.len() / 2).collect();
    if let Some(archive) = sim.stores[store].archives.iter_mut().find(|archive| archive.seen.id == id) {
        archive.seen.verified = true;
        archive.keys.writes = half(&archive.whole);
    }
}

/// The rest of it is written.
pub fn write_rest(sim: &mut Sim, store: usize, id: ArchiveId) {
    if let Some(archive) = sim.stores[store].archives.iter_mut().find(|archive| archive.seen.id == id) {
        archive.keys = archive.whole.clone();
    }
}

/// A look that takes everything in the store for what it should be.
#[must_use]
pub fn blind(store: &Store) -> Store {
    let mut store = store.clone();
    store.archives.iter_mut().for_each(|archive| archive.damaged = false);
    store
}

/// The data goes before there is anything in its place.
pub fn delete_first(sim: &mut Sim, h: usize, state: &State) {
    let volume = &mut sim.hosts[h].volume;
    let stays = |disk: &&Disk| state.place.is_some_and(|place| place.cluster == disk.cluster);
    if state.phase == Phase::Founding && !volume.data.as_deref().is_some_and(|disk| stays(&disk)) {
        volume.data = None;
    }
}

/// Each member marks its own store, at its own moment.
pub fn edit_in_place(sim: &mut Sim, keys: &mut Keys) {
    keys.revision = Revision(keys.revision.0 + sim.rng.random_range(1..4));
}

/// A restore that died half-way leaves what it had.
pub fn leave_half(sim: &mut Sim, h: usize) {
    let lineage = sim.store(h).lineage().cloned();
    let volume = &sim.hosts[h].volume;
    let (Some(lineage), Some(place)) = (lineage, volume.state.place) else { return };
    let archive = lineage.claim.source.and_then(|source| sim.store(h).archive(source.archive));
    let Some(archive) = archive else { return };
    let writes = archive.whole.writes.iter().copied().take(archive.whole.writes.len() / 2).collect();
    let keys = Keys { writes, ..archive.whole.clone() };
    let seat = |founder: &Founder| {
        let (name, peer_url) = (founder.name.clone(), founder.peer_url.clone());
        (lineage.founder_member(founder), crate::raft::Seat { name, peer_url, voter: true })
    };
    let seats = lineage.claim.founders.iter().map(seat).collect();
    sim.ledger.serials += 1;
    let disk = Disk::new(place.cluster, place.member, seats, keys, sim.ledger.serials);
    sim.hosts[h].volume.data = Some(Box::new(Disk { claim: place.claim, ..disk }));
}

/// The member list knows this address, so it is that member, whatever the disk holds.
#[must_use]
pub fn data_alone(sim: &mut Sim, kept: Volume) -> Volume {
    let Some(data) = &kept.data else { return kept };
    sim.ledger.serials += 1;
    let (seats, keys) = (data.base.seats.clone(), data.base.keys.clone());
    let empty = Disk::new(data.cluster, data.member, seats, keys, sim.ledger.serials);
    let empty = Disk { claim: data.claim, joins: data.joins, ..empty };
    Volume { data: Some(Box::new(empty)), quarantine: vec![], ..kept }
}
