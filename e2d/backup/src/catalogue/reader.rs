//! Reads a catalogue again and again, and each object only once in each of its states.
//!
//! Manifests never change, and a record is replaced by each later check; a list shows both ([`Stamp`]). So a
//! look that finds nothing new costs the lists alone. What could not be read is tried again at each look. The
//! memory is bounded by how many archives are kept.
//!
//! [`Stamp`]: crate::store::Stamp

use super::Contents;
use super::list::{self, Archives, Parts};
use super::objects::{Objects, Wanted};
use crate::archive::{ArchiveName, FOLDER};
use crate::lineage;
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;

/// How many archives are read at once.
const AT_ONCE: usize = 16;

/// Whoever looks at a store again and again.
#[derive(Debug)]
pub struct Reader {
    store: Arc<dyn Store>,
    keep: usize,
    known: BTreeMap<ArchiveName, Objects>,
}

impl Reader {
    /// A reader that has seen nothing yet, and that looks at the newest `keep` archives alone.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, keep: usize) -> Self {
        Self { store, keep, known: BTreeMap::new() }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Looks. After an error, what had been read until then need not be read again.
    pub async fn read(&mut self) -> Result<Contents, StoreError> {
        let old = list::old(&*self.store).await?;
        let Archives { named, left_out, foreign } = list::archives(&*self.store, FOLDER, self.keep).await?;
        self.known.retain(|name, _| named.contains_key(name));
        self.learn(&named).await?;
        if self.known.values().any(Objects::is_closed) {
            // Where nobody lets us in any more, nothing was learned: then it is no matter of single objects.
            lineage::read(&*self.store).await?;
        }
        let mut contents = Contents { left_out, old, foreign, ..Contents::default() };
        let nothing = Objects::default();
        for (name, parts) in &named {
            self.known.get(name).unwrap_or(&nothing).sort_into(&mut contents, *name, parts);
        }
        Ok(contents)
    }

    /// Reads what is not known as lists show it, 16 archives at a time.
    async fn learn(&mut self, named: &BTreeMap<ArchiveName, Parts>) -> Result<(), StoreError> {
        let nothing = Objects::default();
        let wanted = |(name, parts): (&ArchiveName, &Parts)| {
            Some((*name, self.known.get(name).unwrap_or(&nothing).wanted(parts)?))
        };
        let all: Vec<(ArchiveName, Wanted)> = named.iter().filter_map(wanted).collect();
        let mut all = all.into_iter();
        let mut readers: JoinSet<Result<(ArchiveName, Objects), StoreError>> = JoinSet::new();
        loop {
            while readers.len() < AT_ONCE
                && let Some((name, wanted)) = all.next()
            {
                let store = self.store.clone();
                readers.spawn(async move { Ok((name, Objects::read(&*store, name, wanted).await?)) });
            }
            let Some(reader) = readers.join_next().await else { return Ok(()) };
            let lost = |error: tokio::task::JoinError| {
                Err(StoreError::Unreachable { object: self.store.describe() + FOLDER, source: error.into() })
            };
            let (name, read) = reader.unwrap_or_else(lost)?;
            self.known.entry(name).or_default().take(read);
        }
    }
}
