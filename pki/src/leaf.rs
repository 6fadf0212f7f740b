//! The leaves that are wanted: what each certificate of a tree should say.
//!
//! A leaf is plain data. Which leaves a program needs is for it to list; the ones of etcd and its
//! supervisor are here.

use crate::certificate::{Certificate, ExtendedUsage};
use crate::host::Host;
use crate::key::KeyType;
use crate::name::{Attribute, Name};
use crate::role::Role;
use jiff::SignedDuration;
use std::collections::BTreeSet;

/// The life of a leaf: a year of 365 days, from the moment of its issue.
pub const LEAF_LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);
/// How far before its issue a certificate begins to be valid, for clocks that run behind.
pub const BACKDATED: SignedDuration = SignedDuration::from_hours(1);

/// What a leaf is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// To answer connections.
    Server,
    /// To make connections.
    Client,
    /// Both, under one name: etcd's peers, and etcd's server (see [`etcd`]).
    ServerAndClient,
}

impl Usage {
    /// The extended key usages.
    #[must_use]
    pub fn extended(self) -> BTreeSet<ExtendedUsage> {
        match self {
            Self::Server => [ExtendedUsage::ServerAuth].into(),
            Self::Client => [ExtendedUsage::ClientAuth].into(),
            Self::ServerAndClient => [ExtendedUsage::ServerAuth, ExtendedUsage::ClientAuth].into(),
        }
    }

    pub(crate) fn serves(self) -> bool {
        self != Self::Client
    }

    pub(crate) fn connects(self) -> bool {
        self != Self::Server
    }
}

/// One certificate with its key, as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The names of its files without `.crt` and `.key`.
    pub stem: String,
    /// Who it is about.
    pub subject: Name,
    /// What it is for.
    pub usage: Usage,
    /// The hosts that it is good for. None for a leaf that only connects.
    pub hosts: BTreeSet<Host>,
    /// The type of key that a new one gets. A key of another type is not by itself a reason for a new one.
    pub key_type: KeyType,
    /// How long it is valid.
    pub life: SignedDuration,
    /// It is issued anew in the last n-th of its life; 3 for leaves that daemons take up live.
    pub renew_in_last: u32,
}

impl Leaf {
    /// A leaf of a year that is renewed in its last third, without hosts.
    #[must_use]
    pub fn new(stem: &str, subject: Name, usage: Usage) -> Self {
        Self {
            stem: stem.into(),
            subject,
            usage,
            hosts: BTreeSet::new(),
            key_type: KeyType::default(),
            life: LEAF_LIFE,
            renew_in_last: 3,
        }
    }

    /// Serves as these hosts, and on the loopback (`localhost`, `127.0.0.1`, `::1`).
    #[must_use]
    pub fn serving(mut self, hosts: &BTreeSet<Host>) -> Self {
        self.hosts = hosts.iter().cloned().chain(Host::loopback()).collect();
        self
    }

    /// In what `found` does not say what this leaf should say; key, dates and version aside.
    pub(crate) fn differs_from(&self, found: &Certificate) -> Option<Difference> {
        if found.subject != self.subject {
            Some(Difference::Subject)
        } else if found.extended_usages != self.usage.extended() || found.is_authority {
            Some(Difference::Usage)
        } else if found.hosts != self.hosts || found.other_names > 0 {
            Some(Difference::Hosts)
        } else {
            None
        }
    }
}

/// In what a found certificate is not the wanted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is not X.509 version 3.
    Version,
    /// It is about another.
    Subject,
    /// It is for something else.
    Usage,
    /// It is good for other hosts.
    Hosts,
}

/// The leaves of an etcd member and of its supervisor, under the file names of the old program:
/// `server`, `peer` and `client`.
///
/// `server` may also connect: etcd's HTTP gateway dials etcd's own client port with the certificate
/// that it serves with, and etcd's verification refuses it there without `clientAuth`. `client`
/// bears a role on the admin interface; to etcd itself every certificate of its authority is full
/// access.
#[must_use]
pub fn etcd(hosts: &BTreeSet<Host>, key_type: KeyType, client: Role) -> Vec<Leaf> {
    let name = |common_name| Name::new(common_name).with(Attribute::Organization, "etcd");
    let client_name = match client.organization() {
        Some(role) => Name::new("etcd client").with(Attribute::Organization, role),
        None => name("etcd client"),
    };
    let leaves = [
        Leaf::new("server", name("etcd server"), Usage::ServerAndClient).serving(hosts),
        Leaf::new("peer", name("etcd peer"), Usage::ServerAndClient).serving(hosts),
        Leaf::new("client", client_name, Usage::Client),
    ];
    leaves.into_iter().map(|leaf| Leaf { key_type, ..leaf }).collect()
}
