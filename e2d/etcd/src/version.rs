//! Which etcd it is, and what that one can do.
//!
//! Four minor versions are known here, 3.4 to 3.7; a value of [`EtcdVersion`] is always one of them, so that no code
//! needs an answer for an etcd nobody has tried. What differs by patch release is asked by a function that names it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A minor version of etcd that is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Minor {
    /// 3.4
    V3_4,
    /// 3.5
    V3_5,
    /// 3.6
    V3_6,
    /// 3.7
    V3_7,
}

impl Minor {
    fn number(self) -> u16 {
        match self {
            Self::V3_4 => 4,
            Self::V3_5 => 5,
            Self::V3_6 => 6,
            Self::V3_7 => 7,
        }
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "3.{}", self.number())
    }
}

/// The version of an etcd program: a supported minor version and a patch number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EtcdVersion {
    /// Major and minor part.
    pub minor: Minor,
    /// Patch part.
    pub patch: u16,
}

/// Why a text is not the version of an etcd that can be used. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The text holds no version at all.
    #[error("{text:?} is not an etcd version: expected MAJOR.MINOR.PATCH")]
    Unreadable {
        /// What was given, cut to 80 characters.
        text: String,
    },
    /// An etcd from before 3.4.
    #[error("etcd {found} is too old: 3.4 to 3.7 are supported")]
    TooOld {
        /// The version that was found.
        found: String,
    },
    /// An etcd that came out after this program.
    #[error("etcd {found} is not known yet: 3.4 to 3.7 are supported")]
    TooNew {
        /// The version that was found.
        found: String,
    },
}

impl EtcdVersion {
    /// A version by its parts.
    #[must_use]
    pub const fn new(minor: Minor, patch: u16) -> Self {
        Self { minor, patch }
    }

    /// Reads the first line of `etcd --version`, `etcdutl version` or `etcdctl version`: `… version: 3.5.35`.
    pub fn from_banner(banner: &str) -> Result<Self, VersionError> {
        let line = banner.lines().next().unwrap_or_default();
        line.rsplit(' ').next().unwrap_or_default().parse()
    }

    /// Whether flags that later lost it still have the prefix `--experimental-`; from 3.7 on the prefixed names are
    /// unknown flags, and end the process.
    #[must_use]
    pub fn prefixes_experimental(self) -> bool {
        self.minor <= Minor::V3_5
    }

    /// Whether the hashes taken at each compaction can be compared between members: 3.5.5.
    #[must_use]
    pub fn checks_compact_hashes(self) -> bool {
        self >= Self::new(Minor::V3_5, 5)
    }

    /// Whether fsync can be switched off, for tests: 3.5.
    #[must_use]
    pub fn can_skip_fsync(self) -> bool {
        self.minor >= Minor::V3_5
    }

    /// Whether `/livez` and `/readyz` are served: 3.4.29, 3.5.11, 3.6.
    #[must_use]
    pub fn serves_readyz(self) -> bool {
        match self.minor {
            Minor::V3_4 => self.patch >= 29,
            Minor::V3_5 => self.patch >= 11,
            Minor::V3_6 | Minor::V3_7 => true,
        }
    }

    /// Whether an `etcdutl` of this version can raise the revision of what it restores: 3.5.10.
    #[must_use]
    pub fn bumps_revisions(self) -> bool {
        self >= Self::new(Minor::V3_5, 10)
    }
}

impl FromStr for EtcdVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unreadable = || VersionError::Unreadable { text: text.chars().take(80).collect() };
        // A release candidate (`3.7.0-rc.1`) has the flags of its release.
        let plain = text.split(['-', '+']).next().unwrap_or_default();
        let mut parts = plain.split('.').map(|part| part.parse::<u16>().ok());
        let (Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(unreadable());
        };
        let minor = match (major, minor) {
            (3, 4) => Minor::V3_4,
            (3, 5) => Minor::V3_5,
            (3, 6) => Minor::V3_6,
            (3, 7) => Minor::V3_7,
            (0..=2, _) | (3, 0..=3) => return Err(VersionError::TooOld { found: plain.to_owned() }),
            _ => return Err(VersionError::TooNew { found: plain.to_owned() }),
        };
        Ok(Self { minor, patch })
    }
}

impl TryFrom<String> for EtcdVersion {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<EtcdVersion> for String {
    fn from(version: EtcdVersion) -> Self {
        version.to_string()
    }
}

impl fmt::Display for EtcdVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.minor, self.patch)
    }
}

impl fmt::Debug for EtcdVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banners_of_the_three_programs_are_read() {
        for (banner, version) in [
            ("etcd Version: 3.4.23\nGit SHA: Not provided\n", "3.4.23"),
            ("etcdutl version: 3.5.35\nAPI version: 3.5\n", "3.5.35"),
            ("etcdctl version: 3.7.0-rc.1\n", "3.7.0"),
        ] {
            assert_eq!(EtcdVersion::from_banner(banner).unwrap().to_string(), version);
        }
    }

    #[test]
    fn strangers_are_told_apart() {
        let error = |text: &str| text.parse::<EtcdVersion>().unwrap_err().to_string();
        assert_eq!(error("3.3.27"), "etcd 3.3.27 is too old: 3.4 to 3.7 are supported");
        assert_eq!(error("3.8.0-alpha.0"), "etcd 3.8.0 is not known yet: 3.4 to 3.7 are supported");
        assert_eq!(error("4.0.0"), "etcd 4.0.0 is not known yet: 3.4 to 3.7 are supported");
        assert_eq!(error("3.5"), "\"3.5\" is not an etcd version: expected MAJOR.MINOR.PATCH");
        assert!(EtcdVersion::from_banner("").is_err());
    }

    #[test]
    fn what_came_with_a_patch_release_is_known() {
        let version = |text: &str| text.parse::<EtcdVersion>().unwrap();
        assert!(!version("3.5.4").checks_compact_hashes() && version("3.5.5").checks_compact_hashes());
        assert!(!version("3.5.9").bumps_revisions() && version("3.5.10").bumps_revisions());
        assert!(!version("3.4.45").bumps_revisions() && version("3.6.0").bumps_revisions());
        assert!(!version("3.4.23").serves_readyz() && version("3.5.11").serves_readyz());
    }
}
