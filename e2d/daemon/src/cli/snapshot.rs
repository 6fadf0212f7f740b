//! The verbs about backups.

mod act;
mod progress;
mod rows;
mod shelf;

pub(super) use act::until_interrupted;
pub(super) use rows::holds;
pub(super) use shelf::{Shelf, exit_of, short};

use super::ask;
use super::client::{SiteArgs, is_store_named, said};
use super::exit::Failure;
use super::output::Format;
use crate::admin::v1::StatusReply;
use crate::config::store::{self, StoreUrl};
use crate::config::{self, Given, Refused, Site};
use camino::Utf8PathBuf;
use clap::{Args, Subcommand};
use std::ffi::OsString;
use std::str::FromStr;

/// The fewest digits by which an archive may be named.
const SHORTEST_PREFIX: usize = 6;
/// The digits of an archive's whole id.
const WHOLE_ID: usize = 64;

/// Which node, and which store if not the node's own.
#[derive(Debug, Clone, Args)]
pub struct StoreArgs {
    #[expect(missing_docs, reason = "a comment here would become the verb's help")]
    #[command(flatten)]
    pub site: SiteArgs,
    /// Store of the backups [variable: `E2D_SNAPSHOT_URL`, default: the node's own]
    #[arg(long, alias = "snapshot-backup-url", value_name = "URL", global = true, help_heading = "Which node")]
    snapshot_url: Option<OsString>,
    /// Folder of the programs etcd and etcdutl [variable: `E2D_ETCD_BIN_DIR`, default: `PATH`]
    #[arg(long, value_name = "DIR", global = true, help_heading = "Which node")]
    etcd_bin_dir: Option<OsString>,
}

/// The daemon's store is one that this program cannot use. Nothing was read.
#[derive(Debug, thiserror::Error)]
#[error("the daemon keeps backups in {url}, which this e2d cannot read")]
struct Unusable {
    url: String,
}

impl StoreArgs {
    /// Where the node's data, store and programs are. Reads the configuration file, if there is one. A store that
    /// nobody named is the one that the daemon uses, if it runs.
    pub(super) async fn site(&self) -> Result<Site, Failure> {
        let environment: Vec<_> = std::env::vars_os().collect();
        let flags = [("snapshot-url", &self.snapshot_url), ("etcd-bin-dir", &self.etcd_bin_dir)];
        let flags: Vec<_> = self.site.flags().into_iter().chain(said(flags)).collect();
        let is_named = is_store_named(&flags, &environment)?;
        let given = Given::new(flags, environment).read_file().map_err(Refused::from)?;
        let site = config::site(&given)?;
        if is_named {
            return Ok(site);
        }
        match ask::status(&self.site.socket(&site)).await {
            Ok(reply) => Ok(Site { store: used(&reply)?, ..site }),
            // Down, or nobody that talks to us: what the configuration says is all that is known.
            Err(_) => Ok(site),
        }
    }
}

/// The store that a daemon uses.
fn used(reply: &StatusReply) -> Result<StoreUrl, Failure> {
    let Some(used) = &reply.store else { return Ok(StoreUrl::None) };
    store::parse(&used.url).map_err(|_| {
        let hint = "use the e2d that the daemon was started with, or name a store by --snapshot-url";
        Failure::advise(Unusable { url: used.url.clone() }, hint)
    })
}

/// Names one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveRef {
    /// The newest verified one.
    Newest,
    /// The one whose id begins with these 6 to 64 lower-case hexadecimal digits.
    Prefix(String),
}

impl FromStr for ArchiveRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "newest" {
            return Ok(Self::Newest);
        }
        let prefix = text.to_ascii_lowercase();
        if (SHORTEST_PREFIX..=WHOLE_ID).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Self::Prefix(prefix));
        }
        Err("expected `newest`, or the first 6 to 64 hexadecimal digits of the archive's id".into())
    }
}

/// Arguments of `snapshot`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  e2d snapshot save\n  e2d snapshot list --output json\n  \
    e2d snapshot export newest --to snapshot.db")]
pub struct SnapshotArgs {
    #[expect(missing_docs, reason = "a comment here would become the verb's help")]
    #[command(flatten)]
    pub store: StoreArgs,
    /// How to print
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t, global = true)]
    pub output: Format,
    #[expect(missing_docs, reason = "a comment here would become the verb's help")]
    #[command(subcommand)]
    pub verb: SnapshotVerb,
}

/// What to do with backups.
#[derive(Debug, Clone, Subcommand)]
pub enum SnapshotVerb {
    /// Take a full backup now, and verify it
    #[command(after_help = "Example:\n  e2d snapshot save")]
    Save,
    /// List the backups
    #[command(after_help = "Example:\n  e2d snapshot list")]
    List,
    /// Show all that is known about one backup
    #[command(after_help = "Example:\n  e2d snapshot show newest")]
    Show {
        /// Which: `newest`, or the first digits of its id
        #[arg(value_name = "ARCHIVE", default_value = "newest")]
        archive: ArchiveRef,
    },
    /// Read a backup back, check its digests, and open it as a database
    #[command(after_help = "Example:\n  e2d snapshot verify 4f2a91")]
    Verify {
        /// Which: `newest`, or the first digits of its id
        #[arg(value_name = "ARCHIVE", default_value = "newest")]
        archive: ArchiveRef,
    },
    /// Write a backup as a plain snapshot of etcd
    #[command(after_help = "Example:\n  e2d snapshot export newest --to snapshot.db")]
    Export {
        /// Which: `newest`, or the first digits of its id
        #[arg(value_name = "ARCHIVE", default_value = "newest")]
        archive: ArchiveRef,
        /// File to write; it must not exist
        #[arg(long, value_name = "FILE")]
        to: Utf8PathBuf,
    },
}
