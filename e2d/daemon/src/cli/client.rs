//! The verbs that ask the daemon.

use super::output::Format;
use crate::config::{self, Given, Refused, Site, keys, span};
use camino::Utf8PathBuf;
use clap::{Args, Subcommand};
use e2d_core::id::MemberId;
use std::ffi::OsString;
use std::time::Duration;

/// Which node is meant: the one whose data folder it is.
#[derive(Debug, Clone, Args)]
pub struct SiteArgs {
    /// Folder of the node's data [variable: `E2D_DATA_DIR`, default: data]
    #[arg(long, value_name = "DIR", global = true, help_heading = "Which node")]
    data_dir: Option<OsString>,
    /// Configuration file of the daemon, to find the data folder and the store [variable: `E2D_CONFIG`]
    #[arg(long, value_name = "FILE", global = true, help_heading = "Which node")]
    config: Option<OsString>,
    /// Socket of the daemon [default: e2d/e2d.sock in the data folder]
    #[arg(long, value_name = "FILE", global = true, help_heading = "Which node")]
    socket: Option<Utf8PathBuf>,
}

impl SiteArgs {
    /// Everything that was said about the node.
    pub fn given(&self, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Given {
        let flags = [("data-dir", &self.data_dir), ("config", &self.config)];
        Given::new(said(flags), environment)
    }

    /// Where the node's data, store and programs are. Reads the configuration file, if there is one.
    pub fn site(&self, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Site, Refused> {
        config::site(&self.given(environment).read_file()?)
    }

    /// The daemon's socket.
    #[must_use]
    pub fn socket(&self, site: &Site) -> Utf8PathBuf {
        self.socket.clone().unwrap_or_else(|| site.socket())
    }

    pub(super) fn flags(&self) -> Vec<(String, OsString)> {
        said([("data-dir", &self.data_dir), ("config", &self.config)]).collect()
    }
}

/// Whether somebody named the store, by a flag, a variable or the file. Where nobody did, and only there, it follows
/// from the size of the cluster.
pub(super) fn is_store_named(
    flags: &[(String, OsString)],
    environment: &[(OsString, OsString)],
) -> Result<bool, Refused> {
    let of_size = |size: &str| {
        let size = (keys::REQUIRED_CLUSTER_SIZE.decl.name.to_owned(), OsString::from(size));
        let others = flags.iter().filter(|(name, _)| *name != size.0).cloned();
        let given = Given::new(others.chain([size.clone()]), environment.iter().cloned());
        config::site(&given.read_file()?).map(|site| site.store)
    };
    Ok(of_size("1")? == of_size("3")?)
}

pub(super) fn said<'a>(
    flags: impl IntoIterator<Item = (&'static str, &'a Option<OsString>)>,
) -> impl Iterator<Item = (String, OsString)> {
    flags.into_iter().filter_map(|(name, value)| value.clone().map(|value| (name.to_owned(), value)))
}

/// Arguments of `status`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Works when the daemon is down too: it then says what the disk and the store show.\n\n\
    Examples:\n  e2d status\n  e2d status --watch\n  e2d status --output json --data-dir /var/lib/etcd/data")]
pub struct StatusArgs {
    #[expect(missing_docs, reason = "a comment here would become the verb's help")]
    #[command(flatten)]
    pub site: SiteArgs,
    /// Show it again whenever it changes, until interrupted
    #[arg(long)]
    pub watch: bool,
    /// How to print
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: Format,
}

/// Arguments of `members`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Works when the daemon is down too: it then lists the members that the disk and the store know.\n\n\
    Examples:\n  e2d members\n  e2d members --watch\n  e2d members remove 8e9e05c52164694d --yes"
)]
pub struct MembersArgs {
    #[expect(missing_docs, reason = "a comment here would become the verb's help")]
    #[command(flatten)]
    pub site: SiteArgs,
    /// Show them again whenever they change, until interrupted
    #[arg(long)]
    pub watch: bool,
    /// How to print
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t, global = true)]
    pub output: Format,
    #[expect(missing_docs, reason = "a comment here would become the verb's help")]
    #[command(subcommand)]
    pub verb: Option<MembersVerb>,
}

/// What to do with the members; to list them if nothing is said.
#[derive(Debug, Clone, Subcommand)]
pub enum MembersVerb {
    /// List the members
    #[command(after_help = "Example:\n  e2d members list --output json")]
    List {
        /// Show them again whenever they change, until interrupted
        #[arg(long)]
        watch: bool,
    },
    /// Remove a member, if the others can go on without it
    #[command(after_help = "Shows on what it rests, and removes nothing without --yes.\n\n\
        Example:\n  e2d members remove 8e9e05c52164694d --yes")]
    Remove {
        /// Which member, by its id in hexadecimal digits
        #[arg(value_name = "MEMBER")]
        member: MemberId,
        /// Really do it
        #[arg(long)]
        yes: bool,
    },
}

/// Arguments of `plan`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  e2d plan")]
pub struct PlanArgs {
    #[expect(missing_docs, reason = "a comment here would become the verb's help")]
    #[command(flatten)]
    pub site: SiteArgs,
    /// How to print
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: Format,
}

/// Arguments of `why`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  e2d why\n  e2d why 8e9e05c52164694d --last 5")]
pub struct WhyArgs {
    #[expect(missing_docs, reason = "a comment here would become the verb's help")]
    #[command(flatten)]
    pub site: SiteArgs,
    /// Only what concerns this member, by its id in hexadecimal digits
    #[arg(value_name = "MEMBER")]
    pub member: Option<MemberId>,
    /// Only this many decisions, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    pub last: u32,
    /// How to print
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: Format,
}

/// Arguments of `hold`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Health, backups and answers go on. It ends by itself when its time is over, or by `e2d release`.\n\n\
    Example:\n  e2d hold --reason 'network maintenance' --for 2h"
)]
pub struct HoldArgs {
    #[expect(missing_docs, reason = "a comment here would become the verb's help")]
    #[command(flatten)]
    pub site: SiteArgs,
    /// Why, for whoever finds the cluster held
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
    /// For how long, such as 30m, 2h or 1d
    #[arg(long = "for", value_name = "DURATION", value_parser = hold_time)]
    pub span: Duration,
}

/// Arguments of `release`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  e2d release")]
pub struct ReleaseArgs {
    #[expect(missing_docs, reason = "a comment here would become the verb's help")]
    #[command(flatten)]
    pub site: SiteArgs,
}

/// Arguments of `env`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  eval \"$(e2d env)\" && etcdctl member list")]
pub struct EnvArgs {
    #[expect(missing_docs, reason = "a comment here would become the verb's help")]
    #[command(flatten)]
    pub site: SiteArgs,
    /// How to print: `table` is lines for a shell
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: Format,
}

/// Arguments of `step-down`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Does nothing when another member leads already.\n\nExample:\n  e2d step-down")]
pub struct StepDownArgs {
    #[expect(missing_docs, reason = "a comment here would become the verb's help")]
    #[command(flatten)]
    pub site: SiteArgs,
}

fn hold_time(text: &str) -> Result<Duration, String> {
    let span = span::at_least(Duration::from_mins(1), text);
    span.map_err(|fault| format!("{}; allowed: a duration from 1m to 365d", fault.reason))
}

fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("empty; say why, for whoever finds the cluster held".into()),
        text if text.chars().count() > 200 => Err("longer than 200 characters".into()),
        text if text.chars().any(char::is_control) => Err("holds a control character".into()),
        text => Ok(text.to_owned()),
    }
}
