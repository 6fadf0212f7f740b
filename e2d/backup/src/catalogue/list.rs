//! What a store's lists show of archives, before any object is read.

use crate::archive::{ArchiveName, Part};
use crate::store::{Entry, Key, LIST_LIMIT, Prefix, Stamp, Store, StoreError};
use std::collections::BTreeMap;

/// The most names of other objects that are kept.
const MAX_OTHERS: usize = 1000;
/// How the keys of the program before begin: `etcd.snapshot`, `etcd.snapshot.<time>`,
/// `etcd.snapshot.LATEST`.
pub(super) const OLD: &str = "etcd.snapshot";

/// One state of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    size_bytes: u64,
    stamp: Stamp,
}

/// What lists show of one archive.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Parts {
    /// The data's size.
    pub(super) data_bytes: Option<u64>,
    pub(super) has_encrypted_data: bool,
    pub(super) manifest: Option<State>,
    pub(super) check: Option<State>,
}

impl Parts {
    fn add(&mut self, part: Part, entry: &Entry) {
        let state = State { size_bytes: entry.size_bytes, stamp: entry.stamp };
        match part {
            Part::Data => self.data_bytes = Some(entry.size_bytes),
            Part::EncryptedData => self.has_encrypted_data = true,
            Part::Manifest => self.manifest = Some(state),
            Part::Check => self.check = Some(state),
            Part::Key => {}
        }
    }
}

/// The folder of archives.
#[derive(Debug, Default)]
pub(super) struct Archives {
    /// The newest.
    pub(super) named: BTreeMap<ArchiveName, Parts>,
    /// How many there are besides, all of them older.
    pub(super) left_out: usize,
    /// Other objects in it. At most 1000 are named.
    pub(super) foreign: Vec<Key>,
}

/// Lists archives whose keys begin like this, and keeps the newest `keep`.
pub(super) async fn archives(store: &dyn Store, prefix: &str, keep: usize) -> Result<Archives, StoreError> {
    let mut found = Archives::default();
    all(store, prefix, |entry| {
        match ArchiveName::parse(&entry.key) {
            Some((name, part)) => found.named.entry(name).or_default().add(part, &entry),
            None if found.foreign.len() < MAX_OTHERS => found.foreign.push(entry.key),
            None => {}
        }
        // Keys come in the order of names, so what goes is complete.
        if found.named.len() > keep {
            found.named.pop_first();
            found.left_out += 1;
        }
    })
    .await?;
    Ok(found)
}

/// Lists backups of the program before.
pub(super) async fn old(store: &dyn Store) -> Result<Vec<Entry>, StoreError> {
    let mut old = Vec::new();
    all(store, OLD, |entry| {
        if old.len() < MAX_OTHERS {
            old.push(entry);
        }
    })
    .await?;
    Ok(old)
}

async fn all(store: &dyn Store, prefix: &str, mut each: impl FnMut(Entry)) -> Result<(), StoreError> {
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
        page.entries.into_iter().for_each(&mut each);
        if !page.more {
            return Ok(());
        }
    }
}
