//! S20: ignorance never acts.
//!
//! A node that knows less, or knows it from longer ago, may wait where it would have acted, or do something
//! harmless instead. It never removes, promotes, adds, claims, restores or gives up what it would not have with
//! the full observation, be that now or after it has made its notes.
//!
//! No program can act on nothing but what it knows and also heed what it has never heard of. Where the loss
//! of a *warning* brings out an act, something else must make that act safe: [`excuse`] names it, case by case.

use crate::choices::{cases, scenes};
use crate::losses::{self, Loss};
use e2d_core::action::{Action, Kind};
use e2d_core::id::{MemberId, NodeId};
use e2d_core::lineage::LineageState;
use e2d_core::memory::{Phase, Recall};
use e2d_core::observe::{DataDir, Member, Process, Version, World};
use e2d_core::plan;
use e2d_core::safety;
use e2d_core::word::EtcdWord;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// An act that destroys, or that changes who the cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Danger {
    Remove(MemberId),
    Promote(MemberId),
    AddLearner,
    Quarantine,
    Abandon,
    /// Tells that an identity is gone for good, which proves its member dead.
    Disown(NodeId),
    Restore,
    Claim,
}

fn danger(world: &World, action: &Action) -> Option<Danger> {
    match action {
        Action::Identify(fresh) => {
            let old = world.identity.as_ref().map(|identity| identity.node);
            old.filter(|old| fresh.former.contains(old)).map(Danger::Disown)
        }
        Action::Remove(evidence) => Some(Danger::Remove(evidence.subject().member)),
        Action::Promote { member } => Some(Danger::Promote(*member)),
        Action::AddLearner { .. } => Some(Danger::AddLearner),
        Action::Quarantine(_) => Some(Danger::Quarantine),
        Action::Restore { .. } => Some(Danger::Restore),
        Action::Remember(state) if state.phase == Phase::Abandoned => Some(Danger::Abandon),
        Action::WriteLineage { lineage, .. } if lineage.state == LineageState::Forming => Some(Danger::Claim),
        _ => None,
    }
}

/// What a node means to do: now, and as soon as it has made its notes.
#[derive(Default)]
struct Intent {
    dangers: Vec<Danger>,
    /// The decisions that spoke.
    spoke: Vec<&'static str>,
    /// Whether a lineage copy is written down that is new to this disk.
    learns: bool,
}

impl Intent {
    fn speaks(&self, decision: &str) -> bool {
        self.spoke.contains(&decision)
    }
}

fn intended(world: &World) -> Intent {
    let mut world = world.clone();
    let mut intent = Intent::default();
    for _ in 0..6 {
        let plan = plan::plan(&world);
        // Once an identity is given up, that its data is set aside is nothing more; that it is told may be.
        let given_up = intent.dangers.contains(&Danger::Abandon);
        let dangers = plan.acts().filter_map(|(_, action)| danger(&world, action));
        intent.dangers.extend(dangers.filter(|danger| !given_up || *danger != Danger::Quarantine));
        intent.spoke.extend(plan.report.lines.iter().map(|line| line.decision));
        match (plan.node, plan.members) {
            (Some(Action::Recall(recall)), _) => {
                intent.learns |= recall.lineage != world.recall.lineage;
                world.recalled(*recall);
            }
            (Some(Action::Remember(state)), _) => world.remembered(*state),
            (None, Some(Action::WriteLineage { lineage, .. })) => {
                let at = world.now;
                if let Some(seen) = &mut world.store {
                    seen.at = at;
                    seen.value.lineage = Some(((*lineage).clone(), Version("next".to_owned())));
                }
                world.recalled(Recall { lineage: Some(*lineage), ..world.recall.clone() });
            }
            _ => break,
        }
    }
    intent
}

/// What makes an act safe that only a loss has brought out; `None`: nothing does.
fn excuse(world: &World, full: &Intent, loss: Loss, danger: Danger) -> Option<&'static str> {
    let membership = matches!(danger, Danger::Remove(_) | Danger::Promote(_) | Danger::AddLearner);
    let of_gossip =
        matches!(loss, Loss::Word(_) | Loss::Life(_) | Loss::Packet(_) | Loss::PacketAge(_) | Loss::Peer(_));
    let of_store = matches!(loss, Loss::Store | Loss::StoreAge | Loss::StoreOutdated);
    let hearing = matches!(loss, Loss::Heard(_) | Loss::HeardAge(_) | Loss::Counters);
    if danger == Danger::Restore && world.data == Some(DataDir::Empty) {
        return Some("an empty directory is filled for a claim that is on this disk; it serves when that goes live");
    }
    if loss == Loss::Clone || tells_of_a_copy(world, loss) {
        return Some("nobody has told of a copy of this disk; each act has its own proof");
    }
    let never_served = world.state.phase == Phase::Founding && !world.state.opened;
    if news(world, loss) && (danger != Danger::Quarantine || never_served) {
        return Some(
            "a newer copy was never heard: a claim is conditional on what this node itself read, and an epoch \
                     ends only when its members are gone or sealed, so that its quorum cannot change itself any more",
        );
    }
    if matches!(loss, Loss::Life(_) | Loss::Peer(_)) && danger == Danger::Claim {
        return Some(
            "who is not seen cannot warn: the store was reached and shows the version that the claim replaces",
        );
    }
    let never_a_member = world.state.phase == Phase::Empty && world.data == Some(DataDir::Empty);
    // A disk at its member's own place tells that it gave itself up, for whatever reason that was good enough.
    let (told, danger) = match danger {
        Danger::Disown(_) => (true, Danger::Abandon),
        other => (false, other),
    };
    if danger == Danger::Abandon && never_a_member && !told {
        return Some("nothing was ever held under this identity, and that it is given up is told to nobody");
    }
    if danger == Danger::Abandon && matches!(loss, Loss::Answer(_)) && never_served && full.speaks("found") {
        return Some("a restore that has served nobody, and another's answer proves that its disk was set back");
    }
    let leaves = matches!(danger, Danger::Abandon | Danger::Quarantine);
    if leaves && full.speaks("shared") {
        return Some("a warning of stores mixed up; what this disk itself holds stands without it");
    }
    if danger == Danger::Abandon && of_gossip && witnessed(world) {
        return Some(
            "the proof was complete: a node whose etcd has a quorum without this disk was asked, and answered",
        );
    }
    if danger == Danger::Quarantine && never_served && full.speaks("claim") {
        return Some("a view of the store in doubt; that the claim behind this data was replaced is on this disk");
    }
    if leaves && of_store && full.speaks("fence") {
        return Some("a refusal over a lineage mixed up; what this disk itself holds stands without it");
    }
    if membership && of_store && (full.speaks("record") || full.speaks("adopt")) {
        return Some("with the store up the record is written first; with the store away its rule guards the voters");
    }
    if of_gossip && leaves && full.dangers.contains(&Danger::Claim) {
        return Some("the claim at hand is gone on with, not replaced; what the disk itself proves stands");
    }
    if membership && of_gossip && says_stopped(world, loss) {
        return Some("a stop that nobody told of: etcd itself heard the member within seconds");
    }
    let Danger::Remove(id) = danger else { return None };
    let members = world.members()?;
    let member = members.iter().find(|member| member.id == id)?;
    if loss == Loss::Counters && member.learner && members.iter().filter(|member| !member.learner).count() == 1 {
        return Some("a learner has no vote; beside a single voter nothing else shows that the counters were read");
    }
    if (of_gossip || hearing) && proved(world, members, member) {
        return Some("the proof of its death was complete; something else was in the way");
    }
    if hearing && concerns(loss, id) && gossip_is_silent(world, member) {
        return Some("silence is what an eviction is made of: gossip had been silent for long enough already");
    }
    if member.learner && hearing && concerns(loss, id) && full.speaks("learner") {
        return Some("silence is what the removal of a learner is made of: by its own word it had not caught up");
    }
    if of_gossip && etcd_is_silent(world, member) {
        return Some("silence is what an eviction is made of: etcd had been silent for long enough already");
    }
    None
}

/// Whether a newer lineage copy would be written down first.
fn news(world: &World, loss: Loss) -> bool {
    let carries = matches!(
        loss,
        Loss::Copy(_) | Loss::Peer(_) | Loss::Store | Loss::StoreAge | Loss::StoreOutdated | Loss::TroubleAge
    );
    // After a failed try to write it down it is still the news.
    carries && intended(&World { failures: BTreeMap::new(), ..world.clone() }).learns
}

fn witnessed(world: &World) -> bool {
    let asked = world.interview.iter();
    asked
        .flat_map(|asked| {
            asked.answers.values().map(move |told| (told.removed || told.serves) && told.start == asked.start)
        })
        .any(|told| told)
}

/// Whether the node that is lost tells that it is the same member as this one.
fn tells_of_a_copy(world: &World, loss: Loss) -> bool {
    let (Loss::Word(node) | Loss::Life(node) | Loss::Peer(node)) = loss else { return false };
    let told = world.peers.get(&node).and_then(|peer| peer.word.as_ref()?.place);
    let member = |place: e2d_core::memory::Place| (place.cluster, place.member);
    told.is_some() && told.map(member) == world.state.place.map(member)
}

fn says_stopped(world: &World, loss: Loss) -> bool {
    let (Loss::Word(node) | Loss::Peer(node)) = loss else { return false };
    let told = world.peers.get(&node).and_then(|peer| peer.word.as_ref());
    told.is_some_and(|word| word.etcd == EtcdWord::Stopped)
}

fn proved(world: &World, members: &[Member], member: &Member) -> bool {
    let record = world.lineage().and_then(|lineage| lineage.members.iter().find(|r| r.member == member.id));
    let node = member.node().or_else(|| record?.node);
    let gone = safety::prove_gone(world, node, &member.peer_url, record).is_some();
    gone || safety::prove_dead(world, members, member).is_ok()
}

fn concerns(loss: Loss, member: MemberId) -> bool {
    matches!(loss, Loss::Heard(id) | Loss::HeardAge(id) if id == member)
}

fn gossip_is_silent(world: &World, member: &Member) -> bool {
    let peer = member.node().and_then(|node| world.peers.get(&node));
    let last = peer.and_then(|peer| peer.heard_at).unwrap_or(world.listening_since);
    let told_empty = peer.is_some_and(|peer| peer.word.as_ref().is_some_and(|word| word.phase == Phase::Empty));
    told_empty || (peer.is_none_or(|peer| !peer.alive) && world.now.since(last) >= world.policy.replace_after)
}

fn etcd_is_silent(world: &World, member: &Member) -> bool {
    let (Process::Running { since, .. }, Some(listened)) = (&world.etcd.process, world.etcd.listening_since) else {
        return false;
    };
    let last = world.etcd.heard.get(&member.id).copied().unwrap_or(*since);
    world.now.since(last.max(*since).max(listened)) >= world.policy.replace_after
}

proptest! {
    #![proptest_config(cases(60_000))]

    #[test]
    fn ignorance_never_acts(scene in scenes()) {
        let mut full = intended(&scene.0);
        // A note that failed is tried again, and what it was in the way of follows.
        let mut noted = scene.0.clone();
        for kind in [Kind::Recall, Kind::Remember] {
            noted.succeeded(kind);
        }
        full.dangers.extend(intended(&noted).dangers);
        for (loss, less) in losses::all(&scene.0) {
            for danger in intended(&less).dangers {
                let allowed = full.dangers.contains(&danger) || excuse(&scene.0, &full, loss, danger).is_some();
                prop_assert!(allowed, "without {loss:?} it does {danger:?}:\n{}", plan::plan(&less).report);
            }
        }
    }
}
