//! The hidden verb that makes what is derived from the table of keys and from the verbs.

use super::Cli;
use super::exit::Failure;
use super::output;
use crate::config::key::{Default, Effect, Places, Shape};
use crate::config::{keys, reference};
use crate::metrics;
use camino::Utf8PathBuf;
use clap::{Args, CommandFactory as _, Subcommand};

/// Arguments of `generate`.
#[derive(Debug, Clone, Args)]
pub struct GenerateArgs {
    #[expect(missing_docs, reason = "a comment here would become the verb's help")]
    #[command(subcommand)]
    pub verb: GenerateVerb,
}

/// What to make.
#[derive(Debug, Clone, Subcommand)]
pub enum GenerateVerb {
    /// The reference page of the configuration, in Markdown
    Reference,
    /// A configuration file with every key and its default
    Config,
    /// The page of metrics, in Markdown
    Metrics,
    /// The table of keys, in JSON
    Keys,
    /// One manual page for each verb
    Man {
        /// Folder to write to
        #[arg(long, value_name = "DIR")]
        dir: Utf8PathBuf,
    },
}

impl GenerateArgs {
    /// Makes it.
    pub fn carry_out(&self) -> Result<(), Failure> {
        match &self.verb {
            GenerateVerb::Reference => output::print(&reference::page()),
            GenerateVerb::Config => output::print(&reference::default_file()),
            GenerateVerb::Metrics => output::print(&metrics::page()),
            GenerateVerb::Keys => output::print(&format!("{:#}\n", table())),
            GenerateVerb::Man { dir } => {
                fs_err::create_dir_all(dir).map_err(Failure::failed)?;
                clap_mangen::generate_to(Cli::command(), dir).map_err(Failure::failed)
            }
        }
    }
}

/// The table of keys for programs, such as tests that want a case for each.
fn table() -> serde_json::Value {
    let key = |key: &crate::config::key::Decl| {
        serde_json::json!({
            "name": key.name,
            "flags": key.flags().collect::<Vec<_>>(),
            "variables": key.variables().collect::<Vec<_>>(),
            "in_file": key.places == Places::All,
            "shape": match key.shape {
                Shape::Switch => "switch",
                Shape::One => "one",
                Shape::Commas | Shape::Words => "list",
            },
            "default": match key.default {
                Default::Text(text) => Some(text),
                Default::Found(_) | Default::None => None,
            },
            "example": key.example,
            "allowed": key.allowed,
            "effect": match key.effect {
                Effect::Works => "works",
                Effect::Later(_) => "later",
                Effect::Gone(_) => "gone",
            },
            "secret": key.secret,
        })
    };
    keys::all().map(key).collect()
}
