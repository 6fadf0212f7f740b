//! From etcd's snapshot to the bytes that are stored, in one pass and constant memory.
//!
//! etcd's stream ends with the SHA-256 of all bytes before it, and its own mark for that is a size of 32
//! above a multiple of 512 (etcd `client/v3/snapshot`). The digest is checked and dropped: it is the
//! digest of the plain database in the manifest. What it proves is the transport, not the member's disk;
//! that takes a walk through the database (see [`super::check()`]).

use super::summed::Summed;
use super::{Codec, Compression, Extent};
use e2d_core::id::Digest;
use std::io::{self, Read, Write};

const DIGEST_BYTES: usize = 32;
const PAGE_MULTIPLE: u64 = 512;
const CHUNK_BYTES: usize = 128 * 1024;
/// Where a bolt file has its magic number, and what that is.
const MAGIC_AT: usize = 16;
const MAGIC: [u8; 4] = [0xED, 0xDA, 0x0C, 0xED];

/// How the database comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotForm {
    /// Followed by its digest, as etcd's snapshot stream and `etcdctl snapshot save`.
    WithDigest,
    /// The database alone, as `member/snap/db` and the backups of the program before.
    Bare,
}

/// What was read and what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The database.
    pub plain: Extent,
    /// Its compressed form.
    pub stored: Extent,
}

/// Why there are no stored bytes. What was written until then is to be thrown away.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The snapshot broke off.
    #[error("the snapshot cannot be read")]
    Source(#[source] io::Error),
    /// The compressed bytes cannot be written.
    #[error("the compressed snapshot cannot be written")]
    Sink(#[source] io::Error),
    /// The bytes are not a bolt database.
    #[error("the snapshot is not an etcd database")]
    NotADatabase,
    /// The size does not fit the form.
    #[error("the snapshot has {size_bytes} bytes, which is not a multiple of {PAGE_MULTIPLE} for the database{}", match form {
        SnapshotForm::WithDigest => " and 32 for its digest",
        SnapshotForm::Bare => "",
    })]
    Size {
        /// How many there are.
        size_bytes: u64,
        /// What was expected.
        form: SnapshotForm,
    },
    /// The digest at the end is not that of the bytes before it.
    #[error("the snapshot was damaged on its way: its digest is {found}, and it ends with {expected}")]
    Digest {
        /// What the snapshot ends with.
        expected: Digest,
        /// What its bytes give.
        found: Digest,
    },
    /// The settings are outside what readers accept.
    #[error("the compression cannot be used: {0}")]
    Compression(&'static str),
}

/// Compresses a snapshot and returns its sink with what was read and written.
///
/// The sink holds nothing that may be used before this has returned.
pub fn encode<W: Write>(
    source: &mut impl Read,
    form: SnapshotForm,
    compression: Compression,
    sink: W,
) -> Result<(Encoded, W), EncodeError> {
    compression.validate().map_err(EncodeError::Compression)?;
    let mut plain = Summed::new(compressor(compression, Summed::new(sink)).map_err(EncodeError::Sink)?);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut held = 0;
    loop {
        // The last 32 bytes are held back until it is known whether they are the digest.
        let read = fill(source, &mut chunk[held..]).map_err(EncodeError::Source)?;
        let first = plain.size_bytes() == 0;
        if first && chunk.get(MAGIC_AT..MAGIC_AT + MAGIC.len()) != Some(&MAGIC) {
            return Err(EncodeError::NotADatabase);
        }
        let end = held + read;
        if read == 0 || end <= DIGEST_BYTES {
            held = end;
            break;
        }
        plain.write_all(&chunk[..end - DIGEST_BYTES]).map_err(EncodeError::Sink)?;
        chunk.copy_within(end - DIGEST_BYTES..end, 0);
        held = DIGEST_BYTES;
    }
    let size_bytes = plain.size_bytes() + held as u64;
    if form == SnapshotForm::Bare {
        plain.write_all(&chunk[..held]).map_err(EncodeError::Sink)?;
    }
    if plain.size_bytes() == 0 || !plain.size_bytes().is_multiple_of(PAGE_MULTIPLE) {
        return Err(EncodeError::Size { size_bytes, form });
    }
    let (extent, compressor) = plain.finish();
    let expected: Option<[u8; DIGEST_BYTES]> = chunk[..held].try_into().ok();
    match (form, expected.map(Digest)) {
        (SnapshotForm::WithDigest, Some(expected)) if expected != extent.sha256 => {
            return Err(EncodeError::Digest { expected, found: extent.sha256 });
        }
        (SnapshotForm::WithDigest, None) => return Err(EncodeError::Size { size_bytes, form }),
        _ => {}
    }
    let (stored, sink) = compressor.finish().map_err(EncodeError::Sink)?.finish();
    Ok((Encoded { plain: extent, stored }, sink))
}

fn compressor<W: Write>(compression: Compression, sink: W) -> io::Result<zstd::Encoder<'static, W>> {
    let Compression { codec: Codec::Zstd, level, window_log } = compression;
    let mut encoder = zstd::Encoder::new(sink, level)?;
    encoder.include_checksum(true)?;
    encoder.include_contentsize(false)?;
    if let Some(log) = window_log {
        encoder.window_log(u32::from(log))?;
        encoder.long_distance_matching(true)?;
    }
    Ok(encoder)
}

/// Reads until the buffer is full or the source ends.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
