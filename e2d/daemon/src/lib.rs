//! The etcd supervisor as a library: what the program `e2d` is composed of.

pub mod admin;
pub mod cli;
pub mod config;
pub mod http;
pub mod metrics;
pub mod run;
