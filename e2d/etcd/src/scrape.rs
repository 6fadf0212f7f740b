//! Health and metrics of the local etcd, by the socket that answers from etcd's first moment, quorum or not.
//!
//! Of the metrics only those are kept that a decision or a gauge of e2d rests on.

use crate::socket;
use camino::Utf8Path;
use e2d_core::id::{MemberId, Revision};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest answer that is read. etcd's metrics have some 150 KB.
const LONGEST_ANSWER_BYTES: usize = 4 << 20;
/// The most peers that are counted.
const MOST_PEERS: usize = 64;

/// What etcd's metrics say. What a version does not have is `None` or zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Whether this member knows a leader.
    pub has_leader: Option<bool>,
    /// Whether it leads.
    pub is_leader: Option<bool>,
    /// Whether it is a learner.
    pub is_learner: Option<bool>,
    /// The raft index that it has applied.
    pub applied: Option<u64>,
    /// The revision of its keyspace.
    pub revision: Option<Revision>,
    /// How often it saw the leader change since it runs.
    pub leader_changes: u64,
    /// Bytes received of each other member since it runs.
    ///
    /// A leader's count of each live member rises with every heartbeat. Anybody else's rises for the leader alone:
    /// followers have nothing to tell each other, and what keeps their connections open is counted for nobody.
    pub received_bytes: BTreeMap<MemberId, u64>,
    /// The database file, in bytes.
    pub database_bytes: u64,
    /// What it may grow to, in bytes.
    pub quota_bytes: u64,
    /// How long writes of the log took to reach the disk.
    pub log_sync: Latency,
}

/// Times that were measured since a process runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latency {
    /// How many.
    pub count: u64,
    /// All together, in seconds.
    pub sum_seconds: f64,
}

impl Latency {
    /// The mean of those that came since an earlier look; `None` if none came.
    #[must_use]
    pub fn mean_since(self, earlier: Self) -> Option<Duration> {
        let count = self.count.checked_sub(earlier.count).filter(|&count| count > 0)?;
        Duration::try_from_secs_f64((self.sum_seconds - earlier.sum_seconds) / count as f64).ok()
    }
}

/// Why nothing was learned. etcd is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ScrapeError {
    /// It did not answer in time.
    #[error("etcd did not answer {path} within {within:?}")]
    Timeout {
        /// What was asked.
        path: &'static str,
        /// How long it had.
        within: Duration,
    },
    /// It cannot be reached.
    #[error("etcd cannot be reached by {socket}")]
    Connect {
        /// Its socket.
        socket: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The answer broke off, or was too long.
    #[error("etcd's answer to {path} could not be read: {what}")]
    Read {
        /// What was asked.
        path: &'static str,
        /// What happened.
        what: String,
    },
    /// An answer with another status than was expected.
    #[error("etcd answered {path} with status {status}")]
    Status {
        /// What was asked.
        path: &'static str,
        /// The status.
        status: u16,
    },
}

/// Asks for the metrics.
pub async fn metrics(data_dir: &Utf8Path, within: Duration) -> Result<Metrics, ScrapeError> {
    const PATH: &str = "/metrics";
    match get(data_dir, PATH, within).await? {
        (StatusCode::OK, text) => Ok(parse(&text)),
        (status, _) => Err(ScrapeError::Status { path: PATH, status: status.as_u16() }),
    }
}

/// Asks whether etcd calls itself healthy: it has a leader, reads through raft, and no alarm is raised.
///
/// The reason why not is empty before 3.5.
pub async fn health(data_dir: &Utf8Path, within: Duration) -> Result<Result<(), String>, ScrapeError> {
    #[derive(serde::Deserialize)]
    struct Health {
        health: String,
        #[serde(default)]
        reason: String,
    }
    const PATH: &str = "/health";
    let (_, text) = get(data_dir, PATH, within).await?;
    let unread = |error: serde_json::Error| ScrapeError::Read { path: PATH, what: error.to_string() };
    let Health { health, reason } = serde_json::from_str(&text).map_err(unread)?;
    Ok(if health == "true" { Ok(()) } else { Err(reason.chars().take(200).collect()) })
}

async fn get(data_dir: &Utf8Path, path: &'static str, within: Duration) -> Result<(StatusCode, String), ScrapeError> {
    let socket = crate::datadir::home(data_dir).join(socket::METRICS);
    let asked = async {
        let stream = socket::connect(&socket).await;
        let stream = stream.map_err(|source| ScrapeError::Connect { socket: socket.to_string(), source })?;
        let unread = |what: &dyn std::fmt::Display| ScrapeError::Read { path, what: what.to_string() };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| unread(&e))?;
        let request = Request::get(path).header("host", "etcd").body(Empty::<Bytes>::new()).map_err(|e| unread(&e))?;
        let answer = async {
            let answer = sender.send_request(request).await.map_err(|e| unread(&e))?;
            let status = answer.status();
            let body =
                Limited::new(answer.into_body(), LONGEST_ANSWER_BYTES).collect().await.map_err(|e| unread(&e))?;
            Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
        };
        // The connection only has to be driven for as long as the answer is awaited. It ends before that only when it
        // broke, and the answer then says so itself.
        tokio::pin!(answer, connection);
        tokio::select! {
            answer = &mut answer => answer,
            _ = &mut connection => answer.await,
        }
    };
    tokio::time::timeout(within, asked).await.map_err(|_| ScrapeError::Timeout { path, within })?
}

/// What the names begin with that concern us: nearly all of some thousand lines are of no concern, and reading
/// them all would be a large part of what a look costs.
const CONCERNS: [&str; 5] = [
    "etcd_server_",
    "etcd_mvcc_db_total_",
    "etcd_debugging_mvcc_current_revision",
    "etcd_disk_wal_fsync_duration_seconds_",
    "etcd_network_peer_received_",
];

/// Reads the text format of Prometheus, as far as it concerns us; what cannot be read is passed over.
fn parse(text: &str) -> Metrics {
    let mut found = Metrics::default();
    let concerning = text.lines().filter(|line| CONCERNS.iter().any(|name| line.starts_with(name)));
    for line in concerning {
        let Some((name, label, value)) = sample(line) else { continue };
        let is_set = Some(value > 0.5);
        let whole = value.max(0.0) as u64;
        match name {
            "etcd_server_has_leader" => found.has_leader = is_set,
            "etcd_server_is_leader" => found.is_leader = is_set,
            "etcd_server_is_learner" => found.is_learner = is_set,
            "etcd_server_proposals_applied_total" => found.applied = Some(whole),
            "etcd_debugging_mvcc_current_revision" => found.revision = Some(Revision(value.max(0.0) as i64)),
            "etcd_server_leader_changes_seen_total" => found.leader_changes = whole,
            "etcd_mvcc_db_total_size_in_bytes" => found.database_bytes = whole,
            "etcd_server_quota_backend_bytes" => found.quota_bytes = whole,
            "etcd_disk_wal_fsync_duration_seconds_count" => found.log_sync.count = whole,
            "etcd_disk_wal_fsync_duration_seconds_sum" => found.log_sync.sum_seconds = value,
            "etcd_network_peer_received_bytes_total" => {
                let from = label.and_then(|label| label.strip_prefix("From=\"")?.strip_suffix('"')?.parse().ok());
                // Member 0 is nobody: signs of life of the connections themselves.
                if let Some(MemberId(id @ 1..)) = from
                    && found.received_bytes.len() < MOST_PEERS
                {
                    found.received_bytes.insert(MemberId(id), whole);
                }
            }
            _ => {}
        }
    }
    found
}

/// A sample's name, its labels as they stand, and its value.
fn sample(line: &str) -> Option<(&str, Option<&str>, f64)> {
    if line.starts_with('#') {
        return None;
    }
    let (name, label, value) = if let Some((name, rest)) = line.split_once('{') {
        let (label, value) = rest.rsplit_once('}')?;
        (name, Some(label), value)
    } else {
        let (name, value) = line.split_once(' ')?;
        (name, None, value)
    };
    // A time may follow the value.
    let value: f64 = value.split_whitespace().next()?.parse().ok()?;
    value.is_finite().then_some((name, label, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP etcd_server_has_leader Whether or not a leader exists. 1 is existence, 0 is not.
# TYPE etcd_server_has_leader gauge
etcd_server_has_leader 1
etcd_server_is_leader 0
etcd_server_leader_changes_seen_total 3
etcd_mvcc_db_total_size_in_bytes 1.6801792e+07
etcd_server_quota_backend_bytes 8.589934592e+09
etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.001\"} 4
etcd_disk_wal_fsync_duration_seconds_sum 0.25
etcd_disk_wal_fsync_duration_seconds_count 5
etcd_network_peer_received_bytes_total{From=\"0\"} 180
etcd_network_peer_received_bytes_total{From=\"4358cf4e6b95908f\"} 138
etcd_network_peer_received_bytes_total{From=\"a759d8e1c4eeb940\"} 3332 1700000000000
etcd_network_peer_received_bytes_total{From=\"not an id\"} 1
go_gc_duration_seconds{quantile=\"0\"} NaN
grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"}{\"} 1
";

    #[test]
    fn what_matters_is_read() {
        let metrics = parse(TEXT);
        assert_eq!((metrics.has_leader, metrics.is_leader, metrics.is_learner), (Some(true), Some(false), None));
        assert_eq!((metrics.leader_changes, metrics.database_bytes, metrics.quota_bytes), (3, 16_801_792, 8 << 30));
        let received = [(MemberId(0x4358_cf4e_6b95_908f), 138), (MemberId(0xa759_d8e1_c4ee_b940), 3332)];
        assert_eq!(metrics.received_bytes, BTreeMap::from(received), "id 0 is nobody");
        let earlier = Latency { count: 3, sum_seconds: 0.05 };
        assert_eq!(metrics.log_sync.mean_since(earlier), Some(Duration::from_millis(100)));
        assert_eq!(metrics.log_sync.mean_since(metrics.log_sync), None);
        assert_eq!(Latency::default().mean_since(earlier), None, "the process is a new one");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in ".*", line in "etcd_network_peer_received_bytes_total.{0,60}") {
            parse(&format!("{text}\n{line}"));
        }
    }
}
