//! The admin API: its messages, its server on the local socket, its client.
//!
//! The messages of `proto/admin.proto` are the only picture of a node that is shown to anybody: the
//! verbs of the command line render them, and their JSON is these messages.

mod client;
mod server;

pub use client::{AskError, connect};
pub use server::{ServeError, serve};

/// The generated messages.
#[expect(clippy::pedantic, reason = "generated from proto/admin.proto, documented there")]
pub mod v1 {
    tonic::include_proto!("e2d.admin.v1");
}
