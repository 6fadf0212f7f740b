//! One seed: faults on and invariants watched, then faults off and everything must heal.

use crate::faults::{self, Fault};
use crate::invariants::one_cluster;
use crate::ledger;
use crate::mutants::Mutant;
use crate::sim::{Event, Setup, Sim};
use crate::store::Access;
use e2d_core::lineage::LineageState;
use e2d_core::quorum;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

/// How one seed ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything healed.
    Healed,
    /// It waits for a person, and is right to: why.
    Person(String),
    /// A promise was broken: which, and how.
    Broken(String),
}

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

/// The world that a seed stands for.
#[must_use]
pub fn setup(seed: u64, mutant: Option<Mutant>) -> Setup {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
    let size = [1, 3, 3, 3, 5][rng.random_range(0..5)];
    let spares = usize::from(size > 1 && rng.random_bool(0.3));
    let has_store = mutant.is_some() || rng.random_bool(0.85);
    Setup { seed, size, hosts: size + spares, has_store, mutant }
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, mutant: Option<Mutant>, traced: bool) -> Outcome {
    let mut sim = Sim::new(setup(seed, mutant));
    if traced {
        sim.trace = Some(vec![]);
    }
    for h in 0..sim.hosts.len() {
        let delay = Duration::from_millis(sim.rng.random_range(0..4_000));
        sim.queue.after(delay, Event::Fault(Fault::PowerOn(h)));
    }
    let span = Duration::from_secs(90);
    let from = Duration::from_secs(sim.rng.random_range(0..25));
    faults::schedule(&mut sim, from, span);
    let now = sim.queue.now();
    sim.run_until(now + from + span + Duration::from_mins(1));
    mend(&mut sim);
    let mut end = None;
    for _ in 0..50 {
        let now = sim.queue.now();
        sim.run_until(now + Duration::from_secs(5));
        end = verdict(&sim);
        if end.is_some() {
            break;
        }
    }
    let end = match (&sim.broken, end) {
        (Some(broken), _) => End::Broken(broken.clone()),
        (None, Some(end)) => end,
        (None, None) => stuck(&sim),
    };
    if sim.trace.is_some() {
        let lines: Vec<String> = sim.hosts.iter().enumerate().map(|(h, host)| host.describe(h)).collect();
        for line in lines {
            sim.note(|| line);
        }
    }
    let ledger = &sim.ledger;
    let digest = format!("{:?} {:?} {:?} {}", ledger.acked, sim.store.lineage, sim.queue.now(), ledger.acts);
    let digest = e2d_core::id::Digest::of(digest.as_bytes()).0;
    Outcome {
        end,
        acks: ledger.acks,
        restores: ledger.restores,
        evictions: ledger.evictions,
        digest: digest[..8].iter().fold(0, |n, &byte| n << 8 | u64::from(byte)),
        trace: sim.trace.unwrap_or_default(),
    }
}

/// Faults off: power, links, store and disks are whole, and everybody runs.
fn mend(sim: &mut Sim) {
    sim.note(|| "-- mended".into());
    (sim.loss, sim.disturbed) = (0, sim.queue.now());
    sim.cut.clear();
    for h in 0..sim.hosts.len() {
        let host = &mut sim.hosts[h];
        (host.access, host.lossy, host.frozen) = (Access::Open, false, false);
        sim.boot(h);
    }
}

/// Whether all is well, or rightly waits for a person; `None` while it may still heal.
fn verdict(sim: &Sim) -> Option<End> {
    let size = sim.setup.size;
    let serving = one_cluster::serving(sim);
    let whole = (0..sim.hosts.len()).any(|h| {
        let applied = sim.serving(h).filter(|applied| applied.voters().len() == size && applied.seats.len() == size);
        applied.is_some_and(|applied| {
            let runs = |id| {
                sim.hosts
                    .iter()
                    .any(|host| host.etcd.is_some() && host.volume.data.as_ref().is_some_and(|d| d.member == id))
            };
            applied.seats.keys().all(|id| runs(*id)) && applied.seats.values().all(|seat| !seat.name.is_empty())
        })
    });
    let open = serving.len() == 1;
    let recorded = !sim.setup.has_store || record_is_right(sim);
    if let Some(host) = sim.hosts.iter().find(|host| host.refused.is_some()) {
        return Some(End::Broken(format!("S13: a node refused to run: {:?}", host.refused)));
    }
    (open && whole && recorded).then_some(End::Healed)
}

fn record_is_right(sim: &Sim) -> bool {
    let Some((lineage, _)) = &sim.store.lineage else { return false };
    let applied = (0..sim.hosts.len()).find_map(|h| sim.serving(h));
    let listed: Vec<_> = applied.map(|applied| applied.seats.keys().copied().collect()).unwrap_or_default();
    lineage.state == LineageState::Live && {
        let mut recorded: Vec<_> = lineage.members.iter().map(|member| member.member).collect();
        recorded.sort();
        recorded == listed
    }
}

/// Nothing healed in the time that there was: is that right?
fn stuck(sim: &Sim) -> End {
    let lineage = sim.store.lineage.as_ref().map(|(lineage, _)| lineage.clone());
    let known = sim.hosts.iter().filter_map(|host| host.volume.recall.lineage.clone()).max_by_key(|copy| copy.seq);
    let Some(lineage) = lineage.or(known) else { return End::Broken("S13: never born".into()) };
    let (could, voters) = ledger::intact(sim, lineage.cluster_id());
    let reports: Vec<String> = sim
        .hosts
        .iter()
        .enumerate()
        .map(|(h, host)| {
            host.process.as_ref().map_or_else(
                || format!("host{h} down"),
                |process| {
                    format!("host{h} {}", e2d_core::plan::plan(&process.world).report.to_string().replace('\n', "; "))
                },
            )
        })
        .collect();
    let held =
        sim.hosts.iter().any(|host| host.volume.data.as_ref().is_some_and(|disk| disk.cluster == lineage.cluster_id()));
    if held && !quorum::reached(could, voters) {
        return End::Person(format!("{could} of {voters} disks of epoch {} are whole", lineage.epoch));
    }
    let lived = sim.ledger.ever_live && sim.setup.has_store;
    if !held && lived && !sim.store.archives.values().any(|(seen, _)| seen.verified) {
        return End::Person("every disk is gone, and there is no archive".into());
    }
    End::Broken(format!("S13: not healed: {}", reports.join(" | ")))
}
