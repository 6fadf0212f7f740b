//! Clusters of etcd, as far as a story needs them: who is a member, who leads, who could commit.

use crate::host::Host;
use e2d_core::action::{Cluster as Founds, Launch};
use e2d_core::id::{ClusterId, MemberId, Revision};
use e2d_core::observe::{Member, Seen, Status};
use e2d_core::quorum;
use e2d_core::raftid;
use e2d_core::word::KvHash;
use std::collections::BTreeMap;

/// One cluster of etcd.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) members: Vec<Member>,
    pub(crate) index: u64,
    pub(crate) revision: Revision,
    pub(crate) marked: bool,
    pub(crate) leader: Option<usize>,
}

pub(crate) type Clusters = BTreeMap<ClusterId, Cluster>;

/// The cluster that these founders begin with, as etcd derives it.
pub(crate) fn found(launch: &Launch, revision: Revision) -> Cluster {
    let member = |(_, url): &(String, String)| Member {
        id: raftid::founder(&[url], &launch.token),
        name: String::new(),
        peer_url: url.clone(),
        learner: false,
    };
    Cluster { members: launch.members.iter().map(member).collect(), index: 10, revision, marked: false, leader: None }
}

/// etcd starts on what the disk of `host` holds, or fills it.
pub(crate) fn start(clusters: &mut Clusters, host: &mut Host, launch: &Launch) {
    if launch.cluster == Founds::New {
        clusters.entry(launch.place.cluster).or_insert_with(|| found(launch, Revision(1)));
    }
    host.disk.data.get_or_insert((launch.place.cluster, launch.place.member, 0));
    host.etcd = Some(launch.gate);
    let (id, name) = (launch.place.member, launch.name.clone());
    if let Some(cluster) = clusters.get_mut(&launch.place.cluster) {
        cluster.members.iter_mut().filter(|member| member.id == id).for_each(|member| member.name.clone_from(&name));
    }
}

/// The hosts whose etcd runs in a cluster and talks to the others.
fn running(hosts: &BTreeMap<usize, Host>, cluster: ClusterId) -> BTreeMap<MemberId, usize> {
    let member = |(&n, host): (&usize, &Host)| {
        let (id, member, _) = host.disk.data?;
        (id == cluster && host.etcd.is_some() && !host.peer_port_cut).then_some((member, n))
    };
    hosts.iter().filter_map(member).collect()
}

/// Elects, where a majority of the voters runs; and ends the etcd of whoever was removed.
pub(crate) fn elect(clusters: &mut Clusters, hosts: &BTreeMap<usize, Host>) {
    for (id, cluster) in clusters {
        let here = running(hosts, *id);
        let voters: Vec<MemberId> = cluster.members.iter().filter(|m| !m.learner).map(|m| m.id).collect();
        let able: Vec<usize> = voters.iter().filter_map(|voter| here.get(voter).copied()).collect();
        let stays = cluster.leader.filter(|leader| able.contains(leader));
        let quorate = quorum::reached(able.len(), voters.len());
        cluster.leader = if quorate { stays.or_else(|| able.into_iter().min()) } else { None };
    }
}

/// What a node sees of its own etcd.
pub(crate) fn observe(clusters: &Clusters, hosts: &BTreeMap<usize, Host>, host: &mut Host) {
    let (Some(world), Some((id, own, _))) = (&mut host.world, host.disk.data) else { return };
    let Some(cluster) = clusters.get(&id).filter(|_| host.etcd.is_some()) else { return };
    let (now, gate) = (world.now, host.etcd);
    let member = |host: usize| hosts.get(&host).and_then(|host| Some(host.disk.data?.1));
    let listed = cluster.members.iter().find(|member| member.id == own);
    let index = cluster.index.saturating_sub(host.behind);
    let status = Status {
        leader: cluster.leader.and_then(|leader| if leader == host.n { Some(own) } else { member(leader) }),
        term: 2,
        index,
        revision: cluster.revision,
        learner: listed.is_some_and(|member| member.learner),
    };
    let etcd = &mut world.etcd;
    etcd.status = Some(Seen { value: status, at: now });
    if gate == Some(e2d_core::observe::Gate::Gated) {
        etcd.hash = Some(KvHash { revision: cluster.revision, compacted: Revision(0), hash: 0x00c0_ffee });
        etcd.marked = cluster.leader.map(|_| cluster.marked);
    }
    if host.peer_port_cut {
        return;
    }
    etcd.listening_since = Some(e2d_core::time::Moment(0));
    etcd.heard.extend(running(hosts, id).into_keys().filter(|member| *member != own).map(|member| (member, now)));
    if cluster.leader.is_some() && !status.learner {
        (etcd.read_at, etcd.members) = (Some(now), Some(Seen { value: cluster.members.clone(), at: now }));
    }
}
