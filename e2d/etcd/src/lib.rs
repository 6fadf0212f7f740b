//! One etcd server, as a supervisor sees it: its programs, its flags, its process, its data directory, its answers.
//!
//! This crate observes and carries out. It promises that nothing it starts is tied to the life of the process that
//! started it, that a data directory is never found half changed, and that every failure says what it did to state.
//! It decides nothing: whether to start, stop, remove, restore or set aside is the caller's, and so is the evidence
//! for it. Everything here needs Linux.

pub mod child;
pub mod client;
pub mod datadir;
pub mod durable;
pub mod launch;
pub mod observe;
pub mod programs;
pub mod restore;
pub mod scrape;
pub mod socket;
mod tool;
pub mod version;
