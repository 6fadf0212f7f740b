//! Restarts, successors, moves and clones: a new process counts at once (C18), an old one never again.

use crate::world::{World, addr, millis, ring};
use bytes::Bytes;
use e2d_gossip::{Event, Input, Peer, Rejection, State};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const ALL: [u32; 3] = [0, 1, 2];

fn three(seed: u64) -> World {
    let mut world = World::new(seed);
    for n in ALL {
        world.start(n, &ALL);
    }
    world.until("birth", SECOND, World::is_whole);
    let pause = millis(world.random(5_000));
    world.run(pause);
    world
}

fn replaced(world: &World, viewer: u32, old: Peer, new: Peer) -> usize {
    world.times(viewer, |event| *event == Event::Replaced { old, new }).len()
}

#[test]
fn a_restarted_process_counts_at_once() {
    for seed in 0..20 {
        let mut world = three(seed);
        for _ in 0..5 {
            let old = world.engine(2).me();
            let new = world.start(2, &ALL);
            assert_eq!((old.node, old.addr), (new.node, new.addr));
            world.until("restart seen", millis(100), World::is_whole);
            assert_eq!([replaced(&world, 0, old, new), replaced(&world, 1, old, new)], [1, 1]);
            let renewals = world.engine(2).counters().renewals;
            assert!(renewals <= 1, "it was told which bump to exceed, and did not climb there: {renewals}");
        }
        assert_eq!(world.times(0, |event| matches!(event, Event::Down(_))), [], "it was not waited for");
    }
}

#[test]
fn a_successor_on_the_same_address_counts_at_once() {
    for seed in 0..20 {
        let mut world = three(seed);
        let old = world.engine(2).me();
        let new = world.start_as(2, 77 + seed, &ring(1, None), &ALL);
        world.until("successor seen", millis(100), World::is_whole);
        assert_eq!([replaced(&world, 0, old, new), replaced(&world, 1, old, new)], [1, 1]);
        world.until("a direct answer from its address", millis(100), |w| {
            [0, 1].iter().all(|n| w.engine(*n).peers().any(|s| s.peer == new && s.last_heard.is_some()))
        });
    }
}

#[test]
fn a_restarted_process_that_knows_no_seeds_is_found_within_a_second() {
    for seed in 0..20 {
        let mut world = three(seed);
        for n in ALL {
            world.give(n, Input::Seeds(vec![]));
        }
        world.start(2, &[]);
        world.until("found", SECOND, World::is_whole);
    }
}

#[test]
fn a_process_that_died_long_ago_comes_back_at_once() {
    let mut world = three(4);
    world.kill(2);
    world.run(SECOND * 700);
    let new = world.start(2, &ALL);
    world.until("back", millis(100), |w| ALL[..2].iter().all(|n| w.sees(*n, new)));
}

/// The first to answer remembers nothing: what the second remembers must still be displaced.
#[test]
fn an_old_bump_that_only_some_remember_is_exceeded() {
    for seed in 0..20 {
        let mut world = three(seed);
        for _ in 0..4 {
            world.start(2, &ALL);
            world.until("restart seen", millis(100), World::is_whole);
        }
        world.kill(2);
        world.part(&[1], &[0, 2]);
        world.start(0, &[2]);
        let new = world.start(2, &[0]);
        world.publish(2, 0, "fresh");
        world.until("two", SECOND, |w| w.sees(0, new));
        world.until("its word", millis(20), |w| w.word(0, 3, 0).as_deref() == Some("fresh"));
        world.heal();
        world.give(1, Input::Seeds(vec![addr(0)]));
        world.until("three", SECOND * 5, World::is_whole);
        world.until("the fresh word", SECOND * 2, |w| w.all_have(3, 0, "fresh"));
    }
}

#[test]
fn a_node_that_moves_is_no_clone() {
    let mut world = three(6);
    let old = world.engine(2).me();
    world.publish(2, 0, "here");
    world.run(millis(100));
    world.kill(2);
    let new = world.start_as(3, 3, &ring(1, None), &ALL);
    world.publish(3, 0, "there");
    world.until("moved", millis(200), |w| [0, 1].iter().all(|n| w.sees(*n, new)));
    world.until("its word", millis(1500), |w| w.all_have(3, 0, "there"));
    world.until("old address dead", SECOND * 5, |w| w.state(0, 2) == Some(State::Down));
    assert_eq!(world.times(0, |event| matches!(event, Event::Cloned { .. })), []);
    assert_eq!(old.node, new.node);
    world.run(SECOND * 900);
    assert_eq!(world.word(0, 3, 0).as_deref(), Some("there"), "its word outlives its old address");
}

#[test]
fn a_cloned_machine_is_told_to_everybody_and_does_not_escalate() {
    for seed in 0..5 {
        let mut world = three(seed);
        world.start_as(3, 3, &ring(1, None), &ALL);
        world.publish(2, 0, "one");
        world.publish(3, 0, "other");
        world.run(SECOND * 60);
        for n in [0, 1, 2, 3] {
            let cloned = world.times(n, |event| matches!(event, Event::Cloned { .. }));
            assert!(!cloned.is_empty() && cloned.len() <= 2, "{n} told {cloned:?}");
        }
        assert!(world.is_whole(), "both are visible");
        let renewals = world.engine(2).counters().renewals + world.engine(3).counters().renewals;
        assert!(renewals <= 40, "{renewals} renewals in a minute");
        assert!(world.packets < 20_000, "{} packets", world.packets);
    }
}

/// Only whoever answers at an address can be a successor there; to say so is not enough.
#[test]
fn a_process_that_advertises_the_address_of_another_harms_nobody() {
    let mut world = three(8);
    let real = world.engine(2).me();
    // The others know the liar's true place, too, and it knows them.
    let liar = world.start_advertising(9, addr(2), 99, &ring(1, None), &ALL);
    world.alias(8, 2);
    for n in ALL {
        world.give(n, Input::Seeds([0, 1, 2, 8, 9].map(addr).to_vec()));
    }
    world.give(9, Input::Seeds([0, 1, 8].map(addr).to_vec()));
    world.run(SECOND * 30);
    for n in [0, 1] {
        assert!(world.sees(n, real) && !world.sees(n, liar));
        assert_eq!(world.times(n, |e| matches!(e, Event::Replaced { .. } | Event::Down(_))), []);
    }
    assert!(world.engine(2).counters().rejected(Rejection::AddressClash) > 0, "and it can be seen");
    world.give(0, Input::Ask { to: addr(2), id: 1, body: Bytes::new() });
    world.run(millis(50));
    assert_eq!(world.times(2, |event| matches!(event, Event::Question { .. })).len(), 1, "the real one is asked");
}
