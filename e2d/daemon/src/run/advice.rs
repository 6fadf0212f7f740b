//! For whoever is paged: what is lost, what is there, and the way out.
//!
//! Nothing here decides. It reads the waits of the plan's report and says what a person can do about those
//! that only a person can end (S21).

use e2d_core::id::NodeId;
use e2d_core::lineage::Recorded;
use e2d_core::memory::Phase;
use e2d_core::observe::World;
use e2d_core::plan::Verdict;
use e2d_core::quorum;
use e2d_core::reason::Reason;
use e2d_core::report::Report;

/// What a person can do, a sentence each.
pub(super) fn advice(world: &World, report: &Report) -> Vec<String> {
    let reasons = report.lines.iter().filter_map(|line| match &line.verdict {
        Verdict::Wait(reason) => Some(reason),
        _ => None,
    });
    reasons.flat_map(|reason| cure(world, reason)).collect()
}

fn cure(world: &World, reason: &Reason) -> Vec<String> {
    let one = |text: &str| vec![text.to_owned()];
    match reason {
        Reason::AnswersMissing { away, .. } if !away.is_empty() => {
            away.iter().filter_map(|node| homecoming(world, *node)).chain(majority(world, away)).collect()
        }
        Reason::NoQuorum | Reason::AnswersMissing { .. } | Reason::NotProvedGone(_) => majority(world, &[]),
        Reason::QuorumAtRisk { .. } => one("bring another voter back first: nothing is removed below a majority"),
        Reason::DataUnseen(_) => {
            one("look at the disk and at the kernel's messages: this node tries again each second")
        }
        Reason::StoreTrouble(_) => one("make the store reachable; a cluster that runs goes on without it"),
        Reason::BackupsWithoutLineage => {
            one("if these backups are your cluster's, restore one with `e2d restore`; else name an empty store with \
             --snapshot-url")
        }
        Reason::NoArchive => one("bring a node back with its disk: there is no verified backup to restore"),
        Reason::DiskWentBack { .. } | Reason::DataUnreadable(_) | Reason::Elsewhere(_) => {
            one("bring a majority of the others back: they re-seed this node, and its data is kept aside")
        }
        Reason::EpochHasData(node) => vec![format!(
            "see what node {node} waits for: `e2d status` there says it; only if it was removed, cut off or still catching up may its data be older than the backups: then move its data away"
        )],
        Reason::LeaderUnattended { .. } => {
            one("start e2d on that node again: its etcd leads, so no other node can see to the members")
        }
        Reason::OtherLineageStored { .. } => one("see whose store this is: give each cluster a folder of its own"),
        Reason::VowsConflict => one("start one more empty node, or one of these with a new data directory"),
        Reason::EtcdLocked => one("`etcdctl auth disable` lets e2d see to this cluster"),
        Reason::Held(_) => one("`e2d release` lets automatic acts go on"),
        _ => Vec::new(),
    }
}

/// Where the disk of a node belongs that speaks from elsewhere.
fn homecoming(world: &World, node: NodeId) -> Option<String> {
    let home = &world.lineage()?.recorded(node)?.peer_url;
    Some(format!("bring the disk of node {node} back to the machine at {home}"))
}

/// Who of the members is lost, and how many must come back. Those `away` may be copies, and are named apart.
fn majority(world: &World, away: &[NodeId]) -> Vec<String> {
    let Some(lineage) = world.lineage() else { return Vec::new() };
    let is_away = |member: &&Recorded| member.node.is_some_and(|node| away.contains(&node));
    let here = |member: &&Recorded| {
        let own = member.node.is_some() && member.node == world.node();
        let alive = || member.node.and_then(|node| world.peers.get(&node)).is_some_and(|peer| peer.alive);
        own || alive() && !is_away(member)
    };
    let total = lineage.members.len();
    let present = lineage.members.iter().filter(here).count();
    let lost: Vec<&Recorded> = lineage.members.iter().filter(|member| !here(member) && !is_away(member)).collect();
    if lost.is_empty() || quorum::reached(present, total) {
        return Vec::new();
    }
    let named = lost.iter().map(|member| {
        let node = member.node.map_or_else(|| "no node of ours".to_owned(), |node| format!("node {node}"));
        format!("member {} ({node}, {})", member.member, member.peer_url)
    });
    let named: Vec<String> = named.collect();
    let needed = quorum::majority(total).saturating_sub(present);
    let mut lines = vec![
        format!("lost: {}; {present} of {total} members are here", named.join(", ")),
        format!("start {needed} more of these nodes with their disks: then the cluster goes on, and nothing is lost"),
    ];
    let newest = world.store_view().and_then(|view| {
        let verified = view.archives.iter().filter(|archive| archive.lineage == lineage.lineage && archive.verified);
        verified.map(|archive| (archive.epoch, archive.revision)).max()
    });
    let keep = match world.state.phase {
        Phase::Member => "keep this disk, which may hold more than any backup; ",
        _ => "",
    };
    let newest = newest.map_or_else(
        || "no verified archive is known here".to_owned(),
        |(epoch, revision)| format!("the newest verified archive reaches revision {revision} of epoch {epoch}"),
    );
    lines.push(format!("if their disks are gone for good, {keep}{newest}: see `e2d restore --help`"));
    lines
}
