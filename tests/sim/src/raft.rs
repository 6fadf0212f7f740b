//! A model of etcd: what its members keep on their disks, and what they may do with it.
//!
//! It is raft at a coarse grain. Logs, terms and votes are per disk and durable; a leader appends,
//! reaches whom the network lets it reach, and commits with a majority; an election is won by a
//! candidate whose log is as new as those of a majority that it reaches. Nothing here knows what is
//! "right": an amnesiac voter, a disk set back, or two clusters with one id do the damage here that
//! they do in etcd. Left out: message reordering inside one exchange, snapshots (a lagging log is
//! sent whole), and read leases.

use e2d_core::id::{ClusterId, MemberId, NodeId, Revision};
use std::collections::{BTreeMap, BTreeSet};

/// One client write, unlike any other.
pub type Write = u64;

/// What a log entry does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A new leader's first entry.
    Lead,
    /// A client's write.
    Put(Write),
    /// The marker after a restore.
    Mark,
    /// A new member without a vote.
    AddLearner(MemberId, String),
    /// A new member with a vote: what a supervisor must not do.
    AddVoter(MemberId, String),
    /// A learner gets its vote.
    Promote(MemberId),
    /// A member leaves for good.
    Remove(MemberId),
    /// A member publishes its name, which it does when it first runs.
    Publish(MemberId, String),
}

/// One entry of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The term of the leader that appended it.
    pub term: u64,
    /// What it does.
    pub op: Op,
}

/// A member of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Its published name; empty until it ran.
    pub name: String,
    /// Its peer URL.
    pub peer_url: String,
    /// Whether it has a vote.
    pub voter: bool,
}

/// What a keyspace holds: enough to tell whether something was lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// The writes in it.
    pub writes: BTreeSet<Write>,
    /// Its revision.
    pub revision: Revision,
    /// Whether the restore's marker is there.
    pub marked: bool,
}

/// The configuration and keyspace after some prefix of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The members, by id.
    pub seats: BTreeMap<MemberId, Seat>,
    /// Members that were removed; they can never return.
    pub removed: BTreeSet<MemberId>,
    /// The keyspace.
    pub keys: Keys,
    /// How many entries were applied.
    pub index: usize,
}

impl Applied {
    /// The ids of the voters.
    #[must_use]
    pub fn voters(&self) -> Vec<MemberId> {
        self.seats.iter().filter(|(_, seat)| seat.voter).map(|(id, _)| *id).collect()
    }

    fn apply(&mut self, op: &Op) {
        self.index += 1;
        match op {
            Op::Lead => {}
            Op::Put(write) => {
                self.keys.writes.insert(*write);
                self.keys.revision.0 += 1;
            }
            Op::Mark => {
                if !self.keys.marked {
                    self.keys.revision.0 += 1;
                }
                self.keys.marked = true;
            }
            Op::AddLearner(id, url) | Op::AddVoter(id, url) => {
                let voter = matches!(op, Op::AddVoter(..));
                self.seats.entry(*id).or_insert(Seat { name: String::new(), peer_url: url.clone(), voter });
            }
            Op::Promote(id) => {
                if let Some(seat) = self.seats.get_mut(id) {
                    seat.voter = true;
                }
            }
            Op::Remove(id) => {
                self.seats.remove(id);
                self.removed.insert(*id);
            }
            Op::Publish(id, name) => {
                if let Some(seat) = self.seats.get_mut(id) {
                    seat.name.clone_from(name);
                }
            }
        }
    }
}

/// The data of one member, as its disk keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its id.
    pub member: MemberId,
    /// Its current term.
    pub term: u64,
    /// Whom it voted for in that term.
    pub vote: Option<MemberId>,
    /// Its log.
    pub log: Vec<Entry>,
    /// How much of the log is known to be committed, and applied.
    pub applied: Applied,
    /// The keyspace and members that the log begins with, as a restore or a bootstrap wrote them.
    pub base: Applied,
    /// Which making of this data it is: a truth that no node sees.
    pub serial: u64,
}

impl Disk {
    /// The data of a founder or of an invited learner, before its first start.
    #[must_use]
    pub fn new(cluster: ClusterId, member: MemberId, seats: BTreeMap<MemberId, Seat>, keys: Keys, serial: u64) -> Self {
        let base = Applied { seats, removed: BTreeSet::new(), keys, index: 0 };
        Self { cluster, member, term: 1, vote: None, log: vec![], applied: base.clone(), base, serial }
    }

    /// The last entry's term and the log's length: how elections compare.
    #[must_use]
    pub fn last(&self) -> (u64, usize) {
        (self.log.last().map_or(1, |entry| entry.term), self.log.len())
    }

    fn advance(&mut self, commit: usize) {
        while self.applied.index < commit.min(self.log.len()) {
            let op = self.log[self.applied.index].op.clone();
            self.applied.apply(&op);
        }
    }

    /// Takes the leader's log over: what conflicts is cut off, even if this member had applied it.
    ///
    /// Where the two logs part is found from their ends, as raft does: equal terms at one place mean
    /// equal logs up to it.
    fn follow(&mut self, leader: &Self, commit: usize) {
        if self.log.is_empty() && self.applied.index == 0 && self.base != leader.base {
            (self.base, self.applied) = (leader.base.clone(), leader.base.clone());
        }
        let mut same = self.log.len().min(leader.log.len());
        while same > 0 && self.log[same - 1].term != leader.log[same - 1].term {
            same -= 1;
        }
        if same < self.applied.index {
            self.applied = self.base.clone();
        }
        self.log.truncate(same);
        self.log.extend_from_slice(&leader.log[same..]);
        (self.term, self.vote) = (leader.term, Some(leader.member));
        self.advance(commit);
    }
}

/// A running etcd.
#[derive(Clone, Debug)]
pub struct Server {
    /// The name it was started with.
    pub name: String,
    /// Whether it holds itself for the leader.
    pub leads: bool,
    /// The leader it follows.
    pub leader: Option<MemberId>,
    /// Ticks since it last heard from a leader, or, as leader, from a majority.
    pub quiet: u32,
    /// How many such ticks make it seek an election.
    pub patience: u32,
    /// Whether it found itself removed.
    pub removed: bool,
    /// When each other member was last heard, in ticks of this cluster model.
    pub heard: BTreeMap<MemberId, u64>,
    /// How far each member's log was known to match, as leader.
    pub matched: BTreeMap<MemberId, usize>,
}

impl Server {
    /// A server that has just started.
    #[must_use]
    pub fn new(name: String, patience: u32) -> Self {
        Self {
            name,
            leads: false,
            leader: None,
            quiet: 0,
            patience,
            removed: false,
            heard: BTreeMap::new(),
            matched: BTreeMap::new(),
        }
    }
}

/// One running member, for a step of the model: its disk and its server.
pub type Pair<'a> = (&'a mut Disk, &'a mut Server);

/// Lets one heartbeat pass among the members of one cluster id that run now.
///
/// `reaches(a, b)`: whether packets of the machine of `a` come to that of `b`; an exchange needs both
/// directions. Members are named by their place in `pairs`.
pub fn step(
    tick: u64,
    pairs: &mut [Pair<'_>],
    reaches: &dyn Fn(usize, usize) -> bool,
    patience: &mut dyn FnMut() -> u32,
) {
    let both = |a: usize, b: usize| a == b || (reaches(a, b) && reaches(b, a));
    hear(tick, pairs, reaches);
    for leader in 0..pairs.len() {
        if pairs[leader].1.leads && !pairs[leader].1.removed {
            lead(pairs, leader, &both);
        }
    }
    for candidate in 0..pairs.len() {
        let (disk, server) = &mut pairs[candidate];
        if server.leads || server.removed {
            continue;
        }
        server.quiet += 1;
        let votes = disk.applied.seats.get(&disk.member).is_some_and(|seat| seat.voter);
        if votes && server.quiet > server.patience {
            server.quiet = 0;
            server.patience = patience();
            server.leader = None;
            elect(pairs, candidate, &both);
        }
    }
}

/// Members tell each other that they live; one that was removed learns it from any that knows.
fn hear(tick: u64, pairs: &mut [Pair<'_>], reaches: &dyn Fn(usize, usize) -> bool) {
    let ids: Vec<MemberId> = pairs.iter().map(|(disk, _)| disk.member).collect();
    let removed: Vec<BTreeSet<MemberId>> = pairs.iter().map(|(disk, _)| disk.applied.removed.clone()).collect();
    for (to, (disk, server)) in pairs.iter_mut().enumerate() {
        for (from, id) in ids.iter().enumerate() {
            if from != to && reaches(from, to) && disk.applied.seats.contains_key(id) {
                server.heard.insert(*id, tick);
            }
            let told = from != to && reaches(from, to) && reaches(to, from) && removed[from].contains(&disk.member);
            server.removed |= told || disk.applied.removed.contains(&disk.member);
        }
    }
}

fn lead(pairs: &mut [Pair<'_>], leader: usize, both: &dyn Fn(usize, usize) -> bool) {
    let (id, term) = (pairs[leader].0.member, pairs[leader].0.term);
    let seats = pairs[leader].0.applied.seats.clone();
    let reached: Vec<usize> = (0..pairs.len())
        .filter(|&other| other != leader && both(leader, other) && seats.contains_key(&pairs[other].0.member))
        .collect();
    if let Some(&newer) = reached.iter().find(|&&other| pairs[other].0.term > term) {
        let newest = pairs[newer].0.term;
        (pairs[leader].0.term, pairs[leader].0.vote) = (newest, None);
        (pairs[leader].1.leads, pairs[leader].1.leader) = (false, None);
        return;
    }
    let length = pairs[leader].0.log.len();
    let mut matched: BTreeMap<MemberId, usize> = BTreeMap::from([(id, length)]);
    for &other in &reached {
        let [(source, _), (disk, server)] = two(pairs, leader, other);
        if server.removed {
            continue;
        }
        disk.follow(source, source.applied.index);
        (server.leads, server.leader, server.quiet) = (false, Some(id), 0);
        matched.insert(disk.member, disk.log.len());
    }
    let voters: Vec<MemberId> = seats.iter().filter(|(_, seat)| seat.voter).map(|(id, _)| *id).collect();
    let acks = voters.iter().filter(|voter| matched.contains_key(voter)).count();
    let majority = voters.len() / 2 + 1;
    let (disk, server) = &mut pairs[leader];
    server.matched = matched;
    if acks >= majority {
        server.quiet = 0;
        server.leader = Some(id);
        if disk.log.last().is_some_and(|entry| entry.term == term) {
            disk.advance(length);
        }
        if disk.applied.removed.contains(&id) {
            (server.leads, server.removed) = (false, true);
        }
    } else {
        server.quiet += 1;
        if server.quiet > server.patience {
            (server.leads, server.leader) = (false, None);
        }
    }
}

/// Two different members at once.
fn two<'p, 'a>(pairs: &'p mut [Pair<'a>], first: usize, second: usize) -> [&'p mut Pair<'a>; 2] {
    let (low, high) = pairs.split_at_mut(first.max(second));
    let (low, high) = (&mut low[first.min(second)], &mut high[0]);
    if first < second { [low, high] } else { [high, low] }
}

fn elect(pairs: &mut [Pair<'_>], candidate: usize, both: &dyn Fn(usize, usize) -> bool) {
    let (id, last) = (pairs[candidate].0.member, pairs[candidate].0.last());
    let voters = pairs[candidate].0.applied.voters();
    let grants = |other: usize| {
        let (disk, server) = &pairs[other];
        let is_voter = voters.contains(&disk.member);
        // Pre-vote: nobody who hears a leader helps to replace it.
        let content = server.leader.is_some() && server.quiet <= server.patience && other != candidate;
        is_voter && both(candidate, other) && !content && !server.removed && disk.last() <= last
    };
    let granted: Vec<usize> = (0..pairs.len()).filter(|&other| grants(other)).collect();
    let terms = granted.iter().map(|&other| pairs[other].0.term).max().unwrap_or(0);
    if granted.len() < voters.len() / 2 + 1 {
        return;
    }
    for &other in &granted {
        let (disk, server) = &mut pairs[other];
        (disk.term, disk.vote) = (terms + 1, Some(id));
        (server.leads, server.leader, server.quiet) = (false, None, 0);
    }
    let (disk, server) = &mut pairs[candidate];
    (server.leads, server.leader) = (true, Some(id));
    disk.log.push(Entry { term: terms + 1, op: Op::Lead });
}

/// The disk behind a member's name, as `e2d-core` reads it.
#[must_use]
pub fn node_of(name: &str) -> Option<NodeId> {
    name.rsplit_once('-').and_then(|(_, id)| id.parse().ok())
}
