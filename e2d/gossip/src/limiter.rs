//! How often the unauthenticated, or the possibly replayed, may make us speak.
//!
//! A fixed number of token buckets, chosen by a hash of whom the answer would go to: constant memory,
//! and a flood of one sender's old greetings does not silence the answers to another.

use crate::fnv::Fnv;
use e2d_core::time::Moment;
use std::hash::{Hash, Hasher as _};
use std::time::Duration;

/// Tokens per bucket, and tokens that come back per second.
const BURST: u32 = 20;
const REFILL: Duration = Duration::from_millis(50);
const SLOTS: usize = 512;

/// One bucket: the moment at which it will be full again. That of an empty one lies a burst ahead.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bucket(Moment);

impl Bucket {
    /// Takes a token, if there is one. `burst` are there at first, and one comes back per `refill`.
    pub(crate) fn take(&mut self, now: Moment, burst: u32, refill: Duration) -> bool {
        let full_at = self.0.max(now);
        let has_token = full_at.since(now) <= refill * (burst - 1);
        if has_token {
            self.0 = full_at + refill;
        }
        has_token
    }
}

/// Buckets by whom they are for.
pub(crate) struct Limiter {
    buckets: Vec<Bucket>,
    seed: u64,
}

impl Limiter {
    pub(crate) fn new(seed: u64) -> Self {
        Self { buckets: vec![Bucket::default(); SLOTS], seed }
    }

    /// Whether `whom` may have one more packet now.
    pub(crate) fn allow(&mut self, now: Moment, whom: impl Hash) -> bool {
        let mut hasher = Fnv::seeded(self.seed);
        whom.hash(&mut hasher);
        self.buckets[hasher.finish() as usize % SLOTS].take(now, BURST, REFILL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut limiter = Limiter::new(1);
        let now = Moment(5_000_000);
        assert_eq!((0..100).filter(|_| limiter.allow(now, 7)).count(), BURST as usize);
        let later = now + Duration::from_millis(500);
        assert_eq!((0..100).filter(|_| limiter.allow(later, 7)).count(), BURST as usize / 2);
        assert!(limiter.allow(now, 8), "another bucket is untouched");
    }
}
