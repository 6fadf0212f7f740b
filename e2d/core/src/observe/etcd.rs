//! Our own etcd: its process, its answers, and whom it hears.

use super::Seen;
use crate::id::{MemberId, NodeId, Revision};
use crate::time::Moment;
use crate::word::KvHash;
use std::collections::BTreeMap;
use std::fmt;

/// Why etcd is not running any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitCause {
    /// We stopped it.
    Stopped,
    /// etcd says that this member was removed from its cluster.
    Removed,
    /// Its data is damaged; the text is etcd's.
    Corrupt(String),
    /// Its data was written by a newer etcd; the text is etcd's.
    NewerData(String),
    /// Anything else; the text is etcd's last words.
    Failed(String),
}

/// Who may reach etcd's client port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// e2d alone.
    Gated,
    /// Clients.
    Open,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gated => "for e2d alone",
            Self::Open => "for clients",
        })
    }
}

/// The etcd process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Process {
    /// Not started by this run of e2d, and none found running.
    #[default]
    Absent,
    /// Runs.
    Running {
        /// Who may reach it.
        gate: Gate,
        /// Since when, as far as this run of e2d knows.
        since: Moment,
    },
    /// Ended.
    Exited {
        /// Why.
        cause: ExitCause,
        /// When.
        at: Moment,
    },
}

/// etcd's own status, answered without a quorum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The member that leads, if there is one.
    pub leader: Option<MemberId>,
    /// Raft term.
    pub term: u64,
    /// Raft index applied.
    pub index: u64,
    /// Store revision.
    pub revision: Revision,
    /// Whether this member is a learner.
    pub learner: bool,
}

/// A member as etcd lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its raft id.
    pub id: MemberId,
    /// Its name; empty until it has started once.
    pub name: String,
    /// Where the other members reach it; the first of its URLs.
    pub peer_url: String,
    /// Whether it has no vote.
    pub learner: bool,
}

impl Member {
    /// The disk behind a member that runs under e2d: the node id at the end of its name.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        let (_, id) = self.name.rsplit_once('-')?;
        if id.len() == 16 { id.parse().ok() } else { None }
    }

    /// Whether it has published its name, which etcd does when a member first runs.
    #[must_use]
    pub fn has_started(&self) -> bool {
        !self.name.is_empty()
    }
}

/// What was seen of our own etcd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Etcd {
    /// The process.
    pub process: Process,
    /// Its last answer.
    pub status: Option<Seen<Status>>,
    /// When a linearizable read through it last worked.
    pub read_at: Option<Moment>,
    /// Whether it answers that e2d must say who it is: authentication is enabled in it.
    pub locked: bool,
    /// Its last linearizable list of members.
    pub members: Option<Seen<Vec<Member>>>,
    /// When an act of this node last changed them, or may have: a list that was asked for before is not taken in.
    pub members_changed: Option<Moment>,
    /// Since when it leads and its counters are read: a follower hears nobody but its leader, so its silence about
    /// others means nothing. `None` while it does not lead.
    pub listening_since: Option<Moment>,
    /// When it last heard from each other member, as its own counters show.
    pub heard: BTreeMap<MemberId, Moment>,
    /// The digest of its keyspace, while it is gated after a restore.
    pub hash: Option<KvHash>,
    /// Whether the marker of this restore is in the keyspace; `None` when not looked.
    pub marked: Option<bool>,
}
