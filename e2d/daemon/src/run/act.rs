//! The hands: they carry out one act and say how it went. They decide nothing.

mod adopt;
mod backup;
mod server;

use super::describe::{chain, data, exit};
use super::fact::{Fact, Outcome};
use super::files;
use super::setting::{self, Setting};
use e2d_core::action::Action;
use e2d_core::observe::{DataDir, World};
use e2d_core::plan::Track;
use e2d_etcd::child::{self, Child, FindError, Found};
use e2d_etcd::client::{CallError, Client, Place};
use e2d_etcd::datadir::quarantine;
use e2d_etcd::socket;
use e2d_etcd::version::EtcdVersion;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Where a restore puts the database while it works, in our folder.
pub(super) const RESTORED_DATABASE: &str = "restore.db";

/// How soon a data directory that could not be read is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How often is told how far a restore has come.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);
/// For how long it must fail to be read before it counts as damaged: an error may pass, a bad sector does not.
const UNREADABLE_AFTER: Duration = Duration::from_mins(1);
/// What may be kept of data that was set aside.
const KEEP: quarantine::Keep = quarantine::Keep { count: 3, age: Duration::from_hours(24 * 30) };

/// The hands of one run.
pub(super) struct Hands {
    setting: Arc<Setting>,
    facts: mpsc::Sender<Fact>,
    tasks: TaskTracker,
    child: Mutex<Option<Arc<Child>>>,
    hurry: CancellationToken,
    /// How much of an archive has come, for the restore under way.
    fetched_bytes: AtomicU64,
}

impl Hands {
    /// Takes up what an earlier run left: an etcd that still runs is adopted.
    pub(super) fn take_up(
        setting: Arc<Setting>,
        facts: mpsc::Sender<Fact>,
        tasks: TaskTracker,
    ) -> Result<Arc<Self>, FindError> {
        let hands = Arc::new(Self {
            setting,
            facts,
            tasks,
            child: Mutex::new(None),
            hurry: CancellationToken::new(),
            fetched_bytes: AtomicU64::new(0),
        });
        match child::find(&hands.setting.data_dir)? {
            Found::Running(child) => {
                tracing::info!(pid = child.pid(), "running etcd adopted");
                hands.compare(&child);
                hands.hold(*child);
                hands.watch();
            }
            Found::Ended(end) => tracing::info!(cause = ?end.cause, "etcd ended while e2d was away"),
            Found::Nothing => {}
        }
        Ok(hands)
    }

    /// Our etcd, if it runs.
    pub(super) fn child(&self) -> Option<Arc<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The process is to stop: a restore, which may take minutes, is broken off.
    pub(super) fn hurry(&self) {
        self.hurry.cancel();
    }

    /// Where facts go.
    pub(super) fn facts(&self) -> mpsc::Sender<Fact> {
        self.facts.clone()
    }

    /// A client of our etcd, by its own socket.
    pub(super) async fn client(&self) -> Result<Client, CallError> {
        Client::new(Place::Unix(self.setting.home.join(socket::CLIENT)), None, None).await
    }

    /// Takes a running etcd for ours.
    fn hold(&self, child: Child) {
        *self.child.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(child));
    }

    /// Tells when our etcd ends. Whoever is told must know by then that it began.
    pub(super) fn watch(self: &Arc<Self>) {
        let Some(child) = self.child() else { return };
        let hands = self.clone();
        self.tasks.spawn(async move {
            let cause = exit(child.ended().await);
            hands.forget(&child);
            hands.setting.set_former(None);
            let _ = hands.facts.send(Fact::Exited(cause)).await;
        });
    }

    fn forget(&self, child: &Arc<Child>) {
        let mut current = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, child)) {
            *current = None;
        }
    }

    /// Looks at the data directory until it can be read, and tells. Without an etcd that says its version it is not known
    /// whether that can use the data, which is no fault of the data, however long it lasts.
    pub(super) fn inspect(self: &Arc<Self>) {
        let hands = self.clone();
        self.tasks.spawn(async move {
            let mut began = hands.setting.now();
            loop {
                let now = hands.setting.now();
                let seen = match hands.setting.programs.etcd().await {
                    Ok(etcd) => hands.look(etcd.version, now.since(began) >= UNREADABLE_AFTER).await,
                    Err(error) => {
                        began = now;
                        Some(DataDir::Unseen(format!("the etcd for it does not say its version: {}", chain(&error))))
                    }
                };
                let Some(seen) = seen else { return };
                let is_over = !matches!(seen, DataDir::Unseen(_));
                if hands.facts.send(Fact::Data(seen)).await.is_err() || is_over {
                    return;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        });
    }

    /// One look at the data directory; `None` when the process ends.
    async fn look(&self, program: EtcdVersion, for_good: bool) -> Option<DataDir> {
        let (data_dir, store) = (self.setting.data_dir.clone(), self.setting.config.site.store.clone());
        let look = tokio::task::spawn_blocking(move || match setting::inspect(&data_dir, &store) {
            Ok(contents) => data(contents, program),
            Err(error) if for_good && error.is_of_the_disk() => DataDir::Unreadable(chain(&error)),
            Err(error) => DataDir::Unseen(chain(&error)),
        });
        look.await.ok()
    }

    /// Begins an act; its end is told as a fact.
    pub(super) fn begin(self: &Arc<Self>, track: Track, action: Action, world: &World) {
        let hands = self.clone();
        let world = world.clone();
        self.tasks.spawn(async move {
            let outcome = hands.carry_out(&action, &world).await;
            let _ = hands.facts.send(Fact::Done { track, action: Box::new(action), outcome }).await;
        });
    }

    async fn carry_out(self: &Arc<Self>, action: &Action, world: &World) -> Outcome {
        match action {
            Action::Identify(identity) => {
                let identity = identity.clone();
                self.durable(move |home| files::identify(home, &identity)).await
            }
            Action::Remember(state) => {
                let state = state.clone();
                self.durable(move |home| files::remember(home, &state)).await
            }
            Action::Recall(recall) => {
                let recall = recall.clone();
                self.durable(move |home| files::recall(home, &recall)).await
            }
            Action::Interview { .. } | Action::Refuse { .. } => Outcome::Done,
            Action::WriteLineage { replaces, lineage } => self.write_lineage(replaces.as_ref(), lineage).await,
            Action::Restore { source, launch } => tokio::select! {
                outcome = self.restore(source, launch) => outcome,
                () = self.hurry.cancelled() => self.throw_away(),
                () = self.tell_progress() => Outcome::Failed("nobody listens any more".into()),
            },
            Action::Archive => self.archive(world).await,
            Action::Start(launch) => self.start(launch).await,
            Action::Stop { .. } => self.stop(world).await,
            Action::Quarantine(evidence) => self.quarantine(evidence.because()).await,
            Action::MarkRestored { archive } => self.mark_restored(*archive, world).await,
            Action::AddLearner { peer_url, .. } => self.add_learner(peer_url, world.now).await,
            Action::Promote { member } => self.promote(*member, world.now).await,
            Action::Remove(evidence) => self.remove(evidence.subject().member, world.now).await,
        }
    }

    /// Tells how much of a restore is written, until nobody listens.
    async fn tell_progress(&self) {
        loop {
            let made = e2d_etcd::restore::made_bytes(&self.setting.data_dir, None);
            let bytes = self.fetched_bytes.load(Ordering::Relaxed).saturating_add(made);
            if self.facts.send(Fact::Restoring(bytes)).await.is_err() {
                return;
            }
            tokio::time::sleep(PROGRESS_EVERY).await;
        }
    }

    /// Removes what a restore that was broken off left: a plain copy of the database (S19).
    fn throw_away(&self) -> Outcome {
        let database = self.setting.home.join(RESTORED_DATABASE);
        let cleared = e2d_etcd::restore::clear_at(&self.setting.data_dir, None);
        let left = match cleared.and_then(|()| e2d_etcd::durable::remove(&database)) {
            Ok(()) => "thrown away".to_owned(),
            Err(error) => format!("left for the next start to remove: {error}"),
        };
        Outcome::Failed(format!("this node is stopping; what was restored is {left}"))
    }

    async fn durable(&self, write: impl FnOnce(&camino::Utf8Path) -> std::io::Result<()> + Send + 'static) -> Outcome {
        let home = self.setting.home.clone();
        match tokio::task::spawn_blocking(move || write(&home)).await {
            Ok(Ok(())) => Outcome::Done,
            Ok(Err(error)) => Outcome::Failed(format!("{}: {error}", self.setting.home)),
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }

    async fn quarantine(&self, because: &str) -> Outcome {
        let (data_dir, because) = (self.setting.data_dir.clone(), because.to_owned());
        let moved = tokio::task::spawn_blocking(move || {
            quarantine::put_aside(&data_dir, None, &because)?;
            // What is kept for too long may be what an operator protects.
            if let Err(error) = quarantine::prune(&data_dir, None, KEEP, std::time::SystemTime::now()) {
                tracing::warn!(error = chain(&error), "data in quarantine cannot be deleted");
            }
            Ok::<_, quarantine::QuarantineError>(())
        });
        match moved.await {
            Ok(Ok(())) => Outcome::Done,
            Ok(Err(error)) => Outcome::Failed(chain(&error)),
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }
}
