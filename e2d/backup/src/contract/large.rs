//! Large objects.

use super::{Handles, Violation, create, done, ensure, get, key, list_all, noise, refused};
use crate::store::{Key, Span, Store, StoreError};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

/// More than two parts of S3's smallest size, and no multiple of anything.
const SIZE: usize = 12 * 1024 * 1024 + 13;

async fn read(store: &Arc<dyn Store>, key: &Key, span: Span) -> Result<(u64, Vec<u8>), Violation> {
    let found = done("get_stream", store.get_stream(key, span).await)?;
    let Some(mut download) = found else { return Err(Violation(format!("{key} is not there"))) };
    let mut bytes = Vec::new();
    download.body.read_to_end(&mut bytes).await.map_err(|error| Violation(format!("reading {key}: {error}")))?;
    Ok((download.size_bytes, bytes))
}

pub(super) async fn a_large_object_comes_back_in_any_part(stores: Handles) -> Result<(), Violation> {
    let key = key("archives/1/large")?;
    let bytes = noise(3, SIZE);
    let size_bytes = done("put_stream", stores[0].put_stream(&key, &mut bytes.as_slice()).await)?;
    ensure(size_bytes == SIZE as u64, || format!("{SIZE} bytes were stored as {size_bytes}"))?;
    let part = |start: usize, length: usize| Span { start_bytes: start as u64, length_bytes: Some(length as u64) };
    let spans = [
        (Span::ALL, 0..SIZE),
        (Span::from(1), 1..SIZE),
        (Span::from(SIZE as u64 - 1), SIZE - 1..SIZE),
        (Span::from(SIZE as u64), SIZE..SIZE),
        (Span::from(u64::MAX), SIZE..SIZE),
        (part(0, 1), 0..1),
        (part(5_000_000, 6_000_000), 5_000_000..11_000_000),
        (part(SIZE - 5, 100), SIZE - 5..SIZE),
        (part(7, 0), 7..7),
    ];
    for (span, expected) in spans {
        let (size, found) = read(&stores[1], &key, span).await?;
        ensure(size == SIZE as u64, || format!("{span:?}: the whole has {size} bytes"))?;
        ensure(found == bytes[expected], || format!("{span:?}: {} other bytes", found.len()))?;
    }
    let listed = list_all(&stores[1], "archives/").await?;
    ensure(listed.len() == 1 && listed[0].size_bytes == SIZE as u64, || format!("listed as {listed:?}"))
}

pub(super) async fn a_stream_only_creates(stores: Handles) -> Result<(), Violation> {
    let key = key("archives/1/large")?;
    create(&stores[0], &key, b"first").await?;
    let bytes = noise(4, SIZE);
    refused("a stream over an object", &stores[1].put_stream(&key, &mut bytes.as_slice()).await)?;
    let found = get(&stores[0], &key).await?;
    ensure(found.as_ref().is_some_and(|found| found.bytes == b"first"), || format!("it was changed: {found:?}"))
}

/// Nothing that looks like an object may be left: not under its name, and not under another one.
async fn ensure_nothing(store: &Arc<dyn Store>, key: &Key) -> Result<(), Violation> {
    let found = get(store, key).await?.map(|found| found.bytes.len());
    ensure(found.is_none(), || format!("{found:?} bytes are left under its name"))?;
    let listed = list_all(store, "").await?;
    ensure(listed.is_empty(), || format!("left: {listed:?}"))
}

/// A source that gives some bytes and then fails, or never gives more.
struct Cut {
    bytes: io::Cursor<Vec<u8>>,
    then: Then,
}

enum Then {
    Fail,
    Stall,
}

impl AsyncRead for Cut {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.bytes).poll_read(cx, buf) {
            Poll::Ready(Ok(())) if buf.filled().len() == before => match self.then {
                Then::Fail => Poll::Ready(Err(io::Error::other("the source failed"))),
                Then::Stall => Poll::Pending,
            },
            read => read,
        }
    }
}

pub(super) async fn a_failing_source_leaves_nothing(stores: Handles) -> Result<(), Violation> {
    for length in [0, 1, 6 * 1024 * 1024, SIZE] {
        let key = key("archives/1/large")?;
        let mut source = Cut { bytes: io::Cursor::new(noise(5, length)), then: Then::Fail };
        let result = stores[0].put_stream(&key, &mut source).await;
        let named = matches!(result, Err(StoreError::Source { .. }));
        ensure(named, || format!("a source that failed after {length} bytes gave {result:?}"))?;
        ensure_nothing(&stores[1], &key).await?;
    }
    let key = key("archives/1/large")?;
    done("the next attempt", stores[0].put_stream(&key, &mut b"whole".as_slice()).await).map(drop)
}

pub(super) async fn a_cancelled_stream_leaves_nothing(stores: Handles) -> Result<(), Violation> {
    let key = key("archives/1/large")?;
    let mut source = Cut { bytes: io::Cursor::new(noise(6, SIZE)), then: Then::Stall };
    {
        let mut stream = stores[0].put_stream(&key, &mut source);
        // Until the source has nothing more to give; then the future is dropped.
        std::future::poll_fn(|cx| {
            if stream.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Violation("a stream ended that has no end".to_owned())));
            }
            cx.waker().wake_by_ref();
            Poll::Ready(Ok(()))
        })
        .await?;
        for _ in 0..1000 {
            tokio::task::yield_now().await;
            let polled = std::future::poll_fn(|cx| Poll::Ready(stream.as_mut().poll(cx))).await;
            ensure(polled.is_pending(), || "a stream ended that has no end".to_owned())?;
        }
    }
    ensure_nothing(&stores[1], &key).await
}

pub(super) async fn an_empty_stream_is_an_empty_object(stores: Handles) -> Result<(), Violation> {
    let key = key("archives/1/empty")?;
    let size_bytes = done("put_stream", stores[0].put_stream(&key, &mut b"".as_slice()).await)?;
    let (size, bytes) = read(&stores[1], &key, Span::ALL).await?;
    ensure((size_bytes, size, bytes.len()) == (0, 0, 0), || format!("{size_bytes} stored, {size} found"))
}
