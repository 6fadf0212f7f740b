//! A cluster of real nodes for stories: e2d and etcd on machines of their own, a shared folder as the
//! store, and a client that remembers every acknowledgement.
//!
//! Nothing here knows what should happen: that is in the tests.

mod clock;
mod cluster;
mod diary;
mod disks;
mod faults;
mod judge;
mod keys;
mod mounts;
mod past;
mod plain;
mod running;
mod setup;
mod stranger;
mod tape;
mod writer;

pub use cluster::Cluster;
pub use disks::{copy, flip_a_byte, mode, truncate};
pub use keys::Wrong;
pub use mounts::Device;
pub use setup::{BOUND_BY_MODES, Setup, Store};
pub use tape::{Recorder, Tape};

use std::time::Duration;

/// How long a cluster may take for anything that it does by itself.
pub const PATIENCE: Duration = Duration::from_secs(90);
