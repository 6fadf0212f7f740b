//! Timers as data: what is due when, in a fixed order.

use crate::identity::Identity;
use e2d_core::time::Moment;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// What to do when a moment has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Timer {
    /// foca's own.
    Swim(foca::Timer<Identity>),
    /// Tell what foca has to tell, should it still have.
    Rumours,
    /// Ping the probed peer once more, should nothing have been heard from it.
    PingAgain,
    /// Greet an address again, if there is still a reason to.
    Ask(SocketAddr),
    /// Compare items with some peer.
    Digest,
    /// Forget what is old.
    Sweep,
}

/// Timers by due moment; those due at the same moment in the order in which they were set.
#[derive(Default)]
pub(crate) struct Timers {
    queue: BTreeMap<(Moment, u64), Timer>,
    set: u64,
}

impl Timers {
    pub(crate) fn set(&mut self, due: Moment, timer: Timer) {
        self.set += 1;
        self.queue.insert((due, self.set), timer);
    }

    /// When the first is due.
    pub(crate) fn first(&self) -> Option<Moment> {
        self.queue.first_key_value().map(|((due, _), _)| *due)
    }

    /// Takes the first that is due by `now`.
    pub(crate) fn pop(&mut self, now: Moment) -> Option<Timer> {
        let first = self.queue.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// Takes every timer of this kind back.
    pub(crate) fn unset(&mut self, timer: &Timer) {
        self.queue.retain(|_, set| set != timer);
    }

    /// Moves everything `by` later.
    pub(crate) fn delay(&mut self, by: Duration) {
        self.queue = std::mem::take(&mut self.queue).into_iter().map(|((due, n), t)| ((due + by, n), t)).collect();
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }
}
