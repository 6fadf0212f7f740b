//! The table of metrics.

use std::fmt::Write as _;

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Up and down.
    Gauge,
    /// Up only, from zero at each start of the process.
    Counter,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// The names of its labels, in order.
    pub labels: &'static [&'static str],
    /// What it says, and when it is absent.
    pub help: &'static str,
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

/// All metrics, in the order in which they are printed.
pub const ALL: &[Metric] = &[
    gauge("e2d_build_info", &["version", "etcd_version"], "Always 1: the versions of e2d and of its etcd"),
    gauge("process_start_time_seconds", &[], "When this e2d began, in seconds since 1970"),
    gauge("e2d_ready", &[], "1 if a linearizable read through this node's etcd worked lately and clients reach it"),
    gauge("e2d_etcd_state", &["state"], "1 for what etcd does: stopped, gated (reached by e2d alone) or open"),
    gauge("e2d_role", &["role"], "1 for this node's role: none, learner, follower or leader"),
    gauge("e2d_phase", &["phase"], "1 for where the disk stands: empty, founding, joining, member, sealed, abandoned"),
    counter("e2d_etcd_exits_total", &[], "How often etcd ended, for whatever reason"),
    gauge("e2d_epoch", &[], "The epoch of the lineage; absent while none is known"),
    gauge("e2d_raft_term", &[], "Raft's term; absent while etcd does not answer"),
    gauge("e2d_raft_index", &[], "The raft index that etcd has applied; absent while it does not answer"),
    gauge("e2d_revision", &[], "The revision of etcd's store; absent while it does not answer"),
    gauge("e2d_members_wanted", &[], "How many members the cluster is to have"),
    gauge("e2d_members", &["kind"], "Members as etcd lists them: voter, learner, or new (added and not started yet)"),
    gauge("e2d_members_present", &[], "Members that the leader hears, itself included; on the leader's node only"),
    gauge(
        "e2d_members_in_doubt",
        &[],
        "Members whose keyspace differs from the leader's at one revision; on the leader's node only",
    ),
    counter(
        "e2d_sums_total",
        &["result"],
        "Comparisons of another member's keyspace with the leader's, by result: equal or different",
    ),
    gauge("e2d_peers", &["state"], "Other nodes by what gossip holds of them: alive or dead"),
    gauge(
        "e2d_detection_seconds",
        &[],
        "From the last packet of the last peer that died to its being held dead; absent until one died",
    ),
    gauge(
        "e2d_replacement_seconds",
        &[],
        "From the last sign of life of the last replaced member to its successor's vote; absent until then; on the node that did it",
    ),
    gauge("e2d_hold_seconds", &[], "How much longer an operator holds all automatic acts; 0 if nobody does"),
    gauge("e2d_plan", &["decision", "verdict"], "1 for each decision that speaks now, and whether it acts or waits"),
    counter("e2d_plan_verdicts_total", &["decision", "verdict"], "How often a decision began to act or to wait"),
    counter("e2d_acts_total", &["act", "outcome"], "Acts that ended, by kind and outcome: done or failed"),
    gauge("e2d_store_usable", &[], "1 if the last look at the store worked; absent without a store"),
    counter("e2d_store_errors_total", &[], "Looks at the store that failed"),
    gauge(
        "e2d_backup_archives",
        &["verified"],
        "Archives in the store: verified or not (yes, no); absent without a store",
    ),
    gauge("e2d_backup_verified_epoch", &[], "The epoch of the newest verified archive; absent while there is none"),
    gauge(
        "e2d_backup_verified_revision",
        &[],
        "The revision of the newest verified archive; absent while there is none",
    ),
    gauge(
        "e2d_backup_verified_age_seconds",
        &[],
        "How long ago the newest verified archive was taken, by the clocks of two machines; absent while there is none",
    ),
    gauge(
        "e2d_backup_lag_seconds",
        &[],
        "What would be lost if all disks were lost now: 0 if nothing was written since the newest verified archive, else its age; absent while there is none",
    ),
    gauge(
        "e2d_backup_lag_revisions",
        &[],
        "Revisions since the newest verified archive of this epoch; absent while there is none",
    ),
    gauge(
        "e2d_certificate_expiry_timestamp_seconds",
        &["certificate"],
        "When a certificate ends, in seconds since 1970: authority, server or peer; absent without keys",
    ),
    counter("e2d_gossip_packets_total", &["direction"], "Gossip's datagrams and frames: in or out, good or bad"),
    counter("e2d_gossip_bytes_total", &["direction"], "Their bytes"),
    counter("e2d_gossip_rejected_total", &["reason"], "Packets, or parts of them, that were dropped, by reason"),
    counter("e2d_gossip_suspicions_total", &[], "How often a peer was suspected to be dead"),
    counter("e2d_gossip_false_suspicions_total", &[], "Suspicions that the peer refuted"),
    counter("e2d_gossip_false_deaths_total", &[], "Peers that were held dead and came back as the same process"),
    counter("e2d_gossip_renewals_total", &[], "How often this node was held dead, and said that it is not"),
    counter("e2d_gossip_freezes_total", &[], "How often this process noticed that it had not run for a while"),
];

/// The page that documents them.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         `http://127.0.0.1:7982/metrics` (`--metrics-addr`), as OpenMetrics text. Beside it: `/healthz` is 200 while e2d \
         itself works, and `/readyz` is 200 only while clients can use this node's etcd: a linearizable read through \
         it worked in the last seconds. On an address beyond loopback, with keys, all three take mutual TLS with any \
         certificate of the etcd authority.\n\n\
         What is not known is absent, never 0. This page is written by `e2d generate metrics`.\n\n\
         | metric | type | labels | what it says |\n|---|---|---|---|\n",
    );
    for Metric { name, kind, labels, help } in ALL {
        let kind = if *kind == Kind::Gauge { "gauge" } else { "counter" };
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(page, "| `{name}` | {kind} | {} | {help} |", labels.join(", "));
    }
    page
}
