//! Goes through a bucket in the order of its keys.

use super::page::{Kind, Leaf, Page};
use super::{Bolt, BoltError, Bucket, MAX_DEPTH, Reached, Root};
use std::io::{Read, Seek};

/// A position in a bucket. It does not hold the file, which is given to each step.
///
/// The order of keys is checked on the way: a leaf's key must be above the one before it, and not below
/// the separator in the branch that led to it; a separator must be above every key before it.
#[derive(Debug)]
pub struct Cursor {
    root: Option<Bucket>,
    stack: Vec<Frame>,
    key: Vec<u8>,
    leaf: Option<Leaf>,
    bound: Bound,
}

#[derive(Debug)]
struct Frame {
    page: Page,
    next: usize,
}

#[derive(Debug)]
enum Bound {
    None,
    Above(Vec<u8>),
    From(Vec<u8>),
}

impl Cursor {
    /// Before the first key of a bucket.
    #[must_use]
    pub fn new(bucket: Bucket) -> Self {
        Self { root: Some(bucket), stack: Vec::new(), key: Vec::new(), leaf: None, bound: Bound::None }
    }

    /// The last key of a bucket, without a walk through it; `None` when it is empty.
    pub fn last<R: Read + Seek>(
        bolt: &mut Bolt<R>,
        bucket: Bucket,
        reached: &mut Reached,
    ) -> Result<Option<Vec<u8>>, BoltError> {
        let mut cursor = Self::new(bucket);
        cursor.start(bolt, reached)?;
        while let Some(Frame { page, .. }) = cursor.stack.last()
            && let Some(index) = page.count.checked_sub(1)
        {
            match page.kind {
                Kind::Branch => {
                    let child = page.branch(index)?.child;
                    cursor.enter(bolt, reached, child)?;
                }
                Kind::Leaf => {
                    page.copy(&mut bolt.file, page.leaf(index)?.key, &mut cursor.key)?;
                    return Ok(Some(cursor.key));
                }
            }
        }
        Ok(None)
    }

    fn start<R: Read + Seek>(&mut self, bolt: &mut Bolt<R>, reached: &mut Reached) -> Result<(), BoltError> {
        match self.root.take() {
            Some(Bucket(Root::Page(id))) => self.enter(bolt, reached, id)?,
            Some(Bucket(Root::Inline(bytes))) => self.stack.push(Frame { page: Page::inline(&bytes)?, next: 0 }),
            None => {}
        }
        Ok(())
    }

    /// Goes to the next key; `false` when there is none.
    ///
    /// `reached` marks each page that is read. Over one bucket it makes sure that the walk ends; over all
    /// buckets of a file, that no page belongs to two of them.
    pub fn advance<R: Read + Seek>(&mut self, bolt: &mut Bolt<R>, reached: &mut Reached) -> Result<bool, BoltError> {
        self.leaf = None;
        self.start(bolt, reached)?;
        while let Some(frame) = self.stack.last_mut() {
            if frame.next == frame.page.count {
                self.stack.pop();
                continue;
            }
            let index = frame.next;
            frame.next += 1;
            match frame.page.kind {
                Kind::Leaf => {
                    let leaf = frame.page.leaf(index)?;
                    frame.page.copy(&mut bolt.file, leaf.key.clone(), &mut self.key)?;
                    let id = frame.page.id;
                    self.leaf = Some(leaf);
                    self.bound.keep_above(id, &self.key)?;
                    return Ok(true);
                }
                Kind::Branch => {
                    let branch = frame.page.branch(index)?;
                    frame.page.copy(&mut bolt.file, branch.key, &mut self.key)?;
                    self.bound.keep_from(frame.page.id, &self.key)?;
                    self.enter(bolt, reached, branch.child)?;
                }
            }
        }
        Ok(false)
    }

    fn enter<R: Read + Seek>(&mut self, bolt: &mut Bolt<R>, reached: &mut Reached, id: u64) -> Result<(), BoltError> {
        if self.stack.len() == MAX_DEPTH {
            return Err(BoltError::Page { page: id, what: "the tree is too deep" });
        }
        let page = bolt.page(id)?;
        reached.mark(id, page.length)?;
        self.stack.push(Frame { page, next: 0 });
        Ok(())
    }

    /// The key at this position; empty before the first step.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// Whether the value is a bucket.
    #[must_use]
    pub fn is_bucket(&self) -> bool {
        self.leaf.as_ref().is_some_and(|leaf| leaf.is_bucket)
    }

    /// Reads the value at this position, if it has at most so many bytes; nothing before the first step
    /// and after the last.
    pub fn value<R: Read + Seek>(
        &self,
        bolt: &mut Bolt<R>,
        limit_bytes: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), BoltError> {
        out.clear();
        let (Some(leaf), Some(frame)) = (&self.leaf, self.stack.last()) else { return Ok(()) };
        let size_bytes = leaf.value.end - leaf.value.start;
        if size_bytes > limit_bytes {
            return Err(BoltError::TooLarge { page: frame.page.id, size_bytes, limit_bytes });
        }
        frame.page.copy(&mut bolt.file, leaf.value.clone(), out)
    }
}

impl Bound {
    fn allows(&self, key: &[u8]) -> bool {
        match self {
            Self::None => true,
            Self::Above(bound) => key > bound.as_slice(),
            Self::From(bound) => key >= bound.as_slice(),
        }
    }

    /// A leaf's key: what follows is above it.
    fn keep_above(&mut self, page: u64, key: &[u8]) -> Result<(), BoltError> {
        self.check(page, key)?;
        *self = Self::Above(self.take_with(key));
        Ok(())
    }

    /// A separator: what follows is not below it.
    fn keep_from(&mut self, page: u64, key: &[u8]) -> Result<(), BoltError> {
        self.check(page, key)?;
        *self = Self::From(self.take_with(key));
        Ok(())
    }

    fn check(&self, page: u64, key: &[u8]) -> Result<(), BoltError> {
        if self.allows(key) { Ok(()) } else { Err(BoltError::Page { page, what: "keys out of order" }) }
    }

    /// The bound's own memory with another key in it: there is one allocation for a whole walk.
    fn take_with(&mut self, key: &[u8]) -> Vec<u8> {
        let mut bytes = match std::mem::replace(self, Self::None) {
            Self::None => Vec::new(),
            Self::Above(bytes) | Self::From(bytes) => bytes,
        };
        bytes.clear();
        bytes.extend_from_slice(key);
        bytes
    }
}
