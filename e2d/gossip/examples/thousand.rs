//! A thousand nodes (T11): how long a change takes to reach all, and what a node sends, in virtual time.
//!
//! `cargo run --release -p e2d-gossip --example thousand [NODES] [LOSS]`
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

#[path = "../tests/sim/world.rs"]
#[expect(dead_code, unreachable_pub, reason = "the tests use more of it")]
mod world;

use e2d_gossip::State;
use std::time::{Duration, Instant};
use world::{World, millis, quantile};

/// What a machine that advertises a few services says: about so many bytes.
const WORD: &str = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\
                    0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

/// How exactly times are measured.
const STEP: Duration = Duration::from_millis(10);

fn main() {
    let mut args = std::env::args().skip(1);
    let nodes: u32 = args.next().and_then(|arg| arg.parse().ok()).unwrap_or(1000);
    let loss: f64 = args.next().and_then(|arg| arg.parse().ok()).unwrap_or(0.02);
    let started = Instant::now();
    let mut world = World::new(11);
    world.keep_seen = false;
    for n in 0..nodes {
        world.start(n, &[0, 1, 2]);
        world.publish(n, 0, WORD);
        world.run(millis(5));
    }
    let mut waited = Duration::ZERO;
    while !is_complete(&world, nodes) && waited < Duration::from_mins(5) {
        world.run(Duration::from_secs(1));
        waited += Duration::from_secs(1);
        report(&mut world, nodes, Duration::from_secs(1), "joining");
    }
    println!("all {nodes} know all {waited:?} after the last start, {:?} of real time", started.elapsed());
    world.loss = loss;
    world.run(Duration::from_secs(30));
    report(&mut world, nodes, Duration::from_secs(30), "settling");
    world.run(Duration::from_mins(1));
    report(&mut world, nodes, Duration::from_mins(1), "steady state");

    let mut samples = Vec::new();
    for change in 0..20 {
        let body = format!("{change} {WORD}");
        let who = world.random(nodes.into()) as u32;
        world.publish(who, 0, &body);
        let mut took = Duration::ZERO;
        while !world.all_have(u64::from(who) + 1, 0, &body) {
            world.run(STEP);
            took += STEP;
        }
        samples.push(took);
        world.run(millis(500));
    }
    println!(
        "a change reaches all: median {:?}, p95 {:?}, worst {:?} (20 changes, {:.0}% loss)",
        quantile(&samples, 0.5),
        quantile(&samples, 0.95),
        quantile(&samples, 1.0),
        loss * 100.0
    );
    let span = samples.iter().sum::<Duration>() + millis(500) * 20;
    report(&mut world, nodes, span, "with a change every second or two");
    let deaths: u64 = (0..nodes).map(|n| world.engine(n).counters().false_deaths).sum();
    let suspicions: u64 = (0..nodes).map(|n| world.engine(n).counters().false_suspicions).sum();
    println!("false suspicions {suspicions}, false deaths {deaths}, over all observers");
    println!("{} happenings in {:?} of real time", world.happenings, started.elapsed());
}

/// Whether everybody has everybody alive, and everybody's word.
fn is_complete(world: &World, nodes: u32) -> bool {
    (0..nodes).all(|n| {
        let engine = world.engine(n);
        engine.peers().filter(|status| status.state != State::Down).count() as u32 == nodes - 1
            && engine.items().count() as u32 == nodes
    })
}

fn report(world: &mut World, nodes: u32, span: Duration, what: &str) {
    let per_node = |total: u64| total as f64 / f64::from(nodes) / span.as_secs_f64();
    println!("{what}: {:.0} bytes/s and {:.1} packets/s sent per node", per_node(world.bytes), per_node(world.packets));
    (world.bytes, world.packets) = (0, 0);
}
