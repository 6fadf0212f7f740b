//! The engine among its like, in a virtual network: what SWIM, identity, items and sealing promise
//! together. Nothing here uses a socket or a clock, so every bound on time is on virtual time.

mod chaos;
mod identity;
mod items;
mod membership;
mod questions;
mod security;
#[expect(unreachable_pub, reason = "the examples include it as well")]
mod world;
