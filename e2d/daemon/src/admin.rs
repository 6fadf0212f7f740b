//! The admin API: its messages, its servers on the local socket and on TCP, its client.
//!
//! The messages of `proto/admin.proto` are the only picture of a node that is shown to anybody: the
//! verbs of the command line render them, and their JSON is these messages.

mod client;
mod desk;
pub mod order;
mod server;
pub(crate) mod tcp;

pub use client::{AskError, connect, connect_patiently};
pub use desk::Desk;
pub use server::{ServeError, serve};

/// The generated messages.
#[expect(clippy::pedantic, reason = "generated from proto/admin.proto, documented there")]
pub mod v1 {
    tonic::include_proto!("e2d.admin.v1");
}
