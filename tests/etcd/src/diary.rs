//! What clients were promised: every acknowledged write, with the revision that etcd gave it.

use std::collections::{BTreeMap, BTreeSet};

/// The folder of all writes of a story, in etcd's keyspace.
pub(crate) const FOLDER: &str = "story/";

/// Every acknowledgement of a story.
#[derive(Debug, Default)]
pub(crate) struct Diary {
    next: u32,
    acked: BTreeMap<u32, i64>,
    newest: i64,
    went_back: Option<String>,
}

impl Diary {
    /// The number of the next write. Each is given once, whether it will be acknowledged or not.
    pub(crate) fn begin(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// The key of a write.
    pub(crate) fn key(write: u32) -> String {
        format!("{FOLDER}{write:06}")
    }

    /// Notes an acknowledgement. Writes follow one another, so each has a revision above all before it
    /// (S9), whichever server gave it (S1).
    pub(crate) fn acknowledge(&mut self, write: u32, revision: i64) {
        if revision <= self.newest && self.went_back.is_none() {
            self.went_back = Some(format!("write {write} has revision {revision}, after {}", self.newest));
        }
        self.newest = self.newest.max(revision);
        self.acked.insert(write, revision);
    }

    /// The highest number that was acknowledged.
    pub(crate) fn last(&self) -> u32 {
        self.acked.last_key_value().map_or(0, |(write, _)| *write)
    }

    /// How many were acknowledged.
    pub(crate) fn len(&self) -> usize {
        self.acked.len()
    }

    /// The highest revision that a client has seen.
    pub(crate) fn newest(&self) -> i64 {
        self.newest
    }

    /// Where a revision was not above all before it.
    pub(crate) fn went_back(&self) -> Option<&str> {
        self.went_back.as_deref()
    }

    /// Every acknowledged write that was not forgiven.
    pub(crate) fn acknowledged(&self) -> BTreeSet<u32> {
        self.acked.keys().copied().collect()
    }

    /// Releases the promises about what was acknowledged until now, above this revision.
    pub(crate) fn forgive_above(&mut self, revision: i64) {
        self.acked.retain(|_, acked| *acked <= revision);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_that_goes_back_is_kept() {
        let mut diary = Diary::default();
        for revision in [2, 3, 5] {
            let write = diary.begin();
            diary.acknowledge(write, revision);
        }
        assert_eq!(diary.went_back(), None);
        let write = diary.begin();
        diary.acknowledge(write, 5);
        assert_eq!(diary.went_back(), Some("write 4 has revision 5, after 5"));
    }

    #[test]
    fn only_what_no_archive_held_is_forgiven() {
        let mut diary = Diary::default();
        for revision in [2, 3, 5] {
            let write = diary.begin();
            diary.acknowledge(write, revision);
        }
        diary.forgive_above(3);
        assert_eq!(diary.acknowledged(), BTreeSet::from([1, 2]));
    }
}
