//! One disk on two machines: the copy that is not at the member's own address gives its identity up,
//! else both wait.

use super::Verdict;
use super::disk::abandon;
use crate::action::{Action, StopReason};
use crate::memory::Phase;
use crate::observe::{DataDir, World};
use crate::reason::Reason;

/// Considers whether another machine speaks with our node id.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let Some(other) = world.clone_at else { return Verdict::Idle };
    let me = world.node();
    let recorded = world.recall.members.iter().find(|member| member.node == me);
    let at_home = recorded.is_some_and(|member| member.peer_url == world.me.peer_url);
    if at_home {
        return Verdict::Idle;
    }
    if world.runs().is_some() {
        return Verdict::Act(Action::Stop { why: StopReason::Cloned(other) });
    }
    let because = match recorded {
        Some(member) => format!(
            "another machine, at {other}, runs a copy of this disk, and the member's place is {}, not {}",
            member.peer_url, world.me.peer_url
        ),
        None if world.state.phase == Phase::Empty && world.data == Some(DataDir::Empty) => {
            format!("another machine, at {other}, runs a copy of this disk, which holds nothing")
        }
        // Where the record cannot tell the two apart, neither gives up.
        None => return Verdict::Wait(Reason::Cloned(other.to_string())),
    };
    abandon(world, because)
}
