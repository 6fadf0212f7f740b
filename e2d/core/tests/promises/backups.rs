//! S14, S15, S21: who takes archives, when, and what is restored where none is as it should be.

use crate::worlds::{self, ago, archive, lineage, node, see_store};
use e2d_core::action::{Action, Refusal};
use e2d_core::id::{LineageId, Revision};
use e2d_core::lineage::{ClaimKind, Lineage, LineageState};
use e2d_core::memory::{Phase, State};
use e2d_core::observe::{ArchiveSeen, Seen, Trouble, World};
use e2d_core::plan;
use e2d_core::reason::Reason;
use std::time::Duration;

/// A member beside a leader whose node is away for so many seconds, while its etcd leads on.
fn beside_an_absent_leader(seconds: u64) -> World {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::leader(&lineage);
    world.archived = None;
    world.etcd.status.as_mut().unwrap().value.leader = Some(lineage.founder_member(&worlds::founder(3)));
    world.etcd.listening_since = None;
    let peer = world.peers.get_mut(&node(3)).unwrap();
    (peer.alive, peer.steady_since) = (false, ago(seconds));
    world
}

/// T4, S21: while the leader's node is away, another takes the archives, and everybody says that nobody sees to the members.
#[test]
fn an_unattended_leader_stops_no_backup() {
    let plan = plan::plan(&beside_an_absent_leader(61));
    assert_eq!(plan.backup, Some(Action::Archive), "{}", plan.report);
    assert!(plan.report.to_string().contains("nobody replaces members"), "{}", plan.report);
    let soon = plan::plan(&beside_an_absent_leader(59));
    assert_eq!((soon.backup, soon.report.lines.len()), (None, 0), "{}", soon.report);
    let mut second = beside_an_absent_leader(61);
    second.identity.as_mut().unwrap().node = node(9);
    assert_eq!(plan::plan(&second).backup, None, "node 2 is lower, and serves");
}

/// S15: an archive that nobody has verified does not count as taken: its taker may have died before it could read it back.
#[test]
fn an_archive_that_was_never_verified_is_due() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::leader(&lineage);
    world.archived = None;
    let due = |world: &mut World, verified| {
        see_store(world, Some(&lineage), vec![archive(&lineage, 80, node(2), verified)]);
        plan::plan(world).backup
    };
    assert_eq!(due(&mut world, true), None);
    assert_eq!(due(&mut world, false), Some(Action::Archive));
}

/// S14, S15: the archives of another cluster in the same folder are none of ours: ours are taken all the same. And where no
/// object says whose the folder is, nothing is written into it, and that is said.
#[test]
fn archives_of_another_cluster_are_not_counted() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let theirs = Lineage { lineage: LineageId(0xb0b), ..lineage.clone() };
    let mut world = worlds::leader(&lineage);
    world.archived = None;
    see_store(&mut world, Some(&lineage), vec![archive(&theirs, 1_000_000, node(2), true)]);
    assert_eq!(plan::plan(&world).backup, Some(Action::Archive));
    see_store(&mut world, None, vec![archive(&theirs, 1_000_000, node(2), true)]);
    let plan = plan::plan(&world);
    assert_eq!((&plan.members, &plan.backup), (&None, &None), "{}", plan.report);
    let said = Reason::OtherLineageStored { ours: lineage.lineage, theirs: theirs.lineage };
    assert_eq!(plan.report.to_string(), format!("archive: waits: {said}"), "members are seen to all the same");
    see_store(&mut world, None, vec![archive(&lineage, 20, node(2), true)]);
    assert!(matches!(plan::plan(&world).members, Some(Action::WriteLineage { .. })), "our own are no obstacle");
}

/// S14, S15: what this process archived, and the store shows no more, is archived anew; but a look may be older than it says.
#[test]
fn an_archive_that_was_lost_is_taken_anew() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::leader(&lineage);
    let due = |world: &mut World, seconds: u64, shown: Vec<ArchiveSeen>| {
        world.archived = Some(Seen { value: Revision(80), at: ago(seconds) });
        see_store(world, Some(&lineage), shown);
        plan::plan(world).backup
    };
    assert_eq!(due(&mut world, 62, vec![archive(&lineage, 80, node(2), true)]), None, "it is there");
    assert_eq!(due(&mut world, 30, vec![]), None, "it may not be seen yet");
    assert_eq!(due(&mut world, 62, vec![]), Some(Action::Archive));
    assert_eq!(due(&mut world, 62, vec![archive(&lineage, 20, node(2), true)]), Some(Action::Archive), "an older one");
}

/// S15: an archive is due at the start of each epoch, also where the process took one of the epoch before just now.
#[test]
fn an_epoch_begins_with_an_archive() {
    let first = lineage(1, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::leader(&first);
    world.archived = Some(Seen { value: Revision(80), at: ago(1) });
    see_store(&mut world, Some(&first), vec![archive(&first, 80, node(1), true)]);
    assert_eq!(plan::plan(&world).backup, None);
    let second = lineage(1, 2, LineageState::Live, ClaimKind::Restore);
    let next = worlds::leader(&second);
    world.remembered(State { place: next.state.place, ..world.state.clone() });
    (world.data, world.etcd, world.recall) = (next.data, next.etcd, next.recall);
    see_store(&mut world, Some(&second), vec![archive(&first, 80, node(1), true)]);
    assert_eq!(plan::plan(&world).backup, Some(Action::Archive), "{}", plan::plan(&world).report);
}

/// S14: an older lineage object that came back with an old copy of the store is replaced by a quorum that lives.
#[test]
fn a_store_that_went_back_is_written_again() {
    let lineage = lineage(3, 2, LineageState::Live, ClaimKind::Restore);
    let mut world = worlds::leader(&lineage);
    let old = worlds::lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    see_store(&mut world, Some(&old), vec![]);
    let plan = plan::plan(&world);
    let Some(Action::WriteLineage { replaces, lineage: written }) = &plan.members else { panic!("{}", plan.report) };
    let stored = world.store.as_ref().unwrap().value.lineage.as_ref().unwrap();
    assert_eq!((replaces.as_ref(), written.epoch), (Some(&stored.1), lineage.epoch));
    assert!(written.is_newer_than(&lineage) && written.claim == lineage.claim);
    assert!(plan.backup.is_none() && plan.report.to_string().contains("store"), "{}", plan.report);
    // Another node has just written, and this one has not looked since: nothing is written over.
    world.lineage_since = ago(9);
    assert_eq!(plan::plan(&world).members, None);
}

/// S14, S17: an empty node does not go on beside another cluster's store; one with data needs none to go on.
#[test]
fn a_store_of_another_cluster_ends_an_empty_node_alone() {
    let foreign = |world: &mut World| world.see_store(Err(Trouble::ForeignOwner("marked with another key".to_owned())));
    let mut empty = worlds::quiet(3, true);
    foreign(&mut empty);
    let refusal = Refusal::ForeignStore("marked with another key".to_owned());
    assert_eq!(plan::plan(&empty).node, Some(Action::Refuse { why: refusal }));
    let mut member = worlds::settled(&lineage(3, 1, LineageState::Live, ClaimKind::Birth), Phase::Member);
    foreign(&mut member);
    let goes_on = plan::plan(&member);
    assert!(matches!(goes_on.node, Some(Action::Remember(_))), "{}", goes_on.report);
}

/// S14, S21: another cluster's object in the place of ours is left alone, and said.
#[test]
fn another_lineage_in_the_store_is_left_alone() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::leader(&lineage);
    world.archived = None;
    let theirs = Lineage { lineage: LineageId(0xb0b), ..lineage.clone() };
    see_store(&mut world, Some(&theirs), vec![]);
    let plan = plan::plan(&world);
    assert_eq!((&plan.members, &plan.backup), (&None, &None), "{}", plan.report);
    let said = Reason::OtherLineageStored { ours: lineage.lineage, theirs: theirs.lineage }.to_string();
    assert!(plan.report.to_string().contains(&said), "{}", plan.report);
}

/// S15: verified archives come first; what else there is is said; and where none was verified the newest is restored.
#[test]
fn a_restore_says_what_was_not_verified() {
    let old = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let claim = |archives| {
        let mut world = worlds::quiet(3, true);
        world.identity.as_mut().unwrap().node = node(41);
        world.recall.lineage = Some(old.clone());
        for n in [2, 3] {
            let told = e2d_core::word::Word {
                store: e2d_core::word::StoreWord::Lineage(old.lineage),
                known: Some(worlds::known(&old)),
                ..worlds::word(n, node(n + 40))
            };
            worlds::meet(&mut world, n, told, Duration::from_secs(30));
        }
        see_store(&mut world, Some(&old), archives);
        match plan::plan(&world).node {
            Some(Action::WriteLineage { lineage, .. }) => lineage.claim,
            other => panic!("{other:?}"),
        }
    };
    let (good, better) = (archive(&old, 20, node(1), true), archive(&old, 30, node(2), false));
    let chosen = claim(vec![good, better]);
    assert_eq!(chosen.source.unwrap().archive, good.id);
    assert!(chosen.evidence.iter().any(|line| line.contains(&better.id.to_string())), "{:?}", chosen.evidence);
    let chosen = claim(vec![better]);
    assert_eq!(chosen.source.unwrap().archive, better.id);
    assert!(chosen.evidence.iter().any(|line| line.contains("no archive of this lineage")), "{:?}", chosen.evidence);
    assert!(!claim(vec![good]).evidence.iter().any(|line| line.contains("verified")));
}
