//! The verbs about certificates. They work without a daemon and without a network.

use super::exit::Failure;
use super::output::{self, Format, Table};
use crate::config::{RouteError, default_route_address};
use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueEnum};
use e2d_pki::inspect::{inspect, json, table};
use e2d_pki::{Authority, AuthorityFiles, Existing, Host, HostError, Role, SaveError, Saved, issue, leaf};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Arguments of `pki`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  e2d pki init\n  e2d pki gencerts --hosts 10.0.0.1,etcd-1.example.com\n  \
    e2d pki inspect .")]
pub struct PkiArgs {
    #[expect(missing_docs, reason = "a comment here would become the verb's help")]
    #[command(subcommand)]
    pub verb: PkiVerb,
}

/// What to do with certificates.
#[derive(Debug, Clone, Subcommand)]
pub enum PkiVerb {
    /// Make an authority for etcd: a certificate and its private key
    Init(InitArgs),
    /// Make the certificates of one node and of a client, signed by the authority
    Gencerts(GencertsArgs),
    /// Show every certificate and key in files and folders
    Inspect(InspectArgs),
}

/// The kind of private key that is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum KeyType {
    /// RSA with 2048 bits
    #[default]
    Rsa,
    /// ECDSA on P-256
    Ecdsa,
}

impl From<KeyType> for e2d_pki::KeyType {
    fn from(key_type: KeyType) -> Self {
        match key_type {
            KeyType::Rsa => Self::Rsa2048,
            KeyType::Ecdsa => Self::EcdsaP256,
        }
    }
}

/// What the client's certificate may do on the admin API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ClientRole {
    /// Nothing: it is for etcd only
    #[default]
    None,
    /// Look
    Read,
    /// Act
    Operate,
}

/// Arguments of `pki init`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "An authority that exists is never overwritten.\n\n\
    Example:\n  e2d pki init --ca-cert pki/ca.crt --ca-key pki/ca.key")]
pub struct InitArgs {
    /// Certificate to write
    #[arg(long, value_name = "FILE", default_value = "ca.crt")]
    pub ca_cert: Utf8PathBuf,
    /// Private key to write
    #[arg(long, value_name = "FILE", default_value = "ca.key")]
    pub ca_key: Utf8PathBuf,
    /// Kind of key
    #[arg(long, value_name = "TYPE", value_enum, default_value_t)]
    pub key_type: KeyType,
}

/// Arguments of `pki gencerts`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "What is there and still good is left as it is, so it can be repeated at any time.\n\n\
    Example:\n  e2d pki gencerts --hosts 10.0.0.1,etcd-1.example.com --output-dir pki")]
pub struct GencertsArgs {
    /// Certificate of the authority
    #[arg(long, value_name = "FILE", default_value = "ca.crt")]
    pub ca_cert: Utf8PathBuf,
    /// Private key of the authority
    #[arg(long, value_name = "FILE", default_value = "ca.key")]
    pub ca_key: Utf8PathBuf,
    /// Addresses and names of the node, besides those of loopback [default: the default route's address]
    #[arg(long, value_name = "HOST,...", value_parser = hosts)]
    pub hosts: Option<Hosts>,
    /// Folder to write to
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub output_dir: Utf8PathBuf,
    /// Kind of key
    #[arg(long, value_name = "TYPE", value_enum, default_value_t)]
    pub key_type: KeyType,
    /// What the client's certificate may do on the admin API
    #[arg(long, value_name = "ROLE", value_enum, default_value_t)]
    pub client_role: ClientRole,
}

/// The hosts that a certificate is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts(BTreeSet<Host>);

fn hosts(text: &str) -> Result<Hosts, HostError> {
    Host::list(text).map(Hosts)
}

/// Arguments of `pki inspect`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  e2d pki inspect /etc/kubernetes/etcd/pki")]
pub struct InspectArgs {
    /// Files or folders to look at
    #[arg(value_name = "PATH", default_value = ".")]
    pub paths: Vec<Utf8PathBuf>,
    /// How to print
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: Format,
}

/// The machine has no address to make a certificate for.
#[derive(Debug, thiserror::Error)]
#[error("this machine's own address could not be found")]
struct NoAddress(#[source] RouteError);

/// Some certificates are not there. Those that are said to be made or kept are good.
#[derive(Debug, thiserror::Error)]
#[error("not all certificates are there")]
struct NotAll;

impl PkiArgs {
    /// Does it, and prints what was done.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let now = Timestamp::now();
        match &self.verb {
            PkiVerb::Init(args) => args.carry_out(now),
            PkiVerb::Gencerts(args) => args.carry_out(now),
            PkiVerb::Inspect(args) => args.carry_out(now),
        }
    }
}

impl InitArgs {
    fn carry_out(&self, now: Timestamp) -> Result<(), Failure> {
        let files = AuthorityFiles { certificate: self.ca_cert.clone(), key: self.ca_key.clone() };
        let name = Authority::default_name();
        let made = Authority::init(&files, &name, self.key_type.into(), Existing::Keep, None, now);
        let (_, saved) = made.map_err(|error| match error {
            SaveError::Exists(_) | SaveError::KeyElsewhere { .. } => {
                Failure::advise(error, "use it, or name other files with --ca-cert and --ca-key")
            }
            other => Failure::failed(other),
        })?;
        let key = if saved == Saved::Completed { "kept" } else { "made" };
        let mut table = Table::new(&["FILE", "WHAT"]);
        table.row([self.ca_key.to_string(), key.to_owned()]);
        table.row([self.ca_cert.to_string(), "made".to_owned()]);
        output::print(&table.text())
    }
}

impl GencertsArgs {
    fn carry_out(&self, now: Timestamp) -> Result<(), Failure> {
        let files = AuthorityFiles { certificate: self.ca_cert.clone(), key: self.ca_key.clone() };
        let authority = Authority::load(&files).map_err(|error| {
            Failure::advise(error, "make one with `e2d pki init`, or name it with --ca-cert and --ca-key")
        })?;
        let hosts = if let Some(Hosts(hosts)) = &self.hosts {
            hosts.clone()
        } else {
            let address = default_route_address()
                .map_err(|error| Failure::advise(NoAddress(error), "name the node's hosts with --hosts"))?;
            BTreeSet::from([Host::Ip(address)])
        };
        let role = match self.client_role {
            ClientRole::None => Role::None,
            ClientRole::Read => Role::Read,
            ClientRole::Operate => Role::Operate,
        };
        let wanted = leaf::etcd(&hosts, self.key_type.into(), role);
        let outcome = issue::run(&self.output_dir, &wanted, &authority, None, now).map_err(Failure::failed)?;
        self.print(&outcome)
    }

    /// One line for each certificate. One that is not there as it should be makes it a failure.
    fn print(&self, outcome: &issue::Outcome) -> Result<(), Failure> {
        let made: BTreeSet<&str> = outcome.done.iter().map(stem).collect();
        let mut table = Table::new(&["CERTIFICATE", "KEY", "WHAT", "STATE"]);
        let mut all_good = true;
        for (stem, verdict) in &outcome.plan.report {
            let good = matches!(verdict, issue::Verdict::Good { .. } | issue::Verdict::AuthorityEnds(_));
            all_good &= good;
            let what = match (made.contains(stem.as_str()), good) {
                (true, _) => "made",
                (false, true) => "kept",
                (false, false) => "not made",
            };
            let file = |kind| self.output_dir.join(format!("{stem}.{kind}")).into_string();
            table.row([file("crt"), file("key"), what.to_owned(), verdict.to_string()]);
        }
        output::print(&table.text())?;
        if all_good { Ok(()) } else { Err(Failure::advise(NotAll, "the table says why")) }
    }
}

fn stem(action: &issue::Action) -> &str {
    match action {
        issue::Action::Issue { leaf, .. } => &leaf.stem,
        issue::Action::Finish { stem } => stem,
    }
}

impl InspectArgs {
    fn carry_out(&self, now: Timestamp) -> Result<(), Failure> {
        let inspection = inspect(&self.paths, now);
        output::print(&match self.output {
            Format::Table => table(&inspection, now),
            Format::Json => json(&inspection),
        })
    }
}
