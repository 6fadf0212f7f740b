//! Who is there: birth, death, freezes, cuts and partitions (T1, T3, S12, S13).

use crate::world::{World, addr, millis, quantile};
use e2d_gossip::{Event, Input, State};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn cluster(world: &mut World, size: u32) -> Vec<u32> {
    let all: Vec<u32> = (0..size).collect();
    for n in &all {
        world.start(*n, &all);
    }
    world.until("birth", SECOND, World::is_whole);
    all
}

#[test]
fn three_nodes_find_one_another_within_300_ms_of_the_last_start() {
    let shapes: [[&[u32]; 3]; 4] =
        [[&[1, 2], &[0, 2], &[0, 1]], [&[], &[0], &[0]], [&[1, 2], &[], &[]], [&[0, 1, 2], &[0, 1, 2], &[0, 1, 2]]];
    for seed in 0..40 {
        for shape in shapes {
            let mut world = World::new(seed);
            world.latency = 50..300;
            for (n, seeds) in shape.into_iter().enumerate() {
                world.start(n as u32, seeds);
                let pause = millis(world.random(3_000));
                world.run(if n == 2 { Duration::ZERO } else { pause });
            }
            world.until("all three up", millis(300), World::is_whole);
        }
    }
}

#[test]
fn a_death_is_noticed_by_all_within_three_seconds_at_p95() {
    let samples: Vec<Duration> = (0..100)
        .map(|seed| {
            let mut world = World::new(seed);
            cluster(&mut world, 3);
            let phase = millis(world.random(4_000));
            world.run(phase);
            world.kill(0);
            world.until("death", SECOND * 10, |w| (1..3).all(|n| w.state(n, 0) == Some(State::Down)))
        })
        .collect();
    assert!(quantile(&samples, 0.95) <= SECOND * 3, "p95 is {:?}", quantile(&samples, 0.95));
}

#[test]
fn a_death_that_one_declares_is_known_to_all_at_once() {
    for seed in 0..10 {
        let mut world = World::new(seed);
        cluster(&mut world, 5);
        world.kill(0);
        world.until("death", SECOND * 10, |w| (1..5).all(|n| w.state(n, 0) == Some(State::Down)));
        let told = (1..5).flat_map(|n| world.times(n, |event| matches!(event, Event::Down(_))));
        let told: Vec<Duration> = told.collect();
        let spread = told.iter().max().unwrap().abs_diff(*told.iter().min().unwrap());
        assert!(told.len() == 4 && spread < millis(10), "seed {seed}: {told:?}");
    }
}

#[test]
fn the_living_are_not_held_dead_at_ten_percent_loss() {
    let mut suspected = 0;
    for seed in 0..8 {
        let mut world = World::new(seed);
        let all = cluster(&mut world, 3 + 2 * (seed as u32 % 2));
        world.loss = 0.1;
        world.run(SECOND * 120);
        for n in all {
            assert_eq!(world.times(n, |event| matches!(event, Event::Down(_))), [], "seed {seed}");
            suspected += world.engine(n).counters().false_suspicions;
        }
    }
    assert!(suspected <= 5, "{suspected} false suspicions in 16 minutes");
}

#[test]
fn a_frozen_node_rejoins_by_itself_and_accuses_nobody() {
    for seed in 0..10 {
        let mut world = World::new(seed);
        cluster(&mut world, 3);
        world.run(SECOND * 3);
        world.freeze(1);
        let frozen = world.engine(1).me();
        world.run(SECOND * 5);
        assert!([0, 2].iter().all(|n| world.state(*n, 1) == Some(State::Down)), "held dead meanwhile");
        world.thaw(1);
        world.until("back", SECOND, |w| [0, 2].iter().all(|n| w.sees(*n, frozen)));
        world.run(SECOND * 5);
        assert!(world.is_whole());
        assert_eq!(world.times(1, |event| matches!(event, Event::Down(_))), [], "it slept, not they");
        assert_eq!(world.engine(0).counters().false_deaths, 1);
        assert_eq!(world.engine(1).counters().freezes, 1);
        assert_eq!(world.times(0, |event| matches!(event, Event::Replaced { .. })), [], "it is the same process");
    }
}

/// A suspicion that slept gives its time to answer, and not the time of the sleep.
#[test]
fn who_was_suspected_before_a_freeze_may_still_answer_after_it() {
    for seed in 0..10 {
        let mut world = World::new(seed);
        cluster(&mut world, 3);
        world.run(SECOND * 3);
        for other in [0, 2] {
            world.cut(other, 1);
        }
        let suspects = |world: &World| [0, 2].iter().any(|n| world.state(1, *n) == Some(State::Suspect));
        world.until("a suspicion", SECOND * 5, suspects);
        world.freeze(1);
        world.run(SECOND * 5);
        world.heal();
        world.thaw(1);
        world.run(SECOND * 10);
        assert!(world.is_whole());
        assert_eq!(world.times(1, |event| matches!(event, Event::Down(_))), [], "seed {seed}");
    }
}

/// What a ten-second timeout on top of gossip rests on (T3).
#[test]
fn no_frozen_node_is_held_dead_for_long_after_it_thaws() {
    for seed in 0..3 {
        let mut world = World::new(seed);
        cluster(&mut world, 3);
        world.loss = 0.1;
        for _ in 0..30 {
            let n = world.random(3) as u32;
            world.freeze(n);
            world.run(SECOND * 5);
            world.thaw(n);
            let pause = millis(world.random(20_000));
            world.run(pause);
        }
        world.run(SECOND * 5);
        assert!(world.is_whole());
        let longest = world.longest_false_death();
        assert!(longest > SECOND && longest < SECOND * 6, "seed {seed}: {longest:?}");
    }
}

#[test]
fn a_healed_partition_merges_within_seconds_with_seeds_or_without() {
    for seed in 0..10 {
        for seeds in [vec![], (0..5).map(addr).collect()] {
            let mut world = World::new(seed);
            let all = cluster(&mut world, 5);
            for n in all {
                world.give(n, Input::Seeds(seeds.clone()));
            }
            world.part(&[0, 1], &[2, 3, 4]);
            world.until("parted", SECOND * 10, |w| {
                (0..2).all(|n| (2..5).all(|m| w.state(n, m) == Some(State::Down) && w.state(m, n) == Some(State::Down)))
            });
            let pause = SECOND * (1 + world.random(600) as u32);
            world.run(pause);
            world.heal();
            world.until("merged", SECOND * 5, World::is_whole);
        }
    }
}

#[test]
fn everybody_alone_comes_together_again() {
    let mut world = World::new(1);
    cluster(&mut world, 3);
    world.part(&[0], &[1, 2]);
    world.part(&[1], &[2]);
    world.run(SECOND * 60);
    assert!((0..3).all(|n| (0..3).filter(|m| *m != n).all(|m| world.state(n, m) == Some(State::Down))));
    world.heal();
    world.until("together", SECOND * 5, World::is_whole);
}

#[test]
fn a_link_cut_in_one_direction_kills_nobody_while_a_third_sees_both() {
    for seed in 0..5 {
        let mut world = World::new(seed);
        let all = cluster(&mut world, 3);
        world.cut(0, 1);
        world.run(SECOND * 60);
        for n in all {
            assert_eq!(world.times(n, |event| matches!(event, Event::Down(_))), [], "seed {seed}");
        }
    }
}

/// foca stops its timers when it changes its identity, until it hears somebody.
#[test]
fn a_node_that_is_cut_off_right_after_a_renewal_still_notices() {
    let mut world = World::new(3);
    cluster(&mut world, 3);
    world.freeze(1);
    world.run(SECOND * 5);
    world.thaw(1);
    world.until("renewed", SECOND, |w| w.engine(1).counters().renewals == 1);
    world.part(&[1], &[0, 2]);
    world.until("noticed", SECOND * 10, |w| [0, 2].iter().all(|n| w.state(1, *n) == Some(State::Down)));
}

#[test]
fn who_leaves_is_down_at_once() {
    let mut world = World::new(5);
    cluster(&mut world, 5);
    world.give(2, Input::Leave);
    world.until("told", millis(10), |w| [0, 1, 3, 4].iter().all(|n| w.state(*n, 2) == Some(State::Down)));
    world.run(SECOND * 30);
    let sent = world.engine(2).counters().packets_out;
    world.run(SECOND * 30);
    assert_eq!(world.engine(2).counters().packets_out, sent, "and is silent");
    assert!([0, 1, 3, 4].iter().all(|n| world.state(*n, 2) == Some(State::Down)));
}

#[test]
fn one_seed_gives_one_history() {
    let history = |seed: u64| {
        let mut world = World::new(seed);
        world.loss = 0.05;
        let all: Vec<u32> = (0..12).collect();
        for n in &all {
            world.start(*n, &[0, 1]);
            world.publish(*n, 0, "here");
        }
        world.run(SECOND * 10);
        world.kill(3);
        world.part(&[0, 1, 2], &[4, 5, 6]);
        world.run(SECOND * 10);
        world.heal();
        world.start(3, &[0, 1]);
        world.run(SECOND * 10);
        world.trace()
    };
    assert_eq!(history(7), history(7));
    assert_ne!(history(7), history(8));
}
