//! What a node can do: one value an act, with nothing left to decide.
//!
//! Each is idempotent: done twice, or found done, it changes nothing more. What destroys carries
//! [`Evidence`], which only [`crate::safety`] can make.

use crate::id::{ArchiveId, Epoch, MemberId, NodeId};
use crate::lineage::{Lineage, LineageState, Source};
use crate::memory::{Identity, Phase, Place, Recall, State};
use crate::observe::{Gate, Version};
use crate::safety::{Death, Evidence, Obsolete};
use std::fmt;
use std::net::SocketAddr;

/// Whether etcd founds its cluster or joins one; it looks only when its data directory is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cluster {
    /// `--initial-cluster-state=new`
    New,
    /// `--initial-cluster-state=existing`
    Existing,
}

/// How etcd is to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// `--name`
    pub name: String,
    /// The cluster it must find itself in.
    pub place: Place,
    /// Whether it founds or joins.
    pub cluster: Cluster,
    /// `--initial-cluster`: name and peer URL.
    pub members: Vec<(String, String)>,
    /// `--initial-cluster-token`
    pub token: String,
    /// Who may reach its client port.
    pub gate: Gate,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make the file `identity` durable, and after it an empty `state`.
    Identify(Identity),
    /// Make the file `state` durable.
    Remember(Box<State>),
    /// Make the file `seen` durable.
    Recall(Box<Recall>),
    /// Put the question about our own disk to the members last known, until they answer.
    Interview {
        /// The count of starts that is asked about; it is durable already.
        start: u64,
    },
    /// Write the lineage object if the store still holds the version named.
    WriteLineage {
        /// The version it replaces; `None`: there must be none.
        replaces: Option<Version>,
        /// The new content.
        lineage: Box<Lineage>,
    },
    /// Restore an archive into the empty data directory.
    Restore {
        /// What to restore.
        source: Source,
        /// The cluster that the restored member belongs to.
        launch: Box<Launch>,
    },
    /// Start etcd.
    Start(Box<Launch>),
    /// Stop etcd in order; hand leadership over first, if it leads and somebody can take it.
    Stop {
        /// Why.
        why: StopReason,
    },
    /// Move etcd's data into quarantine.
    Quarantine(Evidence<Obsolete>),
    /// Write the marker and delete the volatile prefix, through raft, in one transaction.
    MarkRestored {
        /// The archive that was restored, for the marker's text.
        archive: ArchiveId,
    },
    /// Add a learner.
    AddLearner {
        /// For which disk.
        node: NodeId,
        /// Where it will listen.
        peer_url: String,
    },
    /// Give a learner its vote.
    Promote {
        /// Which.
        member: MemberId,
    },
    /// Remove a member.
    Remove(Evidence<Death>),
    /// Take a full archive, read it back and verify it.
    Archive,
    /// End the process: only a person can mend this (exit 78).
    Refuse {
        /// What is wrong.
        why: Refusal,
    },
}

/// Why etcd is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// A newer epoch is known, or another claim of the same one.
    Fenced {
        /// The epoch that it runs in.
        ours: Epoch,
        /// The epoch that is known.
        known: Epoch,
    },
    /// This disk's identity is given up.
    Abandoned,
    /// It runs gated and is to serve.
    Reopen,
    /// The process was told to stop.
    Shutdown,
    /// Another machine, at this address, runs a copy of this disk.
    Cloned(SocketAddr),
}

/// Why e2d ends with exit code 78.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The data is of another lineage than the store's.
    OtherLineage {
        /// What the disk belongs to.
        disk: String,
        /// What the store shows.
        store: String,
    },
    /// The data was written by a newer etcd.
    NewerData(String),
    /// The data belongs to another user.
    ForeignOwner(String),
    /// The store's lineage belongs to a cluster with another gossip key.
    ForeignStore(String),
    /// The nodes' stores are not one shared place.
    StoreNotShared(String),
    /// The data directory holds a member of another cluster than its record says.
    DataMismatch(String),
}

/// The kinds of act, for backing off and for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the kind of the act of that name")]
pub enum Kind {
    Identify,
    Remember,
    Recall,
    Interview,
    WriteLineage,
    Restore,
    Start,
    Stop,
    Quarantine,
    MarkRestored,
    AddLearner,
    Promote,
    Remove,
    Archive,
    Refuse,
}

impl Action {
    /// Which kind of act it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Identify(_) => Kind::Identify,
            Self::Remember(_) => Kind::Remember,
            Self::Recall(_) => Kind::Recall,
            Self::Interview { .. } => Kind::Interview,
            Self::WriteLineage { .. } => Kind::WriteLineage,
            Self::Restore { .. } => Kind::Restore,
            Self::Start(_) => Kind::Start,
            Self::Stop { .. } => Kind::Stop,
            Self::Quarantine(_) => Kind::Quarantine,
            Self::MarkRestored { .. } => Kind::MarkRestored,
            Self::AddLearner { .. } => Kind::AddLearner,
            Self::Promote { .. } => Kind::Promote,
            Self::Remove(_) => Kind::Remove,
            Self::Archive => Kind::Archive,
            Self::Refuse { .. } => Kind::Refuse,
        }
    }

    /// Whether an operator's hold forbids it: all that changes the cluster, or gives data up. What
    /// keeps a member running on its own data goes on.
    #[must_use]
    pub fn is_held(&self) -> bool {
        match self {
            Self::WriteLineage { lineage, .. } => lineage.state == LineageState::Forming,
            Self::Restore { .. }
            | Self::Quarantine(_)
            | Self::AddLearner { .. }
            | Self::Promote { .. }
            | Self::Remove(_) => true,
            Self::Remember(state) => match state.phase {
                Phase::Abandoned => true,
                // A vow, and a founder's promise: without a store they are what a birth is made of.
                Phase::Empty => !state.vows.is_empty(),
                Phase::Founding => state.start == 0 && !state.ran,
                Phase::Joining | Phase::Member | Phase::Sealed => false,
            },
            _ => false,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identify(identity) => write!(f, "become node {}", identity.node),
            Self::Remember(state) => remember(f, state),
            Self::Recall(recall) => match &recall.lineage {
                Some(lineage) => {
                    let Lineage { epoch, state, seq, .. } = lineage;
                    write!(f, "note on the disk: epoch {epoch} is {state} (seq {seq}), and what the others said")
                }
                None => f.write_str("note on the disk what the others said"),
            },
            Self::Interview { start } => write!(f, "ask the other members what they know of this disk, start {start}"),
            Self::WriteLineage { lineage, .. } => write_lineage(f, lineage),
            Self::Restore { source, launch } => write!(
                f,
                "restore archive {} (revision {}, raised by {}) for epoch {}",
                source.archive, source.revision, source.bump, launch.place.epoch
            ),
            Self::Start(launch) => {
                let Place { member, epoch, .. } = launch.place;
                write!(f, "start etcd as {}, member {member}", launch.name)?;
                // Epoch 0: a cluster that has no lineage yet.
                if epoch > Epoch(0) {
                    write!(f, " of epoch {epoch}")?;
                }
                write!(f, ", {}", launch.gate)
            }
            Self::Stop { why } => write!(f, "stop etcd: {why}"),
            Self::Quarantine(evidence) => write!(f, "move the data into quarantine: {evidence}"),
            Self::MarkRestored { archive } => {
                write!(f, "mark the restore of archive {archive} and drop the volatile keys")
            }
            Self::AddLearner { node, peer_url } => write!(f, "add node {node} at {peer_url} as a learner"),
            Self::Promote { member } => write!(f, "give learner {member} its vote: it has caught up"),
            Self::Remove(evidence) => write!(f, "remove member {}: {evidence}", evidence.subject().member),
            Self::Archive => f.write_str("take a full archive, and verify it"),
            Self::Refuse { why } => write!(f, "refuse to run: {why}"),
        }
    }
}

fn remember(f: &mut fmt::Formatter<'_>, state: &State) -> fmt::Result {
    let part = match (state.phase, state.vows.last()) {
        (Phase::Abandoned, _) => {
            let because = state.because.as_deref().unwrap_or("for a reason that was not written down");
            return write!(f, "give this disk's identity up: {because}");
        }
        (Phase::Empty, Some(vow)) => {
            return write!(f, "vow to found a cluster with nodes {}, round {}", list(&vow.founders), vow.round);
        }
        (Phase::Empty, None) => "empty",
        (Phase::Founding, _) if !state.ran && state.start == 0 => {
            let epoch = state.place.map_or(Epoch(0), |place| place.epoch);
            return write!(f, "promise on the disk to found epoch {epoch}");
        }
        (Phase::Founding, _) if state.ran => "etcd is about to run as a founder",
        (Phase::Founding, _) => "a founder",
        (Phase::Joining, _) => "a newcomer",
        (Phase::Member, _) => "a member",
        (Phase::Sealed, _) => "sealed",
    };
    write!(f, "note on the disk: {part}")?;
    if let Some(place) = state.place.filter(|place| place.epoch != Epoch(0)) {
        write!(f, " of epoch {}", place.epoch)?;
    }
    if state.start > 0 { write!(f, ", start {}", state.start) } else { Ok(()) }
}

fn write_lineage(f: &mut fmt::Formatter<'_>, lineage: &Lineage) -> fmt::Result {
    let Lineage { epoch, state, seq, claim, members, .. } = lineage;
    if *state == LineageState::Forming {
        let founders = list(claim.founders.iter().map(|founder| founder.node));
        return write!(
            f,
            "claim epoch {epoch} ({}) for nodes {founders}, seq {seq}: {}",
            claim.kind,
            claim.evidence.join("; ")
        );
    }
    write!(
        f,
        "write that epoch {epoch} is {state}, seq {seq}, with members {}",
        list(members.iter().map(|member| member.member))
    )
}

/// Things, with commas between them.
fn list<T: fmt::Display>(things: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = things.into_iter().map(|thing| thing.to_string()).collect();
    texts.join(", ")
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fenced { ours, known } if ours == known => write!(f, "another claim of epoch {known} is known"),
            Self::Fenced { ours, known } => write!(f, "it runs in epoch {ours}, and epoch {known} is known"),
            Self::Abandoned => f.write_str("this disk gave its identity up"),
            Self::Reopen => f.write_str("its epoch is live, so it starts again for clients"),
            Self::Shutdown => f.write_str("this process was told to stop"),
            Self::Cloned(addr) => write!(f, "another machine, at {addr}, runs a copy of this disk"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherLineage { disk, store } => {
                write!(
                    f,
                    "the data directory belongs to lineage {disk}, the store to lineage {store}; nothing was touched"
                )
            }
            Self::NewerData(what) => write!(f, "the data was written by a newer etcd: {what}; install that version"),
            Self::ForeignOwner(what) => write!(f, "the data directory belongs to somebody else: {what}"),
            Self::ForeignStore(what) => write!(f, "the store belongs to another cluster: {what}"),
            Self::StoreNotShared(what) => write!(f, "the nodes do not share one store: {what}"),
            Self::DataMismatch(what) => write!(f, "the data is not this node's: {what}; nothing was touched"),
        }
    }
}
