//! The newest change of each key, in bounded memory.
//!
//! The keyspace is in the order of its history, so which change of a key is the newest is known only at
//! the end. What is remembered of a key is a fingerprint of 128 bits under a random key and the place of
//! its newest change; where that is too much, the keys are split by fingerprint, and the history is read
//! once for each part.

use super::record::{self, Position};
use super::{Database, DatabaseError, KeyValue, MAX_VALUE_BYTES};
use crate::bolt::{Cursor, Reached};
use e2d_core::id::Revision;
use prost::Message as _;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{Read, Seek};

/// How many keys are remembered at once: just below where the map would grow to more than 20 MB.
const MAX_TRACKED: usize = 450_000;

type Fingerprint = (u64, u64);

/// Which keys are looked at: those whose fingerprint has this remainder.
#[derive(Clone, Copy, Debug)]
struct Part {
    index: u64,
    of: u64,
}

/// Remembers the newest change of each key of one part of the keys.
#[derive(Debug)]
pub(super) struct Tracker {
    /// Random, so that nobody can make two keys with one fingerprint.
    states: (RandomState, RandomState),
    part: Part,
    limit: usize,
    newest: HashMap<Fingerprint, Position>,
}

impl Tracker {
    /// For all keys.
    pub(super) fn new() -> Self {
        Self::with_limit(MAX_TRACKED)
    }

    fn with_limit(limit: usize) -> Self {
        Self { states: Default::default(), part: Part { index: 0, of: 1 }, limit, newest: HashMap::new() }
    }

    fn fingerprint(&self, key: &[u8]) -> Fingerprint {
        (self.states.0.hash_one(key), self.states.1.hash_one(key))
    }

    /// Takes the next change in the order of history.
    pub(super) fn note(&mut self, key: &[u8], position: Position, deletion: bool) {
        let fingerprint = self.fingerprint(key);
        if fingerprint.0 % self.part.of != self.part.index {
            return;
        }
        if deletion {
            self.newest.remove(&fingerprint);
        } else {
            self.newest.insert(fingerprint, position);
        }
    }

    /// Whether there are more keys than should be remembered at once.
    pub(super) fn is_full(&self) -> bool {
        self.newest.len() > self.limit
    }

    /// How many keys there are.
    pub(super) fn count(&self) -> u64 {
        self.newest.len() as u64
    }

    fn is_newest(&self, key: &[u8], position: Position) -> bool {
        self.newest.get(&self.fingerprint(key)) == Some(&position)
    }

    /// Reads the history for another part. Stops early when there are too many keys in part 0; the
    /// others have as many, or nearly.
    fn fill<R: Read + Seek>(
        &mut self,
        database: &mut Database<R>,
        until: Revision,
        part: Part,
    ) -> Result<(), DatabaseError> {
        self.part = part;
        self.newest.clear();
        let mut history = History::new(database, until);
        while let Some((position, deletion, head)) = history.next(database)? {
            if let Some(head) = head {
                self.note(&head.key, position, deletion);
            }
            if part.index == 0 && self.is_full() {
                break;
            }
        }
        Ok(())
    }

    /// Splits the keys until one part of them can be remembered, and remembers the first.
    fn fill_first<R: Read + Seek>(&mut self, database: &mut Database<R>, until: Revision) -> Result<(), DatabaseError> {
        let mut of = 1;
        loop {
            self.fill(database, until, Part { index: 0, of })?;
            if !self.is_full() {
                return Ok(());
            }
            of *= 2;
        }
    }

    /// Goes on to the next part; `false` when there is none.
    fn fill_next<R: Read + Seek>(
        &mut self,
        database: &mut Database<R>,
        until: Revision,
    ) -> Result<bool, DatabaseError> {
        let part = Part { index: self.part.index + 1, of: self.part.of };
        if part.index == part.of {
            return Ok(false);
        }
        self.fill(database, until, part).map(|()| true)
    }
}

/// Counts the keys at a revision, however many there are.
pub(super) fn count<R: Read + Seek>(database: &mut Database<R>, at: Revision) -> Result<u64, DatabaseError> {
    count_with(Tracker::new(), database, at)
}

fn count_with<R: Read + Seek>(
    mut tracker: Tracker,
    database: &mut Database<R>,
    at: Revision,
) -> Result<u64, DatabaseError> {
    tracker.fill_first(database, at)?;
    let mut count = tracker.count();
    while tracker.fill_next(database, at)? {
        count += tracker.count();
    }
    Ok(count)
}

/// Goes through the keyspace from its first change to the last one of a revision.
pub(super) struct History {
    cursor: Cursor,
    reached: Reached,
    until: Revision,
    value: Vec<u8>,
}

impl History {
    fn new<R: Read + Seek>(database: &Database<R>, until: Revision) -> Self {
        Self::marking(database, until, database.reached.clone())
    }

    /// Marks the pages it reads in `reached`.
    pub(super) fn marking<R: Read + Seek>(database: &Database<R>, until: Revision, reached: Reached) -> Self {
        Self { cursor: Cursor::new(database.keyspace.clone()), reached, until, value: Vec::new() }
    }

    /// The next change, whether it is a deletion, and what it says; the marker of a raised revision says
    /// nothing.
    pub(super) fn next<R: Read + Seek>(
        &mut self,
        database: &mut Database<R>,
    ) -> Result<Option<(Position, bool, Option<record::Head>)>, DatabaseError> {
        if !self.cursor.advance(&mut database.bolt, &mut self.reached)? {
            return Ok(None);
        }
        let Some((position, deletion)) = Position::parse(self.cursor.key()).filter(|_| !self.cursor.is_bucket()) else {
            return Err(DatabaseError::Entry { bucket: "key", what: "a key that is no revision".to_owned() });
        };
        if position.revision > self.until {
            return Ok(None);
        }
        self.cursor.value(&mut database.bolt, MAX_VALUE_BYTES, &mut self.value)?;
        Ok(Some((position, deletion, record::head(position, deletion, &self.value)?)))
    }

    pub(super) fn into_reached(self) -> Reached {
        self.reached
    }
}

/// The keys and values at one revision. See [`Database::latest`]. After an error it is over.
pub struct Latest<'a, R> {
    database: &'a mut Database<R>,
    at: Revision,
    tracker: Tracker,
    /// `None` when it is over.
    history: Option<History>,
}

pub(super) fn open<R: Read + Seek>(
    database: &mut Database<R>,
    at: Option<Revision>,
) -> Result<Latest<'_, R>, DatabaseError> {
    open_with(Tracker::new(), database, at)
}

fn open_with<R: Read + Seek>(
    mut tracker: Tracker,
    database: &mut Database<R>,
    at: Option<Revision>,
) -> Result<Latest<'_, R>, DatabaseError> {
    let (oldest, newest) = database.revisions()?;
    let at = at.unwrap_or(newest);
    if at < oldest || at > newest {
        return Err(DatabaseError::NotHeld { asked: at, oldest, newest });
    }
    tracker.fill_first(database, at)?;
    let history = Some(History::new(database, at));
    Ok(Latest { database, at, tracker, history })
}

impl<R: Read + Seek> Latest<'_, R> {
    fn step(&mut self) -> Result<Option<KeyValue>, DatabaseError> {
        loop {
            let Some(history) = &mut self.history else { return Ok(None) };
            match history.next(self.database)? {
                Some((position, false, Some(head))) if self.tracker.is_newest(&head.key, position) => {
                    let wrong = |_| DatabaseError::Record { position, what: "not a key and value" };
                    return KeyValue::decode(history.value.as_slice()).map(Some).map_err(wrong);
                }
                Some(_) => {}
                None if self.tracker.fill_next(self.database, self.at)? => {
                    self.history = Some(History::new(self.database, self.at));
                }
                None => return Ok(None),
            }
        }
    }
}

impl<R: Read + Seek> Iterator for Latest<'_, R> {
    type Item = Result<KeyValue, DatabaseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if !matches!(step, Ok(Some(_))) {
            self.history = None;
        }
        step.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// More keys than may be remembered at once are read in parts, and none is lost or comes twice.
    #[test]
    fn keys_in_parts_are_the_same_keys() {
        let bytes: &[u8] = include_bytes!("../../tests/data/etcd-3.6/snap.db");
        let mut database = Database::open(std::io::Cursor::new(bytes)).unwrap();
        let facts = database.facts().unwrap();
        let at_once: BTreeSet<Vec<u8>> = database.latest(None).unwrap().map(|kv| kv.unwrap().key).collect();
        assert_eq!((facts.keys, at_once.len()), (135, 135));
        for limit in [134, 50, 7, 1] {
            let count = count_with(Tracker::with_limit(limit), &mut database, facts.revision).unwrap();
            let latest = open_with(Tracker::with_limit(limit), &mut database, None).unwrap();
            let keys: Vec<Vec<u8>> = latest.map(|kv| kv.unwrap().key).collect();
            assert_eq!((count, keys.len()), (135, 135), "limit {limit}");
            assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), at_once, "limit {limit}");
        }
    }
}
