//! Arguments that the operator adds to etcd's command line, and the list of those that are not theirs to give.

use super::LaunchError;
use crate::version::{EtcdVersion, Minor};
use std::collections::BTreeMap;
use std::fmt::Display;

/// The feature gates that e2d sets from 3.6 on.
pub(super) const OUR_GATES: &[&str] = &["InitialCorruptCheck=true", "CompactHashCheck=true"];

/// Flags that e2d sets itself, or that would make a promise void.
const OWNED: &[&str] = &[
    "advertise-client-urls",
    "auto-compaction-mode",
    "auto-compaction-retention",
    "auto-tls",
    "cert-file",
    "client-cert-auth",
    "compact-hash-check-enabled",
    "config-file",
    "corrupt-check-time",
    "data-dir",
    "debug",
    "discovery",
    "discovery-fallback",
    "discovery-proxy",
    "discovery-srv",
    "discovery-srv-name",
    "election-timeout",
    "enable-log-rotation",
    "enable-v2",
    "enable-v2v3",
    "force-new-cluster",
    "heartbeat-interval",
    "help",
    "initial-advertise-peer-urls",
    "initial-cluster",
    "initial-cluster-state",
    "initial-cluster-token",
    "initial-corrupt-check",
    "key-file",
    "listen-client-http-urls",
    "listen-client-urls",
    "listen-metrics-urls",
    "listen-peer-urls",
    "log-format",
    "log-level",
    "log-outputs",
    "log-package-levels",
    "log-rotation-config-json",
    "logger",
    "name",
    "peer-auto-tls",
    "peer-cert-file",
    "peer-client-cert-auth",
    "peer-key-file",
    "peer-trusted-ca-file",
    "pre-vote",
    "proxy",
    "quota-backend-bytes",
    "self-signed-cert-validity",
    "snapshot-count",
    "strict-reconfig-check",
    "trusted-ca-file",
    "unsafe-no-fsync",
    "version",
    "wal-dir",
];

/// Extra arguments, checked against the flags that e2d owns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    flags: BTreeMap<String, String>,
    gates: Vec<String>,
}

/// Why an extra argument is not taken. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtraError {
    /// Not of the form that is expected.
    #[error(
        "{text:?} is not an argument for etcd: expected FLAG=VALUE, with a flag of small letters, digits and dashes"
    )]
    Malformed {
        /// What was given, cut to 120 characters.
        text: String,
    },
    /// The flag is set by e2d.
    #[error("--{flag} is set by e2d and cannot be given to etcd directly")]
    Owned {
        /// The flag, without dashes.
        flag: String,
    },
    /// The flag was given before.
    #[error("--{flag} is given twice")]
    Twice {
        /// The flag, without dashes.
        flag: String,
    },
}

impl Extra {
    /// Takes arguments of the form `FLAG=VALUE`; leading dashes are allowed.
    pub fn parse<T: AsRef<str>>(arguments: impl IntoIterator<Item = T>) -> Result<Self, ExtraError> {
        let mut extra = Self::default();
        for argument in arguments {
            extra.add(argument.as_ref())?;
        }
        Ok(extra)
    }

    fn add(&mut self, argument: &str) -> Result<(), ExtraError> {
        let malformed = || ExtraError::Malformed { text: argument.chars().take(120).collect() };
        let (flag, value) = argument.split_once('=').ok_or_else(malformed)?;
        let flag = flag.trim_start_matches('-');
        let fits = flag.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if flag.is_empty() || !fits || value.contains('\0') {
            return Err(malformed());
        }
        if flag == "feature-gates" {
            return self.add_gates(value);
        }
        let plain = flag.strip_prefix("experimental-").unwrap_or(flag);
        if OWNED.binary_search(&plain).is_ok() || plain.starts_with("discovery-") || plain.starts_with("proxy-") {
            return Err(ExtraError::Owned { flag: flag.to_owned() });
        }
        match self.flags.insert(flag.to_owned(), value.to_owned()) {
            None => Ok(()),
            Some(_) => Err(ExtraError::Twice { flag: flag.to_owned() }),
        }
    }

    fn add_gates(&mut self, value: &str) -> Result<(), ExtraError> {
        let name = |gate: &str| gate.split('=').next().unwrap_or_default().trim().to_owned();
        for gate in value.split(',').filter(|gate| !gate.trim().is_empty()) {
            // `AllAlpha` and `AllBeta` would reach ours.
            if name(gate).starts_with("All") || OUR_GATES.iter().any(|ours| name(ours) == name(gate)) {
                return Err(ExtraError::Owned { flag: format!("feature-gates={}", name(gate)) });
            }
            self.gates.push(gate.trim().to_owned());
        }
        Ok(())
    }

    /// Our gates and the operator's, as one value.
    pub(super) fn gates(&self, ours: &[&str]) -> impl Display + use<> {
        let all: Vec<&str> = ours.iter().copied().chain(self.gates.iter().map(String::as_str)).collect();
        all.join(",")
    }

    /// Appends the flags, in alphabetical order.
    pub(super) fn append(&self, version: EtcdVersion, args: &mut Vec<String>) -> Result<(), LaunchError> {
        if version.minor < Minor::V3_6 && !self.gates.is_empty() {
            let hint = "feature gates came with 3.6";
            return Err(LaunchError::Unknown { flag: "feature-gates".to_owned(), version, hint });
        }
        for (flag, value) in &self.flags {
            if flag.starts_with("experimental-") && !version.prefixes_experimental() {
                let hint = "write it without `experimental-`, or as a feature gate";
                return Err(LaunchError::Unknown { flag: flag.clone(), version, hint });
            }
            args.push(format!("--{flag}={value}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_searched() {
        assert!(OWNED.is_sorted());
    }

    #[test]
    fn what_e2d_owns_cannot_be_given_under_any_name() {
        for owned in [
            "data-dir=/x",
            "--pre-vote=false",
            "experimental-initial-corrupt-check=false",
            "discovery-token=x",
            "proxy-refresh-interval=1",
            "feature-gates=InitialCorruptCheck=false",
            "feature-gates=A=true,AllBeta=false",
            "experimental-enable-v2v3=/",
            "unsafe-no-fsync=true",
            "force-new-cluster=true",
        ] {
            assert!(matches!(Extra::parse([owned]), Err(ExtraError::Owned { .. })), "{owned}");
        }
        for malformed in ["max-txn-ops", "=1", "Max=1", "a b=1"] {
            assert!(matches!(Extra::parse([malformed]), Err(ExtraError::Malformed { .. })), "{malformed}");
        }
        assert!(matches!(Extra::parse(["a=1", "--a=2"]), Err(ExtraError::Twice { .. })));
    }
}
