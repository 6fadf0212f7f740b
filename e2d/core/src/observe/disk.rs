//! The data directory as it is found, without starting etcd on it.

use crate::id::{ClusterId, MemberId};

/// What the data directory holds, seen without starting etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataDir {
    /// No etcd data.
    Empty,
    /// The data of one member.
    Member(DiskData),
    /// Data that etcd would not, or should not, start on; the text says what and why.
    Unreadable(String),
    /// A database without a log: etcd ended before it had written a word of its own; the text says what there is.
    Unlogged(String),
    /// The data of a member on which a newer etcd has run than the one that would be started; the text names both.
    NewerData(String),
    /// It could not be looked at, so it may hold anything; the text says why.
    Unseen(String),
    /// It belongs to another user; the text names path and owners.
    ForeignOwner(String),
}

/// What etcd's own files say of the member that they belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskData {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its raft id.
    pub member: MemberId,
    /// The raft term of the last entry or state in the log.
    pub term: u64,
    /// The raft index of the last entry in the log.
    pub index: u64,
}
