//! etcd in four versions, each in a folder of its own under the cache folder.
//!
//! 3.4 is Debian's, unpacked and not installed, so that no service starts. The others are built by Go
//! from the `go.mod` and `go.sum` under `tests/parts`. A folder's stamp holds all that it was made from,
//! in full: when that is unchanged, so is what it made. A program is replaced by renaming, so that one
//! which runs is not disturbed.

use super::lock::Lock;
use super::{EtcdVersion, Installed, debian, number};
use crate::out;
use crate::program::{find, read, run};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use std::process::Command;

/// The flags of every build: with others Go's own cache would be of no use.
const FLAGS: [&str; 3] = ["-trimpath", "-ldflags", "-s -w"];
/// The programs and the packages that they are built from.
const PROGRAMS: [(&str, &str); 3] = [
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("etcdctl", "go.etcd.io/etcd/etcdctl/v3"),
    ("etcdutl", "go.etcd.io/etcd/etcdutl/v3"),
];
const STAMP: &str = ".made-from";
/// Go from here on fetches the newer Go that a `go.mod` asks for.
const OLDEST_GO: (u32, u32) = (1, 21);

/// Whether Go is installed.
pub(crate) fn has_go() -> bool {
    find("go").is_some()
}

/// Unpacks Debian's etcd and etcdctl. There is no etcdutl of 3.4.
pub(super) fn install_packaged(workspace: &Workspace, version: EtcdVersion) -> Result<Installed> {
    let folder = folder(workspace, version);
    let _lock = Lock::of(&folder)?;
    if !folder.join(STAMP).is_file() {
        let fresh = tempfile::tempdir_in(&folder)?;
        let unpacked = Utf8Path::from_path(fresh.path()).context("the cache folder's path is not UTF-8")?;
        debian::unpack(&["etcd-server", "etcd-client"], unpacked)?;
        let found = number(&read(Command::new(unpacked.join("usr/bin/etcd")).arg("--version"))?);
        if !found.starts_with("3.4.") {
            bail!(
                "this system's packages hold etcd {found}; 3.4 comes with Debian 12, and newer ones are built by Go 1.21 or newer"
            );
        }
        for program in ["etcd", "etcdctl"] {
            fs_err::rename(unpacked.join("usr/bin").join(program), folder.join(program))?;
        }
        stamp(&folder, &format!("Debian's etcd-server and etcd-client {found}\n"))?;
    }
    row(&folder, version)
}

/// Builds etcd, etcdctl and etcdutl.
pub(super) fn install_built(workspace: &Workspace, version: EtcdVersion) -> Result<Installed> {
    let folder = folder(workspace, version);
    let source = workspace.root.join("tests/parts").join(format!("etcd-{}", version.name()));
    let go = go(&source)?;
    let made_from = made_from(&go, &source)?;
    let _lock = Lock::of(&folder)?;
    if fs_err::read_to_string(folder.join(STAMP)).is_ok_and(|stamp| stamp == made_from) {
        return row(&folder, version);
    }
    out::note(&format!("building etcd {} (the first version takes a minute or two)", version.name()));
    for (program, package) in PROGRAMS {
        let fresh = folder.join(format!(".{program}.new"));
        run(Command::new("go").arg("build").args(FLAGS).args(["-o", fresh.as_str(), package]).current_dir(&source))?;
        fs_err::rename(fresh, folder.join(program))?;
    }
    stamp(&folder, &made_from)?;
    row(&folder, version)
}

/// The version of a Go that is new enough.
fn go(source: &Utf8Path) -> Result<String> {
    let hint = "install Go 1.21 or newer (https://go.dev/dl/), or do with etcd 3.4, which needs none";
    if !has_go() {
        bail!("Go is missing: {hint}");
    }
    // Asked from elsewhere first: an old Go cannot read a new `go.mod`.
    let own = read(Command::new("go").args(["env", "GOVERSION"]).current_dir("/"))?;
    if !is_new_enough(own.trim()) {
        bail!("{} is too old: {hint}", own.trim());
    }
    Ok(read(Command::new("go").args(["env", "GOVERSION"]).current_dir(source))?.trim().to_owned())
}

fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.trim_start_matches("go").split('.').map(|part| part.parse::<u32>().ok());
    let (Some(Some(major)), Some(Some(minor))) = (numbers.next(), numbers.next()) else {
        // `devel …` is newer than any release that is too old.
        return version.starts_with("devel");
    };
    (major, minor) >= OLDEST_GO
}

fn made_from(go: &str, source: &Utf8Path) -> Result<String> {
    let sums = fs_err::read_to_string(source.join("go.sum"))?;
    let modules = fs_err::read_to_string(source.join("go.mod"))?;
    Ok(format!("{go} {}\n{modules}\n{sums}", FLAGS.join(" ")))
}

/// Written last, and whole or not at all: without it the folder is made again.
fn stamp(folder: &Utf8Path, text: &str) -> Result<()> {
    let fresh = folder.join(".made-from.new");
    fs_err::write(&fresh, text)?;
    fs_err::rename(fresh, folder.join(STAMP))?;
    Ok(())
}

fn row(folder: &Utf8Path, version: EtcdVersion) -> Result<Installed> {
    let text = read(Command::new(folder.join("etcd")).arg("--version"))?;
    let starts = if version == EtcdVersion::V3_4 {
        "e2d run --etcd-bin-dir PATH (a restore takes an etcdutl of 3.5.10 or newer)"
    } else {
        "e2d run --etcd-bin-dir PATH"
    };
    Ok(Installed { name: format!("etcd-{}", version.name()), version: number(&text), path: folder.to_string(), starts })
}

fn folder(workspace: &Workspace, version: EtcdVersion) -> Utf8PathBuf {
    workspace.parts().join(format!("etcd-{}", version.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_go_is_refused() {
        for (version, enough) in
            [("go1.26.8", true), ("go1.21", true), ("go1.19.8", false), ("devel go1.27-abc", true), ("", false)]
        {
            assert_eq!(is_new_enough(version), enough, "{version}");
        }
    }

    #[test]
    fn what_a_folder_was_made_from_changes_with_any_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let source = Utf8Path::from_path(folder.path()).unwrap();
        let write = |name: &str, text: &str| fs_err::write(source.join(name), text).unwrap();
        write("go.mod", "module m\n");
        write("go.sum", "a h1:1\n");
        let before = made_from("go1.26.8", source).unwrap();
        assert_eq!(made_from("go1.26.8", source).unwrap(), before);
        assert_ne!(made_from("go1.26.9", source).unwrap(), before);
        write("go.sum", "a h1:2\n");
        assert_ne!(made_from("go1.26.8", source).unwrap(), before);
    }

    #[test]
    fn the_readme_names_the_pinned_versions() {
        let own = Utf8PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap());
        let root = own.parent().unwrap();
        let readme = fs_err::read_to_string(root.join("README.md")).unwrap();
        for version in ["3.5", "3.6", "3.7"] {
            let modules = fs_err::read_to_string(root.join(format!("tests/parts/etcd-{version}/go.mod"))).unwrap();
            let line = modules.lines().find(|line| line.contains("go.etcd.io/etcd/server/v3 v")).unwrap();
            let pinned = number(line.trim().trim_end_matches("// indirect"));
            assert!(readme.contains(&pinned), "README.md does not name etcd {pinned}");
        }
    }
}
