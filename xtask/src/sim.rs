//! `cargo xtask sim`: runs the simulator, optimized. What its arguments mean is its own business.

use crate::parts::{self, Part};
use crate::program::{self, cargo};
use crate::tally::Tally;
use crate::workspace::{Package, Workspace};
use anyhow::{Context, Result};
use std::process::{Command, ExitCode};

const PACKAGE: &str = "e2d-sim";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    parts::ensure(workspace, &[Part::Protoc])?;
    program::run(command(workspace)?.args(arguments))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `seeds` worlds, and counts them.
pub(crate) fn worlds(workspace: &Workspace, seeds: u32) -> Result<Tally> {
    parts::ensure(workspace, &[Part::Protoc])?;
    let (ok, text) = program::watch(command(workspace)?.args(["--seeds", &seeds.to_string()]))?;
    let mut tally = Tally::of_closing_line(&text).context("the simulator did not say how it went")?;
    if !ok && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

/// The simulator, up to its own arguments.
fn command(workspace: &Workspace) -> Result<Command> {
    let package = workspace.package(PACKAGE).with_context(|| format!("there is no package {PACKAGE}"))?;
    let (kind, name) = program_of(package).with_context(|| format!("{PACKAGE} has no program to run"))?;
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--package", PACKAGE, kind, name, "--"]);
    Ok(command)
}

/// A package's program, and the option that selects it: its binary, else its example.
fn program_of(package: &Package) -> Option<(&'static str, &str)> {
    let find = |kind: &str| package.targets.iter().find(|target| target.kind.iter().any(|known| known == kind));
    let binary = find("bin").map(|target| ("--bin", target.name.as_str()));
    binary.or_else(|| find("example").map(|target| ("--example", target.name.as_str())))
}
