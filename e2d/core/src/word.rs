//! What a node tells the others about itself.
//!
//! One versioned record under the node's own counter, so that late news never overrides fresh news.
//! Its phase, place, seal and former ids are *facts*: the node made them durable before it told
//! them. All else in it is a hint. What one node says about another is never believed.

use crate::id::{ClusterId, Epoch, LineageId, MemberId, NodeId, Nonce, Revision};
use crate::lineage::LineageState;
use crate::memory::{Phase, Place};
use crate::vow::Vow;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The first byte of an encoded word. A later version may append fields and keep it.
const VERSION: u8 = 1;

/// What a node's own look at the store showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoreWord {
    /// None is configured.
    #[default]
    None,
    /// Not looked yet, or the look failed.
    Unknown,
    /// Reached, and there is no lineage and no archive.
    Absent,
    /// Reached, and there is this lineage.
    Lineage(LineageId),
    /// Reached; no lineage, but archives.
    ArchivesOnly,
    /// Reached, again and again, and this lineage, which another node sees in its store, is not there.
    Differs(LineageId),
}

/// What a node's own etcd does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EtcdWord {
    /// Does not run.
    #[default]
    Stopped,
    /// Runs, for e2d alone.
    Gated,
    /// Runs, for clients.
    Open,
}

/// How far a disk's etcd may have come in the disk's place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Past {
    /// It was never started.
    #[default]
    NeverRan,
    /// It may have spoken to other members.
    Ran,
    /// It may have served clients.
    Opened,
}

/// The digest of a member's whole keyspace at a revision (etcd's `HashKV`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvHash {
    /// At which revision.
    pub revision: Revision,
    /// The revision up to which history was compacted: only equal ones can be compared.
    pub compacted: Revision,
    /// The digest.
    pub hash: u32,
}

/// How far a node's etcd has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Raft term.
    pub term: u64,
    /// Raft index applied.
    pub index: u64,
    /// Store revision.
    pub revision: Revision,
    /// Whether it leads.
    pub leads: bool,
    /// Whether a linearizable read through it worked lately.
    pub serves: bool,
}

/// A seat in the cluster, offered to one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// For whom.
    pub node: NodeId,
    /// The epoch of the cluster.
    pub epoch: Epoch,
    /// The claim that founded it.
    pub claim: Nonce,
    /// etcd's id of the cluster.
    pub cluster: ClusterId,
    /// The learner's raft id.
    pub member: MemberId,
    /// Name and peer URL of every member, the newcomer included: `--initial-cluster`.
    pub members: Vec<(String, String)>,
}

/// The newest lineage copy that a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Which lineage.
    pub lineage: LineageId,
    /// Its epoch.
    pub epoch: Epoch,
    /// How often the object was written.
    pub seq: u64,
    /// Where the epoch stands.
    pub state: LineageState,
}

/// A node's word about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// The name its etcd runs under, or would: a label, then the node id.
    pub name: String,
    /// Where other members reach its etcd.
    pub peer_url: String,
    /// Where clients reach its etcd.
    pub client_url: String,
    /// The machine's own id.
    pub machine: String,
    /// Whether its data directory is a mount of its own now.
    pub mounted: bool,
    /// The cloud's name of the machine.
    pub instance: Option<String>,
    /// The zone it stands in.
    pub zone: Option<String>,
    /// Ids that this disk gave up.
    pub former: Vec<NodeId>,
    /// Where the disk stands.
    pub phase: Phase,
    /// The cluster it belongs to.
    pub place: Option<Place>,
    /// Counts the starts of etcd on this disk.
    pub start: u64,
    /// The `seq` that its seal was made under.
    pub seal: Option<u64>,
    /// Whether the data directory holds etcd's data.
    pub has_data: bool,
    /// Its last vow.
    pub vow: Option<Vow>,
    /// The disks of all its vows: any later one must be to a majority of each.
    pub bound: Vec<BTreeSet<NodeId>>,
    /// The newest lineage copy it has.
    pub known: Option<Known>,
    /// What it sees of the store.
    pub store: StoreWord,
    /// What its etcd does.
    pub etcd: EtcdWord,
    /// How far its etcd has come; `None` while it does not answer.
    pub progress: Option<Progress>,
    /// The digest of a restored keyspace.
    pub hash: Option<KvHash>,
    /// How many bytes of a restore are done, while one goes on.
    pub restored_bytes: Option<u64>,
    /// The claim that it cannot found.
    pub failed: Option<Nonce>,
    /// The seat that it, as the leader, offers.
    pub invitation: Option<Invitation>,
    /// How far its etcd may have come there.
    pub past: Past,
}

/// A word that cannot be read. It was dropped; the node's earlier word holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A version that this e2d does not know.
    #[error("a word of version {0}; this e2d reads version {VERSION}")]
    UnknownVersion(u8),
    /// Damaged, or of a newer version than it says.
    #[error("a damaged word: {0}")]
    Malformed(String),
}

impl Word {
    /// Writes the word.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![VERSION]).unwrap_or_default()
    }

    /// Reads a word. What a later version appended is ignored here, and relayed untouched by gossip.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes.split_first() {
            Some((&VERSION, body)) => postcard::take_from_bytes(body)
                .map(|(word, _appended)| word)
                .map_err(|error| DecodeError::Malformed(error.to_string())),
            Some((&version, _)) => Err(DecodeError::UnknownVersion(version)),
            None => Err(DecodeError::Malformed("empty".to_owned())),
        }
    }

    /// Whether the node may still found or join any cluster: it has never started etcd in one, and holds no data of
    /// which nobody knows whose it is.
    #[must_use]
    pub fn is_free(&self) -> bool {
        match self.phase {
            Phase::Empty => !self.has_data,
            Phase::Founding => self.past < Past::Opened,
            Phase::Joining | Phase::Member | Phase::Sealed | Phase::Abandoned => false,
        }
    }

    /// Whether the disk says that nothing is on it, of any cluster.
    #[must_use]
    pub fn holds_nothing(&self) -> bool {
        self.phase == Phase::Empty && !self.has_data
    }

    /// Whether the disk holds, or may hold, data of this epoch that it has not given up.
    #[must_use]
    pub fn holds(&self, lineage: LineageId, epoch: Epoch) -> bool {
        let here = self.place.is_some_and(|place| place.lineage == lineage && place.epoch == epoch);
        here && matches!(self.phase, Phase::Member | Phase::Joining | Phase::Sealed)
    }

    /// Whether the node has promised to found exactly this claim.
    #[must_use]
    pub fn founds(&self, claim: Nonce) -> bool {
        matches!(self.phase, Phase::Founding | Phase::Member) && self.place.is_some_and(|place| place.claim == claim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_word_comes_back_and_appended_fields_are_ignored() {
        let word = Word { name: "a-01".into(), start: 7, former: vec![NodeId(9)], ..Word::default() };
        let mut bytes = word.encode();
        bytes.extend(b"fields of a later version");
        assert_eq!(Word::decode(&bytes), Ok(word));
        assert_eq!(Word::decode(&[9, 1, 2]), Err(DecodeError::UnknownVersion(9)));
    }

    proptest! {
        /// S22: no bytes make the decoder panic or allocate what they only announce.
        #[test]
        fn no_bytes_break_the_decoder(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Word::decode(&bytes);
            let _ = Word::decode(&[&[VERSION], bytes.as_slice()].concat());
        }
    }
}
