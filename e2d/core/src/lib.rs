//! The supervisor's pure core.
//!
//! What a node knows goes in as plain data; what it should do next, and why, comes out. There is no
//! IO, no clock, no randomness, no async and no hash map in this crate, and `clippy.toml` beside it
//! keeps it so.

pub mod id;
pub mod raftid;
pub mod time;
