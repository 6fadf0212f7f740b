//! The world as plain data: all that a node knows at one moment.
//!
//! Nothing here decides. What was observed carries its moment; what was never observed is `None`,
//! and no decision may take `None` for an answer.

mod disk;
mod etcd;
mod peer;
mod policy;
mod store;

pub use disk::{DataDir, DiskData};
pub use etcd::{Etcd, ExitCause, Gate, Member, Process, Status};
pub use peer::Peer;
pub use policy::{Me, Policy};
pub use store::{ArchiveSeen, StoreView, Trouble, Version};

use crate::action::Kind;
use crate::id::{LineageId, MemberId, NodeId, Nonce, Revision};
use crate::interview::Interview;
use crate::lineage::Lineage;
use crate::memory::{Identity, Recall, State};
use crate::time::Moment;
use crate::word::Word;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// A value and the moment at which it was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<T> {
    /// What was observed.
    pub value: T,
    /// When.
    pub at: Moment,
}

impl<T> Seen<T> {
    /// The value, if it is not older than `bound`.
    #[must_use]
    pub fn fresh(&self, now: Moment, bound: Duration) -> Option<&T> {
        (now.since(self.at) <= bound).then_some(&self.value)
    }
}

/// A failed act, for backing off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How often in a row.
    pub count: u32,
    /// When last.
    pub at: Moment,
    /// What was said.
    pub message: String,
}

/// An operator's order to change nothing by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Why.
    pub reason: String,
    /// How much longer.
    pub remaining: Duration,
}

/// All that a node knows at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// Now.
    pub now: Moment,
    /// 32 bytes that nobody has used yet, for ids and nonces.
    pub entropy: [u8; 32],
    /// What the operator set.
    pub policy: Policy,
    /// This node.
    pub me: Me,
    /// Who this disk is; `None` when it was never used.
    pub identity: Option<Identity>,
    /// Its part in its lineage, as it stands on the disk.
    pub state: State,
    /// What it must not forget of others, as it stands on the disk.
    pub recall: Recall,
    /// The data directory; `None` until it was looked at.
    pub data: Option<DataDir>,
    /// Our etcd.
    pub etcd: Etcd,
    /// The last look at the store that showed something.
    pub store: Option<Seen<StoreView>>,
    /// Which lineage the store shows, or that it shows none, and since when all looks have shown the same.
    pub store_shows: Option<Seen<Option<LineageId>>>,
    /// The lineage that the store last showed to this run, if it ever showed one: it may show none by now.
    pub store_showed: Option<LineageId>,
    /// Whether this node has written, or tried to, since that look.
    pub store_is_outdated: bool,
    /// What went wrong at the last look, if it failed; a look that shows something clears it.
    pub trouble: Option<Seen<Trouble>>,
    /// Since when gossip has been listening.
    pub listening_since: Moment,
    /// When the copy in `recall` came to be known.
    pub lineage_since: Moment,
    /// The newest lineage copy that each peer told.
    pub copies: BTreeMap<NodeId, Lineage>,
    /// The other nodes, by disk.
    pub peers: BTreeMap<NodeId, Peer>,
    /// Another machine speaks with our node id, at this address.
    pub clone_at: Option<SocketAddr>,
    /// The answers to our questions before a start.
    pub interview: Option<Interview>,
    /// The count of starts that this run of the process raised last.
    pub raised: Option<u64>,
    /// The claim that this run of the process promised to found, while nobody could have started yet.
    pub promised: Option<Nonce>,
    /// This run started etcd on an empty directory, at this claim's place, and has seen no data in it
    /// since: etcd ended before it wrote anything.
    pub launched: Option<Nonce>,
    /// When the file `seen` was last written by this run.
    pub recalled_at: Option<Moment>,
    /// Which node each learner that we added is for.
    pub sponsored: BTreeMap<MemberId, (NodeId, Moment)>,
    /// How many bytes of a restore are done, while one goes on.
    pub restored_bytes: Option<u64>,
    /// When a restore by this run last began, got on, or ended.
    pub progressed_at: Option<Moment>,
    /// Acts that failed lately.
    pub failures: BTreeMap<Kind, Failure>,
    /// The newest archive that this process took, and when.
    pub archived: Option<Seen<Revision>>,
    /// An operator's order to change nothing.
    pub hold: Option<Hold>,
    /// Whether this process was told to stop.
    pub stopping: bool,
}

impl World {
    /// The world of a process that has just started: what its disk says, and nothing else.
    #[must_use]
    pub fn new(now: Moment, policy: Policy, me: Me, identity: Option<Identity>, state: State, recall: Recall) -> Self {
        Self {
            now,
            entropy: [0; 32],
            policy,
            me,
            identity,
            state,
            recall,
            data: None,
            etcd: Etcd::default(),
            store: None,
            store_shows: None,
            store_showed: None,
            store_is_outdated: false,
            trouble: None,
            listening_since: now,
            lineage_since: now,
            copies: BTreeMap::new(),
            peers: BTreeMap::new(),
            clone_at: None,
            interview: None,
            raised: None,
            promised: None,
            launched: None,
            recalled_at: None,
            sponsored: BTreeMap::new(),
            restored_bytes: None,
            progressed_at: None,
            failures: BTreeMap::new(),
            archived: None,
            hold: None,
            stopping: false,
        }
    }

    /// The newest copy of the lineage object that this node knows *durably*: no decision rests on
    /// one that a crash would make it forget.
    #[must_use]
    pub fn lineage(&self) -> Option<&Lineage> {
        self.recall.lineage.as_ref()
    }

    /// This disk, once it has an identity.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        self.identity.as_ref().map(|identity| identity.node)
    }

    /// The name that our etcd runs under: the label, then the node id, so that every member list
    /// says which disk is meant.
    #[must_use]
    pub fn name(&self) -> String {
        self.node().map_or_else(|| self.me.label.clone(), |node| format!("{}-{node}", self.me.label))
    }

    /// The nodes that gossip holds alive, without ourselves.
    pub fn visible(&self) -> impl Iterator<Item = (NodeId, &Peer)> {
        self.peers.iter().filter(|(_, peer)| peer.alive).map(|(node, peer)| (*node, peer))
    }

    /// The words of the visible nodes.
    pub fn words(&self) -> impl Iterator<Item = (NodeId, &Word)> {
        self.visible().filter_map(|(node, peer)| Some((node, peer.word.as_ref()?)))
    }

    /// The lineage object as *this* node read it from the store, if that is fresh.
    #[must_use]
    pub fn stored(&self) -> Option<&(Lineage, Version)> {
        self.store_view()?.lineage.as_ref()
    }

    /// The last look at the store, if no later look has failed, and looks still come.
    #[must_use]
    pub fn store_view(&self) -> Option<&StoreView> {
        if self.store_is_outdated { None } else { self.last_store_view() }
    }

    /// The same, but for what this node itself may have written since: enough to tell others.
    #[must_use]
    pub fn last_store_view(&self) -> Option<&StoreView> {
        let seen = self.store.as_ref().filter(|_| self.trouble.is_none())?;
        seen.fresh(self.now, self.policy.store_ttl)
    }

    /// Whether our etcd runs.
    #[must_use]
    pub fn runs(&self) -> Option<Gate> {
        match self.etcd.process {
            Process::Running { gate, .. } => Some(gate),
            Process::Absent | Process::Exited { .. } => None,
        }
    }

    /// Our etcd's status, if it answered lately.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        self.runs()?;
        self.etcd.status.as_ref()?.fresh(self.now, self.policy.observation_ttl)
    }

    /// The members, if a linearizable list came lately: nobody else can have changed them since but
    /// through the same log.
    #[must_use]
    pub fn members(&self) -> Option<&[Member]> {
        self.runs()?;
        let members = self.etcd.members.as_ref()?.fresh(self.now, self.policy.observation_ttl)?;
        // No cluster is without members: an empty list is no list.
        (!members.is_empty()).then_some(members.as_slice())
    }

    /// Whether a linearizable read through our etcd worked lately.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.runs().is_some() && self.etcd.read_at.is_some_and(|at| self.now.since(at) <= self.policy.observation_ttl)
    }

    /// Whether our etcd was the raft leader at its last answer, and serves: then this node acts for
    /// the cluster.
    #[must_use]
    pub fn leads(&self) -> bool {
        let me = self.state.place.map(|place| place.member);
        self.serves() && me.is_some() && self.status().is_some_and(|status| status.leader == me)
    }
}
