//! Why a node waits, in words that a person can act on (S21).

use crate::id::{ArchiveId, ClusterId, Epoch, LineageId, MemberId, NodeId};
use crate::lineage::LineageState;
use std::fmt;
use std::time::Duration;

/// What is said of a witness that may be a copy.
const AWAY: &str = "answered from another machine than its own, and may be a copy";

/// Why nothing is done about something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The data directory was not looked at yet.
    DataNotSeen,
    /// The data directory cannot be looked at.
    DataUnseen(String),
    /// etcd's data cannot be read, and nobody could re-seed this node.
    DataUnreadable(String),
    /// The data that was taken over is of another etcd cluster than the lineage that is known.
    OtherClusterKnown {
        /// The cluster of the data.
        disk: ClusterId,
        /// The cluster of the lineage.
        known: ClusterId,
    },
    /// There is data in the directory of a node that has none.
    UnexpectedData,
    /// The store did not tell anything yet.
    StoreNotSeen,
    /// The store cannot be used; the text says how.
    StoreTrouble(String),
    /// Backups without a lineage: only a person knows whether their cluster is dead.
    BackupsWithoutLineage,
    /// Fewer empty nodes than a birth needs.
    NodesMissing {
        /// How many are here, this one included.
        present: usize,
        /// How many are needed.
        needed: usize,
    },
    /// Nodes that are seen, but have not said anything about themselves.
    WordsMissing(Vec<NodeId>),
    /// A visible node has data or knows a lineage, so this is no birth.
    SomebodyHasData(NodeId),
    /// A lineage is known, but the store shows none: never a birth.
    LineageVanished,
    /// Another node is about to do it.
    AnothersTurn(NodeId),
    /// Founders that have not promised yet.
    FoundersMissing(Vec<NodeId>),
    /// The leader's node is away, while its etcd leads on.
    LeaderUnattended {
        /// The member that leads.
        leader: MemberId,
        /// Its node.
        node: NodeId,
    },
    /// The store shows another lineage than the one that lives here.
    OtherLineageStored {
        /// The one that lives here.
        ours: LineageId,
        /// The one that the store shows.
        theirs: LineageId,
    },
    /// A birth by vows names this disk, whose last vow was to another.
    VowedToOthers,
    /// No set of the empty nodes that are here fits the vows that they have made.
    VowsConflict,
    /// The claim is not in this node's own view of the store yet.
    ClaimNotInStore,
    /// Somebody else's store shows another lineage than ours.
    StoreNotShared {
        /// The node that sees another lineage.
        node: NodeId,
        /// The lineage it sees.
        theirs: LineageId,
    },
    /// Somebody else does not find the lineage that our store shows in its own.
    StoreNotSharedBy {
        /// The node that does not find it.
        node: NodeId,
        /// The lineage.
        ours: LineageId,
    },
    /// A claim of others is under way.
    ClaimUnderWay {
        /// The epoch that forms.
        epoch: Epoch,
        /// How long it may still take before it is replaced.
        patience: Duration,
    },
    /// Recorded members of which nobody proved that they are gone.
    NotProvedGone(Vec<String>),
    /// A node holds data of the epoch that would end.
    EpochHasData(NodeId),
    /// There is no archive to restore.
    NoArchive,
    /// The lineage stands where this needs a person.
    LineageStands {
        /// The epoch.
        epoch: Epoch,
        /// Where it stands.
        state: LineageState,
    },
    /// A newer epoch is known, and is not live yet: the data is kept.
    NewerEpochForms(Epoch),
    /// A member knows a newer epoch, of which this node has no copy yet.
    NewerEpochKnown {
        /// Who knows it.
        witness: NodeId,
        /// Which epoch.
        epoch: Epoch,
        /// Where it stands, as far as the witness knows.
        state: LineageState,
    },
    /// This node's look at the store shows an older lineage than the one that is known.
    StoreLags {
        /// The `seq` that the store showed.
        stored: u64,
        /// The `seq` that is known.
        known: u64,
    },
    /// Two claims of one epoch met.
    ClaimsConflict(Epoch),
    /// Members that did not answer before the start.
    AnswersMissing {
        /// Who did not answer.
        silent: Vec<NodeId>,
        /// Who answered from elsewhere than where it belongs.
        away: Vec<NodeId>,
        /// How many answers are needed, our own included.
        needed: usize,
    },
    /// The disk is older than what others heard of it, and nobody could re-seed it.
    DiskWentBack {
        /// Who heard more.
        witness: NodeId,
    },
    /// Another machine speaks with this disk's id.
    Cloned(String),
    /// The disk's member belongs on another machine, at this URL, so this may be a copy of it.
    Elsewhere(String),
    /// An archive that was taken from this disk holds more than the disk does now, and nobody serves without it.
    ArchiveIsAhead {
        /// Which.
        archive: ArchiveId,
        /// The raft index that it holds.
        further: u64,
        /// The raft index of the disk.
        index: u64,
    },
    /// The cluster removed this member, and nobody is seen to serve without it.
    RemovedAndAlone(MemberId),
    /// No member of the cluster offers a seat.
    NoInvitation,
    /// The cluster has all the members it is to have.
    NoSeat {
        /// How many members there are.
        members: usize,
    },
    /// etcd does not answer, or has no quorum.
    NoQuorum,
    /// etcd's authentication is enabled, and it tells e2d nothing.
    EtcdLocked,
    /// etcd runs here as a learner.
    StillLearner,
    /// Etcd starts, or stops.
    Settling,
    /// This process was told to stop, and etcd has stopped.
    Stopping,
    /// The members that restored differ from one another.
    HashesDiffer,
    /// Not all that should run gated do.
    GatedMissing {
        /// How many run.
        present: usize,
        /// How many are needed.
        needed: usize,
    },
    /// Another founder reopens first.
    OthersReopen,
    /// A member is silent, and its death is not proved.
    DeathNotProved {
        /// Which member.
        member: MemberId,
        /// What is missing.
        missing: String,
    },
    /// The member that an operator calls gone is alive.
    Alive(MemberId),
    /// Removing or promoting would leave too few that can commit.
    QuorumAtRisk {
        /// Which member.
        member: MemberId,
        /// How many would be there.
        present: usize,
        /// Of how many.
        voters: usize,
    },
    /// The lineage object's record would not cover the voters any more, and the store is away.
    RecordLags {
        /// Which member the change is about.
        member: MemberId,
    },
    /// Another member is unhealthy, and one change at a time is enough.
    AnotherUnhealthy(MemberId),
    /// A learner has not caught up.
    CatchingUp {
        /// Which learner.
        member: MemberId,
        /// How many entries it lacks.
        behind: u64,
    },
    /// A learner was added and has not run yet.
    LearnerNotStarted {
        /// Which learner.
        member: MemberId,
        /// The node that it was added for, if this leader knows it.
        node: Option<NodeId>,
    },
    /// A learner has not told how far it has come.
    ProgressUnknown(MemberId),
    /// The member list is older than the record that it would replace.
    ListTooOld,
    /// The last try failed; the next follows.
    Backoff {
        /// What failed.
        message: String,
        /// How long to wait.
        remaining: Duration,
    },
    /// An operator holds all automatic acts.
    Held(String),
}

impl fmt::Display for Reason {
    #[expect(clippy::too_many_lines, reason = "one line a reason: a table, not an algorithm")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataNotSeen => f.write_str("the data directory was not looked at yet"),
            Self::DataUnseen(what) => {
                write!(f, "the data directory cannot be looked at, and may hold anything: {what}")
            }
            Self::DataUnreadable(what) => {
                write!(f, "etcd's data cannot be read, and no quorum could re-seed this node, so it is kept: {what}")
            }
            Self::UnexpectedData => f.write_str(
                "the data directory holds etcd data, and this disk has no record of any: move the data away, or remove \
                 the folder e2d beside it to adopt it",
            ),
            Self::OtherClusterKnown { disk, known } => write!(
                f,
                "this disk is a member of etcd cluster {disk}, and the lineage that is known here is of cluster {known}: move \
                 the data away to join that one, or name another store and other nodes"
            ),
            Self::StoreNotSeen => f.write_str("the store was not reached yet"),
            Self::StoreTrouble(what) => {
                write!(f, "the store cannot be used, which is not the same as an empty store: {what}")
            }
            Self::BackupsWithoutLineage => f.write_str(
                "the store holds backups but no lineage, and no empty cluster begins over somebody's backups: import \
                 one, or name an empty store",
            ),
            Self::NodesMissing { present, needed } => write!(f, "{present} of {needed} nodes are here"),
            Self::WordsMissing(who) => write!(f, "seen, but not heard yet: {}", list(who)),
            Self::SomebodyHasData(node) => {
                write!(f, "node {node} has data or knows a lineage, so a new cluster would be a second one")
            }
            Self::LineageVanished => {
                f.write_str("a lineage is known, and its object is not in the store: that is no reason for a birth")
            }
            Self::AnothersTurn(node) => write!(f, "it is the turn of node {node}"),
            Self::FoundersMissing(who) => write!(f, "founders that have not promised yet: {}", list(who)),
            Self::ClaimNotInStore => {
                f.write_str("the claim that others tell of is not in this node's own view of the store")
            }
            Self::StoreNotShared { node, theirs } => {
                write!(f, "node {node} sees lineage {theirs} in its store, and this node does not see it in its own")
            }
            Self::LeaderUnattended { leader, node } => write!(
                f,
                "member {leader} leads, and node {node}, which runs it, is away: nobody replaces members until its e2d runs \
                 again, or another member leads"
            ),
            Self::OtherLineageStored { ours, theirs } => write!(
                f,
                "the store holds what is lineage {theirs}'s, and lineage {ours} lives here: nothing is backed up into it"
            ),
            Self::VowedToOthers => f.write_str(
                "a cluster was born that names this disk, which has vowed to found another since: it joins as a newcomer, \
                 when its founders have removed it",
            ),
            Self::VowsConflict => f.write_str(
                "the vows of the empty nodes that are here rule each other out: another empty node is needed, or one of \
                 them with a new disk",
            ),
            Self::StoreNotSharedBy { node, ours } => {
                write!(f, "node {node} does not find lineage {ours} in its store, and this node sees it in its own")
            }
            Self::ClaimUnderWay { epoch, patience } => write!(
                f,
                "epoch {epoch} is being formed by others; without progress it is claimed anew in {} s",
                patience.as_secs()
            ),
            Self::NotProvedGone(who) => {
                write!(f, "not proved gone: {}; start them, or, where a disk is lost for good, an empty node at its address", who.join(", "))
            }
            Self::EpochHasData(node) => {
                write!(f, "node {node} holds data of this epoch, and nothing older takes its place")
            }
            Self::NoArchive => f.write_str(
                "every member is gone and the store has no archive to restore: a person must decide",
            ),
            Self::LineageStands { epoch, state } => write!(f, "epoch {epoch} is {state}"),
            Self::NewerEpochForms(epoch) => {
                write!(f, "epoch {epoch} is being formed; the older data here is kept until it is live")
            }
            Self::NewerEpochKnown { witness, epoch, state } => {
                write!(f, "node {witness} knows that epoch {epoch} is {state}; its copy of the lineage is on the way")
            }
            Self::StoreLags { stored, known } => {
                write!(f, "the last look at the store showed the lineage at seq {stored}, and seq {known} is known")
            }
            Self::ClaimsConflict(epoch) => {
                write!(f, "two claims of epoch {epoch} met: a person must say which one is right")
            }
            Self::AnswersMissing { silent, away, needed } => {
                write!(f, "before etcd starts on old data {needed} of the members must have answered, this one included")?;
                match (silent.is_empty(), away.is_empty()) {
                    (true, true) => f.write_str("; nobody knows who they are"),
                    (false, true) => write!(f, "; silent: {}", list(silent)),
                    (true, false) => write!(f, "; {AWAY}: {}", list(away)),
                    (false, false) => write!(f, "; silent: {}; {AWAY}: {}", list(silent), list(away)),
                }
            }
            Self::DiskWentBack { witness } => write!(
                f,
                "node {witness} heard this disk further on than it is now, and no quorum could re-seed it: a person must decide"
            ),
            Self::Cloned(addr) => write!(f, "another machine, at {addr}, runs a copy of this disk"),
            Self::Elsewhere(home) => write!(
                f,
                "the disk's member belongs at {home}, and this machine is another: this may be a copy, and no quorum could re-seed it; bring it home, and keep it until others serve"
            ),
            Self::ArchiveIsAhead { archive, further, index } => write!(
                f,
                "archive {archive} was taken from this disk at index {further}, and the disk is at {index} now, and no quorum could re-seed it: a person must decide"
            ),
            Self::RemovedAndAlone(member) => write!(
                f,
                "member {member} was removed from its cluster, and no other node is seen to serve it, so the data here is kept"
            ),
            Self::NoInvitation => f.write_str("no member of the cluster has offered a seat yet"),
            Self::NoSeat { members } => write!(f, "all {members} seats are taken, and this node is a spare"),
            Self::NoQuorum => {
                f.write_str("etcd runs, and no read through it works: it has no quorum, or does not answer")
            }
            Self::EtcdLocked => f.write_str(
                "etcd has authentication enabled, which this version has no user for: nothing is backed up, no member is \
                 replaced, and this node is not ready",
            ),
            Self::StillLearner => {
                f.write_str("etcd runs here as a learner, through which no read works before it has its vote")
            }
            Self::Settling => f.write_str("etcd is starting or stopping"),
            Self::Stopping => f.write_str("this process was told to stop, and its etcd does not run any more"),
            Self::HashesDiffer => f.write_str("members that restored the same archive differ: it is not opened"),
            Self::GatedMissing { present, needed } => write!(f, "{present} of {needed} restored members run"),
            Self::OthersReopen => f.write_str("another founder reopens first, so that a majority always runs"),
            Self::DeathNotProved { member, missing } => write!(f, "member {member} may be dead, but {missing}"),
            Self::Alive(member) => {
                write!(f, "member {member} is alive, and would come back by itself: stop its e2d first, if it is to go")
            }
            Self::QuorumAtRisk { member, present, voters } => {
                write!(f, "a change of member {member} would leave {present} of {voters} voters: too few to commit")
            }
            Self::RecordLags { member } => write!(
                f,
                "a change of member {member} waits until the store is back: too many voters would not be recorded there"
            ),
            Self::AnotherUnhealthy(member) => write!(f, "member {member} is unhealthy: one change at a time"),
            Self::CatchingUp { member, behind } => write!(f, "learner {member} lacks {behind} entries"),
            Self::LearnerNotStarted { member, node: Some(node) } => {
                write!(f, "learner {member} was added for node {node}, which has not started it yet")
            }
            Self::LearnerNotStarted { member, node: None } => {
                write!(f, "learner {member} was added for a node that is not known here, and has not started yet")
            }
            Self::ProgressUnknown(member) => write!(f, "learner {member} has not told how far it has come"),
            Self::ListTooOld => f.write_str("the member list is older than the record it would replace"),
            Self::Backoff { message, remaining } => {
                write!(f, "the last try failed, and the next follows in {:.1} s: {message}", remaining.as_secs_f32())
            }
            Self::Held(why) => write!(f, "an operator holds it: {why}"),
        }
    }
}

fn list(nodes: &[NodeId]) -> String {
    let texts: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    texts.join(", ")
}
