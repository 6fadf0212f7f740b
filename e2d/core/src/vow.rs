//! Birth without a store: vows.
//!
//! A proposal is a round and exactly N disks, made by the lowest of them. An empty disk vows to it
//! durably, only in rising rounds, never after it has started, and only to sets that hold a majority
//! of each set it vowed to before. It starts when it has seen the vow of every disk in the set. So
//! among fewer than 2 N disks no two sets can both start with a majority (ADR 0004;
//! the weakened rules fail in the property test below).

use crate::id::{Digest, LineageId, NodeId, Nonce};
use crate::quorum::majority;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A durable promise to found a cluster with exactly these disks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Vow {
    /// Rises with each proposal; begins with 1.
    pub round: u64,
    /// The founders, in ascending order.
    pub founders: BTreeSet<NodeId>,
}

impl Vow {
    /// Whether a disk that made `earlier` vows may make this one.
    #[must_use]
    pub fn may_follow(&self, earlier: &[Self]) -> bool {
        let shares_majority = |set: &BTreeSet<NodeId>| set.intersection(&self.founders).count() >= majority(set.len());
        earlier.iter().all(|vow| vow.round < self.round && shares_majority(&vow.founders))
    }

    /// The id of the lineage and the nonce of the claim that this proposal, once vowed by all, founds.
    /// Two proposals never share either.
    #[must_use]
    pub fn founds(&self) -> (LineageId, Nonce) {
        let mut bytes = b"e2d vow 1".to_vec();
        bytes.extend(self.round.to_be_bytes());
        self.founders.iter().for_each(|node| bytes.extend(node.0.to_be_bytes()));
        let digest = Digest::of(&bytes).0;
        let half = |range: std::ops::Range<usize>| digest[range].iter().fold(0u128, |n, &b| n << 8 | u128::from(b));
        (LineageId(half(0..16)), Nonce(half(16..32)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(nodes: &[u64]) -> BTreeSet<NodeId> {
        nodes.iter().copied().map(NodeId).collect()
    }

    /// Per disk: the proposals it vowed to, oldest first, and whether it started the last.
    type Disks = [(Vec<usize>, bool); 5];

    /// Explores every order in which five disks can vow and start, and tells whether two proposals
    /// ever both had a majority of started disks. `allowed(next, earlier)` is asked of each pair.
    fn can_split(proposals: &[Vow], allowed: impl Fn(&Vow, &Vow) -> bool) -> bool {
        let members: Vec<Vec<usize>> =
            proposals.iter().map(|vow| vow.founders.iter().map(|node| node.0 as usize - 1).collect()).collect();
        let mut seen: BTreeSet<Disks> = BTreeSet::new();
        let mut todo: Vec<Disks> = vec![Disks::default()];
        while let Some(world) = todo.pop() {
            if !seen.insert(world.clone()) {
                continue;
            }
            let started =
                |p: usize| members[p].iter().filter(|&&d| world[d].1 && world[d].0.last() == Some(&p)).count();
            if (0..proposals.len()).filter(|&p| started(p) >= majority(3)).count() > 1 {
                return true;
            }
            for (p, vow) in proposals.iter().enumerate() {
                let complete = members[p].iter().all(|&disk| world[disk].0.contains(&p));
                for &disk in members[p].iter().filter(|&&disk| !world[disk].1) {
                    let vows = &world[disk].0;
                    let may = !vows.contains(&p) && vows.iter().all(|&earlier| allowed(vow, &proposals[earlier]));
                    let mut next = world.clone();
                    if vows.last() == Some(&p) {
                        next[disk].1 = complete;
                    } else if may {
                        next[disk].0.push(p);
                    }
                    todo.push(next);
                }
            }
        }
        false
    }

    fn proposals(sets: [&[u64]; 3]) -> Vec<Vow> {
        (1..=2).flat_map(|round| sets.map(|founders| Vow { round, founders: set(founders) })).collect()
    }

    /// S1 without a store, among fewer than 2 N disks.
    #[test]
    fn no_two_proposals_can_both_start() {
        let shared_pair = proposals([&[1, 2, 3], &[1, 2, 4], &[1, 2, 5]]);
        let chain = proposals([&[1, 2, 3], &[2, 3, 4], &[3, 4, 5]]);
        let rule = |next: &Vow, earlier: &Vow| next.may_follow(std::slice::from_ref(earlier));
        assert!(!can_split(&shared_pair, rule));
        assert!(!can_split(&chain, rule));
    }

    /// Each half of the rule is needed: without it the same search finds two clusters.
    #[test]
    fn either_half_of_the_rule_alone_splits() {
        let chain = proposals([&[1, 2, 3], &[2, 3, 4], &[3, 4, 5]]);
        assert!(can_split(&chain, |next, earlier| earlier.round < next.round));
        let shared_pair = proposals([&[1, 2, 3], &[1, 2, 4], &[1, 2, 5]]);
        assert!(can_split(&shared_pair, |next, earlier| next.founders.intersection(&earlier.founders).count() >= 2));
    }

    #[test]
    fn every_proposal_founds_something_else() {
        let a = Vow { round: 1, founders: set(&[1, 2, 3]) };
        let b = Vow { round: 2, founders: set(&[1, 2, 3]) };
        let c = Vow { round: 1, founders: set(&[1, 2, 4]) };
        assert_ne!(a.founds(), b.founds());
        assert_ne!(a.founds().0, c.founds().0);
    }
}
