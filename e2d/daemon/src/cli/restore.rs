//! `e2d restore`: a backup into a folder, or for the whole cluster.
//!
//! Both show first what there is, what there would be, and what would be lost. The folder is made by the
//! code that a node restores with. What a whole cluster needs besides is said in [`cluster`].

mod cluster;
mod into;
mod picture;

use super::exit::Failure;
use super::output::Format;
use super::snapshot::{ArchiveRef, Shelf, StoreArgs, until_interrupted};
use camino::Utf8PathBuf;
use clap::Args;
use e2d_backup::catalogue::{Contents, Listed};
use e2d_backup::choice::Trust;
use e2d_core::id::{MemberId, Revision};
use jiff::Timestamp;

/// Arguments of `restore`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Shows before and after and what would be lost, and changes nothing without --yes.\n\n\
    Examples:\n  e2d restore --into /var/lib/etcd/data --dry-run\n  \
    e2d restore 4f2a91 --into /tmp/look --yes\n  \
    e2d restore --cluster --at 2026-11-22T03:00:00Z --yes")]
pub struct RestoreArgs {
    #[expect(missing_docs, reason = "a comment here would become the verb's help")]
    #[command(flatten)]
    pub store: StoreArgs,
    /// Which backup: `newest`, or the first digits of its id [default: newest]
    #[arg(value_name = "ARCHIVE", group = "source")]
    pub archive: Option<ArchiveRef>,
    /// The newest backup that is not above this revision
    #[arg(long, value_name = "NUMBER", group = "source", value_parser = revision)]
    pub revision: Option<Revision>,
    /// The newest backup that is not after this instant, such as 2026-11-22T03:00:00Z
    #[arg(long, value_name = "INSTANT", group = "source")]
    pub at: Option<Timestamp>,
    #[expect(missing_docs, reason = "a comment here would become the verb's help")]
    #[command(flatten)]
    pub target: RestoreTarget,
    /// A member that is gone for good, on your word; may be repeated
    #[arg(long, value_name = "MEMBER", conflicts_with = "into")]
    pub lost: Vec<MemberId>,
    /// Restore the cluster even if fewer nodes than required are present
    #[arg(long, conflicts_with = "into")]
    pub force: bool,
    /// Only show what would happen
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Really do it
    #[arg(long)]
    pub yes: bool,
    /// How to print
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: Format,
}

/// What is restored: exactly one of the two.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct RestoreTarget {
    /// Restore into this folder, which must be empty or not exist; nothing else is touched
    #[arg(long, value_name = "DIR")]
    pub into: Option<Utf8PathBuf>,
    /// Restore the whole cluster through the store
    #[arg(long)]
    pub cluster: bool,
}

/// No archive lies where a restore may start from. Nothing was changed.
#[derive(Debug, thiserror::Error)]
enum SourceError {
    #[error("no archive in {store} holds revision {revision} or an earlier one")]
    Revision { store: String, revision: Revision },
    #[error("no archive in {store} was taken at {at} or earlier")]
    Instant { store: String, at: Timestamp },
}

impl RestoreArgs {
    /// Shows what would happen, and does it if it was told to.
    pub fn carry_out(&self) -> Result<(), Failure> {
        until_interrupted(async {
            let site = self.store.site().await?;
            let from = Shelf::open(&site).await?;
            match &self.target.into {
                Some(folder) => into::restore(self, &site, &from, folder).await,
                None => cluster::restore(self, &site, &from).await,
            }
        })
    }

    /// The archive to start with.
    fn source<'a>(&self, from: &'a Shelf) -> Result<&'a Listed, Failure> {
        let store = || from.store.describe();
        let fits: Box<dyn Fn(&Listed) -> bool> = match (self.revision, self.at) {
            (Some(revision), _) => Box::new(move |listed| listed.revision() <= revision),
            (None, Some(at)) => Box::new(move |listed| listed.archive.manifest.created_at <= at),
            (None, None) => return from.find_good(self.archive.as_ref().unwrap_or(&ArchiveRef::Newest)),
        };
        let archives: Vec<Listed> = from.contents.archives.iter().filter(|listed| fits(listed)).cloned().collect();
        if archives.is_empty() {
            let error = match (self.revision, self.at) {
                (Some(revision), _) => SourceError::Revision { store: store(), revision },
                (None, at) => SourceError::Instant { store: store(), at: at.unwrap_or_default() },
            };
            return Err(Failure::advise(error, "`e2d snapshot list` shows which there are"));
        }
        let chosen = from.newest(&Contents { archives, ..Contents::default() }, Trust::Verified)?.archive.id;
        from.find_good(&ArchiveRef::Prefix(chosen.to_string()))
    }
}

fn revision(text: &str) -> Result<Revision, String> {
    match text.parse::<i64>() {
        Ok(number) if number > 0 => Ok(Revision(number)),
        _ => Err("expected a whole number above 0".into()),
    }
}
