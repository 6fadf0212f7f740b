//! A node that a claim names founds the claimed epoch.
//!
//! Birth: all founders promise durably; the last promise makes the lineage live; only then does
//! anybody start, at once for clients. Restore: each founder restores the claim's one archive and
//! starts gated; a majority that runs, serves e2d and agrees byte for byte makes it live; then each
//! reopens for clients, followers first (S1, S7, S8, S9).

use super::disk::abandon;
use super::{Verdict, birth, claim, nonces, restart, turn};
use crate::action::{Action, Cluster, Launch, Refusal, StopReason};
use crate::id::{NodeId, Nonce};
use crate::lineage::{ClaimKind, Founder, Lineage, LineageState, Recorded};
use crate::memory::{Phase, Place, State};
use crate::observe::{DataDir, ExitCause, Gate, Process, World};
use crate::quorum;
use crate::reason::Reason;
use crate::safety;
use crate::vow::Vow;
use crate::word::{EtcdWord, Word};
use std::time::Duration;

/// How long founders that come later are waited for, where enough others have come.
const OTHERS: Duration = Duration::from_secs(5);

/// Considers the claim that names this node.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let (Some(me), Some(lineage)) = (world.node(), world.lineage()) else { return Verdict::Idle };
    let Some(founder) = lineage.founder(me) else { return Verdict::Idle };
    // Another machine was meant, with a copy of this disk.
    let meant = safety::host(&founder.peer_url) == safety::host(&world.me.peer_url);
    let promised = world.state.place.is_some_and(|place| place.claim == lineage.claim.nonce);
    if !meant && matches!(world.state.phase, Phase::Empty | Phase::Founding) {
        return match world.state.place.filter(|_| promised && lineage.state == LineageState::Live) {
            Some(place) => restart::give_way(world, &place, &founder.peer_url),
            // Its seat may have been given away since.
            None if lineage.state == LineageState::Live && lineage.recorded(me).is_none() => Verdict::Idle,
            None => Verdict::Wait(Reason::Elsewhere(founder.peer_url.clone())),
        };
    }
    match (world.state.phase, lineage.state) {
        (Phase::Empty | Phase::Founding, LineageState::Forming) if !promised => promise(world, lineage, founder),
        // Late, but still wanted. Nobody is born late: every founder of a birth had promised.
        (Phase::Empty | Phase::Founding, LineageState::Live)
            if !promised && lineage.recorded(me).is_some_and(|member| !member.started) =>
        {
            promise(world, lineage, founder)
        }
        (Phase::Founding, _) if promised => go_on(world, lineage, founder),
        (Phase::Member, LineageState::Live) if promised => reopen(world, lineage),
        _ => Verdict::Idle,
    }
}

/// Promises to found the claimed epoch: durably, and only after this node's own look at the store
/// has shown the claim.
fn promise(world: &World, lineage: &Lineage, founder: &Founder) -> Verdict {
    if world.policy.has_store
        && let Some(wait) = not_in_our_store(world, lineage)
    {
        return wait;
    }
    // Whoever vowed to others since would count in two majorities.
    if !world.policy.has_store
        && lineage.claim.kind == ClaimKind::Birth
        && world.state.vows.last().map(Vow::founds) != Some((lineage.lineage, lineage.claim.nonce))
    {
        return Verdict::Wait(Reason::VowedToOthers);
    }
    if world.runs().is_some() {
        let ours = world.state.place.map_or(lineage.epoch, |place| place.epoch);
        return Verdict::Act(Action::Stop { why: StopReason::Fenced { ours, known: lineage.epoch } });
    }
    if let Some(DataDir::Member(_) | DataDir::Unreadable(_) | DataDir::Unlogged(_)) = world.data {
        return safety::prove_never_served(world)
            .map_or(Verdict::Wait(Reason::UnexpectedData), |evidence| Verdict::Act(Action::Quarantine(evidence)));
    }
    let place = Place {
        lineage: lineage.lineage,
        epoch: lineage.epoch,
        claim: lineage.claim.nonce,
        cluster: lineage.cluster_id(),
        member: lineage.founder_member(founder),
        archive: lineage.claim.source.map(|source| source.archive),
    };
    let state = State {
        phase: Phase::Founding,
        place: Some(place),
        ran: false,
        opened: false,
        seal: None,
        ..world.state.clone()
    };
    Verdict::Act(Action::Remember(Box::new(state)))
}

/// The claim counts only when our own look at the store shows it too (see `shared`).
fn not_in_our_store(world: &World, lineage: &Lineage) -> Option<Verdict> {
    if world.store_view().is_none() {
        return Some(Verdict::Wait(super::birth::store_reason(world)));
    }
    let stored = world.stored().is_some_and(|(stored, _)| stored.claim.nonce == lineage.claim.nonce);
    (!stored).then_some(Verdict::Wait(Reason::ClaimNotInStore))
}

/// From the promise to the first start, and to `live`.
fn go_on(world: &World, lineage: &Lineage, founder: &Founder) -> Verdict {
    let birth = lineage.claim.kind == ClaimKind::Birth;
    let live = lineage.state == LineageState::Live;
    let has_data = matches!(world.data, Some(DataDir::Member(_)));
    if let (None, Some(DataDir::Unreadable(what) | DataDir::Unlogged(what))) = (world.runs(), &world.data) {
        return spoilt(world, lineage, what);
    }
    if live && world.runs().is_none() && is_deserted(world, lineage) {
        return abandon(
            world,
            "it never ran in the cluster that it promised to found, and no other member is left of that".to_owned(),
        );
    }
    match world.runs() {
        Some(Gate::Open) => became_member(world),
        Some(Gate::Gated) if live => reopen(world, lineage),
        Some(Gate::Gated) => agree(world, lineage),
        None if birth && !live => all_promised(world, lineage),
        None if !birth && !has_data => Verdict::Act(Action::Restore {
            source: match lineage.claim.source {
                Some(source) => source,
                None => return Verdict::Idle,
            },
            launch: Box::new(launch(world, lineage, founder, Gate::Gated)),
        }),
        None => {
            let gate = if live { Gate::Open } else { Gate::Gated };
            start(world, lineage, founder, gate)
        }
    }
}

/// Whether this claim can be founded no more: this disk never ran in it, and no other member has anything of it.
fn is_deserted(world: &World, lineage: &Lineage) -> bool {
    !world.state.ran && safety::others_have_nothing(world, lineage)
}

/// Restored data that cannot be read: restored again if etcd has never run on it, else this founder
/// gives its identity up, for what it said is lost (S11). If others may have served clients by now, only when they do.
fn spoilt(world: &World, lineage: &Lineage, what: &str) -> Verdict {
    match (world.state.opened, world.state.ran) {
        (false, false) => safety::prove_never_served(world)
            .map_or(Verdict::Idle, |evidence| Verdict::Act(Action::Quarantine(evidence))),
        (false, true) if is_unserved(world, lineage) => {
            abandon(world, format!("its data cannot be read, and etcd has run on it: {what}"))
        }
        _ => restart::damaged(world, what),
    }
}

/// Whether nobody can have been served under this claim: it still forms, or nobody else founds it.
fn is_unserved(world: &World, lineage: &Lineage) -> bool {
    let claim = lineage.claim.nonce;
    let mut stored = world.stored().into_iter().map(|(stored, _)| stored);
    let forms = stored.any(|stored| stored.state == LineageState::Forming && stored.claim.nonce == claim);
    !world.state.opened && (forms || lineage.claim.founders.len() == 1)
}

/// Starts etcd. A founder of a birth that promised in this very run has nothing to forget, for nobody ran before all had
/// promised. Any other may have been set back to its promise, or to before it, so it asks the others first (S11).
fn start(world: &World, lineage: &Lineage, founder: &Founder, gate: Gate) -> Verdict {
    match &world.etcd.process {
        Process::Exited { cause: ExitCause::NewerData(what), .. } => {
            return Verdict::Act(Action::Refuse { why: Refusal::NewerData(what.clone()) });
        }
        Process::Exited { cause: ExitCause::Corrupt(what), .. } => return spoilt(world, lineage, what),
        Process::Exited { .. } | Process::Absent | Process::Running { .. } => {}
    }
    let fresh = world.promised == Some(lineage.claim.nonce) && lineage.claim.kind == ClaimKind::Birth;
    if !fresh {
        match restart::ask(world) {
            Ok(()) => {}
            Err(Verdict::Wait(Reason::DiskWentBack { witness })) if is_unserved(world, lineage) => {
                return abandon(
                    world,
                    format!("node {witness} heard this disk further on than it is now, under the same claim"),
                );
            }
            Err(verdict) => return verdict,
        }
    }
    // A restore has just read the store. A disk that was set back to before its first start is known by what is there now.
    let restores = lineage.claim.kind != ClaimKind::Birth;
    if restores && !world.state.ran && world.policy.has_store && world.store_view().is_none() {
        return Verdict::Wait(birth::store_reason(world));
    }
    let index = if let Some(DataDir::Member(data)) = &world.data { data.index } else { 0 };
    if !fresh && let Err(verdict) = restart::check_store(world, index) {
        return verdict;
    }
    let opened = world.state.opened || gate == Gate::Open;
    if world.state.start == 0 || !world.state.ran || opened != world.state.opened {
        let state = State { start: world.state.start.max(1), ran: true, opened, ..world.state.clone() };
        return Verdict::Act(Action::Remember(Box::new(state)));
    }
    Verdict::Act(Action::Start(Box::new(launch(world, lineage, founder, gate))))
}

fn launch(world: &World, lineage: &Lineage, founder: &Founder, gate: Gate) -> Launch {
    let member = lineage.founder_member(founder);
    let place = Place {
        lineage: lineage.lineage,
        epoch: lineage.epoch,
        claim: lineage.claim.nonce,
        cluster: lineage.cluster_id(),
        member,
        archive: lineage.claim.source.map(|source| source.archive),
    };
    Launch {
        name: world.name(),
        place,
        cluster: Cluster::New,
        members: lineage.initial_cluster(),
        token: lineage.token(),
        gate,
    }
}

/// etcd runs for clients: this disk is a member from now on.
fn became_member(world: &World) -> Verdict {
    if world.status().is_none() {
        return Verdict::Wait(restart::unsettled(world));
    }
    let home = Some(world.me.peer_url.clone());
    let state = State { phase: Phase::Member, opened: true, home, ..world.state.clone() };
    Verdict::Act(Action::Remember(Box::new(state)))
}

/// Birth: the lineage goes live when every founder has promised.
fn all_promised(world: &World, lineage: &Lineage) -> Verdict {
    let me = world.node();
    let missing: Vec<NodeId> = lineage
        .claim
        .founders
        .iter()
        .map(|founder| founder.node)
        .filter(|node| Some(*node) != me)
        .filter(|node| !world.words().any(|(id, word)| id == *node && word.founds(lineage.claim.nonce)))
        .collect();
    if !missing.is_empty() {
        return Verdict::Wait(Reason::FoundersMissing(missing));
    }
    write_live(world, lineage)
}

/// Restore: the lineage goes live when a majority runs gated, serves, and agrees.
fn agree(world: &World, lineage: &Lineage) -> Verdict {
    if !world.serves() {
        return Verdict::Wait(restart::unserved(world));
    }
    let Some(archive) = lineage.claim.source.map(|source| source.archive) else { return Verdict::Idle };
    match world.etcd.marked {
        Some(false) if world.leads() => return Verdict::Act(Action::MarkRestored { archive }),
        None | Some(false) => return Verdict::Wait(Reason::Settling),
        Some(true) => {}
    }
    let Some(own) = world.etcd.hash else { return Verdict::Wait(Reason::Settling) };
    let founders = lineage.claim.founders.len();
    let (mut present, mut lags) = (1, false);
    for (node, word) in world.words() {
        let runs = lineage.founder(node).is_some() && word.founds(lineage.claim.nonce) && word.etcd == EtcdWord::Gated;
        if !runs {
            continue;
        }
        match word.hash {
            Some(hash) if hash == own => present += 1,
            Some(hash) if (hash.revision, hash.compacted) == (own.revision, own.compacted) => {
                return Verdict::Wait(Reason::HashesDiffer);
            }
            _ => lags = true,
        }
    }
    // Whoever runs and does not get so far, cut off from the others' etcd for one, does not hold the rest up.
    if lags && world.now.since(latest_change(world, lineage)) < OTHERS {
        return Verdict::Wait(Reason::Settling);
    }
    if !quorum::reached(present, founders) {
        return Verdict::Wait(Reason::GatedMissing { present, needed: quorum::majority(founders) });
    }
    write_live(world, lineage)
}

fn write_live(world: &World, lineage: &Lineage) -> Verdict {
    let position = lineage.claim.founders.iter().position(|founder| Some(founder.node) == world.node()).unwrap_or(0);
    let (nonce, _) = nonces(world);
    let live = Lineage {
        state: LineageState::Live,
        members: record_of_founders(world, lineage),
        pinned: None,
        ..lineage.next(Nonce(nonce))
    };
    if !world.policy.has_store {
        return Verdict::Idle;
    }
    let Some((stored, version)) = world.stored() else { return Verdict::Wait(super::birth::store_reason(world)) };
    if stored.nonce != lineage.nonce {
        return Verdict::Wait(Reason::ClaimNotInStore);
    }
    let steady = latest_change(world, lineage);
    if world.now.since(steady) < turn(position) {
        return Verdict::Wait(Reason::AnothersTurn(lineage.claim.founders[0].node));
    }
    Verdict::Act(Action::WriteLineage { replaces: Some(version.clone()), lineage: Box::new(live) })
}

/// When the last of the founders came to stand where it stands.
fn latest_change(world: &World, lineage: &Lineage) -> crate::time::Moment {
    let founders = lineage.claim.founders.iter().filter_map(|founder| world.peers.get(&founder.node));
    founders.map(|peer| peer.steady_since).max().unwrap_or(world.lineage_since).max(world.lineage_since)
}

fn record_of_founders(world: &World, lineage: &Lineage) -> Vec<Recorded> {
    let birth = lineage.claim.kind == ClaimKind::Birth;
    let of = |founder: &Founder| {
        let told = world.peers.get(&founder.node).and_then(|peer| peer.word.as_ref());
        let own = Some(founder.node) == world.node();
        Recorded {
            node: Some(founder.node),
            member: lineage.founder_member(founder),
            peer_url: founder.peer_url.clone(),
            instance: if own { world.me.instance.clone() } else { told.and_then(|word| word.instance.clone()) },
            machine: if own { Some(world.me.machine.clone()) } else { told.map(|word| word.machine.clone()) },
            mounted: if own { world.me.mounted } else { told.is_some_and(|word| word.mounted) },
            learner: false,
            started: birth || own || told.is_some_and(|word| word.etcd != EtcdWord::Stopped),
        }
    };
    lineage.claim.founders.iter().map(of).collect()
}

/// Runs gated, and the lineage is live: serve. One after the other, so that a majority always runs, and the leader last, so
/// that it goes on committing (S4).
fn reopen(world: &World, lineage: &Lineage) -> Verdict {
    if world.runs() != Some(Gate::Gated) {
        return Verdict::Idle;
    }
    if !world.state.opened || world.state.phase != Phase::Member {
        let home = Some(world.me.peer_url.clone());
        let state = State { opened: true, phase: Phase::Member, home, ..world.state.clone() };
        return Verdict::Act(Action::Remember(Box::new(state)));
    }
    let serves = |word: &Word| word.etcd == EtcdWord::Open && word.progress.is_some_and(|progress| progress.serves);
    let leads = |word: &Word| word.progress.is_some_and(|progress| progress.leads);
    let earlier = |node: NodeId, word: &Word| world.leads() || (Some(node) < world.node() && !leads(word));
    let reopens = |node: NodeId, word: &Word| {
        let founds = lineage.founder(node).is_some() && word.founds(lineage.claim.nonce);
        founds && (word.etcd == EtcdWord::Gated || word.phase == Phase::Member) && !serves(word)
    };
    let founders = u32::try_from(lineage.claim.founders.len()).unwrap_or(1);
    // One that stops and loads takes as long as there is data; one that answers and does not serve may never.
    let is_worth_it = |node: NodeId, word: &Word| {
        let patience = if word.progress.is_none() { claim::LONG } else { OTHERS * founders };
        let since = world.peers.get(&node).map_or(world.lineage_since, |peer| peer.steady_since);
        world.now.since(since.max(world.lineage_since)) < patience
    };
    let is_waited_for =
        |node: NodeId, word: &Word| reopens(node, word) && earlier(node, word) && is_worth_it(node, word);
    if world.words().any(|(node, word)| is_waited_for(node, word)) {
        return Verdict::Wait(Reason::OthersReopen);
    }
    Verdict::Act(Action::Stop { why: StopReason::Reopen })
}
