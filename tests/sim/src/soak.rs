//! A long run without deaths: datagrams are lost, machines freeze for a moment, and nobody may be
//! removed for it (T3).

use crate::faults::Fault;
use crate::faults::stories::Story;
use crate::setup::{Begin, Setup, Sharing};
use crate::sim::{Event, Sim};
use rand::RngExt;
use std::time::Duration;

/// What was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Soaked {
    /// How often a machine was frozen.
    pub freezes: u64,
    /// How often some node held another for a suspect that then refuted, over all nodes.
    pub false_suspicions: u64,
    /// How many members were removed, all of them alive.
    pub evictions: u64,
    /// The promise that was broken, if any was.
    pub broken: Option<String>,
}

/// Three nodes, 10 % loss, a freeze of 5 s now and then, and 10 s until a silent member is removed.
#[must_use]
pub fn soak(seed: u64, span: Duration) -> Soaked {
    let mut sim = Sim::new(Setup {
        seed,
        size: 3,
        hosts: 3,
        has_store: false,
        sharing: Sharing::One,
        begin: Begin::Empty,
        replace_after: Duration::from_secs(10),
        story: Story::Nothing,
        mutant: None,
    });
    (0..3).for_each(|h| sim.boot(h));
    let began = sim.queue.now();
    sim.run_until(began + Duration::from_mins(1));
    sim.network.loss = 10;
    let mut freezes = 0;
    while sim.broken.is_none() && sim.queue.now().since(began) < span {
        let (h, pause) = (sim.rng.random_range(0..3), sim.millis(10_000, 60_000));
        freezes += 1;
        sim.queue.after(pause, Event::Fault(Fault::Freeze(h)));
        sim.queue.after(pause + Duration::from_secs(5), Event::Fault(Fault::Thaw(h)));
        let now = sim.queue.now();
        sim.run_until(now + pause + Duration::from_secs(5));
    }
    let gossips = sim.hosts.iter().filter_map(|host| host.process.as_ref()?.gossip.as_ref());
    Soaked {
        freezes,
        false_suspicions: gossips.map(crate::gossip::Gossip::false_suspicions).sum(),
        evictions: sim.ledger.evictions,
        broken: sim.broken,
    }
}
