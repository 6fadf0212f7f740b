//! Payloads that wait until the process at an address has shown that it is alive.
//!
//! Bounded in addresses, in payloads per address, in bytes and in time; what does not fit is dropped,
//! as a datagram would be.

use crate::identity::Peer;
use e2d_core::id::BootId;
use e2d_core::time::Moment;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

const MAX_ADDRESSES: usize = 512;
const MAX_PER_ADDRESS: usize = 16;
const MAX_BYTES: usize = 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(2);

struct Parcel {
    /// Only for this process, or for whoever is there.
    boot: Option<BootId>,
    payload: Vec<u8>,
    until: Moment,
}

#[derive(Default)]
pub(crate) struct Waiting {
    parcels: BTreeMap<SocketAddr, Vec<Parcel>>,
    bytes: usize,
}

impl Waiting {
    /// Keeps a payload; false when there is no room.
    pub(crate) fn push(&mut self, to: SocketAddr, boot: Option<BootId>, payload: Vec<u8>, now: Moment) -> bool {
        let count = self.parcels.get(&to).map(Vec::len);
        let has_room = count.map_or(self.parcels.len() < MAX_ADDRESSES, |count| count < MAX_PER_ADDRESS);
        if !has_room || self.bytes + payload.len() > MAX_BYTES {
            return false;
        }
        self.bytes += payload.len();
        self.parcels.entry(to).or_default().push(Parcel { boot, payload, until: now + PATIENCE });
        true
    }

    /// Takes what waits for this process, and drops what waited for another one there.
    pub(crate) fn take(&mut self, peer: Peer, now: Moment) -> Vec<Vec<u8>> {
        let parcels = self.parcels.remove(&peer.addr).unwrap_or_default();
        self.bytes -= parcels.iter().map(|parcel| parcel.payload.len()).sum::<usize>();
        let is_for_peer = |parcel: &Parcel| parcel.until > now && parcel.boot.is_none_or(|boot| boot == peer.boot);
        parcels.into_iter().filter(is_for_peer).map(|parcel| parcel.payload).collect()
    }

    /// What waits for one address waits for another: they lead to the same process.
    pub(crate) fn redirect(&mut self, from: SocketAddr, to: SocketAddr) {
        if let Some(parcels) = self.parcels.remove(&from) {
            self.parcels.entry(to).or_default().extend(parcels);
        }
    }

    pub(crate) fn is_waiting(&self, addr: SocketAddr, now: Moment) -> bool {
        self.parcels.get(&addr).is_some_and(|parcels| parcels.iter().any(|parcel| parcel.until > now))
    }

    /// Drops what has waited for too long.
    pub(crate) fn expire(&mut self, now: Moment) {
        for parcels in self.parcels.values_mut() {
            parcels.retain(|parcel| parcel.until > now);
        }
        self.parcels.retain(|_, parcels| !parcels.is_empty());
        self.bytes = self.parcels.values().flatten().map(|parcel| parcel.payload.len()).sum();
    }
}
