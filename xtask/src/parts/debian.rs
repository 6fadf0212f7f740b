//! Debian's packages, by apt.
//!
//! Installing takes root, or sudo that asks nothing; without either the reader is told what to type.
//! Where a program must not become one of this machine (a package that would start a server), its
//! package is only fetched and unpacked.

use crate::out;
use crate::program::{find, line, read, run};
use anyhow::{Context, Result, bail};
use camino::Utf8Path;
use std::process::Command;

/// Installs `packages` unless `program` is there and `works`.
///
/// # Errors
///
/// There is no apt, or no right to use it, or it failed: names the command for a person.
pub(super) fn install(program: &str, works: impl Fn() -> bool, packages: &[&str]) -> Result<()> {
    if find(program).is_some() && works() {
        return Ok(());
    }
    let arguments = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    let by_hand = || format!("{program} is missing or incomplete; install it: sudo apt-get {}", arguments.join(" "));
    let mut apt = as_root().with_context(by_hand)?;
    apt.args(&arguments);
    if run(&mut apt).is_ok() {
        return Ok(());
    }
    out::note("apt's lists may be missing or old");
    update().with_context(by_hand)?;
    run(&mut apt).with_context(by_hand)
}

/// Fetches packages and unpacks them into `folder`, without installing them.
///
/// # Errors
///
/// This is not a Debian, the package is not to be had, or it cannot be unpacked.
pub(super) fn unpack(packages: &[&str], folder: &Utf8Path) -> Result<()> {
    if find("apt-get").is_none() || find("dpkg").is_none() {
        bail!("{} come from Debian's packages, and this machine has no apt-get", packages.join(" and "));
    }
    let mut fetch = Command::new("apt-get");
    fetch.arg("download").args(packages).current_dir(folder);
    if run(&mut fetch).is_err() {
        out::note("apt's lists may be missing or old");
        update().with_context(|| format!("cannot fetch {}; try: sudo apt-get update", packages.join(" and ")))?;
        run(&mut fetch)?;
    }
    for entry in folder.read_dir_utf8()? {
        let path = entry?.into_path();
        if path.extension() == Some("deb") {
            read(Command::new("dpkg").arg("--extract").arg(&path).arg(folder))?;
        }
    }
    Ok(())
}

fn update() -> Result<()> {
    run(as_root()?.arg("update"))
}

/// `apt-get` with the right to install, and without questions.
fn as_root() -> Result<Command> {
    if find("apt-get").is_none() {
        bail!("this machine has no apt-get: use its own package manager");
    }
    let mut apt = if rustix::process::geteuid().is_root() {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["--non-interactive", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        let mut ask = Command::new("sudo");
        read(ask.args(["--non-interactive", "true"])).with_context(|| format!("`{}` is refused", line(&ask)))?;
        sudo
    };
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    Ok(apt)
}
