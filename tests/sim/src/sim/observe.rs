//! What a process sees of its store, its etcd and its disk, and what it asks of others.

use super::{Event, HEARTBEAT, Sim};
use crate::mutants::Mutant;
use crate::raft;
use e2d_core::id::BootId;
use e2d_core::interview::{self, Question};
use e2d_core::observe::{self, ExitCause, Gate, Member, Seen, Status};
use e2d_core::word::KvHash;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

impl Sim {
    pub(super) fn look(&mut self, h: usize, boot: BootId, count: u64) {
        if !self.setup.has_store {
            return;
        }
        let current = self.hosts[h].process.as_ref().is_some_and(|process| process.looks == count);
        if !current {
            return;
        }
        let look = self.store.look(self.hosts[h].access);
        let delay = self.millis(3, 60);
        self.queue.after(delay, Event::Looked(h, boot, count, Box::new(look)));
    }

    pub(super) fn looked(
        &mut self,
        h: usize,
        boot: BootId,
        count: u64,
        look: Result<observe::StoreView, observe::Trouble>,
    ) {
        let mutant = self.setup.mutant;
        let Some(process) = &mut self.hosts[h].process else { return };
        if process.looks != count {
            return;
        }
        let look = if let (Some(Mutant::EmptyOnStoreError), Err(_)) = (mutant, &look) {
            Ok(observe::StoreView { lineage: None, archives: vec![], other_backups: false })
        } else {
            look
        };
        process.world.see_store(look);
        process.looks += 1;
        let next = process.looks;
        let every = e2d_core::plan::say::look_every(&process.world);
        self.queue.after(every, Event::Look(h, boot, next));
        self.plan_soon(h);
    }

    pub(super) fn observe(&mut self, h: usize, boot: BootId) {
        self.queue.after(Duration::from_millis(250), Event::Observe(h, boot));
        let (now, tick) = (self.queue.now(), self.tick);
        self.note_exit(h);
        let serving = self.serving(h).map(|applied| (applied.seats.clone(), applied.keys.marked));
        let host = &mut self.hosts[h];
        let data = host.volume.inspect();
        let Some(process) = &mut host.process else { return };
        process.world.see_data(data);
        if let (Some(etcd), Some(disk)) = (&host.etcd, &host.volume.data) {
            let status = Status {
                leader: etcd.server.leader,
                term: disk.term,
                index: disk.applied.index as u64,
                revision: disk.applied.keys.revision,
                learner: disk.applied.seats.get(&disk.member).is_some_and(|seat| !seat.voter),
            };
            let seen = &mut process.world.etcd;
            seen.status = Some(Seen { value: status, at: now });
            for (member, heard) in &etcd.server.heard {
                let ago = HEARTBEAT * u32::try_from(tick.saturating_sub(*heard)).unwrap_or(u32::MAX);
                seen.heard.insert(*member, now - ago);
            }
            if let Some((seats, marked)) = serving {
                seen.read_at = Some(now);
                let members = seats.iter().map(|(id, seat)| Member {
                    id: *id,
                    name: seat.name.clone(),
                    peer_url: seat.peer_url.clone(),
                    learner: !seat.voter,
                });
                seen.members = Some(Seen { value: members.collect(), at: now });
                if etcd.gate == Gate::Gated {
                    seen.marked = Some(marked);
                }
            }
            if etcd.gate == Gate::Gated {
                seen.hash = Some(KvHash {
                    revision: disk.applied.keys.revision,
                    compacted: e2d_core::id::Revision(0),
                    hash: crate::acts::hash(&disk.applied.keys),
                });
            }
        }
        self.ask(h);
        self.plan_soon(h);
    }

    /// Puts the questions of an interview under way to everybody who may be a member.
    fn ask(&mut self, h: usize) {
        let Some(process) = &self.hosts[h].process else { return };
        let world = &process.world;
        let (Some(interview), Some(place), Some(node)) = (&world.interview, world.state.place, world.node()) else {
            return;
        };
        let question = Question { node, boot: world.me.boot, place, start: interview.start };
        let body = serde_json::to_vec(&question).unwrap_or_default();
        let start = interview.start;
        let fellows = interview::fellows(world, &place).0;
        let known = fellows.iter().filter_map(|node| {
            let remembered = world.recall.addresses.get(node).and_then(|addr| addr.parse().ok());
            world.peers.get(node).map(|peer| peer.addr).or(remembered)
        });
        let mut to: BTreeSet<SocketAddr> = known.collect();
        to.extend(world.visible().map(|(_, peer)| peer.addr));
        for addr in to {
            let body = body.clone();
            self.with_gossip(h, |gossip, now| gossip.ask(now, addr, start, body));
        }
    }

    /// An etcd that learned that it was removed ends.
    fn note_exit(&mut self, h: usize) {
        let now = self.queue.now();
        let host = &mut self.hosts[h];
        if host.etcd.as_ref().is_some_and(|etcd| etcd.server.removed) {
            host.etcd = None;
            host.exit = Some(ExitCause::Removed);
        }
        let Some(process) = &mut host.process else { return };
        if host.etcd.is_none() && matches!(process.world.etcd.process, observe::Process::Running { .. }) {
            let cause = host.exit.take().unwrap_or(ExitCause::Failed("killed".into()));
            process.world.exited(observe::Process::Exited { cause, at: now });
        }
    }

    /// What a linearizable read through this host's etcd sees, if it works.
    #[must_use]
    pub fn serving(&self, h: usize) -> Option<&raft::Applied> {
        let host = &self.hosts[h];
        let (etcd, disk) = (host.etcd.as_ref()?, host.volume.data.as_ref()?);
        if !host.runs() || disk.applied.seats.get(&disk.member).is_some_and(|seat| !seat.voter) {
            return None;
        }
        let leader = self.leader_for(h)?;
        let _ = etcd;
        self.hosts[leader].volume.data.as_ref().map(|disk| &disk.applied)
    }

    /// The host of the leader that this host's etcd can reach, and that has a quorum.
    #[must_use]
    pub fn leader_for(&self, h: usize) -> Option<usize> {
        let cluster = self.hosts[h].volume.data.as_ref()?.cluster;
        let leads = |l: &usize| {
            let host = &self.hosts[*l];
            let same = host.volume.data.as_ref().is_some_and(|disk| disk.cluster == cluster);
            let leading = host.etcd.as_ref().is_some_and(|etcd| etcd.server.leads && etcd.server.quiet == 0);
            // A leader answers reads only when it has committed in its own term (raft, read index).
            let current = host.volume.data.as_ref().is_some_and(|disk| {
                disk.applied.index.checked_sub(1).is_some_and(|last| disk.log[last].term == disk.term)
            });
            same && leading && current && (*l == h || (self.reaches(h, *l) && self.reaches(*l, h)))
        };
        (0..self.hosts.len()).filter(leads).max_by_key(|l| self.hosts[*l].volume.data.as_ref().map(|disk| disk.term))
    }
}
