//! Orders that are heard in any order, and what is left of their time.

use super::*;
use proptest::prelude::*;

fn at(seconds: u64) -> Moment {
    Moment(seconds * 1_000_000)
}

/// Few counters and nonces, so that orders meet; equal rank means the same order, told at different times.
fn orders() -> impl Strategy<Value = Vec<Order>> {
    let order = (1u64..4, 0u64..3, any::<bool>(), 0u64..7_200).prop_map(|(issue, nonce, hold, seconds)| Order {
        issue,
        nonce,
        reason: if hold { format!("{issue}/{nonce}") } else { String::new() },
        millis: if hold { seconds * 1000 } else { 0 },
    });
    proptest::collection::vec(order, 0..8)
}

fn heard(orders: &[Order], now: Moment) -> Standing {
    let mut standing = Standing::default();
    for order in orders {
        standing.take(order.clone(), now);
    }
    standing
}

/// What counts of a standing: which order, and for how long.
fn force(standing: &Standing, now: Moment) -> (Option<(u64, bool, u64)>, Option<Hold>) {
    (standing.order.as_ref().map(Order::rank), standing.hold(now))
}

proptest! {
    /// Whoever has heard the same orders, in whatever order and however often, holds the same.
    #[test]
    fn all_who_heard_the_same_hold_the_same(
        (orders, shuffled) in orders().prop_flat_map(|o| (Just(o.clone()), Just(o).prop_shuffle())),
    ) {
        let twice: Vec<Order> = shuffled.iter().chain(&orders).cloned().collect();
        prop_assert_eq!(force(&heard(&orders, at(5)), at(9)), force(&heard(&twice, at(5)), at(9)));
    }

    /// An order that is issued counts over all that were known, and a release ends every hold of them.
    #[test]
    fn a_new_order_counts(orders in orders(), nonce in 0u64..3, later in orders()) {
        let mut standing = heard(&orders, at(0));
        standing.issue(nonce, "why", Duration::from_mins(3), at(1));
        prop_assert_eq!(standing.hold(at(1)).map(|hold| (hold.reason, hold.remaining)),
            Some(("why".to_owned(), Duration::from_mins(3))));
        standing.issue(nonce, "", Duration::from_mins(3), at(2));
        prop_assert_eq!(standing.hold(at(2)), None);
        // What was known before the release does not come back, whoever tells it again, and whenever.
        for order in orders {
            prop_assert!(!standing.take(order, at(3)));
        }
        prop_assert_eq!(standing.hold(at(3)), None);
        // And what is told of it ends the hold wherever it is heard.
        let mut other = heard(&later, at(0));
        let release = standing.told(at(4)).unwrap();
        if later.iter().all(|order| order.rank() < release.rank()) {
            prop_assert!(other.take(release, at(4)));
            prop_assert_eq!(other.hold(at(4)), None);
        }
    }

    /// It lasts as long as was said, on this node's own clock; passed on from node to node, and through
    /// the disk, it never lasts longer than that by more than a grain.
    #[test]
    fn it_ends_when_it_was_to_end(minutes in 1u64..3_000, hops in proptest::collection::vec(0u64..100_000, 0..6)) {
        let span = Duration::from_mins(minutes);
        let mut first = Standing::default();
        first.issue(7, "why", span, at(0));
        prop_assert!(first.hold(at(minutes * 60 - 1)).is_some());
        prop_assert!(first.hold(at(minutes * 60)).is_none());
        let (mut now, mut standing) = (0, first);
        for hop in hops {
            now += hop;
            let told = Order::decode(&standing.told(at(now)).unwrap().encode()).unwrap();
            // Each node has a clock of its own, which began at any time.
            let mut next = Standing::default();
            next.take(told, at(now));
            if let Some(hold) = next.hold(at(now)) {
                // A whole number of grains is told, so that to pass it on rounds it up once and not at each hop.
                prop_assert!(Duration::from_secs(now) + hold.remaining < span + GRAIN * 7);
            }
            standing = next;
        }
    }

    /// Copies that were told earlier or later never lengthen it.
    #[test]
    fn a_stale_copy_lengthens_nothing(elapsed in 0u64..7_200) {
        let mut issuer = Standing::default();
        issuer.issue(1, "why", Duration::from_hours(1), at(0));
        let old = issuer.told(at(0)).unwrap();
        let before = issuer.hold(at(elapsed));
        issuer.take(old, at(elapsed));
        prop_assert_eq!(issuer.hold(at(elapsed)), before);
    }

    /// S22: no bytes make it hold for longer than a year, or panic.
    #[test]
    fn no_bytes_break_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..300), millis in any::<u64>()) {
        let _ = Order::decode(&bytes);
        let order = Order { issue: u64::MAX, nonce: 1, reason: "x".into(), millis };
        if let Ok(order) = Order::decode(&order.encode()) {
            prop_assert!(Duration::from_millis(order.millis) <= LONGEST);
        }
        let mut standing = heard(&[order], at(1));
        standing.issue(2, "y", LONGEST * 2, at(1));
    }
}

#[test]
fn of_two_orders_at_once_the_hold_counts() {
    let hold = Order { issue: 4, nonce: 1, reason: "why".into(), millis: 60_000 };
    let release = Order { issue: 4, nonce: 9, reason: String::new(), millis: 0 };
    for orders in [[hold.clone(), release.clone()], [release, hold]] {
        assert!(heard(&orders, at(0)).hold(at(1)).is_some());
    }
}
