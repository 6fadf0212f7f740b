//! What does not change while a node runs: its places, programs, store and certificates; and how far an etcd that it took
//! over is from it.

use super::describe::{self, chain};
use super::keys::{self, Certificates};
use crate::cli::exit::{Exit, Failure};
use crate::config::store::StoreUrl;
use crate::config::value::Size;
use crate::config::{Config, Security, Site};
use camino::{Utf8Path, Utf8PathBuf};
use e2d_backup::store::{Base, FolderStore, Store};
use e2d_core::id::BootId;
use e2d_core::observe::{Me, Policy};
use e2d_core::time::Moment;
use e2d_etcd::datadir::{self, Contents, InspectError};
use e2d_etcd::durable;
use e2d_etcd::programs::Installed;
use e2d_gossip::Keyring;
use e2d_pki::IdentityError;
use rustix::fs::FlockOperation;
use std::error::Error;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

/// The setting of one run.
pub(super) struct Setting {
    /// What the operator said.
    pub(super) config: Config,
    /// The data directory, absolute.
    pub(super) data_dir: Utf8PathBuf,
    /// Our folder in it.
    pub(super) home: Utf8PathBuf,
    /// etcd and its tools, as they are installed at the moment.
    pub(super) programs: Installed,
    /// What a person can do about a restore that is not possible here, as it was at the start.
    pub(super) lacks: Option<String>,
    /// Where backups and the lineage lie.
    pub(super) store: Option<Arc<dyn Store>>,
    /// This node, as it names itself.
    pub(super) me: Me,
    /// What the core is told of the configuration.
    pub(super) policy: Policy,
    /// The certificates, if there are keys.
    pub(super) certificates: Option<Certificates>,
    keyring: RwLock<Keyring>,
    former: RwLock<Option<String>>,
    epoch: Instant,
    _lock: File,
}

impl Setting {
    /// Finds the programs and the store, and makes our folder once nothing else is wrong.
    pub(super) async fn prepare(config: Config) -> Result<Self, Failure> {
        let (programs, lacks) = programs(&config.site).await?;
        let data_dir = absolute(&config.site.data_dir, "name the data directory by its full path")?;
        let folder = folder_of(&config.site.store).map(|folder| absolute(folder, "name the store by its full path"));
        let folder = folder.transpose()?;
        let store = folder.as_deref().map(|folder| store(&data_dir, folder)).transpose()?;
        let keys = config.network.security().keys();
        // etcd that has data is reached as it was, perhaps by a name, whatever address is ours.
        let is_new = !data_dir.join("member").exists();
        let (client_ip, peer_ip) = (config.network.client().ip(), config.network.peer().ip());
        let certificates = keys.map(|keys| Certificates::load(keys, client_ip, peer_ip, is_new)).transpose();
        let certificates =
            certificates.map_err(|error| unusable(error.into(), "see `e2d pki inspect`; nothing was changed"))?;
        let keyring = keys::keyring(keys)
            .map_err(|error| unusable(error, "gossip's keys come from the authority's key or a key file"))?;
        let (me, policy) = (me(&config, &data_dir), policy(&config, store.is_some()));
        let (home, lock) = settle(&data_dir, folder.as_deref())?;
        Ok(Self {
            config,
            data_dir,
            home,
            programs,
            lacks,
            store,
            me,
            policy,
            certificates,
            keyring: RwLock::new(keyring),
            former: RwLock::new(None),
            epoch: Instant::now(),
            _lock: lock,
        })
    }

    /// This process's own clock: it counts from [`Self::epoch`].
    pub(super) fn now(&self) -> Moment {
        Moment::default() + self.epoch.elapsed()
    }

    /// What gossip is sealed with, and the lineage object marked.
    pub(super) fn keyring(&self) -> Keyring {
        self.keyring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads certificates and keys again. What cannot be used stays as it was. Returns gossip's keys.
    pub(super) fn reload(&self) -> Keyring {
        if let Some(certificates) = &self.certificates {
            certificates.reload();
        }
        match keys::keyring(self.config.network.security().keys()) {
            Ok(next) => *self.keyring.write().unwrap_or_else(PoisonError::into_inner) = next,
            Err(error) => {
                let error = super::describe::chain(&*error);
                tracing::error!(error, "gossip's keys cannot be taken up, the former stay in use");
            }
        }
        self.keyring()
    }

    /// What a person can do about an etcd that runs with a former setting, if ours does.
    pub(super) fn former(&self) -> Option<String> {
        self.former.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says so, or that it is over.
    pub(super) fn set_former(&self, advice: Option<String>) {
        *self.former.write().unwrap_or_else(PoisonError::into_inner) = advice;
    }

    /// What moment 0 is.
    pub(super) fn epoch(&self) -> Instant {
        self.epoch
    }
}

/// Looks at a data directory, in which the store may lie too.
pub(super) fn inspect(data_dir: &Utf8Path, store: &StoreUrl) -> Result<Contents, InspectError> {
    let store = folder_of(store).and_then(|folder| camino::absolute_utf8(folder).ok());
    datadir::inspect_beside(data_dir, None, store.as_deref())
}

fn folder_of(store: &StoreUrl) -> Option<&Utf8Path> {
    match store {
        StoreUrl::None => None,
        StoreUrl::Folder(folder) => Some(folder),
    }
}

fn absolute(path: &Utf8Path, hint: &str) -> Result<Utf8PathBuf, Failure> {
    camino::absolute_utf8(path).map_err(|error| bad(error.into(), hint))
}

/// What will never pass by itself.
fn bad(error: Box<dyn Error + Send + Sync>, hint: &str) -> Failure {
    Failure::Other { exit: Exit::BadConfiguration, error, hint: Some(hint.to_owned()) }
}

/// Files of keys that cannot be used. A disk may answer again, and a clock that is behind after a start be set.
fn unusable(error: Box<dyn Error + Send + Sync>, hint: &str) -> Failure {
    let causes = || {
        let first: &(dyn Error + 'static) = &*error;
        std::iter::successors(Some(first), |&error| error.source())
    };
    let read = causes().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(durable::may_pass);
    let early = causes().any(|cause| matches!(cause.downcast_ref(), Some(IdentityError::NotYetValid { .. })));
    if read || early {
        let hint = "look at the disk and at the clock if this goes on".to_owned();
        return Failure::Other { exit: Exit::TryAgain, error, hint: Some(hint) };
    }
    bad(error, hint)
}

/// What the system refused: whether trying again may help depends on why.
fn refused(source: &io::Error, error: Box<dyn Error + Send + Sync>) -> Failure {
    if durable::may_pass(source) {
        Failure::Other { exit: Exit::TryAgain, error, hint: Some("look at the disk if this goes on".to_owned()) }
    } else {
        bad(error, "see who owns it")
    }
}

/// Finds the programs, and says what keeps a restore from being possible, if that is known.
async fn programs(site: &Site) -> Result<(Installed, Option<String>), Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs = Installed::find(site.etcd_bin_dir.as_deref(), &path).await.map_err(|error| {
        if error.may_pass() {
            return Failure::with_hint(Exit::TryAgain, error, "look at the load of this machine if this goes on");
        }
        bad(error.into(), "e2d runs the etcd server as its child; it does not bring one")
    })?;
    let etcd = programs.known();
    tracing::info!(version = %etcd.version, path = %etcd.path, "etcd found");
    let lacks = match programs.restore().await {
        Ok(_) => None,
        Err(error) if error.may_pass() => {
            tracing::warn!(%error, "whether a restore is possible is not known yet");
            None
        }
        Err(error) => {
            tracing::warn!(%error, "no restore is possible on this node");
            Some(format!("no backup can be restored on this node: {error}"))
        }
    };
    Ok((programs, lacks))
}

/// The store in a folder, if that may be one.
fn store(data_dir: &Utf8Path, folder: &Utf8Path) -> Result<Arc<dyn Store>, Failure> {
    let own = folder.strip_prefix(data_dir);
    if let Ok(inside) = own
        && is_taken(inside)
    {
        let error = format!("{folder} cannot hold backups: etcd and e2d keep their own files there");
        let hint = format!("name a folder of its own: file://{data_dir}/e2d/store/, or one on another disk");
        return Err(bad(error.into(), &hint));
    }
    let base = if own.is_ok() { Base::Create } else { Base::MustExist };
    Ok(Arc::new(FolderStore::new(folder, base)))
}

/// Whether a place in the data directory is not a store's to have: what is there is moved, cleared away or etcd's.
fn is_taken(inside: &Utf8Path) -> bool {
    let mut names = inside.components().map(|name| name.as_str().to_owned());
    match (names.next().as_deref(), names.next().as_deref()) {
        (None | Some("member"), _) => true,
        (Some("e2d"), second) => matches!(second, None | Some("quarantine" | "restore")),
        _ => false,
    }
}

fn me(config: &Config, data_dir: &Utf8Path) -> Me {
    let scheme = if matches!(config.network.security(), Security::Keys(_)) { "https" } else { "http" };
    Me {
        label: label(config),
        boot: BootId(rand::random::<u64>().max(1)),
        peer_url: format!("{scheme}://{}", config.network.peer()),
        client_url: format!("{scheme}://{}", config.network.client()),
        machine: std::fs::read_to_string("/etc/machine-id").map(|id| id.trim().to_owned()).unwrap_or_default(),
        mounted: datadir::is_mount(data_dir).unwrap_or(false),
        instance: None,
        zone: None,
    }
}

fn policy(config: &Config, has_store: bool) -> Policy {
    Policy {
        size: match config.cluster.size() {
            Size::One => 1,
            Size::Three => 3,
            Size::Five => 5,
        },
        has_store,
        replace_after: config.health.replace_after,
        archive_interval: config.snapshots.interval,
        ..Policy::default()
    }
}

/// Makes our folder in the data directory and takes it for this process. A directory that is somebody else's stays as
/// it is: whose it is is asked before anything is made or its rights are changed.
fn settle(data_dir: &Utf8Path, store: Option<&Utf8Path>) -> Result<(Utf8PathBuf, File), Failure> {
    let judged = datadir::stranger(data_dir, None, store);
    let judged = judged.map_err(|error| refused(&error.source, chain(&error).into()))?;
    if let Some(what) = judged.as_ref().and_then(describe::stranger) {
        let error = format!("the data directory {data_dir} belongs to somebody else: {what}");
        return Err(bad(error.into(), "name another with --data-dir; nothing was changed"));
    }
    let home = datadir::home(data_dir);
    for folder in [data_dir, &home] {
        durable::private_dir(folder)
            .map_err(|error| refused(&error, format!("{folder} cannot be used: {error}").into()))?;
    }
    let lock = lock(&home)?;
    // What a restore left that was cut short: copies of the database, which nobody is to find later (S19).
    let cleared = e2d_etcd::restore::clear_at(data_dir, None)
        .and_then(|()| durable::remove(&home.join(super::act::RESTORED_DATABASE)));
    cleared.map_err(|error| {
        let what = format!("{home}: what an interrupted restore left cannot be removed: {error}");
        refused(&error, what.into())
    })?;
    Ok((home, lock))
}

/// Takes the data directory for this process, for as long as the file is open.
fn lock(home: &Utf8Path) -> Result<File, Failure> {
    let path = home.join("lock");
    let hint = "another e2d runs on this data directory: stop it, or name another with --data-dir";
    let failed = |error: io::Error| {
        let error = io::Error::new(error.kind(), format!("{path} cannot be locked: {error}"));
        Failure::with_hint(Exit::TryAgain, error, hint)
    };
    let file = File::options().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|errno| failed(errno.into()))?;
    Ok(file)
}

/// What the member's name begins with: what the operator said, or the host's name.
fn label(config: &Config) -> String {
    if let Some(label) = &config.label {
        return label.to_string();
    }
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let fit: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '.').collect();
    if fit.is_empty() { "node".to_owned() } else { fit }
}
