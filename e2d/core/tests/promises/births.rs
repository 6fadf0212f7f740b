//! S1, S2: a new, empty cluster only with proof that there is nothing to lose; S3, S7, S15: and a restore only when
//! nothing newer can be had.

use crate::choices::{Scene, cases, scenes_of};
use crate::worlds::{self, BEGINNINGS, ago, archive, known, lineage, meet, member_word, node, word};
use e2d_core::action::Action;
use e2d_core::id::{ArchiveId, Epoch, LineageId, NodeId, Nonce, Revision};
use e2d_core::lineage::{Claim, ClaimKind, Lineage, LineageState, Recorded, Source};
use e2d_core::memory::Phase;
use e2d_core::observe::{ArchiveSeen, DataDir, Gate, Process, Seen, StoreView, Trouble, Version, World};
use e2d_core::plan;
use e2d_core::vow::Vow;
use e2d_core::word::{EtcdWord, KvHash, Progress, StoreWord, Word};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

/// The first claim of all that a world plans, if it plans one.
fn birth(world: &World) -> Option<Box<Lineage>> {
    match plan::plan(world).node {
        Some(Action::WriteLineage { replaces: None, lineage }) if lineage.state == LineageState::Forming => {
            Some(lineage)
        }
        _ => None,
    }
}

fn claim(world: &World) -> Option<Box<Lineage>> {
    match plan::plan(world).node {
        Some(Action::WriteLineage { lineage, .. }) if lineage.state == LineageState::Forming => Some(lineage),
        _ => None,
    }
}

/// Whether a recorded disk will never speak again, is sealed under this version of the record, or stands at its place
/// and says that it holds nothing.
fn is_accounted_for(world: &World, member: &Recorded, seq: u64) -> bool {
    let Some(old) = member.node else { return false };
    let mine = world.identity.as_ref().is_some_and(|identity| identity.former.contains(&old));
    let here = world.me.peer_url == member.peer_url
        && (world.node() != Some(old) || (!member.started && world.state.phase == Phase::Empty));
    let told = |(node, word): (NodeId, &Word)| {
        let empty = !member.started && word.phase == Phase::Empty && !word.has_data;
        let stands = (node != old || empty) && word.peer_url == member.peer_url;
        let sealed = node == old && word.phase == Phase::Sealed && word.seal == Some(seq);
        word.former.contains(&old) || stands || sealed
    };
    mine || here || world.words().any(told)
}

/// Who could be a founder: ourselves, and who is in sight and says that it is free.
fn free(world: &World) -> BTreeSet<NodeId> {
    world.words().filter(|(_, word)| word.is_free()).map(|(node, _)| node).chain(world.node()).collect()
}

proptest! {
    #![proptest_config(cases(8_000))]

    /// S2: each part of the proof, computed anew.
    #[test]
    fn a_birth_has_proof_that_there_is_nothing_to_lose(scene in scenes_of(BEGINNINGS)) {
        let Scene(world) = &scene;
        let Some(claim) = birth(world) else { return Ok(()) };
        prop_assert!(world.policy.has_store && world.trouble.is_none() && !world.store_is_outdated);
        let Some(Seen { value: view, at }) = &world.store else { return Err(TestCaseError::fail("the store was never seen")) };
        prop_assert!(world.now.since(*at) <= world.policy.store_ttl, "the look at the store is old");
        prop_assert!(view.lineage.is_none() && view.archives.is_empty() && !view.other_backups);
        prop_assert!(world.recall.lineage.is_none() && world.copies.is_empty(), "a lineage is known");
        prop_assert_eq!((world.state.phase, &world.data), (Phase::Empty, &Some(DataDir::Empty)));
        for (node, peer) in world.visible() {
            let Some(told) = &peer.word else { return Err(TestCaseError::fail(format!("{node} was not heard"))) };
            prop_assert!(!told.has_data && told.phase == Phase::Empty && told.place.is_none() && told.known.is_none());
        }
        let founders: BTreeSet<NodeId> = claim.claim.founders.iter().map(|founder| founder.node).collect();
        prop_assert_eq!(founders.len(), world.policy.size);
        prop_assert!(founders.is_subset(&free(world)) && world.node().is_some_and(|me| founders.contains(&me)));
        let urls: BTreeSet<&str> = claim.claim.founders.iter().map(|founder| founder.peer_url.as_str()).collect();
        prop_assert_eq!(urls.len(), world.policy.size, "two founders at one address");
        prop_assert_eq!((claim.epoch, claim.claim.kind, claim.members.len()), (Epoch(1), ClaimKind::Birth, 0));
    }

    /// S1: no claim is written blindly: each replaces exactly what this node itself read.
    #[test]
    fn a_claim_replaces_what_this_node_read(scene in scenes_of(BEGINNINGS)) {
        let Scene(world) = &scene;
        let Some(Action::WriteLineage { replaces: Some(version), lineage }) = plan::plan(world).node else { return Ok(()) };
        let Some((stored, read)) = world.stored() else { return Err(TestCaseError::fail("the store was not read")) };
        prop_assert_eq!((&version, lineage.seq), (read, stored.seq.saturating_add(1)));
        prop_assert!(lineage.nonce != stored.nonce, "two writes must never be equal");
        let decided_by = world.lineage().map(|copy| copy.nonce);
        prop_assert_eq!(Some(stored.nonce), decided_by, "it decides by another copy than the one that it replaces");
    }

    /// S1, S3, S7: an epoch ends only when each of its recorded members is accounted for.
    #[test]
    fn an_epoch_ends_on_proof_about_every_member(scene in scenes_of(BEGINNINGS)) {
        let Scene(world) = &scene;
        let (Some(claim), Some(old)) = (claim(world), world.lineage()) else { return Ok(()) };
        prop_assert_eq!(claim.epoch, old.epoch.next());
        let held = world.words().find(|(_, word)| {
            word.holds(old.lineage, old.epoch) && !(word.phase == Phase::Sealed && word.seal == Some(old.seq))
        });
        prop_assert!(held.is_none(), "{held:?} holds data of the epoch");
        let unheard = world.visible().find(|(_, peer)| peer.word.is_none());
        prop_assert!(unheard.is_none(), "{unheard:?} was not heard");
        let needed = if claim.claim.kind == ClaimKind::Birth { world.policy.size } else { world.policy.size / 2 + 1 };
        prop_assert!(claim.claim.founders.len() >= needed && !claim.claim.evidence.is_empty());
        if old.state == LineageState::Live {
            let proofs = claim.claim.evidence.iter().filter(|line| line.starts_with("member ")).count();
            prop_assert!(!old.members.is_empty() && proofs == old.members.len());
            for (member, evidence) in old.members.iter().zip(&claim.claim.evidence) {
                prop_assert!(evidence.contains(&member.member.to_string()), "{evidence}");
                prop_assert!(is_accounted_for(world, member, old.seq), "not gone: {evidence}");
            }
            let source = claim.claim.source.map(|source| source.archive);
            let view = world.store_view().map(|view| view.archives.as_slice()).unwrap_or_default();
            let restored = view.iter().find(|archive| Some(archive.id) == source);
            let verified = view.iter().any(|archive| archive.verified && archive.epoch <= old.epoch);
            let says = claim.claim.evidence.iter().any(|line| line.contains("no archive of this lineage"));
            prop_assert!(restored.is_some_and(|archive| archive.verified == verified && archive.epoch <= old.epoch));
            prop_assert_eq!(says, !verified);
        }
    }
}

/// Three empty nodes, and a store that holds nothing.
fn ready() -> World {
    let mut world = worlds::quiet(3, true);
    worlds::see_store(&mut world, None, vec![]);
    for n in [2, 3] {
        meet(&mut world, n, word(n, node(n)), Duration::from_secs(30));
    }
    world
}

/// S2: whatever is missing or wrong, nothing is born.
#[test]
fn a_birth_waits_for_each_part_of_its_proof() {
    type Change = fn(&mut World);
    assert!(birth(&ready()).is_some());
    let changes: &[(&str, Change)] = &[
        ("the store was not reached yet", |world| world.store = None),
        ("unreachable: no route", |world| world.see_store(Err(Trouble::Unreachable("no route".to_owned())))),
        ("denied: 403", |world| world.see_store(Err(Trouble::Denied("403".to_owned())))),
        ("a file", |world| world.see_store(Err(Trouble::Malformed("the folder is a file".to_owned())))),
        ("the store was not reached yet", |world| world.store.as_mut().unwrap().at = ago(46)),
        ("the store was not reached yet", |world| world.store_is_outdated = true),
        ("backups", |world| world.store.as_mut().unwrap().value.other_backups = true),
        ("backups", |world| {
            let from = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
            world.store.as_mut().unwrap().value.archives.push(archive(&from, 3, node(1), false));
        }),
        ("2 of 3 nodes", |world| world.forget_peer(node(3))),
        ("2 of 3 nodes", |world| world.peers.get_mut(&node(3)).unwrap().alive = false),
        ("not heard yet", |world| world.peers.get_mut(&node(3)).unwrap().word = None),
        ("has data", |world| world.peers.get_mut(&node(3)).unwrap().word.as_mut().unwrap().has_data = true),
        ("knows a lineage", |world| {
            let other = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
            world.peers.get_mut(&node(3)).unwrap().word.as_mut().unwrap().known = Some(known(&other));
        }),
        ("its object is not in the store", |world| {
            world.identity.as_mut().unwrap().node = node(9);
            world.recall.lineage = Some(lineage(3, 1, LineageState::Live, ClaimKind::Birth));
        }),
        ("not looked at", |world| world.data = None),
        ("cannot be looked at", |world| world.data = Some(DataDir::Unseen("/data: input/output error".to_owned()))),
        ("cannot be read", |world| world.data = Some(DataDir::Unreadable("a torn record".to_owned()))),
    ];
    for (expected, change) in changes {
        let mut world = ready();
        change(&mut world);
        let report = plan::plan(&world).report.to_string();
        assert!(claim(&world).is_none(), "{expected}: {report}");
        assert!(report.contains(expected), "{expected}: {report}");
    }
}

/// S1: everybody who sees the same names the same founders, by turns from each zone.
#[test]
fn founders_are_chosen_alike_by_all() {
    let zones = ["c", "c", "a", "b", "b"];
    let words: Vec<Word> = (1..=5).map(|n| Word { zone: Some(zones[n - 1].to_owned()), ..word(n, node(n)) }).collect();
    let chosen = |me: usize| {
        let mut world = ready();
        world.peers.clear();
        world.identity.as_mut().unwrap().node = node(me);
        (world.me.peer_url, world.me.zone) = (worlds::url(me), Some(zones[me - 1].to_owned()));
        for n in (1..=5).filter(|n| *n != me) {
            meet(&mut world, n, words[n - 1].clone(), Duration::from_secs(30));
        }
        birth(&world).map(|lineage| lineage.claim.founders)
    };
    let founders = chosen(1).unwrap();
    let nodes: Vec<NodeId> = founders.iter().map(|founder| founder.node).collect();
    assert_eq!(nodes, [node(1), node(3), node(4)], "one of each zone, in the order of their ids");
    assert_eq!(chosen(3).as_ref(), Some(&founders));
    assert_eq!(chosen(4).as_ref(), Some(&founders));
    assert_eq!(chosen(2), None, "a spare does not claim");
}

/// Two nodes at one address are one machine, or a mistake: they are no two founders.
#[test]
fn an_address_founds_once() {
    let mut world = ready();
    let stranger = world.peers.get_mut(&node(3)).unwrap().word.as_mut().unwrap();
    stranger.peer_url = worlds::url(2);
    assert!(plan::plan(&world).report.to_string().contains("2 of 3 nodes"));
}

/// S2: data that nobody knows the owner of is nobody's to set aside: who holds it founds nothing.
#[test]
fn who_holds_unknown_data_is_no_founder() {
    let (mut world, _) = all_gone();
    assert_eq!(claim(&world).unwrap().claim.founders.len(), 3);
    world.peers.get_mut(&node(43)).unwrap().word.as_mut().unwrap().has_data = true;
    let founders: Vec<NodeId> = claim(&world).unwrap().claim.founders.iter().map(|founder| founder.node).collect();
    assert_eq!(founders, [node(41), node(42)], "after its patience it begins with a majority");
}

/// The first that is able claims at once, the next only if nothing happens.
#[test]
fn who_sees_an_empty_store_claims_by_turns() {
    let second = |steady: u64, first: StoreWord| {
        let mut world = ready();
        world.identity.as_mut().unwrap().node = node(9);
        world.peers.get_mut(&node(2)).unwrap().word.as_mut().unwrap().store = first;
        world.peers.values_mut().for_each(|peer| peer.steady_since = world.now - Duration::from_millis(steady));
        birth(&world).is_some()
    };
    assert!(!second(900, StoreWord::Absent), "two others, who see an empty store, come first");
    assert!(second(1_000, StoreWord::Absent));
    assert!(!second(400, StoreWord::Unknown));
    assert!(second(500, StoreWord::Unknown), "who does not see the store is passed over");
}

/// S1 without a store: a founder starts on seeing the vow of every disk in the set, and not before.
#[test]
fn a_birth_by_vows_waits_for_every_vow() {
    let mut world = ready();
    (world.policy.has_store, world.store) = (false, None);
    let founders: BTreeSet<NodeId> = (1..=3).map(node).collect();
    let vow = Vow { round: 1, founders };
    let Some(Action::Remember(state)) = plan::plan(&world).node else { panic!("the lowest proposes") };
    assert_eq!(state.vows, std::slice::from_ref(&vow));
    world.remembered(*state);
    let vows = |world: &mut World, n: usize, vow: &Vow| {
        world.peers.get_mut(&node(n)).unwrap().word.as_mut().unwrap().vow = Some(vow.clone());
    };
    assert!(plan::plan(&world).node.is_none());
    vows(&mut world, 2, &vow);
    assert!(plan::plan(&world).node.is_none(), "one is missing");
    vows(&mut world, 3, &Vow { round: 2, ..vow.clone() });
    assert!(!matches!(plan::plan(&world).node, Some(Action::Recall(_))), "another proposal is another cluster");
    vows(&mut world, 3, &vow);
    let Some(Action::Recall(recall)) = plan::plan(&world).node else { panic!("all have vowed") };
    let born = recall.lineage.unwrap();
    assert_eq!((born.lineage, born.claim.nonce), vow.founds());
    assert_eq!((born.state, born.members.len()), (LineageState::Live, 3));
}

/// A world in which all three members of an epoch are proved gone, and one archive is left.
fn all_gone() -> (World, Lineage) {
    let old = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = ready();
    world.identity.as_mut().unwrap().node = node(41);
    world.peers.clear();
    world.recall.lineage = Some(old.clone());
    for n in [2, 3] {
        let told = Word { store: StoreWord::Lineage(old.lineage), known: Some(known(&old)), ..word(n, node(n + 40)) };
        meet(&mut world, n, told, Duration::from_secs(30));
    }
    let archives =
        vec![archive(&old, 20, node(1), true), archive(&old, 30, node(2), true), archive(&old, 40, node(1), false)];
    worlds::see_store(&mut world, Some(&old), archives);
    (world, old)
}

/// S7, S15, S9: the newest verified archive, for all, raised once for each epoch since it was taken.
#[test]
fn a_restore_names_one_archive_for_all() {
    let (mut world, old) = all_gone();
    let source = claim(&world).unwrap().claim.source.unwrap();
    assert_eq!((source.archive, source.bump), (archive(&old, 30, node(2), true).id, 1_000_000_000));
    // An epoch later, with no archive of its own, the bump counts both.
    let later = Lineage { epoch: Epoch(2), ..old.clone() };
    world.recall.lineage = Some(later.clone());
    let archives = world.store.as_ref().unwrap().value.archives.clone();
    worlds::see_store(&mut world, Some(&later), archives);
    assert_eq!(claim(&world).unwrap().claim.source.unwrap().bump, 2_000_000_000);
    // What a node of an older epoch wrote late is passed over: the newer epoch has its own.
    let own = archive(&later, 21, node(1), true);
    world.store.as_mut().unwrap().value.archives.push(own);
    let names: ArchiveId = claim(&world).unwrap().claim.source.unwrap().archive;
    assert_eq!(names, own.id, "older by revision, newer by epoch");
    // Nor is another cluster's archive anything of ours.
    let foreign = Lineage { lineage: LineageId(0xb0b), ..later.clone() };
    world.store.as_mut().unwrap().value.archives.push(archive(&foreign, 99, node(1), true));
    assert_eq!(claim(&world).unwrap().claim.source.unwrap().archive, own.id);
    world.store.as_mut().unwrap().value.archives.clear();
    assert!(plan::plan(&world).report.to_string().contains("no archive to restore"));
}

/// S16: an epoch that ended before it had an archive of its own goes back to what it was restored from, or to something older,
/// and not to what a node of the epoch before wrote or verified since.
#[test]
fn a_restore_does_not_reach_past_its_base() {
    let (mut world, first) = all_gone();
    let base = archive(&first, 30, node(2), true);
    let source = Source { archive: base.id, epoch: first.epoch, revision: base.revision, bump: 1 };
    let second = Lineage {
        epoch: Epoch(2),
        claim: Claim { kind: ClaimKind::Restore, source: Some(source), ..first.claim.clone() },
        ..first.clone()
    };
    world.recall.lineage = Some(second.clone());
    let (late, older) = (archive(&first, 31, node(3), true), archive(&first, 29, node(3), true));
    let mut restores = |archives: Vec<ArchiveSeen>| {
        worlds::see_store(&mut world, Some(&second), archives);
        claim(&world).map(|claimed| claimed.claim.source.unwrap().archive)
    };
    assert_eq!(restores(vec![late, base, older]), Some(base.id));
    assert_eq!(restores(vec![late, older]), Some(older.id));
    assert_eq!(restores(vec![late]), None);

    // Two epochs later what bounded the one between still does.
    let taken = archive(&second, 50, node(2), true);
    let source = Source { archive: taken.id, epoch: second.epoch, revision: taken.revision, bump: 1 };
    let claim_of_third = Claim { kind: ClaimKind::Restore, source: Some(source), ..second.claim.clone() };
    let third = Lineage { state: LineageState::Live, ..second.succeed(Nonce(7), claim_of_third) };
    let (mut world, _) = all_gone();
    world.recall.lineage = Some(third.clone());
    let mut restores = |archives: Vec<ArchiveSeen>| {
        worlds::see_store(&mut world, Some(&third), archives);
        claim(&world).map(|claimed| claimed.claim.source.unwrap().archive)
    };
    assert_eq!(restores(vec![taken, late, base, older]), Some(taken.id));
    assert_eq!(restores(vec![late, base, older]), Some(base.id));
    assert_eq!(restores(vec![late, older]), Some(older.id));
}

/// S3: silence is no proof, and a disk with the epoch's data in sight forbids a restore.
#[test]
fn a_restore_waits_for_whoever_may_have_the_data() {
    let (mut silent, _) = all_gone();
    silent.forget_peer(node(43));
    let report = plan::plan(&silent).report.to_string();
    assert!(claim(&silent).is_none() && report.contains("not proved gone") && report.contains("10.0.0.3"), "{report}");

    let (mut held, old) = all_gone();
    let stranger =
        Word { name: format!("host-{}", node(9)), peer_url: worlds::url(9), progress: None, ..member_word(&old, 2) };
    meet(&mut held, 9, stranger, Duration::from_secs(30));
    let report = plan::plan(&held).report.to_string();
    assert!(report.contains("holds data of this epoch"), "{report}");

    let (mut nobody, mut old) = all_gone();
    old.members.clear();
    nobody.recall.lineage = Some(old.clone());
    let archives = nobody.store.as_ref().unwrap().value.archives.clone();
    worlds::see_store(&mut nobody, Some(&old), archives);
    assert!(claim(&nobody).is_none(), "an empty record proves nothing");
}

/// S3: a disk that was recorded before its first start, stands at its place, and has said for a while that it is empty
/// holds nothing of the epoch. Any other may hold something.
#[test]
fn a_newcomer_that_never_started_does_not_hold_a_restore_up() {
    let (_, mut old) = all_gone();
    old.members.iter_mut().zip([51, 52, 53]).for_each(|(member, n)| member.node = Some(node(n)));
    let restores = |old: &Lineage, me: NodeId, listens: u64, third: Word| {
        let (mut world, _) = all_gone();
        (world.identity.as_mut().unwrap().node, world.listening_since) = (me, ago(listens));
        world.recall.lineage = Some(old.clone());
        let archives = world.store.as_ref().unwrap().value.archives.clone();
        worlds::see_store(&mut world, Some(old), archives);
        world.forget_peer(node(43));
        meet(&mut world, 3, third, Duration::from_secs(30));
        claim(&world).map(|claimed| claimed.claim.evidence.join("; "))
    };
    let told = |n: usize| Word { store: StoreWord::Lineage(old.lineage), known: Some(known(&old)), ..word(3, node(n)) };
    let (newcomer, another) = (told(53), told(43));
    assert_eq!(restores(&old, node(41), 30, newcomer.clone()), None, "it ran, and knows nothing of it");
    assert_eq!(restores(&old, node(51), 30, another.clone()), None, "so did this disk, and gives its identity up");

    old.members.iter_mut().for_each(|member| member.started = false);
    let says = |n: usize| format!("node {} says that it never ran in this epoch, for 30 s now", node(n));
    let evidence = restores(&old, node(41), 30, newcomer.clone()).unwrap();
    assert!(evidence.contains(&says(53)), "{evidence}");
    let not = |change: &dyn Fn(&mut Word)| {
        let mut told = newcomer.clone();
        change(&mut told);
        assert_eq!(restores(&old, node(41), 30, told.clone()), None, "{told:?}");
    };
    not(&|told| told.has_data = true);
    not(&|told| told.phase = Phase::Joining);
    not(&|told| told.peer_url = worlds::url(9));

    let evidence = restores(&old, node(51), 30, another.clone()).unwrap();
    assert!(evidence.contains(&says(51)), "{evidence}");
    assert_eq!(restores(&old, node(51), 9, another), None, "it has only just begun to listen");
}

/// A restore of epoch 2 that has got nowhere for a minute.
fn stuck() -> (World, Lineage) {
    let stuck = lineage(3, 2, LineageState::Forming, ClaimKind::Restore);
    let mut world = ready();
    world.recall.lineage = Some(stuck.clone());
    worlds::see_store(&mut world, Some(&stuck), vec![]);
    for peer in world.peers.values_mut() {
        peer.word.as_mut().unwrap().store = StoreWord::Lineage(stuck.lineage);
        peer.steady_since = ago(60);
    }
    (world, stuck)
}

/// S13: a restore takes as long as there is data. A founder that is at it, and one that has only just finished, have got
/// on; one that shows nothing for minutes has not.
#[test]
fn a_long_restore_is_waited_for() {
    let replaced = |change: &dyn Fn(&mut World)| {
        let (mut world, _) = stuck();
        change(&mut world);
        claim(&world).is_some()
    };
    let told = |change: &dyn Fn(&mut Word)| {
        replaced(&|world| change(world.peers.get_mut(&node(3)).unwrap().word.as_mut().unwrap()))
    };
    let gated = |serves: bool, hash: Option<KvHash>| {
        told(&|word| {
            let progress = Some(Progress { serves, ..Progress::default() });
            (word.etcd, word.progress, word.hash) = (EtcdWord::Gated, progress, hash);
        })
    };
    assert!(replaced(&|_| {}));
    assert!(!replaced(&|world| world.progressed_at = Some(ago(29))), "this node has only just finished");
    assert!(!told(&|word| word.restored_bytes = Some(0)), "it restores");
    assert!(!told(&|word| word.etcd = EtcdWord::Gated), "its etcd loads");
    assert!(!gated(true, None), "its keyspace is being summed up");
    let hash = KvHash { revision: Revision(1), compacted: Revision(1), hash: 1 };
    assert!(gated(true, Some(hash)) && gated(false, None), "it has done all it can");
    let minutes = |minutes: u64| {
        replaced(&|world| {
            let told = world.peers.get_mut(&node(3)).unwrap();
            told.word.as_mut().unwrap().restored_bytes = Some(9);
            (told.steady_since, world.lineage_since) = (ago(minutes * 60), ago(minutes * 60));
            world.peers.get_mut(&node(2)).unwrap().steady_since = ago(minutes * 60);
        })
    };
    assert!(!minutes(4) && minutes(6), "it hangs");
}

/// S20: a claim that gets nowhere is not replaced over the head of somebody who has not spoken.
#[test]
fn a_stuck_claim_is_replaced_when_everybody_was_heard() {
    let (world, stuck) = stuck();
    let next = claim(&world).unwrap();
    assert_eq!((next.epoch, next.claim.source), (Epoch(3), stuck.claim.source), "the same source, another try");
    let mut unheard = world.clone();
    unheard.peers.get_mut(&node(3)).unwrap().word = None;
    assert!(claim(&unheard).is_none() && plan::plan(&unheard).report.to_string().contains("not heard yet"));
    let mut young = world;
    young.lineage_since = ago(29);
    assert!(claim(&young).is_none(), "its founders may still make it");
}

/// S13: a node whose store is not the others' ends alone: those who see the same go on.
#[test]
fn a_store_of_its_own_is_its_own_trouble() {
    let (mut world, old) = all_gone();
    let wanted = claim(&world);
    assert!(wanted.is_some());
    let other = Word { store: StoreWord::Differs(old.lineage), ..word(9, node(9)) };
    meet(&mut world, 9, other, Duration::from_secs(30));
    world.peers.get_mut(&node(9)).unwrap().alive = false;
    assert_eq!(claim(&world), wanted, "others see the same as this node");
    for peer in world.peers.values_mut().filter(|peer| peer.alive) {
        peer.word.as_mut().unwrap().store = StoreWord::Absent;
    }
    assert!(matches!(plan::plan(&world).node, Some(Action::Refuse { .. })), "nobody does");
}

/// S13 S14: who removes the object of a cluster that lives, or all that is in its store, ends no node by it: the leader
/// writes it again. A node whose own store never shows it is refused all the same.
#[test]
fn an_object_that_was_removed_ends_nobody() {
    let live = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::quiet(3, true);
    world.me.peer_url = worlds::url(9);
    world.identity.as_mut().unwrap().node = node(44);
    world.recall.lineage = Some(live.clone());
    for n in 1..=3 {
        meet(&mut world, n, member_word(&live, n), Duration::from_hours(1));
    }
    let refuses = |world: &World| matches!(plan::plan(world).node, Some(Action::Refuse { .. }));
    let look = |world: &mut World, lineage: Option<&Lineage>| {
        let lineage = lineage.map(|lineage| (lineage.clone(), Version("v".to_owned())));
        world.see_store(Ok(StoreView { lineage, ..StoreView::default() }));
    };
    look(&mut world, Some(&live));
    assert!(!refuses(&world));
    for _ in 0..6 {
        world.now = world.now + Duration::from_secs(10);
        look(&mut world, None);
        let heard = world.now;
        world.peers.values_mut().for_each(|peer| peer.heard_at = Some(heard));
        assert!(!refuses(&world), "{}", plan::plan(&world).report);
    }
    look(&mut world, Some(&live));
    for _ in 0..8 {
        assert!(!refuses(&world));
        world.now = world.now + Duration::from_secs(10);
        look(&mut world, None);
    }
    assert!(refuses(&world), "it is a store of its own: {}", plan::plan(&world).report);
}

/// S13: a founder that runs gated and is cut off from the others' etcd holds a restore up for five seconds, and not for ever.
#[test]
fn a_founder_that_lags_is_not_waited_for() {
    let forming = lineage(3, 2, LineageState::Forming, ClaimKind::Restore);
    let mut world = worlds::leader(&forming);
    (world.state.phase, world.state.opened) = (Phase::Founding, false);
    world.data = Some(worlds::disk(&world.state.place.unwrap()));
    world.etcd.process = Process::Running { gate: Gate::Gated, since: ago(60) };
    let hash = KvHash { revision: Revision(50), compacted: Revision(0), hash: 7 };
    (world.etcd.hash, world.etcd.marked) = (Some(hash), Some(true));
    let gated = |n, hash| Word { phase: Phase::Founding, etcd: EtcdWord::Gated, hash, ..member_word(&forming, n) };
    meet(&mut world, 2, gated(2, Some(hash)), Duration::from_secs(20));
    meet(&mut world, 3, gated(3, None), Duration::from_secs(4));
    world.lineage_since = ago(60);
    let live = |world: &World| matches!(plan::plan(world).node, Some(Action::WriteLineage { .. }));
    assert!(!live(&world), "it may only be slow: {}", plan::plan(&world).report);
    world.peers.get_mut(&node(3)).unwrap().steady_since = ago(5);
    assert!(live(&world), "{}", plan::plan(&world).report);
    world.peers.get_mut(&node(2)).unwrap().word.as_mut().unwrap().hash = None;
    assert!(!live(&world), "one of three is no majority");
}

/// S13: who cannot restore is no founder of the next try, as long as there are enough others.
#[test]
fn who_cannot_found_is_left_out_of_the_next_claim() {
    let (mut world, stuck) = stuck();
    let chosen = |world: &World| -> Vec<NodeId> {
        claim(world).unwrap().claim.founders.into_iter().map(|founder| founder.node).collect()
    };
    world.peers.get_mut(&node(3)).unwrap().word.as_mut().unwrap().failed = Some(stuck.claim.nonce);
    assert_eq!(chosen(&world), [node(1), node(2)]);
    world.peers.get_mut(&node(2)).unwrap().word.as_mut().unwrap().failed = Some(stuck.claim.nonce);
    assert_eq!(chosen(&world), [node(1), node(2), node(3)], "two of three are too few: all try again");
    world.peers.values_mut().for_each(|peer| peer.word.as_mut().unwrap().failed = Some(Nonce(7)));
    assert_eq!(chosen(&world), [node(1), node(2), node(3)], "they failed another claim");
}

/// A seal counts for exactly the version that it was made under.
#[test]
fn a_seal_counts_under_its_own_seq_alone() {
    let sealed = |seal: u64| {
        let (mut world, old) = all_gone();
        let mut told = member_word(&old, 3);
        (told.phase, told.seal) = (Phase::Sealed, Some(seal));
        (told.etcd, told.progress) = (EtcdWord::Stopped, None);
        world.forget_peer(node(43));
        meet(&mut world, 3, told, Duration::from_secs(30));
        (claim(&world).ok_or_else(|| plan::plan(&world).report.to_string()), old)
    };
    let seq = sealed(0).1.seq;
    assert_eq!(sealed(seq).0.err(), None);
    assert!(sealed(seq - 1).0.is_err() && sealed(seq + 1).0.is_err());
}
