//! Machines on a wire of their own, and scissors.
//!
//! Each machine is a [`Namespace`] with the address `10.77.0.N/24`. Their cables (veth pairs) end in a
//! bridge that stands in a namespace itself, the hub: no interface, address, route or rule of the
//! machine that runs the tests is ever made or changed, not even for a moment. So every network may use
//! the same addresses, and tests can run side by side.
//!
//! A cut link drops packets silently, as a broken one does: connections stall, they are not refused.

use crate::namespace::{Namespace, sweep};
use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// Packets from one machine to another that are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cut {
    to: u8,
    from: u8,
    /// The TCP and UDP port at `to`; `None` is every packet.
    port: Option<u16>,
}

/// A hub and machines numbered from 1. They end with the value.
#[derive(Debug)]
pub struct Network {
    // The order of the fields is the order of their ends: machines before the hub.
    machines: Vec<Namespace>,
    hub: Namespace,
    cuts: Mutex<BTreeSet<Cut>>,
}

impl Network {
    /// The number of the hub, wherever a machine's number is taken: its address is `10.77.0.254`.
    pub const HUB: u8 = 254;

    /// Makes a hub and `machines` machines, 1 to 100, all connected.
    ///
    /// # Errors
    ///
    /// The test does not run as root, or `ip` is missing or fails. What was made is removed.
    pub fn new(machines: u8) -> Result<Self> {
        static NETWORKS: AtomicU32 = AtomicU32::new(1);
        ensure!((1..=100).contains(&machines), "a network has 1 to 100 machines, not {machines}");
        ensure!(rustix::process::geteuid().is_root(), "a network namespace takes root: run this test as root");
        sweep()?;
        let network = NETWORKS.fetch_add(1, Ordering::Relaxed);
        let hub = Namespace::new(&format!("{network}-hub"), address(Self::HUB))?;
        hub.ip(&["link", "add", "wire", "type", "bridge"])?;
        hub.ip(&["link", "set", "wire", "up"])?;
        hub.ip(&["addr", "add", &format!("{}/24", hub.address()), "dev", "wire"])?;
        let mut all = Self { machines: Vec::new(), hub, cuts: Mutex::default() };
        for number in 1..=machines {
            let machine = Namespace::new(&format!("{network}-n{number}"), address(number))?;
            let plug = format!("n{number}");
            // Run inside the hub, with the peer named into the machine: neither end is ever outside.
            all.hub.ip(&["link", "add", &plug, "type", "veth", "peer", "name", "eth0", "netns", machine.name()])?;
            all.hub.ip(&["link", "set", &plug, "master", "wire", "up"])?;
            machine.ip(&["addr", "add", &format!("{}/24", machine.address()), "dev", "eth0"])?;
            machine.ip(&["link", "set", "eth0", "up"])?;
            machine.ip(&["route", "add", "default", "via", &all.hub.address().to_string()])?;
            all.machines.push(machine);
        }
        Ok(all)
    }

    /// Machine `number`, from 1; [`Network::HUB`] is the hub, where the test's own clients and stores run.
    ///
    /// # Panics
    ///
    /// There is no such machine.
    #[must_use]
    pub fn node(&self, number: u8) -> &Namespace {
        if number == Self::HUB { &self.hub } else { &self.machines[usize::from(number) - 1] }
    }

    /// Cuts every packet between two machines.
    ///
    /// # Errors
    ///
    /// `nft` is missing or fails.
    pub fn cut(&self, a: u8, b: u8) -> Result<()> {
        self.change(|cuts| cuts.extend([Cut { to: a, from: b, port: None }, Cut { to: b, from: a, port: None }]))
    }

    /// Cuts every packet that goes from one machine to another; the other way stays open.
    ///
    /// # Errors
    ///
    /// `nft` is missing or fails.
    pub fn cut_one_way(&self, from: u8, to: u8) -> Result<()> {
        self.change(|cuts| cuts.extend([Cut { to, from, port: None }]))
    }

    /// Cuts the packets between two machines that go to TCP or UDP `port` at either.
    ///
    /// # Errors
    ///
    /// `nft` is missing or fails.
    pub fn cut_port(&self, a: u8, b: u8, port: u16) -> Result<()> {
        let port = Some(port);
        self.change(|cuts| cuts.extend([Cut { to: a, from: b, port }, Cut { to: b, from: a, port }]))
    }

    /// Cuts the packets that go from one machine to TCP or UDP `port` at another.
    ///
    /// # Errors
    ///
    /// `nft` is missing or fails.
    pub fn cut_port_one_way(&self, from: u8, to: u8, port: u16) -> Result<()> {
        self.change(|cuts| cuts.extend([Cut { to, from, port: Some(port) }]))
    }

    /// Cuts a machine from every other machine. The hub still reaches it, so that a test can look.
    ///
    /// # Errors
    ///
    /// `nft` is missing or fails.
    pub fn isolate(&self, number: u8) -> Result<()> {
        let others = (1..).take(self.machines.len()).filter(|other| *other != number);
        let both = others.flat_map(|other| {
            [Cut { to: number, from: other, port: None }, Cut { to: other, from: number, port: None }]
        });
        self.change(|cuts| cuts.extend(both))
    }

    /// Undoes every cut between two machines, whichever way and port.
    ///
    /// # Errors
    ///
    /// `nft` fails.
    pub fn heal(&self, a: u8, b: u8) -> Result<()> {
        self.change(|cuts| cuts.retain(|cut| (cut.to, cut.from) != (a, b) && (cut.to, cut.from) != (b, a)))
    }

    /// Undoes every cut.
    ///
    /// # Errors
    ///
    /// `nft` fails.
    pub fn heal_all(&self) -> Result<()> {
        self.change(BTreeSet::clear)
    }

    /// Changes the wanted cuts and makes the packet filters say the same.
    fn change(&self, change: impl FnOnce(&mut BTreeSet<Cut>)) -> Result<()> {
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        let before = cuts.clone();
        change(&mut cuts);
        let touched: BTreeSet<u8> = before.symmetric_difference(&cuts).map(|cut| cut.to).collect();
        touched.into_iter().try_for_each(|number| self.node(number).filter(&ruleset(number, &cuts)))
    }
}

/// The address of machine `number`.
fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, number)
}

/// What the packet filter of machine `to` must hold, whatever it held before.
///
/// Packets are dropped where they arrive: the sender cannot tell.
fn ruleset(to: u8, cuts: &BTreeSet<Cut>) -> String {
    let mut rules = String::new();
    for cut in cuts.iter().filter(|cut| cut.to == to) {
        let from = address(cut.from);
        // Writing into a string cannot fail.
        let _ = match cut.port {
            None => writeln!(rules, "ip saddr {from} drop"),
            Some(port) => writeln!(rules, "ip saddr {from} meta l4proto {{ tcp, udp }} th dport {port} drop"),
        };
    }
    let chain = format!("chain arriving {{ type filter hook input priority 0; policy accept;\n{rules}}}");
    format!("table inet e2d\ndelete table inet e2d\ntable inet e2d {{\n{chain}\n}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_drops_only_what_is_cut_towards_it() {
        let cuts = BTreeSet::from([
            Cut { to: 1, from: 2, port: None },
            Cut { to: 1, from: Network::HUB, port: Some(2380) },
            Cut { to: 2, from: 1, port: None },
        ]);
        let rules = ruleset(1, &cuts);
        let drops: Vec<&str> = rules.lines().filter(|line| line.ends_with("drop")).collect();
        let from_hub = "ip saddr 10.77.0.254 meta l4proto { tcp, udp } th dport 2380 drop";
        assert_eq!(drops, ["ip saddr 10.77.0.2 drop", from_hub]);
        assert!(!ruleset(3, &cuts).contains("drop"));
    }
}
