//! One segment of the log: frames, padding, sums, and what a crash does to the last frame.
//!
//! A frame is a length of eight bytes, little-endian, whose top byte holds the padding if its highest bit is set, then
//! a protobuf `Record`, then zeros up to a multiple of eight. Segments are preallocated: a length of zero is the end.

use super::super::crc32c;
use camino::Utf8Path;
use prost::Message;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// The largest record that is read. etcd's requests have 1.5 MiB at most, unless it is told otherwise.
const LARGEST_RECORD_BYTES: u64 = 128 << 20;
/// The longest end of a segment that is searched. etcd preallocates 64 MB.
const LONGEST_REST_BYTES: u64 = 1 << 30;
/// What a disk writes as one, at least (etcd: `minSectorSize`).
const SECTOR: u64 = 512;
const FRAME: u64 = 8;

/// What a record is, but for the sums, which are dealt with here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Metadata,
    Entry,
    State,
    Snapshot,
}

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A whole record.
    Record { kind: Kind, data: &'a [u8] },
    /// The segment ends in order.
    End,
    /// The newest segment ends in a record that was not written whole.
    Torn { lost_bytes: u64 },
    /// No crash does this.
    Damaged(&'static str),
}

#[derive(Message)]
pub(super) struct Record {
    #[prost(int64, tag = "1")]
    pub(super) kind: i64,
    #[prost(uint32, tag = "2")]
    pub(super) crc: u32,
    #[prost(bytes, tag = "3")]
    pub(super) data: Vec<u8>,
}

/// A segment that is being read.
pub(super) struct Segment {
    file: BufReader<File>,
    size: u64,
    offset: u64,
    crc: u32,
    record: Record,
}

/// Why a frame is not a record.
enum Fault {
    /// As a crash leaves it, if it is the last one.
    Torn,
    /// As no crash leaves it.
    Damaged(&'static str),
}

impl Segment {
    /// Opens one; `crc` is the sum at the end of the segment before it.
    pub(super) fn open(path: &Utf8Path, crc: u32) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { file: BufReader::with_capacity(1 << 16, file), size, offset: 0, crc, record: Record::default() })
    }

    /// Where the next frame begins: behind the last whole record.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The sum so far.
    pub(super) fn crc(&self) -> u32 {
        self.crc
    }

    /// Reads on; sums are checked and not shown. To be called no more after anything but a record.
    pub(super) fn next(&mut self, is_last: bool) -> io::Result<Step<'_>> {
        loop {
            let frame = match self.size.saturating_sub(self.offset) {
                0 => return Ok(Step::End),
                1..FRAME => Err(Fault::Torn),
                _ => match self.length()? {
                    0 if is_last => return self.end(),
                    0 => return Ok(Step::End),
                    length => self.frame(length)?,
                },
            };
            match frame {
                Ok(None) => {}
                Ok(Some(kind)) => return Ok(Step::Record { kind, data: &self.record.data }),
                Err(Fault::Torn) if is_last => return self.end(),
                Err(Fault::Torn) => return Ok(Step::Damaged("a record is not whole, and later segments exist")),
                Err(Fault::Damaged(what)) => return Ok(Step::Damaged(what)),
            }
        }
    }

    /// The next length; zero in what is preallocated.
    fn length(&mut self) -> io::Result<u64> {
        let mut bytes = [0; FRAME as usize];
        self.file.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Reads the frame of this length; `None` is a sum.
    fn frame(&mut self, length: u64) -> io::Result<Result<Option<Kind>, Fault>> {
        let (bytes, padding) = split(length);
        let body = bytes + padding;
        if body > self.size - self.offset - FRAME {
            return Ok(Err(Fault::Torn));
        }
        if body > LARGEST_RECORD_BYTES {
            return Ok(Err(Fault::Damaged("a record is larger than 128 MiB")));
        }
        let mut frame = vec![0; body as usize];
        self.file.read_exact(&mut frame)?;
        let torn_or =
            |what| if has_empty_sector(&frame, self.offset + FRAME) { Fault::Torn } else { Fault::Damaged(what) };
        let Some(Ok(record)) = frame.get(..bytes as usize).map(Record::decode) else {
            return Ok(Err(torn_or("a record is no protobuf")));
        };
        let kind = match record.kind {
            1 => Some(Kind::Metadata),
            2 => Some(Kind::Entry),
            3 => Some(Kind::State),
            4 => None,
            5 => Some(Kind::Snapshot),
            _ => return Ok(Err(torn_or("a record is of no known kind"))),
        };
        if kind.is_some() {
            let crc = crc32c::extend(self.crc, &record.data);
            if record.crc != crc {
                return Ok(Err(torn_or("a record does not fit its sum")));
            }
            self.crc = crc;
        } else {
            // A chain begins with the first segment that is still there.
            if self.crc != 0 && record.crc != self.crc {
                return Ok(Err(Fault::Damaged("it does not go on where the segment before it ends")));
            }
            self.crc = record.crc;
        }
        self.record = record;
        self.offset += FRAME + body;
        Ok(Ok(kind))
    }

    /// What the newest segment ends in: order, a torn record, or damage with intact records behind it.
    fn end(&mut self) -> io::Result<Step<'_>> {
        if self.size - self.offset > LONGEST_REST_BYTES {
            return Ok(Step::Damaged("more than 1 GiB stands behind the last record"));
        }
        self.file.seek(SeekFrom::Start(self.offset))?;
        let mut rest = Vec::new();
        let mut lost_bytes = 0;
        let mut read = 0;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = self.file.read(&mut buffer)?;
            let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else { break };
            if let Some(last) = chunk.iter().rposition(|&byte| byte != 0) {
                lost_bytes = read + last as u64 + 1;
            }
            // Kept only as far as there is something in it.
            if lost_bytes <= LARGEST_RECORD_BYTES && lost_bytes > rest.len() as u64 {
                rest.resize(read as usize, 0);
                rest.extend_from_slice(chunk);
            }
            read += count as u64;
        }
        if lost_bytes == 0 {
            return Ok(Step::End);
        }
        if has_intact_records(&rest) {
            return Ok(Step::Damaged("a record is not whole, and intact records stand behind it"));
        }
        Ok(Step::Torn { lost_bytes })
    }
}

/// A length's bytes of record and of padding.
fn split(length: u64) -> (u64, u64) {
    let padding = if length >> 63 == 1 { length >> 56 & 7 } else { 0 };
    (length & !(0xff << 56), padding)
}

/// Whether a disk's sector of the frame was never written (etcd: `isTornEntry`).
fn has_empty_sector(mut frame: &[u8], mut offset: u64) -> bool {
    while !frame.is_empty() {
        let length = ((SECTOR - offset % SECTOR) as usize).min(frame.len());
        let (sector, rest) = frame.split_at(length);
        if sector.iter().all(|&byte| byte == 0) {
            return true;
        }
        frame = rest;
        offset += length as u64;
    }
    false
}

/// Whether two records that chain stand anywhere in what is behind a fault.
fn has_intact_records(rest: &[u8]) -> bool {
    let aligned = (FRAME as usize..rest.len()).step_by(FRAME as usize);
    aligned.filter_map(|at| record_at(rest, at)).any(|(record, next)| {
        record_at(rest, next).is_some_and(|(second, _)| {
            second.kind != 4 && second.crc == crc32c::extend(record.crc, &second.data) && !second.data.is_empty()
        })
    })
}

/// A record at a place, and the place behind it.
fn record_at(rest: &[u8], at: usize) -> Option<(Record, usize)> {
    let (length, body) = rest.get(at..)?.split_first_chunk::<{ FRAME as usize }>()?;
    let (bytes, padding) = split(u64::from_le_bytes(*length));
    // The first field of a record is its kind: a cheap test before the dear one.
    if bytes == 0 || bytes > body.len() as u64 || body.first() != Some(&0x08) {
        return None;
    }
    let record = Record::decode(body.get(..bytes as usize)?).ok()?;
    (1..=5).contains(&record.kind).then_some((record, at + FRAME as usize + (bytes + padding) as usize))
}
