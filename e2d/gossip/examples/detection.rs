//! How fast a death is noticed by all (T3), and how often the living are suspected, in virtual time.
//!
//! `cargo run --release -p e2d-gossip --example detection [SEEDS]`
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

#[path = "../tests/sim/world.rs"]
#[expect(dead_code, unreachable_pub, reason = "the tests use more of it")]
mod world;

use e2d_gossip::State;
use std::time::{Duration, Instant};
use world::{World, millis, quantile};

/// For so long a whole cluster is watched for false suspicions.
const CALM: Duration = Duration::from_mins(1);

fn main() {
    let seeds = std::env::args().nth(1).and_then(|arg| arg.parse().ok()).unwrap_or(500);
    println!("nodes  loss  runs  median     p95   worst   suspicions/h  false deaths/h   packets/s  events/s/core");
    for (size, loss) in [(3, 0.0), (3, 0.1), (5, 0.0), (5, 0.1)] {
        measure(size, loss, seeds);
    }
    freeze_for_a_day();
}

/// Three nodes at 10 % loss, one of which stands still for 5 s now and then: nobody who uses a timeout
/// of 10 s may take it for dead.
fn freeze_for_a_day() {
    let (mut longest, mut freezes, mut suspicions, mut deaths) = (Duration::ZERO, 0, 0, 0);
    for hour in 0..24 {
        let mut world = World::new(hour);
        for n in 0..3 {
            world.start(n, &[0, 1, 2]);
        }
        world.until("birth", Duration::from_secs(30), World::is_whole);
        world.loss = 0.1;
        while world.now() < Duration::from_hours(1) {
            let calm = millis(world.random(60_000));
            world.run(calm);
            let n = world.random(3) as u32;
            world.freeze(n);
            world.run(Duration::from_secs(5));
            world.thaw(n);
            freezes += 1;
        }
        world.run(Duration::from_secs(10));
        longest = longest.max(world.longest_false_death());
        for n in 0..3 {
            suspicions += world.engine(n).counters().false_suspicions;
            deaths += world.engine(n).counters().false_deaths;
        }
    }
    println!(
        "24 h at 10% loss with {freezes} freezes of 5 s: held dead while alive {deaths} times, for {longest:.2?} at most; \
         {suspicions} suspicions were refuted"
    );
}

fn measure(size: u32, loss: f64, seeds: u64) {
    let (mut samples, mut suspicions, mut deaths, mut packets, mut happenings) = (Vec::new(), 0, 0, 0, 0);
    let started = Instant::now();
    for seed in 0..seeds {
        let mut world = World::new(seed);
        let all: Vec<u32> = (0..size).collect();
        for n in &all {
            world.start(*n, &all);
        }
        world.until("birth", Duration::from_secs(30), World::is_whole);
        world.loss = loss;
        let before = world.packets;
        world.run(CALM);
        packets += world.packets - before;
        for n in &all {
            suspicions += world.engine(*n).counters().false_suspicions;
            deaths += world.engine(*n).counters().false_deaths;
        }
        let phase = millis(world.random(1_000));
        world.run(phase);
        world.kill(0);
        let survivors = &all[1..];
        let is_noticed = |world: &World| survivors.iter().all(|n| world.state(*n, 0) == Some(State::Down));
        samples.push(world.until("death", Duration::from_mins(1), is_noticed));
        happenings += world.happenings;
    }
    let hours = seeds as f64 * CALM.as_secs_f64() / 3600.0;
    println!(
        "{size:5}  {:3.0}%  {seeds:4}  {:5.2}s  {:5.2}s  {:5.2}s   {:12.2}  {:14.2}  {:10.1}  {:13.0}",
        loss * 100.0,
        quantile(&samples, 0.5).as_secs_f64(),
        quantile(&samples, 0.95).as_secs_f64(),
        quantile(&samples, 1.0).as_secs_f64(),
        suspicions as f64 / hours,
        deaths as f64 / hours,
        packets as f64 / seeds as f64 / CALM.as_secs_f64() / f64::from(size),
        happenings as f64 / started.elapsed().as_secs_f64(),
    );
}
