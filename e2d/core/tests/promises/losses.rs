//! What a node may miss, one thing at a time, or know from longer ago.
//!
//! *Older* means that the moment of the observation moves back, while its value and `now` stay. Not
//! here: what the node itself holds durably (identity, state, the lineage copy), what it did in this very
//! run (`raised`, `promised`, `launched`, `sponsored`), how its own etcd ended, orders of a person, and since when
//! it listens.

use e2d_core::id::{MemberId, NodeId};
use e2d_core::observe::{Peer, World};
use e2d_core::time::Moment;
use std::time::Duration;

/// Something that is not known, or not known freshly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    Store,
    StoreAge,
    StoreOutdated,
    TroubleAge,
    Data,
    Status,
    StatusAge,
    Members,
    MembersAge,
    Reads,
    ReadsAge,
    Counters,
    Heard(MemberId),
    HeardAge(MemberId),
    Hash,
    Marker,
    Word(NodeId),
    Life(NodeId),
    Packet(NodeId),
    PacketAge(NodeId),
    Peer(NodeId),
    Copy(NodeId),
    Interview,
    Answer(NodeId),
    Hearsay(NodeId),
    Fellows,
    Clone,
}

const AGES: [Duration; 3] = [Duration::from_secs(2), Duration::from_secs(40), Duration::from_hours(2)];

/// Every world that differs from `world` by one loss.
pub(crate) fn all(world: &World) -> Vec<(Loss, World)> {
    let mut worlds = Vec::new();
    let mut lose = |loss: Loss, change: &dyn Fn(&mut World)| {
        let mut less = world.clone();
        change(&mut less);
        if less != *world {
            worlds.push((loss, less));
        }
    };
    lose(Loss::Store, &|world| world.store = None);
    lose(Loss::StoreOutdated, &|world| world.store_is_outdated = true);
    lose(Loss::Data, &|world| world.data = None);
    lose(Loss::Status, &|world| world.etcd.status = None);
    lose(Loss::Members, &|world| world.etcd.members = None);
    lose(Loss::Reads, &|world| world.etcd.read_at = None);
    lose(Loss::Counters, &|world| world.etcd.heard.clear());
    lose(Loss::Hash, &|world| world.etcd.hash = None);
    lose(Loss::Marker, &|world| world.etcd.marked = None);
    lose(Loss::Interview, &|world| world.interview = None);
    lose(Loss::Fellows, &|world| world.recall.members.clear());
    lose(Loss::Clone, &|world| world.clone_at = None);
    for age in AGES {
        lose(Loss::StoreAge, &|world| world.store.iter_mut().for_each(|seen| older(&mut seen.at, age)));
        lose(Loss::TroubleAge, &|world| world.trouble.iter_mut().for_each(|seen| older(&mut seen.at, age)));
        lose(Loss::StatusAge, &|world| world.etcd.status.iter_mut().for_each(|seen| older(&mut seen.at, age)));
        lose(Loss::MembersAge, &|world| world.etcd.members.iter_mut().for_each(|seen| older(&mut seen.at, age)));
        lose(Loss::ReadsAge, &|world| world.etcd.read_at.iter_mut().for_each(|at| older(at, age)));
        for member in world.etcd.heard.keys().copied() {
            lose(Loss::HeardAge(member), &|world| {
                if let Some(at) = world.etcd.heard.get_mut(&member) {
                    older(at, age);
                }
            });
        }
        for node in world.peers.keys().copied() {
            lose(Loss::PacketAge(node), &|world| {
                each(world, node, |peer| peer.heard_at.iter_mut().for_each(|at| older(at, age)));
            });
        }
    }
    for member in world.etcd.heard.keys().copied() {
        lose(Loss::Heard(member), &|world| {
            world.etcd.heard.remove(&member);
        });
    }
    for (&node, peer) in &world.peers {
        lose(Loss::Word(node), &|world| each(world, node, |peer| peer.word = None));
        lose(Loss::Packet(node), &|world| each(world, node, |peer| peer.heard_at = None));
        lose(Loss::Life(node), &|world| world.see_peer(node, peer.boot, peer.addr, false, None));
        lose(Loss::Peer(node), &|world| world.forget_peer(node));
    }
    for node in world.copies.keys().copied() {
        lose(Loss::Copy(node), &|world| {
            world.copies.remove(&node);
        });
    }
    for node in world.interview.iter().flat_map(|interview| interview.answers.keys().copied()) {
        lose(Loss::Answer(node), &|world| {
            if let Some(interview) = &mut world.interview {
                interview.answers.remove(&node);
            }
        });
    }
    for node in world.recall.heard.keys().copied() {
        lose(Loss::Hearsay(node), &|world| {
            world.recall.heard.remove(&node);
        });
    }
    worlds
}

fn each(world: &mut World, node: NodeId, change: impl Fn(&mut Peer)) {
    world.peers.get_mut(&node).into_iter().for_each(change);
}

fn older(at: &mut Moment, age: Duration) {
    *at = *at - age;
}
