//! Acts on the store: the lineage object, archives, restores.

use super::{Hands, RESTORED_DATABASE};
use crate::admin::order::Receipt;
use crate::run::describe::{self, chain};
use crate::run::fact::Outcome;
use crate::run::look::owner;
use e2d_backup::archive::{self, Archive, ArchiveName, Compression, SnapshotForm, Statement};
use e2d_backup::catalogue::Listed;
use e2d_backup::store::{Condition, Store};
use e2d_backup::{catalogue, lineage};
use e2d_core::action::Launch;
use e2d_core::id::{NodeId, Nonce};
use e2d_core::lineage::{Lineage, Source};
use e2d_core::memory::Place;
use e2d_core::observe::{Version, World};
use e2d_etcd::client::{Client, Snapshot};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinHandle;

/// How long the store may take to take the lineage object.
const WRITE_WITHIN: Duration = Duration::from_secs(30);
/// How long the store may take to take a part of an archive. etcd keeps every page of the snapshot for as long as that is
/// read, and grows meanwhile.
const TAKEN_WITHIN: Duration = Duration::from_mins(1);
/// How long the store may take for the rest, when it was given all.
const STORED_WITHIN: Duration = Duration::from_mins(5);
/// How long the failure of one end of a pipe may take to be seen at the other.
const BEHIND: Duration = Duration::from_secs(1);
/// How long one part of a snapshot may take.
const PART_WITHIN: Duration = Duration::from_secs(30);

impl Hands {
    pub(super) async fn write_lineage(&self, replaces: Option<&Version>, content: &Lineage) -> Outcome {
        let Some(store) = &self.setting.store else { return Outcome::Failed("there is no store".into()) };
        let condition = match replaces {
            None => Condition::Absent,
            Some(version) => Condition::Matches(e2d_backup::store::Version(version.0.clone())),
        };
        let object = content.encode(&owner(&self.setting.keyring(), content));
        write_object(&**store, &object, condition).await
    }

    /// Takes a full archive, reads it back, and counts it only when it is sound (S15).
    ///
    /// One that was written before and never read back, by this node or by a leader that died in between, is read
    /// back first: where that fails, for want of room above all, another would fare no better and only take room
    /// in the store. Another is then written once an interval and no more often, so that the store does not fall
    /// behind for as long as nothing can be read back.
    pub(super) async fn archive(&self, world: &World) -> Outcome {
        match self.try_archive(world).await {
            Ok(receipt) => Outcome::Archived(Box::new(receipt)),
            Err(error) => Outcome::Failed(error),
        }
    }

    async fn try_archive(&self, world: &World) -> Result<Receipt, String> {
        let store = self.setting.store.as_ref().ok_or("there is no store")?;
        let (place, node) = world.state.place.zip(world.node()).ok_or("no place in any cluster")?;
        let client = self.client().await.map_err(|error| chain(&error))?;
        let read_back = match left(&**store, &place).await? {
            Some(archive) => Some((archive.manifest.created_at, self.check(&**store, &archive, node).await)),
            None => None,
        };
        let status = client.status().await.map_err(|error| chain(&error))?;
        match read_back {
            Some((_, Ok(receipt))) if receipt.revision >= status.revision => return Ok(receipt),
            None | Some((_, Ok(_))) => {}
            Some((_, Err(error @ Unverified::Damaged { .. }))) => tracing::warn!(%error, "another archive is taken"),
            Some((taken_at, Err(error))) if is_over(taken_at, world.policy.archive_interval) => {
                tracing::info!(%error, "another archive is taken");
            }
            Some((_, Err(error))) => return Err(error.to_string()),
        }
        let statement = Statement {
            lineage: place.lineage,
            epoch: place.epoch,
            nonce: Nonce(rand::random()),
            cluster_id: place.cluster,
            member_id: place.member,
            node_id: node,
            etcd_version: status.version.clone(),
            revision: status.revision,
            raft_term: status.term,
            raft_index: status.applied,
            created_at: jiff::Timestamp::now(),
        };
        let archive = write(&**store, &client, &statement).await?;
        self.check(&**store, &archive, node).await.map_err(|error| error.to_string())
    }

    /// Reads an archive back and records what was found.
    async fn check(&self, store: &dyn Store, archive: &Archive, node: NodeId) -> Result<Receipt, Unverified> {
        let nonce = Nonce(rand::random());
        let check = archive::check(store, archive, &self.setting.home, node, nonce, jiff::Timestamp::now());
        let patience = TAKEN_WITHIN + Duration::from_secs(archive.manifest.plain.size_bytes >> 20);
        let why = match tokio::time::timeout(patience, check).await {
            Ok(Ok(check)) => return judge(archive, check.outcome),
            Ok(Err(error)) => chain(&error),
            Err(_) => format!("the store did not give it back within {} s", patience.as_secs()),
        };
        Err(Unverified::NotRead { name: archive.name(), why })
    }

    /// Restores the claim's archive into the empty data directory.
    pub(super) async fn restore(&self, source: &Source, launch: &Launch) -> Outcome {
        match self.try_restore(source, launch).await {
            Ok(()) => Outcome::Done,
            Err(error) => Outcome::Failed(error),
        }
    }

    async fn try_restore(&self, source: &Source, launch: &Launch) -> Result<(), String> {
        let store: &Arc<dyn Store> = self.setting.store.as_ref().ok_or("there is no store")?;
        let programs = self.setting.programs.restore().await.map_err(|error| chain(&error))?;
        let contents = catalogue::read(store).await.map_err(|error| chain(&error))?;
        let listed =
            contents.find(source.archive).ok_or_else(|| format!("archive {} is not in the store", source.archive))?;
        let launch = describe::launch(&self.setting, launch).map_err(|error| chain(&error))?;
        let database = self.setting.home.join(RESTORED_DATABASE);
        e2d_etcd::durable::remove(&database).map_err(|error| format!("{database}: {error}"))?;
        archive::fetch_counted(&**store, &listed.archive, SnapshotForm::WithDigest, &database, &self.fetched_bytes)
            .await
            .map_err(|error| chain(&error))?;
        let restored = e2d_etcd::restore::restore(&programs, &launch, &database, source.bump).await;
        e2d_etcd::durable::remove(&database).map_err(|error| format!("{database}: {error}"))?;
        restored.map(drop).map_err(|error| chain(&error))
    }
}

/// Writes the lineage object, or says that the store does not answer.
async fn write_object(store: &dyn Store, object: &[u8], condition: Condition) -> Outcome {
    match tokio::time::timeout(WRITE_WITHIN, lineage::write(store, object, condition)).await {
        Ok(Ok(_)) => Outcome::Done,
        Ok(Err(error)) => Outcome::Failed(chain(&error)),
        // It may yet arrive. The next look tells, and no other write of ours can come before it unseen.
        Err(_) => Outcome::Failed(format!("the store did not answer within {} s", WRITE_WITHIN.as_secs())),
    }
}

/// Why an archive does not count.
#[derive(Debug, thiserror::Error)]
enum Unverified {
    /// It was read back; there is a record that says so.
    #[error("{name} is damaged: {reason}")]
    Damaged { name: ArchiveName, reason: String },
    /// It is in the store, and can be restored when there is no better one.
    #[error("{name} is stored, and not verified: {why}")]
    NotRead { name: ArchiveName, why: String },
}

/// What counts of an archive that was read back.
fn judge(archive: &Archive, outcome: archive::Outcome) -> Result<Receipt, Unverified> {
    let (name, manifest) = (archive.name(), &archive.manifest);
    match outcome {
        archive::Outcome::Sound(found) => {
            tracing::info!(archive = %name, revision = %found.revision, keys = found.keys, "archive verified");
            Ok(Receipt {
                id: archive.id,
                name: name.to_string(),
                epoch: manifest.epoch,
                revision: found.revision,
                keys: found.keys,
                plain_bytes: manifest.plain.size_bytes,
                stored_bytes: manifest.stored.size_bytes,
            })
        }
        archive::Outcome::Damaged { reason } => Err(Unverified::Damaged { name, reason }),
    }
}

/// The newest archive of this epoch, if nobody has read it back. One whose record cannot be read is left alone: there
/// is one, and another cannot be put in its place.
async fn left(store: &dyn Store, place: &Place) -> Result<Option<Archive>, String> {
    let newest = catalogue::newest(store, place.lineage, place.epoch).await.map_err(|error| chain(&error))?;
    let is_left = |listed: &Listed| listed.verified.is_none() && listed.unread.is_none();
    Ok(newest.filter(is_left).map(|listed| listed.archive))
}

/// Whether so much time has passed since then. A clock that was set back far makes it over too.
fn is_over(then: jiff::Timestamp, interval: Duration) -> bool {
    !interval.is_zero() && jiff::Timestamp::now().duration_since(then).unsigned_abs() >= interval
}

/// Takes a snapshot of our etcd to the store.
async fn write(store: &dyn Store, client: &Client, statement: &Statement) -> Result<Archive, String> {
    let snapshot = client.within(PART_WITHIN).snapshot().await.map_err(|error| chain(&error))?;
    let (sink, source) = tokio::io::duplex(1 << 20);
    write_from(store, statement, source, tokio::spawn(pump(snapshot, sink))).await
}

/// Writes an archive of what a pump gives. A store that does not answer any more is given up.
async fn write_from(
    store: &dyn Store,
    statement: &Statement,
    mut source: DuplexStream,
    mut pump: JoinHandle<Result<(), String>>,
) -> Result<Archive, String> {
    let writing = archive::write(store, statement, SnapshotForm::WithDigest, Compression::default(), &mut source);
    let mut writing = std::pin::pin!(writing);
    let (written, pumped) = tokio::select! {
        // What the pump says of its own failure, which is told here as the end of a file, comes right behind it.
        written = &mut writing => (Some(written), tokio::time::timeout(BEHIND, &mut pump).await.ok()),
        pumped = &mut pump => (tokio::time::timeout(STORED_WITHIN, writing).await.ok(), Some(pumped)),
    };
    pump.abort();
    let why = match pumped {
        Some(Ok(Err(why))) => Some(why),
        _ => None,
    };
    match (written, why) {
        (Some(Ok(archive)), _) => Ok(archive),
        (Some(Err(error)), Some(why)) => Err(format!("{}: {why}", chain(&error))),
        (Some(Err(error)), None) => Err(chain(&error)),
        (None, why) => {
            Err(why.unwrap_or_else(|| format!("the store did not end within {} s", STORED_WITHIN.as_secs())))
        }
    }
}

/// Feeds a snapshot into a pipe, part by part.
async fn pump(mut snapshot: Snapshot, mut sink: DuplexStream) -> Result<(), String> {
    while let Some(chunk) = snapshot.next().await.map_err(|error| chain(&error))? {
        if !is_taken(&mut sink, &chunk.bytes).await? {
            return Ok(());
        }
    }
    sink.shutdown().await.map_err(|error| error.to_string())
}

/// Whether the store takes a part; it may have ended already.
async fn is_taken(sink: &mut DuplexStream, part: &[u8]) -> Result<bool, String> {
    let taken = tokio::time::timeout(TAKEN_WITHIN, sink.write_all(part)).await;
    match taken.map_err(|_| format!("the store took nothing for {} s", TAKEN_WITHIN.as_secs()))? {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true).map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2d_backup::store::{Fault, MemoryStore};

    /// What cannot be verified is written anew once an interval, whoever's clock dated it, and never faster.
    #[test]
    fn an_interval_is_over_when_it_has_passed() {
        let (now, hour) = (jiff::Timestamp::now(), Duration::from_hours(1));
        let minutes = |n: i64| jiff::SignedDuration::from_mins(n);
        for (then, over) in [(-59, false), (-61, true), (59, false), (61, true)] {
            assert_eq!(is_over(now + minutes(then), hour), over, "{then} minutes");
        }
        assert!(!is_over(now - minutes(9999), Duration::ZERO), "none are taken by the plan");
    }

    /// S17: a store that takes a write and never answers holds nothing up for good, and the next try goes through.
    #[tokio::test(start_paused = true)]
    async fn a_silent_store_is_given_up() {
        let store = MemoryStore::new();
        store.fail(Fault::Silent, 1);
        let mut outcomes = Vec::new();
        for _ in 0..2 {
            outcomes.push(write_object(&store, b"an object", Condition::Absent).await);
        }
        assert!(matches!(&outcomes[0], Outcome::Failed(why) if why.contains("within 30 s")), "{outcomes:?}");
        assert!(matches!(outcomes[1], Outcome::Done), "{outcomes:?}");
    }

    /// The same of an archive, whether the store takes no more of it or only does not end: nobody waits for it, and etcd does
    /// not keep its snapshot open.
    #[tokio::test(start_paused = true)]
    async fn a_store_that_takes_nothing_is_given_up() {
        let store = MemoryStore::new();
        for (parts, said) in [(1_u32, "the store did not end within 300 s"), (100, "the store took nothing for 60 s")] {
            store.fail(Fault::Silent, 1);
            let (mut sink, source) = tokio::io::duplex(1 << 20);
            let pump = tokio::spawn(async move {
                for part in 0..parts {
                    // Nothing that gets smaller.
                    let noise: Vec<u8> =
                        (0..1_u32 << 18).map(|n| ((n ^ part).wrapping_mul(0x9e37_79b9) >> 13) as u8).collect();
                    is_taken(&mut sink, &noise).await?;
                }
                sink.shutdown().await.map_err(|error| error.to_string())
            });
            let store = store.clone();
            let mut written = tokio::spawn(async move { write_from(&store, &statement(), source, pump).await });
            // The clock does not run ahead by itself while a thread compresses.
            let failed = loop {
                tokio::select! {
                    biased;
                    written = &mut written => break written.unwrap().unwrap_err(),
                    () = tokio::time::advance(Duration::from_secs(1)) => tokio::task::yield_now().await,
                }
            };
            assert!(failed.contains(said), "{failed}");
        }
    }

    /// A store that ends before it has read all says itself why.
    #[tokio::test]
    async fn what_is_taken_no_more_is_no_error() {
        let (mut sink, source) = tokio::io::duplex(1 << 20);
        assert_eq!(is_taken(&mut sink, &[0]).await, Ok(true));
        drop(source);
        assert_eq!(is_taken(&mut sink, &[0]).await, Ok(false));
    }

    fn statement() -> Statement {
        Statement {
            lineage: e2d_core::id::LineageId(1),
            epoch: e2d_core::id::Epoch(1),
            nonce: Nonce(1),
            cluster_id: e2d_core::id::ClusterId(1),
            member_id: e2d_core::id::MemberId(1),
            node_id: NodeId(1),
            etcd_version: "3.6.0".to_owned(),
            revision: e2d_core::id::Revision(1),
            raft_term: 1,
            raft_index: 1,
            created_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }
}
