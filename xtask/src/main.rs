//! The project's own commands: `cargo xtask --help`.
//!
//! Whoever has Rust has all of them; what else they need they install, or name. Data goes to stdout,
//! everything else to stderr. Exit code 0 is done, 1 failed, 2 usage.

mod bench;
mod check;
mod ci;
mod e2e;
mod fix;
mod fuzz;
mod out;
mod parts;
mod program;
mod sim;
mod tally;
mod test;
mod up;
mod workspace;

use anyhow::Result;
use bench::Benchmark;
use clap::{Parser, Subcommand};
use parts::{EtcdVersion, Part};
use std::process::ExitCode;
use workspace::Workspace;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Installs what is missing, builds e2d and runs it: one node, or three with a live table.
    Up {
        /// How many nodes.
        #[arg(long, default_value = "1", value_parser = ["1", "3"])]
        nodes: String,
        /// Which etcd they run [default: 3.6; 3.4 without Go].
        #[arg(long)]
        etcd: Option<EtcdVersion>,
        /// Goes on with the data of the last run instead of starting empty.
        #[arg(long)]
        keep: bool,
    },
    /// Installs the programs that building and testing take, and prints what is where.
    Parts {
        /// Which ones [default: all].
        names: Vec<Part>,
    },
    /// Runs all tests of the workspace.
    Test {
        /// Passed on to cargo-nextest, to run some of them: `cargo xtask test -- -p e2d-core quorum`.
        #[arg(last = true)]
        select: Vec<String>,
    },
    /// Checks everything that can be judged without running it; changes nothing.
    Check,
    /// Formats, and mends what clippy can mend.
    Fix,
    /// Runs simulated worlds; arguments go to the simulator, for example `--seeds 200` or `--seed 7`.
    Sim {
        /// Passed on to the simulator.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Throws hostile bytes at one target: a folder of `e2d/fuzz/corpora`.
    Fuzz {
        /// The target.
        target: String,
        /// For how long.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Runs one suite of tests on real programs.
    E2e {
        /// The suite: a folder under tests, for example `etcd`.
        suite: String,
        /// Covers every version of etcd, not only the default one.
        #[arg(long)]
        all_versions: bool,
    },
    /// Measures real clusters against their floor, on machines of their own; takes root.
    Bench {
        /// Which benchmarks: numbers of docs/promises.md [default: all].
        #[arg(value_name = "NAME", default_value = "all", hide_default_value = true)]
        names: Vec<Benchmark>,
        /// How often each is repeated [default: what its promise asks for].
        #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
        runs: Option<u16>,
        /// Writes docs/benchmarks.md and the raw samples beside it.
        #[arg(long)]
        record: bool,
    },
    /// Runs what a change must pass: check, test, and 200 simulated worlds.
    Ci,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.verb) {
        Ok(code) => code,
        Err(error) => {
            out::note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    match verb {
        Verb::Up { nodes, etcd, keep } => up::run(&workspace, nodes.parse()?, etcd, keep),
        Verb::Parts { names } => Ok(parts::run(&workspace, &names)),
        Verb::Test { select } => test::run(&workspace, &select),
        Verb::Check => check::run(&workspace),
        Verb::Fix => fix::run(&workspace),
        Verb::Sim { arguments } => sim::run(&workspace, &arguments),
        Verb::Fuzz { target, seconds } => fuzz::run(&workspace, &target, seconds),
        Verb::E2e { suite, all_versions } => e2e::run(&workspace, &suite, all_versions),
        Verb::Bench { names, runs, record } => bench::run(&workspace, &names, runs, record),
        Verb::Ci => Ok(ci::run(&workspace)),
    }
}
