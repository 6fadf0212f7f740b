//! S1, S13 without a store: who may found what, and how vows that rule each other out come to an end.

use crate::worlds::{self, lineage, meet, node, word};
use e2d_core::action::Action;
use e2d_core::id::Epoch;
use e2d_core::lineage::{Claim, ClaimKind, Lineage, LineageState, Recorded};
use e2d_core::memory::{Phase, State};
use e2d_core::observe::World;
use e2d_core::plan;
use e2d_core::reason::Reason;
use e2d_core::vow::Vow;
use e2d_core::word::Word;
use std::time::Duration;

fn vow(round: u64, nodes: &[usize]) -> Vow {
    Vow { round, founders: nodes.iter().map(|n| node(*n)).collect() }
}

/// What a proposal founds, as its founders write it down.
fn born(vow: &Vow) -> Lineage {
    let any = lineage(3, 1, LineageState::Live, ClaimKind::Birth);
    let (id, nonce) = vow.founds();
    let founders: Vec<_> = (1..=9).map(worlds::founder).filter(|f| vow.founders.contains(&f.node)).collect();
    let claim = Claim { nonce, founders: founders.clone(), ..any.claim.clone() };
    let unborn = Lineage { lineage: id, nonce, seq: 1, epoch: Epoch(1), claim, ..any.clone() };
    let member =
        |founder| Recorded { member: unborn.founder_member(founder), started: false, ..any.members[0].clone() };
    let members = founders.iter().map(|founder| Recorded {
        node: Some(founder.node),
        peer_url: founder.peer_url.clone(),
        ..member(founder)
    });
    Lineage { members: members.collect(), ..unborn.clone() }
}

/// The `n`-th machine, empty, that made these vows and sees these empty others with their last vows.
fn disk(n: usize, vows: &[Vow], others: &[(usize, Option<Vow>)]) -> World {
    let mut world = worlds::quiet(3, false);
    world.identity.as_mut().unwrap().node = node(n);
    world.me.peer_url = worlds::url(n);
    world.state.vows = vows.to_vec();
    for (other, vow) in others {
        let bound = vow.iter().map(|vow| vow.founders.clone()).collect();
        let told = Word { vow: vow.clone(), bound, ..word(*other, node(*other)) };
        meet(&mut world, *other, told, Duration::from_secs(9));
    }
    world
}

fn noted(world: &World) -> Option<State> {
    match plan::plan(world).node {
        Some(Action::Remember(state)) => Some(*state),
        _ => None,
    }
}

/// S1: a disk that vowed to found B founds no A, however often it vowed to that before and whoever tells it that A lives:
/// A's founders and B's could both have a majority with it.
#[test]
fn who_vowed_to_others_since_founds_nothing_earlier() {
    let (first, second) = (vow(1, &[1, 2, 3]), vow(2, &[2, 3, 4]));
    let told = |last: &[Vow]| {
        let mut world = disk(2, last, &[(1, Some(first.clone()))]);
        world.recall.lineage = Some(born(&first));
        world
    };
    let founds = |world: &World| noted(world).is_some_and(|state| state.phase == Phase::Founding);
    assert!(founds(&told(std::slice::from_ref(&first))), "its last vow");
    let world = told(&[first.clone(), second]);
    assert!(!founds(&world));
    let report = plan::plan(&world).report.to_string();
    assert!(report.contains(&Reason::VowedToOthers.to_string()), "{report}");
}

/// S1: of two births that it hears of, a disk takes up the one that its last vow founds.
#[test]
fn a_disk_belongs_to_its_last_vow() {
    let (first, second) = (vow(1, &[1, 2, 3]), vow(2, &[2, 3, 4]));
    let learns = |known: Option<&Vow>| {
        let mut world = disk(2, &[first.clone(), second.clone()], &[(1, None), (4, None)]);
        world.recall.lineage = known.map(born);
        world.hear_copy(node(1), born(&first));
        world.hear_copy(node(4), born(&second));
        match plan::plan(&world).node {
            Some(Action::Recall(recall)) => recall.lineage,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(learns(None), Some(born(&second)));
    assert_eq!(learns(Some(&first)), Some(born(&second)));
}

/// S13: an early vow to disks that are all here is followed, not overruled by a lower set that its maker may not follow.
#[test]
fn a_vow_whose_disks_are_all_here_is_followed() {
    let early = vow(1, &[3, 4, 5]);
    let rest = [(1, None), (2, None), (4, None), (3, Some(early.clone()))];
    let fifth = disk(5, &[], &rest);
    assert_eq!(noted(&fifth).map(|state| state.vows), Some(vec![early.clone()]));
    let third = disk(3, std::slice::from_ref(&early), &[(1, None), (2, None), (4, None), (5, None)]);
    let report = plan::plan(&third).report.to_string();
    assert!(report.contains(&Reason::FoundersMissing(vec![node(4), node(5)]).to_string()), "{report}");
}

/// S13: two vows that share one disk of three rule each other out. Whichever of them can be kept is; else one that shares
/// two disks with each is looked for.
#[test]
fn vows_that_rule_each_other_out_are_bridged() {
    let (low, high) = (vow(1, &[1, 2, 3]), vow(1, &[3, 4, 5]));
    let own = std::slice::from_ref(&low);
    let report = |world: &World| plan::plan(world).report.to_string();
    // 1 and 2 wait for 3, which may not follow them; 4 and 5 have vowed nothing.
    let kept = disk(1, own, &[(2, Some(low.clone())), (3, Some(high.clone())), (4, None), (5, None)]);
    assert_eq!(report(&kept), format!("vows: waits: {}", Reason::AnothersTurn(node(3))));
    let proposed = |others: &[(usize, Option<Vow>)]| noted(&disk(1, own, others)).unwrap().vows.pop().unwrap();
    assert_eq!(proposed(&[(2, Some(low.clone())), (3, Some(high.clone())), (4, None)]), vow(2, &[1, 2, 4]));
    let both = [(2, Some(low.clone())), (3, Some(high.clone())), (4, Some(high.clone()))];
    assert_eq!(proposed(&both), vow(2, &[1, 3, 4]));
    let none = disk(1, own, &[(4, Some(high.clone())), (5, Some(high))]);
    assert_eq!(report(&none), format!("vows: waits: {}", Reason::VowsConflict));
}

/// S13: a founder that never ran, of whose fellows none can found with it any more, is free again: its promise is worth
/// nothing, and it holds nothing.
#[test]
fn the_last_founder_that_never_ran_is_free_again() {
    let vowed = vow(1, &[1, 2, 3]);
    let mut world = disk(1, std::slice::from_ref(&vowed), &[]);
    world.recall.lineage = Some(born(&vowed));
    let promised = noted(&world).unwrap();
    assert_eq!(promised.phase, Phase::Founding);
    world.remembered(promised);
    let gives_up = |world: &World| noted(world).is_some_and(|state| state.phase == Phase::Abandoned);
    meet(&mut world, 2, Word { former: vec![node(2)], ..word(2, node(42)) }, Duration::from_secs(9));
    assert!(!gives_up(&world), "node 3 may come");
    let elsewhere = born(&vow(2, &[3, 4, 5]));
    meet(&mut world, 3, worlds::member_word(&elsewhere, 3), Duration::from_secs(9));
    assert!(gives_up(&world), "{}", plan::plan(&world).report);
    world.state.ran = true;
    world.launched = Some(vowed.founds().1);
    assert!(!gives_up(&world), "it may have spoken");
    // Alone there is nobody to lose.
    let single = Vow { round: 1, founders: [node(1)].into() };
    let mut alone = worlds::quiet(1, false);
    (alone.recall.lineage, alone.state.vows) = (Some(born(&single)), vec![single]);
    alone.remembered(noted(&alone).unwrap());
    assert!(!gives_up(&alone), "{}", plan::plan(&alone).report);
}

/// S22: the vows of a disk do not grow for ever: one to the same disks replaces the earlier.
#[test]
fn a_vow_to_the_same_disks_replaces_the_earlier() {
    let (old, other) = (vow(4, &[1, 2, 3]), vow(5, &[1, 2, 4]));
    let overtaken = disk(1, &[other, old], &[(2, Some(vow(9, &[1, 2, 3]))), (3, None)]);
    let vows = noted(&overtaken).unwrap().vows;
    assert_eq!(vows, [vow(5, &[1, 2, 4]), vow(10, &[1, 2, 3])]);
}
