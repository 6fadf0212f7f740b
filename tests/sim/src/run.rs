//! One seed: faults on and invariants watched, then faults off and everything must heal.

use crate::faults::Fault;
use crate::host::Host;
use crate::invariants::comes_back::{self, End};
use crate::mutants::Mutant;
use crate::setup::Setup;
use crate::sim::{Event, Sim};
use crate::store::Access;
use e2d_core::id::Nonce;
use e2d_core::memory::Phase;
use rand::RngExt;
use std::time::Duration;

/// How long healing may take, in steps of five seconds.
const STEPS: usize = 50;
/// How many more there are after a restore that goes on for longer, and how many in all.
const STEPS_AFTER: usize = 25;
const MOST_STEPS: usize = 200;

/// What one seed did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Writes acknowledged.
    pub acks: u64,
    /// Restores that went live.
    pub restores: u64,
    /// Members removed.
    pub evictions: u64,
    /// A digest of all that happened, to see that one seed is one story.
    pub digest: u64,
    /// The story, if it was wanted.
    pub trace: Vec<String>,
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, mutant: Option<Mutant>, traced: bool) -> Outcome {
    run_setup(Setup::new(seed, mutant), traced)
}

/// Runs the world of a setup.
#[must_use]
pub fn run_setup(setup: Setup, traced: bool) -> Outcome {
    let story = setup.story;
    let mut sim = Sim::new(setup);
    if traced {
        sim.trace = Some(vec![]);
    }
    for h in 0..sim.hosts.len() {
        let late = if h >= sim.setup.size && story.holds_spares_back() { 10_000 } else { 0 };
        let delay = sim.millis(late, late + 4_000);
        sim.queue.after(delay, Event::Fault(Fault::PowerOn(h)));
    }
    let length = story.tell(&mut sim);
    let now = sim.queue.now();
    sim.run_until(now + length);
    mend(&mut sim);
    let acks = sim.ledger.acks;
    let mut end = None;
    let (mut step, mut steps) = (0, STEPS);
    while step < steps {
        // As any init system would.
        (0..sim.hosts.len()).for_each(|h| sim.boot(h));
        let now = sim.queue.now();
        sim.run_until(now + Duration::from_secs(5));
        end = comes_back::verdict(&sim, acks);
        if end.is_some() {
            break;
        }
        step += 1;
        if sim.hosts.iter().any(Host::restores) {
            steps = steps.max(step + STEPS_AFTER).min(MOST_STEPS);
        }
    }
    let end = match (&sim.broken, end) {
        (Some(broken), _) => End::Broken(broken.clone()),
        (None, Some(end)) => end,
        (None, None) => comes_back::judge(&sim),
    };
    if sim.trace.is_some() {
        let lines: Vec<String> = sim.hosts.iter().enumerate().map(|(h, host)| host.describe(h)).collect();
        for line in lines {
            sim.note(|| line);
        }
    }
    let ledger = &sim.ledger;
    Outcome {
        end,
        acks: ledger.acks,
        restores: ledger.restores,
        evictions: ledger.evictions,
        digest: sim.digest,
        trace: sim.trace.unwrap_or_default(),
    }
}

/// Faults off: power, links, store and disks are whole, and everybody runs.
fn mend(sim: &mut Sim) {
    sim.note(|| "-- mended".into());
    let now = sim.queue.now();
    sim.network.loss = 0;
    sim.network.heal(now);
    for h in 0..sim.hosts.len() {
        let host = &mut sim.hosts[h];
        (host.access, host.lossy, host.stale, host.tears, host.held) = (Access::Open, false, false, false, false);
        sim.hold(h);
        sim.thaw(h);
        sim.boot(h);
    }
    unseal(sim);
}

/// An operator lets what was sealed go on: the same state under a new `seq`.
fn unseal(sim: &mut Sim) {
    let sealed = sim.hosts.iter().any(|host| host.volume.state.phase == Phase::Sealed);
    let now = sim.queue.now();
    let nonce = Nonce(u128::from(sim.rng.random::<u64>()));
    if let Some(lineage) = sim.stores[0].lineage().filter(|_| sealed) {
        let next = lineage.next(nonce);
        sim.stores[0].put(&next, now);
    }
}
