//! How observations enter the world. The shell and the simulator share these, so that both know the
//! same things after the same events.

use crate::action::Kind;
use crate::id::{BootId, MemberId, NodeId};
use crate::interview::{Interview, Testimony};
use crate::lineage::{Lineage, LineageState};
use crate::memory::{Identity, Phase, Recall, State};
use crate::observe::{DataDir, Failure, Member, Peer, Process, Seen, StoreView, Trouble, World};
use crate::time::Moment;
use crate::word::Word;
use std::net::SocketAddr;
use std::time::Duration;

/// How many learners are remembered, with the nodes that they were added for.
const SPONSORED: usize = 16;
/// For how long etcd must have run for earlier failures to start it to be forgotten.
const ENDURED: Duration = Duration::from_secs(30);

impl World {
    /// Gossip holds a node alive, or dead, at an address; `heard_at` is when a packet of its own last
    /// came directly.
    pub fn see_peer(&mut self, node: NodeId, boot: BootId, addr: SocketAddr, alive: bool, heard_at: Option<Moment>) {
        let now = self.now;
        let peer = self.peers.entry(node).or_insert_with(|| Peer {
            boot,
            addr,
            alive,
            heard_at,
            word: None,
            steady_since: now,
        });
        if peer.boot != boot {
            peer.word = None;
        }
        if (peer.boot, peer.alive) != (boot, alive) {
            peer.steady_since = now;
        }
        (peer.boot, peer.addr, peer.alive) = (boot, addr, alive);
        peer.heard_at = peer.heard_at.max(heard_at);
    }

    /// A node told its word. A word of a node that gossip does not show (yet) is dropped: gossip
    /// tells it again.
    pub fn hear_word(&mut self, node: NodeId, word: Word) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let standing = |word: &Word| {
            let disk = (word.phase, word.place, word.seal, word.has_data, word.vow.clone());
            (disk, word.etcd, word.store, word.hash, word.restored_bytes)
        };
        if peer.word.as_ref().map(standing) != Some(standing(&word)) {
            peer.steady_since = now;
        }
        peer.word = Some(word);
    }

    /// A node told its copy of the lineage object.
    pub fn hear_copy(&mut self, node: NodeId, copy: Lineage) {
        let known = self.copies.get(&node);
        if known.is_none_or(|known| known.lineage != copy.lineage || copy.is_newer_than(known)) {
            self.copies.insert(node, copy);
        }
    }

    /// A node that gossip has forgotten is forgotten here.
    pub fn forget_peer(&mut self, node: NodeId) {
        self.peers.remove(&node);
        self.copies.remove(&node);
    }

    /// The data directory was looked at.
    pub fn see_data(&mut self, data: DataDir) {
        if data != DataDir::Empty {
            self.launched = None;
        }
        self.data = Some(data);
    }

    /// The store was looked at.
    pub fn see_store(&mut self, look: Result<StoreView, Trouble>) {
        let at = self.now;
        self.store_is_outdated = false;
        match look {
            Ok(value) => {
                let shown = value.lineage.as_ref().map(|(lineage, _)| lineage.lineage);
                if self.store_shows.as_ref().map(|shows| shows.value) != Some(shown) {
                    self.store_shows = Some(Seen { value: shown, at });
                }
                self.store_showed = shown.or(self.store_showed);
                (self.store, self.trouble) = (Some(Seen { value, at }), None);
            }
            Err(value) => self.trouble = Some(Seen { value, at }),
        }
    }

    /// Our etcd read its list of members, linearizably; it was asked at `at`.
    pub fn see_members(&mut self, value: Vec<Member>, at: Moment) {
        self.etcd.read_at = self.etcd.read_at.max(Some(at));
        if self.etcd.members_changed.is_none_or(|changed| changed < at) {
            self.etcd.members = Some(Seen { value, at });
        }
    }

    /// A witness answered.
    pub fn hear_testimony(&mut self, witness: NodeId, testimony: Testimony) {
        if let Some(interview) = &mut self.interview
            && interview.start == testimony.start
            && interview.answers.insert(witness, testimony).is_none()
        {
            interview.grown = self.now;
        }
    }

    /// The file `identity` is durable, and an empty `state` with it.
    pub fn identified(&mut self, identity: Identity) {
        self.identity = Some(identity);
        self.state = State::default();
        self.recall.members.clear();
        // Gossip begins anew under the new id: nobody has been heard by it, and nobody else can have it.
        self.peers.clear();
        self.copies.clear();
        (self.clone_at, self.listening_since) = (None, self.now);
        self.etcd = crate::observe::Etcd::default();
        self.interview = None;
        (self.raised, self.promised, self.launched) = (None, None, None);
    }

    /// The file `state` is durable.
    pub fn remembered(&mut self, state: State) {
        if state.start > self.state.start {
            self.raised = Some(state.start);
            self.interview = None;
        }
        let forming = self.lineage().filter(|lineage| lineage.state == LineageState::Forming);
        let forming = forming.map(|lineage| lineage.claim.nonce);
        let claim = |state: &State| state.place.map(|place| place.claim);
        if claim(&state) != claim(&self.state) {
            // What could not be restored for one claim says nothing about the next.
            self.failures.remove(&Kind::Restore);
            // And what was archived of another epoch nothing of the one that begins.
            self.archived = None;
        }
        if state.phase == Phase::Founding && claim(&state) != claim(&self.state) && claim(&state) == forming {
            self.promised = forming;
        }
        self.state = state;
    }

    /// The file `seen` is durable.
    pub fn recalled(&mut self, recall: Recall) {
        let version = |recall: &Recall| recall.lineage.as_ref().map(|lineage| (lineage.lineage, lineage.nonce));
        if version(&recall) != version(&self.recall) {
            self.lineage_since = self.now;
        }
        self.recall = recall;
        self.recalled_at = Some(self.now);
    }

    /// The questions about this disk are being put.
    pub fn interviewing(&mut self, start: u64) {
        self.interview =
            Some(Interview { start, since: self.now, grown: self.now, answers: std::collections::BTreeMap::new() });
    }

    /// etcd was started: what was asked before is done with.
    pub fn started(&mut self, process: Process) {
        let empty = self.data == Some(DataDir::Empty);
        self.launched = self.state.place.map(|place| place.claim).filter(|_| empty);
        self.promised = None;
        self.etcd = crate::observe::Etcd { process, ..crate::observe::Etcd::default() };
        self.interview = None;
        self.raised = None;
    }

    /// etcd runs no more.
    pub fn exited(&mut self, process: Process) {
        self.etcd.process = process;
        (self.etcd.status, self.etcd.members, self.etcd.read_at) = (None, None, None);
        (self.etcd.hash, self.etcd.marked) = (None, None);
    }

    /// A restore has written so many bytes; `None`: none goes on any more.
    pub fn restoring(&mut self, bytes: Option<u64>) {
        if self.restored_bytes != bytes {
            (self.restored_bytes, self.progressed_at) = (bytes, Some(self.now));
        }
    }

    /// A learner was added for a node. What is remembered of earlier ones is bounded.
    pub fn sponsor(&mut self, member: MemberId, node: NodeId) {
        self.sponsored.insert(member, (node, self.now));
        while self.sponsored.len() > SPONSORED {
            let oldest = self.sponsored.iter().min_by_key(|(_, (_, at))| *at).map(|(member, _)| *member);
            oldest.and_then(|oldest| self.sponsored.remove(&oldest));
        }
    }

    /// etcd has run and answered for long enough that its next end is a new trouble.
    pub fn endured(&mut self) {
        let runs = matches!(self.etcd.process, Process::Running { since, .. } if self.now.since(since) >= ENDURED);
        if runs && self.status().is_some() {
            self.failures.remove(&Kind::Start);
        }
    }

    /// An act succeeded: its failures are forgotten. That etcd was started says nothing yet, see [`Self::endured`].
    pub fn succeeded(&mut self, kind: Kind) {
        if kind != Kind::Start {
            self.failures.remove(&kind);
        }
        self.outdate(kind);
    }

    /// An act failed.
    pub fn failed(&mut self, kind: Kind, message: String) {
        let count = self.failures.get(&kind).map_or(0, |failure| failure.count).saturating_add(1);
        self.failures.insert(kind, Failure { count, at: self.now, message });
        self.outdate(kind);
    }

    /// What was known before an act that may have changed it, even by failing, is not known any more.
    fn outdate(&mut self, kind: Kind) {
        match kind {
            Kind::AddLearner | Kind::Promote | Kind::Remove => {
                (self.etcd.members, self.etcd.members_changed) = (None, Some(self.now));
            }
            Kind::WriteLineage => self.store_is_outdated = true,
            Kind::MarkRestored => (self.etcd.marked, self.etcd.hash) = (None, None),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
