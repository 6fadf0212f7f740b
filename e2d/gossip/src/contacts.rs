//! Addresses that are to be greeted, and how often.
//!
//! Seeds are greeted until each is a live peer, and the dead as long as they are remembered, so that
//! whoever comes back, and whatever partition heals, is found without anybody's help. Fast at first,
//! because nodes start together; then with backoff, and slower the more addresses are silent.

use e2d_core::time::Moment;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// The most seeds; what a caller gives beyond is ignored.
pub(crate) const MAX_SEEDS: usize = 256;

/// No address is greeted twice within this.
const MIN_GAP: Duration = Duration::from_millis(50);

const FIRST: Duration = Duration::from_millis(100);
/// How often a seed is greeted at the first pace: for some ten seconds.
const FAST_TRIES: u32 = 100;
const SEED_CAP: Duration = Duration::from_secs(2);
const ALIAS_PAUSE: Duration = Duration::from_secs(10);
const DEAD_FIRST: Duration = Duration::from_secs(1);
const DEAD_CAP: Duration = Duration::from_secs(3);
/// So many silent addresses are greeted at full pace; with more, each waits longer.
const AT_FULL_PACE: u32 = 16;

/// Why an address is greeted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A seed that is no live peer.
    Seed,
    /// A peer held dead.
    Dead,
    /// A live peer that has not yet shown itself to us; greeted in small clusters only.
    Unmet,
    /// Something waits to be sent there.
    Delivery,
    /// A seed whose process advertises another address, as it seems.
    Alias,
}

#[derive(Default)]
struct Asked {
    tries: u32,
    last: Option<Moment>,
}

#[derive(Default)]
pub(crate) struct Contacts {
    seeds: BTreeSet<SocketAddr>,
    /// Seeds whose process advertises another address.
    aliases: BTreeMap<SocketAddr, SocketAddr>,
    /// Those with a timer set.
    asked: BTreeMap<SocketAddr, Asked>,
}

impl Contacts {
    pub(crate) fn set_seeds(&mut self, seeds: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
        self.seeds = seeds.into_iter().take(MAX_SEEDS).collect();
        self.aliases.retain(|alias, _| self.seeds.contains(alias));
        self.seeds.iter().copied().collect()
    }

    pub(crate) fn is_seed(&self, addr: SocketAddr) -> bool {
        self.seeds.contains(&addr)
    }

    /// The seeds that lead to `addr`.
    pub(crate) fn seeds_of(&self, addr: SocketAddr) -> Vec<SocketAddr> {
        self.seeds.iter().copied().filter(|seed| self.target(*seed) == addr).collect()
    }

    /// Where a seed leads.
    pub(crate) fn target(&self, addr: SocketAddr) -> SocketAddr {
        self.aliases.get(&addr).copied().unwrap_or(addr)
    }

    /// Whoever is at the seed advertises `target`.
    pub(crate) fn alias(&mut self, seed: SocketAddr, target: SocketAddr) {
        if self.seeds.contains(&seed) {
            self.aliases.insert(seed, target);
        }
    }

    /// Whoever is at the address advertises it.
    pub(crate) fn forget_alias(&mut self, addr: SocketAddr) {
        self.aliases.remove(&addr);
    }

    /// The process at `target` is dead: somebody else may be at the seeds that led there.
    pub(crate) fn forget_aliases_of(&mut self, target: SocketAddr) {
        self.aliases.retain(|_, to| *to != target);
    }

    /// Whether the address needs a timer; it is taken to have one from now on.
    pub(crate) fn start(&mut self, addr: SocketAddr) -> bool {
        let is_new = !self.asked.contains_key(&addr);
        self.asked.entry(addr).or_default();
        is_new
    }

    pub(crate) fn stop(&mut self, addr: SocketAddr) {
        self.asked.remove(&addr);
    }

    /// Whether the address may be greeted now; it is taken to be greeted.
    pub(crate) fn greet(&mut self, addr: SocketAddr, now: Moment) -> bool {
        let Some(asked) = self.asked.get_mut(&addr) else { return true };
        let may = asked.last.is_none_or(|last| now.since(last) >= MIN_GAP);
        if may {
            asked.last = Some(now);
        }
        may
    }

    /// How long to wait before the next greeting, before jitter.
    pub(crate) fn pause(&mut self, addr: SocketAddr, why: Reason) -> Duration {
        let crowd = 1 + self.asked.len() as u32 / AT_FULL_PACE;
        let Some(asked) = self.asked.get_mut(&addr) else { return SEED_CAP };
        asked.tries = asked.tries.saturating_add(1);
        let backoff = |first: Duration, after: u32, cap: Duration| {
            let steps = asked.tries.saturating_sub(after).min(32);
            (0..steps).fold(first, |pause, _| (pause * 3 / 2).min(cap))
        };
        match why {
            Reason::Delivery | Reason::Unmet => FIRST,
            Reason::Seed => backoff(FIRST, FAST_TRIES, SEED_CAP) * crowd,
            Reason::Alias => ALIAS_PAUSE * crowd,
            Reason::Dead => backoff(DEAD_FIRST, 5, DEAD_CAP) * crowd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_asked_fast_then_slower_and_for_ever() {
        let mut contacts = Contacts::default();
        let addr = SocketAddr::from(([10, 0, 0, 1], 7980));
        contacts.set_seeds([addr]);
        assert!(contacts.start(addr) && !contacts.start(addr));
        let pauses: Vec<_> = (0..500).map(|_| contacts.pause(addr, Reason::Seed)).collect();
        assert!(pauses[..100].iter().all(|pause| *pause == FIRST));
        assert!(pauses.is_sorted());
        assert_eq!(pauses[499], SEED_CAP);
    }

    #[test]
    fn many_silent_addresses_are_each_asked_less_often() {
        let mut contacts = Contacts::default();
        let addr = |n: u8| SocketAddr::from(([10, 0, 0, n], 7980));
        for n in 0..160 {
            contacts.start(addr(n));
        }
        assert_eq!(contacts.pause(addr(0), Reason::Dead), DEAD_FIRST * 11);
    }
}
