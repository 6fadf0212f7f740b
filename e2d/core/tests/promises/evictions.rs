//! S4, S5, S6, S10, S12 and the record rule of S1: who is removed or promoted, and on what.
//!
//! What must hold is computed here anew from the observations, not asked of the code that decides.

use crate::choices::{Scene, cases, scenes_of};
use crate::worlds::{self, CHANGES, ENDS, addr, ago, founder, lineage, meet, node, word};
use e2d_core::action::{Action, Kind};
use e2d_core::id::{MemberId, NodeId};
use e2d_core::lineage::{ClaimKind, Lineage, LineageState, Recorded};
use e2d_core::memory::Phase;
use e2d_core::observe::{Member, Process, World};
use e2d_core::plan;
use e2d_core::reason::Reason;
use e2d_core::safety::{self, ETCD_HEARS};
use e2d_core::word::{EtcdWord, Word};
use proptest::prelude::*;
use std::time::Duration;

/// How long etcd has not heard a member, counted from when it was first listened to at the earliest.
fn unheard(world: &World, member: MemberId) -> Duration {
    let Process::Running { since, .. } = world.etcd.process else { return Duration::ZERO };
    let Some(listening) = world.etcd.listening_since else { return Duration::ZERO };
    let last = world.etcd.heard.get(&member).copied().unwrap_or(since);
    world.now.since(last.max(since).max(listening))
}

/// The disk behind a member: its name says, or the record, as long as it has not run.
fn disk_of(world: &World, member: &Member) -> Option<NodeId> {
    let record = world.lineage().map(|lineage| lineage.members.as_slice()).unwrap_or_default();
    member.node().or_else(|| record.iter().find(|recorded| recorded.member == member.id)?.node)
}

fn told<'a>(world: &'a World, member: &Member) -> Option<&'a Word> {
    world.peers.get(&disk_of(world, member)?)?.word.as_ref()
}

fn is_here(world: &World, member: &Member) -> bool {
    let own = world.state.place.is_some_and(|place| place.member == member.id);
    let stopped = told(world, member).is_some_and(|word| word.etcd == EtcdWord::Stopped);
    let heard = world.etcd.heard.contains_key(&member.id) && unheard(world, member.id) <= ETCD_HEARS;
    own || (heard && !stopped)
}

fn listed(world: &World) -> &[Member] {
    world.members().unwrap_or_default()
}

/// The voters after the change that an act makes.
fn voters_after<'a>(world: &'a World, action: &Action) -> Vec<&'a Member> {
    let voters = |keep: &dyn Fn(&Member) -> bool| listed(world).iter().filter(|member| keep(member)).collect();
    match action {
        Action::Remove(evidence) => voters(&|member| !member.learner && member.id != evidence.subject().member),
        Action::Promote { member: id } => voters(&|member| !member.learner || member.id == *id),
        _ => voters(&|member| !member.learner),
    }
}

fn changes(action: &Action) -> bool {
    matches!(action.kind(), Kind::AddLearner | Kind::Promote | Kind::Remove)
}

/// Whether a disk was proved gone by a word or by a successor: not by silence.
fn gone(world: &World, member: &Member) -> bool {
    let Some(old) = disk_of(world, member) else { return false };
    let mine = world.identity.as_ref().is_some_and(|identity| identity.former.contains(&old));
    let told = world.words().any(|(_, word)| word.former.contains(&old));
    let here = world.me.peer_url == member.peer_url && world.node() != Some(old);
    let successor = world.visible().any(|(id, peer)| {
        let direct = peer.heard_at.is_some_and(|at| world.now.since(at) <= world.policy.observation_ttl);
        let stands = peer.word.as_ref().is_some_and(|word| word.peer_url == member.peer_url);
        id != old && direct && stands && member.peer_url.contains(&peer.addr.ip().to_string())
    });
    mine || told || here || successor
}

fn silent_in_gossip(world: &World, member: &Member) -> bool {
    let bound = world.policy.replace_after;
    let silent = |at| world.now.since(at) >= bound;
    match disk_of(world, member).map(|node| world.peers.get(&node)) {
        None => false,
        Some(None) => silent(world.listening_since),
        Some(Some(peer)) if peer.alive => {
            peer.word.as_ref().is_some_and(|word| word.phase == Phase::Empty && !word.has_data)
        }
        Some(Some(peer)) => {
            silent(world.listening_since) && peer.heard_at.is_none_or(silent) && silent(peer.steady_since)
        }
    }
}

proptest! {
    #![proptest_config(cases(6_000))]

    /// S4: whoever is removed or promoted, enough voters are left that are here.
    #[test]
    fn a_majority_of_the_resulting_voters_is_here(scene in scenes_of(CHANGES)) {
        let Scene(world) = &scene;
        let Some(action) = plan::plan(world).members.filter(|action| matches!(action.kind(), Kind::Remove | Kind::Promote)) else { return Ok(()) };
        let voters = voters_after(world, &action);
        let here = voters.iter().filter(|member| is_here(world, member)).count();
        prop_assert!(here * 2 > voters.len(), "{action} leaves {here} of {} voters", voters.len());
    }

    /// S1: with a store, no majority of the resulting voters may lie outside the record.
    #[test]
    fn the_record_meets_every_majority_of_the_voters(scene in scenes_of(CHANGES)) {
        let Scene(world) = &scene;
        let Some(action) = plan::plan(world).members.filter(changes).filter(|_| world.policy.has_store) else { return Ok(()) };
        let learner = |id: MemberId| listed(world).iter().any(|member| member.id == id && member.learner);
        match &action {
            Action::Remove(evidence) if learner(evidence.subject().member) => return Ok(()),
            Action::AddLearner { .. } => return Ok(()),
            _ => {}
        }
        let record: &[Recorded] = world.lineage().map(|lineage| lineage.members.as_slice()).unwrap_or_default();
        let voters = voters_after(world, &action);
        let outside = voters.iter().filter(|voter| !record.iter().any(|recorded| recorded.member == voter.id)).count();
        prop_assert!(outside * 2 <= voters.len(), "{action}: {outside} of {} voters are not recorded", voters.len());
    }

    /// S5: one change at a time, and none but a removal while another member is away.
    #[test]
    fn nobody_joins_while_another_member_is_away(scene in scenes_of(CHANGES)) {
        let Scene(world) = &scene;
        let plan = plan::plan(world);
        prop_assert!(plan.node.as_ref().is_none_or(|action| !changes(action)));
        let Some(action) = plan.members.filter(changes) else { return Ok(()) };
        prop_assert!(world.leads(), "only a leader that serves changes the members");
        prop_assert_eq!(world.state.phase, Phase::Member);
        if action.kind() == Kind::Remove {
            return Ok(());
        }
        let away = listed(world).iter().find(|member| member.has_started() && !is_here(world, member));
        prop_assert!(away.is_none(), "{action}, and {away:?} is away");
        let learners = listed(world).iter().filter(|member| member.learner).count();
        prop_assert!(action.kind() != Kind::AddLearner || learners == 0);
    }

    /// S10: a newcomer is a learner first, and gets its vote when it has told that it has caught up.
    #[test]
    fn who_is_promoted_has_caught_up(scene in scenes_of(CHANGES)) {
        let Scene(world) = &scene;
        let Some(Action::Promote { member: id }) = plan::plan(world).members else { return Ok(()) };
        let learner = listed(world).iter().find(|member| member.id == id);
        prop_assert!(learner.is_some_and(|member| member.learner && member.has_started()));
        let progress = learner.and_then(|member| told(world, member)).and_then(|word| word.progress);
        let own = world.status().map_or(u64::MAX, |status| status.index);
        prop_assert!(progress.is_some_and(|progress| progress.index + 500 >= own));
    }

    /// S6, S12: a removal names what it saw, and what it saw is enough.
    #[test]
    fn a_removal_rests_on_both_witnesses_or_on_a_proof(scene in scenes_of(CHANGES)) {
        let Scene(world) = &scene;
        let Some(Action::Remove(evidence)) = plan::plan(world).members else { return Ok(()) };
        let id = evidence.subject().member;
        let Some(member) = listed(world).iter().find(|member| member.id == id) else {
            return Err(TestCaseError::fail("it is not a member"));
        };
        prop_assert!(world.state.place.is_some_and(|place| place.member != id), "it removes itself");
        prop_assert!(evidence.because().chars().any(|c| c.is_ascii_digit()), "no values: {}", evidence);
        if member.learner && !member.has_started() {
            return Ok(());
        }
        let last = world.etcd.heard.get(&id).map(|at| world.now.since(*at));
        let replaced = gone(world, member) && last.is_none_or(|ago| ago > Duration::from_millis(1_500));
        prop_assert!(replaced || !is_here(world, member), "etcd heard it {last:?} ago");
        if !gone(world, member) {
            prop_assert!(unheard(world, id) >= world.policy.replace_after, "etcd heard it: {evidence}");
            let stalls = member.learner && evidence.because().contains(&id.to_string());
            prop_assert!(stalls || silent_in_gossip(world, member), "gossip heard it: {evidence}");
        }
    }

    /// S6: data is set aside only after its disk gave itself up, or when it never served.
    #[test]
    fn data_is_set_aside_on_evidence_alone(scene in scenes_of(ENDS)) {
        let Scene(world) = &scene;
        let Some(Action::Quarantine(evidence)) = plan::plan(world).node else { return Ok(()) };
        prop_assert_eq!(Some(evidence.subject().node), world.node());
        let gave_up = world.state.phase == Phase::Abandoned;
        let never_served = world.state.phase == Phase::Founding && !world.state.opened;
        prop_assert!(gave_up || never_served);
        prop_assert!(!evidence.because().is_empty() && world.runs().is_none());
    }
}

fn noted(world: &World) -> World {
    let mut world = world.clone();
    if let Some(Action::Recall(recall)) = plan::plan(&world).node {
        world.recalled(*recall);
    }
    world
}

/// A leader of three whose third member is silent by both witnesses, for so many seconds.
fn one_silent(gossip: u64, etcd: u64) -> (World, MemberId) {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::leader(&lineage);
    let dead = lineage.founder_member(&founder(3));
    world.etcd.heard.insert(dead, ago(etcd));
    let peer = world.peers.get_mut(&node(3)).unwrap();
    (peer.alive, peer.heard_at, peer.steady_since) = (false, Some(ago(gossip)), ago(gossip));
    (world, dead)
}

/// Whom it removes, once it has made its notes.
fn removes(world: &World) -> Option<MemberId> {
    match plan::plan(&noted(world)).members {
        Some(Action::Remove(evidence)) => Some(evidence.subject().member),
        _ => None,
    }
}

/// S12: both witnesses must have been silent, each for the whole time.
#[test]
fn silence_of_one_witness_alone_removes_nobody() {
    let (both, dead) = one_silent(300, 300);
    assert_eq!(removes(&both), Some(dead));
    assert_eq!(removes(&one_silent(4_000, 299).0), None, "etcd heard it");
    assert_eq!(removes(&one_silent(299, 3_000).0), None, "gossip heard it");
    let mut alive = both.clone();
    alive.peers.get_mut(&node(3)).unwrap().alive = true;
    assert_eq!(removes(&alive), None, "gossip reaches it, whatever etcd says");
    let mut young = both;
    young.listening_since = ago(299);
    assert_eq!(removes(&young), None, "this node has not listened for long enough itself");
}

/// Gossip kept it alive by news through others, though this node itself has long heard nothing directly.
#[test]
fn silence_in_gossip_begins_when_gossip_holds_it_dead() {
    let (mut world, dead) = one_silent(4_000, 4_000);
    let peer = world.peers[&node(3)].clone();
    world.peers.get_mut(&node(3)).unwrap().alive = true;
    world.see_peer(node(3), peer.boot, peer.addr, false, None);
    assert_eq!(removes(&world), None);
    world.peers.get_mut(&node(3)).unwrap().steady_since = ago(300);
    assert_eq!(removes(&world), Some(dead));
}

/// S20: reads that work prove that a majority is heard; counters that do not show one were not read.
#[test]
fn counters_that_were_not_read_remove_nobody() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let (mut world, _) = one_silent(4_000, 4_000);
    // Two voters are left, and gossip has lost the other one.
    let gone = lineage.founder_member(&founder(2));
    world.etcd.members.iter_mut().for_each(|seen| seen.value.retain(|member| member.id != gone));
    world.recall.members.retain(|member| member.member != gone);
    let mut stored = Lineage { members: world.recall.members.clone(), ..lineage };
    stored.seq += 1;
    world.recall.lineage = Some(stored.clone());
    worlds::see_store(&mut world, Some(&stored), vec![]);
    world.forget_peer(node(2));
    world.recall.heard.remove(&node(2));
    world.recall.addresses.remove(&node(2));
    assert!(world.leads(), "its linearizable reads work, so the other voter is there");
    let plan = plan::plan(&noted(&world));
    let waits = plan.report.to_string();
    assert!(plan.members.is_none() && waits.contains("1 of 2 voters"), "{waits}");
    world.etcd.heard.clear();
    assert_eq!(removes(&world), None);
}

/// A disk that stands at the member's address under another id is its successor, when it says so itself.
#[test]
fn a_successor_proves_death_at_once_and_a_lost_mount_does_not() {
    let (mut world, dead) = one_silent(5, 5);
    assert_eq!(removes(&world), None);
    meet(&mut world, 3, word(3, node(43)), Duration::from_secs(1));
    assert_eq!(removes(&world), Some(dead));
    let mut indirect = world.clone();
    indirect.peers.get_mut(&node(43)).unwrap().heard_at = Some(ago(11));
    assert_eq!(removes(&indirect), None, "others told of it");
    let mut elsewhere = world.clone();
    elsewhere.peers.get_mut(&node(43)).unwrap().addr = addr(7);
    assert_eq!(removes(&elsewhere), None, "it speaks from another address");
    // The record knows the disk as a mount, and the same machine answers without one.
    let mut unmounted = world;
    let lineage = unmounted.recall.lineage.as_mut().unwrap();
    lineage.members.iter_mut().filter(|member| member.member == dead).for_each(|member| member.mounted = true);
    assert_eq!(removes(&unmounted), None, "its disk is not lost, but not mounted");
}

/// S13: a founder that never ran has no name in etcd's list; the record knows its disk, and its successor replaces it.
#[test]
fn a_founder_that_never_ran_can_be_replaced() {
    let (mut world, dead) = one_silent(5, 5);
    world.etcd.members.iter_mut().for_each(|seen| seen.value[2].name.clear());
    world.recall.lineage.iter_mut().for_each(|lineage| lineage.members[2].started = false);
    let recorded = world.recall.lineage.clone();
    worlds::see_store(&mut world, recorded.as_ref(), vec![]);
    assert_eq!(removes(&world), None);
    meet(&mut world, 3, word(3, node(43)), Duration::from_secs(1));
    assert_eq!(removes(&world), Some(dead));
}

/// T4: backups go on while a member is away, which is when they are needed most.
#[test]
fn a_backup_waits_for_no_member() {
    let (mut world, _) = one_silent(20, 20);
    world.archived = None;
    let plan = plan::plan(&noted(&world));
    assert_eq!(plan.backup, Some(Action::Archive), "{}", plan.report);
    assert!(plan.report.to_string().contains("may be dead"), "{}", plan.report);
}

/// S13: nobody waits for a backup: a large one takes minutes, and one into a store that hangs never ends.
#[test]
fn no_member_waits_for_a_backup() {
    let (mut world, dead) = one_silent(4_000, 4_000);
    world.archived = None;
    let plan = plan::plan(&noted(&world));
    assert!(matches!(&plan.members, Some(Action::Remove(death)) if death.subject().member == dead), "{}", plan.report);
    assert_eq!(plan.backup, Some(Action::Archive), "{}", plan.report);
}

/// S4: with two of three away, nobody is removed, however dead the one is.
#[test]
fn a_removal_that_would_cost_the_quorum_waits() {
    let (mut world, dead) = one_silent(4_000, 4_000);
    let second = world.members().unwrap()[1].id;
    world.etcd.heard.insert(second, ago(4));
    // Its death is a fact, so that only the quorum stands in the way.
    meet(&mut world, 3, Word { former: vec![node(3)], ..word(3, node(43)) }, Duration::from_secs(1));
    let plan = plan::plan(&world);
    assert!(plan.members.is_none());
    let expected = Reason::QuorumAtRisk { member: dead, present: 1, voters: 2 };
    assert!(plan.report.to_string().contains(&expected.to_string()), "{}", plan.report);
}

/// S5: etcd itself would take a newcomer while a voter is away, and lose its quorum with the next one.
#[test]
fn nobody_is_added_beside_a_member_that_is_away() {
    let (mut world, dead) = one_silent(20, 20);
    world.policy.size = 5;
    let known = world.lineage().map(worlds::known);
    meet(&mut world, 4, Word { known, ..word(4, node(4)) }, Duration::from_secs(9));
    let verdict = plan::learner::consider(&world);
    assert_eq!(verdict, plan::Verdict::Wait(Reason::AnotherUnhealthy(dead)));
    world.etcd.heard.insert(dead, ago(0));
    assert!(matches!(plan::learner::consider(&world), plan::Verdict::Act(Action::AddLearner { .. })));
}

/// S6: the evidence itself can be made from no other disk: not by any decision, now or later.
#[test]
fn evidence_about_data_is_made_of_the_disks_own_word() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    for phase in [Phase::Empty, Phase::Founding, Phase::Joining, Phase::Member, Phase::Sealed, Phase::Abandoned] {
        for opened in [false, true] {
            let mut world = worlds::settled(&lineage, phase);
            world.state.opened = opened;
            assert_eq!(safety::prove_obsolete(&world).is_some(), phase == Phase::Abandoned);
            assert_eq!(safety::prove_never_served(&world).is_some(), phase == Phase::Founding && !opened);
        }
    }
}

/// S1: what the store does not record yet cannot be a majority, or an epoch could end without it.
#[test]
fn a_promotion_waits_for_the_record() {
    let (mut world, learner) = caught_up();
    assert_eq!(plan::plan(&world).members, Some(Action::Promote { member: learner }));
    // The store is away, and knows one of the three.
    world.store = None;
    world.recall.lineage.as_mut().unwrap().members.truncate(1);
    let plan = plan::plan(&world);
    assert!(plan.report.to_string().contains(&Reason::RecordLags { member: learner }.to_string()), "{}", plan.report);
}

/// Two voters and a learner that has caught up.
fn caught_up() -> (World, MemberId) {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::leader(&lineage);
    let learner = lineage.founder_member(&founder(3));
    world.etcd.members.iter_mut().for_each(|seen| seen.value[2].learner = true);
    let record = e2d_core::plan::record::of(&world, world.members().unwrap());
    world.recall.lineage.as_mut().unwrap().members.clone_from(&record);
    world.recall.members = record;
    let recorded = world.recall.lineage.clone();
    worlds::see_store(&mut world, recorded.as_ref(), vec![]);
    (world, learner)
}

/// S12: who has only just begun to lead has not heard the other followers yet, and cannot call them silent.
#[test]
fn a_new_leader_listens_before_it_calls_anybody_silent() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::leader(&lineage);
    let mute = lineage.founder_member(&founder(3));
    world.etcd.heard.remove(&mute);
    let peer = world.peers.get_mut(&node(3)).unwrap();
    (peer.alive, peer.heard_at, peer.steady_since) = (false, Some(ago(3_000)), ago(3_000));
    assert_eq!(removes(&world), Some(mute), "it has led for long, and never heard it");
    for listening_since in [None, Some(ago(1)), Some(ago(200))] {
        let mut new = world.clone();
        new.etcd.listening_since = listening_since;
        assert_eq!(removes(&new), None, "{listening_since:?}");
    }
}

/// S12: a successor is believed when etcd was listened to for a moment and did not hear the one that it replaces.
#[test]
fn a_successor_beside_a_living_etcd_replaces_nobody() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::leader(&lineage);
    let old = lineage.founder_member(&founder(3));
    let peer = world.peers.remove(&node(3)).unwrap();
    world.peers.insert(node(0x33), e2d_core::observe::Peer { word: Some(word(3, node(0x33))), ..peer });
    let since = |world: &mut World, seconds, heard| {
        world.peers.get_mut(&node(0x33)).unwrap().steady_since = ago(seconds);
        world.etcd.heard.insert(old, ago(heard));
    };
    since(&mut world, 2, 3);
    assert_eq!(removes(&world), Some(old), "not heard since the successor came");
    since(&mut world, 1, 2);
    assert_eq!(removes(&world), None, "that was a moment ago");
    since(&mut world, 3, 1);
    assert_eq!(removes(&world), None, "etcd still hears it");
}

/// S13: a node that was offered a seat and never took it does not stand in the way of another.
#[test]
fn a_seat_that_was_not_taken_goes_to_another() {
    let lineage = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::leader(&lineage);
    world.policy.size = 5;
    let known = world.lineage().map(worlds::known);
    for n in [4, 5] {
        meet(&mut world, n, Word { known, ..word(n, node(n)) }, Duration::from_secs(9));
    }
    let next = |world: &World| match plan::plan(world).members {
        Some(Action::AddLearner { node, .. }) => Some(node),
        _ => None,
    };
    assert_eq!(next(&world), Some(node(4)));
    world.sponsor(MemberId(0x1ea2), node(4));
    assert_eq!(next(&world), Some(node(5)));
    world.sponsor(MemberId(0x1ea3), node(5));
    assert_eq!(next(&world), Some(node(4)), "its turn again");
}

/// S10: a learner that stalls loses its seat, whoever leads by then.
#[test]
fn a_learner_that_stalls_is_removed_by_a_new_leader_too() {
    let (mut world, learner) = caught_up();
    world.peers.get_mut(&node(3)).unwrap().word.as_mut().unwrap().progress = None;
    world.etcd.heard.insert(learner, ago(4_000));
    assert!(world.sponsored.is_empty(), "another leader added it");
    assert_eq!(removes(&world), Some(learner));
    world.etcd.listening_since = Some(ago(299));
    assert_eq!(removes(&world), None, "it was not listened to for long enough");
    world.etcd.listening_since = Some(ago(4_000));
    world.etcd.heard.insert(learner, ago(1));
    assert_eq!(removes(&world), None, "it runs");
}

/// S10: the seat of a learner that is on its way is not taken from it by a leader that does not know it.
#[test]
fn a_learner_that_says_where_it_belongs_keeps_its_seat() {
    let (mut world, learner) = caught_up();
    world.etcd.members.iter_mut().for_each(|seen| seen.value[2].name.clear());
    let lineage = world.recall.lineage.as_mut().unwrap();
    lineage.members.retain(|member| member.member != learner);
    let place = worlds::place(&lineage.clone(), 3);
    world.store = None;
    world.listening_since = ago(100);
    world.lineage_since = ago(100);
    assert_eq!(removes(&world), None, "it was not here for long enough to know");
    (world.listening_since, world.lineage_since) = (ago(4_000), ago(4_000));
    assert_eq!(removes(&world), None, "etcd hears it, so it runs, and has not published its name yet");
    world.etcd.heard.remove(&learner);
    assert_eq!(removes(&world), Some(learner), "nobody knows whose it is, and nobody came");
    world.sponsored.insert(learner, (node(3), ago(10)));
    assert_eq!(removes(&world), None, "it was added for a node a moment ago");
    world.sponsored.clear();
    let told = Word { phase: Phase::Joining, place: Some(place), ..word(3, node(3)) };
    (world.listening_since, world.lineage_since) = (ago(200), ago(200));
    meet(&mut world, 3, told, Duration::from_secs(1));
    let report = plan::plan(&noted(&world)).report.to_string();
    assert!(report.contains(&format!("was added for node {}", node(3))), "{report}");
}
