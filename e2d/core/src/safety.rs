//! The vetoes, and the only maker of [`Evidence`].
//!
//! Removing a member and setting data aside take a value that can be made nowhere else, from
//! observations that are fresh and under quorum (S4, S5, S6, S12). Silence is evidence only when
//! both gossip and etcd are silent, for long enough, counted from when this node itself began to
//! listen. A proof that needs no waiting is a node's own word that it gave an identity up, or its
//! successor on the same address.

use crate::id::{LineageId, MemberId, NodeId};
use crate::lineage::{Lineage, Recorded};
use crate::memory::Phase;
use crate::observe::{DataDir, Member, Peer, Process, World};
use crate::quorum;
use crate::reason::Reason;
use crate::time::Moment;
use crate::word::{EtcdWord, Past, Word};
use std::fmt;
use std::time::Duration;

/// A proved subject, and the observations that prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence<T> {
    subject: T,
    because: String,
}

impl<T> Evidence<T> {
    /// What is proved.
    pub fn subject(&self) -> &T {
        &self.subject
    }

    /// The observations, in words, with their values.
    #[must_use]
    pub fn because(&self) -> &str {
        &self.because
    }
}

impl<T> fmt::Display for Evidence<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.because)
    }
}

/// A member that may be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// Which.
    pub member: MemberId,
}

/// Data that no cluster needs any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obsolete {
    /// Whose data.
    pub node: NodeId,
}

/// How long etcd may not have heard from a member that still counts as present.
pub const ETCD_HEARS: Duration = Duration::from_secs(3);

/// How long etcd is listened to after a successor has appeared: several looks, in which a member that lives is heard.
const SUCCESSION: Duration = Duration::from_millis(1_500);

/// When our etcd last heard from a member, as far as this run knows: not before it led and was listened to.
fn etcd_heard(world: &World, member: MemberId) -> Moment {
    let running_since = match world.etcd.process {
        Process::Running { since, .. } => since,
        Process::Absent | Process::Exited { .. } => world.now,
    };
    // Who was added since can have been silent for no longer.
    let added = world.sponsored.get(&member).map_or(running_since, |(_, at)| *at);
    let listening = world.etcd.listening_since.unwrap_or(world.now);
    world.etcd.heard.get(&member).copied().unwrap_or(running_since).max(running_since).max(added).max(listening)
}

/// For how long our etcd has been without a member, counted from when it led, was listened to, and the member was added.
pub(crate) fn etcd_silence(world: &World, member: MemberId) -> Duration {
    world.now.since(etcd_heard(world, member))
}

/// For how long the leader's node must be away before others take over what it does beside its etcd.
const UNATTENDED: Duration = Duration::from_mins(1);

/// The leader, and its node, if gossip has held that node dead for a while, though its etcd leads on: nobody sees to the
/// members then, and whoever runs that node must.
pub(crate) fn unattended_leader(world: &World) -> Option<(MemberId, NodeId)> {
    let leader = world.status()?.leader.filter(|_| !world.leads())?;
    let node = node_of(world, world.members()?.iter().find(|member| member.id == leader)?)?;
    let peer = world.peers.get(&node);
    let since = peer.map_or(world.listening_since, |peer| peer.steady_since.max(world.listening_since));
    let away = peer.is_none_or(|peer| !peer.alive) && Some(node) != world.node();
    (away && world.now.since(since) >= UNATTENDED).then_some((leader, node))
}

/// Whether our etcd hears a member now, and its node does not say that it stopped it; itself always.
#[must_use]
pub fn is_present(world: &World, member: &Member) -> bool {
    let own = world.state.place.is_some_and(|place| place.member == member.id);
    let told = node_of(world, member).and_then(|node| world.peers.get(&node)).and_then(|peer| peer.word.as_ref());
    let stopped = told.is_some_and(|word| word.etcd == EtcdWord::Stopped);
    let heard = world.etcd.heard.get(&member.id).is_some_and(|heard| world.now.since(*heard) <= ETCD_HEARS);
    own || (!stopped && heard)
}

/// Whether a member may be dead: etcd does not hear it now, or has not heard it since a successor stands in its place.
#[must_use]
pub fn may_be_dead(world: &World, member: &Member) -> bool {
    let replaced = || {
        let (_, since) = succeed(world, node_of(world, member), &member.peer_url, recorded(world, member.id))?;
        let listened = world.now.since(since) >= SUCCESSION;
        Some(listened && world.etcd.heard.get(&member.id).is_none_or(|heard| *heard < since))
    };
    !is_present(world, member) || replaced().unwrap_or(false)
}

/// Proves that a recorded or listed disk will never speak again under its old identity, without any
/// waiting: its own word, or its successor's.
#[must_use]
pub fn prove_gone(world: &World, node: Option<NodeId>, peer_url: &str, before: Option<&Recorded>) -> Option<String> {
    succeed(world, node, peer_url, before).map(|(proof, _)| proof)
}

/// The proof that another disk has taken a disk's place, and since when that is known to be so.
fn succeed(world: &World, node: Option<NodeId>, peer_url: &str, before: Option<&Recorded>) -> Option<(String, Moment)> {
    let node = node?;
    let former_of_mine = world.identity.as_ref().is_some_and(|identity| identity.former.contains(&node));
    if former_of_mine {
        return Some((format!("this disk gave the identity {node} up"), world.listening_since));
    }
    if let Some((successor, _)) = world.words().find(|(_, word)| word.former.contains(&node)) {
        let since = world.peers.get(&successor).map_or(world.now, |peer| peer.steady_since);
        return Some((format!("node {successor} says that it gave the identity {node} up"), since));
    }
    if world.me.peer_url == peer_url && world.node().is_some_and(|me| me != node) && !is_unmounted_here(world, before) {
        let proof = format!("this disk stands at {peer_url} now, in the place of {node}");
        return Some((proof, world.listening_since));
    }
    let (successor, peer) = standing_at(world, peer_url, before).find(|(id, _)| *id != node)?;
    Some((format!("node {successor} answers from {peer_url}, in the place of {node}"), peer.steady_since))
}

/// The nodes that answer from this address themselves, and do not only lack the mount of the disk that was there.
fn standing_at<'a>(
    world: &'a World,
    peer_url: &'a str,
    before: Option<&'a Recorded>,
) -> impl Iterator<Item = (NodeId, &'a Peer)> {
    world.visible().filter(move |(_, peer)| {
        let Some(told) = &peer.word else { return false };
        let direct = peer.heard_at.is_some_and(|at| world.now.since(at) <= world.policy.observation_ttl);
        let from_there = host(peer_url).is_some_and(|host| host == peer.addr.ip().to_string());
        let unmounted = is_unmounted(world, before, told.mounted, &told.machine, peer.steady_since);
        told.peer_url == peer_url && direct && from_there && !unmounted
    })
}

/// How long the disk of another machine may take to be attached and mounted.
const ATTACHED: Duration = Duration::from_mins(5);

/// Whether what stands where a mounted disk was may only lack its mount: always on the same machine, and for a while on
/// another one, to which the disk may be moving.
fn is_unmounted(world: &World, before: Option<&Recorded>, mounted: bool, machine: &str, since: Moment) -> bool {
    let Some(before) = before.filter(|before| before.mounted && !mounted) else { return false };
    before.machine.as_deref() == Some(machine) || world.now.since(since.max(world.listening_since)) < ATTACHED
}

fn is_unmounted_here(world: &World, before: Option<&Recorded>) -> bool {
    is_unmounted(world, before, world.me.mounted, &world.me.machine, world.listening_since)
}

/// Whether a member has founded another lineage since, by its own word, and so never speaks in this one again. Without a
/// store, where vows part, that happens. Another name for the same etcd cluster is none: its disk speaks here all the time.
#[must_use]
pub(crate) fn has_left(world: &World, lineage: &Lineage, member: &Recorded) -> Option<String> {
    let (node, told) = world.words().find(|(node, _)| Some(*node) == member.node)?;
    let place = told.place.filter(|_| !world.policy.has_store)?;
    let other_name = place.lineage != LineageId(0) && place.lineage != lineage.lineage;
    let elsewhere = other_name && place.cluster != lineage.cluster_id();
    elsewhere.then(|| format!("node {node} belongs to lineage {} by its own word", place.lineage))
}

/// Whether so many members have left a lineage that the rest can never commit.
#[must_use]
pub(crate) fn is_outvoted(world: &World, lineage: &Lineage) -> bool {
    let voters = || lineage.members.iter().filter(|member| !member.learner);
    let left = voters().filter(|member| has_left(world, lineage, member).is_some()).count();
    quorum::reached(left, voters().count())
}

/// Whether nobody but this node can have anything of the epoch: each other member is gone, has left, or never ran in it.
#[must_use]
pub(crate) fn others_have_nothing(world: &World, lineage: &Lineage) -> bool {
    let has_nothing = |member: &&Recorded| {
        let gone = || prove_gone(world, member.node, &member.peer_url, Some(*member));
        has_left(world, lineage, member).or_else(gone).or_else(|| prove_empty(world, lineage, member)).is_some()
    };
    let mut others = lineage.members.iter().filter(|member| member.node != world.node()).peekable();
    others.peek().is_some() && others.all(|member| has_nothing(&member))
}

/// How long a recorded disk must have said that it is empty before a restore rests on it.
const EMPTY_FOR: Duration = Duration::from_secs(10);

/// Proves that a disk which was recorded before its first start, a newcomer's or a late founder's, has nothing of the epoch,
/// by its own word. For a restore alone: nobody may be left who could still give it data. (One that the record knows to have run gives its
/// identity up when it finds itself empty.)
#[must_use]
pub(crate) fn prove_empty(world: &World, lineage: &Lineage, member: &Recorded) -> Option<String> {
    let node = member.node.filter(|_| !member.started)?;
    let since = if world.node() == Some(node) {
        let vowed = world.state.vows.last().is_some_and(|vow| vow.founds().0 == lineage.lineage);
        let empty = world.state.phase == Phase::Empty && world.data == Some(DataDir::Empty) && !vowed;
        let here = world.me.peer_url == member.peer_url && !is_unmounted_here(world, Some(member));
        (empty && here).then_some(world.listening_since)?
    } else {
        let (_, peer) = standing_at(world, &member.peer_url, Some(member)).find(|(id, _)| *id == node)?;
        peer.word.as_ref().is_some_and(|word| is_idle(word, lineage)).then_some(peer.steady_since)?
    };
    let steady = world.now.since(since.max(world.listening_since));
    let said = || format!("node {node} says that it never ran in this epoch, for {} s now", steady.as_secs());
    (steady >= EMPTY_FOR).then(said)
}

/// Whether a disk says that it is empty and has vowed to found nothing of this lineage, or that it promised to found this
/// claim and never did.
fn is_idle(word: &Word, lineage: &Lineage) -> bool {
    let vowed = word.vow.as_ref().is_some_and(|vow| vow.founds().0 == lineage.lineage);
    let waits = word.phase == Phase::Founding && word.founds(lineage.claim.nonce) && word.past == Past::NeverRan;
    (word.holds_nothing() && !vowed) || waits
}

/// The host part of a URL, without port and brackets.
pub(crate) fn host(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['/', '?']).next()?;
    if let Some(v6) = rest.strip_prefix('[') {
        return v6.split_once(']').map(|(host, _)| host);
    }
    Some(rest.rsplit_once(':').map_or(rest, |(host, _)| host))
}

/// Proves that a listed member may be removed: it is gone or silent for long enough by both
/// witnesses, the rest can commit without it, and the record still covers the voters.
///
/// # Errors
/// The reason to wait: what is missing of the proof, or what a removal would endanger.
pub fn prove_dead(world: &World, members: &[Member], dead: &Member) -> Result<Evidence<Death>, Reason> {
    let because = match prove_gone(world, node_of(world, dead), &dead.peer_url, recorded(world, dead.id)) {
        Some(proof) => proof,
        None => prove_silent(world, members, dead)?,
    };
    may_change(world, members, dead.id, |member| member.id != dead.id)?;
    Ok(Evidence { subject: Death { member: dead.id }, because })
}

/// Proves that a listed member may be removed because an operator, called `by`, says that it is gone. That word stands
/// for the proof of death and for nothing else: the rest must be able to commit, and the record to cover it. Against
/// two witnesses that the member lives it does not stand.
///
/// # Errors
/// The reason why not.
pub fn prove_told(world: &World, members: &[Member], gone: &Member, by: &str) -> Result<Evidence<Death>, Reason> {
    let own = world.state.place.is_some_and(|place| place.member == gone.id);
    let present = is_present(world, gone);
    let node = node_of(world, gone);
    let reached = node.and_then(|node| world.peers.get(&node)).is_some_and(|peer| peer.alive);
    if own || (present && reached) {
        return Err(Reason::Alive(gone.id));
    }
    let absent = |member: &&Member| member.id != gone.id && !is_present(world, member);
    if present && let Some(other) = members.iter().find(absent) {
        return Err(Reason::AnotherUnhealthy(other.id));
    }
    may_change(world, members, gone.id, |member| member.id != gone.id)?;
    let heard = world.etcd.heard.get(&gone.id).map(|&at| world.now.since(at).as_secs());
    let etcd = heard.map_or("etcd has not heard it".to_owned(), |seconds| format!("etcd heard it {seconds} s ago"));
    let gossip = if reached { "gossip reaches its node" } else { "gossip does not reach it" };
    Ok(Evidence { subject: Death { member: gone.id }, because: format!("{by} says that it is gone; {etcd}, {gossip}") })
}

/// Proves that a learner which never started may be removed: nothing depends on it.
#[must_use]
pub fn prove_unstarted(learner: &Member, because: String) -> Option<Evidence<Death>> {
    (learner.learner && !learner.has_started()).then_some(Evidence { subject: Death { member: learner.id }, because })
}

/// Proves that a learner which does not catch up may be removed: it has no vote.
#[must_use]
pub fn prove_stalled(learner: &Member, because: String) -> Option<Evidence<Death>> {
    learner.learner.then_some(Evidence { subject: Death { member: learner.id }, because })
}

/// The disk behind a listed member: by its name, or, as long as it has not run and published one, by the record.
fn node_of(world: &World, member: &Member) -> Option<NodeId> {
    member.node().or_else(|| recorded(world, member.id)?.node)
}

fn recorded(world: &World, member: MemberId) -> Option<&Recorded> {
    world.lineage()?.members.iter().find(|recorded| recorded.member == member)
}

fn prove_silent(world: &World, members: &[Member], member: &Member) -> Result<String, Reason> {
    let missing = |missing: String| Err(Reason::DeathNotProved { member: member.id, missing });
    let bound = world.policy.replace_after;
    // Linearizable reads work, so a majority is heard. Counters that do not show one were not read, and their
    // silence means nothing.
    let voters: Vec<&Member> = members.iter().filter(|member| !member.learner).collect();
    let heard = voters.iter().filter(|voter| is_present(world, voter)).count();
    if !quorum::reached(heard, voters.len()) {
        return missing(format!(
            "etcd's counters show {heard} of {} voters while its reads have a quorum: they are not to be relied on",
            voters.len()
        ));
    }
    let etcd = etcd_silence(world, member.id);
    if etcd < bound {
        return missing(format!("etcd has been without it for {} of {} s", etcd.as_secs(), bound.as_secs()));
    }
    let Some(node) = node_of(world, member) else {
        return missing("it does not run under e2d, so gossip knows nothing of it".to_owned());
    };
    let peer = world.peers.get(&node);
    // A node that is there and says that it holds nothing is no witness for its member's life.
    if let Some(peer) = peer.filter(|peer| peer.alive) {
        return if peer.word.as_ref().is_some_and(Word::holds_nothing) {
            Ok(format!(
                "node {node} says that its disk is empty, and etcd has been without it for {} s",
                etcd.as_secs()
            ))
        } else {
            missing("gossip reaches it".to_owned())
        };
    }
    // Held dead since: news of it through others kept it alive until then, however long ago it was heard directly.
    let last = peer.map(|peer| peer.heard_at.map_or(peer.steady_since, |at| at.max(peer.steady_since)));
    let gossip = world.now.since(last.map_or(world.listening_since, |at| at.max(world.listening_since)));
    if gossip < bound {
        return missing(format!("gossip has been without it for {} of {} s", gossip.as_secs(), bound.as_secs()));
    }
    Ok(format!(
        "silent in gossip for {} s and in etcd for {} s, where {} s are enough",
        gossip.as_secs(),
        etcd.as_secs(),
        bound.as_secs()
    ))
}

/// Vetoes a change of the voters to those that `stays` lets stay (S4) or that outgrows the record
/// (S1): enough of the new voters must be present, and no majority of them may avoid the record.
///
/// # Errors
/// The reason to wait.
pub fn may_change(
    world: &World,
    members: &[Member],
    changed: MemberId,
    stays: impl Fn(&Member) -> bool,
) -> Result<(), Reason> {
    let after: Vec<&Member> = members.iter().filter(|m| (!m.learner || m.id == changed) && stays(m)).collect();
    let present = after.iter().filter(|member| is_present(world, member)).count();
    if !quorum::reached(present, after.len()) {
        return Err(Reason::QuorumAtRisk { member: changed, present, voters: after.len() });
    }
    if world.policy.has_store {
        let record = world.lineage().map(|lineage| lineage.members.as_slice()).unwrap_or_default();
        let outside = after.iter().filter(|m| !record.iter().any(|r| r.member == m.id)).count();
        if !quorum::record_covers(outside, after.len()) {
            return Err(Reason::RecordLags { member: changed });
        }
    }
    Ok(())
}

/// Proves that the data of this disk may be set aside: its identity was given up, durably, for a
/// reason that the decision names.
#[must_use]
pub fn prove_obsolete(world: &World) -> Option<Evidence<Obsolete>> {
    let identity = world.identity.as_ref()?;
    let abandoned = world.state.phase == Phase::Abandoned;
    let node = identity.node;
    let why = world.state.because.as_deref().unwrap_or("for a reason that was not written down");
    abandoned
        .then(|| Evidence { subject: Obsolete { node }, because: format!("node {node} gave its identity up: {why}") })
}

/// Proves that data left by an earlier, failed claim may be set aside: the disk never served in it.
#[must_use]
pub fn prove_never_served(world: &World) -> Option<Evidence<Obsolete>> {
    let node = world.node()?;
    let founding = world.state.phase == Phase::Founding && !world.state.opened;
    founding.then(|| Evidence {
        subject: Obsolete { node },
        because: "it was restored for a claim that was replaced before it served anybody".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found() {
        let hosts = ["https://10.0.0.1:2380", "http://[::1]:2380/x", "node-a:2380", "node-a"].map(host);
        assert_eq!(hosts, [Some("10.0.0.1"), Some("::1"), Some("node-a"), Some("node-a")]);
    }
}
