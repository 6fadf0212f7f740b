//! `cargo xtask fix`: the twin of `check` that mends what a program can mend.

use crate::check;
use crate::parts::{self, Part};
use crate::program::{self, cargo};
use crate::workspace::Workspace;
use anyhow::Result;
use std::process::ExitCode;

pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    parts::ensure(workspace, &[Part::Protoc])?;
    let mut clippy = cargo();
    clippy.args(["clippy", "--fix", "--allow-dirty", "--allow-staged", "--quiet", "--workspace", "--all-targets"]);
    program::run(&mut clippy)?;
    // After clippy: what it wrote is formatted too.
    program::run(cargo().args(["fmt", "--all"]))?;
    check::write_generated(workspace)?;
    Ok(ExitCode::SUCCESS)
}
