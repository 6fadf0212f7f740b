//! One disk on two machines: the copy that is not at the member's own address gives its identity up. If the
//! member was removed meanwhile, none of them has a place, and both do; else both wait.
//!
//! Two that were copied before they had an identity have one each, and are known by the member that both claim to be:
//! nothing is started beside such a twin.

use super::disk::abandon;
use super::{Verdict, restart};
use crate::action::{Action, StopReason};
use crate::interview;
use crate::memory::{Phase, Place};
use crate::observe::{DataDir, World};
use crate::reason::Reason;
use crate::safety;
use crate::word::EtcdWord;
use std::net::IpAddr;

/// Considers whether another machine speaks with our node id.
#[must_use]
pub fn consider(world: &World) -> Verdict {
    let Some(other) = world.clone_at else { return beside_a_twin(world) };
    let home = home(world);
    let at_home = home == Some(world.me.peer_url.as_str());
    if at_home {
        return Verdict::Idle;
    }
    if world.runs().is_some() {
        return Verdict::Act(Action::Stop { why: StopReason::Cloned(other) });
    }
    let because = match home {
        Some(home) => format!(
            "another machine, at {other}, runs a copy of this disk, and the member's place is {home}, not {}",
            world.me.peer_url
        ),
        None if world.state.phase == Phase::Empty && world.data == Some(DataDir::Empty) => {
            format!("another machine, at {other}, runs a copy of this disk, which holds nothing")
        }
        None => {
            return match world.state.place.filter(|place| is_unlisted(world, place)) {
                Some(place) => restart::removed(world, &place),
                // Where the record cannot tell the two apart, neither gives up.
                None => Verdict::Wait(Reason::Cloned(other.to_string())),
            };
        }
    };
    abandon(world, because)
}

/// Another machine in sight whose disk is the same member under an identity of its own: one of the two is a copy from before
/// e2d ran on either. Who of them came first is not known, so what runs goes on, and the other waits for a person; where both
/// run, whoever is away from where etcd's list has the member stops.
fn beside_a_twin(world: &World) -> Verdict {
    let Some(place) = world.state.place else { return Verdict::Idle };
    let here = safety::host(&world.me.peer_url);
    let twin = world.visible().find(|(_, peer)| {
        let told = peer.word.as_ref().and_then(|word| word.place);
        let same = told.is_some_and(|theirs| (theirs.cluster, theirs.member) == (place.cluster, place.member));
        same && here != Some(peer.addr.ip().to_string().as_str())
    });
    let Some((_, twin)) = twin else { return Verdict::Idle };
    if world.runs().is_none() {
        return Verdict::Wait(Reason::Cloned(twin.addr.to_string()));
    }
    let runs = twin.word.as_ref().is_some_and(|word| word.etcd != EtcdWord::Stopped);
    let listed = world.members().into_iter().flatten().find(|member| member.id == place.member);
    let listed = listed.and_then(|member| safety::host(&member.peer_url)?.parse::<IpAddr>().ok());
    let away = listed.is_some_and(|listed| here.and_then(|host| host.parse().ok()) != Some(listed));
    if runs && away { Verdict::Act(Action::Stop { why: StopReason::Cloned(twin.addr) }) } else { Verdict::Idle }
}

/// Whether this disk knows who the members are, and that its own is none of them, neither by its id nor by its node.
fn is_unlisted(world: &World, place: &Place) -> bool {
    let recorded = world.lineage().into_iter().flat_map(|lineage| &lineage.members);
    let mut listed = world.recall.members.iter().chain(recorded).peekable();
    listed.peek().is_some() && listed.all(|member| member.member != place.member && member.node != world.node())
}

/// Where this disk's member belongs, as far as it is written down: where it last ran, else in etcd's list, in the record,
/// or in the claim.
pub(super) fn home(world: &World) -> Option<&str> {
    if let Some(home) = &world.state.home {
        return Some(home);
    }
    let me = world.node()?;
    let listed = world.recall.members.iter().find(|member| member.node == Some(me));
    let lineage = world.lineage();
    let recorded = listed.or_else(|| lineage?.recorded(me)).map(|member| member.peer_url.as_str());
    recorded.or_else(|| Some(lineage?.founder(me)?.peer_url.as_str()))
}

/// Where the member belongs, if that is another machine than this one and there are others to ask: then this disk may be
/// a copy, and even if it was moved, the others look for its etcd there.
pub(crate) fn elsewhere<'a>(world: &'a World, place: &Place) -> Option<&'a str> {
    let home = home(world)?;
    let alone = interview::fellows(world, place).1 <= 1;
    // A name in etcd's list, as plain etcd may have it, says nothing about the machine that this is.
    let named = world.state.home.is_none() && safety::host(home).is_none_or(|host| host.parse::<IpAddr>().is_err());
    (!alone && !named && safety::host(home) != safety::host(&world.me.peer_url)).then_some(home)
}
