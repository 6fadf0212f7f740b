//! The order of words, against a model that knows the whole history; and the bounds.

use super::*;
use proptest::prelude::*;

const NOW: Moment = Moment(1_000_000_000);

fn head(origin: u64, topic: u8, bump: u32, boot: u64, counter: u64) -> Head {
    Head { origin: NodeId(origin), topic, version: Version { bump, boot: BootId(boot), counter } }
}

fn hear(items: &mut Items, head: Head) -> Heard {
    items.hear(head, &head.version.counter.to_be_bytes(), false, Duration::ZERO, NOW)
}

fn taken(ended: Option<u64>) -> Heard {
    Heard::Taken { says_more: true, ended: ended.map(BootId) }
}

/// What one process says: each word with the next counter, its bump rising now and then.
fn process(origin: u64, boot: u64) -> impl Strategy<Value = Vec<Head>> {
    prop::collection::vec((0u8..3, 0u32..2), 0..6).prop_map(move |words| {
        let mut bump = boot as u32 % 3;
        let say = |(counter, (topic, rise)): (usize, (u8, u32))| {
            bump += rise;
            head(origin, topic, bump, boot, counter as u64 + 1)
        };
        words.into_iter().enumerate().map(say).collect()
    })
}

fn history() -> impl Strategy<Value = Vec<Head>> {
    let processes = [(1, 11), (1, 12), (1, 13), (2, 21), (2, 22)].map(|(origin, boot)| process(origin, boot));
    Vec::from(processes).prop_map(|words| words.concat())
}

/// The words that count in the end: of each node's process with the highest (bump, boot), the last on
/// each topic.
fn model(history: &[Head]) -> Vec<Head> {
    let mut reigns: BTreeMap<NodeId, (u32, BootId)> = BTreeMap::new();
    for word in history {
        let rank = (word.version.bump, word.version.boot);
        let reign = reigns.entry(word.origin).or_insert(rank);
        *reign = rank.max(*reign);
    }
    let mut last: BTreeMap<Key, Head> = BTreeMap::new();
    for word in history.iter().filter(|word| reigns[&word.origin].1 == word.version.boot) {
        let place = last.entry((word.origin, word.topic)).or_insert(*word);
        if word.version.counter > place.version.counter {
            *place = *word;
        }
    }
    last.into_values().collect()
}

proptest! {
    #[test]
    fn whatever_the_order_the_last_words_count(history in history(), order in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let mut shuffled = history.clone();
        for at in (1..shuffled.len()).rev() {
            shuffled.swap(at, (seed.rotate_left(at as u32) ^ order.index(97) as u64) as usize % (at + 1));
        }
        let mut items = Items::default();
        // Twice: what was refused under an older reign is offered again by comparison.
        for word in shuffled.iter().chain(&shuffled) {
            hear(&mut items, *word);
        }
        let heads: Vec<Head> = items.heads(u64::MAX).collect();
        prop_assert_eq!(&heads, &model(&history));

        let mut sums = Sums::default();
        for head in &heads {
            sums.toggle(head);
        }
        prop_assert_eq!(&sums, items.sums());
        prop_assert_eq!(items.bytes, heads.len() * 8);
        for word in &history {
            let is_last = heads.contains(word);
            let told = hear(&mut items, *word);
            prop_assert_eq!(told == Heard::Known, is_last, "{:?} again: {:?}", word, told);
        }
    }

    /// Of one process, the caller is told rising words; of another, only when it outranks the former.
    #[test]
    fn nobody_is_told_late_news(history in history(), picks in prop::collection::vec(any::<prop::sample::Index>(), 0..60)) {
        let mut items = Items::default();
        let mut ranks: BTreeMap<BootId, u32> = BTreeMap::new();
        let mut told: BTreeMap<Key, (BootId, u64)> = BTreeMap::new();
        for pick in picks.iter().filter(|_| !history.is_empty()) {
            let word = history[pick.index(history.len())];
            let Version { bump, boot, counter } = word.version;
            let rank = ranks.entry(boot).or_default();
            *rank = bump.max(*rank);
            let Heard::Taken { says_more: true, ended } = hear(&mut items, word) else { continue };
            if let Some((former, last)) = told.get(&(word.origin, word.topic)) {
                let is_later = if boot == *former { counter > *last } else { (ranks[&boot], boot) > (ranks[former], *former) };
                prop_assert!(is_later, "{:?} after word {} of {}", word, last, former);
            }
            told.retain(|(origin, _), _| ended.is_none() || *origin != word.origin);
            told.insert((word.origin, word.topic), (boot, counter));
        }
    }

    #[test]
    fn sums_differ_where_heads_do(history in history(), other in history()) {
        let of = |words: &[Head]| {
            let mut sums = Sums::default();
            for head in model(words) {
                sums.toggle(&head);
            }
            sums
        };
        let (left, right) = (of(&history), of(&other));
        let differing = left.differing(&right);
        prop_assert_eq!(differing == 0, model(&history) == model(&other));
        prop_assert_eq!(Sums::from_bytes(&left.to_bytes()), Some(left));
    }
}

#[test]
fn a_new_process_ends_the_words_of_the_old_one() {
    let mut items = Items::default();
    assert_eq!(hear(&mut items, head(1, 0, 0, 50, 7)), taken(None));
    assert_eq!(hear(&mut items, head(1, 1, 0, 50, 8)), taken(None));
    assert_eq!(hear(&mut items, head(1, 0, 1, 9, 1)), taken(Some(50)));
    assert_eq!(hear(&mut items, head(1, 1, 0, 50, 9)), Heard::Deposed(1));
    assert_eq!(items.iter().count(), 1);
    assert_eq!(items.must_exceed(NodeId(1), 0, BootId(50)), Some(1));
    assert_eq!(items.must_exceed(NodeId(1), 0, BootId(9)), None);
}

#[test]
fn membership_ends_the_words_of_the_old_process_before_the_new_one_speaks() {
    let mut items = Items::default();
    hear(&mut items, head(1, 0, 3, 50, 7));
    assert_eq!(items.crown(NodeId(1), 2, BootId(60)), None, "a lower bump is an older process");
    assert_eq!(items.crown(NodeId(1), 4, BootId(9)), Some(BootId(50)));
    assert_eq!(items.iter().count(), 0);
    assert_eq!(hear(&mut items, head(1, 0, 3, 50, 8)), Heard::Deposed(4));
    assert_eq!(hear(&mut items, head(1, 0, 0, 9, 1)), taken(None), "whatever bump it spoke under");
}

#[test]
fn hearsay_is_confirmed_once() {
    let mut items = Items::default();
    let word = head(1, 0, 0, 50, 7);
    let hear = |items: &mut Items, direct| items.hear(word, b"word", direct, Duration::ZERO, NOW);
    assert_eq!(hear(&mut items, false), taken(None));
    assert_eq!(hear(&mut items, true), taken(None));
    assert_eq!(hear(&mut items, true), Heard::Known);
    assert_eq!(hear(&mut items, false), Heard::Known);
    let renewed = items.hear(head(1, 0, 5, 50, 7), b"word", false, Duration::ZERO, NOW);
    assert_eq!(renewed, Heard::Taken { says_more: false, ended: None }, "the same word under a higher bump");
    assert!(items.iter().all(|item| item.direct), "and it stays confirmed");
}

#[test]
fn the_age_of_the_gone_travels_with_their_words() {
    let mut items = Items::default();
    let told = |items: &mut Items, origin, secs| {
        items.hear(head(origin, 0, 0, 1, 1), b"", false, Duration::from_secs(secs), Moment(0))
    };
    assert_eq!(told(&mut items, 1, 600), Heard::Refused);
    assert_eq!(told(&mut items, 2, 599), taken(None));
    assert_eq!(items.gone_for(NodeId(2), Moment(0)), Duration::from_secs(599), "even right after our own start");
    items.crown(NodeId(3), 0, BootId(1));
    assert_eq!(told(&mut items, 3, 599), taken(None), "the living do not age");
    let later = Moment(0) + Duration::from_secs(1);
    assert_eq!(items.expire(later), [(NodeId(2), BootId(1))]);
    assert_eq!(items.expire(later + GONE_FOR * 10), []);
    items.bury(NodeId(3), later);
    items.bury(NodeId(3), later + GONE_FOR / 2);
    assert_eq!(items.expire(later + GONE_FOR), [(NodeId(3), BootId(1))]);
    assert_eq!((items.bytes, items.sums().root(), items.origins.len()), (0, 0, 0));
}

#[test]
fn the_store_is_bounded() {
    let mut items = Items::default();
    let body = vec![0; MAX_ITEM_BYTES];
    let mut hear = |origin, topic, body: &[u8]| {
        items.hear(head(origin, topic, 0, 1, 1), body, false, Duration::ZERO, NOW) != Heard::Refused
    };
    assert!(!hear(1, 0, &vec![0; MAX_ITEM_BYTES + 1]));
    assert_eq!((0..=255).filter(|topic| hear(1, *topic, b"")).count(), MAX_TOPICS);
    assert_eq!((2..5_000).filter(|origin| hear(*origin, 0, &body)).count(), MAX_STORE_BYTES / MAX_ITEM_BYTES);
    assert_eq!((2..10_000).filter(|origin| hear(*origin, 1, b"")).count(), MAX_ORIGINS - 1);
    assert_eq!((items.bytes, items.origins.len()), (MAX_STORE_BYTES, MAX_ORIGINS));
}
