//! From the words of one crate to those of another: only the binary introduces them to each other.

use super::setting::Setting;
use crate::config::{KeyPair, Security};
use camino::Utf8Path;
use e2d_backup::catalogue::Contents;
use e2d_backup::store::StoreError;
use e2d_core::action::{Cluster, Launch};
use e2d_core::observe::{self, ArchiveSeen, DataDir, DiskData, ExitCause, Trouble};
use e2d_etcd::child::{Cause, Exit};
use e2d_etcd::datadir::Contents as Data;
use e2d_etcd::launch::{self, Start, Tls, Tuning, Url, UrlError, Urls};
use e2d_etcd::version::EtcdVersion;
use std::error::Error;

/// An error and its sources in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// What the store's failure means to the core.
pub(super) fn trouble(error: &StoreError) -> Trouble {
    let text = chain(error);
    match error {
        StoreError::Denied { .. } => Trouble::Denied(text),
        StoreError::Malformed { .. } | StoreError::TooLarge { .. } => Trouble::Malformed(text),
        _ => Trouble::Unreachable(text),
    }
}

/// The archives as the core sees them.
pub(super) fn archives(contents: &Contents) -> Vec<ArchiveSeen> {
    let seen = |listed: &e2d_backup::catalogue::Listed| {
        let manifest = &listed.archive.manifest;
        ArchiveSeen {
            id: listed.archive.id,
            lineage: manifest.lineage,
            epoch: manifest.epoch,
            revision: listed.revision(),
            term: manifest.raft_term,
            index: manifest.raft_index,
            node: manifest.node_id,
            verified: listed.verified.is_some(),
        }
    };
    contents.archives.iter().map(seen).collect()
}

/// What the data directory holds.
pub(super) fn data(contents: Data, program: EtcdVersion) -> DataDir {
    match contents {
        Data::Member(data) if data.is_newer_than(program) => {
            let (major, minor) = data.cluster_version.unwrap_or_default();
            DataDir::NewerData(format!("its cluster ran etcd {major}.{minor}, and the etcd here is {program}"))
        }
        Data::Absent | Data::Empty => DataDir::Empty,
        Data::Member(data) => DataDir::Member(DiskData {
            cluster: data.cluster,
            member: data.member,
            term: data.last.term.max(data.hard_state.term),
            index: data.last.index,
        }),
        Data::Unlogged { database_bytes } => {
            DataDir::Unlogged(format!("a database of {database_bytes} bytes and no log beside it"))
        }
        Data::Damaged(damage) => DataDir::Unreadable(damage.to_string()),
        strange @ (Data::Foreign { .. } | Data::OtherOwner { .. }) => {
            DataDir::ForeignOwner(stranger(&strange).unwrap_or_default())
        }
    }
}

/// Whose a data directory is, if not etcd's and ours.
pub(super) fn stranger(contents: &Data) -> Option<String> {
    match contents {
        Data::Foreign { names } => Some(format!("it holds {}, which is not etcd's", names.join(", "))),
        Data::OtherOwner { path, uid } => {
            let me = rustix::process::getuid().as_raw();
            Some(format!("{path} belongs to user {uid}, and e2d runs as user {me}"))
        }
        _ => None,
    }
}

/// Why etcd ended.
pub(super) fn exit(exit: &Exit) -> ExitCause {
    let said = exit.lines.last().cloned().unwrap_or_else(|| "it said nothing".to_owned());
    match exit.cause {
        Cause::Stopped => ExitCause::Stopped,
        Cause::RemovedFromCluster => ExitCause::Removed,
        Cause::DataCorrupt => ExitCause::Corrupt(said),
        Cause::NewerData => ExitCause::NewerData(said),
        cause => ExitCause::Failed(format!("{}: {said}", how(cause, exit))),
    }
}

/// How it ended, in words.
fn how(cause: Cause, exit: &Exit) -> String {
    let by = match (exit.code, exit.signal) {
        (Some(code), _) => format!(" with code {code}"),
        (_, Some(signal)) => format!(" by signal {signal}"),
        _ => String::new(),
    };
    let what = match cause {
        Cause::DiskFull => "the disk is full",
        Cause::PortInUse => "a port is taken",
        Cause::Certificate => "a certificate or a key cannot be used",
        Cause::BadFlag => "it refuses a flag",
        Cause::Panicked => "it panicked",
        Cause::Killed => "it was killed",
        _ => "it ended",
    };
    what.to_owned() + &by
}

/// What etcd is started with.
pub(super) fn launch(setting: &Setting, launch: &Launch) -> Result<launch::Launch, UrlError> {
    let members = |list: &[(String, String)]| {
        list.iter()
            .map(|(name, peer)| Ok((name.clone(), vec![peer.parse::<Url>()?])))
            .collect::<Result<Vec<_>, UrlError>>()
    };
    let gate = match launch.gate {
        observe::Gate::Gated => launch::Gate::Gated,
        observe::Gate::Open => launch::Gate::Open,
    };
    let start = match launch.cluster {
        Cluster::New => Start::Found { founders: members(&launch.members)?, token: launch.token.clone() },
        Cluster::Existing if launch.members.len() > 1 => Start::Join { members: members(&launch.members)? },
        Cluster::Existing => Start::Resume,
    };
    configured(setting, launch.name.clone(), gate, start)
}

/// What the configuration makes of it. Every address of ours is known to that.
pub(super) fn configured(
    setting: &Setting,
    name: String,
    gate: launch::Gate,
    start: Start,
) -> Result<launch::Launch, UrlError> {
    let network = &setting.config.network;
    let tls = match network.security() {
        Security::Keys(keys) => Some((tls(&keys.server, &keys.ca_cert), tls(&keys.peer, &keys.ca_cert))),
        Security::Loopback | Security::Insecure => None,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = |address: &std::net::SocketAddr| format!("{scheme}://{address}").parse::<Url>();
    let etcd = &setting.config.etcd;
    Ok(launch::Launch {
        name,
        data_dir: setting.data_dir.clone(),
        wal_dir: None,
        peer: Urls { listen: vec![url(&network.peer())?], advertise: vec![setting.me.peer_url.parse()?] },
        client: Urls {
            listen: network.client_listen().iter().map(url).collect::<Result<_, _>>()?,
            advertise: vec![setting.me.client_url.parse()?],
        },
        gate,
        start,
        client_tls: tls.as_ref().map(|(server, _)| server.clone()),
        peer_tls: tls.map(|(_, peer)| peer),
        metrics: vec![],
        tuning: Tuning {
            quota_bytes: etcd.quota_bytes,
            heartbeat: etcd.heartbeat,
            election: etcd.election,
            ..Tuning::default()
        },
        extra: etcd.extra.clone(),
    })
}

fn tls(pair: &KeyPair, authority: &Utf8Path) -> Tls {
    let absolute = |path: &Utf8Path| camino::absolute_utf8(path).unwrap_or_else(|_| path.to_owned());
    Tls { certificate: absolute(&pair.cert), key: absolute(&pair.key), authority: absolute(authority) }
}
