//! One machine: its volume, its etcd, its e2d.

use crate::gossip::Gossip;
use crate::raft;
use crate::store::Access;
use e2d_core::id::{BootId, LineageId, NodeId};
use e2d_core::memory::{Identity, Recall, State};
use e2d_core::observe::{DataDir, DiskData, ExitCause, Gate, World};
use e2d_core::time::Moment;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What a disk keeps.
#[derive(Clone, Debug, Default)]
pub struct Volume {
    /// The file `identity`.
    pub identity: Option<Identity>,
    /// The file `state`.
    pub state: State,
    /// The file `seen`.
    pub recall: Recall,
    /// etcd's data.
    pub data: Option<raft::Disk>,
    /// Whether etcd's data is damaged.
    pub damaged: bool,
    /// Whether it was set back to an older copy: a truth that no node sees.
    pub set_back: bool,
    /// Data that was set aside.
    pub quarantine: Vec<raft::Disk>,
}

impl Volume {
    /// What an inspection of the data directory shows.
    #[must_use]
    pub fn inspect(&self) -> DataDir {
        match &self.data {
            None => DataDir::Empty,
            Some(_) if self.damaged => DataDir::Unreadable("a record's checksum is wrong".into()),
            Some(disk) => DataDir::Member(DiskData {
                cluster: disk.cluster,
                member: disk.member,
                term: disk.term,
                index: disk.log.len() as u64,
            }),
        }
    }
}

/// A running etcd, and who may reach it.
#[derive(Clone, Debug)]
pub struct Etcd {
    /// The server.
    pub server: raft::Server,
    /// Who may reach its client port.
    pub gate: Gate,
    /// Since when.
    pub since: Moment,
}

/// A running e2d.
pub struct Process {
    /// Which run.
    pub boot: BootId,
    /// What it knows.
    pub world: World,
    /// Its gossip.
    pub gossip: Gossip,
    /// Whether an act of the node's track, and of the cluster's, is under way.
    pub busy: [bool; 2],
    /// Whether a plan is due already.
    pub planned: bool,
    /// Counts the looks at the store, so that an older one that is due does nothing.
    pub looks: u64,
    /// The last things published, to publish changes alone.
    pub told: Vec<(u8, Vec<u8>)>,
    /// The lineage copy that is told, and which it is.
    pub told_copy: Option<((LineageId, u64), Vec<u8>)>,
    /// The last item heard of each node, by topic.
    pub heard: BTreeMap<(NodeId, u8), Vec<u8>>,
}

/// One machine.
pub struct Host {
    /// Where gossip reaches it.
    pub addr: SocketAddr,
    /// Where other members reach its etcd.
    pub peer_url: String,
    /// Whether it has power.
    pub up: bool,
    /// Whether its processes are stopped without knowing it.
    pub frozen: bool,
    /// How the store treats it.
    pub access: Access,
    /// Whether replies of the store are lost on the way to it.
    pub lossy: bool,
    /// Its disk.
    pub volume: Volume,
    /// Its etcd.
    pub etcd: Option<Etcd>,
    /// Why its etcd ended.
    pub exit: Option<ExitCause>,
    /// Its e2d.
    pub process: Option<Process>,
    /// What it said when it ended for good.
    pub refused: Option<String>,
    /// How many runs of e2d there were.
    pub boots: u64,
}

impl Host {
    /// Where it stands, in a line.
    #[must_use]
    pub fn describe(&self, h: usize) -> String {
        let disk = self.volume.data.as_ref().map(|disk| {
            let seats: Vec<String> = disk
                .applied
                .seats
                .iter()
                .map(|(id, seat)| format!("{id}{}", if seat.voter { "" } else { "?" }))
                .collect();
            format!(
                "member {} of {} term {} log {} of [{}]",
                disk.member,
                disk.cluster,
                disk.term,
                disk.log.len(),
                seats.join(" ")
            )
        });
        let server = self.etcd.as_ref().map(|etcd| {
            format!(
                "{:?} leads {} leader {:?} quiet {}",
                etcd.gate, etcd.server.leads, etcd.server.leader, etcd.server.quiet
            )
        });
        let world = self.process.as_ref().map(|process| {
            let world = &process.world;
            let peers: Vec<String> = world
                .peers
                .iter()
                .map(|(id, peer)| {
                    let said = peer
                        .word
                        .as_ref()
                        .map(|word| (word.phase, word.has_data, word.known.map(|k| (k.epoch, k.seq))));
                    format!("{id} {} {said:?}", if peer.alive { "alive" } else { "dead" })
                })
                .collect();
            format!(
                "leads {} serves {} {:?} start {} peers [{}]",
                world.leads(),
                world.serves(),
                world.state.phase,
                world.state.start,
                peers.join("; ")
            )
        });
        format!("host{h} disk {disk:?}\n  etcd {server:?}\n  world {world:?} refused {:?}", self.refused)
    }

    /// Whether its processes run.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.up && !self.frozen
    }
}
