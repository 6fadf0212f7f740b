//! A restore into a folder: a member of its own, for a plain etcd to start on.
//!
//! It is made by the code that a node restores with, so that revisions are raised and everything before
//! is compacted (S9), and under a cluster id that no other cluster has (S16). A folder that holds anything
//! is refused, and a failure or an interruption leaves nothing.

use super::RestoreArgs;
use super::picture::Picture;
use crate::cli::ask;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::print;
use crate::cli::snapshot::{Shelf, exit_of, short};
use crate::config::Site;
use camino::{Utf8Path, Utf8PathBuf};
use e2d_backup::archive::{self, FetchError, SnapshotForm};
use e2d_backup::catalogue::Listed;
use e2d_core::id::Nonce;
use e2d_core::observe::Policy;
use e2d_etcd::launch::{Extra, Gate, Launch, Start, Tuning, Url, UrlError, Urls};
use e2d_etcd::programs::{self, FindError, RestorePrograms};
use e2d_etcd::restore::RestoreError;
use e2d_etcd::{datadir, durable};
use std::io;

/// What a plain etcd is called and where its peers reach it, if nothing is said.
const NAME: &str = "default";
const PEER_URL: &str = "http://localhost:2380";

/// Why nothing was restored. Nothing was changed.
#[derive(Debug, thiserror::Error)]
enum IntoError {
    #[error("{folder} is not empty: it holds {first}")]
    NotEmpty { folder: Utf8PathBuf, first: String },
    #[error("{folder} cannot be looked into")]
    Look { folder: Utf8PathBuf, source: io::Error },
    #[error("{folder} cannot be made")]
    Make { folder: Utf8PathBuf, source: io::Error },
    #[error("no restore is possible with the programs here")]
    Programs(#[source] FindError),
    #[error("archive {0} could not be brought back")]
    Fetch(String, #[source] FetchError),
    #[error("archive {0} could not be restored")]
    Restore(String, #[source] RestoreError),
    #[error("the place of a plain etcd cannot be written")]
    Url(#[from] UrlError),
    #[error("nothing was restored")]
    NotTold,
}

pub(super) async fn restore(args: &RestoreArgs, site: &Site, shelf: &Shelf, folder: &Utf8Path) -> Result<(), Failure> {
    let bad = |error: IntoError, hint: &str| Failure::with_hint(Exit::BadConfiguration, error, hint);
    let folder = camino::absolute_utf8(folder)
        .map_err(|error| Failure::with_hint(Exit::BadConfiguration, error, "name the folder by its full path"))?;
    let before = look(&folder)?;
    let source = args.source(shelf)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = programs::find(site.etcd_bin_dir.as_deref(), &path).await;
    let programs = found.and_then(|programs| programs.restore);
    let hint = "etcdutl 3.5.10 or newer restores, also for an older etcd; name its folder with --etcd-bin-dir";
    let programs = programs.map_err(|error| bad(IntoError::Programs(error), hint))?;
    let running = ask::status(&args.store.site.socket(site)).await.ok();

    let bump = bump(shelf, source)?;
    let raised = source.revision().0.saturating_add(i64::try_from(bump).unwrap_or(i64::MAX));
    let mut picture = Picture::new(shelf, source, running.as_ref());
    picture.before = vec![format!("{folder} {}", if before == Before::Absent { "does not exist" } else { "is empty" })];
    picture.after = vec![
        format!("{folder} holds a cluster of one, of its own, at revision {raised}, all before it compacted"),
        format!("`etcd --data-dir {folder}` starts on it"),
    ];
    if args.yes {
        make(shelf, source, &programs, &folder, before, bump).await?;
        picture.done = true;
    }
    print(&picture.render(args.output)?)?;
    if args.yes || args.dry_run {
        return Ok(());
    }
    Err(Failure::advise(IntoError::NotTold, "say --yes to do it, or --dry-run to only look"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Absent,
    Empty,
}

fn look(folder: &Utf8Path) -> Result<Before, Failure> {
    let hint = "name a folder that is empty or does not exist with --into";
    let failed = |source| Failure::advise(IntoError::Look { folder: folder.to_owned(), source }, hint);
    let entries = match folder.read_dir_utf8() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Before::Absent),
        other => other.map_err(failed)?,
    };
    for entry in entries {
        let name = entry.map_err(failed)?.file_name().to_owned();
        // What a new file system comes with.
        if name != "lost+found" {
            return Err(Failure::advise(IntoError::NotEmpty { folder: folder.to_owned(), first: name }, hint));
        }
    }
    Ok(Before::Empty)
}

/// As far as a cluster's restore would raise the revision: once for each epoch since the archive.
fn bump(shelf: &Shelf, source: &Listed) -> Result<u64, Failure> {
    let manifest = &source.archive.manifest;
    let lineage = shelf.lineage()?.filter(|lineage| lineage.lineage == manifest.lineage);
    let epochs = lineage.map_or(1, |lineage| lineage.epoch.next().0.saturating_sub(manifest.epoch.0)).max(1);
    Ok(Policy::default().bump.saturating_mul(epochs))
}

/// What is made, until it is whole: a folder that was not there before, and what lies in it.
struct Half<'a> {
    launch: &'a Launch,
    database: Utf8PathBuf,
    before: Before,
}

impl Drop for Half<'_> {
    /// Takes away all but the data itself. Folders go only when they are empty.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.database);
        let _ = e2d_etcd::restore::clear(self.launch);
        let _ = std::fs::remove_dir(datadir::home(&self.launch.data_dir));
        if self.before == Before::Absent {
            let _ = std::fs::remove_dir(&self.launch.data_dir);
        }
    }
}

async fn make(
    shelf: &Shelf,
    source: &Listed,
    programs: &RestorePrograms,
    folder: &Utf8Path,
    before: Before,
    bump: u64,
) -> Result<(), Failure> {
    let archive = &source.archive;
    let launch = launch(folder).map_err(|error| Failure::failed(IntoError::Url(error)))?;
    let home = datadir::home(folder);
    let half = Half { launch: &launch, database: home.join("restore.db"), before };
    for folder in [folder, &home] {
        durable::private_dir(folder).map_err(|source| {
            let hint = "see who owns the folder above it";
            Failure::advise(IntoError::Make { folder: folder.to_owned(), source }, hint)
        })?;
    }
    let fetched = archive::fetch(&*shelf.store, archive, SnapshotForm::WithDigest, &half.database).await;
    fetched.map_err(|error| {
        let exit = if matches!(error, FetchError::NoSpace { .. } | FetchError::File { .. }) {
            Exit::Failed
        } else {
            exit_of(error.disposition())
        };
        let hint = "a restore takes about three times the size of the database on the folder's file system; nothing \
                    was left behind";
        Failure::with_hint(exit, IntoError::Fetch(short(archive), error), hint)
    })?;
    let restored = e2d_etcd::restore::restore(programs, &launch, &half.database, bump).await;
    let done = restored
        .map_err(|error| Failure::advise(IntoError::Restore(short(archive), error), "nothing was left behind"))?;
    tracing::debug!(cluster = %done.cluster, member = %done.member, "restored");
    Ok(())
}

/// What a plain etcd with no flags but its data directory would be.
fn launch(folder: &Utf8Path) -> Result<Launch, UrlError> {
    let peer: Url = PEER_URL.parse()?;
    let client: Url = "http://localhost:2379".parse()?;
    let urls = |url: &Url| Urls { listen: vec![url.clone()], advertise: vec![url.clone()] };
    Ok(Launch {
        name: NAME.to_owned(),
        data_dir: folder.to_owned(),
        wal_dir: None,
        peer: urls(&peer),
        client: urls(&client),
        gate: Gate::Gated,
        start: Start::Found {
            founders: vec![(NAME.to_owned(), vec![peer])],
            token: format!("e2d-restore-{}", Nonce(rand::random())),
        },
        client_tls: None,
        peer_tls: None,
        metrics: Vec::new(),
        tuning: Tuning::default(),
        extra: Extra::default(),
    })
}
