//! The supervisor's pure core.
//!
//! What a node knows goes in as plain data; what it should do next, and why, comes out. There is no
//! IO, no clock, no randomness, no async and no hash map in this crate, and `clippy.toml` beside it
//! keeps it so.

pub mod action;
pub mod hold;
pub mod id;
pub mod ingest;
pub mod interview;
pub mod lineage;
pub mod memory;
pub mod observe;
pub mod operator;
pub mod plan;
pub mod quorum;
pub mod raftid;
pub mod reason;
pub mod report;
pub mod safety;
pub mod time;
pub mod vow;
pub mod word;
