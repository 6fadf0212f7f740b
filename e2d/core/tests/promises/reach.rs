//! How far the worlds reach: a property that never sees the act that it is about shows nothing.

use crate::choices::scenes;
use e2d_core::action::{Action, Kind};
use e2d_core::lineage::LineageState;
use e2d_core::memory::Phase;
use e2d_core::plan::{self, Verdict};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

const WORLDS: usize = 3_000;

/// Acts that a kind alone does not tell apart.
fn name(action: &Action) -> String {
    match action {
        Action::Remember(state) if state.phase == Phase::Abandoned => "Remember: abandoned".to_owned(),
        Action::Remember(state) if !state.vows.is_empty() => "Remember: a vow".to_owned(),
        Action::WriteLineage { replaces: None, lineage } => format!("WriteLineage: the first, {}", lineage.state),
        Action::WriteLineage { lineage, .. } if lineage.state == LineageState::Forming => {
            "WriteLineage: a claim".to_owned()
        }
        other => format!("{:?}", other.kind()),
    }
}

/// Every kind of act and every decision, often enough in a thousand worlds to be tested at all.
#[test]
fn every_act_and_every_decision_is_reached() {
    let mut runner = TestRunner::deterministic();
    let (mut acts, mut decisions) = (BTreeMap::<String, usize>::new(), BTreeMap::<&str, usize>::new());
    for _ in 0..WORLDS {
        let world = scenes().new_tree(&mut runner).unwrap().current().0;
        for line in plan::plan(&world).report.lines {
            if let Verdict::Act(action) = &line.verdict {
                *acts.entry(name(action)).or_default() += 1;
                *decisions.entry(line.decision).or_default() += 1;
            }
        }
    }
    let kinds = [
        Kind::Identify,
        Kind::Remember,
        Kind::Recall,
        Kind::Interview,
        Kind::WriteLineage,
        Kind::Restore,
        Kind::Start,
        Kind::Stop,
        Kind::Quarantine,
        Kind::MarkRestored,
        Kind::AddLearner,
        Kind::Promote,
        Kind::Remove,
        Kind::Archive,
        Kind::Refuse,
    ];
    let mut wanted: Vec<String> = kinds.iter().map(|kind| format!("{kind:?}")).collect();
    let finer = ["Remember: abandoned", "Remember: a vow", "WriteLineage: the first, forming"];
    wanted.extend(finer.map(str::to_owned));
    wanted.extend(["WriteLineage: the first, live".to_owned(), "WriteLineage: a claim".to_owned()]);
    let rare: Vec<&String> =
        wanted.iter().filter(|name| acts.get(*name).copied().unwrap_or(0) < WORLDS / 400).collect();
    assert!(rare.is_empty(), "hardly ever reached: {rare:?}\nof {acts:#?}");
    let names = [
        "disk", "learn", "stop", "clone", "fence", "adopt", "shared", "claim", "found", "restart", "join", "vows",
        "restore", "birth", "record", "evict", "learner", "archive",
    ];
    let silent: Vec<&&str> = names.iter().filter(|name| !decisions.contains_key(**name)).collect();
    assert!(silent.is_empty(), "never act: {silent:?}\nof {decisions:#?}");
}
