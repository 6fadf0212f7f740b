//! The small objects of one archive: reading them, and what they say together.

use super::list::{Parts, State};
use super::{Contents, Damaged, Listed, Unreadable};
use crate::archive::{
    Archive, ArchiveName, Check, MAX_CHECK_BYTES, MAX_MANIFEST_BYTES, Manifest, ManifestError, Outcome, Part,
};
use crate::store::{Span, Store, StoreError};
use std::error::Error;

/// The longest reason that is kept, in characters.
const MAX_REASON: usize = 500;

/// What came of reading one object.
#[derive(Debug)]
enum Read<T> {
    Done(T),
    /// It was deleted since it was listed.
    Gone,
    /// It cannot be read, while others can: why.
    Closed(String),
}

/// What came of reading one object in one state; nothing if it was not read yet.
#[derive(Debug)]
struct Object<T>(Option<(State, Read<T>)>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Object<T> {
    /// The listed state, if that is to be read. What could not be read is read again each time.
    fn wanted(&self, listed: Option<State>) -> Option<State> {
        listed.filter(|listed| !matches!(&self.0, Some((seen, Read::Done(_))) if seen == listed))
    }

    fn replace(&mut self, later: Self) {
        if later.0.is_some() {
            *self = later;
        }
    }

    fn is_closed(&self) -> bool {
        matches!(self.0, Some((_, Read::Closed(_))))
    }
}

/// What is wrong with a manifest.
#[derive(Debug)]
enum Bad {
    Damaged(String),
    Unreadable(String),
}

/// What is to be read, and in which state lists show it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    manifest: Option<State>,
    check: Option<State>,
    data: bool,
}

/// The objects of one archive, as far as they were read.
#[derive(Debug, Default)]
pub(super) struct Objects {
    manifest: Object<Result<Archive, Bad>>,
    check: Object<Option<Check>>,
    /// The data's size, where lists do not show it.
    data_bytes: Option<Read<u64>>,
}

impl Objects {
    /// What must be read to say what lists show now; `None` for nothing.
    pub(super) fn wanted(&self, parts: &Parts) -> Option<Wanted> {
        parts.manifest?;
        let manifest = self.manifest.wanted(parts.manifest);
        let check = self.check.wanted(parts.check);
        // Its key comes before the manifest's: it may have been written after the list had passed it.
        let data = parts.data_bytes.is_none();
        (data || manifest.is_some() || check.is_some()).then_some(Wanted { manifest, check, data })
    }

    /// Reads it. What keeps a single object from being read is part of the outcome.
    pub(super) async fn read(store: &dyn Store, name: ArchiveName, wanted: Wanted) -> Result<Self, StoreError> {
        let mut read = Self::default();
        if let Some(state) = wanted.manifest {
            read.manifest = Object(Some((state, manifest(store, name).await?)));
        }
        if let Some(state) = wanted.check {
            read.check = Object(Some((state, check(store, name).await?)));
        }
        if wanted.data {
            let nothing = Span { start_bytes: 0, length_bytes: Some(0) };
            let found = store.get_stream(&name.key(Part::Data), nothing).await;
            read.data_bytes = Some(outcome(found)?.map(|download| download.size_bytes));
        }
        Ok(read)
    }

    /// Takes what was read since.
    pub(super) fn take(&mut self, later: Self) {
        self.manifest.replace(later.manifest);
        self.check.replace(later.check);
        self.data_bytes = later.data_bytes;
    }

    /// Whether one of them is there and cannot be read.
    pub(super) fn is_closed(&self) -> bool {
        let data = matches!(self.data_bytes, Some(Read::Closed(_)));
        data || self.manifest.is_closed() || self.check.is_closed()
    }

    /// Puts the archive where it belongs.
    pub(super) fn sort_into(&self, contents: &mut Contents, name: ArchiveName, parts: &Parts) {
        if parts.manifest.is_none() {
            if parts.data_bytes.is_some() || parts.has_encrypted_data {
                contents.incomplete.push(name);
            }
            return;
        }
        match &self.manifest.0 {
            Some((_, Read::Done(Ok(archive)))) => self.judge(contents, archive, parts),
            Some((_, Read::Done(Err(Bad::Damaged(reason))))) => {
                contents.damaged.push(Damaged { name, archive: None, reason: reason.clone() });
            }
            Some((_, Read::Done(Err(Bad::Unreadable(reason))) | Read::Closed(reason))) => {
                contents.unreadable.push(Unreadable { name, reason: reason.clone() });
            }
            Some((_, Read::Gone)) | None => {}
        }
    }

    fn judge(&self, contents: &mut Contents, archive: &Archive, parts: &Parts) {
        let (name, expected_bytes) = (archive.name(), archive.manifest.stored.size_bytes);
        let stored_bytes = match (parts.data_bytes, &self.data_bytes) {
            (Some(size_bytes), _) => Some(size_bytes),
            (None, Some(Read::Done(size_bytes))) => Some(*size_bytes),
            (None, Some(Read::Closed(reason))) => {
                contents.unreadable.push(Unreadable { name, reason: reason.clone() });
                return;
            }
            (None, Some(Read::Gone) | None) => None,
        };
        let mut damaged = |reason| {
            contents.damaged.push(Damaged { name, archive: Some(Box::new(archive.clone())), reason });
        };
        match stored_bytes {
            None => return damaged("there is no data".to_owned()),
            Some(size_bytes) if size_bytes != expected_bytes => {
                return damaged(format!("the data has {size_bytes} bytes, the manifest says {expected_bytes}"));
            }
            Some(_) => {}
        }
        let (check, unread) = match &self.check.0 {
            Some((_, Read::Done(Some(check)))) if parts.check.is_some() => (Some(check), None),
            Some((_, Read::Closed(reason))) if parts.check.is_some() => (None, Some(reason.clone())),
            _ => (None, None),
        };
        match check.filter(|check| check.archive == archive.id) {
            Some(Check { outcome: Outcome::Damaged { reason }, .. }) => damaged(reason.clone()),
            verified => {
                contents.archives.push(Listed { archive: archive.clone(), verified: verified.cloned(), unread });
            }
        }
    }
}

impl<T> Read<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Read<U> {
        match self {
            Self::Done(found) => Read::Done(change(found)),
            Self::Gone => Read::Gone,
            Self::Closed(reason) => Read::Closed(reason),
        }
    }
}

/// A store that does not answer says nothing about any object; one that answers says why it keeps this one.
fn outcome<T>(found: Result<Option<T>, StoreError>) -> Result<Read<T>, StoreError> {
    match found {
        Ok(Some(found)) => Ok(Read::Done(found)),
        Ok(None) => Ok(Read::Gone),
        Err(error @ (StoreError::Denied { .. } | StoreError::Malformed { .. } | StoreError::TooLarge { .. })) => {
            let chain = std::iter::successors(Some(&error as &dyn Error), |&error| error.source());
            Ok(Read::Closed(cut(&chain.map(ToString::to_string).collect::<Vec<_>>().join(": "))))
        }
        Err(error) => Err(error),
    }
}

async fn manifest(store: &dyn Store, name: ArchiveName) -> Result<Read<Result<Archive, Bad>>, StoreError> {
    let found = store.get(&name.key(Part::Manifest), MAX_MANIFEST_BYTES).await;
    if let Err(StoreError::TooLarge { size_bytes, .. }) = found {
        let error = ManifestError::TooLarge(size_bytes as usize);
        return Ok(Read::Done(Err(Bad::Damaged(error.to_string()))));
    }
    Ok(outcome(found)?.map(|object| understand(name, &object.bytes)))
}

fn understand(name: ArchiveName, bytes: &[u8]) -> Result<Archive, Bad> {
    let archive = match Manifest::decode(bytes) {
        Ok(archive) => archive,
        Err(error @ ManifestError::UnknownFormat(_)) => return Err(Bad::Unreadable(error.to_string())),
        Err(error) => return Err(Bad::Damaged(cut(&error.to_string()))),
    };
    if archive.name() != name {
        return Err(Bad::Damaged(format!("the manifest belongs to {}", archive.name())));
    }
    match &archive.manifest.encryption {
        None => Ok(archive),
        Some(encryption) => {
            Err(Bad::Unreadable(format!("encrypted with {}, which this e2d cannot read", encryption.scheme)))
        }
    }
}

/// Reads the record of the last read-back: `Done(None)` for one that this version does not understand.
async fn check(store: &dyn Store, name: ArchiveName) -> Result<Read<Option<Check>>, StoreError> {
    let found = store.get(&name.key(Part::Check), MAX_CHECK_BYTES).await;
    Ok(outcome(found)?.map(|object| {
        let mut check = Check::decode(&object.bytes)?;
        if let Outcome::Damaged { reason } = &mut check.outcome {
            *reason = cut(reason);
        }
        Some(check)
    }))
}

/// What others wrote is kept only so far.
fn cut(reason: &str) -> String {
    reason.chars().take(MAX_REASON).collect()
}
