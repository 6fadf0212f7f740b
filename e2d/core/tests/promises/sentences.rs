//! S21: every wait and every act says why, in words that a person can read, with the values that it rests on.

use crate::choices::{Scene, cases, scenes};
use crate::worlds::{self, addr, lineage, node, place, url};
use e2d_core::action::{Action, Cluster, Launch, Refusal, StopReason};
use e2d_core::id::{ArchiveId, ClusterId, Digest, Epoch, LineageId, MemberId};
use e2d_core::lineage::{ClaimKind, LineageState};
use e2d_core::memory::{Identity, Phase, Recall, State};
use e2d_core::observe::{Gate, Version};
use e2d_core::plan::{self, Verdict};
use e2d_core::reason::Reason;
use e2d_core::vow::Vow;
use proptest::prelude::*;
use std::time::Duration;

/// What a programmer's output looks like, and a sentence does not.
const JUNK: [&str; 14] = [
    "Some(",
    "None",
    "Ok(",
    "Err(",
    "::",
    "{",
    "}",
    "\"",
    "[]",
    "()",
    "  ",
    "lacks 18446744073709551615",
    "NodeId",
    "Epoch(",
];

fn is_a_sentence(text: &str) -> Result<(), String> {
    let junk: Vec<&&str> = JUNK.iter().filter(|junk| text.contains(**junk)).collect();
    let words = text.split_whitespace().count();
    let trimmed = text.trim() == text && !text.ends_with([',', ':', ';']);
    if junk.is_empty() && words >= 2 && trimmed { Ok(()) } else { Err(format!("no sentence ({junk:?}): {text:?}")) }
}

proptest! {
    #![proptest_config(cases(800))]

    #[test]
    fn every_line_of_every_report_is_a_sentence(scene in scenes()) {
        let Scene(world) = &scene;
        for line in plan::plan(world).report.lines {
            let text = match &line.verdict {
                Verdict::Idle => return Err(TestCaseError::fail("who says nothing has no line")),
                Verdict::Wait(reason) => reason.to_string(),
                Verdict::Act(action) => action.to_string(),
            };
            if let Err(why) = is_a_sentence(&text) {
                return Err(TestCaseError::fail(why));
            }
        }
    }
}

/// The number of a reason in the table: whoever adds one is told by the compiler to add its sentence.
fn number(reason: &Reason) -> usize {
    match reason {
        Reason::DataNotSeen => 0,
        Reason::StillLearner => 46,
        Reason::DataUnseen(_) => 1,
        Reason::DataUnreadable(_) => 2,
        Reason::UnexpectedData => 3,
        Reason::StoreNotSeen => 4,
        Reason::StoreTrouble(_) => 5,
        Reason::BackupsWithoutLineage => 6,
        Reason::NodesMissing { .. } => 7,
        Reason::WordsMissing(_) => 8,
        Reason::SomebodyHasData(_) => 9,
        Reason::LineageVanished => 10,
        Reason::AnothersTurn(_) => 11,
        Reason::FoundersMissing(_) => 12,
        Reason::ClaimNotInStore => 13,
        Reason::StoreNotShared { .. } => 14,
        Reason::ClaimUnderWay { .. } => 15,
        Reason::NotProvedGone(_) => 16,
        Reason::EpochHasData(_) => 17,
        Reason::NoArchive => 18,
        Reason::LineageStands { .. } => 19,
        Reason::NewerEpochForms(_) => 20,
        Reason::NewerEpochKnown { .. } => 21,
        Reason::StoreLags { .. } => 22,
        Reason::ClaimsConflict(_) => 23,
        Reason::AnswersMissing { .. } => 24,
        Reason::DiskWentBack { .. } => 25,
        Reason::Cloned(_) => 26,
        Reason::NoInvitation => 27,
        Reason::NoSeat { .. } => 28,
        Reason::NoQuorum => 29,
        Reason::Settling => 30,
        Reason::Stopping => 31,
        Reason::HashesDiffer => 32,
        Reason::GatedMissing { .. } => 33,
        Reason::OthersReopen => 34,
        Reason::DeathNotProved { .. } => 35,
        Reason::QuorumAtRisk { .. } => 36,
        Reason::RecordLags { .. } => 37,
        Reason::AnotherUnhealthy(_) => 38,
        Reason::CatchingUp { .. } => 39,
        Reason::LearnerNotStarted { .. } => 40,
        Reason::ProgressUnknown(_) => 41,
        Reason::ListTooOld => 42,
        Reason::Backoff { .. } => 43,
        Reason::Held(_) => 44,
        Reason::Elsewhere(_) => 45,
        Reason::RemovedAndAlone(_) => 47,
        Reason::ArchiveIsAhead { .. } => 48,
        Reason::Alive(_) => 49,
        Reason::StoreNotSharedBy { .. } => 50,
        Reason::VowedToOthers => 51,
        Reason::VowsConflict => 52,
        Reason::LeaderUnattended { .. } => 53,
        Reason::OtherLineageStored { .. } => 54,
        Reason::OtherClusterKnown { .. } => 55,
        Reason::EtcdLocked => 56,
    }
}
const REASONS: usize = 57;

/// Each reason, and the values that its sentence must name.
fn reasons() -> Vec<(Reason, Vec<String>)> {
    let (member, epoch) = (MemberId(0xabc), Epoch(7));
    let a = node(1);
    let said = || "so it says 42".to_owned();
    let text = |things: &[&dyn ToString]| things.iter().map(|thing| thing.to_string()).collect::<Vec<_>>();
    vec![
        (Reason::DataNotSeen, vec![]),
        (Reason::DataUnseen(said()), vec![said()]),
        (Reason::DataUnreadable(said()), vec![said()]),
        (Reason::UnexpectedData, vec![]),
        (
            Reason::OtherClusterKnown { disk: ClusterId(0xd15c), known: ClusterId(0x6e0f) },
            text(&[&ClusterId(0xd15c), &ClusterId(0x6e0f)]),
        ),
        (Reason::StoreNotSeen, vec![]),
        (Reason::StoreTrouble(said()), vec![said()]),
        (Reason::BackupsWithoutLineage, vec![]),
        (Reason::NodesMissing { present: 2, needed: 3 }, text(&[&2, &3])),
        (Reason::WordsMissing(vec![a, node(2)]), text(&[&a, &node(2)])),
        (Reason::SomebodyHasData(a), text(&[&a])),
        (Reason::LineageVanished, vec![]),
        (Reason::AnothersTurn(a), text(&[&a])),
        (Reason::FoundersMissing(vec![a, node(2)]), text(&[&a, &node(2)])),
        (Reason::ClaimNotInStore, vec![]),
        (Reason::StoreNotShared { node: a, theirs: LineageId(9) }, text(&[&a, &LineageId(9)])),
        (Reason::LeaderUnattended { leader: member, node: a }, text(&[&member, &a])),
        (
            Reason::OtherLineageStored { ours: LineageId(9), theirs: LineageId(8) },
            text(&[&LineageId(9), &LineageId(8)]),
        ),
        (Reason::VowedToOthers, vec![]),
        (Reason::VowsConflict, vec![]),
        (Reason::StoreNotSharedBy { node: a, ours: LineageId(9) }, text(&[&a, &LineageId(9)])),
        (Reason::ClaimUnderWay { epoch, patience: Duration::from_secs(12) }, text(&[&epoch, &12])),
        (Reason::NotProvedGone(vec![said(), "another".to_owned()]), vec![said(), "another".to_owned()]),
        (Reason::EpochHasData(a), text(&[&a])),
        (Reason::NoArchive, vec![]),
        (Reason::LineageStands { epoch, state: LineageState::Paused }, text(&[&epoch, &"paused"])),
        (Reason::NewerEpochForms(epoch), text(&[&epoch])),
        (Reason::NewerEpochKnown { witness: a, epoch, state: LineageState::Forming }, text(&[&a, &epoch, &"forming"])),
        (Reason::StoreLags { stored: 4, known: 6 }, text(&[&4, &6])),
        (Reason::ClaimsConflict(epoch), text(&[&epoch])),
        (Reason::AnswersMissing { silent: vec![a], away: vec![node(2)], needed: 2 }, text(&[&a, &node(2), &2])),
        (Reason::DiskWentBack { witness: a }, text(&[&a])),
        (Reason::Cloned(said()), vec![said()]),
        (Reason::NoInvitation, vec![]),
        (Reason::NoSeat { members: 3 }, text(&[&3])),
        (Reason::NoQuorum, vec![]),
        (Reason::EtcdLocked, vec![]),
        (Reason::Settling, vec![]),
        (Reason::StillLearner, vec![]),
        (Reason::Stopping, vec![]),
        (Reason::HashesDiffer, vec![]),
        (Reason::GatedMissing { present: 1, needed: 2 }, text(&[&1, &2])),
        (Reason::OthersReopen, vec![]),
        (Reason::DeathNotProved { member, missing: said() }, text(&[&member, &said()])),
        (Reason::QuorumAtRisk { member, present: 1, voters: 2 }, text(&[&member, &1, &2])),
        (Reason::RecordLags { member }, text(&[&member])),
        (Reason::AnotherUnhealthy(member), text(&[&member])),
        (Reason::CatchingUp { member, behind: 812 }, text(&[&member, &812])),
        (Reason::LearnerNotStarted { member, node: Some(a) }, text(&[&member, &a])),
        (Reason::LearnerNotStarted { member, node: None }, text(&[&member])),
        (Reason::ProgressUnknown(member), text(&[&member])),
        (Reason::ListTooOld, vec![]),
        (Reason::Backoff { message: said(), remaining: Duration::from_millis(1_500) }, text(&[&said(), &"1.5"])),
        (Reason::Held(said()), vec![said()]),
        (Reason::Elsewhere(said()), vec![said()]),
        (
            Reason::ArchiveIsAhead { archive: ArchiveId(Digest([7; 32])), further: 91, index: 52 },
            vec!["0707".to_owned(), "91".to_owned(), "52".to_owned()],
        ),
        (Reason::RemovedAndAlone(MemberId(7)), vec!["0000000000000007".to_owned()]),
        (Reason::Alive(member), text(&[&member])),
    ]
}

#[test]
fn every_reason_is_a_sentence_with_its_values() {
    let mut seen = [false; REASONS];
    for (reason, values) in reasons() {
        let text = reason.to_string();
        is_a_sentence(&text).unwrap();
        for value in values {
            assert!(text.contains(&value), "{value:?} is not in {text:?}");
        }
        seen[number(&reason)] = true;
    }
    let missing: Vec<usize> = (0..REASONS).filter(|number| !seen[*number]).collect();
    assert!(missing.is_empty(), "no sentence for the reasons {missing:?}");
}

/// Each act but those that carry evidence, which only the plan can make: the property above sees them.
fn acts() -> Vec<(Action, Vec<String>)> {
    let live = lineage(3, 2, LineageState::Live, ClaimKind::Restore);
    let claim = lineage(3, 2, LineageState::Forming, ClaimKind::Restore);
    let here = place(&live, 1);
    let source = live.claim.source.unwrap();
    let archive = ArchiveId(Digest([7; 32]));
    let launch = |gate: Gate| Launch {
        name: "host-a".to_owned(),
        place: here,
        cluster: Cluster::New,
        members: live.initial_cluster(),
        token: live.token(),
        gate,
    };
    let state = |phase: Phase| State { phase, place: Some(here), start: 5, ..State::default() };
    let because = State { because: Some("its data is of epoch 1".to_owned()), ..state(Phase::Abandoned) };
    let vow = Vow { round: 4, founders: (1..=3).map(node).collect() };
    let vows = State { vows: vec![vow], ..State::default() };
    let identity = Identity { node: node(1), machine: "m".to_owned(), mounted: false, former: vec![] };
    let recall = Recall { lineage: Some(live.clone()), ..Recall::default() };
    let remember = |state: State| Action::Remember(Box::new(state));
    let stop = |why: StopReason| Action::Stop { why };
    let refuse = |why: Refusal| Action::Refuse { why };
    let said = || "so it says 42".to_owned();
    let text = |things: &[&dyn ToString]| things.iter().map(|thing| thing.to_string()).collect::<Vec<_>>();
    let names = |of: &e2d_core::lineage::Lineage| of.members.iter().map(|member| member.member.to_string()).collect();
    vec![
        (Action::Identify(identity), text(&[&node(1)])),
        (remember(state(Phase::Founding)), text(&[&"founder", &"epoch 2", &"start 5"])),
        (remember(state(Phase::Joining)), text(&[&"newcomer", &"epoch 2", &"start 5"])),
        (remember(state(Phase::Member)), text(&[&"member", &"epoch 2", &"start 5"])),
        (remember(state(Phase::Sealed)), text(&[&"sealed", &"epoch 2"])),
        (remember(because), text(&[&"its data is of epoch 1"])),
        (remember(vows), text(&[&node(1), &node(3), &"round 4"])),
        (Action::Recall(Box::new(recall)), text(&[&"epoch 2", &"live", &live.seq])),
        (Action::Recall(Box::default()), vec![]),
        (Action::Interview { start: 5 }, text(&[&"start 5"])),
        (
            Action::WriteLineage { replaces: Some(Version("v".to_owned())), lineage: Box::new(claim.clone()) },
            text(&[&"epoch 2", &"restore", &node(1), &node(3), &claim.seq, &"told so"]),
        ),
        (Action::WriteLineage { replaces: None, lineage: Box::new(live.clone()) }, names(&live)),
        (
            Action::Restore { source, launch: Box::new(launch(Gate::Gated)) },
            text(&[&source.archive, &source.revision, &source.bump, &"epoch 2"]),
        ),
        (Action::Start(Box::new(launch(Gate::Open))), text(&[&"host-a", &here.member, &"epoch 2", &"for clients"])),
        (Action::Start(Box::new(launch(Gate::Gated))), text(&[&"for e2d alone"])),
        (stop(StopReason::Fenced { ours: Epoch(1), known: Epoch(2) }), text(&[&"epoch 1", &"epoch 2"])),
        (stop(StopReason::Fenced { ours: Epoch(2), known: Epoch(2) }), text(&[&"another claim of epoch 2"])),
        (stop(StopReason::Abandoned), vec![]),
        (stop(StopReason::Reopen), vec![]),
        (stop(StopReason::Shutdown), vec![]),
        (stop(StopReason::Cloned(addr(9))), text(&[&addr(9)])),
        (Action::MarkRestored { archive }, text(&[&archive])),
        (Action::AddLearner { node: node(1), peer_url: url(1) }, text(&[&node(1), &url(1)])),
        (Action::Promote { member: MemberId(0xabc) }, text(&[&MemberId(0xabc)])),
        (Action::Archive, vec![]),
        (refuse(Refusal::OtherLineage { disk: "aa".to_owned(), store: "bb".to_owned() }), text(&[&"aa", &"bb"])),
        (refuse(Refusal::NewerData(said())), vec![said()]),
        (refuse(Refusal::ForeignOwner(said())), vec![said()]),
        (refuse(Refusal::ForeignStore(said())), vec![said()]),
        (refuse(Refusal::StoreNotShared(said())), vec![said()]),
        (refuse(Refusal::DataMismatch(said())), vec![said()]),
    ]
}

#[test]
fn every_act_is_a_sentence_with_its_values() {
    for (action, values) in acts() {
        let text = action.to_string();
        is_a_sentence(&text).unwrap();
        for value in values {
            assert!(text.contains(&value), "{value:?} is not in {text:?}");
        }
    }
}

/// A report names the decision before its verdict, and says so when there is nothing to do.
#[test]
fn a_report_names_its_decisions() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let leader = worlds::leader(&lineage);
    assert_eq!(plan::plan(&leader).report.to_string(), "nothing to do");
    let blind = e2d_core::observe::World { data: None, ..leader };
    assert_eq!(plan::plan(&blind).report.to_string(), "disk: waits: the data directory was not looked at yet");
}
