//! The interview: what the others know of a disk before its etcd starts on old data.
//!
//! A disk cannot know by itself that it was removed, that a newer epoch began, or that it was set
//! back to an older copy. So before each start on old data it raises its count of starts, and asks
//! the members that it last knew. It starts when a majority of them, itself included, has answered
//! and none knows better (S3, S11, S16, S17). Cloud, store and DNS are not asked.

use crate::id::{BootId, MemberId, NodeId};
use crate::lineage::{LineageState, Recorded};
use crate::memory::{Heard, Place, Recall};
use crate::observe::World;
use crate::plan::{adopt, clone};
use crate::word::Known;
use crate::{quorum, safety};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a node asks about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The disk.
    pub node: NodeId,
    /// The run of its process.
    pub boot: BootId,
    /// Its place.
    pub place: Place,
    /// Its count of starts, raised for this question.
    pub start: u64,
}

/// What one node knows of another's disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Testimony {
    /// The count of starts that is asked about: an answer to an earlier question counts for nothing.
    pub start: u64,
    /// The newest lineage copy the witness has.
    pub known: Option<Known>,
    /// Its etcd has a quorum, and the member is not on its list: it was removed.
    pub removed: bool,
    /// Its etcd has a quorum without the asker, who would be re-seeded if it gave up its data.
    pub serves: bool,
    /// How far the witness heard the disk to have come, before this question.
    pub heard: Option<Heard>,
    /// The witness's own disk is not where its member belongs, and may be a copy whose original has seen more since: what it
    /// knows counts against the asker, and never for it.
    #[serde(default)]
    pub away: bool,
}

/// An interview under way, or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interview {
    /// The count of starts that it was begun with.
    pub start: u64,
    /// When it was begun.
    pub since: crate::time::Moment,
    /// When the last witness was heard for the first time, or it was begun.
    pub grown: crate::time::Moment,
    /// The answers, by witness.
    pub answers: BTreeMap<NodeId, Testimony>,
}

/// Answers a question, and says what must be durable before the answer is sent: the start that was
/// asked about, so that the same start asked by another disk is known.
#[must_use]
pub fn testify(world: &World, question: &Question) -> (Testimony, Recall) {
    let mut recall = world.recall.clone();
    let heard = recall.heard.get(&question.node).copied();
    recall.hear(question.node, Heard { start: question.start, boot: Some(question.boot), ..Heard::default() });
    let here = world.state.place.is_some_and(|place| {
        (place.lineage, place.epoch, place.cluster)
            == (question.place.lineage, question.place.epoch, question.place.cluster)
    });
    let serves = here && world.serves();
    let listed = |id: MemberId| world.members().is_some_and(|members| members.iter().any(|member| member.id == id));
    let testimony = Testimony {
        start: question.start,
        known: world.lineage().map(|lineage| Known {
            lineage: lineage.lineage,
            epoch: lineage.epoch,
            seq: lineage.seq,
            state: lineage.state,
        }),
        removed: serves && is_current(world, question.node) && !listed(question.place.member),
        serves: serves && commits_without(world, question.place.member),
        heard,
        away: world.state.place.is_some_and(|place| clone::elsewhere(world, &place).is_some()),
    };
    (testimony, recall)
}

/// Whether our list of members is younger than the asker's trouble: it may have been added since an older one.
fn is_current(world: &World, asker: NodeId) -> bool {
    let since = world.peers.get(&asker).map(|peer| peer.steady_since);
    let listed_at = world.members().and(world.etcd.members.as_ref()).map(|seen| seen.at);
    since.zip(listed_at).is_some_and(|(since, listed_at)| listed_at > since)
}

/// Whether enough voters are present without this member: it may be the asker whom the last quorum rested on.
fn commits_without(world: &World, member: MemberId) -> bool {
    let voters = || world.members().into_iter().flatten().filter(|listed| !listed.learner);
    let present = voters().filter(|listed| listed.id != member && safety::is_present(world, listed));
    quorum::reached(present.count(), voters().count())
}

/// What the answers so far amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A majority answered, and nobody knows better: start.
    Clear,
    /// Too few have answered; who is missing, of how many that are needed.
    Missing {
        /// Members that did not answer.
        silent: Vec<NodeId>,
        /// Members that did, from elsewhere than where they belong.
        away: Vec<NodeId>,
        /// How many answers are needed, our own included.
        needed: usize,
    },
    /// A member with a quorum says that this one was removed.
    Removed {
        /// Who says so.
        witness: NodeId,
    },
    /// Somebody knows a newer epoch.
    NewerEpoch {
        /// Who, and what.
        witness: NodeId,
        /// What it knows.
        known: Known,
    },
    /// Somebody heard this disk further on than it is now.
    WentBack {
        /// Who says so.
        witness: NodeId,
        /// What was heard.
        heard: Heard,
        /// Whether somebody serves, so that giving the data up loses nothing.
        reseeded: bool,
    },
}

/// Weighs the answers of `interview` against what the disk itself says.
///
/// `index` and `term` are those of etcd's own log on this disk.
#[must_use]
pub fn weigh(world: &World, place: &Place, term: u64, index: u64, interview: &Interview) -> Finding {
    let me = world.node();
    let answers = || interview.answers.iter().filter(|(_, testimony)| testimony.start == interview.start);
    // What proves by itself that this data is worth nothing comes first, so that no missing answer can bring it out.
    if let Some((&witness, _)) = answers().find(|(_, testimony)| testimony.removed) {
        return Finding::Removed { witness };
    }
    let reseeded = answers().any(|(_, testimony)| testimony.serves);
    let further = answers().find_map(|(&witness, testimony)| {
        let heard = testimony.heard?;
        went_back(world.me.boot, interview.start, (term, index), heard).then_some((witness, heard))
    });
    if let Some((witness, heard)) = further.filter(|_| reseeded) {
        return Finding::WentBack { witness, heard, reseeded };
    }
    let newer = |known: &Known| known.lineage == place.lineage && known.epoch > place.epoch;
    let newest = answers().find_map(|(&witness, testimony)| Some((witness, testimony.known.filter(newer)?)));
    if let Some((witness, known)) = newest {
        return Finding::NewerEpoch { witness, known };
    }
    if let Some((witness, heard)) = further {
        return Finding::WentBack { witness, heard, reseeded };
    }
    let (members, all) = fellows(world, place);
    let others = members.iter().copied().filter(|node| Some(*node) != me);
    let answer = |node: &NodeId| answers().find(|(witness, _)| *witness == node).map(|(_, told)| told.away);
    let (silent, heard): (Vec<NodeId>, Vec<NodeId>) = others.partition(|node| answer(node).is_none());
    let (away, heard): (Vec<NodeId>, Vec<NodeId>) = heard.into_iter().partition(|node| answer(node) == Some(true));
    let needed = crate::quorum::majority(all);
    // This disk counts too.
    if heard.len() + 1 >= needed { Finding::Clear } else { Finding::Missing { silent, away, needed } }
}

/// The nodes of the voters last known, and how many voters there are: the founders while the epoch
/// forms, then what our etcd listed last, or the record where that is newer.
#[must_use]
pub fn fellows(world: &World, place: &Place) -> (Vec<NodeId>, usize) {
    let lineage = world.lineage().filter(|lineage| lineage.claim.nonce == place.claim);
    if let Some(forming) = lineage.filter(|lineage| lineage.state == LineageState::Forming) {
        let founders = &forming.claim.founders;
        return (founders.iter().map(|founder| founder.node).collect(), founders.len());
    }
    let listed = world.recall.members.as_slice();
    let recorded = lineage.filter(|lineage| listed.is_empty() || lineage.version() > world.recall.listed);
    let members = recorded.map_or(listed, |lineage| &lineage.members);
    let voters: Vec<&Recorded> = members.iter().filter(|member| !member.learner).collect();
    // A cluster that was just taken over has not listed its members yet: it has at least this one. Any other disk has
    // forgotten them: until somebody tells the lineage, there are as many as there are to be.
    let least = if adopt::is_unrecorded(place) || !members.is_empty() { 1 } else { world.policy.size };
    (voters.iter().filter_map(|member| member.node).collect(), voters.len().max(least))
}

/// Whether what was heard of a disk is beyond what the disk itself shows.
fn went_back(boot: BootId, start: u64, own: (u64, u64), heard: Heard) -> bool {
    let (term, index) = own;
    let same_start_of_another_run = heard.start == start && heard.boot.is_some_and(|told| told != boot);
    heard.start > start || same_start_of_another_run || heard.term > term || heard.index > index
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: BootId = BootId(1);

    /// S11: each of the four signs of a disk that was set back.
    #[test]
    fn a_disk_that_went_back_is_known() {
        let heard = Heard { start: 5, boot: Some(BootId(9)), term: 3, index: 100 };
        assert!(!went_back(ME, 6, (3, 100), heard));
        assert!(went_back(ME, 4, (3, 100), heard), "fewer starts than heard");
        assert!(went_back(ME, 5, (3, 100), heard), "the same start, told by another run");
        assert!(went_back(ME, 6, (2, 100), heard), "an older term");
        assert!(went_back(ME, 6, (3, 99), heard), "fewer entries");
        assert!(!went_back(BootId(9), 5, (3, 100), heard), "our own question, asked again");
    }
}
