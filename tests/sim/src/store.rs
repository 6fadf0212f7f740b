//! A model of the store: one lineage object under compare-and-swap, and archives.
//!
//! It is strongly consistent to whoever writes; a look may show it as it was a moment ago. Each node
//! may be cut off from it, be told "denied", or wait long; replies may be lost; a write may land long
//! after its sender gave up on it. All that is decided by the caller, who knows whom it is for. An
//! archive keeps, beside what it holds, what it ought to hold: the truth that a wrong store hides.

use crate::raft::Keys;
use e2d_core::id::{ArchiveId, Digest, Nonce};
use e2d_core::lineage::Lineage;
use e2d_core::observe::{ArchiveSeen, StoreView, Trouble, Version};
use e2d_core::time::Moment;

/// How the store treats one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// It answers.
    #[default]
    Open,
    /// It answers late.
    Slow,
    /// It does not answer.
    Down,
    /// It refuses.
    Denied,
}

impl Access {
    /// Whether requests get an answer of use.
    #[must_use]
    pub fn answers(self) -> bool {
        matches!(self, Self::Open | Self::Slow)
    }
}

/// One archive.
#[derive(Clone, Debug)]
pub struct Archive {
    /// What the catalogue shows.
    pub seen: ArchiveSeen,
    /// What it holds.
    pub keys: Keys,
    /// What was read from etcd for it.
    pub whole: Keys,
    /// The claim of the cluster that it was taken from.
    pub claim: Nonce,
    /// Whether it can be read.
    pub damaged: bool,
    kept: Moment,
}

/// The store.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// Every version of the lineage object, oldest first, and when it was written; none when somebody
    /// had deleted it.
    pub versions: Vec<(Moment, Option<Lineage>)>,
    /// The archives, oldest first.
    pub archives: Vec<Archive>,
    /// Whether something else in it is, or was, a backup.
    pub other_backups: bool,
}

/// Why a conditional write did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict;

impl Store {
    /// The lineage object.
    #[must_use]
    pub fn lineage(&self) -> Option<&Lineage> {
        self.versions.last().and_then(|(_, lineage)| lineage.as_ref())
    }

    /// One look, at the store as it was at `moment`.
    pub fn look(&self, access: Access, moment: Moment) -> Result<StoreView, Trouble> {
        match access {
            Access::Down => return Err(Trouble::Unreachable("no answer".into())),
            Access::Denied => return Err(Trouble::Denied("403".into())),
            Access::Open | Access::Slow => {}
        }
        let count = self.versions.partition_point(|(at, _)| *at <= moment);
        let last = count.checked_sub(1).and_then(|last| self.versions[last].1.clone());
        let lineage = last.map(|lineage| (lineage, version(count)));
        let kept = || self.archives.iter().filter(|archive| archive.kept <= moment);
        let readable = kept().filter(|archive| !archive.damaged).map(|archive| archive.seen);
        let other_backups = self.other_backups || kept().any(|archive| archive.damaged);
        Ok(StoreView { lineage, archives: readable.collect(), other_backups, ..StoreView::default() })
    }

    /// Writes the lineage object if it is still at the version named.
    ///
    /// # Errors
    /// [`Conflict`]: it is not, and nothing was written.
    pub fn swap(&mut self, replaces: Option<&Version>, lineage: &Lineage, now: Moment) -> Result<(), Conflict> {
        let current = self.lineage().map(|_| version(self.versions.len()));
        if current.as_ref() != replaces {
            return Err(Conflict);
        }
        self.put(lineage, now);
        Ok(())
    }

    /// Writes the lineage object whatever is there: what only a wrong store does.
    pub fn put(&mut self, lineage: &Lineage, now: Moment) {
        self.versions.push((now, Some(lineage.clone())));
    }

    /// Somebody deletes the lineage object.
    pub fn delete_lineage(&mut self, now: Moment) {
        self.versions.push((now, None));
    }

    /// Keeps an archive, named by its content.
    pub fn keep(&mut self, seen: ArchiveSeen, keys: Keys, claim: Nonce, now: Moment) -> ArchiveId {
        let id = ArchiveId(Digest::of(format!("{seen:?}{:?}{:?}", keys.revision, keys.writes).as_bytes()));
        if self.archive(id).is_none() {
            let whole = keys.clone();
            let seen = ArchiveSeen { id, ..seen };
            self.archives.push(Archive { seen, keys, whole, claim, damaged: false, kept: now });
        }
        id
    }

    /// The archive of this name.
    #[must_use]
    pub fn archive(&self, id: ArchiveId) -> Option<&Archive> {
        self.archives.iter().find(|archive| archive.seen.id == id)
    }

    /// An archive was read back, and is what it says.
    pub fn verified(&mut self, id: ArchiveId) {
        if let Some(archive) = self.archives.iter_mut().find(|archive| archive.seen.id == id) {
            archive.seen.verified = true;
        }
    }
}

fn version(count: usize) -> Version {
    Version(count.to_string())
}
