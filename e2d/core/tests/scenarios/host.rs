//! One machine: its disk, its etcd, and the world of its e2d while that runs.

use crate::store::Access;
use e2d_core::id::{BootId, ClusterId, MemberId};
use e2d_core::memory::{Identity, Recall, State};
use e2d_core::observe::{DataDir, DiskData, Gate, Me, Policy, World};
use e2d_core::time::Moment;
use e2d_core::word::Word;
use std::net::SocketAddr;

/// What a disk keeps. Data is its cluster, its member and its raft index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) identity: Option<Identity>,
    pub(crate) state: State,
    pub(crate) recall: Recall,
    pub(crate) data: Option<(ClusterId, MemberId, u64)>,
    pub(crate) damaged: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) n: usize,
    pub(crate) disk: Disk,
    pub(crate) kept: Option<Disk>,
    pub(crate) readable: bool,
    pub(crate) world: Option<World>,
    pub(crate) etcd: Option<Gate>,
    pub(crate) word: Option<Word>,
    pub(crate) access: Access,
    /// Which of the stores it was given.
    pub(crate) store: usize,
    pub(crate) gossip_cut: bool,
    pub(crate) peer_port_cut: bool,
    /// How many entries its etcd lacks.
    pub(crate) behind: u64,
    pub(crate) quarantined: usize,
    pub(crate) boots: u64,
    /// Counts the random numbers that it was given.
    pub(crate) draws: u8,
}

impl Host {
    pub(crate) fn new(n: usize) -> Self {
        Self {
            n,
            disk: Disk::default(),
            kept: None,
            readable: true,
            world: None,
            etcd: None,
            word: None,
            access: Access::Open,
            store: 0,
            gossip_cut: false,
            peer_port_cut: false,
            behind: 0,
            quarantined: 0,
            boots: 0,
            draws: 0,
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, u8::try_from(self.n).unwrap()], 7980))
    }

    pub(crate) fn peer_url(&self) -> String {
        format!("https://10.0.0.{}:2380", self.n)
    }

    /// e2d starts, with what its disk remembers.
    pub(crate) fn boot(&mut self, now: Moment, policy: &Policy) {
        self.boots += 1;
        let me = Me {
            label: format!("host{}", self.n),
            boot: BootId(100 * self.n as u64 + self.boots),
            peer_url: self.peer_url(),
            client_url: self.peer_url().replace("2380", "2379"),
            machine: format!("machine{}", self.n),
            mounted: true,
            ..Me::default()
        };
        let Disk { identity, state, recall, .. } = self.disk.clone();
        self.world = Some(World::new(now, policy.clone(), me, identity, state, recall));
        self.word = None;
    }

    /// Power fails: the disk stays.
    pub(crate) fn power_off(&mut self) {
        (self.world, self.etcd, self.word) = (None, None, None);
    }

    /// What an inspection of the data directory shows.
    pub(crate) fn inspect(&self) -> DataDir {
        match self.disk.data {
            _ if !self.readable => DataDir::Unseen("/var/lib/etcd/member/wal: input/output error".to_owned()),
            None => DataDir::Empty,
            Some(_) if self.disk.damaged => {
                DataDir::Unreadable("0000000000000001.wal: a record's checksum is wrong".to_owned())
            }
            Some((cluster, member, index)) => DataDir::Member(DiskData { cluster, member, term: 2, index }),
        }
    }

    /// Numbers that nobody has used yet, and that are easy to read: the machine, then a count.
    pub(crate) fn entropy(&self) -> [u8; 32] {
        let mut entropy = [0; 32];
        let n = u8::try_from(self.n).unwrap();
        (entropy[14], entropy[15], entropy[30], entropy[31]) = (n, self.draws, n, self.draws);
        entropy
    }

    /// Whether gossip of this machine reaches others.
    pub(crate) fn speaks(&self) -> bool {
        self.world.is_some() && !self.gossip_cut
    }
}
