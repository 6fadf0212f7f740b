//! One page of a tree and its elements.

use super::{BoltError, Meta};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

const HEADER_BYTES: u64 = 16;
const ELEMENT_BYTES: u64 = 16;
/// How much of a page is kept in memory: the header and as many elements as its counter can say. Large
/// values lie behind that and are read when they are asked for.
const HEAD_BYTES: u64 = HEADER_BYTES + ELEMENT_BYTES * u16::MAX as u64;
/// The longest key that bbolt writes, in bytes.
const MAX_KEY_BYTES: u64 = 32768;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Branch,
    Leaf,
}

/// A page, with as much of it in memory as there may be elements.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) id: u64,
    pub(super) kind: Kind,
    pub(super) count: usize,
    /// How many pages of the file it takes; 0 for one inside another.
    pub(super) length: u64,
    start: u64,
    size_bytes: u64,
    head: Vec<u8>,
}

/// An element of a leaf; positions are counted from the start of the page.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) is_bucket: bool,
    pub(super) key: Range<u64>,
    pub(super) value: Range<u64>,
}

/// An element of a branch.
pub(super) struct Branch {
    pub(super) key: Range<u64>,
    pub(super) child: u64,
}

impl Page {
    /// Reads a page by its number.
    pub(super) fn read<R: Read + Seek>(file: &mut R, meta: &Meta, id: u64) -> Result<Self, BoltError> {
        let wrong = |what| BoltError::Page { page: id, what };
        if id < 2 || id >= meta.pages {
            return Err(wrong("outside the file"));
        }
        let one = u64::from(meta.page_size_bytes);
        let start = id * one;
        let mut head = vec![0; one as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut head)?;
        let (own_id, kind, count, overflow) = header(&head).ok_or_else(|| wrong("neither branch nor leaf"))?;
        if own_id != id {
            return Err(wrong("bears another page's number"));
        }
        let length = overflow + 1;
        if id + length > meta.pages {
            return Err(wrong("reaches beyond the file"));
        }
        let size_bytes = length * one;
        if overflow > 0 {
            let rest = size_bytes.min(HEAD_BYTES.max(one)) - one;
            file.by_ref().take(rest).read_to_end(&mut head)?;
        }
        Self { id, kind, count, length, start, size_bytes, head }.checked()
    }

    /// Takes a page that lies inside another one.
    pub(super) fn inline(bytes: &[u8]) -> Result<Self, BoltError> {
        let (_, kind, count, _) = header(bytes).ok_or(BoltError::Page { page: 0, what: "neither branch nor leaf" })?;
        Self { id: 0, kind, count, length: 0, start: 0, size_bytes: bytes.len() as u64, head: bytes.to_vec() }.checked()
    }

    fn checked(self) -> Result<Self, BoltError> {
        if self.elements_end() > self.head.len() as u64 {
            return Err(self.wrong("more elements than fit"));
        }
        if self.kind == Kind::Branch && self.count == 0 {
            return Err(self.wrong("a branch without children"));
        }
        Ok(self)
    }

    fn wrong(&self, what: &'static str) -> BoltError {
        BoltError::Page { page: self.id, what }
    }

    fn elements_end(&self) -> u64 {
        HEADER_BYTES + ELEMENT_BYTES * self.count as u64
    }

    fn element(&self, index: usize) -> Result<(u64, &[u8; ELEMENT_BYTES as usize]), BoltError> {
        let at = HEADER_BYTES + ELEMENT_BYTES * index as u64;
        let bytes = self.head.get(at as usize..).and_then(<[u8]>::first_chunk);
        bytes.map(|bytes| (at, bytes)).ok_or_else(|| self.wrong("no such element"))
    }

    fn key(&self, start: u64, size_bytes: u64) -> Result<Range<u64>, BoltError> {
        let end = start + size_bytes;
        if size_bytes == 0 || size_bytes > MAX_KEY_BYTES || start < self.elements_end() || end > self.size_bytes {
            return Err(self.wrong("a key outside its page"));
        }
        Ok(start..end)
    }

    pub(super) fn leaf(&self, index: usize) -> Result<Leaf, BoltError> {
        let (at, element) = self.element(index)?;
        let [flags, position, key_size, value_size] = u32s(element).map(u64::from);
        let key = self.key(at + position, key_size)?;
        let value = key.end..key.end + value_size;
        if value.end > self.size_bytes || flags > 1 {
            return Err(self.wrong("a value outside its page"));
        }
        Ok(Leaf { is_bucket: flags == 1, key, value })
    }

    pub(super) fn branch(&self, index: usize) -> Result<Branch, BoltError> {
        let (at, element) = self.element(index)?;
        let [position, key_size, low, high] = u32s(element).map(u64::from);
        Ok(Branch { key: self.key(at + position, key_size)?, child: high << 32 | low })
    }

    /// Copies a part of the page, which the caller has got from an element.
    pub(super) fn copy<R: Read + Seek>(
        &self,
        file: &mut R,
        range: Range<u64>,
        out: &mut Vec<u8>,
    ) -> Result<(), BoltError> {
        out.clear();
        if let Some(bytes) = self.head.get(range.start as usize..range.end as usize) {
            out.extend_from_slice(bytes);
            return Ok(());
        }
        let size_bytes = range.end - range.start;
        file.seek(SeekFrom::Start(self.start + range.start))?;
        let read = file.by_ref().take(size_bytes).read_to_end(out)?;
        if read as u64 == size_bytes { Ok(()) } else { Err(self.wrong("cut off")) }
    }
}

/// A page's own number, its kind, how many elements it has, and how many further pages it takes.
fn header(bytes: &[u8]) -> Option<(u64, Kind, usize, u64)> {
    let (id, rest) = bytes.split_first_chunk::<8>()?;
    let (flags, rest) = rest.split_first_chunk::<2>()?;
    let (count, rest) = rest.split_first_chunk::<2>()?;
    let overflow = rest.first_chunk::<4>()?;
    let kind = match u16::from_le_bytes(*flags) {
        1 => Kind::Branch,
        2 => Kind::Leaf,
        _ => return None,
    };
    let count = usize::from(u16::from_le_bytes(*count));
    Some((u64::from_le_bytes(*id), kind, count, u64::from(u32::from_le_bytes(*overflow))))
}

fn u32s(element: &[u8; 16]) -> [u32; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(element.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}
