//! What observers and hands tell the mind.

use super::agree::Sum;
use crate::admin::order::{Receipt, Request};
use e2d_core::action::Action;
use e2d_core::id::{MemberId, NodeId};
use e2d_core::interview::Testimony;
use e2d_core::observe::{DataDir, ExitCause, Gate, Member, Status, StoreView, Trouble};
use e2d_core::plan::Track;
use e2d_core::time::Moment;
use e2d_core::word::KvHash;
use e2d_gossip::{Incoming, View};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One observation, or the end of one act.
#[derive(Debug)]
pub(super) enum Fact {
    /// A look at our etcd.
    Etcd(Box<EtcdLook>),
    /// Our etcd ended.
    Exited(ExitCause),
    /// A look at the store.
    Store(Box<Result<StoreLook, Trouble>>),
    /// What gossip knows.
    Gossip(Arc<View>),
    /// Another node asks about its disk.
    Question(Incoming),
    /// A witness answered our question.
    Testimony(NodeId, Testimony),
    /// A look at the data directory.
    Data(DataDir),
    /// An act has ended.
    Done {
        /// On which track.
        track: Track,
        /// What was to be done.
        action: Box<Action>,
        /// How it went.
        outcome: Outcome,
    },
    /// Somebody orders something.
    Order(Request),
    /// Leadership was to be handed over on somebody's order.
    HandedOver {
        /// The order.
        request: Request,
        /// To whom.
        heir: MemberId,
        /// How it went.
        outcome: Result<(), String>,
    },
    /// Our keyspace was summed, or could not be.
    Summed {
        /// The sum.
        sum: Option<Sum>,
        /// How long it took.
        took: Duration,
    },
    /// Certificates and keys are to be read again.
    Reload,
    /// So many bytes of a restore are written.
    Restoring(u64),
    /// The process is to stop.
    Stop,
    /// The process is to execute its own program again.
    Again,
}

/// What one look at the store showed.
#[derive(Debug)]
pub(super) struct StoreLook {
    /// What the core is told.
    pub(super) view: StoreView,
    /// When the newest verified archive was taken, by its taker's clock: for people.
    pub(super) verified_at: Option<jiff::Timestamp>,
    /// How many archives were not looked at: there are too many.
    pub(super) left_out: u32,
    /// With which key the lineage object was marked.
    pub(super) mark: Mark,
}

/// With which gossip key the lineage object was marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// The one that seals.
    Newest,
    /// One that only opens: keys are being changed.
    Former,
    /// The one that everybody knows: this cluster's, if it ran without keys before, or anybody's.
    Keyless,
}

/// How an act ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Done.
    Done,
    /// etcd runs.
    Started(Gate),
    /// A learner was added.
    Added(MemberId),
    /// An archive was taken and verified.
    Archived(Box<Receipt>),
    /// Not done, or nobody knows.
    Failed(String),
}

/// What one look at our etcd showed.
#[derive(Debug, Default)]
pub(super) struct EtcdLook {
    /// When it began: what it showed may be as old as that.
    pub(super) at: Moment,
    /// Its status, if it answered.
    pub(super) status: Option<Status>,
    /// Whether it answered that it does not know who asks.
    pub(super) locked: bool,
    /// Its members, if it has a quorum.
    pub(super) members: Option<Vec<Member>>,
    /// Since when it leads and is listened to; `None`: its silence about others means nothing.
    pub(super) listening_since: Option<Moment>,
    /// When it last heard from each member, as the leader.
    pub(super) heard: BTreeMap<MemberId, Moment>,
    /// The digest of its keyspace, while it is gated.
    pub(super) hash: Option<KvHash>,
    /// The marker of the last restore, empty if there is none, while it is gated; `None` when not looked.
    pub(super) marker: Option<String>,
}
