//! Known bugs, put back: each must be caught by an invariant. None of them is in the code that ships.

use e2d_core::observe::World;

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is described beside what it does")]
pub enum Mutant {
    UnconditionalWrite,
    RestoreOnSilence,
    ConstantToken,
    NoGate,
    NoRecordLimit,
    AddressIsIdentity,
    UnsealAnyTime,
    EmptyOnStoreError,
    NewestArchiveEach,
    FailedRestoreStartsEmpty,
    JoinAsVoter,
    NoBump,
    GossipIsHealth,
}

impl Mutant {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::UnconditionalWrite,
        Self::RestoreOnSilence,
        Self::NoGate,
        Self::NoRecordLimit,
        Self::AddressIsIdentity,
        Self::EmptyOnStoreError,
        Self::NewestArchiveEach,
        Self::FailedRestoreStartsEmpty,
        Self::JoinAsVoter,
        Self::NoBump,
        Self::GossipIsHealth,
    ];

    /// What a node that has this bug believes.
    pub fn lie(self, world: &mut World) {
        match self {
            // Who is silent is dead, and so was never recorded.
            Self::RestoreOnSilence => {
                let alive: Vec<_> = world.visible().map(|(node, _)| node).collect();
                if let Some(lineage) = &mut world.recall.lineage {
                    lineage.members.retain(|member| member.node.is_some_and(|node| alive.contains(&node)));
                }
            }
            // The record is always as wide as the cluster.
            Self::NoRecordLimit => {
                let members = world.members().map(|members| e2d_core::plan::record::of(world, members));
                if let (Some(members), Some(lineage)) = (members, &mut world.recall.lineage) {
                    lineage.members = members;
                }
            }
            // What gossip does not reach, etcd does not hear either.
            Self::GossipIsHealth => {
                let listed = world.members().map(<[_]>::to_vec).unwrap_or_default();
                for member in listed {
                    let peer = member.node().and_then(|node| world.peers.get(&node));
                    if let Some(peer) = peer.filter(|peer| !peer.alive)
                        && let Some(heard) = peer.heard_at
                    {
                        world.etcd.heard.insert(member.id, heard);
                    }
                }
            }
            _ => {}
        }
    }
}
