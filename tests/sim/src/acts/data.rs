//! Acts on the own data: etcd is started, an archive is restored, an archive is taken.

use super::Outcome;
use crate::invariants;
use crate::mutants::Mutant;
use crate::raft::{Disk, Keys, Seat};
use crate::sim::Sim;
use e2d_core::action::{Cluster, Launch};
use e2d_core::id::{ArchiveId, Digest, MemberId, Revision};
use e2d_core::lineage::Source;
use e2d_core::observe::{ArchiveSeen, ExitCause, Gate};
use e2d_core::raftid;
use rand::RngExt;
use std::collections::BTreeMap;

/// A digest of a keyspace, as `HashKV` gives it.
#[must_use]
pub fn hash(keys: &Keys) -> u32 {
    let step = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    let words = keys.writes.iter().copied().chain([keys.revision.0 as u64, u64::from(keys.marked)]);
    let sum = words.fold(0xcbf2_9ce4_8422_2325, step);
    (sum ^ sum >> 32) as u32
}

/// The effects of these acts.
pub(super) struct Effect;

impl Effect {
    pub(super) fn start(sim: &mut Sim, h: usize, launch: &Launch) {
        if sim.hosts[h].volume.data.is_none() {
            // An etcd that ends before it has written anything: a port in use, a full disk.
            if sim.rng.random_bool(0.04) {
                sim.start_etcd(h, launch.name.clone(), launch.gate);
                sim.end_etcd(h, ExitCause::Failed("bind: address already in use".into()));
                return;
            }
            let keys = Keys { revision: Revision(1), ..Keys::default() };
            let data = fresh(sim, launch, keys);
            sim.hosts[h].volume.data = Some(Box::new(data));
            invariants::never_empty::begins(sim, h, launch);
        }
        invariants::one_archive::starts(sim, h);
        invariants::no_amnesia::starts(sim, h);
        invariants::fenced::starts(sim, h);
        let gate = if sim.setup.mutant == Some(Mutant::NoGate) { Gate::Open } else { launch.gate };
        sim.start_etcd(h, launch.name.clone(), gate);
    }

    pub(super) fn restore(sim: &mut Sim, h: usize, source: &Source, launch: &Launch) -> Outcome {
        let outcome = try_restore(sim, h, source, launch);
        let Outcome::Failed(_) = outcome else { return outcome };
        match sim.setup.mutant {
            Some(Mutant::FailedRestoreStartsEmpty) => {
                let empty = fresh(sim, launch, Keys { revision: Revision(1), ..Keys::default() });
                sim.hosts[h].volume.data = Some(Box::new(empty));
                Outcome::Ok
            }
            Some(Mutant::FailedRestoreStartsOld) => {
                let old = sim.hosts[h].volume.quarantine.last().map(|old| old.applied.keys.clone());
                let data = fresh(sim, launch, old.unwrap_or_default());
                sim.hosts[h].volume.data = Some(Box::new(data));
                Outcome::Ok
            }
            _ => outcome,
        }
    }

    /// Takes what a linearizable read sees into the store, where it is not verified yet.
    pub(super) fn archive(sim: &mut Sim, h: usize) -> Outcome {
        let failed = |why: &str| Outcome::Failed(why.into());
        let unfenced = sim.setup.mutant == Some(Mutant::UnfencedWriter);
        let host = &sim.hosts[h];
        let (Some(process), Some(disk)) = (&host.process, &host.volume.data) else { return failed("no data") };
        let (Some(place), Some(node)) = (process.world.state.place, process.world.node()) else {
            return failed("no place");
        };
        if !host.access.answers() {
            return failed("the store did not answer");
        }
        let local = unfenced.then_some(&disk.applied);
        let Some(keys) = local.or_else(|| sim.serving(h)).map(|applied| applied.keys.clone()) else {
            return failed("etcd did not answer");
        };
        let newest = sim.store(h).lineage().map(|lineage| lineage.epoch);
        let seen = ArchiveSeen {
            id: ArchiveId(Digest([0; 32])),
            lineage: place.lineage,
            epoch: newest.filter(|_| unfenced).unwrap_or(place.epoch),
            revision: keys.revision,
            term: disk.term,
            // What this very disk holds: a follower may lag behind the read.
            index: disk.applied.index as u64,
            node,
            verified: false,
        };
        let (claim, store, now) = (disk.claim, host.store, sim.queue.now());
        invariants::fenced::archives(sim, h, seen.epoch);
        let id = sim.stores[store].keep(seen, keys, claim, now);
        if sim.setup.mutant == Some(Mutant::PointerFirst) {
            crate::mutants::bends::write_later(sim, store, id);
        }
        Outcome::Archived(id)
    }
}

fn try_restore(sim: &mut Sim, h: usize, source: &Source, launch: &Launch) -> Outcome {
    let failed = |why: &str| Outcome::Failed(why.into());
    let (mutant, store) = (sim.setup.mutant, sim.store(h));
    if !sim.hosts[h].access.answers() {
        return failed("the store did not answer");
    }
    let newest = store.archives.iter().max_by_key(|archive| (archive.seen.epoch, archive.seen.revision));
    let named = if mutant == Some(Mutant::NewestArchiveEach) { newest } else { store.archive(source.archive) };
    let Some(archive) = named else { return failed("no such archive") };
    let believes = matches!(mutant, Some(Mutant::NothingVerified | Mutant::PointerFirst));
    if archive.damaged && !believes {
        return failed("the archive's digest does not fit");
    }
    let (id, mut keys) = (archive.seen.id, archive.keys.clone());
    if mutant != Some(Mutant::NoBump) {
        keys.revision.0 = keys.revision.0.saturating_add_unsigned(source.bump);
    }
    keys.marked = mutant == Some(Mutant::EditsBypassRaft);
    if keys.marked {
        crate::mutants::bends::edit_in_place(sim, &mut keys);
    }
    let data = fresh(sim, launch, keys);
    (sim.hosts[h].volume.data, sim.hosts[h].volume.damaged) = (Some(Box::new(data)), false);
    invariants::verified::restored(sim, h, id);
    Outcome::Ok
}

/// The data of a member that has never run.
fn fresh(sim: &mut Sim, launch: &Launch, keys: Keys) -> Disk {
    sim.ledger.serials += 1;
    // Names are published when a member runs, a founder's too.
    let seat = |(_, url): &(String, String)| {
        let id = raftid::founder(&[url], &launch.token);
        (id, Seat { name: String::new(), peer_url: url.clone(), voter: true })
    };
    let seats: BTreeMap<MemberId, Seat> = match launch.cluster {
        Cluster::New => launch.members.iter().map(seat).collect(),
        Cluster::Existing => BTreeMap::new(),
    };
    let place = &launch.place;
    let wire = match launch.cluster {
        Cluster::New if sim.setup.mutant == Some(Mutant::ConstantToken) => {
            let ids: Vec<_> = launch.members.iter().map(|(_, url)| raftid::founder(&[url], "etcd-cluster")).collect();
            raftid::cluster(&ids)
        }
        Cluster::New => place.cluster,
        // A newcomer is told what the cluster that it joins is called.
        Cluster::Existing => {
            let mut disks = sim.hosts.iter().filter_map(|host| host.volume.data.as_ref());
            disks.find(|disk| disk.cluster == place.cluster).map_or(place.cluster, |disk| disk.wire)
        }
    };
    let disk = Disk::new(place.cluster, place.member, seats, keys, sim.ledger.serials);
    Disk { claim: place.claim, wire, ..disk }
}
