//! The machine's own address: that of the default route's interface.
//!
//! The kernel is asked which address it would send from, by connecting a UDP socket, which sends
//! nothing. So the answer follows the kernel's own choice among several interfaces and addresses,
//! where the old program took the first that it met. It is the only step of configuration that
//! touches the network, and it is taken only when keys are given and `--host` is not.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Addresses for documentation (RFC 5737, RFC 3849): no interface has them, so only a default route
/// leads there.
const ELSEWHERE: [(IpAddr, IpAddr); 2] = [
    (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
];

/// Why there is no such address. Nothing was changed; it may be there later.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// The kernel knows no way out.
    #[error("there is no default route")]
    NoRoute(#[source] io::Error),
    /// The kernel would send from an address that nobody else can reach.
    #[error("the default route's address is {0}, which no other machine can reach")]
    Unreachable(IpAddr),
}

/// The address that packets to elsewhere leave from: IPv4 if there is one, else IPv6.
pub fn default_route_address() -> Result<IpAddr, RouteError> {
    let [v4, v6] = ELSEWHERE;
    let ip = source_address(v4).or_else(|error| source_address(v6).map_err(|_| error)).map_err(RouteError::NoRoute)?;
    if ip.is_loopback() || ip.is_unspecified() { Err(RouteError::Unreachable(ip)) } else { Ok(ip) }
}

fn source_address((from, to): (IpAddr, IpAddr)) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind(SocketAddr::new(from, 0))?;
    // The discard port; nothing is sent to it.
    socket.connect(SocketAddr::new(to, 9))?;
    Ok(socket.local_addr()?.ip())
}
