//! What a store holds: archives, what is left of archives, and what other programs put there.
//!
//! Nothing is ever missing from a catalogue without being said (S2). A store that does not answer, and a list
//! that cannot be had, are errors. One object that cannot be read while the store lets us in otherwise, such as
//! a file of somebody else's, is no reason to see nothing at all: its archive is in the catalogue, as one that
//! nobody can read or that counts as not verified, with the reason. What can be read and is bad is in it too,
//! as such: damaged, unreadable by this version, or incomplete.

mod list;
mod objects;
mod reader;

pub use reader::Reader;

use crate::archive::{Archive, ArchiveName, Check, FOLDER};
use crate::store::{Entry, Key, Prefix, Store, StoreError};
use e2d_core::id::{ArchiveId, Epoch, LineageId};
use objects::Objects;
use std::sync::Arc;

/// The most archives that are read once. Retention keeps some 300 of them.
const MAX_ARCHIVES: usize = 20_000;
/// How many archives that cannot be restored may be newer than the newest that can.
const MOST_PASSED_OVER: usize = 16;
/// The folder of increments to archives.
const SEGMENTS: &str = "segments/";

/// What a store holds, besides the lineage object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The archives whose manifest is good and whose data has the right size, oldest epoch and revision
    /// first.
    pub archives: Vec<Listed>,
    /// What has a manifest and cannot be restored.
    pub damaged: Vec<Damaged>,
    /// Archives that this version, or this user, cannot read, and which may be good.
    pub unreadable: Vec<Unreadable>,
    /// What has data and no manifest: being written now, or left by a writer that died.
    pub incomplete: Vec<ArchiveName>,
    /// How many archives there are besides, all of them older than these: more than the reader keeps.
    pub left_out: usize,
    /// Backups of the program before. At most 1000 are named.
    pub old: Vec<Entry>,
    /// Other objects in the folder of archives. At most 1000 are named.
    pub foreign: Vec<Key>,
}

/// An archive and how much it is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What its manifest says.
    pub archive: Archive,
    /// The record of its last read-back, which says *sound*; `None` if there is none (S15).
    pub verified: Option<Check>,
    /// Why that record cannot be read, for people, if it is there and cannot: then nobody knows what it says, and
    /// it counts for nothing.
    pub unread: Option<String>,
}

/// What has a manifest and cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Where it lies.
    pub name: ArchiveName,
    /// What its manifest says, where that could be read: then it can be read back once more.
    pub archive: Option<Box<Archive>>,
    /// Why, for people.
    pub reason: String,
}

/// An archive that this version, or this user, cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Where it lies.
    pub name: ArchiveName,
    /// Why, for people.
    pub reason: String,
}

/// Whether a store holds anything that a birth could bury.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The store was reached, and there is no archive, whole or not, and no old backup.
    Nothing,
    /// There are archives, or something where archives belong.
    Archives,
    /// There are no archives, but backups of the program before.
    OldBackups,
}

impl Contents {
    /// Whether nothing here could be missed. Anything in the folder of archives counts, whatever it is.
    #[must_use]
    pub fn presence(&self) -> Presence {
        let none = self.archives.is_empty()
            && self.damaged.is_empty()
            && self.unreadable.is_empty()
            && self.incomplete.is_empty()
            && self.foreign.is_empty()
            && self.left_out == 0;
        match (none, self.old.is_empty()) {
            (true, true) => Presence::Nothing,
            (true, false) => Presence::OldBackups,
            (false, _) => Presence::Archives,
        }
    }

    /// Whether there is anything besides restorable archives that is, or was, a backup, or lies where
    /// backups belong.
    #[must_use]
    pub fn has_others(&self) -> bool {
        !(self.damaged.is_empty()
            && self.unreadable.is_empty()
            && self.incomplete.is_empty()
            && self.foreign.is_empty()
            && self.old.is_empty()
            && self.left_out == 0)
    }

    /// Finds an archive by its digest.
    #[must_use]
    pub fn find(&self, id: ArchiveId) -> Option<&Listed> {
        self.archives.iter().find(|listed| listed.archive.id == id)
    }
}

/// Asks only whether there is anything, with three short lists. This is what a birth needs (S2).
pub async fn presence(store: &dyn Store) -> Result<Presence, StoreError> {
    for (prefix, found) in
        [(FOLDER, Presence::Archives), (SEGMENTS, Presence::Archives), (list::OLD, Presence::OldBackups)]
    {
        if !store.list(&Prefix::known(prefix), None, 1).await?.entries.is_empty() {
            return Ok(found);
        }
    }
    Ok(Presence::Nothing)
}

/// Reads the catalogue once: one manifest and one record for each archive, 16 archives at a time. Of more than
/// 20 000 archives the newest are read.
pub async fn read(store: &Arc<dyn Store>) -> Result<Contents, StoreError> {
    Reader::new(store.clone(), MAX_ARCHIVES).read().await
}

/// The newest archive of a cluster's epoch that can be restored, whether it was read back or not. What is unfinished,
/// damaged or another cluster's is passed over, up to 16 times.
pub async fn newest(store: &dyn Store, lineage: LineageId, epoch: Epoch) -> Result<Option<Listed>, StoreError> {
    let found = list::archives(store, &ArchiveName::folder(epoch), MOST_PASSED_OVER + 1).await?;
    for (name, parts) in found.named.iter().rev() {
        let (mut contents, mut objects) = (Contents::default(), Objects::default());
        if let Some(wanted) = objects.wanted(parts) {
            objects = Objects::read(store, *name, wanted).await?;
        }
        objects.sort_into(&mut contents, *name, parts);
        if let Some(listed) = contents.archives.pop().filter(|listed| listed.archive.manifest.lineage == lineage) {
            return Ok(Some(listed));
        }
    }
    Ok(None)
}
