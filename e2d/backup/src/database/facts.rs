//! Everything that a database says of itself, read in one go.

use super::latest::{self, History, Tracker};
use super::{Database, DatabaseError, record};
use crate::bolt::{Cursor, Reached};
use e2d_core::id::{MemberId, Revision};
use prost::Message;
use serde::Deserialize;
use std::io::{Read, Seek};

/// The largest entry outside the keyspace, in bytes: a role of etcd's own users, which can list many keys.
const MAX_ENTRY_BYTES: u64 = 4 * 1024 * 1024;
/// The most members that are read. etcd itself advises against more than seven.
const MAX_MEMBERS: usize = 1000;

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The store's revision: that of the newest change, or of the newest compaction if that is higher.
    pub revision: Revision,
    /// The newest revision that was compacted away, finished or only begun; 0 for none.
    pub compact_revision: Revision,
    /// How many keys a client would have found.
    pub keys: u64,
    /// How many changes are kept, deletions and superseded values included.
    pub changes: u64,
    /// The raft index of the last entry applied; 0 if the database was never part of a server.
    pub raft_index: u64,
    /// Its term; etcd 3.4 does not store it.
    pub raft_term: Option<u64>,
    /// The raft ids of the voters, as far as they are stored (since etcd 3.5).
    pub voters: Vec<MemberId>,
    /// The raft ids of the learners, as far as they are stored (since etcd 3.5).
    pub learners: Vec<MemberId>,
    /// The version of the stored schema, such as `3.6.0` (since etcd 3.6).
    pub storage_version: Option<String>,
    /// The cluster's version, such as `3.5.0`.
    pub cluster_version: Option<String>,
    /// The members, by id.
    pub members: Vec<Member>,
    /// The alarms that are raised.
    pub alarms: Vec<Alarm>,
    /// How many leases there are.
    pub leases: u64,
    /// Whether etcd asks its clients for a user and password.
    pub auth_enabled: bool,
    /// The size of all pages.
    pub size_bytes: u64,
    /// The size of the pages that are not free.
    pub in_use_bytes: u64,
}

/// A member as the database knows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Member {
    /// Its raft id.
    #[serde(deserialize_with = "id")]
    pub id: MemberId,
    /// Its name; empty before its first start.
    #[serde(default)]
    pub name: String,
    /// Where the others reach it.
    #[serde(rename = "peerURLs", default)]
    pub peer_urls: Vec<String>,
    /// Where clients reach it; empty before its first start.
    #[serde(rename = "clientURLs", default)]
    pub client_urls: Vec<String>,
    /// Whether it does not vote yet.
    #[serde(rename = "isLearner", default)]
    pub is_learner: bool,
}

fn id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<MemberId, D::Error> {
    u64::deserialize(deserializer).map(MemberId)
}

/// An alarm that a member raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// The member.
    pub member: MemberId,
    /// What it is about.
    pub kind: AlarmKind,
}

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmKind {
    /// The database has reached its quota.
    NoSpace,
    /// The members' data differ.
    Corrupt,
    /// One that this version does not know, by its number.
    Other(i32),
}

#[derive(Clone, PartialEq, Eq, Message)]
struct AlarmEntry {
    #[prost(uint64, tag = "1")]
    member: u64,
    #[prost(int32, tag = "2")]
    alarm: i32,
}

#[derive(Deserialize)]
struct ConfState {
    #[serde(default)]
    voters: Vec<u64>,
    #[serde(default)]
    learners: Vec<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Meta {
    raft_index: u64,
    raft_term: Option<u64>,
    voters: Vec<MemberId>,
    learners: Vec<MemberId>,
    storage_version: Option<String>,
    pub(super) compact_revision: Revision,
}

impl<R: Read + Seek> Database<R> {
    /// The ids of all leases. Takes 8 bytes of memory for each.
    pub fn leases(&mut self) -> Result<Vec<i64>, DatabaseError> {
        let mut leases = Vec::new();
        let mut reached = self.reached.clone();
        self.walk("lease", &mut reached, |key, _| {
            leases.push(i64::from_be_bytes(*key.first_chunk().ok_or("a key that is no lease")?));
            Ok(())
        })?;
        Ok(leases)
    }

    /// The oldest revision that can be read, and the newest.
    pub(super) fn revisions(&mut self) -> Result<(Revision, Revision), DatabaseError> {
        let mut reached = self.reached.clone();
        let compacted = self.meta(&mut reached)?.compact_revision;
        let keyspace = self.keyspace.clone();
        let last = Cursor::last(&mut self.bolt, keyspace, &mut reached)?;
        let last = last.and_then(|key| record::Position::parse(&key)).map_or(Revision(1), |(last, _)| last.revision);
        Ok((compacted.max(Revision(1)), last.max(compacted).max(Revision(1))))
    }

    fn walk(
        &mut self,
        bucket: &'static str,
        reached: &mut Reached,
        mut each: impl FnMut(&[u8], &[u8]) -> Result<(), String>,
    ) -> Result<(), DatabaseError> {
        let Some(root) = self.buckets.get(bucket.as_bytes()).cloned() else { return Ok(()) };
        let wrong = |what| DatabaseError::Entry { bucket, what };
        let mut cursor = Cursor::new(root);
        let mut value = Vec::new();
        while cursor.advance(&mut self.bolt, reached)? {
            if cursor.is_bucket() {
                return Err(wrong("a bucket where none belongs".to_owned()));
            }
            cursor.value(&mut self.bolt, MAX_ENTRY_BYTES, &mut value)?;
            each(cursor.key(), &value).map_err(wrong)?;
        }
        Ok(())
    }

    fn meta(&mut self, reached: &mut Reached) -> Result<Meta, DatabaseError> {
        let mut meta = Meta::default();
        self.walk("meta", reached, |key, value| {
            match key {
                b"consistent_index" => meta.raft_index = number(value)?,
                b"term" => meta.raft_term = Some(number(value)?),
                b"storageVersion" => meta.storage_version = Some(text(value)?),
                b"scheduledCompactRev" | b"finishedCompactRev" => {
                    let (position, _) = record::Position::parse(value).ok_or("a compaction of no revision")?;
                    meta.compact_revision = meta.compact_revision.max(position.revision);
                }
                b"confState" => {
                    let state: ConfState = json(value)?;
                    meta.voters = state.voters.into_iter().map(MemberId).collect();
                    meta.learners = state.learners.into_iter().map(MemberId).collect();
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(meta)
    }

    fn members(&mut self, reached: &mut Reached) -> Result<Vec<Member>, DatabaseError> {
        let mut members = Vec::new();
        self.walk("members", reached, |key, value| {
            let member: Member = json(value)?;
            if members.len() == MAX_MEMBERS || text(key)?.parse() != Ok(member.id) {
                return Err("not a list of members".to_owned());
            }
            members.push(member);
            Ok(())
        })?;
        members.sort_by_key(|member| member.id);
        Ok(members)
    }

    fn alarms(&mut self, reached: &mut Reached) -> Result<Vec<Alarm>, DatabaseError> {
        let mut alarms = Vec::new();
        self.walk("alarm", reached, |key, _| {
            let entry = AlarmEntry::decode(key).map_err(|error| error.to_string())?;
            let kind = match entry.alarm {
                1 => AlarmKind::NoSpace,
                2 => AlarmKind::Corrupt,
                other => AlarmKind::Other(other),
            };
            if alarms.len() == 2 * MAX_MEMBERS {
                return Err("not a list of alarms".to_owned());
            }
            alarms.push(Alarm { member: MemberId(entry.member), kind });
            Ok(())
        })?;
        Ok(alarms)
    }
}

/// Reads everything once. Each part marks the pages it reads, so that no page can belong to two of them.
pub(super) fn read<R: Read + Seek>(database: &mut Database<R>) -> Result<Facts, DatabaseError> {
    let mut reached = database.reached.clone();
    let meta = database.meta(&mut reached)?;
    let members = database.members(&mut reached)?;
    let alarms = database.alarms(&mut reached)?;
    let (mut leases, mut auth_enabled, mut cluster_version) = (0, false, None);
    database.walk("lease", &mut reached, |_, _| {
        leases += 1;
        Ok(())
    })?;
    database.walk("auth", &mut reached, |key, value| {
        auth_enabled |= key == b"authEnabled" && value == [1];
        Ok(())
    })?;
    database.walk("cluster", &mut reached, |key, value| {
        if key == b"clusterVersion" {
            cluster_version = Some(text(value)?);
        }
        Ok(())
    })?;
    for bucket in ["members_removed", "authUsers", "authRoles"] {
        database.walk(bucket, &mut reached, |_, _| Ok(()))?;
    }
    let keyspace = keyspace(database, reached)?;
    let revision = keyspace.last.max(meta.compact_revision).max(Revision(1));
    let keys = match keyspace.keys {
        Some(keys) => keys,
        None => latest::count(database, revision)?,
    };
    let page = u64::from(database.bolt.meta().page_size_bytes);
    Ok(Facts {
        revision,
        compact_revision: meta.compact_revision,
        keys,
        changes: keyspace.changes,
        raft_index: meta.raft_index,
        raft_term: meta.raft_term,
        voters: meta.voters,
        learners: meta.learners,
        storage_version: meta.storage_version,
        cluster_version,
        members,
        alarms,
        leases,
        auth_enabled,
        size_bytes: database.bolt.meta().pages * page,
        in_use_bytes: (keyspace.reached.count() + 2) * page,
    })
}

struct Keyspace {
    last: Revision,
    changes: u64,
    /// `None` when there are too many to count at once.
    keys: Option<u64>,
    reached: Reached,
}

fn keyspace<R: Read + Seek>(database: &mut Database<R>, reached: Reached) -> Result<Keyspace, DatabaseError> {
    let mut history = History::marking(database, Revision(i64::MAX), reached);
    let (mut last, mut changes) = (Revision(0), 0);
    let mut tracker = Some(Tracker::new());
    while let Some((position, deletion, head)) = history.next(database)? {
        last = position.revision;
        changes += 1;
        if let (Some(tracker), Some(head)) = (&mut tracker, head) {
            tracker.note(&head.key, position, deletion);
        }
        tracker = tracker.filter(|tracker| !tracker.is_full());
    }
    Ok(Keyspace { last, changes, keys: tracker.map(|tracker| tracker.count()), reached: history.into_reached() })
}

fn number(value: &[u8]) -> Result<u64, String> {
    value.try_into().map(u64::from_be_bytes).map_err(|_| "not a number of 8 bytes".to_owned())
}

fn text(value: &[u8]) -> Result<String, String> {
    std::str::from_utf8(value).map(str::to_owned).map_err(|error| error.to_string())
}

fn json<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(value).map_err(|error| error.to_string())
}
