//! What the record says of each member, and when it is written.

use super::*;
use crate::id::{BootId, Epoch, LineageId, MemberId, NodeId};
use crate::lineage::{Claim, ClaimKind, FORMAT};
use crate::memory::{Identity, Phase, Place, Recall, State};
use crate::observe::{Gate, Me, Policy, Process, Seen, Status, StoreView, Version};
use crate::time::Moment;
use crate::word::Word;
use std::net::SocketAddr;
use std::time::Duration;

fn member(id: u64, name: &str) -> Member {
    Member { id: MemberId(id), name: name.to_owned(), peer_url: format!("http://10.0.0.{id}:2380"), learner: false }
}

/// A leader, member 1 on node 0x11, whose list and store are fresh and say the same.
fn leader() -> World {
    let now = Moment(1_000_000_000);
    let identity = Identity { node: NodeId(0x11), machine: "m1".to_owned(), mounted: true, former: vec![] };
    let me = Me { machine: "m1".to_owned(), instance: Some("i-1".to_owned()), mounted: true, ..Me::default() };
    let claim = Claim {
        nonce: Nonce(7),
        by: NodeId(0x11),
        kind: ClaimKind::Birth,
        founders: vec![],
        source: None,
        evidence: vec![],
        adopted: None,
    };
    let lineage = Lineage {
        format: FORMAT,
        lineage: LineageId(1),
        seq: 4,
        nonce: Nonce(9),
        epoch: Epoch(1),
        state: LineageState::Live,
        claim,
        members: vec![],
        pinned: None,
        history: vec![],
    };
    let place = Place {
        lineage: LineageId(1),
        epoch: Epoch(1),
        claim: Nonce(7),
        cluster: lineage.cluster_id(),
        member: MemberId(1),
        archive: None,
    };
    let state = State { phase: Phase::Member, place: Some(place), ..State::default() };
    let recall = Recall { lineage: Some(lineage), ..Recall::default() };
    let mut world = World::new(now, Policy::default(), me, Some(identity), state, recall);
    world.etcd.process = Process::Running { gate: Gate::Open, since: now };
    world.etcd.status = Some(Seen { value: Status { leader: Some(MemberId(1)), ..Status::default() }, at: now });
    world.etcd.read_at = Some(now);
    list(&mut world, vec![member(1, "host-0000000000000011"), member(2, "host-0000000000000022")]);
    let members = of(&world, world.members().unwrap());
    stored(&mut world).members = members;
    world
}

fn list(world: &mut World, members: Vec<Member>) {
    world.etcd.members = Some(Seen { value: members, at: world.now });
}

/// The lineage, known and stored, to be changed; the store was looked at just now.
fn stored(world: &mut World) -> &mut Lineage {
    let lineage = world.recall.lineage.clone().unwrap();
    let value = StoreView {
        lineage: Some((lineage, Version("v4".to_owned()))),
        archives: vec![],
        other_backups: false,
        ..StoreView::default()
    };
    world.store = Some(Seen { value, at: world.now });
    let view = world.store.as_mut().map(|seen| &mut seen.value);
    view.and_then(|view| view.lineage.as_mut()).map(|(lineage, _)| lineage).unwrap()
}

fn written(world: &World) -> Vec<Recorded> {
    match consider(world) {
        Verdict::Act(Action::WriteLineage { lineage, replaces: Some(_) }) => lineage.members,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_the_record_says_already_is_not_written_again() {
    assert_eq!(consider(&leader()), Verdict::Idle);
}

/// A member is told from the disk at the end of its name; a plain name is nobody's.
#[test]
fn a_member_is_the_disk_that_its_name_ends_with() {
    let nodes: Vec<Option<NodeId>> =
        of(&leader(), &[member(3, "host-0000000000000033"), member(4, "etcd4"), member(5, "")])
            .into_iter()
            .map(|r| r.node)
            .collect();
    assert_eq!(nodes, [Some(NodeId(0x33)), None, None]);
}

/// A learner has no name before it runs: this leader knows whom it added it for, others the record.
#[test]
fn a_learner_is_the_disk_that_it_was_added_for() {
    let mut world = leader();
    world.sponsored.insert(MemberId(3), (NodeId(0x33), world.now));
    list(&mut world, vec![member(1, "host-0000000000000011"), member(3, "")]);
    let record = written(&world);
    assert_eq!((record[1].node, record[1].started), (Some(NodeId(0x33)), false));
    world.sponsored.clear();
    world.recall.lineage.as_mut().unwrap().members = record;
    assert_eq!(of(&world, world.members().unwrap())[1].node, Some(NodeId(0x33)));
}

/// What proves a member's death later is what its machine was when it was first recorded.
#[test]
fn the_machine_of_a_member_is_kept_as_it_was() {
    let mut world = leader();
    let told = Word { machine: "m2".to_owned(), instance: Some("i-2".to_owned()), mounted: true, ..Word::default() };
    world.see_peer(NodeId(0x22), BootId(2), SocketAddr::from(([10, 0, 0, 2], 7980)), true, None);
    world.hear_word(NodeId(0x22), told.clone());
    let record = of(&world, world.members().unwrap());
    let machines: Vec<Option<&str>> = record.iter().map(|member| member.instance.as_deref()).collect();
    assert_eq!(machines, [Some("i-1"), Some("i-2")]);
    assert!(record.iter().all(|member| member.mounted));
    world.recall.lineage.as_mut().unwrap().members.clone_from(&record);
    world.hear_word(NodeId(0x22), Word { mounted: false, instance: None, ..told });
    assert_eq!(of(&world, world.members().unwrap()), record, "a lost mount does not rewrite the record");
}

/// S1: the record is read after the version that it replaces, or a change between the two is lost.
#[test]
fn the_list_is_read_after_the_version_it_replaces() {
    let mut world = leader();
    list(&mut world, vec![member(1, "host-0000000000000011")]);
    assert_eq!(written(&world).len(), 1);
    world.etcd.members.as_mut().unwrap().at = world.now - Duration::from_secs(1);
    assert_eq!(consider(&world), Verdict::Wait(Reason::ListTooOld));
}

/// A cluster writes its own record alone, and only while it is live.
#[test]
fn another_epoch_is_not_recorded() {
    let mut world = leader();
    list(&mut world, vec![member(1, "host-0000000000000011")]);
    stored(&mut world).claim.nonce = Nonce(8);
    assert_eq!(consider(&world), Verdict::Idle);
    stored(&mut world).state = LineageState::Paused;
    assert_eq!(consider(&world), Verdict::Idle);
}

/// The object vanished while a quorum lives: it is written again, and only if there is none.
#[test]
fn a_vanished_object_is_put_back() {
    let mut world = leader();
    world.store.as_mut().unwrap().value.lineage = None;
    let Verdict::Act(Action::WriteLineage { replaces: None, lineage }) = consider(&world) else {
        panic!("it is put back")
    };
    assert_eq!((lineage.seq, lineage.epoch, lineage.members.len()), (5, Epoch(1), 2));
    world.store_is_outdated = true;
    assert_eq!(consider(&world), Verdict::Idle);
}

/// S3, S11: the founders of a restore bear their names in etcd's list before their etcd has run: one that comes late has not.
#[test]
fn a_restored_founder_has_run_when_it_was_seen_to() {
    let founder = |n: u64| crate::lineage::Founder {
        node: NodeId(n * 0x11),
        name: format!("host-{}", NodeId(n * 0x11)),
        peer_url: format!("http://10.0.0.{n}:2380"),
    };
    let world = |kind: ClaimKind| {
        let mut world = leader();
        let claim = &mut world.recall.lineage.as_mut().unwrap().claim;
        (claim.kind, claim.founders) = (kind, vec![founder(1), founder(2)]);
        let lineage = world.recall.lineage.clone().unwrap();
        let id = |n: u64| lineage.founder_member(&founder(n));
        world.state.place.as_mut().unwrap().member = id(1);
        let members = [1, 2].map(|n| Member { id: id(n), ..member(n, &founder(n).name) });
        list(&mut world, members.to_vec());
        (world, id(2))
    };
    let started = |world: &World, id: MemberId| {
        let record = of(world, world.members().unwrap());
        assert!(record.iter().any(|member| member.started), "the leader itself runs");
        record.iter().find(|member| member.member == id).unwrap().started
    };
    let (birth, id) = world(ClaimKind::Birth);
    assert!(started(&birth, id), "nobody is born late");
    let (restore, id) = world(ClaimKind::Restore);
    assert!(!started(&restore, id));
    let mut heard = restore.clone();
    heard.etcd.heard.insert(id, heard.now);
    assert!(started(&heard, id));
    let mut recorded = restore.clone();
    let members = of(&heard, heard.members().unwrap());
    recorded.recall.lineage.as_mut().unwrap().members = members;
    assert!(started(&recorded, id), "what was once seen holds");
    let mut told = restore;
    told.see_peer(NodeId(0x22), BootId(2), SocketAddr::from(([10, 0, 0, 2], 7980)), true, None);
    told.hear_word(NodeId(0x22), Word { phase: Phase::Founding, ..Word::default() });
    assert!(!started(&told, id));
    told.hear_word(NodeId(0x22), Word { phase: Phase::Founding, past: Past::Ran, ..Word::default() });
    assert!(started(&told, id));
}
