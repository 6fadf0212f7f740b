//! What can be wrong with a configuration, and what to do about it.
//!
//! Every problem names the key, where its value came from, the value unless it is a secret, and what
//! is allowed. All problems that can be seen together are told together, so that nobody meets them one
//! by one. A refused configuration has changed nothing: no file was written and no socket opened.

use super::key::{Decl, Effect};
use super::route::RouteError;
use e2d_etcd::launch::ExtraError;
use std::fmt;
use std::path::PathBuf;

/// The longest value that is repeated in a message, in characters.
const SHOWN_CHARS: usize = 200;

/// What a parser has to say about one text. It never holds the text of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, as half a sentence.
    pub reason: String,
    /// What to do instead; `None` where the key's declaration says it.
    pub hint: Option<String>,
    /// Whether the text is well-formed but asks for what this version does not do.
    pub unsupported: bool,
}

impl Fault {
    /// The text is not one of those that are allowed.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: None, unsupported: false }
    }

    /// The text is not allowed, and the key's example would not help.
    #[must_use]
    pub fn with_hint(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: Some(hint.into()), unsupported: false }
    }

    /// The text asks for what this version does not do. It is refused, never ignored.
    #[must_use]
    pub fn unsupported(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: None, unsupported: true }
    }
}

/// Where a value was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag, by the spelling that was used.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// A line of the configuration file; the first is 1.
    File(PathBuf, usize),
    /// Nowhere: it is the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag --{name}"),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::File(path, line) => write!(f, "file {}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong. Nothing was started or changed.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A value that its key does not take.
    #[error("{key} = {shown} ({origin}): {reason}; allowed: {allowed}", key = key.name, allowed = key.allowed)]
    BadValue {
        /// Whose value.
        key: &'static Decl,
        /// Where it was said.
        origin: Origin,
        /// The value as it may be shown.
        shown: String,
        /// What is wrong with it.
        reason: String,
        /// What to do instead.
        hint: String,
    },
    /// A value that asks for what this version does not do.
    #[error("{key} = {shown} ({origin}) is refused: {reason}", key = key.name)]
    Unsupported {
        /// Whose value.
        key: &'static Decl,
        /// Where it was said.
        origin: Origin,
        /// The value as it may be shown.
        shown: String,
        /// Why it is refused.
        reason: String,
        /// What to do instead.
        hint: String,
    },
    /// Two spellings of one key, at the same place, with different values.
    #[error("{key} is said twice with different values: {first} and {second}", key = key.name)]
    Conflict {
        /// Which key.
        key: &'static Decl,
        /// Where it was said first.
        first: Origin,
        /// Where it was said again.
        second: Origin,
    },
    /// The file has a key that does not exist.
    #[error("unknown key {name} ({origin})")]
    UnknownKey {
        /// The key as it stands in the file.
        name: String,
        /// Its line.
        origin: Origin,
        /// What to do about it.
        hint: String,
    },
    /// The configuration file could not be read.
    #[error("the configuration file {} could not be read", path.display())]
    FileUnreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration file is larger than any that makes sense.
    #[error("the configuration file {} has more than {limit_bytes} bytes", path.display())]
    FileTooLarge {
        /// Which file.
        path: PathBuf,
        /// The largest that is read.
        limit_bytes: u64,
    },
    /// The configuration file is not TOML.
    #[error("{origin} is not TOML: {reason}")]
    FileMalformed {
        /// Which line.
        origin: Origin,
        /// What the parser found.
        reason: String,
    },
    /// A listening address beyond loopback without keys (S18).
    #[error("{key} = {address} ({origin}) is reachable from other machines, and there are no keys", key = key.name)]
    BeyondLoopback {
        /// Which address.
        key: &'static Decl,
        /// Where it was said.
        origin: Origin,
        /// Its value.
        address: String,
    },
    /// Some of the files that mutual TLS needs, but not all.
    #[error("the set of keys is incomplete: {given} without {missing}")]
    IncompleteKeys {
        /// What was given.
        given: String,
        /// What is missing.
        missing: String,
    },
    /// More than one node is needed, and nothing says where the others are.
    #[error("required-cluster-size = {size} ({origin}) needs the addresses of the other nodes")]
    NoPeers {
        /// How many nodes.
        size: usize,
        /// Where that was said.
        origin: Origin,
    },
    /// Two services on one address.
    #[error("{first} and {second} are both {address}", first = first.name, second = second.name)]
    SameAddress {
        /// One key.
        first: &'static Decl,
        /// The other.
        second: &'static Decl,
        /// What both say.
        address: String,
    },
    /// etcd refuses such an election timeout.
    #[error("etcd-election-ms is {election_ms}, less than five times etcd-heartbeat-ms, which is {heartbeat_ms}")]
    ElectionTooShort {
        /// The election timeout in milliseconds.
        election_ms: u64,
        /// The heartbeat in milliseconds.
        heartbeat_ms: u64,
    },
    /// The flags for etcd contradict each other.
    #[error("the values of etcd-arg contradict each other")]
    EtcdArgs(#[source] ExtraError),
    /// The machine's own address could not be found.
    #[error("host is not set, and the default route has no address")]
    NoHost(#[source] RouteError),
}

impl Problem {
    /// A value that `key` does not take, or that this version refuses.
    #[must_use]
    pub fn of(key: &'static Decl, origin: Origin, text: &str, fault: Fault) -> Self {
        let shown = shown(key, text);
        let hint = fault.hint.unwrap_or_else(|| match key.effect {
            Effect::Later(hint) | Effect::Gone(hint) => hint.to_owned(),
            Effect::Works => example(key, &origin),
        });
        let reason = fault.reason;
        if fault.unsupported {
            Self::Unsupported { key, origin, shown, reason, hint }
        } else {
            Self::BadValue { key, origin, shown, reason, hint }
        }
    }

    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::BadValue { hint, .. } | Self::Unsupported { hint, .. } | Self::UnknownKey { hint, .. } => {
                hint.clone()
            }
            Self::Conflict { key, .. } => format!("keep only {}", key.name),
            Self::FileUnreadable { .. } => "name an existing, readable file with --config or E2D_CONFIG".into(),
            Self::FileTooLarge { .. } => "is this really the configuration file?".into(),
            Self::FileMalformed { .. } => "`e2d generate config` prints a file to start from".into(),
            Self::BeyondLoopback { .. } => "give ca-cert, ca-key, peer-cert, peer-key, server-cert and server-key \
                 (`e2d pki` makes them), or listen on 127.0.0.1, or accept an open etcd with --insecure"
                .into(),
            Self::IncompleteKeys { .. } => "give all of them, or none; `e2d pki` makes them".into(),
            Self::NoPeers { .. } => "list them: --bootstrap-addrs 10.0.0.1,10.0.0.2,10.0.0.3".into(),
            Self::SameAddress { second, .. } => format!("give {} another port", second.name),
            Self::ElectionTooShort { heartbeat_ms, .. } => {
                format!("set etcd-election-ms to {} or more", heartbeat_ms.saturating_mul(5))
            }
            Self::EtcdArgs(_) => "keep one of them".into(),
            Self::NoHost(_) => "wait for the network, or name the address with --host".into(),
        }
    }

    /// Whether waiting may help, because the fault is the machine's and not the configuration's.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::NoHost(_))
    }
}

/// A configuration that is not used, with everything that is wrong about it; never empty.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is refused")]
pub struct Refused {
    /// In the order in which they were found.
    pub problems: Vec<Problem>,
}

impl Refused {
    /// Whether waiting may help with all that is wrong.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.problems.iter().all(Problem::may_pass)
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

/// Something that is odd, but harmless enough to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What was seen.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// How a value is repeated in a message: never when the key is secret, without a URL's credentials,
/// quoted, and cut.
fn shown(key: &Decl, text: &str) -> String {
    if key.secret {
        return "<hidden>".into();
    }
    let text = match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://<hidden>@{rest}"),
        _ => text.to_owned(),
    };
    if text.chars().count() <= SHOWN_CHARS {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(SHOWN_CHARS).collect();
    format!("{start:?} (cut)")
}

/// The key's example, spelled as where the bad value was said.
fn example(key: &Decl, origin: &Origin) -> String {
    let example = key.example;
    match origin {
        Origin::Variable(name) => format!("for example {name}={example}"),
        Origin::File(..) => format!("for example {}", key.file_line(example)),
        Origin::Flag(_) | Origin::Default if key.is_switch() => format!("for example --{}={example}", key.name),
        Origin::Flag(_) | Origin::Default => format!("for example --{} {example}", key.name),
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys;
    use super::*;

    /// S19.
    #[test]
    fn a_secret_is_never_repeated() {
        let fault = || Fault::new("bad");
        let origin = || Origin::Variable("E2D_AWS_SECRET_KEY".into());
        let problem = Problem::of(&keys::AWS_SECRET_KEY.decl, origin(), "hunter2", fault());
        assert!(!format!("{problem} {problem:?} {}", problem.hint()).contains("hunter2"));
        let url = "https://user:hunter2@nyc3.digitaloceanspaces.com/bucket";
        let problem = Problem::of(&keys::SNAPSHOT_URL.decl, origin(), url, fault());
        assert!(!format!("{problem} {problem:?}").contains("hunter2"), "{problem}");
    }

    #[test]
    fn a_long_value_is_cut_and_a_strange_one_escaped() {
        let origin = || Origin::Flag("name".into());
        let long = Problem::of(&keys::NAME.decl, origin(), &"x".repeat(10_000), Fault::new("bad")).to_string();
        assert!(long.len() < 400, "{long}");
        let strange = Problem::of(&keys::NAME.decl, origin(), "a\n\u{1b}[31m", Fault::new("bad")).to_string();
        assert!(strange.contains(r#""a\n\u{1b}[31m""#), "{strange}");
    }
}
