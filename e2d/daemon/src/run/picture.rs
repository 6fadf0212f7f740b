//! What the world looks like to the people who ask.

use super::advice::advice;
use super::keys::Certificates;
use super::setting::Setting;
use super::{look, offline};
use crate::admin::v1::{ClientFiles, Failure, Hold, Member, Peer, StatusReply, Store};
use crate::config::Security;
use crate::metrics::Numbers;
use camino::Utf8Path;
use e2d_core::id::MemberId;
use e2d_core::lineage::Recorded;
use e2d_core::observe::{Gate, World};
use e2d_core::plan::Verdict;
use e2d_core::report::Report;
use e2d_core::safety;
use e2d_core::word::EtcdWord;
use std::collections::BTreeSet;

/// The picture of one moment.
pub(super) fn paint(setting: &Setting, world: &World, report: &Report, numbers: &Numbers) -> StatusReply {
    let status = world.status();
    let said = |wanted: fn(&Verdict) -> bool| {
        report.lines.iter().filter(|line| wanted(&line.verdict)).map(ToString::to_string).collect()
    };
    StatusReply {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        etcd_version: setting.programs.known().version.to_string(),
        node: world.node().map(|node| node.to_string()).unwrap_or_default(),
        name: world.name(),
        phase: lower(&world.state.phase),
        etcd: match world.runs() {
            None => "stopped",
            Some(Gate::Gated) => "gated",
            Some(Gate::Open) => "open",
        }
        .to_owned(),
        role: role(world).to_owned(),
        serves: world.serves(),
        term: status.map_or(0, |status| status.term),
        index: status.map_or(0, |status| status.index),
        revision: status.map_or(0, |status| status.revision.0),
        lineage: world.lineage().map(offline::shown),
        members: members(world, &numbers.in_doubt),
        peers: peers(world),
        store: store(setting, world, numbers.left_out),
        acts: said(|verdict| matches!(verdict, Verdict::Act(_))),
        waits: said(|verdict| matches!(verdict, Verdict::Wait(_))),
        failures: world
            .failures
            .iter()
            .map(|(kind, failure)| Failure {
                act: format!("{kind:?}"),
                count: failure.count,
                message: failure.message.clone(),
            })
            .collect(),
        stopping: world.stopping,
        hold: world.hold.clone().map(Hold::from),
        client_url: world.me.client_url.clone(),
        client_files: files(setting),
        advice: advice(world, report).into_iter().chain(setting.former()).chain(setting.lacks.clone()).collect(),
        down: false,
        age_seconds: 0,
        data: String::new(),
        certificates: setting.certificates.as_ref().map(Certificates::shown).unwrap_or_default(),
    }
}

/// A server's certificate serves its clients too: it is issued for both.
fn files(setting: &Setting) -> Option<ClientFiles> {
    let Security::Keys(keys) = setting.config.network.security() else { return None };
    let absolute = |path: &Utf8Path| camino::absolute_utf8(path).unwrap_or_else(|_| path.to_owned()).to_string();
    Some(ClientFiles {
        authority: absolute(&keys.ca_cert),
        certificate: absolute(&keys.server.cert),
        key: absolute(&keys.server.key),
    })
}

fn lower(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").to_lowercase()
}

fn role(world: &World) -> &'static str {
    match world.status() {
        None => "none",
        Some(status) if status.learner => "learner",
        Some(_) if world.leads() => "leader",
        Some(_) => "follower",
    }
}

fn members(world: &World, in_doubt: &BTreeSet<MemberId>) -> Vec<Member> {
    let Some(listed) = &world.etcd.members else {
        return world.recall.last_members().iter().map(remembered).collect();
    };
    let member = |member: &e2d_core::observe::Member| Member {
        id: member.id.to_string(),
        name: member.name.clone(),
        peer_url: member.peer_url.clone(),
        learner: member.learner,
        started: member.has_started(),
        present: world.leads().then(|| safety::is_present(world, member)),
        in_doubt: in_doubt.contains(&member.id),
        client_url: client_url(world, member),
        remembered: false,
    };
    listed.value.iter().map(member).collect()
}

/// A member of whom nobody says more than that it is one.
pub(crate) fn remembered(recorded: &Recorded) -> Member {
    Member {
        id: recorded.member.to_string(),
        peer_url: recorded.peer_url.clone(),
        learner: recorded.learner,
        started: recorded.started,
        remembered: true,
        ..Member::default()
    }
}

fn client_url(world: &World, member: &e2d_core::observe::Member) -> String {
    if world.state.place.is_some_and(|place| place.member == member.id) {
        return world.me.client_url.clone();
    }
    let told = member.node().and_then(|node| world.peers.get(&node)?.word.as_ref());
    told.map(|word| word.client_url.clone()).unwrap_or_default()
}

fn peers(world: &World) -> Vec<Peer> {
    let shown = |(node, peer): (&e2d_core::id::NodeId, &e2d_core::observe::Peer)| {
        let said = peer.word.as_ref();
        let client_url = said.map(|word| word.client_url.clone()).unwrap_or_default();
        Peer {
            node: node.to_string(),
            address: peer.addr.to_string(),
            alive: peer.alive,
            name: said.map(|word| word.name.clone()).unwrap_or_default(),
            phase: said.map(|word| lower(&word.phase)).unwrap_or_default(),
            etcd: said
                .map(|word| match word.etcd {
                    EtcdWord::Stopped => "stopped",
                    EtcdWord::Gated => "gated",
                    EtcdWord::Open => "open",
                })
                .unwrap_or_default()
                .to_owned(),
            client_url,
        }
    };
    world.peers.iter().map(shown).collect()
}

fn store(setting: &Setting, world: &World, left_out: u32) -> Option<Store> {
    let url = setting.store.as_ref()?.describe();
    let trouble = world.trouble.as_ref().map(|seen| seen.value.to_string());
    let archives = world.store.as_ref().map(|seen| seen.value.archives.as_slice()).unwrap_or_default();
    let whose = world.lineage().map(|lineage| lineage.lineage);
    Some(Store { url, trouble: trouble.unwrap_or_default(), left_out, ..look::summary(archives, whose) })
}
