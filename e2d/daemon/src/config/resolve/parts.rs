//! Puts the parts of a configuration together from their keys.

use super::reader::{Read, Reader};
use crate::config::key::Key;
use crate::config::network::{GossipKeys, KeyPair, Keys};
use crate::config::problem::{Fault, Origin, Problem};
use crate::config::store::StoreUrl;
use crate::config::value::{LogLevel, Size};
use crate::config::{Cluster, Etcd, Health, Log, Reach, Site, Snapshots, keys};
use camino::Utf8PathBuf;
use e2d_etcd::launch::Extra;
use e2d_pki::SecretSource;
use std::time::Duration;

/// What etcd does when it is not told.
const ETCD_HEARTBEAT: Duration = Duration::from_millis(100);
const ETCD_ELECTION: Duration = Duration::from_secs(1);

/// What mutual TLS needs, besides the key of gossip.
const TLS_FILES: [&Key<Utf8PathBuf>; 5] =
    [&keys::CA_CERT, &keys::SERVER_CERT, &keys::SERVER_KEY, &keys::PEER_CERT, &keys::PEER_KEY];

impl Reader<'_> {
    pub(super) fn site(&mut self, size: Size) -> Read<Site> {
        let data_dir = self.one(&keys::DATA_DIR);
        let data_disk = self.path(&keys::DATA_DISK);
        let store = self.optional(&keys::SNAPSHOT_URL);
        let etcd_bin_dir = self.path(&keys::ETCD_BIN_DIR);
        let (data_dir, _) = data_dir?;
        let store = match (store?, size) {
            (Some((store, _)), _) => store,
            (None, Size::One) => StoreUrl::Folder(data_dir.join("e2d/store")),
            (None, Size::Three | Size::Five) => StoreUrl::None,
        };
        Ok(Site { data_dir, data_disk: data_disk?, store, etcd_bin_dir: etcd_bin_dir? })
    }

    /// How clients reach etcd. A host is only known if it was said.
    pub(super) fn reach(&mut self, site: Read<Site>) -> Read<Reach> {
        let host = self.optional(&keys::HOST);
        let client = self.one(&keys::CLIENT_ADDR);
        let authority = self.path(&keys::CA_CERT);
        let (cert, key) = (self.path(&keys::SERVER_CERT), self.path(&keys::SERVER_KEY));
        let (host, (client, _)) = (host?.map(|(host, _)| host), client?);
        let server = cert?.zip(key?).map(|(cert, key)| KeyPair { cert, key });
        Ok(Reach { site: site?, host: client.ip.or(host), client_port: client.port, authority: authority?, server })
    }

    pub(super) fn cluster(&mut self) -> Read<Cluster> {
        let size = self.one(&keys::REQUIRED_CLUSTER_SIZE);
        let seeds = self.many(&keys::BOOTSTRAP_ADDRS);
        let (size, origin) = size?;
        let seeds = seeds?.into_iter().map(|(seed, _)| seed).collect();
        match Cluster::new(size, seeds) {
            Some(cluster) => Ok(cluster),
            None => self.note(Problem::NoPeers { size: size.voters(), origin }),
        }
    }

    /// The files of mutual TLS: all, or none.
    pub(super) fn keys(&mut self) -> Read<Option<Keys>> {
        let files = TLS_FILES.map(|key| self.path(key));
        let ca_key = self.path(&keys::CA_KEY);
        let gossip_files = self.many(&keys::GOSSIP_KEY_FILE);
        let [ca_cert, server_cert, server_key, peer_cert, peer_key] = files;
        let files = [ca_cert?, server_cert?, server_key?, peer_cert?, peer_key?];
        let ca_key = ca_key?;
        let gossip = self.gossip_keys(gossip_files?, ca_key.as_ref())?;
        let named = TLS_FILES.iter().map(|key| key.decl.name).zip(files.iter().map(Option::is_some));
        let gossip_named = [("ca-key", ca_key.is_some()), ("gossip-key-file", gossip.is_some())];
        let given: Vec<_> =
            named.clone().chain(gossip_named).filter_map(|(name, given)| given.then_some(name)).collect();
        if given.is_empty() {
            return Ok(None);
        }
        let mut missing: Vec<_> = named.filter_map(|(name, given)| (!given).then_some(name)).collect();
        let gossip = gossip.or(ca_key.map(|path| GossipKeys { seal: SecretSource::AuthorityKey(path), open: None }));
        match (files, gossip) {
            ([Some(ca_cert), Some(server_cert), Some(server_key), Some(peer_cert), Some(peer_key)], Some(gossip)) => {
                let server = KeyPair { cert: server_cert, key: server_key };
                let peer = KeyPair { cert: peer_cert, key: peer_key };
                Ok(Some(Keys { ca_cert, server, peer, gossip }))
            }
            (_, gossip) => {
                if gossip.is_none() {
                    missing.push("ca-key or gossip-key-file");
                }
                self.note(Problem::IncompleteKeys { given: given.join(", "), missing: missing.join(", ") })
            }
        }
    }

    /// The authority's key may stand in the list too, so that gossip can move away from it and back.
    fn gossip_keys(
        &mut self,
        files: Vec<(Utf8PathBuf, Origin)>,
        ca_key: Option<&Utf8PathBuf>,
    ) -> Read<Option<GossipKeys>> {
        let mut sources: Vec<SecretSource> = Vec::new();
        for (path, origin) in files {
            let reason = match sources.as_slice() {
                [_, _, ..] => "a third key; two are enough to rotate",
                [first] if first.path() == path => "the same file twice",
                _ => {
                    let is_ca_key = ca_key == Some(&path);
                    sources.push(if is_ca_key {
                        SecretSource::AuthorityKey(path)
                    } else {
                        SecretSource::KeyFile(path)
                    });
                    continue;
                }
            };
            return self.note(Problem::of(&keys::GOSSIP_KEY_FILE.decl, origin, path.as_str(), Fault::new(reason)));
        }
        let mut sources = sources.into_iter();
        Ok(sources.next().map(|seal| GossipKeys { seal, open: sources.next() }))
    }

    pub(super) fn health(&mut self) -> Read<Health> {
        let interval = self.one(&keys::HEALTH_CHECK_INTERVAL);
        let timeout = self.one(&keys::HEALTH_CHECK_TIMEOUT);
        Ok(Health { check_interval: interval?.0, replace_after: timeout?.0 })
    }

    pub(super) fn etcd(&mut self) -> Read<Etcd> {
        let quota = self.one(&keys::ETCD_QUOTA_BYTES);
        let heartbeat = self.optional(&keys::ETCD_HEARTBEAT_MS);
        let election = self.optional(&keys::ETCD_ELECTION_MS);
        let args = self.many(&keys::ETCD_ARG);
        let heartbeat = heartbeat?.map(|(time, _)| time);
        let election = election?.map(|(time, _)| time);
        let (actual_heartbeat, actual_election) =
            (heartbeat.unwrap_or(ETCD_HEARTBEAT), election.unwrap_or(ETCD_ELECTION));
        if actual_election < actual_heartbeat * 5 {
            return self.note(Problem::ElectionTooShort {
                election_ms: actual_election.as_millis() as u64,
                heartbeat_ms: actual_heartbeat.as_millis() as u64,
            });
        }
        // Each was read by itself before; what is left is that two of them say one thing.
        match Extra::parse(args?.into_iter().map(|(arg, _)| arg)) {
            Ok(extra) => Ok(Etcd { quota_bytes: quota?.0, heartbeat, election, extra }),
            Err(source) => self.note(Problem::EtcdArgs(source)),
        }
    }

    pub(super) fn snapshots(&mut self) -> Read<Snapshots> {
        let interval = self.one(&keys::SNAPSHOT_INTERVAL);
        Ok(Snapshots { interval: interval?.0 })
    }

    /// `--verbose` is a flag that says debug, and so wins over variable and file.
    pub(super) fn log(&mut self) -> Read<Log> {
        let format = self.optional(&keys::LOG_FORMAT);
        let level = self.one(&keys::LOG_LEVEL);
        let verbose = self.one(&keys::VERBOSE);
        let format = format?.map(|(format, _)| format);
        let level = match (level?, verbose?) {
            ((level, first @ Origin::Flag(_)), (true, second)) if level != LogLevel::Debug => {
                return self.note(Problem::Conflict { key: &keys::LOG_LEVEL.decl, first, second });
            }
            (_, (true, _)) => LogLevel::Debug,
            ((level, _), (false, _)) => level,
        };
        Ok(Log { format, level })
    }
}
