//! Where things are: the workspace, its packages, and the folders that outlive a build.

use crate::program::{self, cargo};
use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

/// The workspace that this xtask was started in.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: Utf8PathBuf,
    /// Where cargo builds.
    pub(crate) target: Utf8PathBuf,
    /// e2d's cache folder, shared by all checkouts: `E2D_CACHE`, else `~/.cache/e2d`.
    pub(crate) cache: Utf8PathBuf,
    /// The packages of this workspace, without their dependencies.
    pub(crate) packages: Vec<Package>,
}

/// What cargo says about one package.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: Utf8PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

/// One line of a package's dependency tables.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None`, `dev` or `build`.
    pub(crate) kind: Option<String>,
    /// Set when it is a folder.
    pub(crate) path: Option<Utf8PathBuf>,
}

/// Something that cargo builds from a package.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: Utf8PathBuf,
    target_directory: Utf8PathBuf,
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    ///
    /// Not started by cargo, or the workspace cannot be read.
    pub(crate) fn find() -> Result<Self> {
        // Asked at run time: one build of xtask may serve several checkouts that share a target folder.
        let own = std::env::var("CARGO_MANIFEST_DIR").context("start this as `cargo xtask`")?;
        let text = program::read(cargo().args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(own))?;
        let metadata: Metadata = serde_json::from_str(&text).context("cannot read what cargo metadata printed")?;
        Ok(Self {
            root: metadata.workspace_root,
            target: metadata.target_directory,
            cache: cache_folder(|name| std::env::var(name).ok())?,
            packages: metadata.packages,
        })
    }

    /// The folder of installed parts.
    pub(crate) fn parts(&self) -> Utf8PathBuf {
        self.cache.join("parts")
    }

    /// The package of that name.
    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// A path as the repository names it: without the workspace's folder.
    pub(crate) fn relative<'a>(&self, path: &'a Utf8Path) -> &'a Utf8Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

impl Package {
    /// The package's folder.
    pub(crate) fn folder(&self) -> &Utf8Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

fn cache_folder(variable: impl Fn(&str) -> Option<String>) -> Result<Utf8PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(Utf8PathBuf::from);
    set("E2D_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("e2d")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/e2d")))
        .context("no folder to cache in: set E2D_CACHE or HOME")
}

/// Whether a gate runs this: then nothing may be left out, and the lock file must be right.
pub(crate) fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false" && value != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_the_user_wants_it() {
        let folder = |set: &[(&str, &str)]| {
            cache_folder(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        let all = [("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("E2D_CACHE", "/c")];
        assert_eq!(folder(&all).unwrap(), "/c");
        assert_eq!(folder(&all[..2]).unwrap(), "/x/e2d");
        assert_eq!(folder(&[("HOME", "/h"), ("E2D_CACHE", "")]).unwrap(), "/h/.cache/e2d");
        assert!(folder(&[]).is_err());
    }
}
