//! What nodes say about themselves: at once, surely, and never late news over fresh (B7, C12, C13, T11).

use crate::world::{World, millis, ring};
use bytes::Bytes;
use e2d_core::id::NodeId;
use e2d_gossip::{Event, Input, MAX_ITEM_BYTES, Refusal};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn cluster(seed: u64, size: u32) -> World {
    let mut world = World::new(seed);
    let all: Vec<u32> = (0..size).collect();
    for n in &all {
        world.start(*n, &all);
    }
    world.until("birth", SECOND, World::is_whole);
    world
}

#[test]
fn a_word_reaches_five_nodes_in_one_trip() {
    let mut world = cluster(1, 5);
    for word in ["one", "two", "three"] {
        world.publish(3, 1, word);
        world.until("one trip", millis(2), |w| w.all_have(4, 1, word));
    }
    let told = world.times(0, |event| matches!(event, Event::Item { direct: true, .. }));
    assert_eq!(told.len(), 3, "each once, by the origin itself");
}

#[test]
fn a_lost_word_is_found_again_in_about_a_second() {
    let samples: Vec<Duration> = (0..200)
        .map(|seed| {
            let mut world = cluster(seed, 3);
            world.cut(0, 1);
            world.cut(0, 2);
            world.publish(0, 0, "lost");
            world.heal();
            world.loss = 0.1;
            world.until("found", SECOND * 5, |w| w.all_have(1, 0, "lost"))
        })
        .collect();
    let p95 = crate::world::quantile(&samples, 0.95);
    assert!(p95 <= millis(1200), "p95 {p95:?}");
}

#[test]
fn a_newcomer_is_given_everything_however_long() {
    let mut world = cluster(2, 3);
    let long = "x".repeat(MAX_ITEM_BYTES);
    for n in 0..3 {
        for topic in 0..8 {
            world.publish(n, topic, if topic == 7 { &long } else { "short" });
        }
    }
    world.until("spread", SECOND, |w| (1..=3).all(|node| w.all_have(node, 7, &long)));
    world.start(3, &[0]);
    world.until("given", SECOND, |w| (1..=3).all(|node| (0..7).all(|topic| w.all_have(node, topic, "short"))));
    world.until("long ones", SECOND, |w| (1..=3).all(|node| w.all_have(node, 7, &long)));
}

#[test]
fn what_cannot_be_published_is_refused() {
    let mut world = cluster(3, 1);
    world.give(0, Input::Publish { topic: 0, body: Bytes::from(vec![0; MAX_ITEM_BYTES + 1]) });
    for topic in 0..9 {
        world.publish(0, topic, "word");
    }
    let refusals: Vec<&Event> = world.seen.iter().map(|seen| &seen.event).collect();
    let too_long = Refusal::TooLong { bytes: MAX_ITEM_BYTES + 1 };
    let ninth = Refusal::TooManyTopics { topic: 8 };
    assert_eq!(refusals, [&Event::Refused(too_long), &Event::Refused(ninth)]);
    assert_eq!(world.engine(0).items().count(), 8);
}

/// B7: a restarting process counted as running until its first broadcast.
#[test]
fn the_words_of_a_process_end_when_the_next_one_is_seen() {
    let mut world = cluster(4, 3);
    world.publish(2, 0, "running");
    world.publish(2, 1, "fine");
    world.run(SECOND);
    let old = world.engine(2).me();
    let new = world.start(2, &[0, 1]);
    world.until("seen", millis(100), |w| w.sees(0, new) && w.sees(1, new));
    for n in 0..2 {
        assert_eq!((world.word(n, 3, 0), world.word(n, 3, 1)), (None, None));
        let ended = world.times(n, |e| *e == Event::ItemsEnded { origin: old.node, boot: old.boot });
        assert_eq!(ended.len(), 1);
    }
    world.until("whole", millis(100), World::is_whole);
    world.publish(2, 0, "starting");
    world.until("new word", millis(10), |w| w.all_have(3, 0, "starting"));
    world.run(SECOND * 30);
    assert_eq!(world.word(0, 3, 1), None, "the old word does not come back");
}

#[test]
fn late_news_never_overrides_fresh_news() {
    for seed in 0..20 {
        let mut world = cluster(seed, 4);
        world.publish(0, 0, "old");
        world.run(SECOND);
        // Two of them miss the fresh word, of the same process or of the next one, and go on telling the old.
        world.part(&[0, 1], &[2, 3]);
        if seed % 2 == 0 {
            world.start(0, &[1]);
        }
        world.publish(0, 0, "fresh");
        world.run(SECOND * 2);
        assert_eq!(world.word(2, 1, 0).as_deref(), Some("old"));
        world.heal();
        world.start(4, &[1, 2, 3]);
        world.until("fresh for all", SECOND * 6, |w| w.all_have(1, 0, "fresh"));
        let told = world.seen.iter().filter(|seen| seen.by == crate::world::addr(1));
        let words: Vec<&Bytes> = told
            .filter_map(|seen| match &seen.event {
                Event::Item { origin: NodeId(1), body, .. } => Some(body),
                _ => None,
            })
            .collect();
        assert_eq!(words, ["old", "fresh"], "node 1 was told each once and in order");
    }
}

#[test]
fn the_words_of_the_dead_are_kept_for_ten_minutes_and_never_come_back() {
    let mut world = cluster(5, 3);
    world.publish(2, 0, "last words");
    world.run(SECOND);
    world.kill(2);
    world.run(SECOND * 300);
    // Newcomers are told, with the age: they do not start the ten minutes anew.
    world.start(1, &[0]);
    world.until("told", SECOND * 2, |w| w.all_have(3, 0, "last words"));
    world.run(SECOND * 290);
    assert!(world.all_have(3, 0, "last words"));
    world.start(3, &[0, 1]);
    world.until("told late", SECOND * 2, |w| w.all_have(3, 0, "last words"));
    world.until("dropped", SECOND * 30, |w| [0, 1, 3].iter().all(|n| w.word(*n, 3, 0).is_none()));
    for _ in 0..60 {
        world.run(SECOND * 10);
        assert!([0, 1, 3].iter().all(|n| world.word(*n, 3, 0).is_none()));
    }
}

#[test]
fn a_large_cluster_passes_words_on_instead_of_telling_everybody() {
    let size = 60;
    let mut world = World::new(6);
    for n in 0..size {
        world.start_as(n, u64::from(n) + 1, &ring(1, None), &[0, 1]);
    }
    world.until("birth", SECOND * 60, World::is_whole);
    world.run(SECOND * 30);
    let before = world.engine(7).counters().packets_out;
    world.publish(7, 0, "news");
    let by_origin = world.engine(7).counters().packets_out - before;
    assert!(by_origin <= 4, "{by_origin} packets by the origin");
    world.run(millis(50));
    let informed = (0..size).filter(|n| world.word(*n, 8, 0).is_some()).count();
    assert!(informed >= 54, "{informed} of {size} after a few trips");
    world.until("all", SECOND * 5, |w| w.all_have(8, 0, "news"));
}
