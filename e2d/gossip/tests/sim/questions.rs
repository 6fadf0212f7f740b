//! Questions and answers, to members and to whoever else is at an address.

use crate::world::{World, addr, millis, ring};
use bytes::Bytes;
use e2d_gossip::{Event, Input, Peer};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn ask(world: &mut World, from: u32, to: u32, id: u64, body: &[u8]) {
    world.give(from, Input::Ask { to: addr(to), id, body: Bytes::copy_from_slice(body) });
}

fn questions(world: &World, at: u32) -> Vec<(Peer, u64, Bytes)> {
    let at_it = world.seen.iter().filter(|seen| seen.by == addr(at));
    let question = |event: &Event| match event {
        Event::Question { from, id, body } => Some((*from, *id, body.clone())),
        _ => None,
    };
    at_it.filter_map(|seen| question(&seen.event)).collect()
}

#[test]
fn somebody_who_is_no_member_can_be_asked() {
    let mut world = World::new(1);
    let asker = world.start(0, &[]);
    let other = world.start(1, &[]);
    for (id, size) in [(1, 3), (2, 64 * 1024)] {
        ask(&mut world, 0, 1, id, &vec![b'q'; size]);
        world.until("question", millis(50), |w| questions(w, 1).len() as u64 == id);
        let (from, got, body) = questions(&world, 1).pop().unwrap();
        assert_eq!((from, got, body.len()), (asker, id, size));
        world.give(1, Input::Answer { to: from, id, body: Bytes::from(vec![b'a'; size]) });
        world.until("answer", millis(50), |w| {
            let body = Bytes::from(vec![b'a'; size]);
            w.seen.iter().any(|seen| seen.event == Event::Answer { from: other, id, body: body.clone() })
        });
    }
}

#[test]
fn a_question_to_a_restarted_process_arrives_at_the_latest_when_repeated() {
    for seed in 0..10 {
        let mut world = World::new(seed);
        world.start(0, &[]);
        world.start(1, &[]);
        ask(&mut world, 0, 1, 1, b"who");
        world.until("first", millis(50), |w| questions(w, 1).len() == 1);
        world.run(SECOND);
        world.start(1, &[]);
        ask(&mut world, 0, 1, 2, b"who");
        world.run(millis(50));
        ask(&mut world, 0, 1, 3, b"who");
        world.until("again", millis(50), |w| questions(w, 1).iter().any(|(_, id, _)| *id == 3));
    }
}

#[test]
fn a_question_waits_for_a_process_that_is_just_starting() {
    let mut world = World::new(2);
    world.start(0, &[]);
    ask(&mut world, 0, 1, 1, b"there?");
    world.run(SECOND);
    world.start(1, &[]);
    world.until("question", millis(500), |w| questions(w, 1).len() == 1);
}

#[test]
fn a_stranger_is_neither_heard_nor_answered() {
    let mut world = World::new(3);
    world.start(0, &[]);
    world.start_as(1, 2, &ring(9, None), &[0]);
    ask(&mut world, 0, 1, 1, b"there?");
    ask(&mut world, 1, 0, 1, b"there?");
    world.run(SECOND * 30);
    assert_eq!(world.seen.len(), 0);
}

#[test]
fn whoever_advertises_another_address_than_the_one_asked_is_found() {
    let mut world = World::new(4);
    world.alias(9, 1);
    let other = world.start(1, &[]);
    let asker = world.start(0, &[9]);
    world.until("found", millis(300), |w| w.sees(0, other) && w.sees(1, asker));
    ask(&mut world, 0, 9, 1, b"there?");
    world.until("question", millis(50), |w| questions(w, 1).len() == 1);
    let before = world.packets;
    world.run(SECOND * 10);
    assert!(world.packets - before < 300, "the seed is not asked on and on: {} packets", world.packets - before);
    world.kill(1);
    world.run(SECOND * 10);
    let next = world.start(1, &[]);
    world.until("found again", SECOND * 3, |w| w.sees(0, next));
}
