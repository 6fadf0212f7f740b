//! Finds the real programs that tests run: etcd of every supported version, and e2d itself.
//!
//! It only looks. `cargo xtask parts` installs, and `cargo xtask test` says where by the variables
//! named here; a test started by plain `cargo test` finds the same folders by their defaults.

use anyhow::{Context, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use std::fmt;
use std::str::FromStr;

/// The folder with one folder per part, for example `etcd-3.6`.
const PARTS: &str = "E2D_TEST_PARTS";
/// The versions of etcd that tests of all versions cover: a comma list, for example `3.4,3.6`.
const VERSIONS: &str = "E2D_TEST_ETCD_VERSIONS";
/// The version of etcd of the stories that take minutes.
const LONG_STORIES: &str = "E2D_TEST_LONG_STORIES";
/// The e2d binary under test.
const E2D: &str = "E2D_TEST_BIN";

/// A minor version of etcd that e2d supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EtcdVersion {
    /// 3.4, as Debian 12 packages it: `etcd` and `etcdctl`, and no `etcdutl`.
    V3_4,
    /// 3.5.
    V3_5,
    /// 3.6.
    V3_6,
    /// 3.7.
    V3_7,
}

impl EtcdVersion {
    /// All of them, oldest first.
    pub const ALL: [Self; 4] = [Self::V3_4, Self::V3_5, Self::V3_6, Self::V3_7];
    /// The one that tests use which are not about versions.
    pub const DEFAULT: Self = Self::V3_6;

    /// The versions to cover: those that `E2D_TEST_ETCD_VERSIONS` names, else all.
    ///
    /// # Errors
    ///
    /// The variable names something that is not a version.
    pub fn covered() -> Result<Vec<Self>> {
        match std::env::var(VERSIONS) {
            Ok(list) => Self::list(&list).with_context(|| format!("{VERSIONS}={list}")),
            Err(_) => Ok(Self::ALL.to_vec()),
        }
    }

    /// The version for stories that take minutes: the one that `E2D_TEST_LONG_STORIES` names, else the default.
    ///
    /// # Errors
    ///
    /// The variable names something that is not a version.
    pub fn of_long_stories() -> Result<Self> {
        std::env::var(LONG_STORIES).map_or(Ok(Self::DEFAULT), |text| text.parse().context(LONG_STORIES))
    }

    fn list(text: &str) -> Result<Vec<Self>> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::parse).collect()
    }
}

impl fmt::Display for EtcdVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3_4 => "3.4",
            Self::V3_5 => "3.5",
            Self::V3_6 => "3.6",
            Self::V3_7 => "3.7",
        })
    }
}

impl FromStr for EtcdVersion {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|version| version.to_string() == text);
        found.with_context(|| format!("{text:?} is not a version of etcd: expected 3.4, 3.5, 3.6 or 3.7"))
    }
}

/// The folder of installed parts.
#[derive(Clone, Debug)]
pub struct Parts {
    folder: Utf8PathBuf,
}

impl Parts {
    /// Takes the folder that `E2D_TEST_PARTS` names, else `parts` in e2d's cache folder: `E2D_CACHE`,
    /// else `e2d` under `XDG_CACHE_HOME`, else under `~/.cache`.
    ///
    /// # Errors
    ///
    /// No variable is set, not even `HOME`.
    pub fn locate() -> Result<Self> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty()).map(Utf8PathBuf::from);
        let folder = set(PARTS)
            .or_else(|| set("E2D_CACHE").map(|cache| cache.join("parts")))
            .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("e2d/parts")))
            .or_else(|| set("HOME").map(|home| home.join(".cache/e2d/parts")));
        Ok(Self { folder: folder.with_context(|| format!("neither {PARTS} nor HOME is set"))? })
    }

    /// The folder that holds `etcd` and its companions of one version: what `--etcd-bin-dir` takes.
    ///
    /// # Errors
    ///
    /// It is not installed: names the folder and the command that installs it.
    pub fn etcd(&self, version: EtcdVersion) -> Result<Utf8PathBuf> {
        let folder = self.folder.join(format!("etcd-{version}"));
        if !folder.join("etcd").is_file() {
            bail!("etcd {version} is not in {folder}; install it: cargo xtask parts etcd-{version}");
        }
        Ok(folder)
    }

    /// The e2d binary under test: `E2D_TEST_BIN`, else the one built beside this test.
    ///
    /// # Errors
    ///
    /// It is not there: names the path and the command that builds it.
    pub fn e2d() -> Result<Utf8PathBuf> {
        let binary = if let Ok(path) = std::env::var(E2D) {
            Utf8PathBuf::from(path)
        } else {
            let test = Utf8PathBuf::try_from(std::env::current_exe()?)?;
            beside(&test).with_context(|| format!("{test} is not in a target folder"))?
        };
        if !binary.is_file() {
            bail!("e2d is not at {binary}; build it: cargo build -p e2d");
        }
        Ok(binary)
    }
}

/// `target/debug/deps/name-hash` has its binaries in `target/debug`.
fn beside(test: &Utf8Path) -> Option<Utf8PathBuf> {
    let deps = test.parent().filter(|folder| folder.file_name() == Some("deps"))?;
    Some(deps.parent()?.join("e2d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_a_list() {
        assert_eq!(EtcdVersion::list("3.7, 3.4,").unwrap(), [EtcdVersion::V3_7, EtcdVersion::V3_4]);
        let error = EtcdVersion::list("3.4,2.3").unwrap_err().to_string();
        assert_eq!(error, "\"2.3\" is not a version of etcd: expected 3.4, 3.5, 3.6 or 3.7");
    }

    #[test]
    fn a_missing_part_names_the_command_that_installs_it() {
        let parts = Parts { folder: Utf8PathBuf::from("/nowhere") };
        let error = parts.etcd(EtcdVersion::V3_5).unwrap_err().to_string();
        assert_eq!(error, "etcd 3.5 is not in /nowhere/etcd-3.5; install it: cargo xtask parts etcd-3.5");
    }

    #[test]
    fn e2d_stands_beside_the_tests() {
        assert_eq!(beside("/t/debug/deps/netns-1f".into()), Some("/t/debug/e2d".into()));
        assert_eq!(beside("/t/debug/netns".into()), None);
    }
}
