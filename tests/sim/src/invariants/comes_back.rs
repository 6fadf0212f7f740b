//! S13: it comes back by itself.
//!
//! Judged in the liveness phase, when all faults are mended but for machines that are gone for good: one
//! cluster of N voters serves clients, every member runs, the record in the store is right, and every
//! machine that is there takes part or stands by. Where a person is needed, the reason must be one of
//! those that only a person can judge, and it is worked out here from what is true. What is not seen:
//! whether the bytes set aside in quarantine can be read.

use super::one_cluster;
use crate::ledger;
use crate::setup::{Begin, Sharing};
use crate::sim::Sim;
use e2d_core::id::ClusterId;
use e2d_core::lineage::{Lineage, LineageState};
use e2d_core::quorum;

/// How one seed ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything healed.
    Healed,
    /// It waits for a person, and is right to: why.
    Person(String),
    /// A promise was broken: which, and how.
    Broken(String),
}

/// Whether all is well, or beyond repair; `None` while it may still heal. `acks` is how many writes had
/// been acknowledged when the faults ended.
#[must_use]
pub fn verdict(sim: &Sim, acks: u64) -> Option<End> {
    if let Some(why) = sim.hosts.iter().find_map(|host| host.refused.as_ref())
        && sim.setup.sharing == Sharing::One
    {
        return Some(End::Broken(format!("S13: a node refused to run: {why}")));
    }
    let serves = one_cluster::serving(sim).len() == 1 && sim.ledger.acks > acks;
    let present = sim.hosts.iter().all(|host| host.gone || host.process.is_some() || host.refused.is_some());
    let recorded = !sim.setup.has_store || record_is_right(sim);
    (serves && present && recorded && is_whole(sim)).then_some(End::Healed)
}

fn is_whole(sim: &Sim) -> bool {
    let size = sim.setup.size;
    let applied = (0..sim.hosts.len()).find_map(|h| sim.serving(h));
    applied.is_some_and(|applied| {
        let speaks = |id| sim.hosts.iter().any(|host| host.speaks() == Some(id));
        let full = applied.voters().len() == size && applied.seats.len() == size;
        full && applied.seats.iter().all(|(id, seat)| speaks(*id) && !seat.name.is_empty())
    })
}

fn record_is_right(sim: &Sim) -> bool {
    let Some(lineage) = sim.stores.first().and_then(|store| store.lineage()) else { return false };
    let applied = (0..sim.hosts.len()).find_map(|h| sim.serving(h));
    let listed: Vec<_> = applied.map(|applied| applied.seats.keys().copied().collect()).unwrap_or_default();
    let mut recorded: Vec<_> = lineage.members.iter().map(|member| member.member).collect();
    recorded.sort();
    lineage.state == LineageState::Live && recorded == listed
}

/// Nothing healed in the time that there was: is that right?
#[must_use]
pub fn judge(sim: &Sim) -> End {
    let person = |why: &str| End::Person(why.into());
    if sim.setup.begin == Begin::OldBackups {
        return person("backups of another program, and no lineage");
    }
    if sim.setup.sharing != Sharing::One && sim.hosts.iter().any(|host| host.refused.is_some()) {
        return person("the stores are not one: refused");
    }
    let stored = sim.stores.first().and_then(|store| store.lineage());
    let told = sim.hosts.iter().filter_map(|host| host.volume.recall.lineage.as_ref());
    // Without a store a spare may still remember a cluster whose disks are all gone, and after which another was born.
    let told = told.max_by_key(|copy| (is_held(sim, copy.cluster_id()), copy.seq));
    let why = match stored.or(told) {
        Some(lineage) => lineage_needs_person(sim, lineage),
        None => birth_needs_person(sim),
    };
    why.map_or_else(|| End::Broken(format!("S13: not healed: {}", reports(sim))), End::Person)
}

/// Whether a machine that is not gone for good has data of a cluster.
fn is_held(sim: &Sim, cluster: ClusterId) -> bool {
    let holds = |host: &crate::host::Host| host.volume.data.as_ref().is_some_and(|disk| disk.cluster == cluster);
    sim.hosts.iter().any(|host| !host.gone && holds(host))
}

fn lineage_needs_person(sim: &Sim, lineage: &Lineage) -> Option<String> {
    let cluster = match lineage.state {
        LineageState::Forming => lineage.history.last().map_or(lineage.cluster_id(), |past| past.cluster_id),
        _ => lineage.cluster_id(),
    };
    if is_held(sim, cluster) {
        return too_few(sim, cluster);
    }
    let dead = |url: &str| sim.hosts.iter().any(|host| host.gone && host.peer_url == url);
    if lineage.members.iter().any(|member| dead(&member.peer_url)) {
        return Some("a member's machine is gone for good, and nobody stands in its place".into());
    }
    let stored = sim.stores.iter().any(|store| store.lineage().is_some());
    if sim.setup.has_store && !stored {
        return Some("somebody deleted the lineage, and no member of it is left to write it again".into());
    }
    if let Some(strange) = lineage.members.iter().find(|member| member.node.is_none()) {
        return Some(format!("member {} is away, and never ran under e2d", strange.member));
    }
    let readable = sim.stores.iter().flat_map(|store| &store.archives).any(|archive| !archive.damaged);
    let pinned = lineage.claim.source.filter(|_| lineage.state == LineageState::Forming);
    let lost = pinned.is_some_and(|source| {
        let archive = sim.stores.iter().find_map(|store| store.archive(source.archive));
        archive.is_none_or(|archive| archive.damaged)
    });
    let lived = sim.setup.has_store && !sim.ledger.live.is_empty();
    ((lived && !readable) || lost).then(|| "every disk is gone, and there is no archive that could be restored".into())
}

fn too_few(sim: &Sim, cluster: ClusterId) -> Option<String> {
    let (could, voters) = ledger::intact(sim, cluster, None);
    if !quorum::reached(could, voters) {
        return Some(format!("{could} of {voters} disks of cluster {cluster} are whole"));
    }
    let newest = ledger::newest(sim, cluster)?;
    let whole = ledger::whole(sim, cluster, None);
    let ours = |name: &str| name.rsplit_once('-').is_some_and(|(_, id)| id.len() == 16);
    let strange = newest.applied.seats.iter().find(|(id, seat)| !whole.contains(id) && !ours(&seat.name));
    strange.map(|(id, _)| format!("member {id} is away, and never ran under e2d"))
}

fn birth_needs_person(sim: &Sim) -> Option<String> {
    if let Some(plain) = sim.ledger.plain {
        return too_few(sim, plain).or_else(|| {
            let holds = sim.hosts.iter().any(|host| host.volume.data.is_some());
            (!holds).then(|| "every disk of a cluster without a lineage is gone".into())
        });
    }
    if sim.stores.iter().any(|store| !store.archives.is_empty()) {
        return Some("archives, and a lineage that somebody deleted and nobody remembers".into());
    }
    let there = |node| sim.hosts.iter().any(|host| !host.gone && host.volume.node() == Some(node));
    let vows = sim.hosts.iter().filter(|host| !host.gone).flat_map(|host| &host.volume.state.vows);
    let broken = vows.flat_map(|vow| &vow.founders).any(|node| !there(*node));
    broken.then(|| "a disk has vowed to found a cluster with one that is lost".into())
}

fn reports(sim: &Sim) -> String {
    let report = |(h, host): (usize, &crate::host::Host)| match &host.process {
        None => format!("host{h} down"),
        Some(process) => {
            format!("host{h} {}", e2d_core::plan::plan(&process.world).report.to_string().replace('\n', "; "))
        }
    };
    sim.hosts.iter().enumerate().map(report).collect::<Vec<_>>().join(" | ")
}
