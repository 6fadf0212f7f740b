//! An operator's hold: while it stands, nothing is begun that changes the cluster or gives data up.
//!
//! What is not seen: acts that were begun before it, which go on.

use crate::sim::Sim;
use e2d_core::action::Action;

/// An act begins.
pub fn begins(sim: &mut Sim, h: usize, action: &Action) {
    if sim.hosts[h].held && action.is_held() {
        sim.breach("hold", &format!("host{h} begins to {action}, although an operator holds it"));
    }
}
