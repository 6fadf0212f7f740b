//! What breaks, and how it is mended: a schedule drawn from the seed.

use crate::host::Volume;
use crate::sim::{Event, Sim};
use crate::store::Access;
use e2d_core::id::ClusterId;
use rand::RngExt;
use std::time::Duration;

/// One thing that breaks, or is mended.
#[derive(Clone, Debug)]
pub enum Fault {
    /// e2d alone dies.
    KillE2d(usize),
    /// e2d is started again.
    StartE2d(usize),
    /// etcd alone dies.
    KillEtcd(usize),
    /// The machine loses power.
    PowerOff(usize),
    /// The machine comes back with its disk.
    PowerOn(usize),
    /// The machine comes back with an empty disk.
    Wipe(usize),
    /// All processes of the machine stop without knowing it.
    Freeze(usize),
    /// They go on.
    Thaw(usize),
    /// A link is cut, one way.
    Cut(usize, usize),
    /// All links are whole again.
    Heal,
    /// The store treats a machine so.
    Store(usize, Access),
    /// Replies of the store are lost, or come again.
    Lossy(usize, bool),
    /// A share of all packets is lost, in percent.
    Loss(u32),
    /// A copy of the disk is made.
    Copy(usize),
    /// The machine comes back with that copy.
    SetBack(usize),
    /// etcd's data is damaged.
    Damage(usize),
}

/// Lets a fault strike.
pub fn strike(sim: &mut Sim, fault: &Fault) {
    sim.note(|| format!("-- {fault:?}"));
    sim.disturbed = sim.queue.now();
    match *fault {
        Fault::KillE2d(h) => sim.kill_e2d(h),
        Fault::StartE2d(h) => sim.start_e2d(h),
        Fault::KillEtcd(h) => sim.hosts[h].etcd = None,
        Fault::PowerOff(h) => sim.power_off(h),
        Fault::PowerOn(h) => sim.boot(h),
        Fault::Wipe(h) => {
            sim.power_off(h);
            let kept = sim.hosts[h].volume.clone();
            sim.hosts[h].volume = Volume::default();
            // A disk that was proved gone and comes back after all is for a person to sort out, where
            // one machine or no store has to decide about it.
            if sim.setup.size == 1 || !sim.setup.has_store {
                sim.copies.remove(&h);
            }
            if sim.setup.mutant == Some(crate::mutants::Mutant::AddressIsIdentity) {
                forget_data_alone(sim, h, kept);
            }
            forgive(sim);
            sim.boot(h);
        }
        Fault::Freeze(h) => sim.hosts[h].frozen = true,
        Fault::Thaw(h) => {
            sim.hosts[h].frozen = false;
            // Whatever it believed, nobody has answered it for a while.
            if let Some(etcd) = &mut sim.hosts[h].etcd {
                etcd.server.quiet += 1;
            }
        }
        Fault::Cut(a, b) => {
            sim.cut.insert((a, b));
        }
        Fault::Heal => sim.cut.clear(),
        Fault::Store(h, access) => sim.hosts[h].access = access,
        Fault::Lossy(h, lossy) => sim.hosts[h].lossy = lossy,
        Fault::Loss(percent) => sim.loss = percent,
        Fault::Copy(h) => sim.copies.insert(h, sim.hosts[h].volume.clone()).map_or((), drop),
        Fault::SetBack(h) => {
            sim.power_off(h);
            if let Some(copy) = sim.copies.remove(&h) {
                sim.hosts[h].volume = Volume { set_back: true, ..copy };
            }
            forgive(sim);
            sim.boot(h);
        }
        Fault::Damage(h) => {
            sim.hosts[h].etcd = None;
            if sim.hosts[h].volume.data.is_some() {
                sim.hosts[h].volume.damaged = true;
            }
        }
    }
}

/// What no disk and no store holds any more is lost, and nobody is to blame: one machine alone, or
/// all of them without a store.
fn forgive(sim: &mut Sim) {
    let nowhere = !sim.setup.has_store && sim.hosts.iter().all(|host| host.volume.data.is_none());
    if sim.setup.size == 1 || nowhere {
        sim.ledger.acked.clear();
        sim.ledger.revision = e2d_core::id::Revision(0);
        sim.ledger.speakers.clear();
    }
    // A disk that was set back, and too few whole ones to know better: nobody can.
    let clusters: Vec<ClusterId> = sim.ledger.acked.keys().copied().collect();
    for cluster in clusters {
        let set_back = sim
            .hosts
            .iter()
            .any(|host| host.volume.set_back && host.volume.data.as_ref().is_some_and(|disk| disk.cluster == cluster));
        let (could, voters) = crate::ledger::intact(sim, cluster);
        if set_back && !e2d_core::quorum::reached(could, voters) {
            sim.ledger.acked.remove(&cluster);
            sim.ledger.revision = e2d_core::id::Revision(0);
        }
    }
}

/// The bug: the member list knows this address, so it is that member, whatever the disk holds.
fn forget_data_alone(sim: &mut Sim, h: usize, kept: Volume) {
    let Some(data) = &kept.data else { return };
    sim.ledger.serials += 1;
    let serial = sim.ledger.serials;
    let mut empty =
        crate::raft::Disk::new(data.cluster, data.member, data.base.seats.clone(), data.base.keys.clone(), serial);
    empty.term = 1;
    sim.hosts[h].volume = Volume { data: Some(empty), quarantine: vec![], ..kept };
}

/// Draws faults for `span`, beginning after `from`.
pub fn schedule(sim: &mut Sim, from: Duration, span: Duration) {
    let count = sim.rng.random_range(2..9);
    for _ in 0..count {
        let at = from + Duration::from_millis(sim.rng.random_range(0..span.as_millis() as u64));
        let h = sim.rng.random_range(0..sim.setup.size);
        let short = at + Duration::from_millis(sim.rng.random_range(500..30_000));
        let long = at + Duration::from_millis(sim.rng.random_range(5_000..60_000));
        for (when, fault) in draw(sim, h, at, short, long) {
            sim.queue.after(when, Event::Fault(fault));
        }
    }
}

fn draw(sim: &mut Sim, h: usize, at: Duration, short: Duration, long: Duration) -> Vec<(Duration, Fault)> {
    let other = (h + 1 + sim.rng.random_range(0..sim.setup.size.max(2) - 1)) % sim.setup.size;
    let hosts = sim.hosts.len();
    let everybody = |fault: &dyn Fn(usize) -> Fault, when: Duration| (0..hosts).map(|n| (when, fault(n))).collect();
    match sim.rng.random_range(0..20) {
        0 | 1 => vec![(at, Fault::KillE2d(h)), (short, Fault::StartE2d(h))],
        2 => vec![(at, Fault::KillEtcd(h))],
        3..=5 => vec![(at, Fault::PowerOff(h)), (short, Fault::PowerOn(h))],
        6 | 7 => vec![(at, Fault::Wipe(h))],
        8 => vec![(at, Fault::Freeze(h)), (long, Fault::Thaw(h))],
        9 => vec![(at, Fault::Cut(h, other)), (long, Fault::Heal)],
        10 | 11 => {
            let mut faults: Vec<(Duration, Fault)> =
                (0..hosts).filter(|n| *n != h).map(|n| (at, Fault::Cut(h, n))).collect();
            faults.extend((0..hosts).filter(|n| *n != h).map(|n| (at, Fault::Cut(n, h))));
            faults.push((long, Fault::Heal));
            faults
        }
        12 => {
            let mut faults: Vec<(Duration, Fault)> = everybody(&|n| Fault::Store(n, Access::Down), at);
            faults.extend((0..hosts).map(|n| (long, Fault::Store(n, Access::Open))));
            faults
        }
        13 => vec![(at, Fault::Store(h, Access::Denied)), (long, Fault::Store(h, Access::Open))],
        14 => vec![(at, Fault::Lossy(h, true)), (long, Fault::Lossy(h, false))],
        15 => vec![(at, Fault::Loss(20)), (short, Fault::Loss(0))],
        16 => vec![(at, Fault::Copy(h)), (at + Duration::from_secs(40), Fault::SetBack(h))],
        17 => vec![(at, Fault::Damage(h))],
        18 => {
            let mut faults: Vec<(Duration, Fault)> = everybody(&Fault::PowerOff, at);
            faults.extend((0..hosts).map(|n| (short + Duration::from_secs(n as u64), Fault::PowerOn(n))));
            faults
        }
        _ => everybody(&Fault::Wipe, at),
    }
}
