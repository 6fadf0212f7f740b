//! S16: a node of an older epoch neither writes into the newer one nor speaks in it.

use crate::sim::Sim;
use e2d_core::id::{Epoch, Nonce};

/// An archive is kept in an epoch's folder: was it taken by that epoch's cluster?
pub fn archived(sim: &mut Sim, epoch: Epoch, claim: Nonce) {
    if sim.ledger.live.get(&epoch).is_some_and(|live| *live != claim) {
        sim.breach("S16", &format!("an archive of another cluster lies in epoch {epoch}"));
    }
}
