//! Situations that happen, as worlds.

use crate::choices::Choices;
use crate::noise;
use e2d_core::id::{ArchiveId, BootId, ClusterId, Digest, Epoch, LineageId, MemberId, NodeId, Nonce, Revision};
use e2d_core::interview::{Interview, Testimony};
use e2d_core::lineage::{Claim, ClaimKind, FORMAT, Founder, Lineage, LineageState, Recorded, Source};
use e2d_core::memory::{Heard, Identity, Phase, Place, Recall, State};
use e2d_core::observe::{
    ArchiveSeen, DataDir, DiskData, ExitCause, Gate, Me, Member, Peer, Policy, Process, Seen, Status, StoreView,
    Version, World,
};
use e2d_core::time::Moment;
use e2d_core::word::{EtcdWord, Invitation, Known, KvHash, Progress, StoreWord, Word};
use std::net::SocketAddr;
use std::time::Duration;

/// Now, in every world.
pub(crate) const NOW: Moment = Moment(100_000_000_000);
/// The lineage of every world.
pub(crate) const LINEAGE: LineageId = LineageId(0xa11ce);

/// A moment so many seconds ago.
pub(crate) fn ago(seconds: u64) -> Moment {
    NOW - Duration::from_secs(seconds)
}

/// The disk of the n-th machine, or its successor's.
pub(crate) fn node(n: usize) -> NodeId {
    NodeId(0x1000 + n as u64)
}

pub(crate) fn addr(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n as u8], 7980))
}

pub(crate) fn url(n: usize) -> String {
    format!("http://10.0.0.{n}:2380")
}

pub(crate) fn name(node: NodeId) -> String {
    format!("host-{node}")
}

/// What the machine `n` tells of itself, standing on the disk `node`, with nothing on it.
pub(crate) fn word(n: usize, node: NodeId) -> Word {
    Word {
        name: name(node),
        peer_url: url(n),
        client_url: format!("http://10.0.0.{n}:2379"),
        machine: format!("machine{n}"),
        store: StoreWord::Absent,
        ..Word::default()
    }
}

pub(crate) fn founder(n: usize) -> Founder {
    Founder { node: node(n), name: name(node(n)), peer_url: url(n) }
}

/// A lineage of so many founders, machines 1 and up.
pub(crate) fn lineage(size: usize, epoch: u64, state: LineageState, kind: ClaimKind) -> Lineage {
    let source = Source {
        archive: ArchiveId(Digest([7; 32])),
        epoch: Epoch(epoch.saturating_sub(1)),
        revision: Revision(40),
        bump: 1_000_000_000,
    };
    let claim = Claim {
        nonce: Nonce(0xc1a1 + u128::from(epoch)),
        by: node(1),
        kind,
        founders: (1..=size).map(founder).collect(),
        source: (kind != ClaimKind::Birth).then_some(source),
        evidence: vec!["told so".to_owned()],
        adopted: None,
    };
    let mut lineage = Lineage {
        format: FORMAT,
        lineage: LINEAGE,
        seq: 2 * epoch + u64::from(state == LineageState::Live),
        nonce: Nonce(0xfeed + u128::from(2 * epoch) + u128::from(state == LineageState::Live)),
        epoch: Epoch(epoch),
        state,
        claim,
        members: vec![],
        pinned: None,
        history: vec![],
    };
    lineage.members = (1..=size).map(|n| recorded(&lineage, n)).collect();
    lineage
}

fn recorded(lineage: &Lineage, n: usize) -> Recorded {
    Recorded {
        node: Some(node(n)),
        member: lineage.founder_member(&founder(n)),
        peer_url: url(n),
        instance: None,
        machine: Some(format!("machine{n}")),
        mounted: false,
        learner: false,
        started: true,
    }
}

/// The place of machine `n` among the founders.
pub(crate) fn place(lineage: &Lineage, n: usize) -> Place {
    Place {
        lineage: lineage.lineage,
        epoch: lineage.epoch,
        claim: lineage.claim.nonce,
        cluster: lineage.cluster_id(),
        member: lineage.founder_member(&founder(n)),
        archive: lineage.claim.source.map(|source| source.archive),
    }
}

/// What the machine `n` tells as a member.
pub(crate) fn member_word(lineage: &Lineage, n: usize) -> Word {
    Word {
        phase: Phase::Member,
        place: Some(place(lineage, n)),
        start: 1,
        has_data: true,
        known: Some(known(lineage)),
        store: StoreWord::Lineage(lineage.lineage),
        etcd: EtcdWord::Open,
        progress: Some(Progress { term: 3, index: 900, revision: Revision(80), leads: false, serves: true }),
        ..word(n, node(n))
    }
}

pub(crate) fn known(lineage: &Lineage) -> Known {
    Known { lineage: lineage.lineage, epoch: lineage.epoch, seq: lineage.seq, state: lineage.state }
}

/// The disk of machine `n` as etcd left it.
pub(crate) fn disk(place: &Place) -> DataDir {
    DataDir::Member(DiskData { cluster: place.cluster, member: place.member, term: 3, index: 900 })
}

pub(crate) fn archive(lineage: &Lineage, revision: i64, node: NodeId, verified: bool) -> ArchiveSeen {
    ArchiveSeen {
        id: ArchiveId(Digest::of(format!("{} {revision} {node} {verified}", lineage.epoch).as_bytes())),
        lineage: lineage.lineage,
        epoch: lineage.epoch,
        revision: Revision(revision),
        term: 2,
        index: 500,
        node,
        verified,
    }
}

/// Gossip holds the machine `n` alive and has its word.
pub(crate) fn meet(world: &mut World, n: usize, told: Word, steady: Duration) {
    let node = told.name.rsplit_once('-').and_then(|(_, id)| id.parse().ok()).unwrap_or(node(n));
    let peer = Peer {
        boot: BootId(0xb007 + n as u64),
        addr: addr(n),
        alive: true,
        heard_at: Some(world.now),
        word: Some(told),
        steady_since: world.now - steady,
    };
    world.peers.insert(node, peer);
}

pub(crate) fn see_store(world: &mut World, lineage: Option<&Lineage>, archives: Vec<ArchiveSeen>) {
    let lineage = lineage.map(|lineage| (lineage.clone(), Version(format!("v{}", lineage.seq))));
    let value = StoreView { lineage, archives, other_backups: false, ..StoreView::default() };
    world.store = Some(Seen { value, at: ago(1) });
}

/// Machine 1, whose process has run for a while; nothing was seen yet.
pub(crate) fn quiet(size: usize, has_store: bool) -> World {
    let policy = Policy { size, has_store, ..Policy::default() };
    let me = Me {
        label: "host".to_owned(),
        boot: BootId(0xb001),
        peer_url: url(1),
        client_url: "http://10.0.0.1:2379".to_owned(),
        machine: "machine1".to_owned(),
        ..Me::default()
    };
    let identity = Identity { node: node(1), machine: me.machine.clone(), mounted: false, former: vec![] };
    let mut world = World::new(NOW, policy, me, Some(identity), State::default(), Recall::default());
    for (n, byte) in (1..).zip(&mut world.entropy) {
        *byte = n;
    }
    (world.listening_since, world.lineage_since) = (ago(5_000), ago(1_000));
    world.data = Some(DataDir::Empty);
    world
}

/// Machine 1 on a disk that belongs to `lineage`.
pub(crate) fn settled(lineage: &Lineage, phase: Phase) -> World {
    let mut world = quiet(lineage.claim.founders.len(), true);
    world.recall.lineage = Some(lineage.clone());
    let opened = phase != Phase::Founding;
    world.state = State { phase, place: Some(place(lineage, 1)), start: 1, ran: true, opened, ..State::default() };
    world.state.home = (phase == Phase::Member).then(|| world.me.peer_url.clone());
    world.data = Some(disk(&place(lineage, 1)));
    see_store(&mut world, Some(lineage), vec![]);
    world
}

/// A leader among members that are all well.
pub(crate) fn leader(lineage: &Lineage) -> World {
    let mut world = settled(lineage, Phase::Member);
    let me = place(lineage, 1).member;
    world.recall.members.clone_from(&lineage.members);
    world.etcd.process = Process::Running { gate: Gate::Open, since: ago(4_000) };
    let status = Status { leader: Some(me), term: 3, index: 900, revision: Revision(80), learner: false };
    world.etcd.status = Some(Seen { value: status, at: NOW });
    world.etcd.read_at = Some(NOW);
    world.etcd.listening_since = Some(ago(4_000));
    let mut listed = Vec::new();
    for n in 1..=lineage.claim.founders.len() {
        let id = lineage.founder_member(&founder(n));
        listed.push(Member { id, name: name(node(n)), peer_url: url(n), learner: false });
        if n > 1 {
            world.etcd.heard.insert(id, NOW);
            meet(&mut world, n, member_word(lineage, n), Duration::from_mins(10));
            world.recall.addresses.insert(node(n), addr(n).to_string());
            let heard = Heard { start: 1, boot: Some(BootId(0xb007 + n as u64)), term: 3, index: 900 };
            world.recall.heard.insert(node(n), heard);
        }
    }
    world.etcd.members = Some(Seen { value: listed, at: NOW });
    world.recall.members = e2d_core::plan::record::of(&world, world.members().unwrap_or_default());
    world.archived = Some(Seen { value: Revision(80), at: ago(60) });
    world
}

/// A situation that happens.
pub(crate) type Situation = fn(&mut Choices<'_>, usize) -> World;

/// Every situation.
pub(crate) const ALL: &[Situation] = &[
    newborn,
    birth_claimed,
    birth_live,
    restoring,
    leading,
    leading,
    leading_with_a_learner,
    restarting,
    joining,
    all_gone,
    all_gone,
    newer_epoch,
    leaving,
    unrecorded,
];
/// Those in which an epoch may begin.
pub(crate) const BEGINNINGS: &[Situation] = &[newborn, all_gone, birth_claimed, restoring];
/// Those in which the members may change.
pub(crate) const CHANGES: &[Situation] = &[leading, leading_with_a_learner];
/// Those in which data may be given up.
pub(crate) const ENDS: &[Situation] = &[leaving, newer_epoch, restoring];
/// Those in which etcd may start.
pub(crate) const STARTS: &[Situation] = &[birth_live, restoring, restarting, newer_epoch];

/// Grows a world from numbers: one of these situations, and what contradicts it.
pub(crate) fn grow(situations: &[Situation], numbers: &[u16]) -> World {
    let choices = &mut Choices::new(numbers);
    let size = choices.one_of(&[3, 3, 3, 1, 5]);
    let situation = choices.pick(situations.len());
    let mut world = situations[situation](choices, size);
    for _ in 0..choices.one_of(&[0, 0, 1, 1, 2, 3, 5]) {
        noise::disturb(choices, &mut world);
    }
    world
}

fn newborn(choices: &mut Choices<'_>, size: usize) -> World {
    let mut world = quiet(size, !choices.chance(30));
    if world.policy.has_store {
        see_store(&mut world, None, vec![]);
    }
    let others = size + choices.pick(2);
    for n in 2..=others {
        meet(&mut world, n, word(n, node(n)), Duration::from_secs(30));
    }
    world
}

fn birth_claimed(choices: &mut Choices<'_>, size: usize) -> World {
    let lineage = lineage(size, 1, LineageState::Forming, ClaimKind::Birth);
    let lineage = Lineage { members: vec![], ..lineage };
    let mut world = settled(&lineage, Phase::Founding);
    (world.data, world.state.ran, world.state.start) = (Some(DataDir::Empty), false, 0);
    world.promised = Some(lineage.claim.nonce);
    if choices.chance(40) {
        (world.state, world.promised) = (State::default(), None);
    }
    world.lineage_since = NOW - choices.age();
    for n in 2..=size {
        let mut told = Word { known: Some(known(&lineage)), store: StoreWord::Lineage(LINEAGE), ..word(n, node(n)) };
        if choices.chance(70) {
            (told.phase, told.place) = (Phase::Founding, Some(place(&lineage, n)));
        }
        meet(&mut world, n, told, choices.age());
    }
    world
}

fn birth_live(choices: &mut Choices<'_>, size: usize) -> World {
    let lineage = lineage(size, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = settled(&lineage, Phase::Founding);
    (world.data, world.state.ran, world.state.start) = (Some(DataDir::Empty), false, 0);
    world.promised = Some(lineage.claim.nonce);
    if choices.chance(50) {
        (world.state.ran, world.state.start, world.state.opened) = (true, 1, true);
    }
    if choices.chance(30) {
        world.etcd.process = Process::Running { gate: Gate::Open, since: ago(2) };
        world.data = Some(disk(&place(&lineage, 1)));
        world.etcd.status = Some(Seen { value: Status::default(), at: NOW });
    }
    for n in 2..=size {
        let mut told = member_word(&lineage, n);
        (told.phase, told.has_data, told.etcd, told.progress) = (Phase::Founding, false, EtcdWord::Stopped, None);
        meet(&mut world, n, told, choices.age());
    }
    world
}

fn restoring(choices: &mut Choices<'_>, size: usize) -> World {
    let state = if choices.chance(30) { LineageState::Live } else { LineageState::Forming };
    let mut lineage = lineage(size, 2, state, ClaimKind::Restore);
    if choices.chance(50) {
        // It comes when the others serve already.
        lineage.members.iter_mut().filter(|member| member.node == Some(node(1))).for_each(|late| late.started = false);
    }
    let mut world = settled(&lineage, Phase::Founding);
    world.promised = Some(lineage.claim.nonce);
    let hash = KvHash { revision: Revision(50), compacted: Revision(0), hash: 77 };
    match choices.pick(5) {
        0 => {
            let ran = choices.chance(50);
            (world.data, world.state.ran, world.state.start) = (Some(DataDir::Empty), ran, u64::from(ran));
            world.state.opened = ran && state == LineageState::Live && choices.chance(50);
        }
        1 => {}
        2 => world.state.ran = false,
        _ => {
            world.etcd.process = Process::Running { gate: Gate::Gated, since: ago(9) };
            let leader = choices.chance(70).then_some(place(&lineage, 1).member);
            let status = Status { leader, term: 3, index: 900, revision: Revision(50), learner: false };
            world.etcd.status = Some(Seen { value: status, at: NOW });
            (world.etcd.read_at, world.etcd.hash) = (Some(NOW), Some(hash));
            world.etcd.marked = choices.one_of(&[Some(true), Some(true), Some(false), Some(false), None]);
        }
    }
    world.lineage_since = NOW - choices.age();
    if choices.chance(50) {
        (world.state.start, world.raised) = (4, Some(4));
        let mut interview = interview(choices, &lineage, size);
        if world.data == Some(DataDir::Empty) {
            // It has not run yet.
            interview.answers.values_mut().for_each(|told| told.heard = None);
        }
        world.interview = Some(interview);
    }
    for n in 2..=size {
        let mut told = member_word(&lineage, n);
        told.phase = Phase::Founding;
        (told.etcd, told.hash) = (EtcdWord::Gated, Some(hash));
        if choices.chance(30) {
            (told.etcd, told.hash, told.progress) = (EtcdWord::Stopped, None, None);
        }
        meet(&mut world, n, told, choices.age());
    }
    world
}

/// A leader, and one or two of the others in trouble.
fn leading(choices: &mut Choices<'_>, size: usize) -> World {
    let epoch = 1 + choices.pick(2) as u64;
    let lineage = lineage(size, epoch, LineageState::Live, ClaimKind::Birth);
    let mut world = leader(&lineage);
    if choices.chance(20) {
        world.archived = None;
    }
    let troubled = choices.one_of(&[0, 1, 1, 1, 2]);
    for n in (2..=size).rev().take(troubled) {
        let id = lineage.founder_member(&founder(n));
        let silence = choices.one_of(&[2, 5, 200, 301, 400, 400]);
        if choices.chance(10) {
            world.etcd.heard.remove(&id);
        } else {
            world.etcd.heard.insert(id, ago(silence));
        }
        if let Some(peer) = world.peers.get_mut(&node(n)) {
            peer.alive = choices.chance(15);
            peer.heard_at = Some(ago(choices.one_of(&[5, 200, 301, 400, 400])));
            peer.steady_since = ago(choices.one_of(&[2, 250, 390]));
        }
        match choices.pick(5) {
            0 => meet(&mut world, n, word(n, node(n + 40)), Duration::from_secs(9)),
            1 => {
                let former = vec![node(n)];
                meet(&mut world, n, Word { former, ..word(n, node(n + 40)) }, Duration::from_secs(9));
            }
            2 => world.forget_peer(node(n)),
            _ => {}
        }
    }
    world
}

/// A leader whose cluster has an empty seat, and who fills it.
fn leading_with_a_learner(choices: &mut Choices<'_>, size: usize) -> World {
    let mut lineage = lineage(size, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = leader(&lineage);
    let (seat, newcomer) = (size.max(2), node(size + 40));
    let lost = lineage.founder_member(&founder(seat));
    if size > 1 {
        lineage.members.retain(|member| member.member != lost);
        world.etcd.heard.remove(&lost);
        world.forget_peer(node(seat));
        world.recall.heard.remove(&node(seat));
        world.recall.addresses.remove(&node(seat));
    }
    let mut listed: Vec<Member> = world.members().unwrap_or_default().to_vec();
    listed.retain(|member| size == 1 || member.id != lost);
    let mut told = Word { known: Some(known(&lineage)), store: StoreWord::Lineage(LINEAGE), ..word(seat, newcomer) };
    let learner = MemberId(0x1ea2);
    let stage = choices.pick(4);
    if stage > 0 {
        let started = stage > 1;
        let name = if started { told.name.clone() } else { String::new() };
        listed.push(Member { id: learner, name, peer_url: url(seat), learner: true });
        world.sponsored.insert(learner, (newcomer, NOW - choices.age()));
        if started {
            world.etcd.heard.insert(learner, NOW);
            told.phase = Phase::Joining;
            told.place = Some(Place { member: learner, ..place(&lineage, 1) });
            (told.has_data, told.etcd) = (true, EtcdWord::Open);
            let index = choices.one_of(&[Some(900), Some(890), Some(3), None]);
            told.progress = index.map(|index| Progress { term: 3, index, ..Progress::default() });
        }
    }
    if choices.chance(20) {
        // There are to be more, and another is here.
        world.policy.size += 2;
        let known = Some(known(&lineage));
        meet(&mut world, size + 1, Word { known, ..word(size + 1, node(size + 1)) }, choices.age());
    }
    if size > 2 && choices.chance(20) {
        world.etcd.heard.insert(lineage.founder_member(&founder(2)), NOW - choices.age());
    }
    meet(&mut world, seat, told, choices.age());
    world.etcd.members = Some(Seen { value: listed, at: NOW });
    let record = e2d_core::plan::record::of(&world, world.members().unwrap_or_default());
    world.recall.members.clone_from(&record);
    if choices.chance(85) {
        lineage.members = record;
    }
    world.recall.lineage = Some(lineage.clone());
    see_store(&mut world, Some(&lineage), vec![]);
    if stage > 1 {
        let heard = Heard { start: 0, boot: None, term: 3, index: 900 };
        world.recall.heard.insert(newcomer, heard);
        world.recall.addresses.insert(newcomer, addr(seat).to_string());
    }
    world
}

/// A member with its data, before or during its interview.
fn restarting(choices: &mut Choices<'_>, size: usize) -> World {
    let lineage = lineage(size, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = settled(&lineage, choices.one_of(&[Phase::Member, Phase::Member, Phase::Founding, Phase::Joining]));
    world.recall.members.clone_from(&lineage.members);
    world.state.start = 4;
    let exits = [
        None,
        None,
        Some(ExitCause::Stopped),
        Some(ExitCause::Removed),
        Some(ExitCause::Corrupt("a checksum is wrong".to_owned())),
        Some(ExitCause::Failed("address in use".to_owned())),
        Some(ExitCause::NewerData("written by 9.9".to_owned())),
    ];
    if let Some(cause) = choices.one_of(&exits) {
        world.etcd.process = Process::Exited { cause, at: ago(3) };
    }
    if choices.chance(20) {
        world.data = Some(DataDir::Unreadable("a torn record".to_owned()));
    }
    // Nobody is asked before the count of starts is raised.
    if choices.chance(80) {
        world.raised = Some(4);
        world.interview = choices.chance(80).then(|| interview(choices, &lineage, size));
    }
    for n in 2..=size {
        meet(&mut world, n, member_word(&lineage, n), choices.age());
    }
    world
}

/// What the others have answered to start 4, or still to the one before.
fn interview(choices: &mut Choices<'_>, lineage: &Lineage, size: usize) -> Interview {
    let start = choices.one_of(&[4, 4, 4, 4, 3]);
    let mut interview = Interview { start, since: NOW - choices.age(), grown: NOW - choices.age(), answers: [].into() };
    for n in 2..=size {
        if choices.chance(75) {
            interview.answers.insert(node(n), Testimony { start, ..testimony(choices, lineage) });
        }
    }
    interview
}

fn testimony(choices: &mut Choices<'_>, lineage: &Lineage) -> Testimony {
    let heard = Heard { start: 3, boot: Some(BootId(9)), term: 3, index: 900 };
    let mut told = Testimony {
        start: 4,
        known: Some(known(lineage)),
        removed: choices.chance(10),
        serves: choices.chance(60),
        heard: Some(heard),
        away: choices.chance(10),
    };
    if choices.chance(15) {
        told.heard = Some(Heard { index: 1_000, ..heard });
    }
    if choices.chance(15) {
        let state = choices.one_of(&[LineageState::Forming, LineageState::Live]);
        told.known = Some(Known { epoch: lineage.epoch.next(), state, ..known(lineage) });
    }
    told
}

/// An empty node beside a cluster that lives.
fn joining(choices: &mut Choices<'_>, size: usize) -> World {
    let lineage = lineage(size, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = quiet(size, true);
    world.me.peer_url = url(9);
    world.identity = world.identity.map(|identity| Identity { node: node(9), ..identity });
    world.recall.lineage = Some(lineage.clone());
    see_store(&mut world, Some(&lineage), vec![]);
    let place = Place { member: MemberId(0x1ea2), archive: None, ..place(&lineage, 1) };
    for n in 1..=size {
        let mut told = member_word(&lineage, n);
        if n == 1 && choices.chance(70) {
            told.invitation = Some(Invitation {
                node: node(9),
                epoch: lineage.epoch,
                claim: lineage.claim.nonce,
                cluster: lineage.cluster_id(),
                member: place.member,
                members: vec![(name(node(9)), url(9))],
            });
        }
        meet(&mut world, n, told, Duration::from_mins(1));
    }
    if choices.chance(50) {
        let phase = Phase::Joining;
        world.state = State { phase, place: Some(place), start: 1, ran: true, opened: true, ..State::default() };
        world.raised = choices.chance(70).then_some(1);
    }
    world
}

/// Every machine came back with an empty disk.
fn all_gone(choices: &mut Choices<'_>, size: usize) -> World {
    let epoch = 1 + choices.pick(2) as u64;
    let lineage = lineage(size, epoch, LineageState::Live, ClaimKind::Birth);
    let mut world = quiet(size, !choices.chance(10));
    world.identity = world.identity.map(|identity| Identity { node: node(41), former: vec![node(1)], ..identity });
    world.recall.lineage = Some(lineage.clone());
    let revisions = (20..).take(choices.pick(3));
    let archives = revisions.map(|revision| archive(&lineage, revision, node(1), true)).collect();
    if world.policy.has_store {
        see_store(&mut world, Some(&lineage), archives);
    }
    for n in 2..=size {
        let former = if choices.chance(50) { vec![node(n)] } else { vec![] };
        let told =
            Word { former, known: Some(known(&lineage)), store: StoreWord::Lineage(LINEAGE), ..word(n, node(n + 40)) };
        meet(&mut world, n, told, Duration::from_secs(30));
        if choices.chance(10) {
            let mut sealed = member_word(&lineage, n);
            (sealed.phase, sealed.seal) = (Phase::Sealed, Some(lineage.seq));
            (sealed.etcd, sealed.progress) = (EtcdWord::Stopped, None);
            meet(&mut world, n, sealed, Duration::from_secs(30));
        }
    }
    match choices.pick(8) {
        // A disk of the epoch that nobody knew of, at a machine of its own.
        0 => {
            let (name, peer_url) = (name(node(9)), url(9));
            meet(&mut world, 9, Word { name, peer_url, ..member_word(&lineage, 2) }, choices.age());
        }
        // A machine that has not spoken yet.
        1 => {
            meet(&mut world, 9, word(9, node(9)), choices.age());
            world.peers.values_mut().filter(|peer| peer.addr == addr(9)).for_each(|peer| peer.word = None);
        }
        _ => {}
    }
    world
}

/// A disk of an epoch that was followed by another.
fn newer_epoch(choices: &mut Choices<'_>, size: usize) -> World {
    let old = lineage(size, 1, LineageState::Live, ClaimKind::Birth);
    let state = choices.one_of(&[LineageState::Forming, LineageState::Live]);
    let new = lineage(size, 2, state, ClaimKind::Restore);
    let phase = choices.one_of(&[Phase::Member, Phase::Member, Phase::Founding, Phase::Sealed]);
    let mut world = if choices.chance(40) { leader(&old) } else { settled(&old, phase) };
    match choices.pick(3) {
        0 => world.recall.lineage = Some(new.clone()),
        1 => world.copies.insert(node(2), new.clone()).map_or((), drop),
        _ => {}
    }
    see_store(&mut world, Some(&new), vec![]);
    world
}

/// A disk that gave its identity up, or is about to.
fn leaving(choices: &mut Choices<'_>, size: usize) -> World {
    let lineage = lineage(size, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = leader(&lineage);
    if !choices.chance(30) {
        world.etcd = e2d_core::observe::Etcd::default();
    }
    world.state.phase = choices.one_of(&[Phase::Abandoned, Phase::Abandoned, Phase::Member, Phase::Sealed]);
    world.state.seal = choices.one_of(&[None, Some(lineage.seq), Some(lineage.seq - 1)]);
    if choices.chance(50) {
        world.data = Some(DataDir::Empty);
    }
    if choices.chance(30) {
        world.clone_at = Some(addr(77));
    }
    if choices.chance(20) {
        world.me.peer_url = url(77);
    }
    world
}

/// etcd's data without a record of ours.
fn unrecorded(choices: &mut Choices<'_>, size: usize) -> World {
    let lineage = lineage(size, 1, LineageState::Live, ClaimKind::Birth);
    let mut world = leader(&lineage);
    world.recall = Recall::default();
    see_store(&mut world, None, vec![]);
    if choices.chance(50) {
        world.state = State::default();
        world.etcd = e2d_core::observe::Etcd::default();
        let data = DiskData { cluster: ClusterId(0xabc), member: MemberId(0xdef), term: 5, index: 50 };
        world.data = Some(DataDir::Member(data));
        if choices.chance(30) {
            world.identity = None;
        }
    } else {
        let unnamed = Place { lineage: LineageId(0), epoch: Epoch(0), claim: Nonce(0), ..place(&lineage, 1) };
        world.state.place = Some(unnamed);
    }
    world
}
