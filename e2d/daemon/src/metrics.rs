//! What is measured: one table of metrics, the numbers behind them, and the text that Prometheus reads.
//!
//! The numbers of a moment are those of the [`Picture`] that the mind published last, so that a scrape asks
//! nobody and costs the same whatever the node waits for. `docs/metrics.md` is the table, printed. Nothing
//! secret is in a name, a label or a value (S19).

mod samples;
mod table;

pub use table::{ALL, Kind, Metric, page};

use crate::admin::v1::StatusReply;
use e2d_core::action;
use e2d_core::id::MemberId;
use e2d_gossip::Counters;
use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use samples::Sample;
pub(crate) use samples::is_ready;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What the mind publishes.
#[derive(Clone, Debug)]
pub struct Picture {
    /// When.
    pub at: Instant,
    /// What people are shown.
    pub status: StatusReply,
    /// What is counted.
    pub numbers: Arc<Numbers>,
    /// Each decision that speaks now, and whether it `acts` or `waits`.
    pub verdicts: Vec<(&'static str, &'static str)>,
}

impl Picture {
    /// What people are shown now, with the age of what they see.
    pub(crate) fn shown(&self) -> StatusReply {
        StatusReply { age_seconds: self.at.elapsed().as_secs(), ..self.status.clone() }
    }
}

impl Default for Picture {
    fn default() -> Self {
        Self { at: Instant::now(), status: StatusReply::default(), numbers: Arc::default(), verdicts: Vec::new() }
    }
}

/// What is counted since the process began, and what is not shown elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// When the process began, by its clock.
    pub started: Timestamp,
    /// How many members the cluster is to have.
    pub wanted: usize,
    /// Acts that have ended, by kind and whether they were done.
    pub acts: BTreeMap<(action::Kind, bool), u64>,
    /// How often a decision began to speak, by decision and verdict.
    pub verdicts: BTreeMap<(&'static str, &'static str), u64>,
    /// Looks at the store that failed.
    pub store_errors: u64,
    /// How often etcd ended.
    pub etcd_exits: u64,
    /// How long the last death of a peer took to be noticed.
    pub detection: Option<Duration>,
    /// How long the last replacement took, from the dead member's last sign of life to its successor's vote.
    pub replacement: Option<Duration>,
    /// When the newest verified archive was taken, by its taker's clock.
    pub verified_at: Option<Timestamp>,
    /// Archives that the last look at the store left out: there are too many.
    pub left_out: u32,
    /// Comparisons of a member's keyspace with ours that showed the same.
    pub sums_equal: u64,
    /// And those that showed a difference.
    pub sums_different: u64,
    /// Members whose keyspace differs from ours, as the leader's node.
    pub in_doubt: BTreeSet<MemberId>,
    /// What gossip counts.
    pub gossip: Option<Counters>,
}

/// The metrics of a picture, for Prometheus (`OpenMetrics` text).
#[must_use]
pub fn text(picture: &Picture, now: Timestamp) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(samples::of(picture, now))));
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    text
}

#[derive(Debug)]
struct Scrape(Vec<Sample>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for metric in ALL {
            let samples: Vec<&Sample> = self.0.iter().filter(|sample| sample.metric == metric.name).collect();
            if samples.is_empty() {
                continue;
            }
            let (name, kind) = match metric.kind {
                Kind::Gauge => (metric.name, MetricType::Gauge),
                // The encoder adds the ending itself.
                Kind::Counter => (metric.name.trim_end_matches("_total"), MetricType::Counter),
            };
            let mut family = encoder.encode_descriptor(name, metric.help, None, kind)?;
            for sample in samples {
                if sample.labels.is_empty() {
                    put(&mut family, metric.kind, sample.value)?;
                } else {
                    put(&mut family.encode_family(&sample.labels)?, metric.kind, sample.value)?;
                }
            }
        }
        Ok(())
    }
}

fn put(encoder: &mut MetricEncoder<'_>, kind: Kind, value: f64) -> Result<(), std::fmt::Error> {
    match kind {
        Kind::Gauge => encoder.encode_gauge(&value),
        Kind::Counter => encoder.encode_counter::<NoLabelSet, _, f64>(&value, None),
    }
}

#[cfg(test)]
mod tests;
