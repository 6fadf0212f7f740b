//! The script language: one line is one thing that happens, and what it leads to is written below it.
//!
//! | verb | what happens |
//! |---|---|
//! | `size N`, `store shared\|private\|none` | what is configured; first of all |
//! | `boot N…` | machines get power, with the disks that they have |
//! | `kill N…` | machines lose power |
//! | `wipe N…` | machines lose power and their disks; `boot` starts them on new ones |
//! | `deny N…`, `away N…`, `open N…` | the store refuses them, does not answer them, serves them |
//! | `forget-lineage` | somebody deletes the lineage object |
//! | `cut-gossip N…`, `cut-peers N…`, `heal N…` | their gossip, or their etcd's peer port, is cut off; all is whole again |
//! | `keep N`, `set-back N` | a copy of the disk is made; the machine comes back with it |
//! | `copy N to M` | machine M gets a copy of N's disk |
//! | `damage N`, `hide N`, `show N` | etcd's data is damaged; the data directory cannot be read, or can be again |
//! | `plain-etcd N…` | the disks hold a cluster of plain etcd, which no e2d has run on |
//! | `write N` | the cluster takes N writes |
//! | `lag N M` | etcd on machine N lacks M entries |
//! | `hold TEXT`, `release` | an operator forbids all changes, or allows them again |
//! | `advance Ns` | time passes and nobody plans: what is well is seen to be well |
//! | `run Ns` | everybody plans four times a second, and does it; each act is written down |
//! | `plan N…` | what a node would do now, and why |
//! | `status` | how everything stands |

use crate::etcd::{self, Cluster, Clusters};
use crate::host::{Disk, Host};
use crate::store::{Access, Store};
use e2d_core::action::Action;
use e2d_core::id::{ArchiveId, ClusterId, Digest, LineageId, MemberId, Revision};
use e2d_core::interview::{self, Question};
use e2d_core::observe::{ArchiveSeen, ExitCause, Hold, Member, Policy, Process, Seen, World};
use e2d_core::plan::{self, Verdict};
use e2d_core::time::Moment;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

const TICK: Duration = Duration::from_millis(250);
const BEGINNING: Moment = Moment(1_000_000_000);

/// A story under way.
pub(crate) struct Story {
    now: Moment,
    policy: Policy,
    stores: Vec<Store>,
    hosts: BTreeMap<usize, Host>,
    clusters: Clusters,
    hold: Option<String>,
    private: bool,
    told: String,
}

impl Story {
    /// Tells a script, with all that it leads to.
    pub(crate) fn tell(script: &str) -> String {
        let policy = Policy { size: 3, archive_interval: Duration::from_hours(1), ..Policy::default() };
        let mut story = Self {
            now: BEGINNING,
            policy,
            stores: vec![Store::default()],
            hosts: BTreeMap::new(),
            clusters: Clusters::new(),
            hold: None,
            private: false,
            told: String::new(),
        };
        for line in script.lines() {
            if line.is_empty() || line.starts_with('#') {
                story.say(line);
                continue;
            }
            story.say(&format!("> {line}"));
            let words: Vec<&str> = line.split_whitespace().collect();
            story.step(&words);
        }
        story.told
    }

    fn say(&mut self, line: &str) {
        writeln!(self.told, "{}", line.trim_end()).unwrap();
    }

    /// A line with the time of the story.
    fn note(&mut self, line: &str) {
        let elapsed = self.now.since(BEGINNING);
        let (minutes, seconds) = (elapsed.as_secs() / 60, elapsed.as_secs_f64() % 60.0);
        self.say(&format!("  {minutes:02}:{seconds:05.2} {line}"));
    }

    fn step(&mut self, words: &[&str]) {
        let numbers: Vec<usize> = words.iter().filter_map(|word| word.trim_end_matches('s').parse().ok()).collect();
        match (words[0], numbers.as_slice()) {
            ("size", [n]) => self.policy.size = *n,
            ("store", []) => {
                self.policy.has_store = words[1] != "none";
                self.private = words[1] == "private";
            }
            ("forget-lineage", []) => self.stores[0].lineage = None,
            ("write", [n]) => {
                for cluster in self.clusters.values_mut().filter(|cluster| cluster.leader.is_some()) {
                    cluster.index += *n as u64;
                    cluster.revision.0 += i64::try_from(*n).unwrap();
                }
            }
            ("hold", _) => self.hold = Some(words[1..].join(" ")),
            ("release", []) => self.hold = None,
            ("advance", [seconds]) => {
                self.see_all();
                self.now = self.now + Duration::from_secs(*seconds as u64);
            }
            ("run", [seconds]) => {
                let end = self.now + Duration::from_secs(*seconds as u64);
                while self.now < end {
                    self.now = self.now + TICK;
                    self.see_all();
                    let hosts: Vec<usize> = self.hosts.keys().copied().collect();
                    for n in hosts {
                        self.act(n);
                    }
                }
            }
            ("plan", hosts) => {
                self.see_all();
                for n in hosts {
                    self.plan(*n);
                }
            }
            ("status", []) => self.status(),
            ("copy", [from, to]) => {
                let disk = self.hosts[from].disk.clone();
                self.host(*to).disk = disk;
            }
            ("lag", [n, behind]) => self.host(*n).behind = *behind as u64,
            ("plain-etcd", hosts) => self.plain_etcd(hosts),
            (verb, hosts) => hosts.iter().for_each(|n| self.happen(verb, *n)),
        }
        self.see_all();
    }

    fn host(&mut self, n: usize) -> &mut Host {
        let store = if self.private { n } else { 0 };
        while self.stores.len() <= store {
            self.stores.push(Store::default());
        }
        let host = self.hosts.entry(n).or_insert_with(|| Host::new(n));
        host.store = store;
        host
    }

    /// Something happens to one machine.
    fn happen(&mut self, verb: &str, n: usize) {
        let (now, policy) = (self.now, self.policy.clone());
        let host = self.host(n);
        match verb {
            "boot" => host.boot(now, &policy),
            "kill" => host.power_off(),
            "wipe" => {
                host.power_off();
                host.disk = Disk::default();
            }
            "deny" => host.access = Access::Denied,
            "away" => host.access = Access::Away,
            "open" => host.access = Access::Open,
            "cut-gossip" => host.gossip_cut = true,
            "cut-peers" => host.peer_port_cut = true,
            "heal" => (host.gossip_cut, host.peer_port_cut) = (false, false),
            "keep" => host.kept = Some(host.disk.clone()),
            "set-back" => {
                host.power_off();
                host.disk = host.kept.clone().unwrap();
                host.boot(now, &policy);
            }
            "damage" => {
                host.disk.damaged = true;
                host.etcd = None;
                if let Some(world) = &mut host.world {
                    let cause = ExitCause::Corrupt("walpb: crc mismatch".to_owned());
                    world.exited(Process::Exited { cause, at: now });
                }
            }
            "hide" => host.readable = false,
            "show" => host.readable = true,
            _ => panic!("{verb} is no verb"),
        }
    }

    /// Disks that plain etcd has run on.
    fn plain_etcd(&mut self, hosts: &[usize]) {
        let id = ClusterId(0xc1d0_e7cd);
        let mut members = Vec::new();
        for &n in hosts {
            let member = MemberId(0xe7cd_0000 + n as u64);
            let host = self.host(n);
            host.disk.data = Some((id, member, 500));
            members.push(Member { id: member, name: format!("etcd{n}"), peer_url: host.peer_url(), learner: false });
        }
        self.clusters.insert(id, Cluster { members, index: 500, revision: Revision(400), marked: false, leader: None });
    }

    // ---- observing ----

    /// Everybody sees what there is to see now.
    fn see_all(&mut self) {
        etcd::elect(&mut self.clusters, &self.hosts);
        let everybody = self.hosts.clone();
        let (now, stores, hold) = (self.now, &self.stores, &self.hold);
        for host in self.hosts.values_mut() {
            let data = host.inspect();
            let Some(world) = &mut host.world else { continue };
            world.now = now;
            let remaining = Duration::from_mins(30);
            world.hold = hold.clone().map(|reason| Hold { reason, remaining });
            world.see_data(data);
            if world.policy.has_store {
                world.see_store(stores[host.store].look(host.access));
            }
            see_peers(world, host.n, !host.gossip_cut, &everybody);
            remove_if_removed(&self.clusters, host);
            etcd::observe(&self.clusters, &everybody, host);
            if let (Some((id, _, index)), Some(_)) = (&mut host.disk.data, host.etcd) {
                *index = self.clusters.get(id).map_or(*index, |cluster| cluster.index.saturating_sub(host.behind));
            }
        }
        self.answer();
    }

    /// Whoever is asked about a disk, and can be reached, answers.
    fn answer(&mut self) {
        let hosts: Vec<usize> = self.hosts.keys().copied().collect();
        for n in &hosts {
            let Some(asker) = self.hosts[n].world.as_ref().filter(|_| self.hosts[n].speaks()) else { continue };
            let (Some(interview), Some(place), Some(node)) = (&asker.interview, asker.state.place, asker.node()) else {
                continue;
            };
            let question = Question { node, boot: asker.me.boot, place, start: interview.start };
            for other in hosts.iter().filter(|other| *other != n) {
                let host = self.hosts.get_mut(other).unwrap();
                let speaks = host.speaks();
                let Some(world) = host.world.as_mut().filter(|_| speaks) else { continue };
                let (testimony, recall) = interview::testify(world, &question);
                world.recall = recall;
                let witness = world.node();
                let asker = self.hosts.get_mut(n).and_then(|host| host.world.as_mut());
                if let (Some(witness), Some(asker)) = (witness, asker) {
                    asker.hear_testimony(witness, testimony);
                }
            }
        }
    }

    // ---- planning and acting ----

    fn plan(&mut self, n: usize) {
        let Some(world) = &self.hosts[&n].world else { return self.say(&format!("  node {n} is off")) };
        for line in plan::plan(world).report.to_string().lines() {
            self.say(&format!("  node {n}: {line}"));
        }
    }

    fn act(&mut self, n: usize) {
        let host = self.hosts.get_mut(&n).unwrap();
        let entropy = host.entropy();
        let Some(world) = &mut host.world else { return };
        world.entropy = entropy;
        let plan = plan::plan(world);
        let actions: Vec<Action> = plan.acts().map(|(_, action)| action.clone()).collect();
        host.word = world.node().map(|_| plan.word);
        let acts: Vec<String> = plan
            .report
            .lines
            .iter()
            .filter(|line| matches!(line.verdict, Verdict::Act(_)))
            .map(ToString::to_string)
            .collect();
        for (action, text) in actions.into_iter().zip(acts) {
            // What a node notes of the others' progress is no news.
            let routine = matches!(&action, Action::Recall(recall) if recall.lineage == self.hosts[&n].world.as_ref().unwrap().recall.lineage);
            if !routine {
                self.note(&format!("node {n}: {text}"));
            }
            self.carry_out(n, &action);
        }
    }

    fn carry_out(&mut self, n: usize, action: &Action) {
        let now = self.now;
        let done = self.change(n, action);
        let host = self.hosts.get_mut(&n).unwrap();
        let Some(world) = &mut host.world else { return };
        match action {
            Action::Identify(identity) => world.identified(identity.clone()),
            Action::Remember(state) => world.remembered((**state).clone()),
            Action::Recall(recall) => world.recalled((**recall).clone()),
            Action::Interview { start } => world.interviewing(*start),
            Action::Start(launch) => world.started(Process::Running { gate: launch.gate, since: now }),
            Action::Stop { .. } => world.exited(Process::Exited { cause: ExitCause::Stopped, at: now }),
            _ => {}
        }
        match done {
            Ok(()) => world.succeeded(action.kind()),
            Err(why) => world.failed(action.kind(), why),
        }
        if let Action::WriteLineage { .. } | Action::Identify(_) = action {
            host.draws += 1;
        }
        let world = host.world.as_ref().unwrap();
        (host.disk.identity, host.disk.state, host.disk.recall) =
            (world.identity.clone(), world.state.clone(), world.recall.clone());
        if let Action::Refuse { .. } = action {
            host.power_off();
        }
        self.see_all();
    }

    /// What an act does outside the node's own memory.
    fn change(&mut self, n: usize, action: &Action) -> Result<(), String> {
        let now = self.now;
        let host = self.hosts.get_mut(&n).unwrap();
        let own = host.disk.data;
        let cluster = own.and_then(|(id, ..)| self.clusters.get_mut(&id));
        match action {
            Action::WriteLineage { replaces, lineage } => {
                return self.stores[host.store].swap(host.access, replaces.as_ref(), lineage);
            }
            Action::Restore { source, launch } => {
                let revision = Revision(source.revision.0 + i64::try_from(source.bump).unwrap());
                host.disk.data = Some((launch.place.cluster, launch.place.member, 1));
                self.clusters.entry(launch.place.cluster).or_insert_with(|| etcd::found(launch, revision));
            }
            Action::Start(launch) => etcd::start(&mut self.clusters, host, launch),
            Action::Stop { .. } => host.etcd = None,
            Action::Quarantine(_) => {
                (host.disk.data, host.disk.damaged) = (None, false);
                host.quarantined += 1;
            }
            Action::MarkRestored { .. } => cluster.into_iter().for_each(|cluster| cluster.marked = true),
            Action::AddLearner { node, peer_url } => {
                let id = MemberId(0x1ea2_0000 + (node.0 & 0xffff));
                let (name, peer_url) = (String::new(), peer_url.clone());
                if let (Some(cluster), Some(world)) = (cluster, &mut host.world) {
                    cluster.members.push(Member { id, name, peer_url, learner: true });
                    world.sponsored.insert(id, (*node, now));
                }
            }
            Action::Promote { member: id } => {
                let members = cluster.into_iter().flat_map(|cluster| &mut cluster.members);
                members.filter(|member| member.id == *id).for_each(|member| member.learner = false);
            }
            Action::Remove(evidence) => {
                let id = evidence.subject().member;
                if let Some(cluster) = cluster {
                    cluster.members.retain(|member| member.id != id);
                }
            }
            Action::Archive => {
                if let (Some(world), Some(cluster)) = (&mut host.world, cluster) {
                    let seen = archive(world, cluster);
                    world.archived = Some(Seen { value: seen.revision, at: now });
                    self.stores[host.store].archives.push(seen);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn status(&mut self) {
        let mut lines = Vec::new();
        if self.policy.has_store && !self.private {
            let store = &self.stores[0];
            let object = store.lineage.as_ref().map_or("no lineage".to_owned(), |(lineage, _)| {
                format!(
                    "epoch {} is {}, seq {}, {} members",
                    lineage.epoch,
                    lineage.state,
                    lineage.seq,
                    lineage.members.len()
                )
            });
            lines.push(format!("store: {object}; {} archives", store.archives.len()));
        }
        for host in self.hosts.values() {
            let node =
                host.disk.identity.as_ref().map_or("no identity".to_owned(), |identity| identity.node.to_string());
            let etcd = host.etcd.map_or("etcd stopped".to_owned(), |gate| format!("etcd runs {gate}"));
            let power = if host.world.is_some() { "on" } else { "off" };
            let epoch = host.disk.state.place.map_or(String::new(), |place| format!(" of epoch {}", place.epoch));
            let phase = format!("{:?}", host.disk.state.phase).to_lowercase();
            let aside = if host.quarantined > 0 { format!(", {} set aside", host.quarantined) } else { String::new() };
            lines.push(format!("node {}: {power}, {node}, {phase}{epoch}, {etcd}{aside}", host.n));
        }
        for cluster in self.clusters.values().filter(|cluster| cluster.leader.is_some()) {
            let kind = |member: &Member| if member.learner { " (learner)" } else { "" };
            let members: Vec<String> =
                cluster.members.iter().map(|member| format!("{}{}", member.id, kind(member))).collect();
            lines.push(format!("etcd: {} at revision {}", members.join(", "), cluster.revision));
        }
        for line in lines {
            self.say(&format!("  {line}"));
        }
    }
}

/// Gossip, where it reaches: who is there, what each tells, and whose disk is told of twice.
fn see_peers(world: &mut World, own: usize, speaks: bool, everybody: &BTreeMap<usize, Host>) {
    let me = world.node();
    world.clone_at = None;
    for (n, host) in everybody.iter().filter(|(n, _)| **n != own) {
        let Some(identity) = &host.disk.identity else { continue };
        let (alive, node) = (speaks && host.speaks(), identity.node);
        if Some(node) == me {
            world.clone_at = alive.then(|| host.addr());
            continue;
        }
        let first = everybody.values().find(|other| other.disk.identity.as_ref().is_some_and(|id| id.node == node));
        if first.is_some_and(|first| first.n != *n) || (!alive && !world.peers.contains_key(&node)) {
            continue;
        }
        let boot =
            host.world.as_ref().map_or(world.peers.get(&node).map(|peer| peer.boot), |world| Some(world.me.boot));
        world.see_peer(node, boot.unwrap_or_default(), host.addr(), alive, alive.then_some(world.now));
        if let Some(word) = host.word.clone().filter(|_| alive) {
            world.hear_word(node, word);
        }
        if let Some(copy) = host.disk.recall.lineage.clone().filter(|_| alive) {
            world.hear_copy(node, copy);
        }
    }
    // Identities that nobody has any more are dead.
    let known: Vec<_> = world.peers.iter().map(|(node, peer)| (*node, peer.boot, peer.addr)).collect();
    for (node, boot, addr) in known {
        if !everybody.values().any(|host| host.disk.identity.as_ref().is_some_and(|identity| identity.node == node)) {
            world.see_peer(node, boot, addr, false, None);
        }
    }
}

/// etcd ends when it learns that it was removed.
fn remove_if_removed(clusters: &Clusters, host: &mut Host) {
    let (Some(world), Some((id, member, _))) = (&mut host.world, host.disk.data) else { return };
    let Some(cluster) = clusters.get(&id).filter(|cluster| cluster.leader.is_some() && host.etcd.is_some()) else {
        return;
    };
    if !host.peer_port_cut && !cluster.members.iter().any(|listed| listed.id == member) {
        host.etcd = None;
        world.exited(Process::Exited { cause: ExitCause::Removed, at: world.now });
    }
}

fn archive(world: &World, cluster: &Cluster) -> ArchiveSeen {
    ArchiveSeen {
        id: ArchiveId(Digest::of(&cluster.revision.0.to_be_bytes())),
        lineage: world.state.place.map_or(LineageId(0), |place| place.lineage),
        epoch: world.state.place.map(|place| place.epoch).unwrap_or_default(),
        revision: cluster.revision,
        term: 2,
        index: cluster.index,
        node: world.node().unwrap_or_default(),
        verified: true,
    }
}
