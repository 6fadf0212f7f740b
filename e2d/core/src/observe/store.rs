//! One look at the store: what it showed, or why it showed nothing.

use crate::id::{ArchiveId, Epoch, LineageId, NodeId, Revision};
use crate::lineage::Lineage;
use crate::memory::Place;
use std::fmt;

/// One archive as the store's catalogue shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveSeen {
    /// Which archive.
    pub id: ArchiveId,
    /// The logical cluster it was taken from.
    pub lineage: LineageId,
    /// The epoch it was taken in.
    pub epoch: Epoch,
    /// The revision it holds.
    pub revision: Revision,
    /// Raft term when it was taken.
    pub term: u64,
    /// Raft index when it was taken.
    pub index: u64,
    /// The disk it was taken from.
    pub node: NodeId,
    /// Whether it was read back and opened as a database.
    pub verified: bool,
}

impl ArchiveSeen {
    /// Whether it was taken in the epoch of this place. A folder may hold the archives of several clusters.
    #[must_use]
    pub fn is_of(&self, place: &Place) -> bool {
        (self.lineage, self.epoch) == (place.lineage, place.epoch)
    }
}

/// Why the store told us nothing. None of these is "empty".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It did not answer.
    Unreachable(String),
    /// It refused us.
    Denied(String),
    /// It is not what it should be: a file where a folder was, an object that cannot be read.
    Malformed(String),
    /// It belongs to a cluster with another gossip key.
    ForeignOwner(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Unreachable(what) | Self::Denied(what) | Self::Malformed(what) | Self::ForeignOwner(what)) = self;
        f.write_str(what)
    }
}

/// Names one version of the lineage object, for compare-and-swap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub String);

/// What one look at the store showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreView {
    /// The lineage object and its version; `None` when the store said that there is none.
    pub lineage: Option<(Lineage, Version)>,
    /// Whether the object bears the mark of a gossip key that is not the newest: it is to be written again.
    pub former_mark: bool,
    /// Archives of ours, oldest first.
    pub archives: Vec<ArchiveSeen>,
    /// Whether there is anything else that is, or was, a backup: of another program, or damaged.
    pub other_backups: bool,
}

impl StoreView {
    /// An archive of another cluster than that of this place.
    #[must_use]
    pub fn foreign_archive(&self, place: &Place) -> Option<&ArchiveSeen> {
        self.archives.iter().find(|archive| archive.lineage != place.lineage)
    }
}
