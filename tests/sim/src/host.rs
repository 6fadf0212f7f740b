//! One machine: its volume, its etcd, its e2d.

use crate::gossip::Gossip;
use crate::mutants::Memo;
use crate::raft;
use crate::sim::Event;
use crate::store::Access;
use e2d_core::id::{BootId, MemberId, NodeId};
use e2d_core::memory::{Identity, Recall, State};
use e2d_core::observe::{DataDir, DiskData, ExitCause, Gate, World};
use e2d_core::plan::TRACKS;
use e2d_core::time::Moment;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

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
    pub data: Option<Box<raft::Disk>>,
    /// Whether etcd's data is damaged.
    pub damaged: bool,
    /// Whether it is an older copy that has not caught up: a truth that no node sees.
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

    /// The node that the disk belongs to.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        self.identity.as_ref().map(|identity| identity.node)
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
    /// How far its own clock is ahead of the world's: moments of two processes cannot be compared.
    pub ahead: Duration,
    /// What it knows.
    pub world: World,
    /// Its gossip, once the disk has an identity.
    pub gossip: Option<Gossip>,
    /// Whether an act of each track is under way.
    pub busy: [bool; TRACKS.len()],
    /// Whether a plan is due already.
    pub planned: bool,
    /// Counts the looks at the store, so that an older one that is due does nothing.
    pub looks: u64,
    /// The round of questions that is being put.
    pub round: Option<Round>,
    /// What a bug remembers.
    pub memo: Memo,
}

/// One round of questions: who has answered is asked again in the next one.
#[derive(Clone, Debug)]
pub struct Round {
    /// The count of starts that is asked about.
    pub start: u64,
    /// When it began.
    pub began: Moment,
    /// Who has answered.
    pub answered: BTreeSet<NodeId>,
}

impl Process {
    /// A moment of the world on this process's own clock.
    #[must_use]
    pub fn local(&self, moment: Moment) -> Moment {
        moment + self.ahead
    }

    /// Sets the world's clock.
    pub fn tell_time(&mut self, now: Moment) {
        self.world.now = self.local(now);
    }
}

/// One machine.
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own that a machine has or has not")]
pub struct Host {
    /// Where gossip reaches it.
    pub addr: SocketAddr,
    /// Where other members reach its etcd.
    pub peer_url: String,
    /// Whether it has power.
    pub up: bool,
    /// Whether it will never have power again.
    pub gone: bool,
    /// Whether its processes are stopped without knowing it.
    pub frozen: bool,
    /// When it last went up, down, or froze, or thawed.
    pub changed: Moment,
    /// What is due for its processes while they are frozen.
    pub waiting: Vec<Event>,
    /// Which store its folder is.
    pub store: usize,
    /// How the store treats it.
    pub access: Access,
    /// Whether replies of the store are lost on the way to it.
    pub lossy: bool,
    /// Whether looks at the store may show it as it was a moment ago.
    pub stale: bool,
    /// Whether e2d is to die in the middle of its next restore.
    pub tears: bool,
    /// Whether an operator holds its automatic acts.
    pub held: bool,
    /// Its disk.
    pub volume: Volume,
    /// Its etcd.
    pub etcd: Option<Etcd>,
    /// When its etcd last started or ended.
    pub etcd_changed: Moment,
    /// Why its etcd ended.
    pub exit: Option<ExitCause>,
    /// Its e2d.
    pub process: Option<Process>,
    /// What it said when it ended for good.
    pub refused: Option<String>,
}

impl Host {
    /// The n-th machine, without power.
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self {
            addr: SocketAddr::from(([10, 0, 0, n as u8 + 1], 7980)),
            peer_url: format!("http://10.0.0.{}:2380", n + 1),
            up: false,
            gone: false,
            frozen: false,
            changed: Moment(0),
            waiting: vec![],
            store: 0,
            access: Access::Open,
            lossy: false,
            stale: false,
            tears: false,
            held: false,
            volume: Volume::default(),
            etcd: None,
            etcd_changed: Moment(0),
            exit: None,
            process: None,
            refused: None,
        }
    }

    /// Whether its processes run.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.up && !self.frozen
    }

    /// Whether its process restores.
    #[must_use]
    pub fn restores(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.world.restored_bytes.is_some())
    }

    /// The raft id that its etcd speaks under, while it runs.
    #[must_use]
    pub fn speaks(&self) -> Option<MemberId> {
        self.etcd.as_ref().filter(|_| self.runs())?;
        self.volume.data.as_ref().map(|disk| disk.member)
    }

    /// Where it stands, in a few lines.
    #[must_use]
    pub fn describe(&self, h: usize) -> String {
        let disk = self.volume.data.as_ref().map(|disk| {
            let seat = |(id, seat): (&MemberId, &raft::Seat)| format!("{id}{}", if seat.voter { "" } else { "?" });
            let members: Vec<String> = disk.applied.seats.iter().map(seat).collect();
            let (term, log) = (disk.term, disk.log.len());
            format!("member {} of {} term {term} log {log} of [{}]", disk.member, disk.cluster, members.join(" "))
        });
        let running = self.etcd.as_ref().map(|etcd| {
            let server = &etcd.server;
            format!("{:?} leads {} leader {:?} quiet {}", etcd.gate, server.leads, server.leader, server.quiet)
        });
        let world = self.process.as_ref().map(|process| {
            let world = &process.world;
            let line = |(id, peer): (&NodeId, &e2d_core::observe::Peer)| {
                let known = |word: &e2d_core::word::Word| word.known.map(|known| (known.epoch, known.seq));
                let told = peer.word.as_ref().map(|word| (word.phase, word.has_data, known(word)));
                format!("{id} {} {told:?}", if peer.alive { "alive" } else { "dead" })
            };
            let others: Vec<String> = world.peers.iter().map(line).collect();
            let (phase, start) = (world.state.phase, world.state.start);
            let (leads, serves) = (world.leads(), world.serves());
            format!("leads {leads} serves {serves} {phase:?} start {start} peers [{}]", others.join("; "))
        });
        format!(
            "host{h} node {:?} disk {disk:?}\n  etcd {running:?}\n  world {world:?} refused {:?}",
            self.volume.node(),
            self.refused
        )
    }
}
