//! Keys of the supervised program.

use super::table;
use crate::config::bytes;
use crate::config::etcd_arg;
use crate::config::key::{Decl, Key, Section, Shape};
use crate::config::problem::Fault;
use crate::config::value;
use camino::Utf8PathBuf;
use std::time::Duration;

fn quota(text: &str) -> Result<u64, Fault> {
    bytes::within((16 << 20)..=(1 << 40), text)
}

fn heartbeat(text: &str) -> Result<Duration, Fault> {
    value::whole(1..=10_000, text).map(Duration::from_millis)
}

/// etcd itself refuses more than 50 000 ms.
fn election(text: &str) -> Result<Duration, Fault> {
    value::whole(5..=50_000, text).map(Duration::from_millis)
}

table! {
    /// Where etcd is.
    ETCD_BIN_DIR: Utf8PathBuf = Decl::new(Section::Etcd, "etcd-bin-dir", "DIR", "Folder of the programs etcd and etcdutl")
        .found("`PATH`")
        .allowed("a folder", "/opt/etcd/bin")
        .read_by(value::path);

    /// etcd's quota.
    ETCD_QUOTA_BYTES: u64 = Decl::new(Section::Etcd, "etcd-quota-bytes", "SIZE", "Size of the database at which etcd takes no more writes")
        .default("8GiB")
        .old_default("2 GiB, not configurable")
        .allowed("bytes, or a number with KiB, MiB, GiB, kB, MB or GB; from 16MiB to 1TiB", "8GiB")
        .read_by(quota);

    /// etcd's heartbeat.
    ETCD_HEARTBEAT_MS: Duration = Decl::new(Section::Etcd, "etcd-heartbeat-ms", "MS", "Time between the heartbeats of etcd's leader")
        .found("etcd's own, 100")
        .detail("The same on every node. As long as a round trip between the nodes, or longer.")
        .allowed("milliseconds from 1 to 10000", "100")
        .read_by(heartbeat);

    /// etcd's election timeout.
    ETCD_ELECTION_MS: Duration = Decl::new(Section::Etcd, "etcd-election-ms", "MS", "Silence of etcd's leader after which its peers elect another")
        .found("etcd's own, 1000")
        .detail("The same on every node, and at least five times the heartbeat.")
        .allowed("milliseconds from 5 to 50000", "1000")
        .read_by(election);

    /// Anything else for etcd.
    ETCD_ARG: String = Decl::new(Section::Etcd, "etcd-arg", "FLAG=VALUE", "A flag that is handed to etcd as it is; may be repeated")
        .shape(Shape::Words)
        .detail(
            "Not for what e2d sets itself: membership, addresses, certificates, data, log, compaction, elections and \
             checks. In a variable, spaces separate.",
        )
        .allowed("a flag of etcd that e2d does not set itself, then = and its value", "max-request-bytes=2097152")
        .read_by(etcd_arg::parse);
}
