//! The table of every key.
//!
//! A key exists because it stands here: its flag, its variables, its line in the file, the reference
//! page, the default file and the manual all follow from its entry. Names and defaults of the old
//! program are kept where they were not faults.

mod cluster;
mod etcd;
mod log;
mod network;
mod node;
mod refused;
mod security;
mod snapshots;

pub use cluster::*;
pub use etcd::*;
pub use log::*;
pub use network::*;
pub use node::*;
pub use refused::*;
pub use security::*;
pub use snapshots::*;

use super::key::{Decl, Key};

/// Declares the keys of one file and lists them, so that a key cannot be declared and not listed.
macro_rules! table {
    ($($(#[$doc:meta])* $name:ident: $read:ty = $key:expr;)+) => {
        $($(#[$doc])* pub static $name: Key<$read> = $key;)+

        /// This file's part of the table.
        pub(super) static TABLE: &[&Decl] = &[$(&$name.decl),+];
    };
}
use table;

/// Every key, in the order of the reference page.
pub fn all() -> impl Iterator<Item = &'static Decl> {
    [
        node::TABLE,
        cluster::TABLE,
        network::TABLE,
        security::TABLE,
        etcd::TABLE,
        snapshots::TABLE,
        log::TABLE,
        refused::TABLE,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The keys without any effect: to say one is to be refused, unless it says what is so anyway.
pub static UNSUPPORTED: &[&Key<()>] = &[
    &PEER_DISCOVERY,
    &QUORUM_LOSS_POLICY,
    &SNAPSHOT_RETENTION_TIME,
    &SNAPSHOT_COMPRESSION,
    &SNAPSHOT_ENCRYPTION,
    &SNAPSHOT_KEY_FILE,
    &SNAPSHOT_PASSPHRASE_FILE,
    &SNAPSHOT_KMS_KEY,
    &DELTA_INTERVAL,
    &DELTA_SIZE,
    &AWS_ACCESS_KEY,
    &AWS_SECRET_KEY,
    &AWS_ROLE_SESSION_NAME,
    &DO_ACCESS_TOKEN,
    &DO_SPACES_KEY,
    &DO_SPACES_SECRET,
];
