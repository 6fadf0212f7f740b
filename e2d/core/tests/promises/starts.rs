//! S3, S7, S11, S16, S17: when etcd may start, and on what.

use crate::choices::{Scene, cases, scenes_of};
use crate::worlds::{self, STARTS, ago, archive, known, lineage, member_word, node};
use e2d_core::action::{Action, Launch, Refusal};
use e2d_core::id::{BootId, Epoch, LineageId, MemberId, NodeId};
use e2d_core::interview::{self, Finding, Interview, Question, Testimony};
use e2d_core::lineage::{ClaimKind, Lineage, LineageState};
use e2d_core::memory::{Heard, Phase, Place, State};
use e2d_core::observe::{DataDir, ExitCause, Gate, Process, Trouble, World};
use e2d_core::plan;
use e2d_core::word::{EtcdWord, Known, Word};
use proptest::prelude::*;
use std::time::Duration;

fn launch(world: &World) -> Option<Launch> {
    match plan::plan(world).node {
        Some(Action::Start(launch)) => Some(*launch),
        _ => None,
    }
}

/// Every epoch of a lineage that this node could know by now.
fn epochs_known(world: &World, lineage: e2d_core::id::LineageId) -> Vec<Epoch> {
    let copies = world.recall.lineage.iter().chain(world.copies.values()).chain(world.stored().map(|(copy, _)| copy));
    let answers = world.interview.iter().flat_map(|interview| {
        interview.answers.values().filter(|told| told.start == interview.start).filter_map(|told| told.known)
    });
    let told = answers.filter(|known| known.lineage == lineage).map(|known| known.epoch);
    copies.filter(|copy| copy.lineage == lineage).map(|copy| copy.epoch).chain(told).collect()
}

proptest! {
    #![proptest_config(cases(8_000))]

    /// S16: etcd does not start in an epoch while a later one is known.
    #[test]
    fn no_start_while_a_newer_epoch_is_known(scene in scenes_of(STARTS)) {
        let Scene(world) = &scene;
        let Some(Launch { place, .. }) = launch(world) else { return Ok(()) };
        let fresh = world.promised == Some(place.claim) || world.state.phase == Phase::Joining;
        let newer = epochs_known(world, place.lineage).into_iter().find(|epoch| *epoch > place.epoch);
        // Who founds or joins just now rests on the newest copy that is written down; who restarts asks as well.
        let written = world.lineage().is_some_and(|copy| copy.lineage == place.lineage && copy.epoch > place.epoch);
        prop_assert!(!written, "it starts in epoch {} and has written down a later one", place.epoch);
        prop_assert!(fresh || newer.is_none(), "it starts in epoch {} and epoch {newer:?} is known", place.epoch);
    }

    /// S11: old data speaks only after its fellows were asked, and none knew better.
    #[test]
    fn old_data_starts_after_a_clear_interview_alone(scene in scenes_of(STARTS)) {
        let Scene(world) = &scene;
        let Some(launch) = launch(world) else { return Ok(()) };
        let Some(DataDir::Member(data)) = &world.data else {
            // Nothing to forget: an empty directory, started in the run that noted it.
            prop_assert_eq!(&world.data, &Some(DataDir::Empty));
            return Ok(());
        };
        prop_assert_eq!((data.cluster, data.member), (launch.place.cluster, launch.place.member));
        if world.promised == Some(launch.place.claim) {
            return Ok(());
        }
        let Some(interview) = &world.interview else { return Err(TestCaseError::fail("nobody was asked")) };
        prop_assert_eq!(interview.start, world.state.start, "the answers are to another question");
        let finding = interview::weigh(world, &launch.place, data.term, data.index, interview);
        prop_assert_eq!(finding, Finding::Clear);
    }

    /// The start is on the disk before it happens, and what was noted is what is started.
    #[test]
    fn a_start_is_noted_before_it_happens(scene in scenes_of(STARTS)) {
        let Scene(world) = &scene;
        let Some(launch) = launch(world) else { return Ok(()) };
        let first = world.data == Some(DataDir::Empty);
        prop_assert!(!first || (world.state.ran && world.state.start > 0), "data that goes missing would not be missed");
        prop_assert!(world.runs().is_none());
        prop_assert_eq!(world.state.place, Some(launch.place));
        prop_assert!(launch.gate == Gate::Gated || world.state.opened, "clients are served before it is noted");
        prop_assert!(world.state.phase != Phase::Abandoned && world.state.phase != Phase::Sealed);
    }

    /// S7, S8: a founder of a restore starts on restored data or not at all, and gated until the epoch is live.
    #[test]
    fn a_founder_of_a_restore_never_starts_empty(scene in scenes_of(STARTS)) {
        let Scene(world) = &scene;
        let (Some(launch), Some(lineage)) = (launch(world), world.lineage()) else { return Ok(()) };
        let founds = lineage.claim.nonce == launch.place.claim && world.state.phase == Phase::Founding;
        if founds && lineage.claim.kind != ClaimKind::Birth {
            prop_assert!(matches!(world.data, Some(DataDir::Member(_))));
            prop_assert!(launch.gate == Gate::Gated || lineage.state == LineageState::Live);
        }
        if founds && lineage.claim.kind == ClaimKind::Birth {
            prop_assert_ne!(lineage.state, LineageState::Forming, "a birth starts nobody before it is live");
        }
    }

    /// S1, S8: a disk is marked as open to clients only under an epoch that is live.
    #[test]
    fn a_forming_epoch_opens_to_nobody(scene in scenes_of(STARTS)) {
        let Scene(world) = &scene;
        let Some(Action::Remember(state)) = plan::plan(world).node else { return Ok(()) };
        if state.phase == Phase::Founding && state.opened && !world.state.opened {
            prop_assert_eq!(world.lineage().map(|lineage| lineage.state), Some(LineageState::Live));
        }
    }

    /// S6, S7: an archive is unpacked into an empty directory, and only the one that the claim names.
    #[test]
    fn a_restore_fills_an_empty_directory(scene in scenes_of(STARTS)) {
        let Scene(world) = &scene;
        let Some(Action::Restore { source, launch }) = plan::plan(world).node else { return Ok(()) };
        prop_assert_eq!((&world.data, world.state.phase), (&Some(DataDir::Empty), Phase::Founding));
        let claimed = world.lineage().map(|lineage| (lineage.claim.nonce, lineage.claim.source));
        prop_assert_eq!(claimed, Some((launch.place.claim, Some(source))));
        prop_assert!(launch.gate == Gate::Gated);
    }
}

/// A member of three with its data, whose two fellows have answered that all is well.
fn answered() -> World {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::settled(&lineage, Phase::Member);
    world.recall.members.clone_from(&lineage.members);
    (world.state.start, world.raised) = (4, Some(4));
    let heard = Heard { start: 3, boot: Some(BootId(9)), term: 3, index: 900 };
    let told = Testimony {
        start: 4,
        known: Some(known(&lineage)),
        removed: false,
        serves: true,
        heard: Some(heard),
        away: false,
    };
    let answers = [(node(2), told), (node(3), told)].into();
    world.interview = Some(Interview { start: 4, since: ago(1), grown: ago(1), answers });
    world
}

fn retell(world: &mut World, change: impl Fn(&mut Testimony)) {
    world.interview.as_mut().unwrap().answers.values_mut().for_each(change);
}

fn see_own_archive_ahead(world: &mut World) {
    let own = archive(&lineage(3, 1, LineageState::Live, ClaimKind::Birth), 50, node(1), true);
    let ahead = e2d_core::observe::ArchiveSeen { index: 901, ..own };
    world.store.as_mut().unwrap().value.archives.push(ahead);
}

fn newer(state: LineageState) -> Known {
    known(&lineage(3, 2, state, ClaimKind::Restore))
}

/// S11, S16: each thing that the others may know better.
#[test]
fn an_answer_that_knows_better_holds_the_start_back() {
    type Change = fn(&mut World);
    assert!(launch(&answered()).is_some());
    let changes: &[(&str, Change)] = &[
        ("silent: ", |world| world.interview.as_mut().unwrap().answers.clear()),
        ("silent: ", |world| retell(world, |told| told.start = 3)),
        ("epoch 2 is forming", |world| retell(world, |told| told.known = Some(newer(LineageState::Forming)))),
        ("epoch 2 is live", |world| retell(world, |told| told.known = Some(newer(LineageState::Live)))),
        ("was removed", |world| retell(world, |told| told.removed = true)),
        ("further on than it is now", |world| {
            retell(world, |told| (told.serves, told.heard) = (false, Some(Heard { index: 901, ..Heard::default() })));
        }),
        ("index 901", |world| {
            retell(world, |told| told.heard = Some(Heard { index: 901, ..Heard::default() }));
        }),
        ("was taken from it at index 901", see_own_archive_ahead),
        ("was taken from this disk at index 901", |world| {
            see_own_archive_ahead(world);
            retell(world, |told| told.serves = false);
        }),
        ("silent: ", |world| {
            let interview = world.interview.as_mut().unwrap();
            interview.answers.remove(&node(3));
            interview.grown = world.now;
        }),
    ];
    for (expected, change) in changes {
        let mut world = answered();
        change(&mut world);
        let report = plan::plan(&world).report.to_string();
        assert!(launch(&world).is_none() && report.contains(expected), "{expected}: {report}");
    }
}

/// One answer of two is a majority of three with the asker itself.
#[test]
fn a_majority_that_answers_is_enough() {
    let mut world = answered();
    world.interview.as_mut().unwrap().answers.remove(&node(3));
    assert!(launch(&world).is_some());
}

/// S17: with an intact disk and a majority of peers, the store is not needed.
#[test]
fn a_start_does_not_wait_for_the_store() {
    let mut world = answered();
    world.store = None;
    assert!(launch(&world).is_none(), "it gives the store a short look");
    world.interview.as_mut().unwrap().since = ago(2);
    assert!(launch(&world).is_some());
    world.see_store(Err(Trouble::Denied("403".to_owned())));
    assert!(launch(&world).is_some());
}

/// S13: a member whose data a quorum would fill again gives it up; where nobody would, it is kept.
#[test]
fn data_that_went_back_is_given_up_only_where_it_comes_back() {
    let gives_up = |serves: bool| {
        let mut world = answered();
        retell(&mut world, |told| {
            (told.serves, told.heard) = (serves, Some(Heard { term: 4, ..Heard::default() }));
        });
        matches!(plan::plan(&world).node, Some(Action::Remember(state)) if state.phase == Phase::Abandoned)
    };
    assert!(gives_up(true) && !gives_up(false));
}

/// S4, S13: a member that etcd calls removed gives its data up to those who serve, and keeps it while nobody does: the
/// others may have been lost while they agreed on the removal.
#[test]
fn a_removed_member_keeps_its_data_until_others_serve() {
    let removed = |serves: bool| {
        let mut world = answered();
        world.etcd.process = Process::Exited { cause: ExitCause::Removed, at: ago(1) };
        retell(&mut world, |told| told.serves = serves);
        plan::plan(&world).report.to_string()
    };
    assert!(removed(true).contains("give this disk's identity up"), "{}", removed(true));
    assert!(removed(false).contains("so the data here is kept"), "{}", removed(false));
}

/// S4: a witness whose own etcd has only just come into view does not take the silence of others for their presence.
#[test]
fn presence_is_what_was_heard_lately() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::leader(&lineage);
    let question = Question { node: node(2), ..question(&world) };
    assert!(interview::testify(&world, &question).0.serves);
    for member in world.etcd.heard.values_mut() {
        *member = ago(9);
    }
    world.etcd.process = Process::Running { gate: Gate::Open, since: ago(1) };
    assert!(!interview::testify(&world, &question).0.serves, "nobody was heard for nine seconds");
}

fn question(world: &World) -> Question {
    let place = world.state.place.unwrap();
    let member = lineage(3, 1, LineageState::Live, ClaimKind::Birth).founder_member(&worlds::founder(2));
    Question { node: node(2), boot: BootId(5), start: 9, place: Place { member, ..place } }
}

/// S11, S20: what proves the data worthless does not come out only when another answer is missing.
#[test]
fn a_removal_outweighs_news_of_an_epoch_that_forms() {
    let mut world = answered();
    let answers = &mut world.interview.as_mut().unwrap().answers;
    answers.get_mut(&node(2)).unwrap().known = Some(newer(LineageState::Forming));
    answers.get_mut(&node(3)).unwrap().removed = true;
    let report = plan::plan(&world).report.to_string();
    assert!(report.contains("was removed"), "{report}");
}

/// S11: a disk that has forgotten who its fellows are asks until somebody tells it.
#[test]
fn a_disk_that_forgot_its_fellows_does_not_start_alone() {
    let mut world = answered();
    (world.recall.lineage, world.store) = (None, None);
    world.recall.members.clear();
    world.interview.as_mut().unwrap().answers.clear();
    world.interview.as_mut().unwrap().since = ago(60);
    assert!(launch(&world).is_none());
    // A cluster that was just taken over knows only itself.
    let place = world.state.place.as_mut().unwrap();
    (place.lineage, place.epoch) = (e2d_core::id::LineageId(0), Epoch(0));
    assert!(launch(&world).is_some());
}

/// S11: a promise may be a copy, or a repetition, of one under which the disk has voted since: it asks first. Only in a
/// birth nobody runs before all have promised.
#[test]
fn a_promise_asks_before_it_starts() {
    let forming = lineage(3, 2, LineageState::Forming, ClaimKind::Restore);
    let born = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    for (lineage, promised) in [(&forming, true), (&forming, false), (&born, false)] {
        let mut world = worlds::settled(lineage, Phase::Founding);
        world.lineage_since = ago(1);
        world.promised = promised.then_some(lineage.claim.nonce);
        let Some(Action::Remember(state)) = plan::plan(&world).node else { panic!("it counts this start") };
        world.remembered(*state);
        assert_eq!(plan::plan(&world).node, Some(Action::Interview { start: 2 }));
        world.interviewing(2);
        assert!(plan::plan(&world).report.to_string().contains("silent: "));
    }
    let mut world = worlds::settled(&born, Phase::Founding);
    (world.promised, world.state.opened) = (Some(born.claim.nonce), true);
    assert!(launch(&world).is_some(), "it promised in this very run: {}", plan::plan(&world).report);
}

/// S11: a restore starts only on a look at the store: it may show that this disk has run before, and was set back.
#[test]
fn a_restore_looks_at_the_store_before_its_first_start() {
    let lineage = lineage(3, 2, LineageState::Forming, ClaimKind::Restore);
    let mut world = worlds::settled(&lineage, Phase::Founding);
    (world.state.start, world.state.ran, world.raised, world.lineage_since) = (4, false, Some(4), ago(1));
    worlds::see_store(&mut world, Some(&lineage), vec![]);
    let told =
        Testimony { start: 4, known: Some(known(&lineage)), removed: false, serves: false, heard: None, away: false };
    let answers = [(node(2), told), (node(3), told)].into();
    world.interview = Some(Interview { start: 4, since: ago(60), grown: ago(60), answers });
    let runs = |world: &World| matches!(plan::plan(world).node, Some(Action::Remember(state)) if state.ran);
    assert!(runs(&world), "{}", plan::plan(&world).report);
    world.see_store(Err(Trouble::Unreachable("no route".to_owned())));
    assert!(!runs(&world), "{}", plan::plan(&world).report);
}

/// S11: a witness that is not where its member belongs may be a copy, whose original has heard more since: it says so, what it
/// knows counts against who asks, and never for it.
#[test]
fn a_witness_away_from_home_counts_against_alone() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::settled(&lineage, Phase::Member);
    let question = Question { node: node(1), boot: BootId(7), place: world.state.place.unwrap(), start: 4 };
    assert!(!interview::testify(&world, &question).0.away);
    world.state.home = Some(worlds::url(9));
    assert!(interview::testify(&world, &question).0.away);

    let mut world = worlds::settled(&lineage, Phase::Member);
    (world.state.start, world.raised) = (4, Some(4));
    worlds::see_store(&mut world, Some(&lineage), vec![]);
    let mut found = |away: bool, heard: Option<Heard>| {
        let told = Testimony { start: 4, known: Some(known(&lineage)), removed: false, serves: false, heard, away };
        world.interview =
            Some(Interview { start: 4, since: ago(60), grown: ago(60), answers: [(node(2), told)].into() });
        interview::weigh(&world, &world.state.place.unwrap(), 3, 900, world.interview.as_ref().unwrap())
    };
    assert_eq!(found(false, None), Finding::Clear);
    assert!(
        matches!(found(true, None), Finding::Missing { silent, away, needed: 2 } if away == [node(2)] && silent == [node(3)])
    );
    let further = Heard { start: 6, boot: Some(BootId(9)), term: 3, index: 901 };
    assert!(matches!(found(true, Some(further)), Finding::WentBack { .. }));
}

/// S11: a founder whose disk went back under a claim that has served nobody makes way for another identity.
#[test]
fn a_founder_that_went_back_gives_its_identity_up_while_nobody_is_served() {
    for state in [LineageState::Forming, LineageState::Live] {
        let lineage = lineage(3, 2, state, ClaimKind::Restore);
        let mut world = worlds::settled(&lineage, Phase::Founding);
        (world.state.start, world.raised, world.lineage_since) = (4, Some(4), ago(1));
        worlds::see_store(&mut world, Some(&lineage), vec![]);
        let heard = Heard { start: 6, boot: Some(BootId(9)), term: 3, index: 900 };
        let told = Testimony {
            start: 4,
            known: Some(known(&lineage)),
            removed: false,
            serves: false,
            heard: Some(heard),
            away: false,
        };
        let answers = [(node(2), told), (node(3), told)].into();
        world.interview = Some(Interview { start: 4, since: ago(1), grown: ago(1), answers });
        let report = plan::plan(&world).report.to_string();
        assert_eq!(report.contains("give this disk's identity up"), state == LineageState::Forming, "{report}");
    }
}

/// S7, S13: a founder that comes late to a restore whose members are all gone since gives its promise up, with what it
/// restored: it never ran, and must not keep the next restore waiting.
#[test]
fn a_late_founder_whose_fellows_are_gone_is_free_again() {
    let mut lineage = lineage(3, 2, LineageState::Live, ClaimKind::Restore);
    lineage.members[0].started = false;
    let gives_up = |gone: &[usize], ran: bool, data: DataDir| {
        let mut world = worlds::settled(&lineage, Phase::Founding);
        world.state.ran = ran;
        world.data = Some(data);
        worlds::see_store(&mut world, Some(&lineage), vec![]);
        world.peers.clear();
        for &n in gone {
            worlds::meet(&mut world, n, worlds::word(n, node(n + 40)), Duration::from_secs(9));
        }
        matches!(plan::plan(&world).node, Some(Action::Remember(state)) if state.phase == Phase::Abandoned)
    };
    let restored = || worlds::disk(&worlds::place(&lineage, 1));
    assert!(gives_up(&[2, 3], false, DataDir::Empty) && gives_up(&[2, 3], false, restored()));
    assert!(!gives_up(&[2], false, DataDir::Empty), "node 3 may have what is newer");
    assert!(!gives_up(&[2, 3], true, restored()), "it may have spoken");
}

/// S11: a copy of a disk asks nothing in its original's name, damaged or not: an answer to the original would then say that
/// it had gone back.
#[test]
fn a_copy_asks_nothing() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let damages = [None, Some(DataDir::Unreadable("a torn record".to_owned()))];
    for (damage, moved) in damages.into_iter().flat_map(|damage| [(damage.clone(), false), (damage, true)]) {
        let mut world = worlds::settled(&lineage, Phase::Member);
        world.recall.members.clone_from(&lineage.members);
        world.raised = Some(world.state.start);
        world.data = damage.clone().or(world.data);
        if moved {
            world.me.peer_url = worlds::url(9);
        }
        let asks = matches!(plan::plan(&world).node, Some(Action::Interview { .. }));
        assert_eq!(asks, !moved, "{damage:?}: {}", plan::plan(&world).report);
    }
}

/// S11: data lost under a promise costs the identity; an etcd that wrote nothing costs nothing.
#[test]
fn a_founder_whose_data_is_missing_gives_its_identity_up() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::settled(&lineage, Phase::Founding);
    world.data = Some(DataDir::Empty);
    let gives_up = |world: &World| matches!(plan::plan(world).node, Some(Action::Remember(state)) if state.phase == Phase::Abandoned);
    assert!(gives_up(&world));
    world.promised = Some(lineage.claim.nonce);
    assert!(!gives_up(&world), "this very run promised, and has not started yet");
    (world.promised, world.launched) = (None, Some(lineage.claim.nonce));
    assert!(!gives_up(&world), "etcd ended before it wrote anything");
    world.launched = Some(e2d_core::id::Nonce(1));
    assert!(gives_up(&world), "it was for another claim");
}

/// S16: data of another cluster than the one on record is not started on, by a founder no more than by a member.
#[test]
fn data_of_another_cluster_is_refused() {
    for phase in [Phase::Founding, Phase::Joining, Phase::Member] {
        let lineage = lineage(3, 2, LineageState::Live, ClaimKind::Restore);
        let mut world = worlds::settled(&lineage, phase);
        world.promised = Some(lineage.claim.nonce);
        let older = worlds::lineage(3, 1, LineageState::Live, ClaimKind::Birth);
        world.data = Some(worlds::disk(&worlds::place(&older, 1)));
        let plan = plan::plan(&world);
        assert!(matches!(plan.node, Some(Action::Refuse { .. })), "{phase:?}: {}", plan.report);
    }
}

/// S6, S22: an etcd that died of data of a newer one is not started again, a founder's no more than a member's.
#[test]
fn an_etcd_that_refused_its_data_is_not_tried_again() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    for phase in [Phase::Founding, Phase::Joining, Phase::Member] {
        let mut world = worlds::settled(&lineage, phase);
        world.promised = Some(lineage.claim.nonce);
        let data = world.data.clone();
        let cause = ExitCause::NewerData("server version is lower".to_owned());
        world.exited(Process::Exited { cause, at: ago(1) });
        world.data = data;
        let plan = plan::plan(&world);
        assert!(matches!(plan.node, Some(Action::Refuse { .. })), "{phase:?}: {}", plan.report);
    }
}

/// S13: a newcomer whose etcd never wrote anything, and whose seat was given to another meanwhile, asks and begins anew.
#[test]
fn a_newcomer_without_a_seat_begins_anew() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::settled(&lineage, Phase::Joining);
    (world.state.start, world.data) = (1, Some(DataDir::Empty));
    world.state.place = world.state.place.map(|place| Place { member: MemberId(0x1ea2), ..place });
    world.launched = world.state.place.map(|place| place.claim);
    for n in [2, 3] {
        worlds::meet(&mut world, n, member_word(&lineage, n), Duration::from_secs(30));
    }
    let next = |world: &World| plan::plan(world).node;
    assert!(matches!(next(&world), Some(Action::Remember(state)) if (state.phase, state.start) == (Phase::Joining, 2)));
    world.remembered(State { start: 2, ..world.state.clone() });
    assert_eq!(next(&world), Some(Action::Interview { start: 2 }));
    world.interviewing(2);
    assert_eq!(next(&world), None, "nobody says anything yet");
    let told = Testimony { start: 2, known: None, removed: false, serves: true, heard: None, away: false };
    world.hear_testimony(node(3), told);
    assert_eq!(next(&world), None, "it may be invited again");
    world.hear_testimony(node(2), Testimony { removed: true, ..told });
    assert!(matches!(next(&world), Some(Action::Remember(state)) if state.phase == Phase::Abandoned));
}

/// S11: who was added a moment ago is not on an older list, and was not removed.
#[test]
fn a_list_from_before_the_question_removes_nobody() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::leader(&lineage);
    let place = Place { member: MemberId(0x1ea2), ..worlds::place(&lineage, 3) };
    let question = Question { node: node(3), boot: BootId(9), place, start: 2 };
    let removed = |world: &World| interview::testify(world, &question).0.removed;
    world.peers.get_mut(&node(3)).unwrap().steady_since = ago(2);
    world.etcd.members.as_mut().unwrap().at = ago(3);
    assert!(!removed(&world));
    world.etcd.members.as_mut().unwrap().at = ago(1);
    assert!(removed(&world));
}

/// S3, S17: a cluster of plain etcd that was taken over has names in its list of members, which say nothing about the
/// machine that this is; a disk that last ran elsewhere is known by its own note of that.
#[test]
fn a_name_in_the_list_is_no_other_machine() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::settled(&lineage, Phase::Member);
    world.recall.members.clone_from(&lineage.members);
    let here = world.me.peer_url.clone();
    let waits = |world: &World| plan::plan(world).report.to_string().contains("belongs");
    for (list, home, elsewhere) in [
        ("https://etcd-1.internal:2380", None, false),
        ("https://etcd-1.internal:2380", Some(here.as_str()), false),
        ("http://10.0.0.99:2380", Some(here.as_str()), false),
        ("http://10.0.0.99:2380", None, true),
        (here.as_str(), Some("http://10.0.0.99:2380"), true),
    ] {
        list.clone_into(&mut world.recall.members[0].peer_url);
        world.state.home = home.map(str::to_owned);
        let report = plan::plan(&world).report.to_string();
        assert_eq!(report.contains("10.0.0.99"), elsewhere, "{list} {home:?}: {report}");
    }
    assert!(waits(&world) || plan::plan(&world).report.to_string().contains("10.0.0.99"));
}

/// S13: whom a disk asks before it starts: the voters, and those that the newest record names.
#[test]
fn the_interview_asks_the_voters_of_the_newest_list() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::settled(&lineage, Phase::Member);
    world.recall.members.clone_from(&lineage.members);
    world.recall.listed = lineage.version();
    let place = world.state.place.unwrap();
    let asked = |world: &World| interview::fellows(world, &place);
    assert_eq!(asked(&world), (vec![node(1), node(2), node(3)], 3));
    world.recall.members[2].learner = true;
    assert_eq!(asked(&world), (vec![node(1), node(2)], 2), "a learner has no vote");
    // Two were replaced while this disk was away.
    let known = world.recall.lineage.as_mut().unwrap();
    known.seq += 4;
    (known.members[1].node, known.members[2].node) = (Some(node(8)), Some(node(9)));
    assert_eq!(asked(&world), (vec![node(1), node(8), node(9)], 3));
}

/// S13: without a store, a spare machine that remembers a cluster whose disks are all gone takes up the one that was
/// born after it, and no other.
#[test]
fn a_lineage_that_ended_without_a_store_makes_room() {
    let dead = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let born = Lineage { lineage: LineageId(0xb0b), ..lineage(3, 1, LineageState::Live, ClaimKind::Birth) };
    let mut world = worlds::quiet(3, false);
    world.identity.as_mut().unwrap().node = node(9);
    world.me.peer_url = worlds::url(9);
    world.recall.lineage = Some(dead);
    for n in 1..=3 {
        let told = Word { former: vec![node(n)], ..member_word(&born, n) };
        let successor = NodeId(0x40 + n as u64);
        worlds::meet(&mut world, n, told, Duration::from_secs(30));
        let peer = world.peers.remove(&node(n)).unwrap();
        world.peers.insert(successor, peer);
        world.hear_copy(successor, born.clone());
    }
    let learns = |world: &World| match plan::plan(world).node {
        Some(Action::Recall(recall)) => recall.lineage,
        _ => None,
    };
    assert_eq!(learns(&world), Some(born));
    let mut unproved = world.clone();
    unproved.peers.values_mut().for_each(|peer| peer.word.as_mut().unwrap().former.clear());
    unproved.peers.remove(&NodeId(0x41));
    assert_eq!(learns(&unproved), None, "one disk of the former may come back");
    world.peers.values_mut().for_each(|peer| peer.word.as_mut().unwrap().progress = None);
    assert_eq!(learns(&world), None, "nobody serves it");
}

/// S20: a node with something to settle about itself changes nothing for the others.
#[test]
fn a_leader_that_cannot_see_its_own_disk_changes_no_member() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::leader(&lineage);
    let dead = lineage.founder_member(&worlds::founder(3));
    world.etcd.heard.insert(dead, ago(4_000));
    let peer = world.peers.get_mut(&node(3)).unwrap();
    (peer.alive, peer.heard_at, peer.steady_since) = (false, Some(ago(4_000)), ago(4_000));
    assert!(plan::plan(&world).members.is_some());
    for data in [None, Some(DataDir::Unseen("/data: input/output error".to_owned()))] {
        let blind = World { data, ..world.clone() };
        assert!(plan::plan(&blind).members.is_none());
    }
    let mut elsewhere = world;
    elsewhere.state.phase = Phase::Empty;
    elsewhere.peers.values_mut().filter_map(|peer| peer.word.as_mut()).for_each(|word| word.progress = None);
    let plan = plan::plan(&elsewhere);
    assert_eq!((plan.members, plan.report.lines.len()), (None, 0), "its disk does not say that it is a member");
}

/// S16: an older epoch's disk stops when a newer one is known, and is given up when that is live.
#[test]
fn a_newer_epoch_fences_an_older_disk() {
    let old = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::leader(&old);
    let next = |state| Lineage { seq: 9, ..lineage(3, 2, state, ClaimKind::Restore) };
    world.recall.lineage = Some(next(LineageState::Forming));
    worlds::see_store(&mut world, Some(&next(LineageState::Forming)), vec![]);
    let plan = plan::plan(&world);
    assert!(matches!(plan.node, Some(Action::Stop { .. })) && plan.members.is_none(), "{}", plan.report);
    world.exited(e2d_core::observe::Process::Absent);
    let report = plan::plan(&world).report.to_string();
    assert!(report.contains("older data here is kept"), "{report}");
    world.recall.lineage = Some(next(LineageState::Live));
    worlds::see_store(&mut world, Some(&next(LineageState::Live)), vec![]);
    let Some(Action::Remember(state)) = plan::plan(&world).node else { panic!("it is given up") };
    assert_eq!(state.because.as_deref(), Some("its data is of epoch 1, and epoch 2 is live"));
    world.remembered(*state);
    let Some(Action::Quarantine(evidence)) = plan::plan(&world).node else { panic!("it is set aside") };
    assert!(evidence.because().contains("epoch 2 is live"), "{evidence}");
}

/// S22: nothing is started on the data of a newer etcd, and nothing of it is touched; an etcd that runs on it already is
/// left alone.
#[test]
fn data_of_a_newer_etcd_starts_nothing() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::settled(&lineage, Phase::Member);
    world.data = Some(DataDir::NewerData("its cluster ran etcd 3.6, and the etcd here is 3.4".to_owned()));
    let refused = matches!(plan::plan(&world).node, Some(Action::Refuse { why: Refusal::NewerData(_) }));
    assert!(refused, "{}", plan::plan(&world).report);
    world.started(Process::Running { gate: Gate::Open, since: world.now });
    assert!(!matches!(
        plan::plan(&world).node,
        Some(Action::Refuse { .. } | Action::Quarantine(_) | Action::Stop { .. })
    ));
}

/// S4, S11: a machine image was copied with a disk that held nothing yet. The copy takes an id of its own and does not
/// tell that the first one is gone: its original may be a member by now, of a lineage that the copy knows nothing of.
#[test]
fn a_copy_of_an_empty_disk_does_not_speak_for_its_original() {
    let mut copy = worlds::quiet(3, true);
    copy.clone_at = Some(worlds::addr(77));
    let Some(Action::Remember(state)) = plan::plan(&copy).node else { panic!("{}", plan::plan(&copy).report) };
    assert_eq!(state.phase, Phase::Abandoned);
    copy.remembered(*state);
    let Some(Action::Identify(fresh)) = plan::plan(&copy).node else { panic!("{}", plan::plan(&copy).report) };
    assert_ne!(fresh.node, node(1));
    assert_eq!(fresh.former, [], "it would be a proof that the original is dead");
}

/// S11: a disk that was copied before e2d ran on it is one member under two identities. Beside one in sight nothing is started;
/// of two that run whoever is away from where etcd's list has the member stops.
#[test]
fn one_member_on_two_machines_does_not_speak_twice() {
    let members = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let twin = |etcd: EtcdWord| Word { etcd, place: Some(worlds::place(&members, 1)), ..member_word(&members, 9) };
    let stops = |world: &World| matches!(plan::plan(world).node, Some(Action::Stop { .. }));

    let mut idle = worlds::settled(&members, Phase::Member);
    let asks = plan::plan(&idle);
    assert!(asks.node.is_some(), "{}", asks.report);
    worlds::meet(&mut idle, 9, twin(EtcdWord::Stopped), Duration::from_secs(1));
    let waits = plan::plan(&idle);
    assert!(waits.node.is_none() && waits.report.to_string().contains("runs a copy of this disk"), "{}", waits.report);

    for (listed, expected) in [(1, false), (9, true), (77, true)] {
        let mut world = worlds::leader(&members);
        let own = world.state.place.unwrap().member;
        let list = &mut world.etcd.members.as_mut().unwrap().value;
        list.iter_mut().filter(|member| member.id == own).for_each(|member| member.peer_url = worlds::url(listed));
        worlds::meet(&mut world, 9, twin(EtcdWord::Stopped), Duration::from_secs(1));
        assert!(!stops(&world), "who runs goes on beside one that does not");
        worlds::meet(&mut world, 9, twin(EtcdWord::Open), Duration::from_secs(1));
        assert_eq!(stops(&world), expected, "listed at {listed}: {}", plan::plan(&world).report);
    }
}

/// S13: a member that met its clone was frozen, and was removed meanwhile. Neither the clone nor the member has a place
/// any more, so it gives its identity up as soon as somebody who serves was asked, and does not wait for ever.
#[test]
fn a_removed_member_that_once_met_its_clone_gives_its_identity_up() {
    let members = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::settled(&members, Phase::Member);
    world.clone_at = Some(worlds::addr(77));
    (world.raised, world.state.home) = (Some(world.state.start), None);
    world.recall.members.clear();
    let known = world.recall.lineage.as_mut().unwrap();
    known.claim.founders.retain(|founder| founder.node != node(1));
    // Adopted, and its name not published yet: it is listed by its id alone, and where it belongs nobody wrote down.
    let own = world.state.place.unwrap().member;
    known.members.iter_mut().filter(|member| member.member == own).for_each(|member| member.node = None);
    world.interview = None;
    let listed = plan::plan(&world);
    assert_eq!(listed.node, None, "it is a member, or a copy of one: {}", listed.report);
    world.recall.lineage.as_mut().unwrap().members.retain(|member| member.member != own);
    let asks = plan::plan(&world);
    assert!(matches!(asks.node, Some(Action::Interview { .. })), "{}", asks.report);
    world.interviewing(world.state.start);
    let alone = plan::plan(&world);
    assert_eq!(alone.node, None, "its data may be all that is left: {}", alone.report);
    let serves =
        Testimony { start: world.state.start, known: None, removed: false, serves: true, heard: None, away: false };
    world.hear_testimony(node(2), serves);
    let gives_up = plan::plan(&world);
    assert!(
        matches!(&gives_up.node, Some(Action::Remember(state)) if state.phase == Phase::Abandoned),
        "{}",
        gives_up.report
    );
}
