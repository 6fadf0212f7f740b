//! Acts on the store: the lineage object, archives, restores.

use super::{Hands, RESTORED_DATABASE};
use crate::admin::order::Receipt;
use crate::run::describe::{self, chain};
use crate::run::fact::Outcome;
use crate::run::look::owner;
use e2d_backup::archive::{self, Compression, SnapshotForm, Statement};
use e2d_backup::store::{Condition, Store};
use e2d_backup::{catalogue, lineage};
use e2d_core::action::Launch;
use e2d_core::id::Nonce;
use e2d_core::lineage::{Lineage, Source};
use e2d_core::observe::{Version, World};
use e2d_etcd::client::Snapshot;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

/// How long one part of a snapshot may take.
const PART_WITHIN: Duration = Duration::from_secs(30);

impl Hands {
    pub(super) async fn write_lineage(&self, replaces: Option<&Version>, content: &Lineage) -> Outcome {
        let Some(store) = &self.setting.store else { return Outcome::Failed("there is no store".into()) };
        let condition = match replaces {
            None => Condition::Absent,
            Some(version) => Condition::Matches(e2d_backup::store::Version(version.0.clone())),
        };
        match lineage::write(&**store, &content.encode(&owner(&self.setting.keyring(), content)), condition).await {
            Ok(_) => Outcome::Done,
            Err(error) => Outcome::Failed(chain(&error)),
        }
    }

    /// Takes a full archive, reads it back, and counts it only when it is sound (S15).
    pub(super) async fn archive(&self, world: &World) -> Outcome {
        match self.try_archive(world).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed(error),
        }
    }

    async fn try_archive(&self, world: &World) -> Result<Outcome, String> {
        let store = self.setting.store.as_ref().ok_or("there is no store")?;
        let (place, node) = world.state.place.zip(world.node()).ok_or("no place in any cluster")?;
        let client = self.client().await.map_err(|error| chain(&error))?;
        let status = client.status().await.map_err(|error| chain(&error))?;
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
        let snapshot = client.within(PART_WITHIN).snapshot().await.map_err(|error| chain(&error))?;
        let (sink, mut source) = tokio::io::duplex(1 << 20);
        let pump = tokio::spawn(pump(snapshot, sink));
        let written =
            archive::write(&**store, &statement, SnapshotForm::WithDigest, Compression::default(), &mut source).await;
        drop(source);
        let pumped = pump.await.map_err(|error| error.to_string())?;
        let archive = written.map_err(|error| match pumped {
            Err(pumped) => format!("{}: {pumped}", chain(&error)),
            Ok(()) => chain(&error),
        })?;
        let nonce = Nonce(rand::random());
        let check = archive::check(&**store, &archive, &self.setting.home, node, nonce, jiff::Timestamp::now()).await;
        match check.map_err(|error| chain(&error))?.outcome {
            archive::Outcome::Sound(found) => {
                tracing::info!(archive = %archive.name(), revision = %found.revision, keys = found.keys, "archive taken and verified");
                let manifest = &archive.manifest;
                Ok(Outcome::Archived(Box::new(Receipt {
                    id: archive.id,
                    name: archive.name().to_string(),
                    epoch: manifest.epoch,
                    revision: found.revision,
                    keys: found.keys,
                    plain_bytes: manifest.plain.size_bytes,
                    stored_bytes: manifest.stored.size_bytes,
                })))
            }
            archive::Outcome::Damaged { reason } => Err(format!("the archive is damaged: {reason}")),
        }
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
        archive::fetch(&**store, &listed.archive, SnapshotForm::WithDigest, &database)
            .await
            .map_err(|error| chain(&error))?;
        let restored = e2d_etcd::restore::restore(&programs, &launch, &database, source.bump).await;
        e2d_etcd::durable::remove(&database).map_err(|error| format!("{database}: {error}"))?;
        restored.map(drop).map_err(|error| chain(&error))
    }
}

/// Feeds a snapshot into a pipe, part by part.
async fn pump(mut snapshot: Snapshot, mut sink: tokio::io::DuplexStream) -> Result<(), String> {
    while let Some(chunk) = snapshot.next().await.map_err(|error| chain(&error))? {
        match sink.write_all(&chunk.bytes).await {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            other => other.map_err(|error| error.to_string())?,
        }
    }
    sink.shutdown().await.map_err(|error| error.to_string())
}
