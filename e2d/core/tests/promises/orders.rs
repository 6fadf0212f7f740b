//! The plan is a function, of every world; and a hold stops what it says, and nothing else.

use crate::choices::{Scene, cases, scenes};
use crate::worlds;
use e2d_core::action::{Action, Kind};
use e2d_core::id::{Epoch, Nonce};
use e2d_core::lineage::{ClaimKind, LineageState};
use e2d_core::memory::Phase;
use e2d_core::observe::{Gate, Hold, World};
use e2d_core::plan::{self, Verdict};
use e2d_core::reason::Reason;
use proptest::prelude::*;
use std::time::Duration;

/// What an order to hold forbids: whatever changes the cluster, or gives data up.
fn changes_the_cluster(action: &Action) -> bool {
    match action.kind() {
        Kind::Restore | Kind::Quarantine | Kind::AddLearner | Kind::Promote | Kind::Remove => true,
        _ => match action {
            Action::WriteLineage { lineage, .. } => lineage.state == LineageState::Forming,
            Action::Remember(state) => match state.phase {
                Phase::Abandoned => true,
                Phase::Empty => !state.vows.is_empty(),
                Phase::Founding => state.start == 0 && !state.ran,
                Phase::Joining | Phase::Member | Phase::Sealed => false,
            },
            _ => false,
        },
    }
}

/// Counters from a disk or from the store may stand at their end: the plan says something all the same.
#[test]
fn counters_at_their_end_do_not_break_the_plan() {
    let mut lineage = worlds::lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    (lineage.seq, lineage.epoch) = (u64::MAX, Epoch(u64::MAX));
    let mut world = worlds::settled(&lineage, Phase::Member);
    world.state.start = u64::MAX;
    assert!(matches!(plan::plan(&world).node, Some(Action::Remember(state)) if state.start == u64::MAX));
    assert_eq!((lineage.next(Nonce(1)).seq, lineage.epoch.next()), (u64::MAX, Epoch(u64::MAX)));
}

proptest! {
    #![proptest_config(cases(600))]

    /// No world makes the plan panic, and the same world gives the same plan.
    #[test]
    fn the_plan_is_total_and_deterministic(scene in scenes()) {
        let Scene(world) = &scene;
        let plan = plan::plan(world);
        prop_assert_eq!(&plan, &plan::plan(&world.clone()));
        let acts = plan.report.lines.iter().filter(|line| matches!(line.verdict, Verdict::Act(_))).count();
        prop_assert_eq!(acts, plan.acts().count());
        let for_all = plan.members.is_some() || plan.backup.is_some();
        prop_assert!(!for_all || (plan.node.is_none() && world.runs() == Some(Gate::Open)));
        prop_assert!(!plan.look_every.is_zero());
        let told = e2d_core::word::Word::decode(&plan.word.encode());
        prop_assert_eq!(told, Ok(plan.word));
    }

    /// A hold turns an act that changes the cluster into a wait, and lets all others be.
    #[test]
    fn a_hold_stops_what_changes_the_cluster_and_nothing_else(scene in scenes()) {
        let free = World { hold: None, ..scene.0.clone() };
        let hold = Hold { reason: "the network is being rebuilt".to_owned(), remaining: Duration::from_mins(1) };
        let held = World { hold: Some(hold.clone()), ..scene.0 };
        let (before, after) = (plan::plan(&free), plan::plan(&held));
        let waits = Verdict::Wait(Reason::Held(hold.reason));
        let act = before.node.as_ref().or(before.members.as_ref());
        if let Some(action) = act.filter(|action| changes_the_cluster(action)) {
            prop_assert!(after.node.is_none() && after.members.is_none(), "{action} goes on");
            prop_assert!(after.report.lines.iter().any(|line| line.verdict == waits));
        } else {
            prop_assert_eq!((before.node, before.members, before.backup), (after.node, after.members, after.backup));
        }
    }

    /// After a failure an act waits, and no longer than its limit.
    #[test]
    fn a_failed_act_is_tried_again(count in 0u32..200, scene in scenes()) {
        let free = World { failures: [].into(), ..scene.0 };
        let Some(action) = plan::plan(&free).node else { return Ok(()) };
        let pause = plan::backoff(action.kind(), count);
        prop_assert!(pause >= Duration::from_millis(50) && pause <= Duration::from_mins(5));
        let mut failed = free.clone();
        (0..count).for_each(|_| failed.failed(action.kind(), "it did not work".to_owned()));
        if action.kind() == Kind::WriteLineage {
            failed.store_is_outdated = free.store_is_outdated;
        }
        if count > 0 {
            prop_assert_eq!(plan::plan(&failed).node, None);
        }
    }
}
