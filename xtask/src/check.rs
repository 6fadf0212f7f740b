//! `cargo xtask check`: everything that can be judged without running it. It changes nothing.
//!
//! Each check is a function of the workspace or of its files as text, and returns what it found; all of
//! them run, so that one run shows everything. The cheap ones come first.

mod arrows;
mod generated;
mod modules;
mod promises;
mod sizes;
mod tree;
mod words;

use crate::out;
use crate::parts::{self, Part};
use crate::program::{self, cargo};
use crate::workspace::{Workspace, is_ci};
use anyhow::{Result, bail};
use std::fmt;
use std::process::{Command, ExitCode};
use tree::Tree;

pub(crate) use generated::write as write_generated;

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    /// A file, with a line where there is one.
    place: String,
    what: String,
    /// A warning is printed, and fails nothing.
    warning: bool,
}

impl Finding {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into(), warning: false }
    }

    fn warning(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { warning: true, ..Self::new(place, what) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Runs all checks and prints a line for each; the exit code tells whether all went well.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let failed = failures(workspace)?;
    if failed.is_empty() {
        out::note("check: all is well");
        return Ok(ExitCode::SUCCESS);
    }
    bail!("check failed: {}", failed.join(", "))
}

/// Runs all checks; the names of those that failed.
pub(crate) fn failures(workspace: &Workspace) -> Result<Vec<&'static str>> {
    parts::ensure(workspace, &[Part::Protoc, Part::Systemd, Part::CargoDeny])?;
    let tree = Tree::read(&workspace.root)?;
    let mut failed = Vec::new();
    let mut judge = |name, outcome: Result<Vec<Finding>>| {
        if !is_well(name, outcome) {
            failed.push(name);
        }
    };
    judge("arrows", Ok(arrows::check(workspace)));
    judge("sizes", Ok(sizes::check(&tree)));
    judge("modules", Ok(modules::check(&tree)));
    judge("words", Ok(words::check(&tree)));
    judge("promises", Ok(promises::check(&tree)));
    judge("systemd unit", says(&mut Command::new(workspace.root.join("deploy/systemd/test.sh"))));
    judge("format", says(cargo().args(["fmt", "--all", "--", "--check", "--files-with-diff"])));
    judge("dependencies", says(parts::deny(workspace).args(["check", "bans", "licenses", "sources"])));
    judge("clippy", says(&mut compile(&["clippy", "--all-targets"], &["--", "--deny", "warnings"])));
    judge("documentation", says(compile(&["doc", "--no-deps"], &[]).env("RUSTDOCFLAGS", "--deny warnings")));
    judge("generated files", generated::check(workspace));
    Ok(failed)
}

/// A cargo command over the whole workspace, with the committed lock file where a gate runs it.
fn compile(verb: &[&str], rest: &[&str]) -> Command {
    let mut command = cargo();
    command.args(verb).args(["--quiet", "--workspace"]);
    if is_ci() {
        command.arg("--locked");
    }
    command.args(rest);
    command
}

/// A check that another program makes, in the open.
fn says(command: &mut Command) -> Result<Vec<Finding>> {
    program::run(command).map(|()| Vec::new())
}

/// Prints what a check found, and tells whether nothing of it fails.
fn is_well(name: &str, outcome: Result<Vec<Finding>>) -> bool {
    let findings = outcome.unwrap_or_else(|error| vec![Finding::new(name, format!("{error:#}"))]);
    for finding in &findings {
        out::note(&format!("{}: {finding}", if finding.warning { "warning" } else { "error" }));
    }
    let well = findings.iter().all(|finding| finding.warning);
    out::data(&format!("{:4} {name}", if well { "ok" } else { "FAIL" }));
    well
}
