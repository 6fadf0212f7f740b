//! The end of this process: etcd is stopped in order, with leadership handed over first.

use super::Verdict;
use crate::action::{Action, StopReason};
use crate::observe::World;

/// Considers the order to stop.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    match (world.stopping, world.runs()) {
        (true, Some(_)) => Verdict::Act(Action::Stop { why: StopReason::Shutdown }),
        (true, None) => Verdict::Wait(crate::reason::Reason::Stopping),
        (false, _) => Verdict::Idle,
    }
}
