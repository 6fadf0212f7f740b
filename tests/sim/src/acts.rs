//! What each act does to the simulated world, in the steps in which a shell does it.
//!
//! An act on the own disk takes effect at one moment, and its process learns of it at a later one: a
//! crash before the first leaves nothing, a crash between the two leaves what is durable and nobody
//! knows. A change through etcd is proposed, and answered when it is committed, or never. A write to the
//! store lands whoever still waits for the reply.

pub mod data;
pub mod members;

use crate::invariants;
use crate::mutants::Mutant;
use crate::sim::{Event, Sim};
use crate::store::Access;
use data::Effect;
use e2d_core::action::{Action, Kind};
use e2d_core::id::{ArchiveId, BootId, MemberId};
use e2d_core::observe::{ExitCause, Process, Seen};
use e2d_core::plan::Track;
use e2d_core::time::Moment;
use members::Proposal;
use rand::{Rng, RngExt};
use std::time::Duration;

/// A request that could not be sent for this long after it was planned is not sent any more.
const TOO_LATE: Duration = Duration::from_secs(2);

/// An act under way.
#[derive(Clone, Debug)]
pub struct Act {
    /// On which machine.
    pub host: usize,
    /// Of which process.
    pub boot: BootId,
    /// On which of its tracks.
    pub track: Track,
    /// What.
    pub action: Action,
    /// When it was planned.
    pub begun: Moment,
}

/// How an act ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Done.
    Ok,
    /// A learner was added, with this id.
    Added(MemberId),
    /// An archive was taken.
    Archived(ArchiveId),
    /// Not done, or nobody knows; why.
    Failed(String),
}

/// How often a process tells how far a long restore has come.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Where an act stands.
#[derive(Clone, Debug)]
pub enum Stage {
    /// It takes so much longer, and its process says how far it has come.
    GoOn(Duration),
    /// It takes effect on the own disk, or on the own etcd.
    Effect,
    /// A change is proposed to etcd.
    Propose,
    /// It is waited for.
    Await(Proposal),
    /// A conditional write reaches the store.
    Write,
    /// The process learns how it went.
    Done(Outcome),
}

/// The next step of an act.
#[derive(Clone, Debug)]
pub struct Step {
    /// The act.
    pub act: Act,
    /// The step.
    pub stage: Stage,
}

impl Step {
    /// Whether it happens even if nobody is there any more.
    #[must_use]
    pub fn is_on_its_way(&self) -> bool {
        matches!(self.stage, Stage::Write)
    }
}

/// An act begins.
pub fn begin(sim: &mut Sim, h: usize, track: Track, action: Action) {
    sim.note(|| format!("host{h} {action}"));
    sim.ledger.acts += 1;
    sim.mix(&[h as u8, action.kind() as u8]);
    invariants::held::begins(sim, h, &action);
    if action.kind() == Kind::Start {
        invariants::no_amnesia::decides(sim, h);
    }
    let delay = match &action {
        Action::Identify(_) | Action::Remember(_) | Action::Recall(_) => sim.millis(1, 8),
        Action::Interview { .. } => Duration::from_millis(1),
        Action::Restore { .. } => {
            let small = sim.millis(300, 4000);
            sim.setup.restores_within(small)
        }
        Action::Archive => sim.millis(200, 2500),
        Action::WriteLineage { .. } if sim.hosts[h].access == Access::Slow => sim.millis(1_000, 8_000),
        Action::Start(_) | Action::Stop { .. } => sim.millis(50, 400),
        _ => sim.millis(5, 60),
    };
    let stage = match action.kind() {
        Kind::Restore if delay > PROGRESS_EVERY => Stage::GoOn(delay),
        Kind::WriteLineage => Stage::Write,
        Kind::MarkRestored | Kind::AddLearner | Kind::Promote | Kind::Remove => Stage::Propose,
        _ => Stage::Effect,
    };
    if action.kind() == Kind::Restore && std::mem::take(&mut sim.hosts[h].tears) {
        sim.queue.after(delay / 2, Event::Fault(crate::faults::Fault::TornRestore(h)));
    }
    let Some(boot) = sim.hosts[h].process.as_ref().map(|process| process.boot) else { return };
    if sim.setup.mutant == Some(Mutant::LateEviction) {
        crate::mutants::bends::note_target(sim, h, &action);
    }
    let act = Act { host: h, boot, track, action, begun: sim.queue.now() };
    let delay = sim.setup.mutant.map_or(delay, |mutant| mutant.delay(&act.action, delay));
    let delay = if matches!(stage, Stage::GoOn(_)) { Duration::ZERO } else { delay };
    then(sim, delay, act, stage);
}

fn then(sim: &mut Sim, delay: Duration, act: Act, stage: Stage) {
    sim.queue.after(delay, Event::Act(Box::new(Step { act, stage })));
}

/// The next step of an act happens.
pub fn go_on(sim: &mut Sim, step: Step) {
    let Step { act, stage } = step;
    match stage {
        Stage::GoOn(rest) => {
            if let Some(process) = &mut sim.hosts[act.host].process {
                let done = process.world.restored_bytes.unwrap_or(0) + 1;
                process.world.restoring(Some(done));
            }
            let pause = rest.min(PROGRESS_EVERY);
            let stage = if rest > pause { Stage::GoOn(rest.saturating_sub(pause)) } else { Stage::Effect };
            then(sim, pause, act, stage);
        }
        Stage::Effect => {
            let outcome = effect(sim, &act);
            let delay = sim.millis(0, 12);
            let delay = sim.setup.mutant.map_or(delay, |mutant| mutant.aftermath(&act.action, delay));
            then(sim, delay, act, Stage::Done(outcome));
        }
        Stage::Propose => propose(sim, act),
        Stage::Await(proposal) => match members::settled(sim, &proposal, &act.action) {
            None => then(sim, Duration::from_millis(50), act, Stage::Await(proposal)),
            Some(outcome) => {
                let lost = sim.rng.random_bool(0.02);
                let outcome = if lost { Outcome::Failed("the reply was lost".into()) } else { outcome };
                then(sim, Duration::ZERO, act, Stage::Done(outcome));
            }
        },
        Stage::Write => {
            let outcome = land(sim, &act);
            let delay = sim.millis(2, 30);
            then(sim, delay, act, Stage::Done(outcome));
        }
        Stage::Done(outcome) => done(sim, act, outcome),
    }
}

fn propose(sim: &mut Sim, act: Act) {
    // A frozen machine must not carry out what was right before it froze.
    let is_late = sim.queue.now().since(act.begun) > TOO_LATE && sim.setup.mutant != Some(Mutant::LateEviction);
    let proposed =
        if is_late { Err("too late to be sent".to_owned()) } else { members::propose(sim, act.host, &act.action) };
    match proposed {
        Ok(proposal) => then(sim, Duration::from_millis(20), act, Stage::Await(proposal)),
        Err(why) => then(sim, Duration::from_millis(5), act, Stage::Done(Outcome::Failed(why))),
    }
}

/// What is durable from now on, or runs from now on.
fn effect(sim: &mut Sim, act: &Act) -> Outcome {
    let h = act.host;
    match &act.action {
        Action::Identify(identity) => {
            let volume = &mut sim.hosts[h].volume;
            volume.identity = Some(identity.clone());
            volume.state = e2d_core::memory::State::default();
            volume.recall.members.clear();
        }
        Action::Remember(state) => {
            invariants::below_quorum::notes(sim, h, state);
            if sim.setup.mutant == Some(Mutant::RestartRestores) {
                crate::mutants::bends::delete_first(sim, h, state);
            }
            sim.hosts[h].volume.state = (**state).clone();
        }
        Action::Recall(recall) => sim.hosts[h].volume.recall = (**recall).clone(),
        Action::Restore { source, launch } => return Effect::restore(sim, h, source, launch),
        Action::Start(launch) => Effect::start(sim, h, launch),
        Action::Stop { why } => {
            invariants::below_quorum::stops(sim, h, why);
            sim.end_etcd(h, ExitCause::Stopped);
        }
        Action::Quarantine(_) => {
            let volume = &mut sim.hosts[h].volume;
            volume.quarantine.extend(volume.data.take().map(|data| *data));
            (volume.damaged, volume.set_back) = (false, false);
        }
        Action::Archive => return Effect::archive(sim, h),
        _ => {}
    }
    Outcome::Ok
}

/// A conditional write reaches the store.
fn land(sim: &mut Sim, act: &Act) -> Outcome {
    let h = act.host;
    let Action::WriteLineage { replaces, lineage } = &act.action else { return Outcome::Ok };
    let (now, mutant) = (sim.queue.now(), sim.setup.mutant);
    let lineage = mutant.map_or_else(|| (**lineage).clone(), |mutant| mutant.claim(sim, h, lineage));
    if !sim.hosts[h].access.answers() {
        // The request may still be on its way.
        if sim.hosts[h].lossy && sim.rng.random_bool(0.5) {
            let late = sim.millis(500, 20_000);
            then(sim, late, Act { boot: BootId(0), ..act.clone() }, Stage::Write);
        }
        return timed_out(sim, "the store did not answer");
    }
    let store = sim.hosts[h].store;
    let written = if mutant == Some(Mutant::UnconditionalWrite) {
        sim.stores[store].put(&lineage, now);
        Ok(())
    } else {
        sim.stores[store].swap(replaces.as_ref(), &lineage, now)
    };
    if written.is_ok() {
        sim.note(|| format!("store: epoch {} {:?} seq {}", lineage.epoch, lineage.state, lineage.seq));
        crate::ledger::written(sim, &lineage);
    }
    if sim.hosts[h].lossy {
        return timed_out(sim, "the reply was lost");
    }
    written.map_or_else(|_| Outcome::Failed("somebody else wrote first".into()), |()| Outcome::Ok)
}

fn timed_out(sim: &Sim, why: &str) -> Outcome {
    if sim.setup.mutant == Some(Mutant::TimeoutIsSuccess) { Outcome::Ok } else { Outcome::Failed(why.into()) }
}

/// The process learns how its act went.
fn done(sim: &mut Sim, act: Act, outcome: Outcome) {
    let Act { host: h, track, action, .. } = act;
    let kind = action.kind();
    if let Outcome::Failed(why) = &outcome {
        sim.note(|| format!("host{h} failed: {kind:?}: {why}"));
    }
    let fresh = BootId(sim.rng.next_u64().max(1));
    let data = sim.hosts[h].volume.inspect();
    let gate = sim.hosts[h].etcd.as_ref().map(|etcd| etcd.gate);
    let Some(process) = &mut sim.hosts[h].process else { return };
    process.busy[track as usize] = false;
    let world = &mut process.world;
    let now = world.now;
    if kind == Kind::Restore {
        world.restoring(None);
    }
    match (action, &outcome) {
        (Action::Identify(identity), _) => {
            world.identified(identity);
            world.see_data(data);
            // Another node, so another process to whom nobody has spoken yet.
            (world.me.boot, process.boot) = (fresh, fresh);
            process.busy = Default::default();
            sim.join_gossip(h);
            sim.wind_up(h);
            return;
        }
        (Action::Remember(state), _) => world.remembered(*state),
        (Action::Recall(recall), _) => world.recalled(*recall),
        (Action::Interview { start }, _) => world.interviewing(start),
        (Action::Start(launch), _) => {
            world.started(Process::Running { gate: gate.unwrap_or(launch.gate), since: now });
        }
        (Action::Stop { .. }, _) => world.exited(Process::Exited { cause: ExitCause::Stopped, at: now }),
        (Action::AddLearner { node, .. }, Outcome::Added(member)) => {
            world.sponsor(*member, node);
        }
        (Action::Archive, Outcome::Archived(id)) => {
            let id = *id;
            let store = sim.hosts[h].store;
            sim.stores[store].verified(id);
            if sim.setup.mutant == Some(Mutant::PointerFirst) {
                crate::mutants::bends::write_rest(sim, store, id);
            }
            let revision = sim.stores[store].archive(id).map(|archive| archive.seen.revision);
            if let Some(process) = &mut sim.hosts[h].process {
                process.world.archived = revision.map(|value| Seen { value, at: now });
            }
        }
        (Action::WriteLineage { lineage, .. }, Outcome::Ok) => process.memo.wrote(&lineage),
        (Action::Refuse { why }, _) => {
            sim.hosts[h].refused = Some(why.to_string());
            return sim.kill_e2d(h);
        }
        _ => {}
    }
    let Some(process) = &mut sim.hosts[h].process else { return };
    process.world.see_data(data);
    match outcome {
        Outcome::Failed(why) => process.world.failed(kind, why),
        _ => process.world.succeeded(kind),
    }
    if matches!(kind, Kind::WriteLineage | Kind::Archive) {
        process.looks += 1;
        let (boot, count) = (process.boot, process.looks);
        sim.queue.after(Duration::ZERO, Event::Look(h, boot, count));
    }
    if kind == Kind::Interview {
        sim.ask(h);
    }
    sim.plan_soon(h);
}
