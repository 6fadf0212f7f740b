//! Bugs in what a node believes.

use super::Mutant;
use e2d_core::id::NodeId;
use e2d_core::interview::Testimony;
use e2d_core::lineage::{Lineage, LineageState};
use e2d_core::memory::Phase;
use e2d_core::observe::{DataDir, Seen, StoreView, World};
use e2d_core::word::Word;
use std::collections::BTreeMap;

/// What a bug remembers.
#[derive(Clone, Debug, Default)]
pub struct Memo {
    first: BTreeMap<NodeId, Word>,
    ran: Option<Word>,
    wrote: Option<Lineage>,
    seen: Option<usize>,
    forgotten: Vec<NodeId>,
}

impl Memo {
    /// A node told its word.
    pub fn heard(&mut self, node: NodeId, word: &Word) {
        self.first.entry(node).or_insert_with(|| word.clone());
    }

    /// A lineage was written, or taken for written.
    pub fn wrote(&mut self, lineage: &Lineage) {
        self.wrote = Some(lineage.clone());
    }
}

impl Mutant {
    /// What a node that has this bug believes.
    #[must_use]
    pub fn lie(self, world: &World, memo: &mut Memo) -> World {
        let mut world = world.clone();
        match self {
            Self::RestoreOnSilence => bury_the_silent(&mut world),
            Self::NoRecordLimit => widen_record(&mut world),
            Self::UnsealAnyTime if world.state.phase == Phase::Sealed && world.trouble.is_some() => {
                (world.state.phase, world.state.seal) = (Phase::Member, None);
            }
            Self::EmptyOnStoreError if world.trouble.take().is_some() => {
                world.policy.has_store = false;
                world.peers.values_mut().filter_map(|peer| peer.word.as_mut()).for_each(|word| word.known = None);
            }
            Self::TimeoutIsSuccess => believe(&mut world, memo),
            Self::VowsFall => fall_back(&mut world),
            Self::VowsPart => part_vows(&mut world),
            Self::RestartRestores => restart_restores(&mut world),
            Self::SelfDestruct => self_destruct(&mut world),
            Self::NothingVerified => {
                if let Some(seen) = &mut world.store {
                    seen.value.archives.iter_mut().for_each(|archive| archive.verified = true);
                }
            }
            Self::UnfencedWriter => any_writer(&mut world),
            Self::StaleWords => {
                for (node, peer) in &mut world.peers {
                    let runs = peer.word.as_ref().is_some_and(|word| word.phase == Phase::Member);
                    if let Some(first) = memo.first.get(node).filter(|_| runs) {
                        peer.word = Some(first.clone());
                    }
                }
            }
            Self::LateEviction => lead(&mut world),
            Self::AddressIsIdentity => {
                let answers = world.interview.iter_mut().flat_map(|interview| interview.answers.values_mut());
                answers.for_each(|testimony| testimony.heard = None);
            }
            Self::EveryMemberNeeded => every_member(&mut world),
            Self::SuspectsForgotten => forget_suspects(&mut world, memo),
            Self::GossipIsHealth => deafen_etcd(&mut world),
            Self::EtcdIsHealth => deafen_gossip(&mut world),
            Self::ManyChanges => {
                if let Some(seen) = &mut world.etcd.members {
                    seen.value.retain(|member| !member.learner);
                }
            }
            _ => {}
        }
        world
    }

    /// What a node that has this bug says.
    #[must_use]
    pub fn word(self, word: Word, memo: &mut Memo) -> Word {
        if self != Self::StatusSticks {
            return word;
        }
        if word.phase == Phase::Member {
            memo.ran = Some(word.clone());
        }
        memo.ran.clone().map_or(word.clone(), |ran| Word { phase: ran.phase, has_data: true, place: ran.place, ..word })
    }
}

/// Whoever is not seen is as good as if this disk had been it.
fn bury_the_silent(world: &mut World) {
    let alive: Vec<NodeId> = world.visible().map(|(node, _)| node).collect();
    let recorded = world.lineage().map(|lineage| lineage.members.clone()).unwrap_or_default();
    let silent = recorded.iter().filter_map(|member| member.node).filter(|node| !alive.contains(node));
    if let Some(identity) = world.identity.as_mut().filter(|_| world.state.phase == Phase::Empty) {
        identity.former.extend(silent);
    }
}

/// The record is always as wide as the cluster.
fn widen_record(world: &mut World) {
    let members = world.members().map(|members| e2d_core::plan::record::of(world, members));
    if let (Some(members), Some(lineage)) = (members, &mut world.recall.lineage) {
        lineage.members = members;
    }
}

/// What was written is in the store, whatever the store says.
fn believe(world: &mut World, memo: &Memo) {
    let Some(wrote) = &memo.wrote else { return };
    let seen = world.recall.lineage.as_ref().map_or(0, |lineage| lineage.seq);
    if wrote.seq < seen {
        return;
    }
    world.recall.lineage = Some(wrote.clone());
    let at = world.now;
    let seen = world.store.get_or_insert_with(|| Seen { value: StoreView::default(), at });
    (seen.at, world.trouble, world.store_is_outdated) = (at, None, false);
    let version = seen.value.lineage.take().map(|(_, version)| version);
    seen.value.lineage = Some((wrote.clone(), version.unwrap_or(e2d_core::observe::Version(String::new()))));
}

/// A proposal of an earlier round is followed like any other.
fn fall_back(world: &mut World) {
    let (Some(me), Some(last)) = (world.node(), world.state.vows.last().cloned()) else { return };
    let earlier = world.words().find_map(|(node, word)| {
        let vow = word.vow.clone().filter(|vow| vow.founders.first() == Some(&node) && vow.founders.contains(&me))?;
        (vow.round < last.round).then_some(vow)
    });
    let Some(earlier) = earlier else { return };
    world.state.vows.iter_mut().for_each(|vow| vow.round = 0);
    let words = world.peers.values_mut().filter_map(|peer| peer.word.as_mut());
    words.for_each(|word| (word.vow, word.bound) = (word.vow.clone().filter(|vow| *vow == earlier), vec![]));
}

/// Earlier vows were to whomever the next one is to.
fn part_vows(world: &mut World) {
    let me = world.node();
    let next = world.words().filter_map(|(_, word)| word.vow.clone()).max_by_key(|vow| vow.round);
    let everybody = world.visible().map(|(node, _)| node).chain(me).collect();
    let founders = next.map_or(everybody, |vow| vow.founders);
    for vow in &mut world.state.vows {
        vow.founders.clone_from(&founders);
    }
}

/// Nobody runs, so the cluster is new.
fn restart_restores(world: &mut World) {
    let somebody = world.words().any(|(_, word)| word.progress.is_some_and(|progress| progress.serves));
    if somebody || world.runs().is_some() || world.state.phase != Phase::Member {
        return;
    }
    (world.state, world.data) = (e2d_core::memory::State::default(), Some(DataDir::Empty));
    world.recall.members.clear();
    world.etcd = e2d_core::observe::Etcd::default();
    for peer in world.peers.values_mut() {
        if let Some(word) = peer.word.as_mut().filter(|word| word.progress.is_none()) {
            (word.phase, word.place, word.has_data) = (Phase::Empty, None, false);
        }
    }
    if let Some(lineage) = world.recall.lineage.as_mut().filter(|lineage| lineage.state == LineageState::Live) {
        lineage.members.clear();
    }
}

/// A start that does not succeed at once is the data's fault, and others surely have it.
fn self_destruct(world: &mut World) {
    let waits = world.runs().is_none();
    let Some(interview) = world.interview.as_mut().filter(|_| waits) else { return };
    if world.now.since(interview.since).as_secs() >= 3 {
        let (start, others) = (interview.start, NodeId(1));
        let sure = Testimony { start, known: None, removed: true, serves: true, heard: None, away: false };
        interview.answers.insert(others, sure);
    }
}

/// Every member leads, for all it knows, and the newest epoch is its own.
fn any_writer(world: &mut World) {
    lead(world);
    let place = world.state.place;
    if let (Some(place), Some(seen)) = (place, &mut world.store)
        && let Some((lineage, _)) = &mut seen.value.lineage
    {
        lineage.claim.nonce = place.claim;
        lineage.epoch = place.epoch;
        world.copies.retain(|_, copy| copy.epoch <= place.epoch);
    }
    world.etcd.read_at = world.etcd.status.as_ref().map(|seen| seen.at);
}

fn lead(world: &mut World) {
    if let (Some(place), Some(status)) = (world.state.place, &mut world.etcd.status) {
        status.value.leader = Some(place.member);
    }
}

/// Whoever was a member and is not there is waited for.
fn every_member(world: &mut World) {
    let Some(interview) = &mut world.interview else { return };
    let all = world.recall.members.iter().filter_map(|member| member.node);
    let me = world.identity.as_ref().map(|identity| identity.node);
    let missing = all.filter(|node| Some(*node) != me).any(|node| !interview.answers.contains_key(&node));
    if missing {
        interview.answers.clear();
    }
}

/// Each change of who is there clears the list of those who are not, for as long as they are not.
fn forget_suspects(world: &mut World, memo: &mut Memo) {
    let (alive, now) = (world.visible().count(), world.now);
    let seen = memo.seen.replace(alive).unwrap_or(alive);
    let members = world.recall.members.iter().filter_map(|member| member.node);
    let absent: Vec<NodeId> = members.filter(|node| !world.peers.get(node).is_some_and(|peer| peer.alive)).collect();
    if alive != seen {
        memo.forgotten.clone_from(&absent);
    }
    if absent.iter().any(|node| memo.forgotten.contains(node)) {
        // Nobody counts how long they have been silent.
        world.listening_since = now;
    }
}

/// What gossip does not reach, etcd does not hear either.
fn deafen_etcd(world: &mut World) {
    let listed = world.members().map(<[_]>::to_vec).unwrap_or_default();
    for member in listed {
        let peer = member.node().and_then(|node| world.peers.get(&node));
        if let Some(heard) = peer.filter(|peer| !peer.alive).and_then(|peer| peer.heard_at) {
            world.etcd.heard.insert(member.id, heard);
        }
    }
}

/// What etcd does not hear, gossip does not reach either.
fn deafen_gossip(world: &mut World) {
    let listed = world.members().map(<[_]>::to_vec).unwrap_or_default();
    for member in listed {
        let heard = world.etcd.heard.get(&member.id).copied();
        let silent = heard.is_some_and(|heard| world.now.since(heard).as_secs() >= 3);
        let peer = member.node().and_then(|node| world.peers.get_mut(&node));
        if let Some(peer) = peer.filter(|_| silent) {
            (peer.alive, peer.heard_at) = (false, heard);
        }
    }
}
