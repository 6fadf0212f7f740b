//! The event queue: virtual time, and ties broken by the order of arrival.

use e2d_core::time::Moment;
use std::collections::BTreeMap;
use std::time::Duration;

/// Events in the order in which they happen.
#[derive(Debug)]
pub struct Queue<E> {
    now: Moment,
    count: u64,
    events: BTreeMap<(Moment, u64), E>,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        // A later origin than zero, so that "a minute ago" exists from the start.
        Self { now: Moment(3_600_000_000), count: 0, events: BTreeMap::new() }
    }
}

impl<E> Queue<E> {
    /// The moment of the event that happens now.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Lets `event` happen after `delay`.
    pub fn after(&mut self, delay: Duration, event: E) {
        self.count += 1;
        self.events.insert((self.now + delay, self.count), event);
    }

    /// Lets `event` happen at `moment`, or now if that has passed.
    pub fn at(&mut self, moment: Moment, event: E) {
        self.count += 1;
        self.events.insert((moment.max(self.now), self.count), event);
    }

    /// The next event not later than `end`; none, and `end` is now.
    pub fn next(&mut self, end: Moment) -> Option<E> {
        let entry = self.events.first_entry()?;
        if entry.key().0 > end {
            self.now = end;
            return None;
        }
        self.now = entry.key().0;
        Some(entry.remove())
    }
}
