//! S4, S5: an operator's word is evidence that a member is gone, and nothing more: what the rest could not
//! bear is refused, and so is what two witnesses contradict.

use crate::choices::{Scene, cases, scenes};
use crate::worlds::{self, ago, lineage};
use e2d_core::id::MemberId;
use e2d_core::lineage::{ClaimKind, LineageState};
use e2d_core::observe::{Gate, Hold, Member, World};
use e2d_core::operator::{self, Refused};
use e2d_core::reason::Reason;
use e2d_core::safety;
use proptest::prelude::*;
use std::time::Duration;

/// A leader of `size` voters that hears all of them.
fn cluster(size: usize) -> World {
    worlds::leader(&lineage(size, 1, LineageState::Live, ClaimKind::Birth))
}

fn ids(world: &World) -> Vec<MemberId> {
    let me = world.state.place.unwrap().member;
    world.members().unwrap().iter().map(|member| member.id).filter(|id| *id != me).collect()
}

/// Silent for etcd and for gossip, since a moment ago: far too short for the plan.
fn silence(world: &mut World, member: MemberId) {
    world.etcd.heard.insert(member, ago(4));
    let node = world.members().unwrap().iter().find(|listed| listed.id == member).unwrap().node().unwrap();
    world.peers.get_mut(&node).unwrap().alive = false;
}

#[test]
fn a_word_stands_for_the_proof_of_death_and_is_named() {
    let mut world = cluster(3);
    let dead = ids(&world)[0];
    silence(&mut world, dead);
    assert!(matches!(e2d_core::plan::evict::consider(&world), e2d_core::plan::Verdict::Wait(_)), "not on its own");
    let evidence = operator::remove(&world, dead, "an operator (uid 0)").unwrap();
    assert_eq!(evidence.subject().member, dead);
    assert!(evidence.because().contains("an operator (uid 0) says"), "{}", evidence.because());
    // A hold does not stop what a person orders.
    world.hold = Some(Hold { reason: "maintenance".into(), remaining: Duration::from_secs(9) });
    assert!(operator::remove(&world, dead, "an operator").is_ok());
}

#[test]
fn who_is_alive_is_not_gone() {
    let mut world = cluster(3);
    let (one, me) = (ids(&world)[0], world.state.place.unwrap().member);
    for member in [one, me] {
        let refused = operator::remove(&world, member, "an operator").unwrap_err();
        assert_eq!(refused, Refused::Unsafe(Reason::Alive(member)));
    }
    // Seen by gossip alone: the peer port is cut, and a person may know better.
    world.etcd.heard.insert(one, ago(4));
    assert!(operator::remove(&world, one, "an operator").is_ok());
}

#[test]
fn the_rest_must_commit_and_be_recorded() {
    let mut world = cluster(3);
    let [one, other] = ids(&world)[..] else { panic!() };
    silence(&mut world, one);
    silence(&mut world, other);
    let at_risk = Reason::QuorumAtRisk { member: one, present: 1, voters: 2 };
    assert_eq!(operator::remove(&world, one, "an operator").unwrap_err(), Refused::Unsafe(at_risk));
    let mut world = cluster(3);
    silence(&mut world, one);
    world.recall.lineage.as_mut().unwrap().members.retain(|recorded| recorded.member == one);
    let lags = Reason::RecordLags { member: one };
    assert_eq!(operator::remove(&world, one, "an operator").unwrap_err(), Refused::Unsafe(lags));
}

#[test]
fn the_leaders_node_acts_and_is_named() {
    let mut world = cluster(3);
    let one = ids(&world)[0];
    world.etcd.status.as_mut().unwrap().value.leader = Some(one);
    let refused = operator::remove(&world, one, "an operator").unwrap_err();
    assert!(matches!(&refused, Refused::NotLeading { leader: Some((id, _)) } if *id == one));
    assert!(refused.to_string().contains(&one.to_string()), "{refused}");
    assert!(matches!(operator::archive(&world), Err(Refused::NotLeading { .. })));
    assert!(matches!(operator::heir(&world), Err(Refused::NotLeading { .. })));
    let unknown = operator::remove(&cluster(3), MemberId(99), "an operator").unwrap_err();
    assert_eq!(unknown, Refused::NoMember(MemberId(99)));
}

/// S16: an archive goes into the epoch that the store holds live, and into no other.
#[test]
fn an_archive_is_taken_into_the_current_epoch_alone() {
    let now = lineage(3, 2, LineageState::Live, ClaimKind::Birth);
    let mut world = worlds::leader(&now);
    worlds::see_store(&mut world, Some(&now), vec![]);
    assert_eq!(operator::archive(&world), Ok(()));
    for other in [None, Some(lineage(3, 3, LineageState::Live, ClaimKind::Birth))] {
        worlds::see_store(&mut world, other.as_ref(), vec![]);
        assert_eq!(operator::archive(&world), Err(Refused::NotCurrent));
    }
    world.policy.has_store = false;
    assert_eq!(operator::archive(&world), Err(Refused::NoStore));
}

#[test]
fn the_heir_is_the_voter_that_came_furthest() {
    let mut world = cluster(3);
    let members: Vec<Member> = world.members().unwrap().to_vec();
    let [one, other] = ids(&world)[..] else { panic!() };
    let node = |id| members.iter().find(|member: &&Member| member.id == id).unwrap().node().unwrap();
    for (id, index) in [(one, 70), (other, 50)] {
        let told = world.peers.get_mut(&node(id)).unwrap().word.as_mut().unwrap();
        told.progress = Some(e2d_core::word::Progress { index, serves: true, ..Default::default() });
    }
    assert_eq!(operator::heir(&world), Ok(one));
    silence(&mut world, one);
    assert_eq!(operator::heir(&world), Ok(other));
    silence(&mut world, other);
    assert_eq!(operator::heir(&world), Err(Refused::HeirsAway));
    assert_eq!(operator::heir(&cluster(1)), Err(Refused::NoHeir));
}

proptest! {
    #![proptest_config(cases(600))]

    /// S4, S5: in no world does an operator's word leave too few that can commit, remove two at once, or
    /// remove somebody else than was named.
    #[test]
    fn no_word_leaves_too_few(scene in scenes(), nth in 0usize..6) {
        let Scene(world) = &scene;
        let Some(members) = world.members() else { return Ok(()) };
        let Some(member) = members.get(nth % members.len()) else { return Ok(()) };
        let Ok(evidence) = operator::remove(world, member.id, "an operator") else { return Ok(()) };
        prop_assert_eq!(evidence.subject().member, member.id);
        prop_assert!(world.leads() && world.runs() == Some(Gate::Open));
        prop_assert!(world.state.place.is_none_or(|place| place.member != member.id));
        let rest: Vec<&Member> = members.iter().filter(|m| !m.learner && m.id != member.id).collect();
        let present = rest.iter().filter(|m| safety::is_present(world, m)).count();
        prop_assert!(2 * present > rest.len(), "{present} of {} are left", rest.len());
        if safety::is_present(world, member) {
            let others = members.iter().filter(|m| m.id != member.id).all(|m| safety::is_present(world, m));
            prop_assert!(others, "a member that is there goes while another is away");
        }
    }
}
