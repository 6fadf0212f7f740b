//! A deterministic world of nodes, gossip, etcd and store, and the promises held against it.
//!
//! One seed is one story: the same seed gives the same events, bit for bit. The nodes run the core and
//! the gossip engine that ship; etcd, store, disks and network are models. A **safety phase** breaks
//! things while the invariants are checked; then a **liveness phase** mends everything, and all must
//! heal. What it does not show: the shell between core and system, which the real-process tests have.

pub mod acts;
pub mod client;
pub mod faults;
pub mod gossip;
pub mod host;
pub mod invariants;
pub mod ledger;
pub mod mutants;
pub mod network;
pub mod queue;
pub mod raft;
pub mod run;
pub mod setup;
pub mod sim;
pub mod soak;
pub mod store;
