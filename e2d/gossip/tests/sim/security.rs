//! Replays, strangers, forgeries and the rotation of keys (S18, S22, D1).

use crate::world::{Packet, World, addr, millis, ring};
use bytes::Bytes;
use e2d_core::id::NodeId;
use e2d_gossip::{Event, Input, Item, PeerStatus, Rejection, Via};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const ALL: [u32; 3] = [0, 1, 2];

/// Everything that a caller can see of an engine, but for its counters.
fn knowledge(world: &World, n: u32) -> (Vec<PeerStatus>, Vec<Item>) {
    (world.engine(n).peers().collect(), world.engine(n).items().collect())
}

/// A cluster that lived through everything that makes packets, and the tape of it.
fn recorded(seed: u64) -> (World, Vec<Packet>) {
    let mut world = World::new(seed);
    world.tape = Some(Vec::new());
    for n in ALL {
        world.start(n, &ALL);
        world.publish(n, 0, "word");
    }
    world.run(SECOND * 10);
    world.give(0, Input::Ask { to: addr(1), id: 5, body: Bytes::from_static(b"q") });
    world.publish(1, 0, "another word");
    world.publish(2, 1, &"long".repeat(2_000));
    world.freeze(1);
    world.run(SECOND * 5);
    world.thaw(1);
    world.run(SECOND * 5);
    let tape = world.take_tape();
    // What is still under way arrives.
    world.run(SECOND);
    assert!(tape.len() > 200 && tape.iter().any(|packet| packet.via == Via::Stream));
    (world, tape)
}

#[test]
fn a_tape_played_to_the_running_changes_nothing() {
    for seed in 0..5 {
        let (mut world, mut tape) = recorded(seed);
        let before = ALL.map(|n| knowledge(&world, n));
        let seen = world.seen.len();
        for _ in 0..2 {
            for at in (1..tape.len()).rev() {
                tape.swap(at, world.random(at as u64 + 1) as usize);
            }
            for packet in &tape {
                let answers = world.inject(packet.clone());
                assert!(answers.is_empty(), "seed {seed}: an answer to a replay");
            }
        }
        assert_eq!(before, ALL.map(|n| knowledge(&world, n)), "seed {seed}");
        assert_eq!(world.seen.len(), seen);
        world.run(SECOND * 20);
        assert!(world.is_whole());
    }
}

/// A packet is for one process: another one, which has not seen its counter, does not take it.
#[test]
fn a_tape_played_to_others_changes_nothing() {
    let (mut world, tape) = recorded(1);
    let before = ALL.map(|n| knowledge(&world, n));
    let seen = world.seen.len();
    for packet in &tape {
        for to in ALL.map(addr).into_iter().filter(|to| *to != packet.to && *to != packet.from) {
            for answer in world.inject(Packet { to, ..packet.clone() }) {
                assert!(answer.bytes.len() <= packet.bytes.len().max(140), "an amplifier");
            }
        }
    }
    assert_eq!(before, ALL.map(|n| knowledge(&world, n)));
    assert_eq!(world.seen.len(), seen);
    world.run(SECOND * 20);
    assert!(world.is_whole());
}

/// S18: somebody on the way copies a fresh hello to another node than it was meant for. Whoever it was meant for may know the
/// way better, be silent until later, or not be known to the other: questions to it reach it all the same.
#[test]
fn a_hello_brought_to_another_turns_no_question_away() {
    for seed in 0..5 {
        let mut world = World::new(seed);
        world.start(2, &[]);
        world.tape = Some(Vec::new());
        world.start(0, &[1, 2]);
        for _ in 0..20 {
            for packet in world.take_tape().into_iter().filter(|packet| packet.from == addr(0) && packet.to == addr(1))
            {
                world.inject(Packet { to: addr(2), ..packet });
            }
            world.tape = Some(Vec::new());
            world.run(Duration::from_millis(100));
        }
        world.start(1, &[]);
        world.run(SECOND * 30);
        world.give(0, Input::Ask { to: addr(1), id: 7, body: "who".into() });
        world.run(SECOND);
        let asked = |n: u32| {
            let is_asked = |event: &Event| matches!(event, Event::Question { id: 7, .. });
            world.seen.iter().filter(|seen| seen.by == addr(n) && is_asked(&seen.event)).count()
        };
        assert_eq!((asked(1), asked(2)), (1, 0), "seed {seed}");
    }
}

#[test]
fn a_tape_played_to_the_restarted_changes_nothing() {
    for seed in 0..5 {
        let (mut world, tape) = recorded(seed);
        for n in ALL {
            world.kill(n);
        }
        let seen = world.seen.len();
        world.start(0, &[]);
        for _ in 0..3 {
            for packet in tape.iter().filter(|packet| packet.to == addr(0)) {
                for answer in world.inject(packet.clone()) {
                    assert!(answer.bytes.len() <= packet.bytes.len().max(140), "seed {seed}: an amplifier");
                }
            }
            world.run(SECOND * 7);
        }
        assert_eq!(knowledge(&world, 0), (vec![], vec![]), "seed {seed}");
        assert_eq!(world.seen.len(), seen);
    }
}

/// The peer is dead and its session is forgotten: its old packets must not raise it.
#[test]
fn a_tape_of_the_dead_played_after_their_session_is_forgotten_changes_nothing() {
    let (mut world, tape) = recorded(1);
    world.kill(1);
    world.kill(2);
    world.run(Duration::from_hours(50));
    assert_eq!(world.engine(0).peers().count(), 0, "forgotten");
    for packet in tape.iter().filter(|packet| packet.to == addr(0)) {
        world.inject(packet.clone());
    }
    world.run(SECOND);
    assert_eq!(world.engine(0).peers().count(), 0);
    assert_eq!(world.engine(0).items().filter(|item| item.origin != NodeId(1)).count(), 0);
}

#[test]
fn a_stranger_learns_nothing_and_changes_nothing() {
    let mut world = World::new(2);
    for n in ALL {
        world.start(n, &ALL);
    }
    world.run(SECOND * 2);
    let before = ALL.map(|n| knowledge(&world, n).1);
    world.tape = Some(Vec::new());
    world.start_as(3, 99, &ring(9, None), &ALL);
    world.publish(3, 0, "let me in");
    world.run(SECOND * 10);
    let tape = world.take_tape();
    assert!(tape.iter().filter(|packet| packet.from == addr(3)).count() >= 100);
    assert_eq!(tape.iter().filter(|packet| packet.to == addr(3)).count(), 0, "no reply");
    assert_eq!(before, ALL.map(|n| knowledge(&world, n).1));
    assert!(ALL.iter().all(|n| world.engine(*n).peers().count() == 2));
    assert!(world.engine(0).counters().rejected(Rejection::UnknownKey) >= 30);
    assert_eq!(world.engine(3).peers().count(), 0);
}

#[test]
fn a_packet_with_any_bit_flipped_is_dropped() {
    let (mut world, tape) = recorded(3);
    let latest: Vec<&Packet> = tape.iter().rev().filter(|packet| packet.to == addr(0)).take(3).collect();
    for packet in latest {
        for bit in 0..packet.bytes.len() * 8 {
            let mut bytes = packet.bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let before = (knowledge(&world, 0), world.engine(0).counters().rejected_total());
            let answers = world.inject(Packet { bytes: bytes.into(), ..packet.clone() });
            assert!(answers.is_empty(), "bit {bit}");
            let after = (knowledge(&world, 0), world.engine(0).counters().rejected_total());
            assert_eq!((before.0, before.1 + 1), after, "bit {bit}");
        }
    }
}

#[test]
fn garbage_is_counted_by_what_is_wrong_with_it() {
    let (mut world, tape) = recorded(4);
    let good = tape.iter().rev().find(|packet| packet.to == addr(0) && packet.via == Via::Datagram).unwrap().clone();
    let mut give = |bytes: Vec<u8>, why: Rejection| {
        let before = world.engine(0).counters().rejected(why);
        world.inject(Packet { bytes: bytes.into(), ..good.clone() });
        assert_eq!(world.engine(0).counters().rejected(why), before + 1, "{why}");
    };
    give(vec![], Rejection::Truncated);
    give(good.bytes[..53].to_vec(), Rejection::Truncated);
    give(good.bytes[..60].to_vec(), Rejection::Forged);
    give([&[2], &good.bytes[1..]].concat(), Rejection::Version);
    give([&good.bytes[..1], &[0; 4], &good.bytes[5..]].concat(), Rejection::UnknownKey);
    give([good.bytes.to_vec(), vec![0; 1200]].concat(), Rejection::Oversized);
    give(good.bytes.to_vec(), Rejection::Replayed);
}

#[test]
fn our_own_packets_are_ignored() {
    let (mut world, tape) = recorded(5);
    for packet in tape.iter().filter(|packet| packet.from == addr(0)).take(50) {
        let before = world.engine(0).counters().rejected(Rejection::Own);
        assert!(world.inject(Packet { to: addr(0), ..packet.clone() }).is_empty());
        assert_eq!(world.engine(0).counters().rejected(Rejection::Own), before + 1);
    }
}

#[test]
fn a_flood_of_recorded_greetings_is_answered_sparingly_and_does_not_keep_a_newcomer_out() {
    let (mut world, tape) = recorded(6);
    let greetings: Vec<Packet> =
        tape.iter().filter(|packet| packet.to == addr(0) && packet.bytes[21..29] == [0; 8]).cloned().collect();
    world.start(0, &[]);
    world.start(1, &[0]);
    let mut answers = 0;
    for _ in 0..1000 {
        for packet in &greetings {
            answers += world.inject(packet.clone()).len();
        }
        world.run(Duration::from_micros(100));
    }
    assert!(greetings.len() >= 2 && answers < 100, "{answers} answers to a thousand times {}", greetings.len());
    world.until("joined meanwhile", millis(300), |w| w.state(0, 1) == Some(e2d_gossip::State::Alive));
}

#[test]
fn keys_rotate_in_a_live_cluster() {
    for seed in 0..5 {
        let mut world = World::new(seed);
        for n in ALL {
            world.start(n, &ALL);
        }
        world.until("birth", SECOND, World::is_whole);
        for (step, (first, second)) in [(1, Some(2)), (2, Some(1)), (2, None)].into_iter().enumerate() {
            for n in ALL {
                world.give(n, Input::Keys(ring(first, second)));
                let text = format!("step {step} node {n}");
                world.publish(n, 0, &text);
                world.until("word", SECOND * 2, |w| w.all_have(u64::from(n) + 1, 0, &text));
                world.run(SECOND * 3);
            }
        }
        let died = world.seen.iter().any(|seen| matches!(seen.event, e2d_gossip::Event::Down(_)));
        assert!(!died, "seed {seed}: nobody noticed");
        let unopened: u64 = ALL.iter().map(|n| world.engine(*n).counters().rejected(Rejection::UnknownKey)).sum();
        assert_eq!(unopened, 0);
        world.start_as(3, 4, &ring(1, None), &ALL);
        world.run(SECOND * 5);
        assert_eq!(world.engine(3).peers().count(), 0, "the old key opens nothing any more");
        world.start_as(3, 4, &ring(2, None), &ALL);
        world.until("with the new key", SECOND, World::is_whole);
    }
}
