//! What tests on real processes share: waiting, finding the real parts, machines on a network of
//! their own, processes that can be killed and frozen, and a gate on what they logged.
//!
//! A test has this shape:
//!
//! ```no_run
//! use e2d_testkit::{LogGate, Network, Parts, Scratch, wait_for};
//! use std::time::Duration;
//!
//! fn one_node_dies() -> anyhow::Result<()> {
//!     let scratch = Scratch::new("one_node_dies")?;
//!     let network = Network::new(3)?;
//!     let mut run = network.node(1).command(Parts::e2d()?);
//!     run.args(["run", "--data-dir"]).arg(scratch.path().join("n1"));
//!     let mut node = scratch.spawn("n1", &mut run)?;
//!     wait_for(Duration::from_secs(30), "n1 to serve", || {
//!         if node.log()?.contains("Server is ready!") { Ok(()) } else { anyhow::bail!("{}", node.last_line()) }
//!     })?;
//!     node.kill()?;
//!     drop(node);
//!     scratch.passed(&LogGate::new().allow("peer is silent", "n1 was killed"))
//! }
//! ```
//!
//! Nothing here knows what e2d should do: the promises are stated by the tests. Nothing here touches
//! the machine's own network, and nothing here skips: what cannot run is an error that names what is
//! missing.

mod log_gate;
mod namespace;
mod network;
mod parts;
mod process;
mod scratch;
mod wait;

pub use log_gate::{Complaint, LogGate};
pub use namespace::Namespace;
pub use network::Network;
pub use parts::{EtcdVersion, Parts};
pub use process::{Process, Signal};
pub use scratch::Scratch;
pub use wait::{wait_for, wait_for_async};
