//! A model of etcd: what its members keep on their disks, and what they may do with it.
//!
//! It is raft at a coarse grain. Logs, terms and votes are per disk and durable; a leader appends,
//! reaches whom the network lets it reach, and commits what a majority holds; an election is won by a
//! candidate whose log is as new as those of a majority that it reaches. Nothing here knows what is
//! "right": an amnesiac voter, a disk set back, or two clusters with one id do the damage here that
//! they do in etcd. Left out: reordering inside one exchange, snapshots (a lagging log is sent whole,
//! in portions), read leases, and etcd's refusal of reconfigurations that would lose a quorum, so that
//! our own veto stands alone.

use e2d_core::id::{ClusterId, MemberId, Nonce, Revision};
use std::collections::{BTreeMap, BTreeSet};

/// How many entries a follower takes in one heartbeat.
const PORTION: usize = 100;

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

impl Op {
    /// Whether it changes the membership.
    #[must_use]
    pub fn is_change(&self) -> bool {
        matches!(self, Self::AddLearner(..) | Self::AddVoter(..) | Self::Promote(_) | Self::Remove(_))
    }
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

    /// Whether a member has a vote.
    #[must_use]
    pub fn votes(&self, id: MemberId) -> bool {
        self.seats.get(&id).is_some_and(|seat| seat.voter)
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
    /// The claim that it was made for; 0 when it is older than any. A truth, too.
    pub claim: Nonce,
    /// What members compare before they talk to one another: the cluster's id, unless a bug makes it
    /// equal for all.
    pub wire: ClusterId,
    /// Whether it was written for a learner, which takes the leader's beginning over. A founder never
    /// does.
    pub joins: bool,
}

impl Disk {
    /// The data of a founder, or, without seats, of an invited learner, before its first start.
    #[must_use]
    pub fn new(cluster: ClusterId, member: MemberId, seats: BTreeMap<MemberId, Seat>, keys: Keys, serial: u64) -> Self {
        let joins = seats.is_empty();
        let base = Applied { seats, removed: BTreeSet::new(), keys, index: 0 };
        Self {
            cluster,
            member,
            term: 1,
            vote: None,
            log: vec![],
            applied: base.clone(),
            base,
            serial,
            claim: Nonce(0),
            wire: cluster,
            joins,
        }
    }

    /// The last entry's term and the log's length: how elections compare.
    #[must_use]
    pub fn last(&self) -> (u64, usize) {
        (self.log.last().map_or(1, |entry| entry.term), self.log.len())
    }

    /// Whether a write is in the keyspace, or on its way into it.
    #[must_use]
    pub fn holds(&self, write: Write) -> bool {
        let waiting = &self.log[self.applied.index.min(self.log.len())..];
        self.applied.keys.writes.contains(&write) || waiting.iter().any(|entry| entry.op == Op::Put(write))
    }

    /// Changes of the membership that are in the log and not committed.
    pub fn pending_changes(&self) -> impl Iterator<Item = &Op> {
        self.log[self.applied.index.min(self.log.len())..].iter().map(|entry| &entry.op).filter(|op| op.is_change())
    }

    fn advance(&mut self, commit: usize) {
        for entry in &self.log[self.applied.index.min(self.log.len())..commit.clamp(self.applied.index, self.log.len())]
        {
            self.applied.apply(&entry.op);
        }
    }

    /// Takes a portion of the leader's log over: what conflicts is cut off, even if this member had
    /// applied it.
    ///
    /// Where the two logs part is found from their ends, as raft does: equal terms at one place mean
    /// equal logs up to it.
    fn follow(&mut self, leader: &Self) {
        if self.joins && self.log.is_empty() && self.base != leader.base {
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
        self.log.extend_from_slice(&leader.log[same..leader.log.len().min(same + PORTION)]);
        (self.term, self.vote) = (leader.term, Some(leader.member));
        self.advance(leader.applied.index);
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

    /// Whether it leads, and had a majority at its last heartbeat.
    #[must_use]
    pub fn has_quorum(&self) -> bool {
        self.leads && self.quiet == 0
    }
}

/// Why etcd refuses a change of its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A voter is not connected.
    Unhealthy,
    /// A member has this peer URL.
    UrlTaken,
    /// There is a learner already.
    TooManyLearners,
    /// The learner has not caught up, or is none.
    NotReady,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unhealthy => "unhealthy cluster",
            Self::UrlTaken => "peer URL already exists",
            Self::TooManyLearners => "too many learners",
            Self::NotReady => "learner not ready",
        })
    }
}

/// For how many ticks a member may be silent and still count as connected.
const CONNECTED: u64 = 20;

/// etcd's own checks of an addition by the leader: everybody connected, no URL twice, one learner.
///
/// # Errors
/// Why it refuses.
pub fn may_add(tick: u64, disk: &Disk, server: &Server, peer_url: &str) -> Result<(), Refusal> {
    let connected = |id: &MemberId| {
        let heard = server.heard.get(id);
        *id == disk.member || heard.is_some_and(|heard| tick.saturating_sub(*heard) < CONNECTED)
    };
    let seats = &disk.applied.seats;
    if !seats.iter().filter(|(_, seat)| seat.voter).all(|(id, _)| connected(id)) {
        return Err(Refusal::Unhealthy);
    }
    if seats.values().any(|seat| seat.peer_url == peer_url) {
        return Err(Refusal::UrlTaken);
    }
    if seats.values().any(|seat| !seat.voter) { Err(Refusal::TooManyLearners) } else { Ok(()) }
}

/// etcd's own check of a promotion by the leader: a learner that has nine tenths of its log.
///
/// # Errors
/// Why it refuses.
pub fn may_promote(disk: &Disk, server: &Server, member: MemberId) -> Result<(), Refusal> {
    let matched = server.matched.get(&member).copied().unwrap_or(0);
    if disk.applied.votes(member) || matched * 10 < disk.log.len() * 9 { Err(Refusal::NotReady) } else { Ok(()) }
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
    hear(tick, pairs, &both);
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
        if disk.applied.votes(disk.member) && server.quiet > server.patience {
            server.quiet = 0;
            server.patience = patience();
            server.leader = None;
            elect(pairs, candidate, &both);
        }
    }
}

/// Members tell each other that they live, by connections that need both directions; one that was
/// removed learns it from any that knows.
fn hear(tick: u64, pairs: &mut [Pair<'_>], both: &dyn Fn(usize, usize) -> bool) {
    for to in 0..pairs.len() {
        let own = pairs[to].0.member;
        let mut removed = pairs[to].0.applied.removed.contains(&own);
        for from in (0..pairs.len()).filter(|from| *from != to && both(*from, to)) {
            let id = pairs[from].0.member;
            removed |= pairs[from].0.applied.removed.contains(&own);
            // A follower hears its leader, and nobody else.
            let talks = pairs[to].1.leads || pairs[from].1.leads;
            if talks && pairs[to].0.applied.seats.contains_key(&id) {
                pairs[to].1.heard.insert(id, tick);
            }
        }
        pairs[to].1.removed |= removed;
    }
}

fn lead(pairs: &mut [Pair<'_>], leader: usize, both: &dyn Fn(usize, usize) -> bool) {
    let (id, term) = (pairs[leader].0.member, pairs[leader].0.term);
    let seated = |other: usize| pairs[leader].0.applied.seats.contains_key(&pairs[other].0.member);
    let reached: Vec<usize> =
        (0..pairs.len()).filter(|&other| other != leader && both(leader, other) && seated(other)).collect();
    if let Some(&newer) = reached.iter().find(|&&other| pairs[other].0.term > term) {
        let newest = pairs[newer].0.term;
        (pairs[leader].0.term, pairs[leader].0.vote) = (newest, None);
        (pairs[leader].1.leads, pairs[leader].1.leader) = (false, None);
        return;
    }
    let mut matched = BTreeMap::from([(id, pairs[leader].0.log.len())]);
    for &other in &reached {
        let [(source, _), (disk, server)] = two(pairs, leader, other);
        if server.removed {
            continue;
        }
        disk.follow(source);
        (server.leads, server.leader, server.quiet) = (false, Some(id), 0);
        matched.insert(disk.member, disk.log.len());
    }
    let (disk, server) = &mut pairs[leader];
    let voters = disk.applied.voters();
    let mut held: Vec<usize> = voters.iter().filter_map(|voter| matched.get(voter).copied()).collect();
    held.sort_unstable_by(|a, b| b.cmp(a));
    server.matched = matched;
    if let Some(&commit) = held.get(voters.len() / 2) {
        server.quiet = 0;
        server.leader = Some(id);
        // A leader commits what its own term appended, and with it all before (raft, 5.4.2).
        if commit > 0 && disk.log[commit - 1].term == term {
            disk.advance(commit);
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
