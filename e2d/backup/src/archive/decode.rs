//! From the stored bytes back to the database, in one pass and bounded memory.
//!
//! Every byte is held against the manifest: sizes, both digests, one frame and nothing behind it. No more
//! than the manifest's plain size is ever written, whatever the compressed bytes ask for, and no more
//! than 32 MiB of window is kept.

use super::manifest::MAX_WINDOW_LOG;
use super::summed::Summed;
use super::{Extent, Manifest};
use e2d_core::id::Digest;
use std::io::{self, Read, Write};

const CHUNK_BYTES: usize = 128 * 1024;

/// Why the bytes are not what the manifest says. What was written until then is to be thrown away.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The stored bytes cannot be read. This says nothing about the archive.
    #[error("the stored bytes cannot be read")]
    Stored(#[source] io::Error),
    /// The database cannot be written. This says nothing about the archive.
    #[error("the database cannot be written")]
    Plain(#[source] io::Error),
    /// This version cannot decrypt. This says nothing about the archive.
    #[error("the archive is encrypted with {scheme}, which this e2d cannot read: use a newer one")]
    Encrypted {
        /// The manifest's scheme.
        scheme: String,
    },
    /// Fewer or more bytes are stored than the manifest says.
    #[error("{}{found_bytes} bytes are stored, the manifest says {expected_bytes}", if found_bytes > expected_bytes { "at least " } else { "" })]
    StoredSize {
        /// The manifest's.
        expected_bytes: u64,
        /// How many there are.
        found_bytes: u64,
    },
    /// The stored bytes are not those that were written.
    #[error("the stored bytes have the digest {found}, the manifest says {expected}")]
    StoredDigest {
        /// The manifest's.
        expected: Digest,
        /// Theirs.
        found: Digest,
    },
    /// The stored bytes are those that were written, but not one zstd frame.
    #[error("the stored bytes cannot be decompressed")]
    Compression(#[source] io::Error),
    /// There is more behind the frame.
    #[error("bytes follow the end of the compressed database")]
    Trailing,
    /// The database is smaller than the manifest says, or goes on where it should end.
    #[error("the database has {}{found_bytes} bytes, the manifest says {expected_bytes}", if found_bytes > expected_bytes { "at least " } else { "" })]
    PlainSize {
        /// The manifest's.
        expected_bytes: u64,
        /// How many there are.
        found_bytes: u64,
    },
    /// The database is not the one that was archived.
    #[error("the database has the digest {found}, the manifest says {expected}")]
    PlainDigest {
        /// The manifest's.
        expected: Digest,
        /// Its own.
        found: Digest,
    },
}

impl DecodeError {
    /// Whether this is something about the archive, which trying again will not change.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        !matches!(self, Self::Stored(_) | Self::Plain(_) | Self::Encrypted { .. })
    }
}

/// Decompresses stored bytes into a database and checks both against the manifest.
///
/// What is written to `plain` may be used only after this has returned without an error.
pub fn decode(stored: impl Read, manifest: &Manifest, plain: &mut impl Write) -> Result<(), DecodeError> {
    if let Some(encryption) = &manifest.encryption {
        return Err(DecodeError::Encrypted { scheme: encryption.scheme.clone() });
    }
    // One byte more than there should be shows that there is more; the rest of it is of no interest.
    let limit = manifest.stored.size_bytes.saturating_add(1);
    let mut source = Source { summed: Summed::new(stored.take(limit)), failure: None };
    let decoded = decompress(&mut source, manifest.plain, plain);
    if matches!(decoded, Err(DecodeError::Plain(_))) {
        return decoded;
    }
    // What is wrong with the stored bytes comes first: it explains what is wrong with the database.
    let drained = io::copy(&mut source, &mut io::sink());
    if let Some(failure) = source.failure {
        return Err(DecodeError::Stored(failure));
    }
    drained.map_err(DecodeError::Stored)?;
    let (Extent { size_bytes: found_bytes, sha256: found }, _) = source.summed.finish();
    let Extent { size_bytes: expected_bytes, sha256: expected } = manifest.stored;
    if found_bytes != expected_bytes {
        return Err(DecodeError::StoredSize { expected_bytes, found_bytes });
    }
    if found != expected {
        return Err(DecodeError::StoredDigest { expected, found });
    }
    decoded
}

fn decompress<R: Read>(source: &mut Source<R>, expected: Extent, plain: &mut impl Write) -> Result<(), DecodeError> {
    let mut frame = zstd::Decoder::new(source).map_err(DecodeError::Compression)?.single_frame();
    frame.window_log_max(u32::from(MAX_WINDOW_LOG)).map_err(DecodeError::Compression)?;
    let mut plain = Summed::new(plain);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = match frame.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(DecodeError::Compression(error)),
        };
        let found_bytes = plain.size_bytes() + read as u64;
        if found_bytes > expected.size_bytes {
            return Err(DecodeError::PlainSize { expected_bytes: expected.size_bytes, found_bytes });
        }
        plain.write_all(&chunk[..read]).map_err(DecodeError::Plain)?;
    }
    // The reader has read ahead: what it holds now lies behind the frame.
    let mut rest = frame.finish();
    if rest.read(&mut chunk[..1]).map_err(DecodeError::Compression)? > 0 {
        return Err(DecodeError::Trailing);
    }
    let (found, _) = plain.finish();
    if found.size_bytes != expected.size_bytes {
        return Err(DecodeError::PlainSize { expected_bytes: expected.size_bytes, found_bytes: found.size_bytes });
    }
    if found.sha256 != expected.sha256 {
        return Err(DecodeError::PlainDigest { expected: expected.sha256, found: found.sha256 });
    }
    Ok(())
}

/// The stored bytes; remembers an error of theirs, which the decompressor reports as one of its own.
struct Source<R: Read> {
    summed: Summed<io::Take<R>>,
    failure: Option<io::Error>,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failure.is_some() {
            return Err(io::ErrorKind::Other.into());
        }
        match self.summed.read(buffer) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                let kind = error.kind();
                self.failure = Some(error);
                Err(kind.into())
            }
            read => read,
        }
    }
}
