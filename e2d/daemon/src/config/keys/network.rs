//! Keys of addresses.

use super::cluster::GOSSIP_PORT;
use super::table;
use crate::config::address::{self, Listen};
use crate::config::key::{Decl, Key, Section};
use crate::config::problem::Fault;
use std::net::IpAddr;

const LISTEN: &str = "an IP address, a port after a colon, or both";

fn client(text: &str) -> Result<Listen, Fault> {
    address::listen(text, 2379)
}

fn peer(text: &str) -> Result<Listen, Fault> {
    address::listen(text, 2380)
}

fn gossip(text: &str) -> Result<Listen, Fault> {
    address::listen(text, GOSSIP_PORT)
}

fn admin(text: &str) -> Result<Listen, Fault> {
    address::listen(text, 7981)
}

fn metrics(text: &str) -> Result<Listen, Fault> {
    address::listen(text, 7982)
}

table! {
    /// The one address that the others reach this node by.
    HOST: IpAddr = Decl::new(Section::Network, "host", "IP", "Address that the other nodes reach this one by")
        .found("without keys 127.0.0.1; with keys the address of the default route's interface")
        .old_default("the first IPv4 address that is not loopback")
        .detail("Every listening address that names no other uses it.")
        .allowed("an IP address of one machine", "10.0.0.1")
        .read_by(address::host);

    /// etcd's clients.
    CLIENT_ADDR: Listen = Decl::new(Section::Network, "client-addr", "ADDR", "Where etcd serves its clients")
        .default("0.0.0.0:2379")
        .old_default("0.0.0.0:2379")
        .detail("`0.0.0.0` means the host. etcd also serves on 127.0.0.1, on the same port.")
        .allowed(LISTEN, "10.0.0.1:2379")
        .read_by(client);

    /// etcd's peers.
    PEER_ADDR: Listen = Decl::new(Section::Network, "peer-addr", "ADDR", "Where etcd talks to its peers")
        .default("0.0.0.0:2380")
        .old_default("0.0.0.0:2380")
        .detail("`0.0.0.0` means the host.")
        .allowed(LISTEN, "10.0.0.1:2380")
        .read_by(peer);

    /// Gossip.
    GOSSIP_ADDR: Listen = Decl::new(Section::Network, "gossip-addr", "ADDR", "Where gossip listens, by UDP and TCP")
        .default("0.0.0.0:7980")
        .old_default("0.0.0.0:7980")
        .detail("`0.0.0.0` means the host.")
        .allowed(LISTEN, "10.0.0.1:7980")
        .read_by(gossip);

    /// The admin API.
    ADMIN_ADDR: Listen = Decl::new(Section::Network, "admin-addr", "ADDR", "Where the admin API listens")
        .default("0.0.0.0:7981")
        .detail(
            "`0.0.0.0` means the host. Mutual TLS; the organization in the client's certificate gives its role: \
             `e2d:read` or `e2d:operate`. The command line uses the socket in the data folder instead.",
        )
        .allowed(LISTEN, "10.0.0.1:7981")
        .read_by(admin);

    /// Metrics.
    METRICS_ADDR: Listen = Decl::new(
        Section::Network,
        "metrics-addr",
        "ADDR",
        "Where `/metrics`, `/healthz` and `/readyz` are served",
    )
        .default("127.0.0.1:7982")
        .detail(
            "Plain HTTP on a loopback address. Any other address takes mutual TLS, or plain HTTP with `--insecure`. \
             `0.0.0.0` means the host.",
        )
        .allowed(LISTEN, "127.0.0.1:7982")
        .read_by(metrics);
}
