//! Who may listen where, and with which keys (S18).
//!
//! A [`Network`] can only be built closed: every address is loopback, or there are keys, or the operator
//! said `--insecure`. Files are named here, not opened.

use super::key::Decl;
use super::keys;
use super::problem::{Origin, Problem};
use camino::Utf8PathBuf;
use e2d_pki::SecretSource;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A certificate and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// A file of PEM certificates, the leaf first.
    pub cert: Utf8PathBuf,
    /// A file with the private key, in PEM.
    pub key: Utf8PathBuf,
}

/// Where gossip's keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GossipKeys {
    /// Seals what this node sends, and opens.
    pub seal: SecretSource,
    /// Only opens, while keys rotate.
    pub open: Option<SecretSource>,
}

/// The files of mutual TLS and of gossip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Certificates of the etcd authority.
    pub ca_cert: Utf8PathBuf,
    /// Towards etcd's clients and the admin API's.
    pub server: KeyPair,
    /// Among etcd's peers.
    pub peer: KeyPair,
    /// Gossip.
    pub gossip: GossipKeys,
}

/// How this node is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Security {
    /// No keys: nobody but this machine can reach it.
    Loopback,
    /// No keys, and the operator accepts that everybody can reach it.
    Insecure,
    /// Gossip is sealed; etcd and the admin API take mutual TLS.
    Keys(Keys),
}

impl Security {
    /// The files of keys, if there are any.
    #[must_use]
    pub fn keys(&self) -> Option<&Keys> {
        match self {
            Self::Keys(keys) => Some(keys),
            Self::Loopback | Self::Insecure => None,
        }
    }
}

/// How metrics are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsTransport {
    /// HTTP.
    Plain,
    /// HTTPS that asks for a client's certificate.
    MutualTls,
}

/// A service's address, and what is to blame for it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The service's key.
    pub(super) service: &'static Decl,
    /// The key that its host was said by: its own or `host`.
    pub(super) blame: (&'static Decl, Origin),
    pub(super) address: SocketAddr,
}

/// The five services, in this order.
pub(super) const SERVICES: [&super::key::Key<super::address::Listen>; 5] =
    [&keys::CLIENT_ADDR, &keys::PEER_ADDR, &keys::GOSSIP_ADDR, &keys::ADMIN_ADDR, &keys::METRICS_ADDR];

/// Every address of this node, closed by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    host: IpAddr,
    addresses: [SocketAddr; 5],
    metrics_transport: MetricsTransport,
    security: Security,
}

impl Network {
    /// Checks that nothing is open that should not be, and that no two services share an address.
    pub(super) fn new(
        host: IpAddr,
        places: &[Place; 5],
        keys: Option<Keys>,
        insecure: bool,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if keys.is_none() && !insecure {
            problems.extend(beyond_loopback(places));
        }
        problems.extend(same_address(places));
        if !problems.is_empty() {
            return Err(problems);
        }
        let addresses = places.each_ref().map(|place| place.address);
        let plain = keys.is_none() || insecure || addresses[4].ip().is_loopback();
        Ok(Self {
            host,
            addresses,
            metrics_transport: if plain { MetricsTransport::Plain } else { MetricsTransport::MutualTls },
            security: match keys {
                Some(keys) => Security::Keys(keys),
                None if insecure => Security::Insecure,
                None => Security::Loopback,
            },
        })
    }

    /// The address that the other nodes reach this one by.
    #[must_use]
    pub fn host(&self) -> IpAddr {
        self.host
    }

    /// Where etcd's clients are told to go.
    #[must_use]
    pub fn client(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Where etcd listens for clients: on [`Self::client`], and on 127.0.0.1 if that is not loopback.
    #[must_use]
    pub fn client_listen(&self) -> Vec<SocketAddr> {
        client_listen(self.client())
    }

    /// Where etcd's peers reach it.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.addresses[1]
    }

    /// Where gossip listens, by UDP and TCP.
    #[must_use]
    pub fn gossip(&self) -> SocketAddr {
        self.addresses[2]
    }

    /// Where the admin API listens.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.addresses[3]
    }

    /// Where metrics are served.
    #[must_use]
    pub fn metrics(&self) -> SocketAddr {
        self.addresses[4]
    }

    /// How metrics are served.
    #[must_use]
    pub fn metrics_transport(&self) -> MetricsTransport {
        self.metrics_transport
    }

    /// How all but metrics are protected.
    #[must_use]
    pub fn security(&self) -> &Security {
        &self.security
    }
}

fn client_listen(client: SocketAddr) -> Vec<SocketAddr> {
    let local = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), client.port());
    if client.ip().is_loopback() { vec![client] } else { vec![client, local] }
}

/// One problem for each key that opens something, however many services it opens.
fn beyond_loopback(places: &[Place]) -> Vec<Problem> {
    let mut blamed: Vec<&'static str> = Vec::new();
    let mut problems = Vec::new();
    for place in places.iter().filter(|place| !place.address.ip().is_loopback()) {
        let (key, origin) = &place.blame;
        if !blamed.contains(&key.name) {
            blamed.push(key.name);
            let own = key.name == place.service.name;
            let address = if own { place.address.to_string() } else { place.address.ip().to_string() };
            problems.push(Problem::BeyondLoopback { key, origin: origin.clone(), address });
        }
    }
    problems
}

fn same_address(places: &[Place; 5]) -> Vec<Problem> {
    let [client, others @ ..] = places;
    let mut taken: Vec<_> =
        client_listen(client.address).into_iter().map(|address| (address, client.service)).collect();
    let mut problems = Vec::new();
    for place in others {
        match taken.iter().find(|(address, _)| *address == place.address) {
            Some((address, first)) => {
                problems.push(Problem::SameAddress { first, second: place.service, address: address.to_string() });
            }
            None => taken.push((place.address, place.service)),
        }
    }
    problems
}
