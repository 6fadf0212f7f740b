//! The two meta pages, of which the newer valid one counts.

use super::BoltError;
use std::io::{self, Read, Seek, SeekFrom};

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// A page's header, before the meta itself.
const HEADER_BYTES: u64 = 16;
const META_BYTES: usize = 64;
/// How much of the meta its checksum covers.
const SUMMED_BYTES: usize = 56;
/// What stands for "free pages are not listed".
const NO_FREELIST: u64 = u64::MAX;
/// The page sizes of the systems that etcd runs on, from 1 KiB to 64 KiB.
const PAGE_SIZE_BITS: std::ops::RangeInclusive<u32> = 10..=16;

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// 1 KiB to 64 KiB, a power of two.
    pub page_size_bytes: u32,
    /// How many pages there are, the two meta pages included.
    pub pages: u64,
    /// Counts the transactions that were committed.
    pub transaction: u64,
    /// The page of the top-level buckets.
    pub root: u64,
    /// The page that lists the free ones, if one does. etcd keeps none.
    pub freelist: Option<u64>,
}

impl Meta {
    fn parse(bytes: &[u8; META_BYTES]) -> Option<Self> {
        let u32_at = |at: usize| bytes[at..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        let u64_at = |at: usize| bytes[at..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let page_size_bytes = u32_at(8)?;
        let sane = page_size_bytes.is_power_of_two() && PAGE_SIZE_BITS.contains(&page_size_bytes.trailing_zeros());
        let valid = u32_at(0)? == MAGIC
            && u32_at(4)? == VERSION
            && sane
            && u64_at(SUMMED_BYTES)? == fnv1a(&bytes[..SUMMED_BYTES]);
        let meta = Self {
            page_size_bytes,
            pages: u64_at(40)?,
            transaction: u64_at(48)?,
            root: u64_at(16)?,
            freelist: u64_at(32).filter(|page| *page != NO_FREELIST),
        };
        (valid && meta.root < meta.pages).then_some(meta)
    }
}

fn read_at<R: Read + Seek>(file: &mut R, page_start: u64) -> Result<Option<Meta>, BoltError> {
    let mut bytes = [0; META_BYTES];
    file.seek(SeekFrom::Start(page_start + HEADER_BYTES))?;
    match file.read_exact(&mut bytes) {
        Ok(()) => Ok(Meta::parse(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The newest valid meta page of a file.
pub(super) fn newest<R: Read + Seek>(file: &mut R) -> Result<Meta, BoltError> {
    let first = read_at(file, 0)?;
    // Where the second page begins is known from the first, or else from where a valid one is.
    let sizes: Vec<u32> = match &first {
        Some(meta) => vec![meta.page_size_bytes],
        None => PAGE_SIZE_BITS.map(|bits| 1 << bits).collect(),
    };
    let mut newest = first;
    for size in sizes {
        let second = read_at(file, u64::from(size))?.filter(|meta| meta.page_size_bytes == size);
        newest = [newest, second].into_iter().flatten().max_by_key(|meta| meta.transaction);
    }
    newest.ok_or(BoltError::NotBolt("no valid meta page"))
}

/// FNV-1a with 64 bits, as Go's `hash/fnv`.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn meta(page_size: u32, transaction: u64) -> [u8; META_BYTES] {
        let mut bytes = [0; META_BYTES];
        bytes[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[4..8].copy_from_slice(&VERSION.to_le_bytes());
        bytes[8..12].copy_from_slice(&page_size.to_le_bytes());
        bytes[16..24].copy_from_slice(&3_u64.to_le_bytes());
        bytes[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        bytes[40..48].copy_from_slice(&9_u64.to_le_bytes());
        bytes[48..56].copy_from_slice(&transaction.to_le_bytes());
        let sum = fnv1a(&bytes[..SUMMED_BYTES]);
        bytes[SUMMED_BYTES..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn file(page_size: u32, first: &[u8], second: &[u8]) -> io::Cursor<Vec<u8>> {
        let mut bytes = vec![0; 2 * page_size as usize];
        bytes[16..80].copy_from_slice(first);
        bytes[page_size as usize + 16..page_size as usize + 80].copy_from_slice(second);
        io::Cursor::new(bytes)
    }

    #[test]
    fn the_newer_valid_page_counts_whichever_it_is() {
        for size in [1024, 4096, 65536] {
            for (first, second, newest) in [(5, 6, 6), (8, 7, 8)] {
                let mut both = file(size, &meta(size, first), &meta(size, second));
                assert_eq!(super::newest(&mut both).unwrap().transaction, newest);
                let mut one = file(size, &[0; 64], &meta(size, second));
                assert_eq!(super::newest(&mut one).unwrap().transaction, second);
                let mut one = file(size, &meta(size, first), &[0; 64]);
                assert_eq!(super::newest(&mut one).unwrap().transaction, first);
            }
        }
    }

    #[test]
    fn a_page_with_any_bit_flipped_does_not_count() {
        for bit in 0..META_BYTES * 8 {
            let mut bytes = meta(4096, 7);
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Meta::parse(&bytes), None, "bit {bit}");
        }
        assert!(matches!(newest(&mut file(4096, &[0; 64], &[0; 64])), Err(BoltError::NotBolt(_))));
        assert!(matches!(newest(&mut io::Cursor::new(b"short")), Err(BoltError::NotBolt(_))));
    }
}
