//! etcd's write-ahead log, read without etcd.
//!
//! Every record of every segment is read and its sum is checked against the chain, as etcd does at its start, one
//! record in memory at a time. A last record that a crash left half written is accepted as etcd accepts it. In one
//! thing this is stricter than etcd from 3.5 on: there, a length that was damaged in the middle of the newest segment
//! passes for such a torn end, and everything behind it, acknowledged or not, is cut away without an error. Here it
//! is damage as soon as intact records stand behind it.
//!
//! Sources: `server/storage/wal/{decoder,repair,wal}.go`, `walpb/record.proto`, `raftpb/raft.proto`, and for the
//! cluster version `etcdserverpb/raft_internal.proto` and `etcdserver.proto`.

mod segment;

use super::{HardState, Position};
use camino::{Utf8Path, Utf8PathBuf};
use e2d_core::id::{ClusterId, MemberId};
use prost::Message;
use segment::{Segment, Step};
use std::io;

/// What a whole log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wal {
    pub(super) cluster: ClusterId,
    pub(super) member: MemberId,
    pub(super) last: Position,
    pub(super) snapshot: Position,
    pub(super) hard_state: HardState,
    pub(super) cluster_version: Option<(u16, u16)>,
    pub(super) torn: Option<Torn>,
}

/// A last record that is not whole: what a crash leaves, and etcd cuts off at its next start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The newest segment's name.
    pub file: String,
    /// Where the last whole record ends, in bytes.
    pub offset: u64,
    /// How many bytes behind it are not zero, counted up to the last such byte.
    pub lost_bytes: u64,
}

/// Why a log cannot be read. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum WalError {
    #[error("{path} could not be read")]
    Io { path: Utf8PathBuf, source: io::Error },
    #[error("there is no log")]
    Missing,
    #[error("{file} is damaged at byte {offset}: {what}")]
    Damaged { file: String, offset: u64, what: String, ids: Option<(ClusterId, MemberId)> },
}

#[derive(Message)]
struct Metadata {
    #[prost(uint64, tag = "1")]
    node: u64,
    #[prost(uint64, tag = "2")]
    cluster: u64,
}

#[derive(Message)]
struct Entry {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(uint64, tag = "2")]
    term: u64,
    #[prost(uint64, tag = "3")]
    index: u64,
    #[prost(bytes, tag = "4")]
    data: Vec<u8>,
}

#[derive(Message)]
struct State {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    vote: u64,
    #[prost(uint64, tag = "3")]
    commit: u64,
}

#[derive(Message)]
struct SnapshotRecord {
    #[prost(uint64, tag = "1")]
    index: u64,
    #[prost(uint64, tag = "2")]
    term: u64,
}

/// A proposal of 3.5 and later, as far as it sets the cluster's version.
#[derive(Message)]
struct Proposal {
    #[prost(message, optional, tag = "1300")]
    cluster_version: Option<ClusterVersion>,
}

#[derive(Message)]
struct ClusterVersion {
    #[prost(string, tag = "1")]
    version: String,
}

/// A proposal of the second store, by which 3.4 and 3.5 set the cluster's version.
#[derive(Message)]
struct OldProposal {
    #[prost(string, tag = "2")]
    method: String,
    #[prost(string, tag = "3")]
    path: String,
    #[prost(string, tag = "4")]
    value: String,
}

/// Reads the log in a folder.
pub(super) fn read(dir: &Utf8Path) -> Result<Wal, WalError> {
    let names = segments(dir)?;
    let mut reader = Reader::default();
    let mut crc = 0;
    let mut torn = None;
    for (place, name) in names.iter().enumerate() {
        let is_last = place + 1 == names.len();
        let path = dir.join(name);
        let failed = |source| WalError::Io { path: path.clone(), source };
        let mut segment = Segment::open(&path, crc).map_err(failed)?;
        loop {
            let offset = segment.offset();
            let what = match segment.next(is_last).map_err(failed)? {
                Step::Record { kind, data } => match reader.take(kind, data) {
                    Ok(()) => continue,
                    Err(what) => what.to_owned(),
                },
                Step::End => {
                    crc = segment.crc();
                    break;
                }
                Step::Torn { lost_bytes } => {
                    torn = Some(Torn { file: name.clone(), offset, lost_bytes });
                    break;
                }
                Step::Damaged(what) => what.to_owned(),
            };
            return Err(WalError::Damaged { file: name.clone(), offset, what, ids: reader.ids });
        }
    }
    let Some((cluster, member)) = reader.ids else {
        let file = names.last().cloned().unwrap_or_default();
        let what = "it does not say whose it is".to_owned();
        return Err(WalError::Damaged { file, offset: 0, what, ids: None });
    };
    // A snapshot record that was not committed was never used.
    let snapshot = reader.snapshots.filter(|snapshot| snapshot.index <= reader.state.commit).unwrap_or_default();
    let last = if snapshot.index >= reader.last.index { snapshot } else { reader.last };
    let State { term, vote, commit } = reader.state;
    let hard_state = HardState { term, vote: (vote != 0).then_some(MemberId(vote)), commit };
    Ok(Wal { cluster, member, last, snapshot, hard_state, cluster_version: reader.cluster_version, torn })
}

/// Whether a folder holds a log.
pub(super) fn exists(dir: &Utf8Path) -> io::Result<bool> {
    match segments(dir) {
        Err(WalError::Missing) => Ok(false),
        Err(WalError::Io { source, .. }) => Err(source),
        // They may not be in order.
        Ok(_) | Err(WalError::Damaged { .. }) => Ok(true),
    }
}

/// The segments' names in order: `<sequence>-<index of its first entry>.wal`, both in 16 hexadecimal digits.
fn segments(dir: &Utf8Path) -> Result<Vec<String>, WalError> {
    let failed = |source| WalError::Io { path: dir.to_owned(), source };
    let names = match super::names(dir) {
        Ok(names) => names,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(WalError::Missing),
        Err(e) => return Err(failed(e)),
    };
    let mut found: Vec<_> = names.into_iter().filter_map(|name| Some((sequence(&name)?, name))).collect();
    found.sort();
    if found.is_empty() {
        return Err(WalError::Missing);
    }
    if let Some(pair) = found.windows(2).find(|pair| pair[0].0 + 1 != pair[1].0) {
        let what = "the segment before it is missing".to_owned();
        return Err(WalError::Damaged { file: pair[1].1.clone(), offset: 0, what, ids: None });
    }
    Ok(found.into_iter().map(|(_, name)| name).collect())
}

fn sequence(name: &str) -> Option<u64> {
    let (sequence, index) = name.strip_suffix(".wal")?.split_once('-')?;
    let is_hex = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex(sequence) && is_hex(index) { u64::from_str_radix(sequence, 16).ok() } else { None }
}

/// What the records so far add up to.
#[derive(Default)]
struct Reader {
    ids: Option<(ClusterId, MemberId)>,
    last: Position,
    state: State,
    snapshots: Option<Position>,
    cluster_version: Option<(u16, u16)>,
}

impl Reader {
    fn take(&mut self, kind: segment::Kind, data: &[u8]) -> Result<(), &'static str> {
        match kind {
            segment::Kind::Metadata => {
                let metadata = Metadata::decode(data).map_err(|_| "unreadable metadata")?;
                let ids = (ClusterId(metadata.cluster), MemberId(metadata.node));
                if self.ids.is_some_and(|known| known != ids) {
                    return Err("segments of different members");
                }
                self.ids = Some(ids);
            }
            segment::Kind::Entry => {
                let entry = Entry::decode(data).map_err(|_| "unreadable entry")?;
                let newest = self.last.index.max(self.snapshots.map_or(0, |snapshot| snapshot.index));
                if newest != 0 && entry.index > newest.saturating_add(1) {
                    return Err("entries are missing");
                }
                // An index that was written before was not committed then; what stands last holds.
                self.last = Position { term: entry.term, index: entry.index };
                if entry.kind == 0 {
                    self.cluster_version = version_set_by(&entry.data).or(self.cluster_version);
                }
            }
            segment::Kind::State => self.state = State::decode(data).map_err(|_| "unreadable raft state")?,
            segment::Kind::Snapshot => {
                let record = SnapshotRecord::decode(data).map_err(|_| "unreadable snapshot record")?;
                self.snapshots = self.snapshots.max(Some(Position { term: record.term, index: record.index }));
            }
        }
        Ok(())
    }
}

/// The cluster version that an entry sets, if that is what it does.
fn version_set_by(data: &[u8]) -> Option<(u16, u16)> {
    if let Ok(Proposal { cluster_version: Some(ClusterVersion { version }) }) = Proposal::decode(data) {
        return parse_version(&version);
    }
    let old = OldProposal::decode(data).ok()?;
    if old.method == "PUT" && old.path == "/0/version" { parse_version(&old.value) } else { None }
}

fn parse_version(text: &str) -> Option<(u16, u16)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests;
