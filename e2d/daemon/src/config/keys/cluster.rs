//! Keys of the nodes together.

use super::table;
use crate::config::address::{self, Seed};
use crate::config::key::{Decl, Effect, Key, Section, Shape};
use crate::config::problem::Fault;
use crate::config::span;
use crate::config::value::{self, Size};
use std::time::Duration;

/// The port of gossip, where an address does not say another.
pub const GOSSIP_PORT: u16 = 7980;

const SECOND: Duration = Duration::from_secs(1);

fn seed(text: &str) -> Result<Seed, Fault> {
    address::seed(text, GOSSIP_PORT)
}

fn seconds(text: &str) -> Result<Duration, Fault> {
    span::at_least(SECOND, text)
}

fn discovery(text: &str) -> Result<(), Fault> {
    let hint =
        "list the nodes with --bootstrap-addrs; DNS names are resolved again while anybody is missing".to_owned();
    let unsupported = |reason| Err(Fault { hint: Some(hint), ..Fault::unsupported(reason) });
    match text.split_once(':').map_or(text, |(kind, _)| kind) {
        "aws-autoscaling-group" | "ec2-tags" => unsupported("discovery by AWS comes with a later version"),
        "do-tags" => unsupported("discovery by DigitalOcean is gone for good"),
        _ => Err(Fault::new("unknown kind of discovery")),
    }
}

fn ask(text: &str) -> Result<(), Fault> {
    match text {
        "ask" => Ok(()),
        "auto" => Err(Fault::unsupported("recovering without a person comes with a later version")),
        _ => Err(Fault::new("unknown policy")),
    }
}

table! {
    /// How many voters.
    REQUIRED_CLUSTER_SIZE: Size = Decl::new(
        Section::Cluster,
        "required-cluster-size",
        "NUMBER",
        "How many nodes the cluster is to have",
    )
        .short('n')
        .default("1")
        .old_default("1")
        .detail("3 survives the loss of one node, 5 of two. More than 1 needs `bootstrap-addrs`.")
        .allowed("1, 3 or 5", "3")
        .read_by(value::size);

    /// Where the others are.
    BOOTSTRAP_ADDRS: Seed = Decl::new(Section::Cluster, "bootstrap-addrs", "ADDR,...", "Gossip addresses of other nodes")
        .shape(Shape::Commas)
        .old_default("none")
        .detail(
            "Addresses or DNS names; the port is 7980 unless an address says another. Its own address may be among them. \
             They are asked again for as long as anybody is missing.",
        )
        .allowed("addresses or DNS names, each with a port or without, separated by commas", "10.0.0.1,10.0.0.2,10.0.0.3")
        .read_by(seed);

    /// How to find the others in a cloud.
    PEER_DISCOVERY: () = Decl::new(Section::Cluster, "peer-discovery", "KIND[:...]", "How to find other nodes in a cloud")
        .old_default("none")
        .allowed("nothing in this version", "")
        .effect(Effect::Later("list the nodes with --bootstrap-addrs"))
        .read_by(discovery);

    /// How often slow checks run.
    HEALTH_CHECK_INTERVAL: Duration = Decl::new(
        Section::Cluster,
        "health-check-interval",
        "DURATION",
        "How often the slow checks of the cluster run",
    )
        .default("1m")
        .old_default("1m, without effect")
        .detail("What changes by itself, such as gossip, is noticed at once and does not wait for them.")
        .allowed("a duration from 1s to 365d", "1m")
        .read_by(seconds);

    /// How long silence lasts before a voter counts as dead.
    HEALTH_CHECK_TIMEOUT: Duration = Decl::new(
        Section::Cluster,
        "health-check-timeout",
        "DURATION",
        "How long a voter must be silent before it is replaced",
    )
        .default("5m")
        .old_default("5m")
        .detail(
            "Silent both in gossip and in etcd. It does not apply where there is better proof of death, such as a new node \
             on the dead one's address.",
        )
        .allowed("a duration from 1s to 365d", "5m")
        .read_by(seconds);

    /// What happens when the majority is lost.
    QUORUM_LOSS_POLICY: () = Decl::new(
        Section::Cluster,
        "quorum-loss-policy",
        "POLICY",
        "Who decides when the majority is lost",
    )
        .default("ask")
        .detail("With `ask`, the survivors' data stays untouched, and `e2d status` says what can be done.")
        .allowed("ask", "ask")
        .effect(Effect::Later("leave it out, or set it to ask"))
        .read_by(ask);
}
