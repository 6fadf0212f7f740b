//! Files that e2d itself writes must be what it would write now.
//!
//! A new one is a line in [`GENERATED`]; `cargo xtask fix` writes them.

use super::Finding;
use crate::program::{self, cargo};
use crate::workspace::Workspace;
use anyhow::Result;

/// A committed file, and the arguments with which e2d prints it.
const GENERATED: [(&str, [&str; 2]); 2] = [
    ("docs/reference/configuration.md", ["generate", "reference"]),
    ("docs/reference/e2d.toml", ["generate", "config"]),
];

pub(super) fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (path, arguments) in GENERATED {
        let committed = fs_err::read_to_string(workspace.root.join(path)).ok();
        if committed != Some(print(arguments)?) {
            findings.push(Finding::new(path, "is not what e2d writes now: cargo xtask fix"));
        }
    }
    Ok(findings)
}

/// Writes all of them.
pub(crate) fn write(workspace: &Workspace) -> Result<()> {
    for (path, arguments) in GENERATED {
        let path = workspace.root.join(path);
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        fs_err::write(path, print(arguments)?)?;
    }
    Ok(())
}

fn print(arguments: [&str; 2]) -> Result<String> {
    program::read(cargo().args(["run", "--quiet", "--package", "e2d", "--"]).args(arguments))
}
