//! Bytes between asynchronous code and a blocking thread, in both directions.
//!
//! Compression and files block, stores are asynchronous. What these pipes add to a channel is that **an
//! end is something that was said**: a side that is dropped, because it failed or was cancelled, is an
//! error for the other one, never an end of file. A torn stream therefore never looks whole.
//!
//! A pipe holds at most `DEPTH` + 2 chunks of `CHUNK_BYTES`: 1.5 MiB.

use bytes::{Bytes, BytesMut};
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::sync::mpsc;

/// How much is handed over at once, in bytes.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;
/// How many chunks wait in a pipe.
const DEPTH: usize = 4;

enum Piece {
    Chunk(Bytes),
    End,
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the other side stopped before the end")
}

/// A pipe from a blocking thread to asynchronous code.
pub(crate) fn out_of_thread() -> (ThreadWriter, TaskReader) {
    let (sender, receiver) = mpsc::channel(DEPTH);
    let writer = ThreadWriter { sender, chunk: BytesMut::with_capacity(CHUNK_BYTES) };
    (writer, TaskReader { receiver, chunk: Bytes::new(), ended: false })
}

/// A pipe from asynchronous code to a blocking thread.
pub(crate) fn into_thread() -> (TaskWriter, ThreadReader) {
    let (sender, receiver) = mpsc::channel(DEPTH);
    (TaskWriter { sender }, ThreadReader { receiver, chunk: Bytes::new(), ended: false })
}

/// The writing end in a blocking thread. Must not be used in asynchronous code.
pub(crate) struct ThreadWriter {
    sender: mpsc::Sender<Piece>,
    chunk: BytesMut,
}

impl ThreadWriter {
    /// Hands over the rest and says that this was all.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.sender.blocking_send(Piece::End).map_err(|_| broken())
    }
}

impl Write for ThreadWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK_BYTES - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        if self.chunk.len() == CHUNK_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, BytesMut::with_capacity(CHUNK_BYTES));
        self.sender.blocking_send(Piece::Chunk(chunk.freeze())).map_err(|_| broken())
    }
}

/// The reading end in asynchronous code.
pub(crate) struct TaskReader {
    receiver: mpsc::Receiver<Piece>,
    chunk: Bytes,
    ended: bool,
}

impl AsyncRead for TaskReader {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.chunk.is_empty() && !self.ended {
            match ready!(self.receiver.poll_recv(cx)) {
                Some(Piece::Chunk(chunk)) => self.chunk = chunk,
                Some(Piece::End) => self.ended = true,
                None => return Poll::Ready(Err(broken())),
            }
        }
        let taken = self.chunk.len().min(buf.remaining());
        buf.put_slice(&self.chunk.split_to(taken));
        Poll::Ready(Ok(()))
    }
}

/// The writing end in asynchronous code.
pub(crate) struct TaskWriter {
    sender: mpsc::Sender<Piece>,
}

impl TaskWriter {
    /// Hands over one chunk.
    pub(crate) async fn send(&mut self, chunk: Bytes) -> io::Result<()> {
        self.sender.send(Piece::Chunk(chunk)).await.map_err(|_| broken())
    }

    /// Says that this was all.
    pub(crate) async fn finish(self) -> io::Result<()> {
        self.sender.send(Piece::End).await.map_err(|_| broken())
    }

    /// Hands over all that a source has, and says that this was all, unless the source fails.
    pub(crate) async fn pump(mut self, source: &mut (dyn AsyncRead + Send + Unpin)) -> Result<(), PumpError> {
        loop {
            let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
            let mut ended = false;
            while chunk.len() < CHUNK_BYTES && !ended {
                ended = source.read_buf(&mut chunk).await.map_err(PumpError::Source)? == 0;
            }
            if !chunk.is_empty() {
                self.send(chunk.freeze()).await.map_err(|_| PumpError::Reader)?;
            }
            if ended {
                return self.finish().await.map_err(|_| PumpError::Reader);
            }
        }
    }
}

/// Why [`TaskWriter::pump`] stopped before the end. The reader sees an error, not an end.
#[derive(Debug)]
pub(crate) enum PumpError {
    /// The source failed.
    Source(io::Error),
    /// The reading thread stopped; its own result says why.
    Reader,
}

/// The reading end in a blocking thread. Must not be used in asynchronous code.
pub(crate) struct ThreadReader {
    receiver: mpsc::Receiver<Piece>,
    chunk: Bytes,
    ended: bool,
}

impl Read for ThreadReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() && !self.ended {
            match self.receiver.blocking_recv() {
                Some(Piece::Chunk(chunk)) => self.chunk = chunk,
                Some(Piece::End) => self.ended = true,
                None => return Err(broken()),
            }
        }
        let taken = self.chunk.len().min(buf.len());
        buf[..taken].copy_from_slice(&self.chunk.split_to(taken));
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::spawn_blocking;

    fn pattern(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n % 251) as u8).collect()
    }

    #[tokio::test]
    async fn bytes_come_out_as_they_went_in_both_ways() {
        let bytes = pattern(5 * CHUNK_BYTES + 17);
        let (mut writer, mut reader) = out_of_thread();
        let given = bytes.clone();
        let thread = spawn_blocking(move || writer.write_all(&given).and_then(|()| writer.finish()));
        let mut seen = Vec::new();
        reader.read_to_end(&mut seen).await.unwrap();
        thread.await.unwrap().unwrap();
        assert!(seen == bytes);

        let (writer, mut reader) = into_thread();
        let thread = spawn_blocking(move || {
            let mut seen = Vec::new();
            reader.read_to_end(&mut seen).map(|_| seen)
        });
        writer.pump(&mut bytes.as_slice()).await.unwrap();
        assert!(thread.await.unwrap().unwrap() == bytes);
    }

    /// The property that makes a torn upload impossible: dropping is never an end.
    #[tokio::test]
    async fn a_dropped_writer_is_an_error_and_no_end() {
        let (mut writer, mut reader) = out_of_thread();
        let thread = spawn_blocking(move || writer.write_all(b"half").and_then(|()| writer.flush()));
        let mut seen = Vec::new();
        let error = reader.read_to_end(&mut seen).await.unwrap_err();
        thread.await.unwrap().unwrap();
        assert_eq!((error.kind(), seen.as_slice()), (io::ErrorKind::BrokenPipe, b"half".as_slice()));

        let (mut writer, mut reader) = into_thread();
        writer.send(Bytes::from_static(b"half")).await.unwrap();
        drop(writer);
        let thread = spawn_blocking(move || reader.read_to_end(&mut Vec::new()).map_err(|error| error.kind()));
        assert_eq!(thread.await.unwrap(), Err(io::ErrorKind::BrokenPipe));
    }

    #[tokio::test]
    async fn a_dropped_reader_stops_the_writer() {
        let (mut writer, reader) = out_of_thread();
        drop(reader);
        let wrote = spawn_blocking(move || writer.write_all(&pattern(2 * CHUNK_BYTES)).is_ok()).await.unwrap();
        assert!(!wrote);
        let (writer, reader) = into_thread();
        drop(reader);
        assert!(matches!(writer.pump(&mut b"x".as_slice()).await, Err(PumpError::Reader)));
    }

    #[tokio::test]
    async fn a_failing_source_is_told_apart_from_a_stopped_reader() {
        let (writer, mut reader) = into_thread();
        let thread = spawn_blocking(move || reader.read_to_end(&mut Vec::new()).is_err());
        let mut source = AsyncReadExt::chain(b"half".as_slice(), failing());
        assert!(matches!(writer.pump(&mut source).await, Err(PumpError::Source(_))));
        assert!(thread.await.unwrap());
    }

    fn failing() -> impl AsyncRead + Unpin {
        let (writer, reader) = out_of_thread();
        drop(writer);
        reader
    }
}
