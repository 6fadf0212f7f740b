//! What breaks, and how it is mended.
//!
//! Clock skew is not among them: processes have monotonic clocks that began at different moments, and
//! the core never sees a wall clock. A crash between a durable write and the act that it names is not
//! either: an act takes time, and any death may fall into it.

pub mod forgive;
pub mod schedule;
pub mod stories;

use crate::host::Volume;
use crate::mutants::Mutant;
use crate::sim::{Event, Sim};
use crate::store::Access;
use e2d_core::memory::Phase;
use e2d_core::observe::ExitCause;
use std::time::Duration;

/// One thing that breaks, or is mended.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// e2d alone dies.
    KillE2d(usize),
    /// e2d is started again.
    StartE2d(usize),
    /// The operator stops e2d in order, and with it etcd.
    StopE2d(usize),
    /// etcd alone dies.
    KillEtcd(usize),
    /// The machine loses power.
    PowerOff(usize),
    /// The machine comes back with its disk.
    PowerOn(usize),
    /// The machine comes back with an empty disk.
    Wipe(usize),
    /// The machine and its address are gone for good.
    Gone(usize),
    /// All processes of the machine stop without knowing it.
    Freeze(usize),
    /// They go on.
    Thaw(usize),
    /// The machine whose etcd leads freezes, for so long.
    FreezeLeader(Duration),
    /// A link is cut, one way.
    Cut(usize, usize),
    /// The machine whose etcd leads hears nobody, and is heard.
    DeafLeader,
    /// The machine whose etcd leads is heard by nobody, and hears.
    MuteLeader,
    /// Nothing passes the machine's gossip port.
    BlockGossip(usize),
    /// Nothing passes the port for the other etcds.
    BlockRaft(usize),
    /// All links are whole again.
    Heal,
    /// A share of all datagrams is lost, in percent.
    Loss(u32),
    /// The store treats a machine so.
    Store(usize, Access),
    /// Replies of the store are lost, or come again.
    Lossy(usize, bool),
    /// Looks at the store may be two seconds old, or not any more.
    Stale(usize, bool),
    /// Somebody deletes the lineage object, and leaves the archives.
    DeleteLineage,
    /// All archives are damaged.
    DamageArchives,
    /// A copy of the disk is made.
    Copy(usize),
    /// The machine comes back with that copy.
    SetBack(usize),
    /// Another machine, the second, comes up with a copy of the disk as it is now.
    Clone(usize, usize),
    /// etcd's data is damaged.
    Damage(usize),
    /// e2d will die in the middle of its next restore.
    TearRestore(usize),
    /// It does.
    TornRestore(usize),
    /// An operator holds all automatic acts, or not any more.
    Hold(usize, bool),
    /// An operator seals the disk, as for a recovery.
    Seal(usize),
}

/// Lets a fault strike.
pub fn strike(sim: &mut Sim, fault: Fault) {
    sim.note(|| format!("-- {fault:?}"));
    let now = sim.queue.now();
    match fault {
        Fault::KillE2d(h) => sim.kill_e2d(h),
        Fault::StartE2d(h) => sim.start_e2d(h),
        Fault::StopE2d(h) => {
            if let Some(process) = &mut sim.hosts[h].process {
                process.world.stopping = true;
            }
        }
        Fault::KillEtcd(h) => sim.end_etcd(h, ExitCause::Failed("killed".into())),
        Fault::PowerOff(h) => sim.power_off(h),
        Fault::PowerOn(h) => sim.boot(h),
        Fault::Wipe(h) => wipe(sim, h),
        Fault::Gone(h) => {
            sim.power_off(h);
            sim.hosts[h].gone = true;
            forgive::lost(sim);
        }
        Fault::Freeze(h) => sim.freeze(h),
        Fault::Thaw(h) => sim.thaw(h),
        Fault::FreezeLeader(span) => {
            if let Some(h) = leader(sim) {
                sim.freeze(h);
                sim.queue.after(span, Event::Fault(Fault::Thaw(h)));
            }
        }
        Fault::Cut(a, b) => sim.network.cut(a, b, now),
        Fault::DeafLeader => isolate(sim, |h, other| (other, h)),
        Fault::MuteLeader => isolate(sim, |h, other| (h, other)),
        Fault::BlockGossip(h) => sim.network.block_gossip(h, now),
        Fault::BlockRaft(h) => sim.network.block_raft(h, now),
        Fault::Heal => sim.network.heal(now),
        Fault::Loss(percent) => sim.network.loss = percent,
        Fault::Store(h, access) => sim.hosts[h].access = access,
        Fault::Lossy(h, lossy) => sim.hosts[h].lossy = lossy,
        Fault::Stale(h, stale) => sim.hosts[h].stale = stale,
        Fault::DeleteLineage => {
            let stores = sim.stores.iter_mut().filter(|store| !store.archives.is_empty());
            stores.for_each(|store| store.delete_lineage(now));
        }
        Fault::DamageArchives => {
            sim.stores.iter_mut().flat_map(|store| &mut store.archives).for_each(|archive| archive.damaged = true);
        }
        Fault::Copy(h) => {
            sim.copies.insert(h, sim.hosts[h].volume.clone());
        }
        Fault::SetBack(h) => {
            if let Some(copy) = sim.copies.remove(&h).filter(|_| !sim.hosts[h].gone) {
                replace(sim, h, Volume { set_back: true, ..copy });
            }
        }
        Fault::Clone(from, to) => {
            let copy = sim.hosts[from].volume.clone();
            if !sim.hosts[to].gone {
                replace(sim, to, Volume { set_back: true, quarantine: vec![], ..copy });
            }
        }
        Fault::Damage(h) => {
            sim.end_etcd(h, ExitCause::Failed("input/output error".into()));
            sim.hosts[h].volume.damaged = sim.hosts[h].volume.data.is_some();
        }
        Fault::TearRestore(h) => sim.hosts[h].tears = true,
        Fault::TornRestore(h) => {
            sim.kill_e2d(h);
            if sim.setup.mutant == Some(Mutant::TornRestoreStarts) {
                crate::mutants::bends::leave_half(sim, h);
            }
            sim.queue.after(Duration::from_secs(2), Event::Fault(Fault::StartE2d(h)));
        }
        Fault::Hold(h, held) => {
            sim.hosts[h].held = held;
            sim.hold(h);
        }
        Fault::Seal(h) => seal(sim, h),
    }
}

fn wipe(sim: &mut Sim, h: usize) {
    if sim.hosts[h].gone {
        return;
    }
    // A disk that was proved gone and comes back after all is for a person to sort out, where one
    // machine or no store has to decide about it.
    if sim.setup.size == 1 || !sim.setup.has_store {
        sim.copies.remove(&h);
    }
    let kept = sim.hosts[h].volume.clone();
    let volume = match sim.setup.mutant {
        Some(Mutant::AddressIsIdentity) => crate::mutants::bends::data_alone(sim, kept),
        Some(Mutant::FailedRestoreStartsOld) => {
            Volume { quarantine: kept.data.into_iter().map(|data| *data).collect(), ..Volume::default() }
        }
        _ => Volume::default(),
    };
    replace(sim, h, volume);
}

/// The machine comes up with another disk.
fn replace(sim: &mut Sim, h: usize, volume: Volume) {
    sim.power_off(h);
    sim.hosts[h].volume = volume;
    forgive::lost(sim);
    sim.boot(h);
}

fn leader(sim: &Sim) -> Option<usize> {
    let leads = |h: &usize| sim.hosts[*h].etcd.as_ref().is_some_and(|etcd| etcd.server.has_quorum());
    (0..sim.hosts.len()).find(leads)
}

fn isolate(sim: &mut Sim, link: impl Fn(usize, usize) -> (usize, usize)) {
    let (Some(h), now) = (leader(sim), sim.queue.now()) else { return };
    for other in (0..sim.hosts.len()).filter(|other| *other != h) {
        let (from, to) = link(h, other);
        sim.network.cut(from, to, now);
    }
}

/// What a command on the machine does: etcd stops, and the promise is durable before it is told.
fn seal(sim: &mut Sim, h: usize) {
    let host = &mut sim.hosts[h];
    let seq = host.volume.recall.lineage.as_ref().map(|lineage| lineage.seq);
    if host.volume.state.phase != Phase::Member || seq.is_none() {
        return;
    }
    (host.volume.state.phase, host.volume.state.seal) = (Phase::Sealed, seq);
    host.process = None;
    sim.end_etcd(h, ExitCause::Stopped);
    sim.start_e2d(h);
}
