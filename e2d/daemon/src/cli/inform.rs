//! The verbs that only tell about the program.

use super::Cli;
use super::exit::Failure;
use super::output::{self, Format};
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

/// Arguments of `version`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  e2d version --output json")]
pub struct VersionArgs {
    /// How to print
    #[arg(long, short, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: Format,
}

impl VersionArgs {
    /// Prints the version.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let version = env!("CARGO_PKG_VERSION");
        output::print(&match self.output {
            Format::Table => format!("e2d {version}\n"),
            Format::Json => format!("{}\n", serde_json::json!({ "version": version })),
        })
    }
}

/// Arguments of `completions`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  e2d completions bash > /etc/bash_completion.d/e2d")]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

impl CompletionsArgs {
    /// Prints the script.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "e2d", &mut script);
        output::print(&String::from_utf8_lossy(&script))
    }
}
