//! Which counters of one sender were already seen: the anti-replay window of RFC 6479.
//!
//! Promises that no counter is accepted twice, and that every counter less than [`SPAN`] behind the
//! newest is accepted once. What lies further back is refused unseen.

/// How far behind the newest counter a packet may arrive.
pub(crate) const SPAN: u64 = 1024;

const WORDS: usize = SPAN as usize / 64 + 1;

/// A ring of bits: one word more than the span, so that advancing clears whole words.
#[derive(Clone)]
pub(crate) struct Window {
    newest: u64,
    seen: [u64; WORDS],
}

impl Window {
    /// A window that has seen `counter` and everything before it. Packets before the one that opens a
    /// session could be replays from before the session was last forgotten.
    pub(crate) fn opened_by(counter: u64) -> Self {
        let mut seen = [u64::MAX; WORDS];
        let above = 63 - counter % 64;
        seen[Self::word(counter)] = u64::MAX >> above;
        Self { newest: counter, seen }
    }

    /// Takes note of `counter`; false when it was seen before or is too old to tell.
    pub(crate) fn accept(&mut self, counter: u64) -> bool {
        if counter > self.newest {
            let stale = (counter / 64 - self.newest / 64).min(WORDS as u64);
            for step in 0..stale {
                self.seen[Self::word(counter - step * 64)] = 0;
            }
            self.newest = counter;
        } else if self.newest - counter >= SPAN {
            return false;
        }
        let bit = 1 << (counter % 64);
        let word = &mut self.seen[Self::word(counter)];
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    fn word(counter: u64) -> usize {
        (counter / 64 % WORDS as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// The obvious implementation: remembers everything.
    struct Model {
        newest: u64,
        start: u64,
        seen: BTreeSet<u64>,
    }

    impl Model {
        fn accept(&mut self, counter: u64) -> bool {
            let is_old = counter <= self.start || self.newest.saturating_sub(counter) >= SPAN;
            self.newest = self.newest.max(counter);
            !is_old && self.seen.insert(counter)
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_set_that_remembers_everything(
            start in 0u64..5_000,
            steps in prop::collection::vec((any::<bool>(), 0u64..2_500), 1..400),
        ) {
            let mut window = Window::opened_by(start);
            let mut model = Model { newest: start, start, seen: BTreeSet::new() };
            for (forward, by) in steps {
                let counter = if forward { model.newest + by } else { model.newest.saturating_sub(by) };
                prop_assert_eq!(window.accept(counter), model.accept(counter), "counter {}", counter);
            }
        }
    }

    #[test]
    fn the_ends_of_the_number_line_hold() {
        let mut window = Window::opened_by(u64::MAX - 1);
        assert!(window.accept(u64::MAX));
        assert!(!window.accept(u64::MAX));
        assert!(!window.accept(0));
        let mut window = Window::opened_by(0);
        assert!(!window.accept(0));
        assert!(window.accept(1));
    }
}
