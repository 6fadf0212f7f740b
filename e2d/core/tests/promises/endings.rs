//! S3, S13: what is over gets out of the way of what comes next, and nothing else does.

use crate::worlds::{self, ago, archive, disk, known, lineage, meet, member_word, node, place, see_store, url, word};
use e2d_core::action::Action;
use e2d_core::id::MemberId;
use e2d_core::lineage::{ClaimKind, Lineage, LineageState, Recorded};
use e2d_core::memory::{Phase, Place, State};
use e2d_core::observe::{DataDir, Gate, Process, World};
use e2d_core::plan;
use e2d_core::word::{EtcdWord, Past, Progress, StoreWord, Word};
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

/// Whether it gives its identity up now.
fn gives_up(world: &World) -> bool {
    matches!(plan::plan(world).node, Some(Action::Remember(state)) if state.phase == Phase::Abandoned)
}

/// Whether it claims the next epoch now.
fn claims(world: &World) -> bool {
    matches!(plan::plan(world).node, Some(Action::WriteLineage { lineage, .. }) if lineage.state == LineageState::Forming)
}

/// The word of an empty disk on machine `n`, which has taken node `n`'s place, and knows the lineage.
fn successor(lineage: &Lineage, n: usize) -> Word {
    Word { known: Some(known(lineage)), store: StoreWord::Lineage(lineage.lineage), ..word(n, node(n + 40)) }
}

/// A newcomer, node 53 on machine 3, that was recorded and has noted that it joins.
fn newcomer(data: DataDir) -> (World, Lineage) {
    let mut live = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let seat = Place { member: MemberId(0x77), archive: None, ..place(&live, 1) };
    live.members[2] = Recorded {
        node: Some(node(53)),
        member: seat.member,
        learner: true,
        started: false,
        ..live.members[2].clone()
    };
    let mut world = worlds::quiet(3, true);
    world.identity.as_mut().unwrap().node = node(53);
    world.me.peer_url = url(3);
    world.recall.lineage = Some(live.clone());
    world.state =
        State { phase: Phase::Joining, place: Some(seat), start: 2, ran: true, opened: true, ..State::default() };
    (world.raised, world.launched) = (Some(2), (data == DataDir::Empty).then_some(seat.claim));
    world.interviewing(2);
    world.data = Some(data);
    see_store(&mut world, Some(&live), vec![archive(&live, 70, node(1), true)]);
    (world, live)
}

/// A newcomer whose etcd never got as far as to hear of the cluster has said nothing in its name: when the others are gone
/// it must not keep them from being restored.
#[test]
fn a_newcomer_that_joined_nobody_is_free_again() {
    for data in [DataDir::Empty, DataDir::Unlogged("a database of 24576 bytes and no log".to_owned())] {
        let (mut world, live) = newcomer(data.clone());
        meet(&mut world, 1, successor(&live, 1), HOUR);
        assert!(!gives_up(&world), "member 2 may come back: {data:?}");
        assert!(plan::plan(&world).report.to_string().contains("waits"), "{}", plan::plan(&world).report);
        meet(&mut world, 2, successor(&live, 2), HOUR);
        assert!(gives_up(&world), "{data:?}: {}", plan::plan(&world).report);
    }
    let (mut world, live) = newcomer(DataDir::Unreadable("a torn record".to_owned()));
    for n in [1, 2] {
        meet(&mut world, n, successor(&live, n), HOUR);
    }
    assert!(!gives_up(&world), "it may have been a member");
}

/// Five founders, of which three ran and are gone; this one, and node 2, came too late for them.
fn late_founders(told: impl FnOnce(&mut Word)) -> (World, Lineage) {
    let mut live = lineage(5, 2, LineageState::Live, ClaimKind::Restore);
    (live.members[0].started, live.members[1].started) = (false, false);
    let mut world = worlds::settled(&live, Phase::Founding);
    world.state.ran = false;
    let mut late = Word { phase: Phase::Founding, etcd: EtcdWord::Stopped, progress: None, ..member_word(&live, 2) };
    told(&mut late);
    meet(&mut world, 2, late, HOUR);
    for n in 3..=5 {
        meet(&mut world, n, successor(&live, n), HOUR);
    }
    (world, live)
}

/// Late founders of which none ran do not wait for one another: they have nothing that the archive has not.
#[test]
fn late_founders_do_not_wait_for_one_another() {
    let (world, live) = late_founders(|_| {});
    assert!(gives_up(&world), "{}", plan::plan(&world).report);
    assert!(!gives_up(&late_founders(|late| late.past = Past::Ran).0), "it may have something");
    assert!(!gives_up(&late_founders(|late| late.peer_url = url(9)).0), "it stands elsewhere, as a copy does");
    // Nor does a restore wait for them.
    let restores = |past: Past| {
        let mut world = worlds::quiet(5, true);
        world.identity.as_mut().unwrap().node = node(43);
        world.me.peer_url = url(3);
        world.recall.lineage = Some(live.clone());
        see_store(&mut world, Some(&live), vec![archive(&live, 70, node(1), true)]);
        for n in [1, 2] {
            let late =
                Word { phase: Phase::Founding, etcd: EtcdWord::Stopped, progress: None, past, ..member_word(&live, n) };
            meet(&mut world, n, late, HOUR);
        }
        for n in [4, 5] {
            meet(&mut world, n, successor(&live, n), HOUR);
        }
        claims(&world)
    };
    assert!(restores(Past::NeverRan) && !restores(Past::Ran));
}

/// A founder whose machine got another address before it served gives way to those who serve, and waits while nobody does.
#[test]
fn a_founder_that_moved_gives_way() {
    for (kind, ran) in [(ClaimKind::Birth, false), (ClaimKind::Restore, true)] {
        let live = lineage(3, 2, LineageState::Live, kind);
        let mut world = worlds::settled(&live, Phase::Founding);
        (world.state.ran, world.me.peer_url) = (ran, url(9));
        assert!(!gives_up(&world), "nobody serves");
        for n in [2, 3] {
            meet(&mut world, n, member_word(&live, n), HOUR);
        }
        assert!(gives_up(&world), "{kind:?}: {}", plan::plan(&world).report);
        // One that had not even promised, and was removed since, is a newcomer like any other.
        world.state = State::default();
        world.data = Some(DataDir::Empty);
        world.recall.lineage.as_mut().unwrap().members[0].started = false;
        assert!(plan::plan(&world).report.to_string().contains("belongs at"), "{}", plan::plan(&world).report);
        world.recall.lineage.as_mut().unwrap().members.remove(0);
        assert!(!plan::plan(&world).report.to_string().contains("belongs at"), "{}", plan::plan(&world).report);
    }
}

/// A machine that stands, without a mount, where a mounted disk was may be the one that this disk is moving to: it is no
/// proof that the disk is lost until a disk would long have come. On the machine that it was on it never is.
#[test]
fn a_disk_may_be_on_its_way_to_another_machine() {
    let mut live = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    live.members.iter_mut().for_each(|member| member.mounted = true);
    let restores = |minutes: u64, same_machine: bool, mounted: bool| {
        let mut world = worlds::quiet(3, true);
        world.identity.as_mut().unwrap().node = node(41);
        world.recall.lineage = Some(live.clone());
        see_store(&mut world, Some(&live), vec![archive(&live, 70, node(1), true)]);
        let machine = |n: usize, own: &str| if same_machine { own.to_owned() } else { format!("new-{n}") };
        (world.me.machine, world.me.mounted) = (machine(1, &world.me.machine), mounted);
        world.listening_since = ago(minutes * 60);
        for n in [2, 3] {
            let told = successor(&live, n);
            let told = Word { machine: machine(n, &told.machine), mounted, ..told };
            meet(&mut world, n, told, Duration::from_mins(minutes));
        }
        claims(&world)
    };
    assert!(restores(1, false, true) && restores(1, true, true), "a disk is there, and it is another");
    assert!(!restores(4, false, false) && restores(6, false, false));
    assert!(!restores(6, true, false));
}

/// S4: after a restore one founder after the other starts again for clients, however long each takes to load: the next one's
/// stop would leave no quorum. One that answers and does not serve is not waited for as long.
#[test]
fn a_founder_that_loads_is_waited_for() {
    let live = lineage(3, 2, LineageState::Live, ClaimKind::Restore);
    let stops = |etcd: EtcdWord, answers: bool, seconds: u64| {
        let mut world = worlds::leader(&live);
        world.etcd.process = Process::Running { gate: Gate::Gated, since: ago(600) };
        world.lineage_since = ago(600);
        let told = member_word(&live, 2);
        let progress = told.progress.filter(|_| answers).map(|progress| Progress { serves: false, ..progress });
        meet(&mut world, 2, Word { etcd, progress, ..told }, Duration::from_secs(seconds));
        matches!(plan::plan(&world).node, Some(Action::Stop { .. }))
    };
    assert!(!stops(EtcdWord::Stopped, false, 60), "it is between its stop and its start");
    assert!(!stops(EtcdWord::Open, false, 200), "it loads");
    assert!(!stops(EtcdWord::Open, true, 10) && stops(EtcdWord::Open, true, 20), "it answers");
    assert!(stops(EtcdWord::Open, false, 400), "it hangs");
}

/// While somebody says that it knows a newer version, whose copy is still on its way, nothing is restored by the older.
#[test]
fn a_restore_waits_for_news_of_a_newer_version() {
    let old = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::quiet(3, true);
    world.identity.as_mut().unwrap().node = node(41);
    world.recall.lineage = Some(old.clone());
    see_store(&mut world, Some(&old), vec![archive(&old, 70, node(1), true)]);
    for n in [2, 3] {
        meet(&mut world, n, successor(&old, n), HOUR);
    }
    assert!(claims(&world), "{}", plan::plan(&world).report);
    let newer = Lineage { seq: old.seq + 1, ..old.clone() };
    meet(&mut world, 3, Word { known: Some(known(&newer)), ..successor(&old, 3) }, HOUR);
    let report = plan::plan(&world).report.to_string();
    assert!(!claims(&world) && report.contains(&format!("seq {} is known", newer.seq)), "{report}");
}

/// S1, S13 without a store: nobody writes an object down, so the leader keeps the record in its own copy, and all learn that.
#[test]
fn without_a_store_the_record_is_in_the_copies() {
    let live = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::leader(&live);
    (world.policy.has_store, world.store) = (false, None);
    assert!(plan::plan(&world).node.is_none(), "{}", plan::plan(&world).report);
    // Member 3 was replaced by one on node 4.
    let seat = MemberId(0x77);
    let listed = &mut world.etcd.members.as_mut().unwrap().value;
    let third = listed.iter_mut().find(|member| member.peer_url == url(3)).unwrap();
    (third.id, third.name, third.peer_url) = (seat, worlds::name(node(4)), url(4));
    let mut follower = world.clone();
    follower.etcd.status.as_mut().unwrap().value.leader = Some(seat);
    let Some(Action::Recall(recall)) = plan::plan(&world).node else { panic!("{}", plan::plan(&world).report) };
    let kept = recall.lineage.unwrap();
    let recorded = kept.members.iter().find(|recorded| recorded.member == seat).unwrap();
    assert_eq!((kept.seq, kept.members.len(), recorded.node), (live.seq + 1, 3, Some(node(4))));
    assert_eq!(recall.listed, kept.version());
    let by_a_follower = match plan::plan(&follower).node {
        Some(Action::Recall(recall)) => recall.lineage,
        _ => None,
    };
    assert!(by_a_follower.is_none_or(|copy| copy.nonce == live.nonce), "who does not lead keeps no record");
    // An empty node at the old member's address proves nothing about the new one.
    let mut empty = worlds::quiet(3, false);
    empty.identity.as_mut().unwrap().node = node(41);
    for (copy, is_over) in [(&live, true), (&kept, false)] {
        empty.recall.lineage = Some(copy.clone());
        for n in [2, 3] {
            meet(&mut empty, n, Word { store: StoreWord::None, ..successor(copy, n) }, HOUR);
        }
        let vows = matches!(plan::plan(&empty).node, Some(Action::Remember(state)) if !state.vows.is_empty());
        assert_eq!(vows, is_over, "{}", plan::plan(&empty).report);
    }
}

/// Without a store a cluster most of whose founders have founded another can never commit: who is left of it joins them.
#[test]
fn who_is_left_by_a_stillborn_cluster_joins_the_other() {
    let dead = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut lives = dead.clone();
    (lives.lineage, lives.claim.nonce, lives.nonce) =
        (e2d_core::id::LineageId(0xb0b), e2d_core::id::Nonce(0xb), e2d_core::id::Nonce(0xb));
    let elsewhere = |world: &mut World, nodes: &[usize]| {
        for &n in nodes {
            let at = Place { lineage: lives.lineage, claim: lives.claim.nonce, ..place(&lives, n) };
            let told =
                Word { store: StoreWord::None, place: Some(at), known: Some(known(&lives)), ..member_word(&lives, n) };
            meet(world, n, told, HOUR);
            world.hear_copy(node(n), lives.clone());
        }
    };
    // It ran, alone; its etcd runs, or not.
    for process in [Process::Absent, Process::Running { gate: Gate::Open, since: ago(4_000) }] {
        let mut ran = worlds::settled(&dead, Phase::Member);
        (ran.policy.has_store, ran.store, ran.data) = (false, None, Some(disk(&place(&dead, 1))));
        ran.etcd.process = process;
        elsewhere(&mut ran, &[2]);
        assert!(!gives_up(&ran), "node 3 may come, and two are a majority");
        elsewhere(&mut ran, &[2, 3]);
        assert!(gives_up(&ran), "{}", plan::plan(&ran).report);
        ran.policy.has_store = true;
        see_store(&mut ran, Some(&dead), vec![]);
        assert!(!gives_up(&ran), "with a store only the object says what is over: {}", plan::plan(&ran).report);
    }
    // It gave up, or never belonged to it, and remembers it.
    let mut world = worlds::quiet(3, false);
    world.identity.as_mut().unwrap().node = node(41);
    world.recall.lineage = Some(dead);
    elsewhere(&mut world, &[2, 3]);
    let Some(Action::Recall(recall)) = plan::plan(&world).node else { panic!("{}", plan::plan(&world).report) };
    assert_eq!(recall.lineage.unwrap().lineage, lives.lineage);
}

/// Another name for the same etcd cluster is no other cluster: two nodes that took over etcd's own data named it differently, as
/// one with a store and one without do. Nobody left.
#[test]
fn another_name_for_the_same_cluster_leaves_nobody() {
    let mut named = lineage(3, 1, LineageState::Live, ClaimKind::Adopt);
    named.claim.adopted = Some(e2d_core::id::ClusterId(0xadd));
    let mut world = worlds::leader(&named);
    (world.policy.has_store, world.store) = (false, None);
    for n in [2, 3] {
        let at = Place { lineage: e2d_core::id::LineageId(0xb0b), claim: e2d_core::id::Nonce(0xb), ..place(&named, n) };
        meet(&mut world, n, Word { store: StoreWord::None, place: Some(at), ..member_word(&named, n) }, HOUR);
    }
    assert!(!gives_up(&world), "{}", plan::plan(&world).report);
    for n in [2, 3] {
        let mut told = world.peers[&node(n)].word.clone().unwrap();
        told.place.as_mut().unwrap().cluster = e2d_core::id::ClusterId(0xeee);
        meet(&mut world, n, told, HOUR);
    }
    assert!(gives_up(&world), "two founded another: {}", plan::plan(&world).report);
}
