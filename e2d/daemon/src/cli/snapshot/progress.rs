//! Shows how far a large read has come: a bar on a terminal, a line now and then elsewhere.

use crate::cli::output::note;
use e2d_backup::store::Version;
use e2d_backup::store::{BoxFuture, Condition, Download, Key, Object, Page, Prefix, Span, Store, StoreError};
use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, ReadBuf};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
const BAR: &str = "{wide_bar} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";

/// A store whose large reads are shown on standard error.
#[derive(Debug)]
pub(super) struct Watched(Arc<dyn Store>);

impl Watched {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

impl Store for Watched {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn get<'a>(&'a self, key: &'a Key, limit_bytes: usize) -> BoxFuture<'a, Result<Option<Object>, StoreError>> {
        self.0.get(key, limit_bytes)
    }

    fn put<'a>(
        &'a self,
        key: &'a Key,
        bytes: &'a [u8],
        condition: Condition,
    ) -> BoxFuture<'a, Result<Version, StoreError>> {
        self.0.put(key, bytes, condition)
    }

    fn list<'a>(
        &'a self,
        prefix: &'a Prefix,
        after: Option<&'a Key>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.0.list(prefix, after, limit)
    }

    fn put_stream<'a>(
        &'a self,
        key: &'a Key,
        source: &'a mut (dyn AsyncRead + Send + Unpin),
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.0.put_stream(key, source)
    }

    fn get_stream<'a>(&'a self, key: &'a Key, span: Span) -> BoxFuture<'a, Result<Option<Download>, StoreError>> {
        Box::pin(async move {
            let opened = self.0.get_stream(key, span).await?;
            Ok(opened.map(|Download { size_bytes, body }| {
                let body = Shown::new(body, span.start_bytes, size_bytes);
                Download { size_bytes, body: Box::new(body) }
            }))
        })
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        self.0.delete(key)
    }
}

struct Shown {
    body: Box<dyn AsyncRead + Send + Unpin>,
    bar: ProgressBar,
    said: Instant,
}

impl Shown {
    fn new(body: Box<dyn AsyncRead + Send + Unpin>, start_bytes: u64, size_bytes: u64) -> Self {
        // It is hidden where standard error is no terminal.
        let bar = ProgressBar::new(size_bytes);
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style);
        }
        bar.set_position(start_bytes);
        Self { body, bar, said: Instant::now() }
    }

    fn came(&mut self, bytes: usize) {
        self.bar.inc(bytes as u64);
        if self.bar.is_hidden() && self.said.elapsed() >= LINE_EVERY {
            self.said = Instant::now();
            let (done, all) = (BinaryBytes(self.bar.position()), BinaryBytes(self.bar.length().unwrap_or_default()));
            note(&format!("{done} of {all} read, {} a second", BinaryBytes(self.bar.per_sec() as u64)));
        }
    }
}

impl AsyncRead for Shown {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.body).poll_read(cx, buffer);
        if let Poll::Ready(Ok(())) = &polled {
            self.came(buffer.filled().len() - before);
        }
        polled
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
