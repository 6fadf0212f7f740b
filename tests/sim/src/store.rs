//! A model of the store: one lineage object under compare-and-swap, and archives.
//!
//! Each node may be cut off from it, or be told "denied"; replies may be lost; a write may land long
//! after its sender gave up on it.

use crate::raft::Keys;
use e2d_core::id::{ArchiveId, Digest};
use e2d_core::lineage::Lineage;
use e2d_core::observe::{ArchiveSeen, StoreView, Trouble, Version};
use std::collections::BTreeMap;

/// How the store treats one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// It answers.
    #[default]
    Open,
    /// It does not answer.
    Down,
    /// It refuses.
    Denied,
}

/// The store.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// The lineage object and how often it was written.
    pub lineage: Option<(Lineage, u64)>,
    /// The archives, and what they hold.
    pub archives: BTreeMap<ArchiveId, (ArchiveSeen, Keys)>,
    /// Every version that was ever written, for the invariants.
    pub history: Vec<Lineage>,
}

/// Why a conditional write did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict;

impl Store {
    /// One look.
    pub fn look(&self, access: Access) -> Result<StoreView, Trouble> {
        match access {
            Access::Down => return Err(Trouble::Unreachable("no answer".into())),
            Access::Denied => return Err(Trouble::Denied("403".into())),
            Access::Open => {}
        }
        Ok(StoreView {
            lineage: self.lineage.as_ref().map(|(lineage, count)| (lineage.clone(), Version(count.to_string()))),
            archives: self.archives.values().map(|(seen, _)| *seen).collect(),
            other_backups: false,
        })
    }

    /// Writes the lineage object if it is still at the version named.
    ///
    /// # Errors
    /// [`Conflict`]: it is not, and nothing was written.
    pub fn swap(&mut self, replaces: Option<&Version>, lineage: &Lineage) -> Result<(), Conflict> {
        let current = self.lineage.as_ref().map(|(_, count)| Version(count.to_string()));
        if current.as_ref() != replaces {
            return Err(Conflict);
        }
        self.put(lineage);
        Ok(())
    }

    /// Writes the lineage object whatever is there: what only a wrong store does.
    pub fn put(&mut self, lineage: &Lineage) {
        let count = self.lineage.as_ref().map_or(0, |(_, count)| *count) + 1;
        self.lineage = Some((lineage.clone(), count));
        self.history.push(lineage.clone());
    }

    /// Keeps an archive, named by its content.
    pub fn keep(&mut self, seen: ArchiveSeen, keys: Keys) -> ArchiveId {
        let id = ArchiveId(Digest::of(format!("{seen:?}{keys:?}").as_bytes()));
        self.archives.insert(id, (ArchiveSeen { id, ..seen }, keys));
        id
    }
}
