//! An operator's order to change nothing by itself: how it travels, how long it lasts, which one counts.
//!
//! It is told by gossip and kept on every disk. It carries the time that *remains*, and each node counts
//! that down on its own monotonic clock, so that no wall clock matters. Of two orders the later counts: a
//! release is a later order for no time at all. Of one order heard twice the shorter rest counts, so that
//! no copy of it, however old, makes it last longer. A hold that nobody releases ends by itself.

use crate::memory;
use crate::observe::Hold;
use crate::time::Moment;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest hold.
pub const LONGEST: Duration = Duration::from_hours(24 * 365);
/// The longest reason, in characters.
pub const MAX_REASON: usize = 200;
/// What is told and written is rounded up to this, so that it changes once in a while only. A node that
/// hears of the hold first, or was away meanwhile, may hold for so much longer.
pub const GRAIN: Duration = Duration::from_mins(1);

/// One order, as it is written and told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Counts the orders of this cluster: above every one that its issuer knew.
    pub issue: u64,
    /// Random: tells two orders apart that were issued at once.
    pub nonce: u64,
    /// Why; empty for a release.
    pub reason: String,
    /// What remains of it.
    pub millis: u64,
}

impl Order {
    /// Which of two orders counts. Of two that were issued at once a hold counts before a release.
    fn rank(&self) -> (u64, bool, u64) {
        (self.issue, !self.reason.is_empty(), self.nonce)
    }

    /// Writes the order, for the disk and for the others.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        memory::encode(self)
    }

    /// Reads an order.
    pub fn decode(bytes: &[u8]) -> Result<Self, memory::DecodeError> {
        let order: Self = memory::decode(bytes)?;
        let malformed = |what: &str| Err(memory::DecodeError::Malformed(what.to_owned()));
        if order.reason.chars().count() > MAX_REASON || order.reason.chars().any(char::is_control) {
            return malformed("a reason that nobody could have given");
        }
        if Duration::from_millis(order.millis) > LONGEST {
            return malformed("a hold of more than a year");
        }
        Ok(order)
    }
}

/// The order that counts on this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    order: Option<Order>,
    until: Moment,
}

impl Standing {
    /// Takes in an order that was read or heard. Returns whether it counts now and did not before.
    pub fn take(&mut self, order: Order, now: Moment) -> bool {
        let until = now + Duration::from_millis(order.millis);
        match &self.order {
            Some(known) if known.rank() > order.rank() => false,
            Some(known) if known.rank() == order.rank() => {
                self.until = self.until.min(until);
                false
            }
            _ => {
                (self.order, self.until) = (Some(order), until);
                true
            }
        }
    }

    /// Issues a hold for `span`, or a release if `reason` is empty, later than all that is known here.
    pub fn issue(&mut self, nonce: u64, reason: &str, span: Duration, now: Moment) {
        let issue = self.order.as_ref().map_or(0, |order| order.issue).saturating_add(1);
        let span = if reason.is_empty() { Duration::ZERO } else { span.min(LONGEST) };
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.take(Order { issue, nonce, reason: reason.to_owned(), millis }, now);
    }

    /// The hold that is in force.
    #[must_use]
    pub fn hold(&self, now: Moment) -> Option<Hold> {
        let order = self.order.as_ref()?;
        let remaining = self.until.since(now);
        (!remaining.is_zero()).then(|| Hold { reason: order.reason.clone(), remaining })
    }

    /// The order as it is to be written and told now.
    #[must_use]
    pub fn told(&self, now: Moment) -> Option<Order> {
        let grains = self.until.since(now).as_millis().div_ceil(GRAIN.as_millis());
        let millis = u64::try_from(grains * GRAIN.as_millis()).unwrap_or(u64::MAX);
        self.order.clone().map(|order| Order { millis: millis.min(order.millis), ..order })
    }
}

#[cfg(test)]
mod tests;
