//! What a process sees of its own etcd, its disk and the store, and the questions that it puts.

use super::{Event, HEARTBEAT, Sim};
use crate::host::Round;
use crate::mutants::Mutant;
use e2d_core::action::Kind;
use e2d_core::id::BootId;
use e2d_core::interview::{self, Question};
use e2d_core::observe::{ExitCause, Gate, Member, Process, Seen, Status, StoreView, Trouble};
use e2d_core::word::KvHash;
use e2d_gossip::Input;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// How long one round of questions goes on before it is begun anew.
const ROUND: Duration = Duration::from_secs(2);

impl Sim {
    pub(super) fn look(&mut self, h: usize, boot: BootId, count: u64) {
        let current = self.hosts[h].process.as_ref().is_some_and(|process| process.looks == count);
        if !self.setup.has_store || !current {
            return;
        }
        let age = if self.hosts[h].stale { self.millis(0, 2_000) } else { Duration::ZERO };
        let access = self.hosts[h].access;
        let moment = self.queue.now() - age;
        let look = match self.setup.mutant {
            Some(Mutant::NothingVerified) => crate::mutants::bends::blind(self.store(h)).look(access, moment),
            _ => self.store(h).look(access, moment),
        };
        let delay = if access == crate::store::Access::Slow { self.millis(1_000, 8_000) } else { self.millis(3, 60) };
        self.queue.after(delay, Event::Looked(h, boot, count, Box::new(look)));
    }

    pub(super) fn looked(&mut self, h: usize, boot: BootId, count: u64, look: Result<StoreView, Trouble>) {
        let Some(process) = &mut self.hosts[h].process else { return };
        if process.looks != count {
            return;
        }
        process.world.see_store(look);
        process.looks += 1;
        let next = process.looks;
        let every = e2d_core::plan::say::look_every(&process.world);
        self.queue.after(every, Event::Look(h, boot, next));
        self.plan_soon(h);
    }

    pub(super) fn observe(&mut self, h: usize, boot: BootId) {
        self.queue.after(Duration::from_millis(250), Event::Observe(h, boot));
        self.note_exit(h);
        let tick = self.tick;
        let serving = self.serving(h).map(|applied| (applied.seats.clone(), applied.keys.marked));
        let host = &mut self.hosts[h];
        let data = host.volume.inspect();
        let Some(process) = &mut host.process else { return };
        process.world.see_data(data);
        let now = process.world.now;
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
            seen.listening_since = if etcd.server.leads { seen.listening_since.or(Some(now)) } else { None };
            for (member, heard) in &etcd.server.heard {
                let ago = HEARTBEAT * u32::try_from(tick.saturating_sub(*heard)).unwrap_or(u32::MAX);
                seen.heard.insert(*member, now - ago);
            }
            let gated = etcd.gate == Gate::Gated;
            if let Some((seats, marked)) = serving {
                let members = seats.into_iter().map(|(id, seat)| Member {
                    id,
                    name: seat.name,
                    peer_url: seat.peer_url,
                    learner: !seat.voter,
                });
                let members = members.collect();
                seen.marked = if gated { Some(marked) } else { seen.marked };
                process.world.see_members(members, now);
            }
            if gated {
                process.world.etcd.hash = Some(KvHash {
                    revision: disk.applied.keys.revision,
                    compacted: e2d_core::id::Revision(0),
                    hash: crate::acts::data::hash(&disk.applied.keys),
                });
            }
        }
        self.ask(h);
        self.plan_soon(h);
    }

    /// Puts the questions of an interview under way to all who may be members, round after round: in each,
    /// until they have answered.
    pub(crate) fn ask(&mut self, h: usize) {
        let now = self.queue.now();
        let Some(process) = &mut self.hosts[h].process else { return };
        let world = &process.world;
        let (Some(interview), Some(place), Some(node)) = (&world.interview, world.state.place, world.node()) else {
            process.round = None;
            return;
        };
        let start = interview.start;
        if process.round.as_ref().is_none_or(|round| round.start != start || now.since(round.began) >= ROUND) {
            process.round = Some(Round { start, began: now, answered: BTreeSet::new() });
        }
        let question = Question { node, boot: world.me.boot, place, start };
        let body = bytes::Bytes::from(serde_json::to_vec(&question).unwrap_or_default());
        let known = interview::fellows(world, &place).0.into_iter().filter_map(|node| {
            let remembered = world.recall.addresses.get(&node).and_then(|addr| addr.parse().ok());
            Some((node, world.peers.get(&node).map(|peer| peer.addr).or(remembered)?))
        });
        let everybody = known.chain(world.visible().map(|(node, peer)| (node, peer.addr)));
        let answered = process.round.iter().flat_map(|round| &round.answered).collect::<BTreeSet<_>>();
        let silent: BTreeSet<SocketAddr> =
            everybody.filter(|(node, _)| !answered.contains(node)).map(|(_, addr)| addr).collect();
        for to in silent {
            self.feed(h, Input::Ask { to, id: start, body: body.clone() });
        }
    }

    /// An etcd that learned that it was removed ends; and whatever ended, the process learns it.
    fn note_exit(&mut self, h: usize) {
        if self.hosts[h].etcd.as_ref().is_some_and(|etcd| etcd.server.removed) {
            self.note(|| format!("host{h} etcd ends: it was removed"));
            self.end_etcd(h, ExitCause::Removed);
        }
        let stays_down = self.setup.mutant == Some(Mutant::RemovedStaysDown);
        let host = &mut self.hosts[h];
        let Some(process) = &mut host.process else { return };
        if host.etcd.is_none() && matches!(process.world.etcd.process, Process::Running { .. }) {
            let at = process.world.now;
            let cause = host.exit.take().unwrap_or(ExitCause::Failed("killed".into()));
            if stays_down && cause == ExitCause::Removed {
                // The old program's way: success, exit code 0, and nobody starts it again.
                host.refused = Some("done".into());
                return self.kill_e2d(h);
            }
            if let ExitCause::Failed(why) = &cause {
                process.world.failed(Kind::Start, why.clone());
            }
            process.world.exited(Process::Exited { cause, at });
        }
    }
}
