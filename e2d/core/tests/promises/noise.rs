//! What contradicts a situation, or makes it stranger.

use crate::choices::Choices;
use crate::worlds::{LINEAGE, NOW, addr, archive, known, lineage, member_word, node, url, word};
use e2d_core::action::Kind;
use e2d_core::id::{BootId, LineageId, MemberId, NodeId, Nonce};
use e2d_core::interview::{Interview, Testimony};
use e2d_core::lineage::{ClaimKind, LineageState};
use e2d_core::memory::Phase;
use e2d_core::observe::{DataDir, ExitCause, Failure, Gate, Hold, Member, Process, Seen, Trouble, World};
use e2d_core::vow::Vow;
use e2d_core::word::{EtcdWord, StoreWord};
use std::time::Duration;

const PHASES: [Phase; 6] =
    [Phase::Empty, Phase::Founding, Phase::Joining, Phase::Member, Phase::Sealed, Phase::Abandoned];
const STATES: [LineageState; 4] =
    [LineageState::Forming, LineageState::Live, LineageState::Pausing, LineageState::Paused];
const KINDS: [Kind; 6] = [Kind::Remember, Kind::Start, Kind::WriteLineage, Kind::Remove, Kind::Recall, Kind::Restore];

/// Changes one thing.
pub(crate) fn disturb(choices: &mut Choices<'_>, world: &mut World) {
    match choices.pick(10) {
        0 => own_disk(choices, world),
        1 => own_lineage(choices, world),
        2 | 3 => store(choices, world),
        4 | 5 => peer(choices, world),
        6 | 7 => etcd(choices, world),
        8 => start(choices, world),
        _ => orders(choices, world),
    }
}

fn own_disk(choices: &mut Choices<'_>, world: &mut World) {
    let place = world.state.place;
    match choices.pick(9) {
        0 => world.state.phase = choices.one_of(&PHASES),
        1 => world.state.ran = !world.state.ran,
        2 => world.state.opened = !world.state.opened,
        3 => {
            let later = crate::worlds::place(&lineage(world.policy.size, 2, LineageState::Live, ClaimKind::Restore), 1);
            world.state.place = place.map(|_| later);
        }
        4 => world.state.place = None,
        5 => world.state.start = choices.one_of(&[0, 1, 5, u64::MAX]),
        6 => world.me.mounted = true,
        7 => world.identity = None,
        _ => {
            let data = [
                None,
                Some(DataDir::Empty),
                Some(DataDir::Unreadable("the file db is cut short".to_owned())),
                Some(DataDir::Unseen("/data: input/output error".to_owned())),
                Some(DataDir::ForeignOwner("/data belongs to uid 7".to_owned())),
                place.map(|place| crate::worlds::disk(&place)),
            ];
            world.data = choices.one_of(&data);
        }
    }
}

fn own_lineage(choices: &mut Choices<'_>, world: &mut World) {
    let size = world.policy.size;
    match choices.pick(10) {
        0 => world.recall.lineage = None,
        1 => world.recall.members.clear(),
        2 => world.recall.heard.clear(),
        3 => world.lineage_since = NOW - choices.age(),
        4 => {
            let copy = lineage(size, 3, choices.one_of(&STATES), ClaimKind::Restore);
            world.copies.insert(node(2), copy);
        }
        5 => {
            // As many writes as can be counted.
            let stored = world.store.as_mut().and_then(|seen| seen.value.lineage.as_mut()).map(|(lineage, _)| lineage);
            world.recall.lineage.iter_mut().chain(stored).for_each(|lineage| lineage.seq = u64::MAX);
        }
        n => {
            let Some(lineage) = &mut world.recall.lineage else { return };
            match n {
                // Gossip was faster than the own look at the store.
                9 => (lineage.seq, lineage.nonce) = (lineage.seq.saturating_add(1), Nonce(8)),
                6 => lineage.state = choices.one_of(&STATES),
                7 => lineage.members.truncate(choices.pick(2)),
                _ => (lineage.lineage, lineage.claim.nonce, lineage.nonce) = (LineageId(5), Nonce(5), Nonce(6)),
            }
        }
    }
}

fn store(choices: &mut Choices<'_>, world: &mut World) {
    let size = world.policy.size;
    match choices.pick(10) {
        0 => world.store = None,
        1 => world.store_is_outdated = true,
        2 => {
            let value = Trouble::Denied("403".to_owned());
            world.trouble = Some(Seen { value, at: NOW - choices.age() });
        }
        3 => {
            let value = Trouble::Unreachable("no route".to_owned());
            (world.store, world.trouble) = (None, Some(Seen { value, at: NOW }));
        }
        4 => (world.policy.has_store, world.store, world.trouble) = (false, None, None),
        n => {
            let at = NOW - choices.age();
            let Some(seen) = &mut world.store else { return };
            let stored = seen.value.lineage.as_mut();
            match n {
                5 => seen.at = at,
                6 => seen.value.other_backups = true,
                7 => {
                    let from = lineage(size, 1, LineageState::Live, ClaimKind::Birth);
                    let verified = choices.chance(70);
                    seen.value.archives.push(archive(&from, 30, node(choices.pick(3)), verified));
                }
                8 => seen.value.lineage = None,
                _ => stored.map_or((), |(stored, _)| match choices.pick(3) {
                    0 => stored.lineage = LineageId(0xbad),
                    1 => (stored.seq, stored.nonce) = (stored.seq.saturating_add(1), Nonce(9)),
                    _ => stored.state = choices.one_of(&STATES),
                }),
            }
        }
    }
}

fn peer(choices: &mut Choices<'_>, world: &mut World) {
    let (size, known_lineage) = (world.policy.size, world.lineage().cloned());
    let which = choices.pick(world.peers.len().max(1));
    let ids: Vec<NodeId> = world.peers.keys().copied().collect();
    let Some(id) = ids.get(which).copied() else { return };
    let (age, own) = (choices.age(), world.node());
    let Some(peer) = world.peers.get_mut(&id) else { return };
    match choices.pick(16) {
        0 => peer.word = None,
        1 => peer.alive = false,
        2 => peer.heard_at = None,
        3 => peer.heard_at = Some(NOW - age),
        4 => peer.steady_since = NOW - age,
        5 => peer.addr = addr(99),
        6 => world.forget_peer(id),
        7 => {
            let stranger = word(7, node(7));
            crate::worlds::meet(world, 7, stranger, age);
        }
        8 => {
            let live = lineage(size, 1, LineageState::Live, ClaimKind::Birth);
            peer.word = Some(member_word(&live, 1 + which));
        }
        n => {
            let Some(told) = &mut peer.word else { return };
            match n {
                9 => told.phase = choices.one_of(&PHASES),
                10 => told.has_data = !told.has_data,
                11 => told.etcd = choices.one_of(&[EtcdWord::Stopped, EtcdWord::Gated, EtcdWord::Open]),
                12 => told.store = choices.one_of(&[StoreWord::Unknown, StoreWord::Lineage(LineageId(0xbad))]),
                13 => told.failed = known_lineage.map(|lineage| lineage.claim.nonce),
                14 => told.known = Some(known(&lineage(size, 2, choices.one_of(&STATES), ClaimKind::Restore))),
                _ => {
                    let founders = ids.into_iter().chain(own).take(size).collect();
                    told.vow = Some(Vow { round: choices.one_of(&[1, 2, u64::MAX]), founders });
                }
            }
        }
    }
}

fn etcd(choices: &mut Choices<'_>, world: &mut World) {
    let at = NOW - choices.age();
    let which = choices.pick(world.policy.size);
    match choices.pick(13) {
        0 => world.etcd.status = None,
        1 => world.etcd.read_at = None,
        2 => world.etcd.members = None,
        3 if choices.chance(50) => world.etcd.listening_since = None,
        3 => world.etcd.heard.clear(),
        4 => world.etcd.process = Process::Running { gate: Gate::Open, since: at },
        5 => world.etcd.process = Process::Running { gate: Gate::Gated, since: at },
        6 => world.etcd.process = Process::Exited { cause: ExitCause::Removed, at },
        7 => world.etcd.process = Process::Absent,
        8 => {
            if let Some(id) = world.etcd.heard.keys().copied().nth(which) {
                world.etcd.heard.insert(id, at);
            }
        }
        9 => world.sponsored.clear(),
        n => {
            let Some(members) = world.etcd.members.as_mut().map(|seen| &mut seen.value) else { return };
            match n {
                10 => {
                    let (id, name, peer_url) = (MemberId(0x57), "plain".to_owned(), url(57));
                    members.push(Member { id, name, peer_url, learner: false });
                }
                11 => members.truncate(which),
                _ => {
                    if let Some(last) = members.last_mut() {
                        last.learner = !last.learner;
                    }
                }
            }
        }
    }
}

fn start(choices: &mut Choices<'_>, world: &mut World) {
    let size = world.policy.size;
    match choices.pick(6) {
        0 => world.interview = None,
        1 => world.raised = None,
        2 => world.promised = None,
        3 => world.launched = world.state.place.map(|place| place.claim),
        4 => world.state.start = 4,
        _ => {
            let lineage = lineage(size, choices.one_of(&[1, 2]), choices.one_of(&STATES), ClaimKind::Birth);
            let told = Testimony {
                start: world.state.start,
                known: choices.chance(70).then_some(known(&lineage)),
                removed: choices.chance(30),
                serves: choices.chance(50),
                heard: None,
                away: choices.chance(10),
            };
            let fresh =
                Interview { start: world.state.start, since: NOW - choices.age(), grown: NOW, answers: [].into() };
            let interview = world.interview.get_or_insert(fresh);
            interview.answers.insert(node(2 + choices.pick(size)), told);
        }
    }
}

fn orders(choices: &mut Choices<'_>, world: &mut World) {
    match choices.pick(6) {
        0 => world.stopping = true,
        1 => world.clone_at = Some(addr(66)),
        2 => {
            let message = "it did not work".to_owned();
            let failure = Failure { count: 1 + choices.pick(4) as u32, at: NOW - choices.age(), message };
            world.failures.insert(choices.one_of(&KINDS), failure);
        }
        3 => {
            let remaining = Duration::from_mins(1);
            world.hold = Some(Hold { reason: "the network is being rebuilt".to_owned(), remaining });
        }
        4 => {
            let me = world.node();
            let founders = (2..=world.policy.size).map(node).chain(me).collect();
            world.state.vows = vec![Vow { round: choices.one_of(&[1, 3]), founders }];
        }
        _ => {
            world.me.boot = BootId(0xb002);
            world.recall.lineage = world.recall.lineage.take().filter(|lineage| lineage.lineage == LINEAGE);
        }
    }
}
