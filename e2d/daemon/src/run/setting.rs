//! What does not change while a node runs: its places, programs, store and certificates.

use super::keys::{self, Certificates};
use crate::cli::exit::{Exit, Failure};
use crate::config::store::StoreUrl;
use crate::config::value::Size;
use crate::config::{Config, Security};
use camino::{Utf8Path, Utf8PathBuf};
use e2d_backup::store::{Base, FolderStore, Store};
use e2d_core::id::BootId;
use e2d_core::observe::{Me, Policy};
use e2d_core::time::Moment;
use e2d_etcd::programs::{self, Programs};
use e2d_gossip::Keyring;
use rustix::fs::FlockOperation;
use std::fs::File;
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
    /// etcd and its tools.
    pub(super) programs: Programs,
    /// Where backups and the lineage lie.
    pub(super) store: Option<Arc<dyn Store>>,
    /// This node, as it names itself.
    pub(super) me: Me,
    /// What the core is told of the configuration.
    pub(super) policy: Policy,
    /// The certificates, if there are keys.
    pub(super) certificates: Option<Certificates>,
    keyring: RwLock<Keyring>,
    epoch: Instant,
    _lock: File,
}

impl Setting {
    /// Finds the programs and the store, and makes our folder.
    pub(super) async fn prepare(config: Config) -> Result<Self, Failure> {
        let bad = |error: Box<dyn std::error::Error + Send + Sync>, hint: &str| Failure::Other {
            exit: Exit::BadConfiguration,
            error,
            hint: Some(hint.to_owned()),
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let programs = programs::find(config.site.etcd_bin_dir.as_deref(), &path)
            .await
            .map_err(|error| bad(error.into(), "e2d runs the etcd server as its child; it does not bring one"))?;
        tracing::info!(version = %programs.etcd.version, path = %programs.etcd.path, "etcd found");
        if let Err(error) = &programs.restore {
            tracing::warn!(%error, "no restore is possible on this node");
        }
        let data_dir = camino::absolute_utf8(&config.site.data_dir)
            .map_err(|error| bad(error.into(), "name the data directory by its full path"))?;
        let store: Option<Arc<dyn Store>> = match &config.site.store {
            StoreUrl::None => None,
            StoreUrl::Folder(folder) => {
                let folder = camino::absolute_utf8(folder)
                    .map_err(|error| bad(error.into(), "name the store by its full path"))?;
                let own = folder.starts_with(&data_dir);
                let base = if own { Base::Create } else { Base::MustExist };
                Some(Arc::new(FolderStore::new(folder, base)))
            }
        };
        let scheme = if matches!(config.network.security(), Security::Keys(_)) { "https" } else { "http" };
        let me = Me {
            label: label(&config),
            boot: BootId(rand::random::<u64>().max(1)),
            peer_url: format!("{scheme}://{}", config.network.peer()),
            client_url: format!("{scheme}://{}", config.network.client()),
            machine: std::fs::read_to_string("/etc/machine-id").map(|id| id.trim().to_owned()).unwrap_or_default(),
            mounted: e2d_etcd::datadir::is_mount(&data_dir).unwrap_or(false),
            instance: None,
            zone: None,
        };
        let policy = Policy {
            size: match config.cluster.size() {
                Size::One => 1,
                Size::Three => 3,
                Size::Five => 5,
            },
            has_store: store.is_some(),
            replace_after: config.health.replace_after,
            archive_interval: config.snapshots.interval,
            ..Policy::default()
        };
        let home = e2d_etcd::datadir::home(&data_dir);
        for folder in [&data_dir, &home] {
            e2d_etcd::durable::private_dir(folder)
                .map_err(|error| bad(format!("{folder} cannot be used: {error}").into(), "see who owns it"))?;
        }
        let lock = lock(&home)?;
        // What a restore left that was cut short: copies of the database, which nobody is to find later (S19).
        let cleared = e2d_etcd::restore::clear_at(&data_dir, None)
            .and_then(|()| e2d_etcd::durable::remove(&home.join(super::act::RESTORED_DATABASE)));
        cleared.map_err(|error| {
            bad(
                format!("{home}: what an interrupted restore left cannot be removed: {error}").into(),
                "see who owns it",
            )
        })?;
        let epoch = Instant::now();
        let keys = config.network.security().keys();
        let certificates = keys.map(Certificates::load).transpose();
        let certificates =
            certificates.map_err(|error| bad(error.into(), "see `e2d pki inspect`; nothing was changed"))?;
        let keyring = keys::keyring(keys)
            .map_err(|error| bad(error, "gossip's keys come from the authority's key or a key file"))?;
        let keyring = RwLock::new(keyring);
        Ok(Self { config, data_dir, home, programs, store, me, policy, certificates, keyring, epoch, _lock: lock })
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

    /// What moment 0 is.
    pub(super) fn epoch(&self) -> Instant {
        self.epoch
    }
}

/// Takes the data directory for this process, for as long as the file is open.
fn lock(home: &Utf8Path) -> Result<File, Failure> {
    let path = home.join("lock");
    let hint = "another e2d runs on this data directory: stop it, or name another with --data-dir";
    let failed = |error: std::io::Error| {
        let error = std::io::Error::new(error.kind(), format!("{path} cannot be locked: {error}"));
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
