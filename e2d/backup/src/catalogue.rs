//! What a store holds: archives, what is left of archives, and what other programs put there.
//!
//! Nothing is ever missing from a catalogue without being said (S2). A store that does not answer, and a list
//! that cannot be had, are errors. One object that cannot be read while the store lets us in otherwise, such as
//! a file of somebody else's, is no reason to see nothing at all: its archive is in the catalogue, as one that
//! nobody can read or that counts as not verified, with the reason. What can be read and is bad is in it too,
//! as such: damaged, unreadable by this version, or incomplete.

use crate::archive::{
    Archive, ArchiveName, Check, FOLDER, MAX_CHECK_BYTES, MAX_MANIFEST_BYTES, Manifest, ManifestError, Outcome, Part,
};
use crate::lineage;
use crate::store::{Entry, Key, LIST_LIMIT, Prefix, Span, Store, StoreError};
use e2d_core::id::ArchiveId;
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use tokio::task::JoinSet;

/// The most archives that are read. Retention keeps some 300 of them.
const MAX_ARCHIVES: usize = 20_000;
/// The most names of other objects that are kept.
const MAX_OTHERS: usize = 1000;
/// How many archives are read at once.
const AT_ONCE: usize = 16;
/// How the keys of the program before begin: `etcd.snapshot`, `etcd.snapshot.<time>`,
/// `etcd.snapshot.LATEST`.
const OLD: &str = "etcd.snapshot";
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
            && self.foreign.is_empty();
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
            && self.old.is_empty())
    }

    /// Whether some object is there and cannot be read.
    fn is_closed_in_part(&self) -> bool {
        !self.unreadable.is_empty() || self.archives.iter().any(|listed| listed.unread.is_some())
    }

    /// Finds an archive by its digest.
    #[must_use]
    pub fn find(&self, id: ArchiveId) -> Option<&Listed> {
        self.archives.iter().find(|listed| listed.archive.id == id)
    }
}

/// Asks only whether there is anything, with three short lists. This is what a birth needs (S2).
pub async fn presence(store: &dyn Store) -> Result<Presence, StoreError> {
    for (prefix, found) in [(FOLDER, Presence::Archives), (SEGMENTS, Presence::Archives), (OLD, Presence::OldBackups)] {
        if !store.list(&Prefix::known(prefix), None, 1).await?.entries.is_empty() {
            return Ok(found);
        }
    }
    Ok(Presence::Nothing)
}

/// Reads the catalogue: one manifest and one record for each archive, 16 at a time.
pub async fn read(store: &Arc<dyn Store>) -> Result<Contents, StoreError> {
    let mut contents = Contents { old: list_old(&**store).await?, ..Contents::default() };
    let mut found = list_archives(&**store, &mut contents).await?.into_iter();
    let mut readers: JoinSet<Result<(ArchiveName, Option<Read>), StoreError>> = JoinSet::new();
    let mut all = BTreeMap::new();
    loop {
        while readers.len() < AT_ONCE
            && let Some((name, parts)) = found.next()
        {
            let store = store.clone();
            readers.spawn(async move { Ok((name, read_one(&*store, name, parts).await?)) });
        }
        let Some(reader) = readers.join_next().await else { break };
        let lost = |error: tokio::task::JoinError| {
            Err(StoreError::Unreachable { object: store.describe() + FOLDER, source: error.into() })
        };
        let (name, read) = reader.unwrap_or_else(lost)?;
        all.extend(read.map(|read| (name, read)));
    }
    for (name, read) in all {
        match read {
            Read::Good(listed) => contents.archives.push(*listed),
            Read::Damaged(archive, reason) => contents.damaged.push(Damaged { name, archive, reason }),
            Read::Unreadable(reason) => contents.unreadable.push(Unreadable { name, reason }),
            Read::Incomplete => contents.incomplete.push(name),
        }
    }
    if contents.is_closed_in_part() {
        // Where nobody lets us in any more, nothing was learned: then it is no matter of single objects.
        lineage::read(&**store).await?;
    }
    Ok(contents)
}

/// What a list shows of one archive: the sizes of its objects.
#[derive(Clone, Debug, Default)]
struct Parts(BTreeMap<Part, u64>);

enum Read {
    Good(Box<Listed>),
    Damaged(Option<Box<Archive>>, String),
    Unreadable(String),
    Incomplete,
}

async fn list_all(
    store: &dyn Store,
    prefix: &str,
    mut each: impl FnMut(Entry) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let prefix = Prefix::known(prefix);
    let mut after: Option<Key> = None;
    loop {
        let page = store.list(&prefix, after.as_ref(), LIST_LIMIT).await?;
        let last = page.entries.last().map(|entry| entry.key.clone());
        if page.more && last <= after {
            let source = "a list that does not go on".into();
            return Err(StoreError::Malformed { object: store.describe() + prefix.as_str(), source });
        }
        after = last;
        page.entries.into_iter().try_for_each(&mut each)?;
        if !page.more {
            return Ok(());
        }
    }
}

async fn list_old(store: &dyn Store) -> Result<Vec<Entry>, StoreError> {
    let mut old = Vec::new();
    list_all(store, OLD, |entry| {
        if old.len() < MAX_OTHERS {
            old.push(entry);
        }
        Ok(())
    })
    .await?;
    Ok(old)
}

async fn list_archives(store: &dyn Store, contents: &mut Contents) -> Result<BTreeMap<ArchiveName, Parts>, StoreError> {
    let mut found: BTreeMap<ArchiveName, Parts> = BTreeMap::new();
    list_all(store, FOLDER, |entry| {
        match ArchiveName::parse(&entry.key) {
            Some((name, part)) => {
                found.entry(name).or_default().0.insert(part, entry.size_bytes);
            }
            None if contents.foreign.len() < MAX_OTHERS => contents.foreign.push(entry.key),
            None => {}
        }
        if found.len() > MAX_ARCHIVES {
            let source = format!("more than {MAX_ARCHIVES} archives").into();
            return Err(StoreError::Malformed { object: store.describe() + FOLDER, source });
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

/// Reads one archive; `None` when it has been deleted since it was listed.
async fn read_one(store: &dyn Store, name: ArchiveName, parts: Parts) -> Result<Option<Read>, StoreError> {
    if !parts.0.contains_key(&Part::Manifest) {
        let has_data = [Part::Data, Part::EncryptedData].iter().any(|part| parts.0.contains_key(part));
        return Ok(has_data.then_some(Read::Incomplete));
    }
    let archive = match read_manifest(store, name).await? {
        Some(Ok(archive)) => archive,
        Some(Err(bad)) => return Ok(Some(bad)),
        None => return Ok(None),
    };
    let stored_bytes = if let Some(size_bytes) = parts.0.get(&Part::Data) {
        Some(*size_bytes)
    } else {
        // Its key comes before the manifest's: it may have been written after the list had passed it.
        let nothing = Span { start_bytes: 0, length_bytes: Some(0) };
        match store.get_stream(&name.key(Part::Data), nothing).await {
            Ok(found) => found.map(|download| download.size_bytes),
            Err(error) => return closed(error).map(|reason| Some(Read::Unreadable(reason))),
        }
    };
    let expected_bytes = archive.manifest.stored.size_bytes;
    match stored_bytes {
        None => return Ok(Some(Read::Damaged(Some(Box::new(archive)), "there is no data".to_owned()))),
        Some(size_bytes) if size_bytes != expected_bytes => {
            let reason = format!("the data has {size_bytes} bytes, the manifest says {expected_bytes}");
            return Ok(Some(Read::Damaged(Some(Box::new(archive)), reason)));
        }
        Some(_) => {}
    }
    let (check, unread) =
        if parts.0.contains_key(&Part::Check) { read_check(store, name).await? } else { (None, None) };
    Ok(Some(match check.filter(|check| check.archive == archive.id) {
        Some(Check { outcome: Outcome::Damaged { reason }, .. }) => Read::Damaged(Some(Box::new(archive)), reason),
        verified => Read::Good(Box::new(Listed { archive, verified, unread })),
    }))
}

/// Reads a manifest, or says what is wrong with it; `None` when there is none.
async fn read_manifest(store: &dyn Store, name: ArchiveName) -> Result<Option<Result<Archive, Read>>, StoreError> {
    let manifest = match store.get(&name.key(Part::Manifest), MAX_MANIFEST_BYTES).await {
        Ok(Some(found)) => Manifest::decode(&found.bytes),
        Ok(None) => return Ok(None),
        Err(StoreError::TooLarge { size_bytes, .. }) => Err(ManifestError::TooLarge(size_bytes as usize)),
        Err(error) => return closed(error).map(|reason| Some(Err(Read::Unreadable(reason)))),
    };
    Ok(Some(match manifest {
        Err(error @ ManifestError::UnknownFormat(_)) => Err(Read::Unreadable(error.to_string())),
        Err(error) => Err(Read::Damaged(None, error.to_string())),
        Ok(archive) if archive.name() != name => {
            Err(Read::Damaged(None, format!("the manifest belongs to {}", archive.name())))
        }
        Ok(archive) => match &archive.manifest.encryption {
            Some(encryption) => {
                let reason = format!("encrypted with {}, which this e2d cannot read", encryption.scheme);
                Err(Read::Unreadable(reason))
            }
            None => Ok(archive),
        },
    }))
}

/// Reads the record of the last read-back, or why it cannot be read.
async fn read_check(store: &dyn Store, name: ArchiveName) -> Result<(Option<Check>, Option<String>), StoreError> {
    match store.get(&name.key(Part::Check), MAX_CHECK_BYTES).await {
        Ok(found) => Ok((found.and_then(|found| Check::decode(&found.bytes)), None)),
        Err(error) => Ok((None, Some(closed(error)?))),
    }
}

/// Why one object cannot be read while others can. A store that does not answer says nothing about any of them.
fn closed(error: StoreError) -> Result<String, StoreError> {
    match error {
        StoreError::Denied { .. } | StoreError::Malformed { .. } | StoreError::TooLarge { .. } => {
            let chain = std::iter::successors(Some(&error as &dyn Error), |&error| error.source());
            Ok(chain.map(ToString::to_string).collect::<Vec<_>>().join(": "))
        }
        error => Err(error),
    }
}
