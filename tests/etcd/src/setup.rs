//! How a story's machines are set up.

use crate::cluster::Cluster;
use anyhow::Result;
use e2d_testkit::EtcdVersion;

/// What stands before a program that is to be bound by the modes of files, as everybody is but root.
pub const BOUND_BY_MODES: [&str; 2] = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];

/// Where nodes keep their backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// One folder for all.
    Shared,
    /// A folder of its own for each, as when somebody forgot to mount the shared one.
    Private,
    /// None.
    None,
}

/// What a story's machines have in common.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(crate) story: String,
    pub(crate) size: u8,
    pub(crate) version: EtcdVersion,
    pub(crate) store: Store,
    pub(crate) keys: bool,
    pub(crate) named: bool,
    pub(crate) silence: String,
    pub(crate) spares: u8,
}

impl Setup {
    /// `size` machines with etcd's default version, a shared store, and no keys.
    #[must_use]
    pub fn new(story: &str, size: u8) -> Self {
        Self {
            story: story.to_owned(),
            size,
            version: EtcdVersion::DEFAULT,
            store: Store::Shared,
            keys: false,
            named: false,
            silence: "10s".to_owned(),
            spares: 0,
        }
    }

    /// Another version of etcd.
    #[must_use]
    pub fn version(self, version: EtcdVersion) -> Self {
        Self { version, ..self }
    }

    /// Another kind of store.
    #[must_use]
    pub fn store(self, store: Store) -> Self {
        Self { store, ..self }
    }

    /// An authority, certificates for every machine, and encrypted gossip.
    #[must_use]
    pub fn with_keys(self) -> Self {
        Self { keys: true, ..self }
    }

    /// Machines that are told the names of the others, and not their addresses.
    #[must_use]
    pub fn named(self) -> Self {
        Self { named: true, ..self }
    }

    /// Machines besides, which nobody is told of: strangers and copies.
    #[must_use]
    pub fn spares(self, spares: u8) -> Self {
        Self { spares, ..self }
    }

    /// How long a member without other proof of death is silent before it is removed, instead of 10 s.
    #[must_use]
    pub fn silence(self, bound: &str) -> Self {
        Self { silence: bound.to_owned(), ..self }
    }

    /// Machines without power.
    pub fn build(self) -> Result<Cluster> {
        Cluster::build(self)
    }
}
