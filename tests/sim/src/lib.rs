//! A deterministic world of nodes, gossip, etcd and store, and the promises held against it.
//!
//! One seed is one story: the same seed gives the same events, bit for bit. The nodes run the core
//! that ships; etcd, store, disks and network are models. A **safety phase** breaks things while the
//! invariants are checked; then a **liveness phase** mends everything, and all must heal.

pub mod acts;
pub mod client;
pub mod faults;
pub mod gossip;
pub mod host;
pub mod invariants;
pub mod ledger;
pub mod mutants;
pub mod queue;
pub mod raft;
pub mod run;
pub mod sim;
pub mod store;
