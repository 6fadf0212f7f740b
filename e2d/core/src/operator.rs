//! What an operator orders, judged by the same vetoes as what the plan does by itself.
//!
//! An order is no exception from the promises: it is one more kind of evidence, and what it would
//! endanger is refused with the reason (S4, S5, S21). A hold does not stop what a person orders.

use crate::id::MemberId;
use crate::observe::{Gate, Member, World};
use crate::reason::Reason;
use crate::safety::{self, Death, Evidence};

/// Why an order is not carried out. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another node acts for the cluster.
    #[error("{}", elsewhere(leader.as_ref()))]
    NotLeading {
        /// The member that leads, and its name, if it is known here.
        leader: Option<(MemberId, String)>,
    },
    /// etcd does not list it.
    #[error("{0} is no member of this cluster")]
    NoMember(MemberId),
    /// Nobody could ever take over.
    #[error("this cluster has no other voter, so nobody else could lead it")]
    NoHeir,
    /// There are other voters, and etcd hears none of them at this moment: asked again, it may.
    #[error("no other voter is heard by etcd at this moment, so none can take over")]
    HeirsAway,
    /// There is nowhere to put it.
    #[error("this node has no store")]
    NoStore,
    /// The store does not show this cluster's epoch as the current one (S16).
    #[error("the store does not show this cluster's epoch as the current one, so nothing is archived into it")]
    NotCurrent,
    /// What the plan would wait for as well.
    #[error("{0}")]
    Unsafe(Reason),
}

fn elsewhere(leader: Option<&(MemberId, String)>) -> String {
    match leader {
        Some((member, name)) => format!("another member leads, and its node does this: {name}, member {member}"),
        None => "no leader is known here: the cluster has no quorum, or elects".to_owned(),
    }
}

/// The members, if our etcd leads and serves clients.
fn lead(world: &World) -> Result<&[Member], Refused> {
    if world.runs() == Some(Gate::Gated) {
        return Err(Refused::Unsafe(Reason::Settling));
    }
    let members = world.members();
    if let Some(members) = members.filter(|_| world.leads()) {
        return Ok(members);
    }
    Err(Refused::NotLeading { leader: leader(world) })
}

/// The member that leads, and its name, as far as our etcd knows.
#[must_use]
pub fn leader(world: &World) -> Option<(MemberId, String)> {
    let id = world.status()?.leader?;
    let name = world.members().unwrap_or_default().iter().find(|member| member.id == id);
    Some((id, name.map(|member| member.name.clone()).unwrap_or_default()))
}

/// Whether a member may be removed because an operator, called `by`, says that it is gone.
pub fn remove(world: &World, member: MemberId, by: &str) -> Result<Evidence<Death>, Refused> {
    let members = lead(world)?;
    let told = members.iter().find(|listed| listed.id == member).ok_or(Refused::NoMember(member))?;
    safety::prove_told(world, members, told, by).map_err(Refused::Unsafe)
}

/// Whether a full archive may be taken through our etcd now.
pub fn archive(world: &World) -> Result<(), Refused> {
    if !world.policy.has_store {
        return Err(Refused::NoStore);
    }
    lead(world)?;
    let trouble = world.trouble.as_ref().map(|seen| Reason::StoreTrouble(seen.value.to_string()));
    let view = world.store_view().ok_or_else(|| Refused::Unsafe(trouble.unwrap_or(Reason::StoreNotSeen)))?;
    let ours = world.state.place.map(|place| (place.lineage, place.claim));
    let stored = view.lineage.as_ref().map(|(stored, _)| (stored.lineage, stored.claim.nonce));
    if stored.is_some() && stored == ours { Ok(()) } else { Err(Refused::NotCurrent) }
}

/// The voter that is best fit to lead after ours: of those that are there the one that has come furthest.
pub fn heir(world: &World) -> Result<MemberId, Refused> {
    let me = world.state.place.map(|place| place.member);
    let other = |member: &&Member| Some(member.id) != me && !member.learner;
    let come = |member: &Member| {
        let told = member.node().and_then(|node| world.peers.get(&node)).and_then(|peer| peer.word.as_ref());
        told.and_then(|told| told.progress).map(|progress| (progress.serves, progress.index))
    };
    // A gated server is stopped in order as well.
    let Some(members) = world.members().filter(|_| world.leads()) else {
        return Err(Refused::NotLeading { leader: leader(world) });
    };
    let fit = members.iter().filter(other).filter(|member| safety::is_present(world, member));
    let none = if members.iter().any(|member| other(&member)) { Refused::HeirsAway } else { Refused::NoHeir };
    fit.max_by_key(|member| (come(member), member.id)).map(|member| member.id).ok_or(none)
}
