//! What does not change while a process runs: what the operator set, and what this node is called.

use crate::id::BootId;
use std::time::Duration;

/// What the operator set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// N: how many members the cluster has; 1, 3 or 5.
    pub size: usize,
    /// Whether a store is configured.
    pub has_store: bool,
    /// Silence in gossip and in etcd after which a voter without other proof of death is removed.
    pub replace_after: Duration,
    /// How old an observation of etcd, or a packet of a peer, may be to act on.
    pub observation_ttl: Duration,
    /// How old a look at the store may be to act on; above the longest pause between two looks.
    /// What is written to the store after it is guarded by its version all the same.
    pub store_ttl: Duration,
    /// How long the founders of a claim may make no progress before anybody may replace it.
    pub claim_patience: Duration,
    /// How long a restore waits for all N nodes before it begins with a majority.
    pub restore_patience: Duration,
    /// How long a learner may take to start and to catch up before it is removed.
    pub learner_patience: Duration,
    /// How long a node waits for its first look at the store before it starts on old data.
    pub look_patience: Duration,
    /// How often a full archive is due; zero: never.
    pub archive_interval: Duration,
    /// How far a restore raises the revision, for each epoch since the archive: more than an epoch ever
    /// writes.
    pub bump: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            size: 1,
            has_store: true,
            replace_after: Duration::from_mins(5),
            observation_ttl: Duration::from_secs(10),
            store_ttl: Duration::from_secs(45),
            claim_patience: Duration::from_secs(30),
            restore_patience: Duration::from_secs(10),
            learner_patience: Duration::from_mins(5),
            look_patience: Duration::from_secs(2),
            archive_interval: Duration::from_hours(1),
            bump: 1_000_000_000,
        }
    }
}

/// This node as its configuration and its process name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Me {
    /// The label before the node id in the member's name.
    pub label: String,
    /// This run of the process.
    pub boot: BootId,
    /// Where other members reach our etcd.
    pub peer_url: String,
    /// Where clients reach our etcd.
    pub client_url: String,
    /// The machine's own id.
    pub machine: String,
    /// Whether the data directory is a mount of its own now.
    pub mounted: bool,
    /// The cloud's name of the machine.
    pub instance: Option<String>,
    /// The zone it stands in.
    pub zone: Option<String>,
}
