//! The table, the page and the text say the same, and what is not known is absent.

use super::*;
use crate::admin::v1::{Certificate, Hold, Lineage, Member, Peer, Store};
use std::collections::BTreeSet;

/// A picture in which everything is known.
fn full() -> Picture {
    let member = |present| Member { started: true, present: Some(present), ..Member::default() };
    let status = StatusReply {
        version: "0.1.0".into(),
        etcd: "open".into(),
        role: "leader".into(),
        phase: "member".into(),
        serves: true,
        revision: 120,
        lineage: Some(Lineage { epoch: 2, ..Lineage::default() }),
        members: vec![member(true), member(false)],
        peers: vec![Peer::default()],
        hold: Some(Hold { reason: "maintenance".into(), seconds: 60 }),
        store: Some(Store { verified: 2, archives: 3, newest_epoch: 2, newest_revision: 100, ..Store::default() }),
        certificates: vec![Certificate { kind: "server".into(), not_after_seconds: 2_000, ..Certificate::default() }],
        ..StatusReply::default()
    };
    let numbers = Numbers {
        acts: [((action::Kind::Start, true), 1), ((action::Kind::Archive, false), 2)].into(),
        verdicts: [(("evict", "waits"), 3)].into(),
        detection: Some(Duration::from_millis(1_500)),
        replacement: Some(Duration::from_secs(4)),
        verified_at: Some(Timestamp::from_second(1_000).unwrap()),
        gossip: Some(Counters::default()),
        ..Numbers::default()
    };
    Picture { status, numbers: Arc::new(numbers), verdicts: vec![("evict", "waits")], ..Picture::default() }
}

fn scraped(picture: &Picture) -> String {
    text(picture, Timestamp::from_second(1_090).unwrap())
}

/// Every metric is in the table with its labels, and every row of the table is a metric.
#[test]
fn the_table_is_what_is_measured() {
    let samples = samples::of(&full(), Timestamp::from_second(1_090).unwrap());
    for sample in &samples {
        let metric = ALL.iter().find(|metric| metric.name == sample.metric);
        let metric = metric.unwrap_or_else(|| panic!("{} is not in the table", sample.metric));
        let labels: Vec<&str> = sample.labels.iter().map(|(name, _)| *name).collect();
        assert_eq!(labels, metric.labels, "{}", metric.name);
        assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
    }
    let measured: BTreeSet<&str> = samples.iter().map(|sample| sample.metric).collect();
    let listed: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
    assert_eq!((measured, ALL.len()), (listed.clone(), listed.len()));
}

#[test]
fn the_page_is_the_table() {
    let committed = include_str!("../../../../docs/metrics.md");
    assert_eq!(committed, page(), "write it: e2d generate metrics > docs/metrics.md");
}

#[test]
fn the_text_says_what_is_known() {
    let text = scraped(&full());
    for line in [
        "e2d_ready 1.0",
        "e2d_role{role=\"leader\"} 1.0",
        "e2d_role{role=\"follower\"} 0.0",
        "e2d_members_present 1.0",
        "e2d_backup_lag_revisions 20.0",
        "e2d_backup_lag_seconds 90.0",
        "e2d_acts_total{act=\"archive\",outcome=\"failed\"} 2.0",
        "e2d_hold_seconds 60.0",
        "e2d_detection_seconds 1.5",
        "e2d_certificate_expiry_timestamp_seconds{certificate=\"server\"} 2000.0",
        "e2d_gossip_rejected_total{reason=\"forged\"} 0.0",
        "# TYPE e2d_acts counter",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

/// What is not known is absent: a zero would be a claim.
#[test]
fn what_is_not_known_is_absent() {
    let status = StatusReply { role: "none".into(), ..StatusReply::default() };
    let text = scraped(&Picture { status, ..Picture::default() });
    for absent in
        ["e2d_backup_lag", "e2d_revision", "e2d_members_present", "e2d_detection", "e2d_store_usable", "e2d_epoch"]
    {
        assert!(!text.contains(absent), "{absent} in\n{text}");
    }
    // Whom the disk merely remembers is not listed by etcd.
    let mut remembered = full();
    remembered.status.members.iter_mut().for_each(|member| member.remembered = true);
    let text = scraped(&remembered);
    assert!(!text.contains("e2d_members{") && !text.contains("e2d_members_present"), "{text}");
    // An archive of another epoch says nothing about how far this one is behind.
    let mut other = full();
    other.status.lineage = Some(Lineage { epoch: 3, ..Lineage::default() });
    assert!(!scraped(&other).contains("e2d_backup_lag"));
    // Nothing was written since: nothing would be lost, however old the archive is.
    let mut quiet = full();
    quiet.status.revision = 100;
    assert!(scraped(&quiet).contains("e2d_backup_lag_seconds 0.0"));
}
