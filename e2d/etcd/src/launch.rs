//! From what an etcd should be to the flags that make it so.
//!
//! [`Launch`] says what is wanted in words that hold for every version; [`Launch::args`] is a pure function from it
//! and a version to the argument list. It promises that etcd never gets an unknown flag (which ends it with exit code
//! 2), and that nothing which a promise rests on (pre-vote, strict reconfiguration, corruption checks, the sockets,
//! the log) can be switched off by an extra argument. Whether the data directory fits what is asked is not its matter.
//!
//! Sources: etcd's `server/embed/config.go` (3.5 to 3.7) and `etcdmain/help.go` (3.4).

mod extra;
mod url;

pub use extra::{Extra, ExtraError};
pub use url::{Url, UrlError};

use crate::socket;
use crate::version::{EtcdVersion, Minor};
use camino::{Utf8Path, Utf8PathBuf};
use std::time::Duration;

/// Everything that decides how one etcd runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The member's name: a label, without `=` and `,`.
    pub name: String,
    /// Where `member/` is. Absolute.
    pub data_dir: Utf8PathBuf,
    /// Where the write-ahead log is, when it is not in `member/wal`. Absolute.
    pub wal_dir: Option<Utf8PathBuf>,
    /// Where peers reach this member.
    pub peer: Urls,
    /// Where clients reach this member, once [`Gate::Open`]. What is advertised is advertised behind a closed gate too.
    pub client: Urls,
    /// Who may talk to the server.
    pub gate: Gate,
    /// Where its membership comes from.
    pub start: Start,
    /// Certificates of the client port; needed by its `https` URLs.
    pub client_tls: Option<Tls>,
    /// Certificates between peers; needed by `https` peer URLs.
    pub peer_tls: Option<Tls>,
    /// Further places for `/metrics` and `/health`, besides e2d's own socket; plain `http` needs no certificate.
    pub metrics: Vec<Url>,
    /// Sizes and times.
    pub tuning: Tuning,
    /// What the operator adds.
    pub extra: Extra,
}

/// Where a port listens and how it is told to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    /// Bound by etcd: the host is an IP address.
    pub listen: Vec<Url>,
    /// Told to others.
    pub advertise: Vec<Url>,
}

/// Who may talk to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// Only e2d, by its socket.
    Gated,
    /// Clients as well.
    Open,
}

/// Where a server's membership comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// It founds a cluster, with an empty data directory. Not for one that holds data: should that be gone, etcd would
    /// found again.
    Found {
        /// Every founder's name and advertised peer URLs, this one's included.
        founders: Vec<(String, Vec<Url>)>,
        /// The cluster's token.
        token: String,
    },
    /// It joins a running cluster, with an empty data directory.
    Join {
        /// Every member's name and peer URLs as the cluster has them now, this one's included. etcd refuses to start
        /// when the count or a URL differs.
        members: Vec<(String, Vec<Url>)>,
    },
    /// It goes on with the data it has. Should there be none, etcd ends: it never founds a cluster by accident.
    Resume,
}

/// The files of one side of mutual TLS, all absolute. etcd reads certificate and key again at each handshake, the
/// authority only at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificate chain, PEM.
    pub certificate: Utf8PathBuf,
    /// Private key, PEM.
    pub key: Utf8PathBuf,
    /// The authority that the other side's certificate must come from, PEM.
    pub authority: Utf8PathBuf,
}

/// When old revisions are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compaction {
    /// Never by etcd itself: somebody else compacts, as the Kubernetes API server does.
    Off,
    /// What is older than this, in whole seconds.
    Periodic(Duration),
    /// All but this many revisions, every five minutes.
    Revisions(u64),
}

/// Sizes and times of one etcd. The default is etcd's own, but for the quota, compaction and snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// The database's largest size; beyond it etcd takes no more writes. Default 8 GiB, the largest that etcd suggests.
    pub quota_bytes: u64,
    /// Time between two of a leader's heartbeats, in whole milliseconds. etcd's default is 100 ms.
    pub heartbeat: Option<Duration>,
    /// Silence of the leader after which another is elected: at least five heartbeats, at most 50 s. Default 1 s.
    pub election: Option<Duration>,
    /// Default: older than an hour.
    pub compaction: Compaction,
    /// Entries between two raft snapshots. Default 10 000, which 3.6 chose for memory's sake; 3.4 and 3.5 would keep
    /// ten times as many.
    pub snapshot_entries: u64,
    /// Does not wait for the disk. Only for data that may be lost, in tests; ignored where etcd cannot (3.4).
    pub skip_fsync: bool,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            quota_bytes: 8 << 30,
            heartbeat: None,
            election: None,
            compaction: Compaction::Periodic(Duration::from_hours(1)),
            snapshot_entries: 10_000,
            skip_fsync: false,
        }
    }
}

/// Why no argument list can be made. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// The name cannot be written into `--initial-cluster`.
    #[error("member name {name:?} is empty or has one of `=`, `,`")]
    Name {
        /// The name.
        name: String,
    },
    /// etcd runs in another working directory than e2d.
    #[error("path {path:?} is not absolute")]
    Relative {
        /// The path.
        path: Utf8PathBuf,
    },
    /// A needed list of URLs is empty.
    #[error("no {what} given")]
    NoUrl {
        /// Which.
        what: &'static str,
    },
    /// etcd binds to addresses, not names.
    #[error("cannot listen on {url}: its host is not an IP address")]
    NotAnAddress {
        /// The URL.
        url: Url,
    },
    /// `https` without certificates.
    #[error("{url} needs a certificate, a key and an authority, and none are given")]
    NoCertificate {
        /// The URL.
        url: Url,
    },
    /// The member is not among those it starts with.
    #[error("member {name:?} with its peer URLs is not in the list it starts with")]
    NotListed {
        /// The member's name.
        name: String,
    },
    /// Times that etcd refuses.
    #[error("election time-out {election:?} must be at least five heartbeats of {heartbeat:?} and at most 50 s")]
    Election {
        /// Heartbeat interval.
        heartbeat: Duration,
        /// Election time-out.
        election: Duration,
    },
    /// An extra argument that this version does not know.
    #[error("--{flag} is not known to etcd {version}: {hint}")]
    Unknown {
        /// The flag, without dashes.
        flag: String,
        /// The version that would be started.
        version: EtcdVersion,
        /// What to write instead.
        hint: &'static str,
    },
}

impl Launch {
    /// The argument list for this version, without the program's name; its order is fixed.
    pub fn args(&self, version: EtcdVersion) -> Result<Vec<String>, LaunchError> {
        self.check()?;
        let mut args = Args::default();
        args.put("name", &self.name);
        args.put("data-dir", &self.data_dir);
        if let Some(wal_dir) = &self.wal_dir {
            args.put("wal-dir", wal_dir);
        }
        args.put("listen-peer-urls", join(&self.peer.listen));
        args.put("initial-advertise-peer-urls", join(&self.peer.advertise));
        args.put("listen-client-urls", self.client_listeners());
        args.put("advertise-client-urls", join(&self.client.advertise));
        let metrics: Vec<String> = std::iter::once(format!("unix://{}", socket::METRICS))
            .chain(self.metrics.iter().map(Url::to_string))
            .collect();
        args.put("listen-metrics-urls", metrics.join(","));
        self.membership(&mut args);
        if let Some(tls) = &self.client_tls {
            args.tls("", tls);
        }
        if let Some(tls) = &self.peer_tls {
            args.tls("peer-", tls);
        }
        self.consensus(&mut args);
        self.storage(version, &mut args);
        args.put("logger", "zap");
        args.put("log-outputs", "stderr");
        args.put("log-level", "info");
        self.extra.append(version, &mut args.0)?;
        Ok(args.0)
    }

    fn check(&self) -> Result<(), LaunchError> {
        if self.name.is_empty() || self.name.contains(['=', ',']) {
            return Err(LaunchError::Name { name: self.name.clone() });
        }
        let files = [&self.client_tls, &self.peer_tls].into_iter().flatten();
        let files = files.flat_map(|tls| [&tls.certificate, &tls.key, &tls.authority]);
        if let Some(path) = files.chain(&self.wal_dir).chain([&self.data_dir]).find(|path| !path.is_absolute()) {
            return Err(LaunchError::Relative { path: path.clone() });
        }
        for (what, urls, tls) in
            [("peer URLs", &self.peer, &self.peer_tls), ("client URLs", &self.client, &self.client_tls)]
        {
            if urls.listen.is_empty() || urls.advertise.is_empty() {
                return Err(LaunchError::NoUrl { what });
            }
            check_listeners(&urls.listen, tls.as_ref())?;
        }
        check_listeners(&self.metrics, self.client_tls.as_ref())?;
        let heartbeat = self.tuning.heartbeat.unwrap_or(Duration::from_millis(100));
        let election = self.tuning.election.unwrap_or(Duration::from_secs(1));
        if heartbeat.is_zero() || election < heartbeat * 5 || election > Duration::from_secs(50) {
            return Err(LaunchError::Election { heartbeat, election });
        }
        let (Start::Found { founders: listed, .. } | Start::Join { members: listed }) = &self.start else {
            return Ok(());
        };
        let sorted = |urls: &[Url]| {
            let mut urls = urls.to_vec();
            urls.sort_unstable();
            urls
        };
        // A member that was added and never ran has no name yet: the caller writes its own.
        if listed.iter().any(|(name, urls)| *name == self.name && sorted(urls) == sorted(&self.peer.advertise)) {
            return Ok(());
        }
        Err(LaunchError::NotListed { name: self.name.clone() })
    }

    fn client_listeners(&self) -> String {
        let mut urls = format!("unix://{}", socket::CLIENT);
        if self.gate == Gate::Open {
            urls.push(',');
            urls.push_str(&join(&self.client.listen));
        }
        urls
    }

    fn membership(&self, args: &mut Args) {
        let listed = |members: &[(String, Vec<Url>)]| {
            let pairs = members.iter().flat_map(|(name, urls)| urls.iter().map(move |url| format!("{name}={url}")));
            pairs.collect::<Vec<_>>().join(",")
        };
        match &self.start {
            Start::Found { founders, token } => {
                args.put("initial-cluster", listed(founders));
                args.put("initial-cluster-state", "new");
                args.put("initial-cluster-token", token);
            }
            Start::Join { members } => {
                args.put("initial-cluster", listed(members));
                args.put("initial-cluster-state", "existing");
            }
            Start::Resume => {
                args.put("initial-cluster", listed(&[(self.name.clone(), self.peer.advertise.clone())]));
                args.put("initial-cluster-state", "existing");
            }
        }
    }

    fn consensus(&self, args: &mut Args) {
        args.put("pre-vote", "true");
        args.put("strict-reconfig-check", "true");
        if let Some(heartbeat) = self.tuning.heartbeat {
            args.put("heartbeat-interval", heartbeat.as_millis());
        }
        if let Some(election) = self.tuning.election {
            args.put("election-timeout", election.as_millis());
        }
    }

    fn storage(&self, version: EtcdVersion, args: &mut Args) {
        // Behind the gate nobody writes but e2d, and what was restored may be over the quota already: none is set.
        match self.gate {
            Gate::Gated => args.put("quota-backend-bytes", -1),
            Gate::Open => args.put("quota-backend-bytes", self.tuning.quota_bytes),
        }
        args.put("snapshot-count", self.tuning.snapshot_entries);
        match self.tuning.compaction {
            // A retention of zero switches it off, whatever the mode.
            Compaction::Off => args.put("auto-compaction-retention", 0),
            Compaction::Periodic(age) => {
                args.put("auto-compaction-mode", "periodic");
                args.put("auto-compaction-retention", format_args!("{}s", age.as_secs()));
            }
            Compaction::Revisions(kept) => {
                args.put("auto-compaction-mode", "revision");
                args.put("auto-compaction-retention", kept);
            }
        }
        match version.minor {
            Minor::V3_4 | Minor::V3_5 => {
                args.put("experimental-initial-corrupt-check", "true");
                if version.checks_compact_hashes() {
                    args.put("experimental-compact-hash-check-enabled", "true");
                } else {
                    // Without the cheap check, the one that reads everything, at an interval that it is worth.
                    args.put("experimental-corrupt-check-time", "12h");
                }
            }
            Minor::V3_6 | Minor::V3_7 => args.put("feature-gates", self.extra.gates(extra::OUR_GATES)),
        }
        if self.tuning.skip_fsync && version.can_skip_fsync() {
            args.put("unsafe-no-fsync", "true");
        }
    }
}

fn check_listeners(urls: &[Url], tls: Option<&Tls>) -> Result<(), LaunchError> {
    for url in urls {
        if !url.is_address() {
            return Err(LaunchError::NotAnAddress { url: url.clone() });
        }
        if url.is_tls() && tls.is_none() {
            return Err(LaunchError::NoCertificate { url: url.clone() });
        }
    }
    Ok(())
}

fn join(urls: &[Url]) -> String {
    urls.iter().map(Url::to_string).collect::<Vec<_>>().join(",")
}

#[derive(Default)]
struct Args(Vec<String>);

impl Args {
    fn put(&mut self, flag: &str, value: impl std::fmt::Display) {
        self.0.push(format!("--{flag}={value}"));
    }

    fn tls(&mut self, prefix: &str, tls: &Tls) {
        let mut put = |flag: &str, path: &Utf8Path| self.put(&format!("{prefix}{flag}"), path);
        put("cert-file", &tls.certificate);
        put("key-file", &tls.key);
        put("trusted-ca-file", &tls.authority);
        self.put(&format!("{prefix}client-cert-auth"), "true");
    }
}

#[cfg(test)]
mod tests;
