//! What a node must not forget: three small files in `<data-dir>/e2d/`, on etcd's own file system.
//!
//! | file | holds | durable before |
//! |---|---|---|
//! | `identity` | who this disk is | anything is told to anybody |
//! | `state` | its part in its lineage | the act that it names |
//! | `seen` | the newest lineage copy, and what others said of themselves | acting on it, or answering with it |
//!
//! Identity is the disk, never a name, an address or a clock: a new disk is a new [`NodeId`] and so a
//! new raft identity (S11). Each file is JSON with its `format`; [`encode`] and [`decode`] are the
//! only way in and out. Writing them durably is the shell's part.

use crate::id::{ArchiveId, BootId, ClusterId, Epoch, LineageId, MemberId, NodeId, Nonce};
use crate::lineage::{Lineage, Recorded};
use crate::vow::Vow;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The only format of the three files that this version writes and reads.
pub const FORMAT: u32 = 1;
/// The largest of these files that is read, in bytes.
pub const MAX_SIZE_BYTES: usize = 1024 * 1024;
/// How many earlier ids of one disk are told to others.
pub const FORMER_IDS: usize = 16;

/// Who a disk is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Random, made with the data directory.
    pub node: NodeId,
    /// The machine's own id when the identity was made (`/etc/machine-id`); a label for proofs, no
    /// identity.
    pub machine: String,
    /// Whether the data directory was a mount of its own then.
    pub mounted: bool,
    /// The ids that this disk had and gave up, oldest first: the word "abandoned", kept for ever, at
    /// most [`FORMER_IDS`].
    #[serde(default)]
    pub former: Vec<NodeId>,
}

/// A node's part in its lineage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// No data, no promise.
    #[default]
    Empty,
    /// Promised to found the claimed epoch; etcd has not run in it yet.
    Founding,
    /// Invited as a learner; etcd has not run yet.
    Joining,
    /// etcd has run, or may have run, as a member.
    Member,
    /// Promised not to run this epoch before a newer live version of it is read.
    Sealed,
    /// Gave its identity up; its data is on its way to quarantine.
    Abandoned,
}

/// The file `state`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Where this disk stands.
    pub phase: Phase,
    /// The epoch it belongs to; `None` while empty.
    pub place: Option<Place>,
    /// Counts the starts of etcd on this disk.
    pub start: u64,
    /// Whether etcd may have run at this place: data that is missing then is lost, not late.
    #[serde(default)]
    pub ran: bool,
    /// Whether clients may have been served in this epoch.
    pub opened: bool,
    /// The `seq` of the lineage object that the seal was made under.
    pub seal: Option<u64>,
    /// Promises made for a birth without a store, oldest first.
    #[serde(default)]
    pub vows: Vec<Vow>,
    /// Where other members reached this disk's etcd when it last answered: another machine with this disk, or another
    /// address, is known by it. etcd's own list may name the machine in another way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// Why the identity was given up, with the values that it rests on; written together with
    /// [`Phase::Abandoned`], and what the data's quarantine rests on later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// Which etcd cluster a disk's data belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The lineage.
    pub lineage: LineageId,
    /// Its epoch.
    pub epoch: Epoch,
    /// The claim that founded the epoch.
    pub claim: Nonce,
    /// etcd's cluster.
    pub cluster: ClusterId,
    /// This disk's raft id in it.
    pub member: MemberId,
    /// What was restored, if anything was.
    pub archive: Option<ArchiveId>,
}

/// How far a node was heard to have come, by its own words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Heard {
    /// Its count of starts.
    pub start: u64,
    /// The process that told it, so that one start told twice is not taken for two disks.
    pub boot: Option<BootId>,
    /// The highest raft term.
    pub term: u64,
    /// The highest raft index.
    pub index: u64,
}

/// The file `seen`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recall {
    /// The newest copy of the lineage object that was read or heard.
    pub lineage: Option<Lineage>,
    /// The members that this node's etcd last listed, or the founders.
    #[serde(default)]
    pub members: Vec<Recorded>,
    /// The version of the lineage object, epoch and `seq`, that was known when they were listed: what a newer one records
    /// is newer.
    #[serde(default)]
    pub listed: (Epoch, u64),
    /// Where gossip last reached each node.
    #[serde(default)]
    pub addresses: BTreeMap<NodeId, String>,
    /// How far each node had come.
    #[serde(default)]
    pub heard: BTreeMap<NodeId, Heard>,
}

impl Recall {
    /// The members as this disk last heard of them: as etcd listed them, else as the lineage records them.
    #[must_use]
    pub fn last_members(&self) -> &[Recorded] {
        let recorded = || self.lineage.as_ref().map(|lineage| lineage.members.as_slice()).unwrap_or_default();
        if self.members.is_empty() { recorded() } else { &self.members }
    }

    /// Keeps what is higher of what was known and what `node` says of itself now.
    ///
    /// A boot is only kept with the start that it told: it serves to know one start heard twice.
    pub fn hear(&mut self, node: NodeId, now: Heard) {
        let known = self.heard.entry(node).or_default();
        if now.start > known.start {
            (known.start, known.boot) = (now.start, now.boot);
        }
        (known.term, known.index) = (known.term.max(now.term), known.index.max(now.index));
    }
}

/// Why a file of ours cannot be used. It was left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Larger than [`MAX_SIZE_BYTES`].
    #[error("{0} bytes, more than {MAX_SIZE_BYTES}")]
    TooLarge(usize),
    /// Damaged.
    #[error("damaged: {0}")]
    Malformed(String),
    /// Written by a newer e2d.
    #[error("format {0}; this e2d reads format {FORMAT}: upgrade it")]
    UnknownFormat(u32),
}

#[derive(Serialize, Deserialize)]
struct File<T> {
    format: u32,
    #[serde(flatten)]
    content: T,
}

/// Writes one of the three files.
#[must_use]
pub fn encode<T: Serialize>(content: &T) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(&File { format: FORMAT, content }).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Reads one of the three files.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    if bytes.len() > MAX_SIZE_BYTES {
        return Err(DecodeError::TooLarge(bytes.len()));
    }
    let malformed = |error: serde_json::Error| DecodeError::Malformed(error.to_string());
    let Format { format } = serde_json::from_slice(bytes).map_err(malformed)?;
    if format != FORMAT {
        return Err(DecodeError::UnknownFormat(format));
    }
    serde_json::from_slice::<File<T>>(bytes).map(|file| file.content).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_come_back() {
        let identity =
            Identity { node: NodeId(7), machine: "m1".into(), mounted: true, former: vec![NodeId(1), NodeId(2)] };
        assert_eq!(decode::<Identity>(&encode(&identity)).unwrap(), identity);
        let place = Place {
            lineage: LineageId(1),
            epoch: Epoch(2),
            claim: Nonce(3),
            cluster: ClusterId(4),
            member: MemberId(5),
            archive: None,
        };
        let state = State { phase: Phase::Member, place: Some(place), start: 9, ..State::default() };
        assert_eq!(decode::<State>(&encode(&state)).unwrap(), state);
        let mut recall = Recall::default();
        recall.hear(NodeId(3), Heard { start: 2, boot: Some(BootId(1)), term: 4, index: 100 });
        assert_eq!(decode::<Recall>(&encode(&recall)).unwrap(), recall);
    }

    #[test]
    fn a_newer_format_is_not_read() {
        assert_eq!(decode::<State>(br#"{"format":9}"#), Err(DecodeError::UnknownFormat(9)));
        assert!(matches!(decode::<State>(b""), Err(DecodeError::Malformed(_))));
    }

    /// S11: what was heard only rises, and the boot stays with the start that it told.
    #[test]
    fn hearing_never_forgets() {
        let mut recall = Recall::default();
        recall.hear(NodeId(1), Heard { start: 5, boot: Some(BootId(50)), term: 3, index: 70 });
        recall.hear(NodeId(1), Heard { start: 5, boot: Some(BootId(51)), term: 2, index: 90 });
        recall.hear(NodeId(1), Heard { start: 4, boot: Some(BootId(40)), term: 1, index: 10 });
        let expected = Heard { start: 5, boot: Some(BootId(50)), term: 3, index: 90 };
        assert_eq!(recall.heard[&NodeId(1)], expected);
    }
}
