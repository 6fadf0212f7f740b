//! The one task that knows: it takes facts in, plans, and hands acts out.

mod answers;
mod counts;
mod etcd;
mod holds;
mod orders;
mod sums;

use super::act::Hands;
use super::fact::{Fact, Outcome};
use super::files::Files;
use super::journal::{Entry, Journal, gist};
use super::look::{Looks, Stir};
use super::setting::Setting;
use super::talk::{self, Talk};
use crate::metrics::{Numbers, Picture};
use e2d_core::action::{Action, Kind, Refusal};
use e2d_core::id::{BootId, Epoch, NodeId, Nonce};
use e2d_core::observe::{Gate, Process, Seen, World};
use e2d_core::plan::{self, Plan, TRACKS, Track, Verdict};
use e2d_core::report::Report;
use e2d_core::time::Moment;
use holds::Holds;
use orders::Orders;
use std::sync::Arc;
use std::time::Duration;
use sums::Sums;
use tokio::sync::{mpsc, watch};

/// How long nothing may happen before the mind looks at its world again: silences and back-offs end by
/// themselves.
const TICK: Duration = Duration::from_millis(250);

/// How long nothing may happen before the cluster counts as at rest.
const RESTFUL: Duration = Duration::from_secs(5);
/// For how long after it was added a learner is followed step by step.
const HURRY: Duration = Duration::from_secs(10);
/// As [`TICK`], while the cluster is at rest.
const TICK_AT_REST: Duration = Duration::from_secs(1);

/// How many facts are learned at once, before they are thought about.
const FACTS_AT_ONCE: usize = 64;
/// How often systemd's watchdog is told that the mind still thinks; the unit allows a minute.
const WATCHDOG: Duration = Duration::from_secs(10);

/// How a run ended.
pub(super) enum Ending {
    /// It was told to stop, and etcd is stopped.
    Stopped,
    /// It is to execute its own program again; etcd runs on.
    Again,
    /// Only a person can mend it.
    Refused(RefusedRun),
    /// Gossip cannot listen.
    Deaf(e2d_gossip::StartError),
}

/// Why the process ends with exit code 78.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct RefusedRun(Refusal);

/// The mind.
pub(super) struct Mind {
    setting: Arc<Setting>,
    hands: Arc<Hands>,
    looks: Looks,
    talk: Talk,
    picture: watch::Sender<Arc<Picture>>,
    numbers: Arc<Numbers>,
    speaking: Vec<(&'static str, &'static str)>,
    vacant_since: Option<Moment>,
    journal: Journal,
    world: World,
    busy: [Option<String>; TRACKS.len()],
    told: String,
    is_noted: bool,
    looked: u64,
    changed: u64,
    heard: talk::Heard,
    told_of: Option<Nonce>,
    faces: Vec<(NodeId, BootId, bool)>,
    stirred_at: Moment,
    ready: bool,
    again: bool,
    watched_at: Moment,
    holds: Holds,
    orders: Orders,
    sums: Sums,
}

impl Mind {
    /// A mind that knows what the disk says.
    pub(super) fn new(
        setting: Arc<Setting>,
        files: Files,
        hands: Arc<Hands>,
        looks: Looks,
        talk: Talk,
        picture: watch::Sender<Arc<Picture>>,
    ) -> Self {
        let Files { identity, state, recall, hold } = files;
        let mut world = World::new(setting.now(), setting.policy.clone(), setting.me.clone(), identity, state, recall);
        if let Some(child) = hands.child() {
            let gate = if child.gate() == e2d_etcd::launch::Gate::Gated { Gate::Gated } else { Gate::Open };
            world.started(Process::Running { gate, since: setting.now() });
        }
        let journal = Journal::new(&setting.home);
        let wanted = setting.policy.size;
        let numbers = Arc::new(Numbers { started: jiff::Timestamp::now(), wanted, ..Numbers::default() });
        let holds = Holds::new(hold, setting.now());
        Self {
            setting,
            hands,
            looks,
            talk,
            picture,
            numbers,
            speaking: Vec::new(),
            vacant_since: None,
            journal,
            world,
            busy: Default::default(),
            told: String::new(),
            is_noted: true,
            looked: 0,
            changed: 0,
            heard: talk::Heard::new(),
            told_of: None,
            faces: Vec::new(),
            stirred_at: Moment::default(),
            ready: false,
            again: false,
            watched_at: Moment::default(),
            holds,
            orders: Orders::default(),
            sums: Sums::default(),
        }
    }

    /// Lives until the process may end.
    pub(super) async fn live(mut self, mut inbox: mpsc::Receiver<Fact>) -> Ending {
        self.hands.inspect();
        loop {
            let tick = if self.is_at_rest() { TICK_AT_REST } else { TICK };
            let fact = tokio::time::timeout(tick, inbox.recv()).await;
            self.world.now = self.setting.now();
            match fact {
                Ok(Some(fact)) => self.learn(fact).await,
                Ok(None) => return Ending::Stopped,
                Err(_) => {}
            }
            // However many come, and however long each takes on a slow disk, it is thought about them in between.
            for _ in 0..FACTS_AT_ONCE {
                let Ok(fact) = inbox.try_recv() else { break };
                self.learn(fact).await;
            }
            if self.world.stopping && self.world.runs().is_none() && self.is_idle(Track::Node) {
                self.talk.leave().await;
                return Ending::Stopped;
            }
            // An archive that is cut off leaves nothing that looks whole, and is taken anew.
            if self.again && !self.world.stopping && self.is_idle(Track::Node) && self.is_idle(Track::Members) {
                self.talk.leave().await;
                // A stop that came meanwhile would end with this program, and the next would run on.
                while let Ok(fact) = inbox.try_recv() {
                    self.learn(fact).await;
                }
                if !self.world.stopping {
                    return Ending::Again;
                }
            }
            self.prove_alive();
            self.keep_hold().await;
            self.compare_sums();
            match self.talk.speak_as(&self.world).await {
                Ok(Some(boot)) => self.world.me.boot = boot,
                Ok(None) => {}
                Err(error) => return Ending::Deaf(error),
            }
            // All that may have taken its time.
            self.world.now = self.setting.now();
            if let Some(refusal) = self.think().await {
                self.talk.leave().await;
                return Ending::Refused(RefusedRun(refusal));
            }
        }
    }

    /// Tells systemd's watchdog that the mind still thinks.
    fn prove_alive(&mut self) {
        if self.world.now.since(self.watched_at) >= WATCHDOG {
            self.watched_at = self.world.now;
            if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]) {
                tracing::warn!(%error, "systemd was not told");
            }
        }
    }

    async fn learn(&mut self, fact: Fact) {
        match fact {
            Fact::Etcd(look) => self.learn_etcd(*look),
            Fact::Exited(cause) => self.exited(cause),
            Fact::Store(look) => self.learn_store(*look),
            Fact::Data(data) => self.world.see_data(data),
            Fact::Gossip(view) => {
                self.count_deaths(&view);
                let told = talk::take_in(&mut self.world, &view, &mut self.heard);
                for order in told.orders {
                    self.hear_hold(order);
                }
                for (node, sum) in told.sums {
                    self.sums.agreement.hear(node, sum);
                }
            }
            Fact::Order(request) => self.obey(request).await,
            Fact::HandedOver { request, heir, outcome } => self.handed_over(request, heir, outcome),
            Fact::Testimony(witness, testimony) => self.world.hear_testimony(witness, testimony),
            Fact::Question(question) => self.testify(question).await,
            Fact::Done { track, action, outcome } => self.conclude(track, &action, &outcome),
            Fact::Summed { sum, took } => self.summed(sum, took),
            Fact::Reload => self.reload().await,
            Fact::Restoring(bytes) => self.world.restoring(Some(bytes)),
            Fact::Again => self.again = true,
            Fact::Stop => {
                tracing::info!("stopping");
                self.world.stopping = true;
                self.hands.hurry();
            }
        }
    }

    fn is_idle(&self, track: Track) -> bool {
        self.busy[track as usize].is_none()
    }

    /// An act has ended: what it changed on the disk is known now.
    fn conclude(&mut self, track: Track, action: &Action, outcome: &Outcome) {
        let kind = action.kind();
        let now = self.world.now;
        let decision = self.busy[track as usize].take().unwrap_or_default();
        let failed = match outcome {
            Outcome::Failed(why) => Some(why.clone()),
            _ => None,
        };
        if kind == Kind::Restore {
            self.world.restoring(None);
        }
        // One that failed may have changed the disk all the same.
        if matches!(action, Action::Restore { .. } | Action::Quarantine(_)) {
            self.world.data = None;
            self.hands.inspect();
        }
        match (action, outcome) {
            (_, Outcome::Failed(why)) => tracing::warn!(act = %action, error = %why, "an act failed"),
            (Action::Identify(identity), _) => self.world.identified(identity.clone()),
            (Action::Remember(state), _) => self.world.remembered((**state).clone()),
            (Action::Recall(recall), _) => self.world.recalled((**recall).clone()),
            (Action::Interview { start }, _) => self.world.interviewing(*start),
            (Action::Start(_), Outcome::Started(gate)) => self.started(*gate),
            (Action::AddLearner { node, .. }, Outcome::Added(member)) => {
                self.world.sponsor(*member, *node);
            }
            (Action::Archive, Outcome::Archived(receipt)) if self.is_current(receipt.epoch) => {
                self.world.archived = Some(Seen { value: receipt.revision, at: now });
            }
            _ => {}
        }
        let routine = matches!(action, Action::Recall(_));
        let said = failed.clone().unwrap_or_else(|| "done".to_owned());
        self.count_act(action, failed.is_none());
        match failed {
            Some(why) => self.world.failed(kind, why),
            None => self.world.succeeded(kind),
        }
        if !routine {
            self.note(&decision, action.to_string(), said);
        }
        self.answer_order(track, outcome);
        if matches!(action, Action::WriteLineage { .. } | Action::Archive) {
            self.looked += 1;
        }
        if matches!(action, Action::AddLearner { .. } | Action::Promote { .. } | Action::Remove(_)) {
            self.changed += 1;
        }
    }

    /// Whether this is the epoch that our disk is in: an act may end when another one has begun.
    fn is_current(&self, epoch: Epoch) -> bool {
        self.world.state.place.is_some_and(|place| place.epoch == epoch)
    }

    /// Writes a line of the decision log.
    fn note(&mut self, decision: &str, act: String, outcome: String) {
        let entry = Entry { at: jiff::Timestamp::now(), decision: decision.to_owned(), act, outcome };
        let noted = self.journal.note(&entry);
        // Once: on a full disk there is a line to write at each try.
        if let Err(error) = noted.as_ref().map_err(ToString::to_string)
            && self.is_noted
        {
            tracing::warn!(error, "the decision log cannot be written");
        }
        self.is_noted = noted.is_ok();
    }

    /// Tells what is waited for when that changes: not when only a number in it does, as each second does.
    fn tell_changes(&mut self, report: &Report) {
        let gist = gist(&report.to_string());
        if gist == self.told {
            return;
        }
        tracing::debug!(plan = %report, "plan");
        let waits = report.lines.iter().filter_map(|line| match &line.verdict {
            Verdict::Wait(reason) => Some((line.decision, reason.to_string())),
            _ => None,
        });
        let waits: Vec<(&str, String)> = waits.collect();
        if !waits.is_empty() {
            let text: Vec<String> = waits.iter().map(|(decision, reason)| format!("{decision}: {reason}")).collect();
            tracing::info!(waits = %text.join("; "), "waiting");
        }
        for (decision, reason) in waits {
            self.note(decision, reason, "waits".to_owned());
        }
        self.told = gist;
    }

    /// Something happens: something is done or waited for, our etcd does not serve, or gossip shows other
    /// nodes than before. What is observed slowly at rest is then observed quickly again.
    fn note_stirring(&mut self, report: &Report) {
        let faces: Vec<_> = self.world.peers.iter().map(|(node, peer)| (*node, peer.boot, peer.alive)).collect();
        let busy = self.busy.iter().any(Option::is_some) || !report.lines.is_empty();
        if busy || !self.world.serves() || faces != self.faces {
            self.stirred_at = self.world.now;
            self.faces = faces;
        }
        let stir = match (self.is_at_rest(), self.fills_a_seat()) {
            (_, true) => Stir::Hurry,
            (false, false) => Stir::Some,
            (true, false) => Stir::Rest,
        };
        let now = (stir, self.changed);
        self.looks.etcd.send_if_modified(|before| std::mem::replace(before, now) != now);
    }

    /// Whether a learner was added a short while ago: each step until it votes is then known soon.
    fn fills_a_seat(&self) -> bool {
        let is_new = |(_, at): &(NodeId, Moment)| self.world.now.since(*at) < HURRY;
        let learns = || self.world.members().is_some_and(|members| members.iter().any(|member| member.learner));
        self.world.leads() && self.world.sponsored.values().any(is_new) && learns()
    }

    fn is_at_rest(&self) -> bool {
        self.world.now.since(self.stirred_at) >= RESTFUL
    }

    /// Others know a lineage object that the last look at the store did not show: looks at once, once for
    /// each. What waits for this node's own look, a birth above all, does not wait for the next one.
    fn look_for_news(&mut self) {
        let seen = self.world.stored().map(|(lineage, _)| lineage.nonce);
        let copies = self.world.copies.values().chain(self.world.lineage());
        let newest = copies.max_by_key(|copy| (copy.seq, copy.nonce)).map(|copy| copy.nonce);
        if newest != seen && newest != self.told_of {
            self.told_of = newest;
            self.looked += 1;
        }
    }

    /// Hands an act out.
    fn begin(&mut self, track: Track, decision: &str, action: Action) {
        self.busy[track as usize] = Some(decision.to_owned());
        self.hands.begin(track, action, &self.world);
    }

    /// Plans, tells what changed, and begins what is to be done.
    async fn think(&mut self) -> Option<Refusal> {
        self.world.entropy = rand::random();
        let plan = plan::plan(&self.world);
        let (order, sum) = (self.holds.told(self.world.now), self.sums.agreement.mine.as_ref());
        self.talk.tell(&self.world, &plan, order.as_ref(), sum).await;
        self.talk.ask(&self.world);
        self.count_verdicts(&plan.report);
        self.publish(&plan.report);
        let acts: Vec<(Track, Action)> = plan.acts().map(|(track, action)| (track, action.clone())).collect();
        let Plan { look_every, report, .. } = plan;
        self.tell_changes(&report);
        self.look_for_news();
        self.note_stirring(&report);
        self.looks.store.send_if_modified(|pace| {
            let next = (look_every, self.looked);
            std::mem::replace(pace, next) != next
        });
        let decisions = report.lines.into_iter().filter(|line| matches!(line.verdict, Verdict::Act(_)));
        let mut names = decisions.map(|line| line.decision);
        // What a person ordered comes before what the plan would do.
        self.begin_orders();
        for (track, action) in acts {
            let name = names.next().unwrap_or_default();
            // An etcd that is being started would be left to itself.
            if let Action::Refuse { why } = action {
                if !self.is_idle(track) {
                    continue;
                }
                tracing::error!(%why, "refusing to run");
                self.note(name, format!("refuse to run: {why}"), "ended, with exit code 78".to_owned());
                return Some(why);
            }
            if self.is_idle(track) && (!self.again || self.world.stopping) {
                if !matches!(action, Action::Recall(_)) {
                    tracing::info!(decision = name, act = %action, "acting");
                }
                self.begin(track, name, action);
            }
        }
        None
    }
}
