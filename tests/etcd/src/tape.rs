//! A tape of what machines say to one another by gossip, and a player.
//!
//! The hub is the wire, so whoever stands there hears everything and can send anything, with any sender's
//! address.

use crate::cluster::Cluster;
use anyhow::{Context as _, Result};
use e2d_testkit::Network;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto};
use rustix::net::{recv, sendto, socket_with};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Where gossip listens.
pub(crate) const GOSSIP: u16 = 7980;
/// Every kind of packet, in network order: a bridge takes the others away before a socket sees them.
const ETH_P_ALL: u32 = 0x0300;
const UDP: u8 = 17;
const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;

/// Datagrams of gossip, as they were on the wire.
#[derive(Debug)]
pub struct Tape(Vec<Vec<u8>>);

impl Tape {
    /// How many different datagrams it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any datagram holds this text, as it is.
    #[must_use]
    pub fn shows(&self, text: &str) -> bool {
        self.0.iter().any(|packet| packet.windows(text.len()).any(|window| window == text.as_bytes()))
    }
}

/// Records until it is stopped.
#[derive(Debug)]
pub struct Recorder {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Tape>>,
}

impl Recorder {
    /// What was said since the start.
    pub fn stop(self) -> Result<Tape> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the recorder panicked"))?
    }
}

fn record(over: &AtomicBool) -> Result<Tape> {
    let protocol = NonZeroU32::new(ETH_P_ALL).map(Protocol::from_raw);
    let wire = socket_with(AddressFamily::PACKET, SocketType::DGRAM, SocketFlags::CLOEXEC, protocol)?;
    set_socket_timeout(&wire, Timeout::Recv, Some(Duration::from_millis(100)))?;
    let (mut heard, mut packets) = (BTreeSet::new(), Vec::new());
    let mut buffer = vec![0; 65_536];
    while !over.load(Ordering::Relaxed) {
        // An error is the end of this pause between two packets.
        let Ok((_, length)) = recv(&wire, buffer.as_mut_slice(), RecvFlags::empty()) else { continue };
        let packet = &buffer[..length.min(buffer.len())];
        // Each passes two plugs of the bridge.
        if is_gossip(packet) && heard.insert(packet.to_vec()) {
            packets.push(packet.to_vec());
        }
    }
    Ok(Tape(packets))
}

impl Cluster {
    /// Starts to record what goes over the wire.
    #[must_use]
    pub fn record(&self) -> Recorder {
        let (network, stop) = (self.network.clone(), Arc::new(AtomicBool::new(false)));
        let over = stop.clone();
        let thread = std::thread::spawn(move || network.node(Network::HUB).inside(|| record(&over))?);
        Recorder { stop, thread }
    }

    /// Sends every datagram of a tape again, to whom it was sent, in the name of who sent it.
    pub fn play(&self, tape: &Tape) -> Result<()> {
        let hub = self.network.node(Network::HUB);
        hub.inside(|| -> Result<()> {
            let raw = socket_with(AddressFamily::INET, SocketType::RAW, SocketFlags::CLOEXEC, Some(ipproto::RAW))?;
            for packet in &tape.0 {
                let mut packet = packet.clone();
                // The sum on the wire is unfinished between two ends of one machine; zero is "none".
                packet[IP_HEADER + 6..IP_HEADER + UDP_HEADER].fill(0);
                let to = Ipv4Addr::new(packet[16], packet[17], packet[18], packet[19]);
                sendto(&raw, &packet, SendFlags::empty(), &SocketAddrV4::new(to, 0)).context("cannot play a tape")?;
            }
            Ok(())
        })?
    }
}

/// Whether it is an IPv4 datagram to the port of gossip.
fn is_gossip(packet: &[u8]) -> bool {
    packet.len() > IP_HEADER + UDP_HEADER
        && packet[0] == 0x45
        && packet[9] == UDP
        && u16::from_be_bytes([packet[IP_HEADER + 2], packet[IP_HEADER + 3]]) == GOSSIP
}
