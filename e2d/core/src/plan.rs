//! From what a node knows to what it does next, and why.
//!
//! [`plan`] asks its decisions in a fixed order, on three tracks that do not wait for each other: what
//! this *node* does with its own disk and etcd (the rows of the protocol, first match), what it does
//! about the *members* while its etcd leads, and what it does for the *backup*. Each decision is one
//! file with one function, `consider(&World) -> Verdict`. The first that speaks on a track is the
//! track's verdict.
//!
//! Nothing is remembered between two calls: whoever asks twice with the same world gets the same plan.

pub mod adopt;
pub mod archive;
pub mod birth;
pub mod claim;
pub mod clone;
pub mod disk;
pub mod evict;
pub mod fence;
pub mod found;
pub mod join;
pub mod learn;
pub mod learner;
pub mod record;
pub mod restart;
pub mod restore;
pub mod say;
pub mod shared;
pub mod stop;
pub mod vows;

use crate::action::{Action, Kind};
use crate::memory::Phase;
use crate::observe::{Gate, World};
use crate::reason::Reason;
use crate::report::{Line, Report};
use crate::word::Word;
use std::time::Duration;

/// What a decision says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not about this.
    Idle,
    /// It is about this, and nothing may be done yet.
    Wait(Reason),
    /// Do this.
    Act(Action),
}

/// One decision: its name in reports, and the function.
type Decision = (&'static str, fn(&World) -> Verdict);

/// What to do with this node's own disk and etcd, in order.
const NODE: &[Decision] = &[
    // A disk that takes nothing more must not keep etcd from being stopped in order.
    ("stop", stop::consider),
    ("disk", disk::consider),
    ("learn", learn::consider),
    ("clone", clone::consider),
    ("fence", fence::consider),
    ("adopt", adopt::consider),
    ("shared", shared::consider),
    ("claim", claim::consider),
    ("found", found::consider),
    ("restart", restart::consider),
    ("join", join::consider),
    ("vows", vows::consider),
    ("restore", restore::consider),
    ("birth", birth::consider),
];

/// Who the members are, while our etcd leads, in order.
const MEMBERS: &[Decision] =
    &[("record", record::consider), ("evict", evict::consider), ("learner", learner::consider)];

/// Backups, which wait for no member, least of all while one is missing; and no member for them, however long one takes.
const BACKUP: &[Decision] = &[("archive", archive::consider)];

/// What acts wait for one another: each track has at most one under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// This node's own disk and etcd.
    Node,
    /// The cluster's list of members.
    Members,
    /// The backup.
    Backup,
}

/// All of them, in the order of their numbers.
pub const TRACKS: [Track; 3] = [Track::Node, Track::Members, Track::Backup];

/// What to do next, and what to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The next act on this node's own disk and etcd.
    pub node: Option<Action>,
    /// The next act on the cluster's list of members.
    pub members: Option<Action>,
    /// The next act on the backup.
    pub backup: Option<Action>,
    /// What to tell the others about this node.
    pub word: Word,
    /// How soon the store should be looked at again.
    pub look_every: Duration,
    /// What was chosen, what is waited for, and why.
    pub report: Report,
}

impl Plan {
    /// The acts and their tracks.
    pub fn acts(&self) -> impl Iterator<Item = (Track, &Action)> {
        let acts = [&self.node, &self.members, &self.backup];
        TRACKS.into_iter().zip(acts).filter_map(|(track, act)| Some((track, act.as_ref()?)))
    }
}

/// Plans one step.
#[must_use]
pub fn plan(world: &World) -> Plan {
    let mut lines = Vec::new();
    let node = track(world, NODE, &mut lines);
    // Who has something to settle about itself first, or is not a member by its own disk, changes nothing for others.
    let settled = lines.is_empty() && world.state.phase == Phase::Member;
    let acts = settled && world.runs() == Some(Gate::Open);
    let mut for_all = |decisions| if acts { track(world, decisions, &mut lines) } else { None };
    let (members, backup) = (for_all(MEMBERS), for_all(BACKUP));
    Plan { node, members, backup, word: say::word(world), look_every: say::look_every(world), report: Report { lines } }
}

fn track(world: &World, decisions: &[Decision], lines: &mut Vec<Line>) -> Option<Action> {
    for (name, consider) in decisions {
        let verdict = match consider(world) {
            Verdict::Act(action) => gate(world, action),
            other => other,
        };
        match verdict {
            Verdict::Idle => {}
            Verdict::Wait(reason) => {
                lines.push(Line { decision: name, verdict: Verdict::Wait(reason) });
                return None;
            }
            Verdict::Act(action) => {
                lines.push(Line { decision: name, verdict: Verdict::Act(action.clone()) });
                return Some(action);
            }
        }
    }
    None
}

/// Holds an act back while an operator says so, or while its last failure is too fresh.
fn gate(world: &World, action: Action) -> Verdict {
    if let Some(hold) = &world.hold
        && action.is_held()
    {
        return Verdict::Wait(Reason::Held(hold.reason.clone()));
    }
    if let Some(failure) = world.failures.get(&action.kind()) {
        let pause = backoff(action.kind(), failure.count);
        let gone = world.now.since(failure.at);
        if gone < pause {
            return Verdict::Wait(Reason::Backoff {
                message: failure.message.clone(),
                remaining: pause.saturating_sub(gone),
            });
        }
    }
    Verdict::Act(action)
}

/// How long to wait after the n-th failure in a row: doubling, from a first pause up to a limit.
#[must_use]
pub fn backoff(kind: Kind, count: u32) -> Duration {
    let (first, limit) = match kind {
        Kind::WriteLineage => (50, 5_000),
        Kind::AddLearner | Kind::Promote | Kind::Remove => (200, 5_000),
        Kind::Archive => (5_000, 300_000),
        _ => (250, 30_000),
    };
    let doubled = 1u64.checked_shl(count.saturating_sub(1).min(20)).unwrap_or(u64::MAX);
    Duration::from_millis(u64::saturating_mul(first, doubled).min(limit))
}

/// Two numbers from the world's fresh entropy: the nonce of a write, and a second one for its claim
/// or for a new identity.
pub(crate) fn nonces(world: &World) -> (u128, u128) {
    let half = |range: std::ops::Range<usize>| {
        world.entropy[range].iter().fold(0u128, |number, &byte| number << 8 | u128::from(byte))
    };
    (half(0..16), half(16..32))
}

/// The rank of `me` among `of` in ascending order, as a pause: who is first acts at once, the next
/// only if nothing happened meanwhile. Serves liveness alone.
pub(crate) fn turn(position: usize) -> Duration {
    Duration::from_millis(500) * u32::try_from(position).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_limit() {
        let pauses = [1, 2, 3, 99].map(|count| backoff(Kind::Restore, count).as_millis());
        assert_eq!(pauses, [250, 500, 1000, 30_000]);
    }
}
