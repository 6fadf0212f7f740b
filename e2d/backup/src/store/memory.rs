//! A store in memory, for tests and the simulator, with faults that can be switched on.
//!
//! It has no clock and no randomness: a run with the same calls has the same results. Its content is
//! bounded by what is put into it alone.

use super::LIST_LIMIT;
use super::{
    BoxFuture, Condition, Download, Entry, Key, Object, Page, Prefix, Span, Stamp, Store, StoreError, Version,
};
use bytes::Bytes;
use e2d_core::id::Digest;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The store does not answer.
    Down,
    /// The store refuses everything.
    Denied,
    /// The store has no space: writes fail, reads go on.
    Full,
    /// A write's reply is lost, after it was done or although it was not. Reads go on.
    LostReply {
        /// Whether the write is done.
        written: bool,
    },
    /// A write is taken and never answered: the call waits for ever, and takes nothing of its source. Reads go on.
    Silent,
    /// A download breaks after so many bytes of its span. All else goes on.
    CutDownload {
        /// How many bytes still come.
        after_bytes: u64,
    },
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<Key, Bytes>,
    fault: Option<Planned>,
}

#[derive(Debug)]
struct Planned {
    fault: Fault,
    times: usize,
    ending: String,
}

/// A store in memory. Clones are handles of the same store.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the next `times` calls that the fault concerns go wrong. It replaces an earlier fault.
    pub fn fail(&self, fault: Fault, times: usize) {
        self.fail_on("", fault, times);
    }

    /// The same, only for calls about keys that end like this.
    pub fn fail_on(&self, ending: &str, fault: Fault, times: usize) {
        self.lock().fault = Some(Planned { fault, times, ending: ending.to_owned() });
    }

    /// Ends all faults.
    pub fn heal(&self) {
        self.lock().fault = None;
    }

    /// Puts bytes under a name with no condition, as nobody but the store's owner can.
    pub fn plant(&self, key: Key, bytes: impl Into<Bytes>) {
        self.lock().objects.insert(key, bytes.into());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the fault down, if it is one of those that concern the call.
    fn fault(&self, key: &str, concerns: impl Fn(Fault) -> bool) -> Option<Fault> {
        let mut state = self.lock();
        let planned = state.fault.as_mut()?;
        if planned.times == 0 || !key.ends_with(&planned.ending) || !concerns(planned.fault) {
            return None;
        }
        planned.times -= 1;
        Some(planned.fault)
    }

    fn read_fault(&self, object: &str) -> Result<(), StoreError> {
        match self.fault(object, |fault| matches!(fault, Fault::Down | Fault::Denied)) {
            Some(fault) => Err(refusal(fault, object)),
            None => Ok(()),
        }
    }

    /// Does not return while the store is silent.
    async fn answer(&self, key: &Key) {
        if self.fault(key.as_str(), |fault| fault == Fault::Silent).is_some() {
            std::future::pending::<()>().await;
        }
    }

    /// Makes a change, or what a fault makes of it.
    fn change<T>(
        &self,
        key: &Key,
        change: impl FnOnce(&mut BTreeMap<Key, Bytes>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let fault = self.fault(key.as_str(), |fault| !matches!(fault, Fault::CutDownload { .. } | Fault::Silent));
        match fault {
            None => change(&mut self.lock().objects),
            Some(Fault::LostReply { written: true }) => {
                change(&mut self.lock().objects)?;
                Err(lost_reply(key))
            }
            Some(Fault::LostReply { written: false }) => Err(lost_reply(key)),
            Some(fault) => Err(refusal(fault, key.as_str())),
        }
    }
}

fn url(key: &str) -> String {
    format!("memory:///{key}")
}

fn lost_reply(key: &Key) -> StoreError {
    StoreError::Ambiguous { object: url(key.as_str()), source: "the reply was lost".into() }
}

fn refusal(fault: Fault, key: &str) -> StoreError {
    let object = url(key);
    match fault {
        Fault::Denied => StoreError::Denied { object, source: "switched off".into() },
        Fault::Full => StoreError::Full { object, source: "switched off".into() },
        _ => StoreError::Unreachable { object, source: "switched off".into() },
    }
}

fn version_of(bytes: &[u8]) -> Version {
    Version(Digest::of(bytes).to_string())
}

fn holds(condition: &Condition, found: Option<&Bytes>) -> bool {
    match (condition, found) {
        (Condition::Absent, found) => found.is_none(),
        (Condition::Matches(seen), Some(bytes)) => version_of(bytes) == *seen,
        (Condition::Matches(_), None) => false,
    }
}

fn put_if(
    objects: &mut BTreeMap<Key, Bytes>,
    key: &Key,
    bytes: Bytes,
    condition: &Condition,
) -> Result<Version, StoreError> {
    if !holds(condition, objects.get(key)) {
        return Err(StoreError::Conflict { object: url(key.as_str()) });
    }
    let version = version_of(&bytes);
    objects.insert(key.clone(), bytes);
    Ok(version)
}

impl Store for MemoryStore {
    fn describe(&self) -> String {
        url("")
    }

    fn get<'a>(&'a self, key: &'a Key, limit_bytes: usize) -> BoxFuture<'a, Result<Option<Object>, StoreError>> {
        Box::pin(async move {
            self.read_fault(key.as_str())?;
            let Some(bytes) = self.lock().objects.get(key).cloned() else { return Ok(None) };
            if bytes.len() > limit_bytes {
                return Err(StoreError::TooLarge {
                    object: url(key.as_str()),
                    size_bytes: bytes.len() as u64,
                    limit_bytes: limit_bytes as u64,
                });
            }
            Ok(Some(Object { version: version_of(&bytes), bytes: bytes.into() }))
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        bytes: &'a [u8],
        condition: Condition,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        Box::pin(async move {
            self.answer(key).await;
            self.change(key, |objects| put_if(objects, key, Bytes::copy_from_slice(bytes), &condition))
        })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a Prefix,
        after: Option<&'a Key>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            self.read_fault(prefix.as_str())?;
            let state = self.lock();
            let wanted =
                |key: &&Key| key.as_str().starts_with(prefix.as_str()) && after.is_none_or(|after| *key > after);
            let mut found = state.objects.iter().filter(|(key, _)| wanted(key));
            let entry = |(key, bytes): (&Key, &Bytes)| Entry {
                key: key.clone(),
                size_bytes: bytes.len() as u64,
                stamp: Stamp::of(bytes),
            };
            let entries = found.by_ref().take(limit.min(LIST_LIMIT)).map(entry).collect();
            Ok(Page { entries, more: found.next().is_some() })
        })
    }

    fn put_stream<'a>(
        &'a self,
        key: &'a Key,
        source: &'a mut (dyn AsyncRead + Send + Unpin),
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            self.answer(key).await;
            let mut bytes = Vec::new();
            let failed = |source| StoreError::Source { object: url(key.as_str()), source };
            let size_bytes = source.read_to_end(&mut bytes).await.map_err(failed)?;
            self.change(key, |objects| put_if(objects, key, bytes.into(), &Condition::Absent))?;
            Ok(size_bytes as u64)
        })
    }

    fn get_stream<'a>(&'a self, key: &'a Key, span: Span) -> BoxFuture<'a, Result<Option<Download>, StoreError>> {
        Box::pin(async move {
            self.read_fault(key.as_str())?;
            let Some(bytes) = self.lock().objects.get(key).cloned() else { return Ok(None) };
            let size_bytes = bytes.len() as u64;
            let start = span.start_bytes.min(size_bytes);
            let end = span.length_bytes.map_or(size_bytes, |length| size_bytes.min(start.saturating_add(length)));
            let part = bytes.slice(start as usize..end as usize);
            let body: Box<dyn AsyncRead + Send + Unpin> =
                match self.fault(key.as_str(), |fault| matches!(fault, Fault::CutDownload { .. })) {
                    Some(Fault::CutDownload { after_bytes }) if (part.len() as u64) > after_bytes => {
                        Box::new(io::Cursor::new(part).take(after_bytes).chain(Broken))
                    }
                    _ => Box::new(io::Cursor::new(part)),
                };
            Ok(Some(Download { size_bytes, body }))
        })
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.change(key, |objects| {
                objects.remove(key);
                Ok(())
            })
        })
    }
}

/// What follows where a download breaks.
struct Broken;

impl AsyncRead for Broken {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, "the download broke")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Disposition;
    use super::*;

    fn key() -> Key {
        Key::new("lineage").unwrap()
    }

    #[tokio::test]
    async fn a_lost_reply_is_ambiguous_whether_or_not_it_was_written() {
        for written in [true, false] {
            let store = MemoryStore::new();
            store.fail(Fault::LostReply { written }, 1);
            let error = store.put(&key(), b"x", Condition::Absent).await.unwrap_err();
            assert!(matches!(error, StoreError::Ambiguous { .. }), "{error:?}");
            assert_eq!(error.disposition(), Disposition::LookAgain);
            assert_eq!(store.get(&key(), 9).await.unwrap().is_some(), written);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn the_contract_holds() {
        let handles = || {
            let store = Arc::new(MemoryStore::new());
            let handles: crate::contract::Handles = vec![store.clone(), store];
            async { handles }
        };
        crate::contract::check(handles).await.unwrap();
    }

    /// S2: a store that cannot look never says that there is nothing.
    #[tokio::test]
    async fn a_store_that_is_down_or_denies_is_never_empty() {
        let store = MemoryStore::new();
        for (fault, disposition) in [(Fault::Down, Disposition::Retry), (Fault::Denied, Disposition::Wait)] {
            store.fail(fault, usize::MAX);
            let errors = [
                store.get(&key(), 9).await.unwrap_err(),
                store.list(&Prefix::default(), None, 9).await.unwrap_err(),
                store.get_stream(&key(), Span::ALL).await.unwrap_err(),
                store.put(&key(), b"x", Condition::Absent).await.unwrap_err(),
                store.delete(&key()).await.unwrap_err(),
            ];
            assert!(errors.iter().all(|error| error.disposition() == disposition), "{errors:?}");
        }
        store.heal();
        assert_eq!(store.get(&key(), 9).await.unwrap(), None);
    }
}
