//! Whether the members hold the same: digests of the keyspace at one revision, compared.
//!
//! The leader's node sums its own keyspace now and then and tells it; the others sum theirs at the same
//! revision and tell that. Sums of different compactions say nothing. Two differences in a row, at two
//! revisions, put a member in doubt. Nothing is done about it here: which of them is right is for a person
//! to say, and etcd's own checks, which are on, stop a member that they find corrupt.

use e2d_core::id::{MemberId, NodeId, Nonce, Revision};
use e2d_core::memory;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Differences in a row that put a member in doubt.
const STRIKES: u8 = 2;

/// One member's sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sum {
    /// The claim of its cluster.
    pub(super) claim: Nonce,
    /// Up to which revision.
    pub(super) revision: Revision,
    /// Up to where history was compacted.
    pub(super) compacted: Revision,
    /// The sum.
    pub(super) hash: u32,
}

impl Sum {
    pub(super) fn encode(&self) -> Vec<u8> {
        memory::encode(self)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, memory::DecodeError> {
        memory::decode(bytes)
    }

    /// Whether the other says the same; `None` when the two cannot be compared.
    fn agrees(&self, other: &Self) -> Option<bool> {
        let comparable = |sum: &Self| (sum.claim, sum.revision, sum.compacted);
        (comparable(self) == comparable(other)).then_some(self.hash == other.hash)
    }
}

/// What is known of the others' sums.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    /// Our own newest sum.
    pub(super) mine: Option<Sum>,
    heard: BTreeMap<NodeId, Sum>,
    judged: BTreeMap<MemberId, Revision>,
    strikes: BTreeMap<MemberId, u8>,
}

impl Agreement {
    /// A node told its sum.
    pub(super) fn hear(&mut self, node: NodeId, sum: Sum) {
        self.heard.insert(node, sum);
    }

    /// What a node told last.
    pub(super) fn told(&self, node: NodeId) -> Option<&Sum> {
        self.heard.get(&node)
    }

    /// Compares our sum with those of the other members, each once a revision. Returns how many agree and who differs.
    pub(super) fn judge(&mut self, members: &[(MemberId, NodeId)]) -> (u64, Vec<MemberId>) {
        let (mut equal, mut different) = (0, Vec::new());
        let Some(mine) = self.mine else { return (equal, different) };
        self.strikes.retain(|member, _| members.iter().any(|(listed, _)| listed == member));
        for (member, node) in members {
            let Some(agrees) = self.heard.get(node).and_then(|sum| mine.agrees(sum)) else { continue };
            if self.judged.insert(*member, mine.revision) == Some(mine.revision) {
                continue;
            }
            if agrees {
                equal += 1;
                self.strikes.remove(member);
            } else {
                different.push(*member);
                let strikes = self.strikes.entry(*member).or_default();
                *strikes = strikes.saturating_add(1);
            }
        }
        (equal, different)
    }

    /// Who differed often enough.
    pub(super) fn in_doubt(&self) -> BTreeSet<MemberId> {
        self.strikes.iter().filter(|(_, strikes)| **strikes >= STRIKES).map(|(member, _)| *member).collect()
    }

    /// We do not lead, so we do not judge.
    pub(super) fn abstain(&mut self) {
        self.strikes.clear();
        self.judged.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(revision: i64, compacted: i64, hash: u32) -> Sum {
        Sum { claim: Nonce(1), revision: Revision(revision), compacted: Revision(compacted), hash }
    }

    const OTHERS: [(MemberId, NodeId); 2] = [(MemberId(2), NodeId(20)), (MemberId(3), NodeId(30))];

    #[test]
    fn two_differences_in_a_row_are_a_doubt_and_one_agreement_ends_it() {
        let mut agreement = Agreement::default();
        for (revision, hash, doubt) in [(10, 9, false), (11, 9, true), (12, 7, false), (13, 9, false)] {
            agreement.mine = Some(sum(revision, 1, 7));
            agreement.hear(NodeId(20), sum(revision, 1, hash));
            agreement.hear(NodeId(30), sum(revision, 1, 7));
            let (equal, different) = agreement.judge(&OTHERS);
            assert_eq!((equal, different.len()), if hash == 7 { (2, 0) } else { (1, 1) });
            assert_eq!(agreement.judge(&OTHERS), (0, vec![]), "once a revision");
            assert_eq!(agreement.in_doubt().contains(&MemberId(2)), doubt, "at revision {revision}");
            assert!(!agreement.in_doubt().contains(&MemberId(3)));
        }
    }

    #[test]
    fn what_cannot_be_compared_says_nothing() {
        let mut agreement = Agreement { mine: Some(sum(10, 5, 7)), ..Agreement::default() };
        let other_cluster = Sum { claim: Nonce(2), ..sum(10, 5, 9) };
        for told in [sum(9, 5, 9), sum(10, 4, 9), other_cluster] {
            agreement.hear(NodeId(20), told);
            assert_eq!(agreement.judge(&OTHERS), (0, vec![]));
        }
        agreement.hear(NodeId(20), Sum::decode(&sum(10, 5, 9).encode()).unwrap());
        assert_eq!(agreement.judge(&OTHERS).1, [MemberId(2)]);
    }

    #[test]
    fn who_is_no_member_any_more_is_in_no_doubt() {
        let mut agreement = Agreement::default();
        for revision in [10, 11] {
            agreement.mine = Some(sum(revision, 1, 7));
            agreement.hear(NodeId(20), sum(revision, 1, 9));
            agreement.judge(&OTHERS);
        }
        assert_eq!(agreement.in_doubt(), [MemberId(2)].into());
        agreement.judge(&OTHERS[1..]);
        assert!(agreement.in_doubt().is_empty());
    }
}
