//! Reads a bbolt file: the format of etcd's database and of its snapshots.
//!
//! It reads page by page from anything that can seek, in bounded memory, and trusts nothing: each page is
//! checked to lie in the file, to bear its own number, to hold its elements, to be reached once and to
//! keep the order of keys. A hostile file gives an error; it cannot make the reader loop, recurse deeply
//! or allocate more than [`MAX_DEPTH`] pages of 1 MiB and one bit for each page of the file.
//!
//! It does not write, does not follow the list of free pages (etcd stores none) and knows nothing of
//! etcd; that is [`crate::database`]. Format: bbolt `internal/common/{meta,page,bucket,inode}.go`; see
//! also bbolt's own `tx_check.go` for what makes a file consistent.

mod cursor;
mod meta;
mod page;

pub use cursor::Cursor;
pub use meta::Meta;

use page::Page;
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

/// How many pages may lie between a bucket's root and a leaf, both included. A tree of 8 GiB has 5.
pub const MAX_DEPTH: usize = 16;
/// The most top-level buckets that are read. etcd has 10.
const MAX_BUCKETS: usize = 64;
/// The largest bucket that lies in its parent's page, in bytes. bbolt moves it out at a quarter page.
const MAX_INLINE_BYTES: u64 = 64 * 1024;

/// Why a file cannot be read as a bolt file. Nothing was changed; reading never does.
#[derive(Debug, thiserror::Error)]
pub enum BoltError {
    /// The file itself cannot be read.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
    /// There is no valid meta page.
    #[error("not a bolt file: {0}")]
    NotBolt(&'static str),
    /// The file ends before its last page.
    #[error("the file has {actual_bytes} bytes, its pages take {needed_bytes}")]
    Truncated {
        /// The file's size.
        actual_bytes: u64,
        /// What the meta page says.
        needed_bytes: u64,
    },
    /// A page is not what it has to be.
    #[error("page {page}: {what}")]
    Page {
        /// The page's number; 0 for one that lies inside another.
        page: u64,
        /// The rule that it breaks.
        what: &'static str,
    },
    /// A value is larger than the caller is ready to read.
    #[error("page {page}: a value of {size_bytes} bytes, where at most {limit_bytes} are expected")]
    TooLarge {
        /// The page's number.
        page: u64,
        /// The value's size.
        size_bytes: u64,
        /// The caller's limit.
        limit_bytes: u64,
    },
}

/// A bolt file, opened for reading.
#[derive(Debug)]
pub struct Bolt<R> {
    file: R,
    meta: Meta,
}

/// Where a bucket's tree begins.
#[derive(Clone, Debug)]
pub struct Bucket(Root);

#[derive(Clone, Debug)]
enum Root {
    Page(u64),
    Inline(Vec<u8>),
}

impl<R: Read + Seek> Bolt<R> {
    /// Opens a file by its newest valid meta page. What follows its last page is ignored, such as the
    /// digest at the end of an etcd snapshot.
    pub fn open(mut file: R) -> Result<Self, BoltError> {
        let actual_bytes = file.seek(SeekFrom::End(0))?;
        let meta = meta::newest(&mut file)?;
        let needed_bytes = meta.pages.saturating_mul(u64::from(meta.page_size_bytes));
        if actual_bytes < needed_bytes {
            return Err(BoltError::Truncated { actual_bytes, needed_bytes });
        }
        Ok(Self { file, meta })
    }

    /// What the meta page says.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The top-level buckets by name.
    ///
    /// `reached` marks the pages that were read, and fails if one of them was marked before.
    pub fn buckets(&mut self, reached: &mut Reached) -> Result<BTreeMap<Vec<u8>, Bucket>, BoltError> {
        let mut buckets = BTreeMap::new();
        let mut cursor = Cursor::new(Bucket(Root::Page(self.meta.root)));
        let mut value = Vec::new();
        while cursor.advance(self, reached)? {
            if !cursor.is_bucket() || buckets.len() == MAX_BUCKETS {
                return Err(BoltError::Page { page: self.meta.root, what: "not a list of buckets" });
            }
            cursor.value(self, MAX_INLINE_BYTES, &mut value)?;
            buckets.insert(cursor.key().to_vec(), Bucket::parse(&value)?);
        }
        Ok(buckets)
    }

    fn page(&mut self, id: u64) -> Result<Page, BoltError> {
        Page::read(&mut self.file, &self.meta, id)
    }
}

impl Bucket {
    /// A bucket's value in its parent: the root page and a counter, then the page itself if that is 0.
    fn parse(value: &[u8]) -> Result<Self, BoltError> {
        let wrong = BoltError::Page { page: 0, what: "a bucket without a root" };
        let Some((root, rest)) = value.split_first_chunk::<8>() else { return Err(wrong) };
        match (u64::from_le_bytes(*root), rest.get(8..)) {
            (0, Some(page)) if !page.is_empty() => Ok(Self(Root::Inline(page.to_vec()))),
            (0, _) | (_, None) => Err(wrong),
            (root, Some(_)) => Ok(Self(Root::Page(root))),
        }
    }
}

/// The pages that were read so far, one bit each.
#[derive(Clone, Debug)]
pub struct Reached {
    bits: Vec<u64>,
    pages: u64,
}

impl Reached {
    /// None of a file's pages.
    #[must_use]
    pub fn none(meta: &Meta) -> Self {
        // The file is as long as its pages, so their number is bounded by what is really there.
        Self { bits: vec![0; (meta.pages / 64 + 1) as usize], pages: meta.pages }
    }

    /// How many pages were reached, besides the two meta pages.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.bits.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    fn mark(&mut self, page: u64, length: u64) -> Result<(), BoltError> {
        let end = page.saturating_add(length);
        if page < 2 || end > self.pages {
            return Err(BoltError::Page { page, what: "outside the file" });
        }
        for id in page..end {
            let (word, bit) = ((id / 64) as usize, 1 << (id % 64));
            if self.bits[word] & bit != 0 {
                return Err(BoltError::Page { page, what: "reached twice" });
            }
            self.bits[word] |= bit;
        }
        Ok(())
    }
}
