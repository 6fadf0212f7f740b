//! Counts and digests bytes on their way.

use super::Extent;
use aws_lc_rs::digest::{Context, SHA256};
use e2d_core::id::Digest;
use std::io::{self, Read, Write};

/// A reader or writer that counts and digests what passes.
pub(super) struct Summed<T> {
    inner: T,
    context: Context,
    size_bytes: u64,
}

impl<T> Summed<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, context: Context::new(&SHA256), size_bytes: 0 }
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(super) fn finish(self) -> (Extent, T) {
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.context.finish().as_ref());
        (Extent { size_bytes: self.size_bytes, sha256: Digest(sha256) }, self.inner)
    }

    fn note(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
        self.size_bytes += bytes.len() as u64;
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.note(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.note(&buffer[..read]);
        Ok(read)
    }
}
