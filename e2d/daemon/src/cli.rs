//! The command line: what each verb takes, how its output and its errors look, and its exit code.
//!
//! [`parse`] turns arguments into a [`Command`]; who carries it out is not decided here. Standard
//! output is data and nothing else; logs, errors and hints go to standard error. Colour never carries
//! meaning, and `NO_COLOR` is honoured. Verbs that a later version brings do not exist yet.

mod ask;
mod client;
mod disk;
mod down;
mod env;
pub mod exit;
mod generate;
mod inform;
pub mod logging;
mod order;
pub mod output;
mod pki;
mod restore;
mod run;
mod snapshot;
mod watch;

pub use client::{
    EnvArgs, HoldArgs, MembersArgs, MembersVerb, PlanArgs, ReleaseArgs, SiteArgs, StatusArgs, StepDownArgs, WhyArgs,
};
pub use generate::GenerateArgs;
pub use inform::{CompletionsArgs, VersionArgs};
pub use pki::{GencertsArgs, InitArgs, InspectArgs, KeyType, PkiArgs, PkiVerb};
pub use restore::{RestoreArgs, RestoreTarget};
pub use run::RunArgs;
pub use snapshot::{ArchiveRef, SnapshotArgs, SnapshotVerb, StoreArgs};

use crate::config::keys;
use clap::{Parser, Subcommand};
use exit::Failure;
use std::ffi::OsString;

/// Keeps etcd alive without people: runs it, finds peers, forms clusters, replaces dead members, backs
/// up and restores.
#[derive(Debug, Parser)]
#[command(name = "e2d", version, propagate_version = false, max_term_width = 100)]
pub struct Cli {
    #[expect(missing_docs, reason = "its help is in the table of keys")]
    #[arg(short = keys::VERBOSE.decl.short, long = keys::VERBOSE.decl.name, global = true, help = keys::VERBOSE.decl.help)]
    pub verbose: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon: etcd, its membership and its backups
    Run(RunArgs),
    /// Show this node and its cluster, what is planned, and why
    Status(StatusArgs),
    /// List or remove members of the cluster
    Members(MembersArgs),
    /// Show what e2d would do now, without doing it
    Plan(PlanArgs),
    /// Show what was done or refused, when, and on which evidence
    Why(WhyArgs),
    /// Stop all automatic acts of the whole cluster for a while
    Hold(HoldArgs),
    /// Let automatic acts go on
    Release(ReleaseArgs),
    /// Print the variables with which etcdctl reaches this cluster
    Env(EnvArgs),
    /// Take, list, show, verify and export backups
    Snapshot(SnapshotArgs),
    /// Restore a backup
    Restore(RestoreArgs),
    /// Hand leadership of etcd over to another member
    StepDown(StepDownArgs),
    /// Make and inspect certificates
    Pki(PkiArgs),
    /// Print a completion script for a shell
    #[command(visible_alias = "completion")]
    Completions(CompletionsArgs),
    /// Print the version
    Version(VersionArgs),
    /// Make the reference page, the default file and the manual
    #[command(hide = true)]
    Generate(GenerateArgs),
}

/// Understands the program's arguments, the first of which is its name. `--help` and `--version` are
/// failures too, with exit code 0 and their text for standard output.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, Failure> {
    Cli::try_parse_from(arguments).map_err(Failure::Usage)
}

#[cfg(test)]
mod tests;
