//! A short summary of a store of items, by which two nodes find out what the other lacks.
//!
//! Each node falls into one of 64 buckets; a bucket's sum is the exclusive or of its heads' hashes,
//! kept up to date item by item. It is for finding differences among nodes that trust each other, not
//! for security.

use super::Head;
use crate::fnv::Fnv;
use e2d_core::id::NodeId;
use std::hash::Hasher as _;

pub(crate) const BUCKETS: usize = 64;

/// The bucket of a node's items.
pub(crate) fn bucket(node: NodeId) -> usize {
    let mut hasher = Fnv::default();
    hasher.write(&node.0.to_be_bytes());
    hasher.finish() as usize % BUCKETS
}

fn hash(head: &Head) -> u64 {
    let mut hasher = Fnv::default();
    hasher.write(&head.origin.0.to_be_bytes());
    hasher.write(&[head.topic]);
    hasher.write(&head.version.bump.to_be_bytes());
    hasher.write(&head.version.boot.0.to_be_bytes());
    hasher.write(&head.version.counter.to_be_bytes());
    hasher.finish()
}

/// The sums of all buckets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sums([u64; BUCKETS]);

impl Default for Sums {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

impl Sums {
    /// Adds a head, or takes it out when it is in.
    pub(crate) fn toggle(&mut self, head: &Head) {
        self.0[bucket(head.origin)] ^= hash(head);
    }

    /// One number for everything. Zero for an empty store.
    pub(crate) fn root(&self) -> u64 {
        self.0.iter().fold(0, |root, sum| root ^ sum)
    }

    /// The buckets that differ, as bits.
    pub(crate) fn differing(&self, other: &Self) -> u64 {
        let differs = |at: &usize| self.0[*at] != other.0[*at];
        (0..BUCKETS).filter(differs).fold(0, |mask, at| mask | 1 << at)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|sum| sum.to_be_bytes()).collect()
    }

    /// None unless there are exactly as many sums as buckets.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<8>();
        let sums: Vec<u64> = chunks.iter().map(|chunk| u64::from_be_bytes(*chunk)).collect();
        rest.is_empty().then_some(())?;
        sums.try_into().ok().map(Self)
    }
}
