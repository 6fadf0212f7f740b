//! What an engine is told when it is made, and how foca is tuned by it.
//!
//! The defaults keep T3: with three nodes and no loss a death is noticed by all within 3 s at p95.
//! `examples/detection.rs` measures it; `docs/adr/0005-gossip-wire-and-keys.md` has the numbers.

use crate::keys::{KeyError, Keyring};
use e2d_core::id::{BootId, NodeId};
use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

/// Who this process is and how it speaks.
#[derive(Clone)]
pub struct Settings {
    /// The node: the identity of its data directory.
    pub node: NodeId,
    /// This run of the process: fresh at every start, and not 0. Two runs under one boot id would repeat
    /// nonces.
    pub boot: BootId,
    /// Where others reach us by UDP and TCP: a concrete address and port.
    pub addr: SocketAddr,
    /// With which keys packets are sealed and opened.
    pub keys: Keyring,
    /// How fast and how patient.
    pub timing: Timing,
}

/// Why an engine could not be made. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// 0 means "no process" on the wire.
    #[error("boot id 0 is reserved")]
    ZeroBoot,
    /// Nobody could answer us.
    #[error("{0} cannot be advertised: peers need a concrete address and port")]
    Address(SocketAddr),
    /// See the source.
    #[error("no packet could be sealed")]
    Key(#[from] KeyError),
}

/// The pace of failure detection. All nodes of a cluster should agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How often some peer is probed. Shorter finds deaths faster and costs packets: about four per
    /// period. At least twice `probe_rtt`; default 500 ms.
    pub probe_period: Duration,
    /// How long a probed peer may take to answer before others are asked to probe it. Above the 99th
    /// percentile of the network's round trip; default 200 ms. The ping is
    /// repeated thrice in that time, and until it is answered or the period ends.
    pub probe_rtt: Duration,
    /// How long a suspect has to refute in a cluster of up to ten; larger ones give more, by the
    /// logarithm of their size. Default 1 s.
    pub suspicion: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            probe_period: Duration::from_millis(500),
            probe_rtt: Duration::from_millis(200),
            suspicion: Duration::from_secs(1),
        }
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        if self.boot.0 == 0 {
            return Err(SettingsError::ZeroBoot);
        }
        if self.addr.ip().is_unspecified() || self.addr.ip().is_multicast() || self.addr.port() == 0 {
            return Err(SettingsError::Address(self.addr));
        }
        Ok(())
    }
}

impl Timing {
    /// The nearest that foca can work with: it needs a period of more than a round trip, and no zeros.
    pub(crate) fn made_possible(self) -> Self {
        let least = Duration::from_millis(3);
        let probe_rtt = self.probe_rtt.max(least);
        let probe_period = self.probe_period.max(probe_rtt * 2);
        Self { probe_period, probe_rtt, suspicion: self.suspicion.max(least) }
    }

    /// How foca should behave among `members` others.
    pub(crate) fn swim(&self, members: usize, max_packet_bytes: NonZeroUsize) -> foca::Config {
        let decades = (members.max(9) as f64 + 1.0).log10();
        let mut config = foca::Config::simple();
        config.probe_period = self.probe_period;
        config.probe_rtt = self.probe_rtt;
        // All others of a cluster of five.
        config.num_indirect_probes = at_least_one(4);
        // Enough for an epidemic at 10 % loss; memberlist's multiplier is 4 per decade.
        config.max_transmissions = NonZeroU8::new((decades * 6.0) as u8).unwrap_or(NonZeroU8::MIN);
        config.suspect_to_down_after = self.suspicion.mul_f64(decades);
        // The engine forgets the dead by itself, and greets them to heal partitions.
        config.remove_down_after = None;
        config.periodic_announce_to_down_members = None;
        config.max_packet_size = max_packet_bytes;
        config.notify_down_members = true;
        // Members that were missed are found by the engine's own comparison.
        config.periodic_announce = None;
        // Rumours are told by the engine, while there are any.
        config.periodic_gossip = None;
        config
    }
}

fn at_least_one(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN)
}
