//! What can be said of a node whose daemon does not answer: what its disk and its store show.
//!
//! It reads, and changes nothing: no lock is taken, and a store whose folder is not there is not made. What
//! is missing or cannot be read is said in words; nothing of it is guessed.

use super::describe::{chain, trouble};
use super::files::{self, Files};
use super::{look, setting};
use crate::admin::v1::{Lineage, StatusReply, Store};
use crate::config::Site;
use crate::config::store::StoreUrl;
use camino::{Utf8Path, Utf8PathBuf};
use e2d_backup::store::{Base, FolderStore};
use e2d_backup::{catalogue, lineage};
use e2d_core::hold::Standing;
use e2d_core::lineage::Lineage as Object;
use e2d_core::time::Moment;
use e2d_etcd::child;
use e2d_etcd::datadir::{self, Contents};
use std::sync::Arc;
use std::time::Duration;

/// How long the store may take.
const STORE_WITHIN: Duration = Duration::from_secs(10);

/// What is there, or `None` if nothing of e2d's is.
pub(crate) async fn look(site: &Site) -> Option<StatusReply> {
    let data_dir = camino::absolute_utf8(&site.data_dir).ok()?;
    let home = datadir::home(&data_dir);
    let unmounted = super::mount::look(site).err();
    if !data_dir.exists() && unmounted.is_none() {
        return None;
    }
    let store = store(site).await;
    let url = site.store.clone();
    let disk = tokio::task::spawn_blocking(move || disk(&data_dir, &home, &url)).await.ok()?;
    let (why, data) = match unmounted {
        None => {
            ("the daemon does not run: nothing is supervised, backed up or healed on this node".to_owned(), disk.data)
        }
        // What lies where the disk is not mounted tells nothing of it, and a daemon that waits for it has no socket.
        Some(missing) => {
            let why =
                format!("the data disk is not there: {missing}; until it is, e2d starts nothing and answers nobody");
            (why, "not seen: its disk is not there".to_owned())
        }
    };
    let waits = std::iter::once(why).chain(disk.waits).collect();
    Some(StatusReply { store, waits, data, ..disk })
}

fn disk(data_dir: &Utf8Path, home: &Utf8Path, store: &StoreUrl) -> StatusReply {
    let mut waits = Vec::new();
    let blank = StatusReply {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        down: true,
        role: "none".to_owned(),
        data: data(data_dir, store),
        ..StatusReply::default()
    };
    let etcd = match child::user_of(data_dir) {
        Ok(None) => "stopped",
        Ok(Some(user)) => {
            waits.push(format!("etcd is left alone: {user} still serves from this disk"));
            "open"
        }
        Err(error) => {
            waits.push(format!("whether etcd runs cannot be seen: {}", chain(&error)));
            "stopped"
        }
    };
    let blank = StatusReply { etcd: etcd.to_owned(), ..blank };
    let Files { identity, state, recall, hold } = match files::load(home) {
        Ok(files) => files,
        Err(error) => {
            waits.push(chain(&error));
            return StatusReply { waits, ..blank };
        }
    };
    let mut standing = Standing::default();
    if let Some(order) = hold {
        standing.take(order, Moment::default());
    }
    StatusReply {
        node: identity.map(|identity| identity.node.to_string()).unwrap_or_default(),
        phase: format!("{:?}", state.phase).to_lowercase(),
        lineage: recall.lineage.as_ref().map(shown),
        hold: standing.hold(Moment::default()).map(Into::into),
        waits,
        ..blank
    }
}

/// A lineage object, for people.
pub(super) fn shown(object: &Object) -> Lineage {
    Lineage {
        id: object.lineage.to_string(),
        epoch: object.epoch.0,
        state: object.state.to_string(),
        seq: object.seq,
        cluster: object.cluster_id().to_string(),
    }
}

/// What the data directory holds, in a sentence.
fn data(data_dir: &Utf8Path, store: &StoreUrl) -> String {
    match setting::inspect(data_dir, store) {
        Ok(Contents::Absent | Contents::Empty) => "no data of etcd".to_owned(),
        Ok(Contents::Member(data)) => {
            let version = data.cluster_version.map(|(major, minor)| format!(", of etcd {major}.{minor}"));
            format!(
                "member {} of cluster {}, up to term {}, index {}{}",
                data.member,
                data.cluster,
                data.last.term.max(data.hard_state.term),
                data.last.index,
                version.unwrap_or_default()
            )
        }
        Ok(Contents::Unlogged { database_bytes }) => {
            format!("a database of {database_bytes} bytes and no log beside it")
        }
        Ok(Contents::Damaged(damage)) => format!("damaged data: {damage}"),
        Ok(Contents::Foreign { names }) => format!("{}, which is not etcd's", names.join(", ")),
        Ok(Contents::OtherOwner { path, uid }) => format!("{path} belongs to user {uid}"),
        Err(error) => chain(&error),
    }
}

/// What the store shows. It is not asked whose it is: that takes keys.
async fn store(site: &Site) -> Option<Store> {
    let StoreUrl::Folder(folder) = &site.store else { return None };
    let folder: Utf8PathBuf = camino::absolute_utf8(folder).ok()?;
    let store: Arc<dyn e2d_backup::store::Store> = Arc::new(FolderStore::new(folder, Base::MustExist));
    let seen = async {
        let object = lineage::read(&*store).await.map_err(|error| trouble(&error).to_string())?;
        let object = object.map(|object| Object::decode(&object.bytes).map_err(|error| chain(&error))).transpose()?;
        let contents = catalogue::read(&store).await.map_err(|error| trouble(&error).to_string())?;
        Ok::<_, String>((object, contents))
    };
    let seen = tokio::time::timeout(STORE_WITHIN, seen).await.unwrap_or_else(|_| Err("no answer".to_owned()));
    let url = store.describe();
    Some(match seen {
        Err(trouble) => Store { url, trouble, ..Store::default() },
        Ok((object, contents)) => {
            let whose = object.as_ref().map(|(object, _)| object.lineage);
            let shown_archives = look::summary(&super::describe::archives(&contents), whose);
            Store { url, lineage: object.map(|(object, _)| shown(&object)), ..shown_archives }
        }
    })
}
