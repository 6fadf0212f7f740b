//! A schedule of faults, drawn from the seed.

use super::Fault;
use crate::sim::{Event, Sim};
use crate::store::Access;
use rand::RngExt;
use std::time::Duration;

/// What one draw gives: faults, and when they strike.
pub type Drawn = Vec<(Duration, Fault)>;

/// The moments that a draw may use: when it begins, and when it ends.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// It begins.
    pub at: Duration,
    /// It ends soon.
    pub short: Duration,
    /// It ends late.
    pub long: Duration,
}

/// Draws faults for `span`, beginning after `from`.
pub fn schedule(sim: &mut Sim, from: Duration, span: Duration) {
    let count = sim.rng.random_range(2..9);
    for _ in 0..count {
        let at = from + sim.millis(0, span.as_millis() as u64);
        let times = Span { at, short: at + sim.millis(500, 30_000), long: at + sim.millis(5_000, 60_000) };
        let h = sim.rng.random_range(0..sim.setup.size);
        let drawn = draw(sim, h, times);
        plan(sim, drawn);
    }
}

/// Lets what was drawn strike.
pub fn plan(sim: &mut Sim, drawn: Drawn) {
    for (when, fault) in drawn {
        sim.queue.after(when, Event::Fault(fault));
    }
}

/// One draw, about the machine `h` unless it is about all.
fn draw(sim: &mut Sim, h: usize, times: Span) -> Drawn {
    match sim.rng.random_range(0..4) {
        0 => processes(sim, h, times),
        1 => machines(sim, h, times),
        2 => links(sim, h, times),
        _ => stores(sim, h, times),
    }
}

fn processes(sim: &mut Sim, h: usize, Span { at, short, long }: Span) -> Drawn {
    let second = Duration::from_secs(1);
    match sim.rng.random_range(0..9) {
        0 | 1 => vec![(at, Fault::KillE2d(h)), (short, Fault::StartE2d(h))],
        2 => vec![(at, Fault::KillEtcd(h))],
        3 => (0..10).map(|n| (at + second * n * 2, Fault::KillEtcd(h))).collect(),
        4 => vec![(at, Fault::StopE2d(h)), (short, Fault::StartE2d(h))],
        5 => everybody(sim, |n| vec![(at, Fault::StopE2d(n)), (short, Fault::StartE2d(n))]),
        6 => (0..6)
            .flat_map(|n| [(at + second * n * 4, Fault::KillE2d(h)), (at + second * (n * 4 + 2), Fault::StartE2d(h))])
            .collect(),
        7 => vec![(at, Fault::Freeze(h)), (long, Fault::Thaw(h))],
        _ => vec![(at, Fault::FreezeLeader(long.saturating_sub(at)))],
    }
}

fn machines(sim: &mut Sim, h: usize, Span { at, short, long }: Span) -> Drawn {
    let second = Duration::from_secs(1);
    let other = other_than(sim, h);
    match sim.rng.random_range(0..15) {
        0 | 1 => vec![(at, Fault::PowerOff(h)), (short, Fault::PowerOn(h))],
        2 => vec![(at, Fault::PowerOff(h)), (long, Fault::PowerOn(h))],
        3 | 4 => vec![(at, Fault::Wipe(h))],
        5 => vec![(at, Fault::Wipe(h)), (at, Fault::Wipe(other))],
        6 => everybody(sim, |n| vec![(at, Fault::Wipe(n))]),
        7 => everybody(sim, |n| vec![(at, Fault::TearRestore(n)), (at, Fault::Wipe(n))]),
        8 => everybody(sim, |n| {
            vec![(at, Fault::PowerOff(n)), (short + second * u32::try_from(n).unwrap_or(0), Fault::PowerOn(n))]
        }),
        9 => vec![(at, Fault::Copy(h)), (at + second * 40, Fault::SetBack(h))],
        10 => vec![(at, Fault::Copy(h)), (short, Fault::SetBack(h))],
        11 | 12 if sim.hosts.len() > 1 => {
            let to = (h + 1 + sim.rng.random_range(0..sim.hosts.len() - 1)) % sim.hosts.len();
            vec![(at, Fault::Clone(h, to))]
        }
        13 if sim.hosts.len() > sim.setup.size + sim.ledger.leaving => {
            sim.ledger.leaving += 1;
            vec![(at, Fault::Gone(h))]
        }
        _ => vec![(at, Fault::Damage(h))],
    }
}

fn links(sim: &mut Sim, h: usize, Span { at, short, long }: Span) -> Drawn {
    let other = other_than(sim, h);
    let others: Vec<usize> = (0..sim.hosts.len()).filter(|n| *n != h).collect();
    match sim.rng.random_range(0..8) {
        0 => vec![(at, Fault::Cut(h, other)), (long, Fault::Heal)],
        1 | 2 => {
            let both = |n: usize| [(at, Fault::Cut(h, n)), (at, Fault::Cut(n, h))];
            others.into_iter().flat_map(both).chain([(long, Fault::Heal)]).collect()
        }
        3 => vec![(at, Fault::DeafLeader), (long, Fault::Heal)],
        4 => vec![(at, Fault::MuteLeader), (long, Fault::Heal)],
        5 => vec![(at, Fault::BlockGossip(h)), (long, Fault::Heal)],
        6 => vec![(at, Fault::BlockRaft(h)), (long, Fault::Heal)],
        _ => vec![(at, Fault::Loss(20)), (short, Fault::Loss(0))],
    }
}

fn stores(sim: &mut Sim, h: usize, Span { at, short, long }: Span) -> Drawn {
    let treat = |n: usize, access: Access| vec![(at, Fault::Store(n, access)), (long, Fault::Store(n, Access::Open))];
    match sim.rng.random_range(0..12) {
        0..3 => everybody(sim, |n| treat(n, Access::Down)),
        3 => treat(h, Access::Denied),
        4 => treat(h, Access::Down),
        5 => treat(h, Access::Slow),
        6 => everybody(sim, |n| treat(n, Access::Slow)),
        7 => vec![(at, Fault::Lossy(h, true)), (long, Fault::Lossy(h, false))],
        8 => everybody(sim, |n| vec![(at, Fault::Stale(n, true)), (long, Fault::Stale(n, false))]),
        9 => vec![(at, Fault::DeleteLineage)],
        10 => vec![(at, Fault::DamageArchives)],
        _ => everybody(sim, |n| vec![(at, Fault::Hold(n, true)), (short, Fault::Hold(n, false))]),
    }
}

fn everybody(sim: &Sim, faults: impl Fn(usize) -> Drawn) -> Drawn {
    (0..sim.hosts.len()).flat_map(faults).collect()
}

/// Another of the first N machines, or the same if there is none.
fn other_than(sim: &mut Sim, h: usize) -> usize {
    (h + 1 + sim.rng.random_range(0..sim.setup.size.max(2) - 1)) % sim.setup.size
}
