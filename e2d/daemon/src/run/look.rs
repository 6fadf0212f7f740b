//! The observers: our etcd, and the store. Each looks again and again and sends what it saw.

use super::act::Hands;
use super::describe::{archives, chain, trouble};
use super::fact::{EtcdLook, Fact, Mark, StoreLook};
use super::setting::Setting;
use crate::admin::v1;
use e2d_backup::catalogue::{Contents, Reader};
use e2d_backup::lineage;
use e2d_core::id::{Digest, LineageId, Revision};
use e2d_core::lineage::Lineage;
use e2d_core::observe::{ArchiveSeen, Member, Status, StoreView, Trouble, Version};
use e2d_core::word::KvHash;
use e2d_etcd::client::{Client, Kind};
use e2d_etcd::launch::Gate;
use e2d_etcd::observe::{Ask, Observation, Observer};
use e2d_etcd::scrape::Metrics;
use e2d_gossip::{KeyFit, Keyring};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// How often our etcd is looked at while it does not serve: how soon it is known to serve.
const ETCD_UNSETTLED: Duration = Duration::from_millis(50);
/// How often while it does.
const ETCD_SETTLED: Duration = Duration::from_millis(400);
/// How often while a seat is being filled.
const ETCD_HURRIED: Duration = Duration::from_millis(100);
/// How often while nothing happens in the cluster at all. Below what a member may be unheard and still count as
/// present (`e2d_core::safety::ETCD_HEARS`), and below the longest gap between two looks that counts as listening.
const ETCD_AT_REST: Duration = Duration::from_secs(2);
/// How often etcd's log is held within its bounds.
const TRIM_EVERY: Duration = Duration::from_mins(1);
/// How long one look at the store may take.
const STORE_WITHIN: Duration = Duration::from_secs(10);
/// How many archives are looked at, the newest: seven months of hourly ones, and a few megabytes.
const MOST_ARCHIVES: usize = 5000;

/// How the mind steers the observers.
pub(super) struct Looks {
    /// How often to look at the store; a change is a look at once.
    pub(super) store: watch::Sender<(Duration, u64)>,
    /// How often to look at our etcd while it serves; a change is a look at once.
    pub(super) etcd: watch::Sender<(Stir, u64)>,
}

/// How much happens in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stir {
    /// Nothing.
    Rest,
    /// Something.
    Some,
    /// A seat is being filled.
    Hurry,
}

/// Starts the observers.
pub(super) fn start(
    setting: &Arc<Setting>,
    hands: &Arc<Hands>,
    facts: &mpsc::Sender<Fact>,
    tasks: &TaskTracker,
) -> Looks {
    let (store, pace) = watch::channel((Duration::from_millis(500), 0));
    let (etcd, stir) = watch::channel((Stir::Some, 0));
    tasks.spawn(look_at_etcd(setting.clone(), hands.clone(), facts.clone(), stir));
    if setting.store.is_some() {
        tasks.spawn(look_at_store(setting.clone(), facts.clone(), pace));
    }
    Looks { store, etcd }
}

async fn look_at_store(setting: Arc<Setting>, facts: mpsc::Sender<Fact>, mut pace: watch::Receiver<(Duration, u64)>) {
    let Some(store) = setting.store.clone() else { return };
    let eye = Arc::new(Mutex::new(Eye { reader: Reader::new(store, MOST_ARCHIVES), told: Told::default() }));
    loop {
        let (eye, keyring) = (eye.clone(), setting.keyring());
        let mut looking = tokio::spawn(async move { look_once(&mut *eye.lock().await, &keyring).await });
        // One look at a time: a store that hangs holds the thread that waits for it, and more would hold all there are.
        loop {
            let (look, is_over) = match tokio::time::timeout(STORE_WITHIN, &mut looking).await {
                Ok(Ok(look)) => (look, true),
                Ok(Err(broken)) => (Err(Trouble::Unreachable(broken.to_string())), true),
                Err(_) => (Err(Trouble::Unreachable(format!("no answer within {} s", STORE_WITHIN.as_secs()))), false),
            };
            if facts.send(Fact::Store(Box::new(look))).await.is_err() {
                return;
            }
            if is_over {
                break;
            }
        }
        let every = pace.borrow_and_update().0;
        let _ = tokio::time::timeout(every, pace.changed()).await;
    }
}

/// Whoever looks at the store, and what of it was said.
pub(super) struct Eye {
    reader: Reader,
    told: Told,
}

/// What is wrong in a store that can be used all the same. It is said when it begins, and not at each look.
#[derive(Default)]
struct Told {
    closed: usize,
    has_too_many: bool,
}

impl Told {
    fn tell(&mut self, store: &str, contents: &Contents) {
        let unread = contents.archives.iter().filter_map(|listed| listed.unread.as_ref());
        let closed: Vec<&String> = contents.unreadable.iter().map(|other| &other.reason).chain(unread).collect();
        if closed.len() > self.closed {
            let first = closed.first().map_or("", |reason| reason.as_str());
            tracing::warn!(store, count = closed.len(), first, "some archives or their checks cannot be read");
        }
        self.closed = closed.len();
        let (left_out, looked_at) = (contents.left_out, MOST_ARCHIVES);
        if left_out > 0 && !self.has_too_many {
            tracing::warn!(store, looked_at, left_out, "too many archives, the oldest are not looked at: remove some");
        }
        self.has_too_many = left_out > 0;
    }
}

/// One look: the lineage object, then what else there is. Empty is said only when both were reached.
pub(super) async fn look_once(eye: &mut Eye, keyring: &Keyring) -> Result<StoreLook, Trouble> {
    let object = lineage::read(&**eye.reader.store()).await.map_err(|error| trouble(&error))?;
    let contents = eye.reader.read().await.map_err(|error| trouble(&error))?;
    eye.told.tell(&eye.reader.store().describe(), &contents);
    let mut mark = Mark::Newest;
    let lineage = match object {
        None => None,
        Some(object) => {
            let (lineage, owner) = Lineage::decode(&object.bytes).map_err(|error| Trouble::Malformed(chain(&error)))?;
            mark = whose(keyring, &lineage, &owner).ok_or_else(|| foreign(&lineage))?;
            Some((lineage, Version(object.version.0)))
        }
    };
    let whose = lineage.as_ref().map(|(lineage, _)| lineage.lineage);
    let verified = contents.archives.iter().filter(|listed| listed.verified.is_some());
    let ours = verified.map(|listed| &listed.archive.manifest).filter(|of| whose == Some(of.lineage));
    let newest = ours.max_by_key(|of| (of.epoch, of.revision));
    let verified_at = newest.map(|manifest| manifest.created_at);
    let view = StoreView {
        lineage,
        archives: archives(&contents),
        other_backups: contents.has_others(),
        ..StoreView::default()
    };
    let left_out = u32::try_from(contents.left_out).unwrap_or(u32::MAX);
    Ok(StoreLook { view, verified_at, left_out, mark })
}

/// What people are shown of the archives: of one cluster's, where it is known which is meant.
pub(super) fn summary(archives: &[ArchiveSeen], whose: Option<LineageId>) -> v1::Store {
    let ours = || archives.iter().filter(|archive| whose.is_none_or(|id| id == archive.lineage));
    let verified = || ours().filter(|archive| archive.verified);
    let newest = verified().max_by_key(|archive| (archive.epoch, archive.revision));
    v1::Store {
        verified: u32::try_from(verified().count()).unwrap_or(u32::MAX),
        archives: u32::try_from(ours().count()).unwrap_or(u32::MAX),
        newest_epoch: newest.map_or(0, |archive| archive.epoch.0),
        newest_revision: newest.map_or(0, |archive| archive.revision.0),
        ..v1::Store::default()
    }
}

/// The mark that says whose lineage it is: a MAC of its id under the gossip key.
pub(super) fn owner(keyring: &Keyring, lineage: &Lineage) -> String {
    Digest(keyring.owner_mac(&lineage.lineage.0.to_be_bytes())).to_string()
}

/// What is said of an object that bears the mark of another cluster.
pub(super) fn foreign(lineage: &Lineage) -> Trouble {
    Trouble::ForeignOwner(format!("lineage {} was marked with another gossip key", lineage.lineage))
}

/// With which key the object was marked, if with any that this cluster uses or may have used.
fn whose(keyring: &Keyring, lineage: &Lineage, owner: &str) -> Option<Mark> {
    let mac = owner.parse::<Digest>().ok()?;
    let id = lineage.lineage.0.to_be_bytes();
    let fit = keyring.verify_owner(&id, &mac.0).map(|fit| match fit {
        KeyFit::Newest => Mark::Newest,
        KeyFit::Other => Mark::Former,
    });
    let keyless = || Keyring::insecure().ok()?.verify_owner(&id, &mac.0).map(|_| Mark::Keyless);
    fit.or_else(keyless)
}

/// How long etcd may take to sum its keyspace up.
const HASH_WITHIN: Duration = Duration::from_mins(5);

/// The digest of a gated etcd's keyspace. It takes as long as there is data, and is taken beside the other looks.
#[derive(Default)]
struct Hash {
    newest: Option<KvHash>,
    under_way: Option<AbortOnDropHandle<Option<KvHash>>>,
}

impl Hash {
    /// The newest, and begins the next where etcd has come to another revision since.
    async fn look(&mut self, client: &Client, revision: Option<Revision>) -> Option<KvHash> {
        if let Some(done) = self.under_way.take_if(|task| task.is_finished()) {
            self.newest = done.await.ok().flatten();
        }
        if self.newest.map(|hash| hash.revision) != revision {
            let client = client.within(HASH_WITHIN);
            self.under_way.get_or_insert_with(|| {
                AbortOnDropHandle::new(tokio::spawn(async move {
                    let hash = client.hash_kv(Revision(0)).await.ok()?;
                    Some(KvHash { revision: hash.revision, compacted: hash.compacted, hash: hash.hash })
                }))
            });
        }
        self.newest
    }
}

async fn look_at_etcd(
    setting: Arc<Setting>,
    hands: Arc<Hands>,
    facts: mpsc::Sender<Fact>,
    mut stir: watch::Receiver<(Stir, u64)>,
) {
    let client = match hands.client().await {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "etcd's client cannot be made");
            return;
        }
    };
    let mut observer = Observer::new(client.clone(), setting.data_dir.clone());
    let mut trimmed_at = setting.now();
    let mut hash = Hash::default();
    loop {
        // What changes during a look is a reason for the next.
        stir.mark_unchanged();
        let child = hands.child();
        let now = setting.now();
        let mut serves = false;
        if let Some(child) = child {
            if now.since(trimmed_at) >= TRIM_EVERY {
                trimmed_at = now;
                if let Err(error) = child.trim_log() {
                    tracing::warn!(%error, "etcd's log cannot be kept within bounds");
                }
            }
            let seen = observer.look(Some(&child), now, Ask { members: true, metrics: true }).await;
            let mut look = translate(&seen);
            serves = look.members.is_some();
            if child.gate() == Gate::Gated && serves {
                look.hash = hash.look(&client, look.status.as_ref().map(|status| status.revision)).await;
                let marker = client.marker().await.ok();
                look.marker = marker.map(|value| String::from_utf8_lossy(&value.unwrap_or_default()).into_owned());
            } else {
                hash = Hash::default();
            }
            if facts.send(Fact::Etcd(Box::new(look))).await.is_err() {
                return;
            }
        } else if facts.is_closed() {
            return;
        }
        let pause = match (serves, stir.borrow().0) {
            (false, _) => ETCD_UNSETTLED,
            (true, Stir::Hurry) => ETCD_HURRIED,
            (true, Stir::Some) => ETCD_SETTLED,
            (true, Stir::Rest) => ETCD_AT_REST,
        };
        // The mind may be gone: then the facts are closed too, and the next look ends this.
        if let Ok(Err(_)) = tokio::time::timeout(pause, stir.changed()).await {
            tokio::time::sleep(pause).await;
        }
    }
}

/// How far a learner has come that does not answer by itself yet. When its name reaches it within a snapshot, etcd does
/// not notice that, and serves nobody for seven seconds; its metrics tell all the same.
fn unpublished(metrics: &Metrics) -> Option<Status> {
    let (true, Some(index)) = (metrics.is_learner == Some(true), metrics.applied) else { return None };
    let revision = metrics.revision.unwrap_or_default();
    Some(Status { leader: None, term: 0, index, revision, learner: true })
}

fn translate(seen: &Observation) -> EtcdLook {
    let status = seen.status.as_ref().and_then(|status| status.as_ref().ok());
    let status = status.map(|status| Status {
        leader: status.leader,
        term: status.term,
        index: status.applied,
        revision: status.revision,
        learner: status.learner,
    });
    let errors = [
        seen.status.as_ref().and_then(|answer| answer.as_ref().err()),
        seen.members.as_ref().and_then(|answer| answer.as_ref().err()),
    ];
    let locked = errors.into_iter().flatten().any(|error| error.kind == Kind::AuthRequired);
    let metrics = seen.metrics.as_ref().and_then(|metrics| metrics.as_ref().ok());
    let members = seen.members.as_ref().and_then(|members| members.as_ref().ok());
    EtcdLook {
        status: status.or_else(|| metrics.and_then(unpublished)),
        locked,
        members: members.map(|members| {
            let member = |member: &e2d_etcd::client::Member| Member {
                id: member.id,
                name: member.name.clone(),
                peer_url: member.peer_urls.first().cloned().unwrap_or_default(),
                learner: member.learner,
            };
            members.iter().map(member).collect()
        }),
        at: seen.at,
        listening_since: seen.listening_since,
        heard: seen.heard.clone(),
        ..EtcdLook::default()
    }
}
