//! The lineage object: the one thing in the store that decides every epoch.
//!
//! It is changed only by compare-and-swap, and each write has a fresh nonce and the next `seq`, so
//! that no two writes are ever equal. Copies of it travel by gossip; the higher `seq` is the newer.
//! When it may be changed is decided in [`crate::plan`]; here is what it says and how it is written.

use crate::id::{ArchiveId, ClusterId, Epoch, LineageId, MemberId, NodeId, Nonce, Revision};
use crate::raftid;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The only format of the object that this version writes and reads.
pub const FORMAT: u32 = 1;
/// The largest object that is read, in bytes. One with five members and a full history has 4 kB.
pub const MAX_SIZE_BYTES: usize = 256 * 1024;
/// How many past epochs the object remembers.
const HISTORY: usize = 32;

/// Where an epoch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineageState {
    /// Claimed; its cluster has no clients yet.
    Forming,
    /// Its cluster serves, or has served and was not ended.
    Live,
    /// Its members are sealing themselves, one by one, for a pause.
    Pausing,
    /// No member runs; the pinned archive holds everything.
    Paused,
}

impl fmt::Display for LineageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forming => "forming",
            Self::Live => "live",
            Self::Pausing => "pausing",
            Self::Paused => "paused",
        })
    }
}

/// What a claim does to get its epoch's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClaimKind {
    /// A new, empty cluster.
    Birth,
    /// The newest verified archive, after every recorded member was gone.
    Restore,
    /// The most advanced surviving disk.
    Recover,
    /// The archive pinned by a pause.
    Resume,
    /// A backup of another program.
    Import,
    /// A running cluster that had no lineage object.
    Adopt,
}

impl fmt::Display for ClaimKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Birth => "birth",
            Self::Restore => "restore",
            Self::Recover => "recover",
            Self::Resume => "resume",
            Self::Import => "import",
            Self::Adopt => "adopt",
        })
    }
}

/// A node that founds an epoch's cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Founder {
    /// The disk.
    pub node: NodeId,
    /// The name its etcd runs under: a label, then the node id.
    pub name: String,
    /// Where the other members reach it.
    pub peer_url: String,
}

/// The archive that all founders of an epoch restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Which archive, by digest.
    pub archive: ArchiveId,
    /// The epoch it was taken in, which is the folder it lies in.
    pub epoch: Epoch,
    /// The revision it holds.
    pub revision: Revision,
    /// How far the revision is raised above it (S9).
    pub bump: u64,
}

/// The right to found an epoch, and all that its founders need to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Makes this claim unlike any other; part of the cluster token.
    pub nonce: Nonce,
    /// Who wrote it.
    pub by: NodeId,
    /// Where the data comes from.
    pub kind: ClaimKind,
    /// Exactly the members of the new cluster, in a fixed order.
    pub founders: Vec<Founder>,
    /// What they restore; `None` for a birth.
    pub source: Option<Source>,
    /// What the claim rests on, in words: one line for each member of the record that it replaced.
    pub evidence: Vec<String>,
    /// The cluster's id when it cannot be computed, because the cluster was adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<ClusterId>,
}

/// A member of the epoch's cluster as the record knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The disk; `None` for a member that does not run under e2d (yet).
    pub node: Option<NodeId>,
    /// Its raft id.
    pub member: MemberId,
    /// Where the other members reach it.
    pub peer_url: String,
    /// The cloud's name of the machine, where there is a cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The machine's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// Whether its data directory is a mount of its own.
    #[serde(default)]
    pub mounted: bool,
    /// Whether it has no vote.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub learner: bool,
    /// Whether its etcd has run: a disk that then holds nothing has lost what it promised.
    #[serde(default)]
    pub started: bool,
}

/// The archive that a pause left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// Which archive.
    pub archive: ArchiveId,
    /// The epoch it was taken in.
    pub epoch: Epoch,
    /// The revision it holds.
    pub revision: Revision,
}

/// One ended epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Which epoch.
    pub epoch: Epoch,
    /// How it began.
    pub kind: ClaimKind,
    /// Its cluster.
    pub cluster_id: ClusterId,
    /// What it was restored from.
    #[serde(default)]
    pub source: Option<Source>,
}

/// Whether an archive of an earlier epoch holds what is no past of the one with these `bounds`: a writer that did not know that
/// its epoch had ended may have gone on (S16).
#[must_use]
pub fn is_fenced(bounds: &[(Epoch, Revision)], epoch: Epoch, revision: Revision) -> bool {
    let bound = bounds.iter().find(|(of, _)| *of <= epoch);
    bound.is_some_and(|(of, last)| *of < epoch || revision > *last)
}

/// The lineage object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// [`FORMAT`].
    pub format: u32,
    /// One logical cluster through all its restores.
    pub lineage: LineageId,
    /// Counts the writes of this object.
    pub seq: u64,
    /// Makes this write unlike any other.
    pub nonce: Nonce,
    /// The current epoch.
    pub epoch: Epoch,
    /// Where it stands.
    pub state: LineageState,
    /// Who founded it, and from what.
    pub claim: Claim,
    /// R: the members that must be gone or sealed before another epoch may begin. While `forming`,
    /// the record of the epoch before.
    pub members: Vec<Recorded>,
    /// What a paused lineage resumes from.
    pub pinned: Option<Pinned>,
    /// The epochs before, newest last, at most 32.
    pub history: Vec<Past>,
}

/// Why bytes are not a lineage object that this version can act on. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Larger than [`MAX_SIZE_BYTES`].
    #[error("the lineage object has {0} bytes, more than {MAX_SIZE_BYTES}")]
    TooLarge(usize),
    /// Not JSON, or not this JSON.
    #[error("the lineage object cannot be read: {0}")]
    Malformed(String),
    /// Written by a newer e2d.
    #[error("the lineage object has format {0}; this e2d reads format {FORMAT}: upgrade it")]
    UnknownFormat(u32),
    /// Its parts contradict one another.
    #[error("the lineage object contradicts itself: {0}")]
    Inconsistent(&'static str),
}

impl Lineage {
    /// The token that the epoch's etcd cluster is founded with.
    #[must_use]
    pub fn token(&self) -> String {
        raftid::token(self.lineage, self.epoch, self.claim.nonce)
    }

    /// The raft id of a founder, by its peer URL.
    #[must_use]
    pub fn founder_member(&self, founder: &Founder) -> MemberId {
        raftid::founder(&[&founder.peer_url], &self.token())
    }

    /// The id of the epoch's etcd cluster.
    #[must_use]
    pub fn cluster_id(&self) -> ClusterId {
        if let Some(adopted) = self.claim.adopted {
            return adopted;
        }
        let members: Vec<MemberId> = self.claim.founders.iter().map(|f| self.founder_member(f)).collect();
        raftid::cluster(&members)
    }

    /// The claim's entry for this node, if it founds the epoch.
    #[must_use]
    pub fn founder(&self, node: NodeId) -> Option<&Founder> {
        self.claim.founders.iter().find(|founder| founder.node == node)
    }

    /// The record of this node, if there is one.
    #[must_use]
    pub fn recorded(&self, node: NodeId) -> Option<&Recorded> {
        self.members.iter().find(|member| member.node == Some(node))
    }

    /// `--initial-cluster` of the founders.
    #[must_use]
    pub fn initial_cluster(&self) -> Vec<(String, String)> {
        self.claim.founders.iter().map(|f| (f.name.clone(), f.peer_url.clone())).collect()
    }

    /// The next version of this object: the same but for `seq` and the write's nonce.
    #[must_use]
    pub fn next(&self, nonce: Nonce) -> Self {
        Self { seq: self.seq.saturating_add(1), nonce, ..self.clone() }
    }

    /// Ends the current epoch and begins the next one with `claim`.
    #[must_use]
    pub fn succeed(&self, nonce: Nonce, claim: Claim) -> Self {
        let (kind, source) = (self.claim.kind, self.claim.source);
        let past = Past { epoch: self.epoch, kind, cluster_id: self.cluster_id(), source };
        let mut history = self.history.clone();
        history.push(past);
        history.drain(..history.len().saturating_sub(HISTORY));
        Self { epoch: self.epoch.next(), state: LineageState::Forming, claim, history, ..self.next(nonce) }
    }

    /// What this epoch was restored from, what that one was, and so on, as far as it is written down: epochs and revisions, newest
    /// first. `found` tells the revision that was found in an archive when it was read back, which may exceed the claimed one.
    #[must_use]
    pub fn bounds(&self, found: impl Fn(ArchiveId) -> Option<Revision>) -> Vec<(Epoch, Revision)> {
        let of_past = |epoch| self.history.iter().rev().find(|past| past.epoch == epoch).and_then(|past| past.source);
        let sources = std::iter::successors(self.claim.source, |source| of_past(source.epoch));
        sources.map(|source| (source.epoch, found(source.archive).unwrap_or(source.revision))).collect()
    }

    /// Where this copy stands among those of its lineage. The epoch never falls while `seq` rises, so that `seq` alone
    /// would do, if no object ever came back damaged or from an old copy of the store: then a later epoch still counts.
    #[must_use]
    pub fn version(&self) -> (Epoch, u64) {
        (self.epoch, self.seq)
    }

    /// Whether this copy is newer than `other`: of the same lineage, in a later version. Two of one version are there only
    /// where no store says which came first; then all prefer the same.
    #[must_use]
    pub fn is_newer_than(&self, other: &Self) -> bool {
        self.lineage == other.lineage && (self.version(), self.nonce) > (other.version(), other.nonce)
    }

    /// Writes the object as JSON, with the owner's mark and, for people, token and cluster id.
    #[must_use]
    pub fn encode(&self, owner: &str) -> Vec<u8> {
        #[derive(Serialize)]
        struct Object<'a> {
            #[serde(flatten)]
            lineage: &'a Lineage,
            owner: &'a str,
            token: String,
            cluster_id: ClusterId,
        }
        let object = Object { lineage: self, owner, token: self.token(), cluster_id: self.cluster_id() };
        serde_json::to_vec_pretty(&object).unwrap_or_default()
    }

    /// Reads the object and the owner's mark. The caller judges the mark before it believes the rest.
    pub fn decode(bytes: &[u8]) -> Result<(Self, String), DecodeError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        #[derive(Deserialize)]
        struct Object {
            #[serde(flatten)]
            lineage: Lineage,
            owner: String,
            cluster_id: ClusterId,
        }
        if bytes.len() > MAX_SIZE_BYTES {
            return Err(DecodeError::TooLarge(bytes.len()));
        }
        let malformed = |error: serde_json::Error| DecodeError::Malformed(error.to_string());
        let Format { format } = serde_json::from_slice(bytes).map_err(malformed)?;
        if format != FORMAT {
            return Err(DecodeError::UnknownFormat(format));
        }
        let object: Object = serde_json::from_slice(bytes).map_err(malformed)?;
        object.lineage.check(object.cluster_id)?;
        Ok((object.lineage, object.owner))
    }

    fn check(&self, cluster_id: ClusterId) -> Result<(), DecodeError> {
        let wrong = |what| Err(DecodeError::Inconsistent(what));
        if self.epoch == Epoch(0) || self.seq == 0 {
            return wrong("epoch and seq begin with 1");
        }
        if self.claim.founders.is_empty() && self.claim.adopted.is_none() {
            return wrong("a claim without founders");
        }
        if self.cluster_id() != cluster_id {
            return wrong("the cluster id does not follow from the founders");
        }
        if self.state == LineageState::Paused && self.pinned.is_none() {
            return wrong("paused with no archive pinned");
        }
        let has_data = !matches!(self.claim.kind, ClaimKind::Birth | ClaimKind::Adopt | ClaimKind::Recover);
        if has_data && self.claim.source.is_none() {
            return wrong("a claim that restores, with no source");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Digest;

    pub(crate) fn example() -> Lineage {
        let founder = |n: u64| Founder {
            node: NodeId(n),
            name: format!("host{n}-{}", NodeId(n)),
            peer_url: format!("https://10.0.0.{n}:2380"),
        };
        let claim = Claim {
            nonce: Nonce(0x11),
            by: NodeId(1),
            kind: ClaimKind::Birth,
            founders: vec![founder(1), founder(2), founder(3)],
            source: None,
            evidence: vec![],
            adopted: None,
        };
        Lineage {
            format: FORMAT,
            lineage: LineageId(0xabc),
            seq: 1,
            nonce: Nonce(0x22),
            epoch: Epoch(1),
            state: LineageState::Forming,
            claim,
            members: vec![],
            pinned: None,
            history: vec![],
        }
    }

    #[test]
    fn it_comes_back_from_json() {
        let lineage = example();
        let (read, owner) = Lineage::decode(&lineage.encode("mark")).unwrap();
        assert_eq!((read, owner.as_str()), (lineage, "mark"));
    }

    /// S22: what a newer e2d wrote is not guessed at.
    #[test]
    fn another_format_is_refused_before_anything_else_is_read() {
        let error = Lineage::decode(br#"{"format":2,"epoch":"seven"}"#).unwrap_err();
        assert_eq!(error, DecodeError::UnknownFormat(2));
        assert!(matches!(Lineage::decode(b"not json"), Err(DecodeError::Malformed(_))));
        assert!(matches!(Lineage::decode(&vec![b' '; MAX_SIZE_BYTES + 1]), Err(DecodeError::TooLarge(_))));
    }

    #[test]
    fn a_forged_cluster_id_or_a_missing_source_is_a_contradiction() {
        let text = String::from_utf8(example().encode("")).unwrap();
        let id = example().cluster_id().to_string();
        let forged = text.replace(&id, "00000000000000aa");
        assert!(matches!(Lineage::decode(forged.as_bytes()), Err(DecodeError::Inconsistent(_))));
        let claim = Claim { kind: ClaimKind::Restore, ..example().claim };
        let restore = Lineage { claim, ..example() };
        assert!(matches!(Lineage::decode(&restore.encode("")), Err(DecodeError::Inconsistent(_))));
    }

    /// S16: equal addresses in two epochs never share an id.
    #[test]
    fn an_epoch_gives_every_member_another_id() {
        let first = example();
        let claim = Claim {
            nonce: Nonce(0x33),
            kind: ClaimKind::Restore,
            source: Some(Source {
                archive: ArchiveId(Digest::of(b"x")),
                epoch: Epoch(1),
                revision: Revision(7),
                bump: 1_000_000_000,
            }),
            ..first.claim.clone()
        };
        let second = first.succeed(Nonce(5), claim);
        assert_ne!(first.cluster_id(), second.cluster_id());
        for (a, b) in first.claim.founders.iter().zip(&second.claim.founders) {
            assert_eq!(a.peer_url, b.peer_url);
            assert_ne!(first.founder_member(a), second.founder_member(b));
        }
        assert_eq!((second.seq, second.epoch, second.history.len()), (2, Epoch(2), 1));
        assert!(second.is_newer_than(&first) && !first.is_newer_than(&second));
        let damaged = Lineage { seq: u64::MAX, ..first.clone() };
        let later = Lineage { epoch: first.epoch.next(), ..second.clone() };
        assert!(later.is_newer_than(&damaged), "no seq hides a later epoch");
    }

    #[test]
    fn history_is_bounded() {
        let mut lineage = example();
        for n in 0..100 {
            lineage = lineage.succeed(Nonce(n), lineage.claim.clone());
        }
        assert_eq!(lineage.history.len(), HISTORY);
        assert_eq!(lineage.history.last().map(|past| past.epoch), Some(Epoch(100)));
    }

    /// S1: two copies of one version, which an old copy of the store lets arise, are told apart by all alike.
    #[test]
    fn of_two_copies_one_is_newer() {
        let (copy, other) = (example(), Lineage { nonce: Nonce(0x23), ..example() });
        assert!(other.is_newer_than(&copy) && !copy.is_newer_than(&other) && !copy.is_newer_than(&example()));
        let later = Lineage { seq: 2, nonce: Nonce(0), ..example() };
        assert!(later.is_newer_than(&other) && !other.is_newer_than(&later));
        assert!(!Lineage { lineage: LineageId(1), seq: 9, ..example() }.is_newer_than(&copy), "of another lineage");
    }
}
