//! From what was said to a configuration, once.
//!
//! [`parse`] is a function of what was said and nothing else: it reads no file, no clock and no
//! network. [`Draft::settle`] adds the one thing that only the machine knows, its own address. All
//! problems that one of the two can see are reported together.

mod parts;
mod reader;

use super::address::Listen;
use super::given::Given;
use super::keys;
use super::network::{Keys, Network, Place, SERVICES};
use super::problem::{Origin, Problem, Refused, Warning};
use super::route::RouteError;
use super::value::{Label, Size};
use super::{Cluster, Config, Etcd, Health, Log, Reach, Site, Snapshots};
use reader::{Noted, Read, Reader};
use std::net::{IpAddr, Ipv4Addr};

/// A configuration that lacks only this machine's own address.
#[derive(Debug, Clone)]
pub struct Draft {
    host: Option<(IpAddr, Origin)>,
    listen: [(Listen, Origin); 5],
    keys: Option<Keys>,
    insecure: bool,
    site: Site,
    label: Option<Label>,
    cluster: Cluster,
    health: Health,
    etcd: Etcd,
    snapshots: Snapshots,
    log: Log,
    warnings: Vec<Warning>,
}

/// Understands everything that was said.
pub fn parse(given: &Given) -> Result<Draft, Refused> {
    let mut reader = Reader::new(given)?;
    let draft = draft(&mut reader);
    for key in keys::UNSUPPORTED {
        // What it says, if it is allowed at all, is what is so anyway.
        let _ = reader.optional(key);
    }
    let draft = reader.finish(draft)?;
    Ok(Draft { warnings: given.unknown_variables(), ..draft })
}

/// Understands only where this node's data, store and programs are, for the verbs that work beside
/// the daemon or without it. What else was said is not looked at.
pub fn site(given: &Given) -> Result<Site, Refused> {
    let mut reader = Reader::new(given)?;
    let site = reader.one(&keys::REQUIRED_CLUSTER_SIZE).and_then(|(size, _)| reader.site(size));
    reader.finish(site)
}

/// Understands only how clients reach this node's etcd, for the verbs that work beside the daemon or
/// without it. What else was said is not looked at.
pub fn reach(given: &Given) -> Result<Reach, Refused> {
    let mut reader = Reader::new(given)?;
    let site = reader.one(&keys::REQUIRED_CLUSTER_SIZE).and_then(|(size, _)| reader.site(size));
    let reach = reader.reach(site);
    reader.finish(reach)
}

fn draft(reader: &mut Reader<'_>) -> Read<Draft> {
    // Everything is read before anything is given up, so that all problems are found.
    let host = reader.optional(&keys::HOST);
    let listen = SERVICES.map(|key| reader.one(key));
    let keys = reader.keys();
    let insecure = reader.one(&keys::INSECURE);
    let cluster = reader.cluster();
    let site = reader.site(cluster.as_ref().map_or(Size::One, Cluster::size));
    let label = reader.optional(&keys::NAME);
    let health = reader.health();
    let etcd = reader.etcd();
    let snapshots = reader.snapshots();
    let log = reader.log();
    let [Ok(client), Ok(peer), Ok(gossip), Ok(admin), Ok(metrics)] = listen else {
        return Err(Noted);
    };
    Ok(Draft {
        host: host?,
        listen: [client, peer, gossip, admin, metrics],
        keys: keys?,
        insecure: insecure?.0,
        site: site?,
        label: label?.map(|(label, _)| label),
        cluster: cluster?,
        health: health?,
        etcd: etcd?,
        snapshots: snapshots?,
        log: log?,
        warnings: Vec::new(),
    })
}

impl Draft {
    /// How to log; needed before anything else can be told.
    #[must_use]
    pub fn log(&self) -> Log {
        self.log
    }

    /// What is odd about what was said.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Adds this machine's own address, and checks that nothing is open that should not be (S18).
    /// `default_route` is asked only if there are keys and no `--host`.
    pub fn settle(self, default_route: impl FnOnce() -> Result<IpAddr, RouteError>) -> Result<Config, Refused> {
        let (host, host_origin) = match (self.host, &self.keys) {
            (Some(said), _) => said,
            (None, None) => (IpAddr::V4(Ipv4Addr::LOCALHOST), Origin::Default),
            (None, Some(_)) => (default_route().map_err(Problem::NoHost)?, Origin::Default),
        };
        let places = std::array::from_fn(|i| {
            let (service, (listen, origin)) = (&SERVICES[i].decl, &self.listen[i]);
            let blame = match listen.ip {
                Some(_) => (service, origin.clone()),
                None => (&keys::HOST.decl, host_origin.clone()),
            };
            Place { service, blame, address: listen.on(host) }
        });
        let network = Network::new(host, &places, self.keys, self.insecure).map_err(|problems| Refused { problems })?;
        Ok(Config {
            site: self.site,
            label: self.label,
            cluster: self.cluster,
            network,
            health: self.health,
            etcd: self.etcd,
            snapshots: self.snapshots,
            log: self.log,
        })
    }
}
