//! How many connections may be open, in all and from one address: so that one stranger keeps nobody else out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts open connections per address; of IPv6, per network, since one machine has a whole one (RFC 4291).
#[derive(Clone, Debug)]
pub struct Places {
    all: usize,
    each: usize,
    open: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

/// The place of one connection: given back when dropped.
#[derive(Debug)]
pub struct Place(Places, IpAddr);

impl Places {
    /// Places for so many connections, in all and from each address.
    #[must_use]
    pub fn new(all: usize, each: usize) -> Self {
        Self { all, each, open: Arc::default() }
    }

    /// A place for a connection from there; `None`: there are too many, and this one is to be closed.
    #[must_use]
    pub fn take(&self, from: IpAddr) -> Option<Place> {
        let from = match from {
            IpAddr::V6(ip) if ip.to_ipv4_mapped().is_none() => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
            other => other,
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= self.all {
            return None;
        }
        let count = open.entry(from).or_default();
        if *count >= self.each {
            return None;
        }
        *count += 1;
        Some(Place(self.clone(), from))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_in_all_and_per_address() {
        let places = Places::new(128, 16);
        let from = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut held: Vec<Place> = (0..100).filter_map(|_| places.take(from("10.0.0.1"))).collect();
        assert_eq!(held.len(), 16);
        held.extend((0..100).filter_map(|n| places.take(from(&format!("2001:db8::{n}")))));
        assert_eq!(held.len(), 32, "one network");
        held.extend((0..200).filter_map(|n| places.take(from(&format!("10.0.1.{n}")))));
        assert_eq!(held.len(), 128);
        assert!(places.take(from("10.0.2.1")).is_none());
        held.clear();
        assert!(places.take(from("10.0.0.1")).is_some());
        assert!(places.open.lock().unwrap().is_empty(), "given back");
    }
}
