//! Configuration: what the operator said, resolved once into values that cannot contradict themselves.
//!
//! Flags come before `E2D_*` variables, those before `--config FILE`, that before defaults. One table,
//! [`keys`], declares every key. [`parse`] understands what was [`Given`]; [`Draft::settle`] adds this
//! machine's address. What is wrong is a [`Problem`] with its key, its place, its value and a hint
//! (S22); what this version does not do is refused, never ignored. Nothing here opens a file that a
//! value names, and nothing opens a port.

pub mod address;
pub mod bytes;
mod etcd_arg;
mod file;
mod given;
pub mod key;
pub mod keys;
mod network;
mod problem;
pub mod reference;
mod resolve;
mod route;
pub mod span;
mod spelling;
pub mod store;
pub mod value;

pub use file::{ConfigFile, MAX_SIZE_BYTES};
pub use given::Given;
pub use network::{GossipKeys, KeyPair, Keys, MetricsTransport, Network, Security};
pub use problem::{Fault, Origin, Problem, Refused, Warning};
pub use resolve::{Draft, parse, reach, site};
pub use route::{RouteError, default_route_address};

use address::Seed;
use camino::Utf8PathBuf;
use e2d_etcd::launch::Extra;
use std::net::IpAddr;
use std::time::Duration;
use store::StoreUrl;
use value::{Label, LogFormat, LogLevel, Size};

/// Everything that `e2d run` was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where this node's data, store and programs are.
    pub site: Site,
    /// What people call this node; `None` means the host's name.
    pub label: Option<Label>,
    /// How many nodes, and where the others are.
    pub cluster: Cluster,
    /// Addresses and keys.
    pub network: Network,
    /// When a voter counts as dead.
    pub health: Health,
    /// What etcd is told.
    pub etcd: Etcd,
    /// How backups are taken.
    pub snapshots: Snapshots,
    /// How e2d logs.
    pub log: Log,
}

/// Where this node's data, store and programs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The folder with etcd's `member` and our `e2d` in it; possibly relative.
    pub data_dir: Utf8PathBuf,
    /// A device that the folder must lie on, or a file that is there only while its disk is mounted.
    pub data_disk: Option<Utf8PathBuf>,
    /// Where backups go.
    pub store: StoreUrl,
    /// The folder of etcd and etcdutl; `None` means `PATH`.
    pub etcd_bin_dir: Option<Utf8PathBuf>,
}

impl Site {
    /// The socket that the daemon listens on for the command line.
    #[must_use]
    pub fn socket(&self) -> Utf8PathBuf {
        self.data_dir.join("e2d/e2d.sock")
    }
}

/// How clients reach this node's etcd, as far as the configuration tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Where the node's data, store and programs are.
    pub site: Site,
    /// The address that its clients are told; `None` if it follows from the machine or is loopback.
    pub host: Option<IpAddr>,
    /// The port of its clients.
    pub client_port: u16,
    /// The authority of its certificates; `None` without keys.
    pub authority: Option<Utf8PathBuf>,
    /// What etcd shows its clients, which may also be shown to etcd.
    pub server: Option<KeyPair>,
}

/// How many voters there are to be, and where to look for them. More than one needs at least one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    size: Size,
    seeds: Vec<Seed>,
}

impl Cluster {
    /// `None` if several nodes could not find each other.
    #[must_use]
    pub fn new(size: Size, seeds: Vec<Seed>) -> Option<Self> {
        (size == Size::One || !seeds.is_empty()).then_some(Self { size, seeds })
    }

    /// How many voters.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// Where to ask for other nodes; this node's own address may be among them.
    #[must_use]
    pub fn seeds(&self) -> &[Seed] {
        &self.seeds
    }
}

/// When a voter counts as dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// How often slow checks run, at least 1 s.
    pub check_interval: Duration,
    /// Silence in gossip and in etcd after which a voter is replaced, at least 1 s.
    pub replace_after: Duration,
}

/// What etcd is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Etcd {
    /// Size of the database at which it takes no more writes, 16 MiB to 1 TiB.
    pub quota_bytes: u64,
    /// Between heartbeats; `None` means etcd's own 100 ms.
    pub heartbeat: Option<Duration>,
    /// Before an election, at least five heartbeats; `None` means etcd's own 1 s.
    pub election: Option<Duration>,
    /// Further flags, none of which e2d sets itself.
    pub extra: Extra,
}

/// How backups are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshots {
    /// Between full backups, at least 1 s.
    pub interval: Duration,
}

/// How e2d logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// How lines look; `None` means text on a terminal, JSON else.
    pub format: Option<LogFormat>,
    /// The least important lines that are written.
    pub level: LogLevel,
}

#[cfg(test)]
mod tests;
