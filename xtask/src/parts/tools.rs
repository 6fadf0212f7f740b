//! Cargo's companions, built from crates.io into the cache folder.
//!
//! Built without optimization: it takes less than a minute instead of many, and both spend their time
//! waiting for others.

use super::lock::Lock;
use super::{Installed, number};
use crate::program::{cargo, read, run};
use crate::workspace::Workspace;
use anyhow::Result;
use camino::Utf8PathBuf;
use std::process::Command;

/// One program from crates.io, at one version.
pub(super) struct Tool {
    name: &'static str,
    version: &'static str,
    /// More arguments of `cargo install`.
    arguments: &'static [&'static str],
    starts: &'static str,
}

/// Runs the tests.
pub(super) const NEXTEST: Tool = Tool {
    name: "cargo-nextest",
    version: "0.9.151",
    arguments: &["--no-default-features", "--features", "default-no-update"],
    starts: "cargo xtask test",
};

/// Judges the dependencies.
pub(super) const DENY: Tool =
    Tool { name: "cargo-deny", version: "0.20.2", arguments: &[], starts: "cargo xtask check" };

/// The installed `cargo-nextest`.
pub(crate) fn nextest(workspace: &Workspace) -> Command {
    let mut command = Command::new(path(workspace, &NEXTEST));
    command.arg("nextest");
    command
}

/// The installed `cargo-deny`.
pub(crate) fn deny(workspace: &Workspace) -> Command {
    Command::new(path(workspace, &DENY))
}

fn path(workspace: &Workspace, tool: &Tool) -> Utf8PathBuf {
    workspace.cache.join("tools/bin").join(tool.name)
}

/// Builds `tool` unless its very version is there.
pub(super) fn install(workspace: &Workspace, tool: &Tool) -> Result<Installed> {
    let root = workspace.cache.join("tools");
    let path = path(workspace, tool);
    let _lock = Lock::of(&root)?;
    let version = || read(Command::new(&path).arg("--version")).map(|text| number(&text));
    if !version().is_ok_and(|version| version == tool.version) {
        let mut install = cargo();
        install
            .args(["install", "--locked", "--force", "--quiet", "--root", root.as_str()])
            .arg(format!("{}@{}", tool.name, tool.version))
            .args(tool.arguments)
            .env("CARGO_TARGET_DIR", root.join("build"))
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
            .current_dir(&root);
        run(&mut install)?;
        fs_err::remove_dir_all(root.join("build"))?;
    }
    Ok(Installed { name: tool.name.into(), version: version()?, path: path.into(), starts: tool.starts })
}
