//! Carries the verbs about backups out.

use super::shelf::{Item, SHOWN_DIGITS, Shelf, exit_of, short};
use super::{SiteArgs, SnapshotArgs, SnapshotVerb, rows};
use crate::admin::v1::{SaveSnapshotReply, SaveSnapshotRequest};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{Format, json, note, print};
use crate::cli::{disk, order};
use crate::config::Site;
use camino::{Utf8Path, Utf8PathBuf};
use e2d_backup::archive::{self, CheckError, FetchError, Outcome, SnapshotForm};
use e2d_backup::choice::Trust;
use e2d_core::id::Nonce;
use indicatif::BinaryBytes;
use jiff::Timestamp;
use std::error::Error;
use tokio::signal::unix::{SignalKind, signal};

/// Why a verb about backups was not done.
#[derive(Debug, thiserror::Error)]
enum SnapshotError {
    #[error("archive {0} is damaged")]
    Damaged(String),
    #[error("archive {0} could not be read back")]
    Check(String, #[source] CheckError),
    #[error("archive {0} could not be exported")]
    Fetch(String, #[source] FetchError),
    #[error("{0} exists, and is never overwritten")]
    Exists(Utf8PathBuf),
}

/// Somebody lost patience.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
struct Interrupted;

/// Runs a verb until it is done or interrupted; what it leaves behind then is nothing.
pub(in crate::cli) fn until_interrupted<T>(verb: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    runtime.block_on(async {
        let mut term = signal(SignalKind::terminate()).map_err(Failure::failed)?;
        let mut int = signal(SignalKind::interrupt()).map_err(Failure::failed)?;
        tokio::select! {
            done = verb => done,
            _ = term.recv() => Err(Failure::failed(Interrupted)),
            _ = int.recv() => Err(Failure::failed(Interrupted)),
        }
    })
}

impl SnapshotArgs {
    /// Does it, and prints the outcome.
    pub fn carry_out(&self) -> Result<(), Failure> {
        if matches!(self.verb, SnapshotVerb::Save) {
            return save(&self.store.site, self.output);
        }
        until_interrupted(async {
            let site = self.store.site().await?;
            let found = Shelf::open(&site).await?;
            match &self.verb {
                SnapshotVerb::List | SnapshotVerb::Save => print(&rows::list(&found, self.output)?),
                SnapshotVerb::Show { archive } => {
                    print(&rows::show(found.find(archive, Trust::PreferVerified)?, self.output)?)
                }
                SnapshotVerb::Verify { archive } => {
                    let item = found.find(archive, Trust::PreferVerified)?;
                    verify(&found, item, &site, self.output).await
                }
                SnapshotVerb::Export { archive, to } => {
                    // Before anything is read.
                    if to.symlink_metadata().is_ok() {
                        return Err(Failure::advise(SnapshotError::Exists(to.clone()), "name another file with --to"));
                    }
                    export(&found, &found.find_good(archive)?.archive, to, self.output).await
                }
            }
        })
    }
}

/// Has the daemon take an archive, for only it may write under the epoch's name (S16).
fn save(site: &SiteArgs, format: Format) -> Result<(), Failure> {
    let reply = order::order(site, async |mut client| client.save_snapshot(SaveSnapshotRequest {}).await)?;
    let SaveSnapshotReply { id, revision, keys, plain_bytes, stored_bytes, .. } = &reply;
    print(&match format {
        Format::Json => json(&reply)?,
        Format::Table => format!(
            "{}  taken and verified: {keys} keys at revision {revision}, {}, stored in {}\n",
            id.chars().take(SHOWN_DIGITS).collect::<String>(),
            BinaryBytes(*plain_bytes),
            BinaryBytes(*stored_bytes)
        ),
    })
}

/// Reads an archive back. On a node the outcome is recorded in the store, so that a restore can rely on
/// it; elsewhere, and where the store takes nothing, it is only shown.
async fn verify(shelf: &Shelf, item: Item<'_>, site: &Site, format: Format) -> Result<(), Failure> {
    let archive = item.archive();
    let home = e2d_etcd::datadir::home(&site.data_dir);
    let scratch = if home.is_dir() { home } else { temporary() };
    let failed = |error: CheckError| {
        let exit = exit_of(error.disposition());
        let hint = "a read-back takes as much room on the local disk as the database has: in the data folder of a \
                    node, else in TMPDIR";
        Failure::with_hint(exit, SnapshotError::Check(short(archive), error), hint)
    };
    let outcome = archive::read_back(&*shelf.store, archive, &scratch).await.map_err(failed)?;
    let recorded = match disk::identity(&site.data_dir)? {
        None => {
            note("the outcome is not recorded in the store: this is not done on a node, which --data-dir would name");
            false
        }
        Some(identity) => {
            let nonce = Nonce(rand::random());
            let now = Timestamp::now();
            let done = archive::record(&*shelf.store, archive, outcome.clone(), identity.node, nonce, now).await;
            done.map_err(|error| note(&format!("the outcome is not recorded: {}", chain(&error)))).is_ok()
        }
    };
    print(&rows::verdict(item, &outcome, recorded, format)?)?;
    match outcome {
        Outcome::Sound(_) => Ok(()),
        Outcome::Damaged { .. } => {
            let error = SnapshotError::Damaged(short(archive));
            Err(Failure::advise(error, "it will not be restored; `e2d snapshot list` shows which others there are"))
        }
    }
}

async fn export(shelf: &Shelf, archive: &archive::Archive, to: &Utf8Path, format: Format) -> Result<(), Failure> {
    let done = archive::fetch(&*shelf.store, archive, SnapshotForm::WithDigest, to).await;
    done.map_err(|error| {
        let exit = match &error {
            FetchError::NoSpace { .. } | FetchError::File { .. } => Exit::Failed,
            other => exit_of(other.disposition()),
        };
        let hint = "nothing was left behind; --to names a new file in a folder that is there and has room";
        Failure::with_hint(exit, SnapshotError::Fetch(short(archive), error), hint)
    })?;
    let size_bytes = std::fs::metadata(to).map_err(Failure::failed)?.len();
    print(&match format {
        Format::Json => json(&serde_json::json!({
            "id": archive.id, "file": to, "size_bytes": size_bytes, "revision": archive.manifest.revision,
        }))?,
        Format::Table => format!("{}  written to {to}, {size_bytes} bytes\n", short(archive)),
    })
}

fn temporary() -> Utf8PathBuf {
    Utf8PathBuf::from_path_buf(std::env::temp_dir()).unwrap_or_else(|_| "/tmp".into())
}

/// An error and its sources in one line.
fn chain(error: &dyn Error) -> String {
    let all = std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string);
    all.collect::<Vec<_>>().join(": ")
}
