//! From a picture to samples. Pure.

use super::Picture;
use e2d_gossip::{Counters, Rejection};
use jiff::Timestamp;

/// One value of one metric.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) metric: &'static str,
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) value: f64,
}

/// Collects samples.
#[derive(Default)]
struct Samples(Vec<Sample>);

impl Samples {
    fn put(&mut self, metric: &'static str, value: impl Number) {
        self.labelled(metric, vec![], value);
    }

    fn maybe(&mut self, metric: &'static str, value: Option<impl Number>) {
        if let Some(value) = value {
            self.put(metric, value);
        }
    }

    fn labelled(&mut self, metric: &'static str, labels: Vec<(&'static str, String)>, value: impl Number) {
        self.0.push(Sample { metric, labels, value: value.number() });
    }

    /// 1 for the state that is, 0 for the others that could be.
    fn states(&mut self, metric: &'static str, label: &'static str, all: &[&str], is: &str) {
        for state in all {
            self.labelled(metric, vec![(label, (*state).to_owned())], u64::from(*state == is));
        }
    }
}

/// Prometheus has no integers: what does not fit 53 bits is rounded.
trait Number {
    fn number(self) -> f64;
}

impl Number for u64 {
    #[expect(clippy::cast_precision_loss, reason = "a metric's value is a float")]
    fn number(self) -> f64 {
        self as f64
    }
}

impl Number for usize {
    fn number(self) -> f64 {
        (self as u64).number()
    }
}

impl Number for i64 {
    #[expect(clippy::cast_precision_loss, reason = "a metric's value is a float")]
    fn number(self) -> f64 {
        self as f64
    }
}

impl Number for f64 {
    fn number(self) -> f64 {
        self
    }
}

/// All samples of a picture.
pub(super) fn of(picture: &Picture, now: Timestamp) -> Vec<Sample> {
    let mut samples = Samples::default();
    node(&mut samples, picture);
    cluster(&mut samples, picture);
    plan(&mut samples, picture);
    backups(&mut samples, picture, now);
    for certificate in &picture.status.certificates {
        let name = vec![("certificate", certificate.kind.clone())];
        samples.labelled("e2d_certificate_expiry_timestamp_seconds", name, certificate.not_after_seconds);
    }
    if let Some(counters) = &picture.numbers.gossip {
        gossip(&mut samples, counters);
    }
    samples.0
}

/// Whether clients can use this node's etcd.
pub(crate) fn is_ready(picture: &Picture) -> bool {
    picture.status.serves && picture.status.etcd == "open"
}

fn node(samples: &mut Samples, picture: &Picture) {
    let status = &picture.status;
    let versions = vec![("version", status.version.clone()), ("etcd_version", status.etcd_version.clone())];
    samples.labelled("e2d_build_info", versions, 1u64);
    samples.put("process_start_time_seconds", picture.numbers.started.as_second());
    samples.put("e2d_ready", u64::from(is_ready(picture)));
    samples.states("e2d_etcd_state", "state", &["stopped", "gated", "open"], &status.etcd);
    samples.states("e2d_role", "role", &["none", "learner", "follower", "leader"], &status.role);
    let phases = ["empty", "founding", "joining", "member", "sealed", "abandoned"];
    samples.states("e2d_phase", "phase", &phases, &status.phase);
    samples.put("e2d_etcd_exits_total", picture.numbers.etcd_exits);
    if status.role != "none" {
        samples.put("e2d_raft_term", status.term);
        samples.put("e2d_raft_index", status.index);
        samples.put("e2d_revision", status.revision);
    }
}

fn cluster(samples: &mut Samples, picture: &Picture) {
    let status = &picture.status;
    samples.maybe("e2d_epoch", status.lineage.as_ref().map(|lineage| lineage.epoch));
    samples.put("e2d_members_wanted", picture.numbers.wanted);
    let of_kind = |started: bool, learner: bool| {
        let is =
            |member: &&crate::admin::v1::Member| member.started == started && (!started || member.learner == learner);
        status.members.iter().filter(is).count()
    };
    // What is only remembered is not known.
    let known = !status.members.iter().any(|member| member.remembered);
    let kinds = [("voter", of_kind(true, false)), ("learner", of_kind(true, true)), ("new", of_kind(false, true))];
    for (kind, count) in kinds.into_iter().filter(|_| known) {
        samples.labelled("e2d_members", vec![("kind", kind.to_owned())], count);
    }
    if known && status.role == "leader" {
        samples.put("e2d_members_present", status.members.iter().filter(|member| member.present == Some(true)).count());
        samples.put("e2d_members_in_doubt", status.members.iter().filter(|member| member.in_doubt).count());
    }
    for (result, count) in [("equal", picture.numbers.sums_equal), ("different", picture.numbers.sums_different)] {
        samples.labelled("e2d_sums_total", vec![("result", result.to_owned())], count);
    }
    let alive = status.peers.iter().filter(|peer| peer.alive).count();
    for (state, count) in [("alive", alive), ("dead", status.peers.len() - alive)] {
        samples.labelled("e2d_peers", vec![("state", state.to_owned())], count);
    }
    samples.maybe("e2d_detection_seconds", picture.numbers.detection.map(|span| span.as_secs_f64()));
    samples.maybe("e2d_replacement_seconds", picture.numbers.replacement.map(|span| span.as_secs_f64()));
    samples.put("e2d_hold_seconds", status.hold.as_ref().map_or(0, |hold| hold.seconds));
}

fn plan(samples: &mut Samples, picture: &Picture) {
    let labels =
        |decision: &str, verdict: &str| vec![("decision", decision.to_owned()), ("verdict", verdict.to_owned())];
    for (decision, verdict) in &picture.verdicts {
        samples.labelled("e2d_plan", labels(decision, verdict), 1u64);
    }
    for ((decision, verdict), count) in &picture.numbers.verdicts {
        samples.labelled("e2d_plan_verdicts_total", labels(decision, verdict), *count);
    }
    for ((kind, done), count) in &picture.numbers.acts {
        let outcome = if *done { "done" } else { "failed" };
        let labels = vec![("act", format!("{kind:?}").to_lowercase()), ("outcome", outcome.to_owned())];
        samples.labelled("e2d_acts_total", labels, *count);
    }
}

fn backups(samples: &mut Samples, picture: &Picture, now: Timestamp) {
    samples.put("e2d_store_errors_total", picture.numbers.store_errors);
    let Some(store) = &picture.status.store else { return };
    samples.put("e2d_store_usable", u64::from(store.trouble.is_empty()));
    for (verified, count) in [("yes", store.verified), ("no", store.archives.saturating_sub(store.verified))] {
        samples.labelled("e2d_backup_archives", vec![("verified", verified.to_owned())], u64::from(count));
    }
    if store.verified == 0 {
        return;
    }
    samples.put("e2d_backup_verified_epoch", store.newest_epoch);
    samples.put("e2d_backup_verified_revision", store.newest_revision);
    // Clocks of two machines may make it negative.
    let age = picture.numbers.verified_at.map(|at| now.duration_since(at).as_secs_f64().max(0.0));
    samples.maybe("e2d_backup_verified_age_seconds", age);
    let status = &picture.status;
    let epoch = status.lineage.as_ref().map(|lineage| lineage.epoch);
    if status.role == "none" || epoch != Some(store.newest_epoch) {
        return;
    }
    let behind = (status.revision - store.newest_revision).max(0);
    samples.put("e2d_backup_lag_revisions", behind);
    samples.maybe("e2d_backup_lag_seconds", if behind == 0 { Some(0.0) } else { age });
}

fn gossip(samples: &mut Samples, counters: &Counters) {
    let direction = |way: &str| vec![("direction", way.to_owned())];
    samples.labelled("e2d_gossip_packets_total", direction("in"), counters.packets_in);
    samples.labelled("e2d_gossip_packets_total", direction("out"), counters.packets_out);
    samples.labelled("e2d_gossip_bytes_total", direction("in"), counters.bytes_in);
    samples.labelled("e2d_gossip_bytes_total", direction("out"), counters.bytes_out);
    for why in Rejection::ALL {
        samples.labelled("e2d_gossip_rejected_total", vec![("reason", why.label().to_owned())], counters.rejected(why));
    }
    samples.put("e2d_gossip_suspicions_total", counters.suspicions);
    samples.put("e2d_gossip_false_suspicions_total", counters.false_suspicions);
    samples.put("e2d_gossip_false_deaths_total", counters.false_deaths);
    samples.put("e2d_gossip_renewals_total", counters.renewals);
    samples.put("e2d_gossip_freezes_total", counters.freezes);
}
