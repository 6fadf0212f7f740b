//! Which archive to restore, and why not the others.
//!
//! A pure function of the catalogue. It chooses for the one node that claims a restore; all others
//! restore what the claim names by digest (S7), which [`Contents::find`] looks up.
//!
//! It never chooses in silence: whatever would have been newer and was passed over is named with the
//! reason, so that the caller can check it first, ask a person, or go on, as its policy says (S15).

use crate::archive::ArchiveName;
use crate::catalogue::{Contents, Listed};
use e2d_core::id::{ArchiveId, Epoch, LineageId, Revision};
use e2d_core::lineage::is_fenced;
use std::fmt;

/// What is to be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The logical cluster.
    pub lineage: LineageId,
    /// The epoch that ends. Its own archives come first.
    pub epoch: Epoch,
    /// What this epoch itself was restored from, and so on ([`e2d_core::lineage::Lineage::bounds`]): of older epochs, nothing
    /// newer is its past (S16).
    pub bounds: Vec<(Epoch, Revision)>,
    /// Whether an archive that nobody has read back may be chosen when there is no other.
    pub trust: Trust,
}

/// Which archives may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those whose last read-back found them sound.
    Verified,
    /// Those, and if there is none, one that nobody has read back yet.
    PreferVerified,
}

/// The outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The archive, if there is one.
    pub chosen: Option<&'a Listed>,
    /// What is newer than the chosen one and was passed over, newest first; everything, if none was
    /// chosen.
    pub passed_over: Vec<PassedOver>,
}

/// What was not chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Where it lies.
    pub name: ArchiveName,
    /// Its digest, where its manifest could be read.
    pub id: Option<ArchiveId>,
    /// Why.
    pub why: Why,
}

/// Why an archive was not chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It belongs to another logical cluster.
    OtherLineage(LineageId),
    /// It was taken in a later epoch than the one that ends.
    LaterEpoch,
    /// It was taken in an earlier epoch, and holds more than the epoch that ends was restored from.
    Fenced,
    /// Nobody has read it back yet. A check may change that.
    Unverified,
    /// What was found when it was read back cannot be read. A check may change that.
    Unread(String),
    /// It cannot be restored.
    Damaged(String),
    /// This version cannot read it.
    Unreadable(String),
    /// It has data, but no manifest.
    Incomplete,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherLineage(lineage) => write!(f, "it belongs to lineage {lineage}"),
            Self::LaterEpoch => f.write_str("it was taken in a later epoch"),
            Self::Fenced => f.write_str("it was taken in an epoch that had ended"),
            Self::Unverified => f.write_str("it was never read back"),
            Self::Unread(reason) => write!(f, "whether it is sound cannot be read: {reason}"),
            Self::Damaged(reason) => write!(f, "it is damaged: {reason}"),
            Self::Unreadable(reason) => write!(f, "it cannot be read here: {reason}"),
            Self::Incomplete => f.write_str("it was never finished"),
        }
    }
}

/// What archives are ordered by: the epoch, then what is known best of the revision.
type Rank = (Epoch, Revision, ArchiveName);

impl Listed {
    /// The revision that was found when it was read back, else the one that the manifest claims, which
    /// may be too low.
    #[must_use]
    pub fn revision(&self) -> Revision {
        use crate::archive::Outcome;
        match self.verified.as_ref().map(|check| &check.outcome) {
            Some(Outcome::Sound(found)) => found.revision,
            _ => self.archive.manifest.revision,
        }
    }

    fn rank(&self) -> Rank {
        let name = self.archive.name();
        (name.epoch, self.revision(), name)
    }
}

impl Wanted {
    /// Why an archive is not this cluster's past at all.
    fn excludes(&self, listed: &Listed) -> Option<Why> {
        let manifest = &listed.archive.manifest;
        if manifest.lineage != self.lineage {
            return Some(Why::OtherLineage(manifest.lineage));
        }
        if manifest.epoch > self.epoch {
            return Some(Why::LaterEpoch);
        }
        let fenced = || is_fenced(&self.bounds, manifest.epoch, listed.revision());
        (manifest.epoch < self.epoch && fenced()).then_some(Why::Fenced)
    }
}

/// Chooses the newest archive that may be restored.
#[must_use]
pub fn choose<'a>(contents: &'a Contents, wanted: &Wanted) -> Choice<'a> {
    let mut ranked: Vec<(Rank, &Listed)> = contents.archives.iter().map(|listed| (listed.rank(), listed)).collect();
    ranked.sort_unstable_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    let acceptable = || ranked.iter().filter(|(_, listed)| wanted.excludes(listed).is_none());
    let verified = acceptable().find(|(_, listed)| listed.verified.is_some());
    let chosen = match wanted.trust {
        Trust::Verified => verified,
        Trust::PreferVerified => verified.or_else(|| acceptable().next()),
    };

    let listed =
        ranked.iter().filter(|(_, listed)| chosen.is_none_or(|(_, chosen)| chosen != listed)).map(|(rank, listed)| {
            let unverified = || listed.unread.clone().map_or(Why::Unverified, Why::Unread);
            let why = wanted.excludes(listed).unwrap_or_else(unverified);
            (*rank, PassedOver { name: rank.2, id: Some(listed.archive.id), why })
        });
    let by_name = |name: ArchiveName, why| ((name.epoch, name.revision, name), PassedOver { name, id: None, why });
    let damaged = contents.damaged.iter().map(|bad| by_name(bad.name, Why::Damaged(bad.reason.clone())));
    let unreadable = contents.unreadable.iter().map(|bad| by_name(bad.name, Why::Unreadable(bad.reason.clone())));
    let incomplete = contents.incomplete.iter().map(|name| by_name(*name, Why::Incomplete));
    let mut others: Vec<(Rank, PassedOver)> = listed.chain(damaged).chain(unreadable).chain(incomplete).collect();
    others.retain(|(rank, _)| chosen.is_none_or(|(chosen, _)| rank > chosen));
    others.sort_unstable_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    Choice {
        chosen: chosen.map(|(_, listed)| *listed),
        passed_over: others.into_iter().map(|(_, passed_over)| passed_over).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{Archive, Check, Compression, Extent, FORMAT, Found, Manifest, Outcome};
    use crate::catalogue::{Damaged, Unreadable};
    use e2d_core::id::{ClusterId, Digest, MemberId, NodeId, Nonce};
    use jiff::Timestamp;
    use proptest::prelude::*;

    const OURS: LineageId = LineageId(1);
    const WANTED: Wanted = Wanted { lineage: OURS, epoch: Epoch(2), bounds: vec![], trust: Trust::Verified };

    fn listed(epoch: u64, claimed: i64, found: Option<i64>) -> Listed {
        let extent = Extent { size_bytes: 512, sha256: Digest([0; 32]) };
        let manifest = Manifest {
            format: FORMAT,
            lineage: OURS,
            epoch: Epoch(epoch),
            nonce: Nonce(claimed as u128),
            cluster_id: ClusterId(1),
            member_id: MemberId(1),
            node_id: NodeId(1),
            etcd_version: "3.6.16".to_owned(),
            revision: Revision(claimed),
            raft_term: 1,
            raft_index: 1,
            created_at: Timestamp::UNIX_EPOCH,
            plain: extent,
            stored: extent,
            compression: Compression::default(),
            encryption: None,
            parent: None,
        };
        let id = ArchiveId(Digest::of(&manifest.encode()));
        let verified = found.map(|revision| Check {
            format: 1,
            archive: id,
            epoch: Epoch(epoch),
            nonce: Nonce(2),
            checked_at: Timestamp::UNIX_EPOCH,
            by: NodeId(1),
            outcome: Outcome::Sound(Found {
                revision: Revision(revision),
                compact_revision: Revision(0),
                keys: 1,
                raft_index: 1,
                raft_term: None,
                in_use_bytes: 512,
            }),
        });
        Listed { archive: Archive { id, manifest }, verified, unread: None }
    }

    fn contents(archives: Vec<Listed>) -> Contents {
        Contents { archives, ..Contents::default() }
    }

    type Summary = (Option<(u64, i64)>, Vec<(i64, Why)>);

    fn summary(choice: &Choice<'_>) -> Summary {
        let chosen = choice.chosen.map(|listed| (listed.archive.manifest.epoch.0, listed.archive.manifest.revision.0));
        (chosen, choice.passed_over.iter().map(|over| (over.name.revision.0, over.why.clone())).collect())
    }

    #[test]
    fn the_newest_verified_archive_is_chosen_and_older_ones_need_no_reason() {
        let all = contents(vec![listed(2, 10, Some(10)), listed(2, 30, Some(31)), listed(2, 20, Some(25))]);
        assert_eq!(summary(&choose(&all, &WANTED)), (Some((2, 30)), vec![]));
        // What was found counts, not what was claimed: a lagging member claims less than it gave.
        let all = contents(vec![listed(2, 20, Some(45)), listed(2, 30, Some(31))]);
        assert_eq!(summary(&choose(&all, &WANTED)).0, Some((2, 20)));
    }

    /// S15: a newer archive is never passed over in silence.
    #[test]
    fn what_is_newer_and_not_chosen_has_a_reason() {
        let name = |epoch, revision| ArchiveName { epoch: Epoch(epoch), revision: Revision(revision), nonce: Nonce(9) };
        let mut all = contents(vec![listed(2, 10, Some(10)), listed(2, 50, None), listed(3, 5, Some(5))]);
        all.damaged = vec![
            Damaged { name: name(2, 60), archive: None, reason: "cut off".to_owned() },
            Damaged { name: name(2, 1), archive: None, reason: "old and of no interest".to_owned() },
        ];
        all.unreadable = vec![Unreadable { name: name(2, 70), reason: "format 2".to_owned() }];
        all.incomplete = vec![name(2, 80)];
        let expected = vec![
            (5, Why::LaterEpoch),
            (80, Why::Incomplete),
            (70, Why::Unreadable("format 2".to_owned())),
            (60, Why::Damaged("cut off".to_owned())),
            (50, Why::Unverified),
        ];
        assert_eq!(summary(&choose(&all, &WANTED)), (Some((2, 10)), expected));
    }

    #[test]
    fn an_unverified_archive_is_chosen_only_when_asked_for_and_when_there_is_no_other() {
        let prefer = Wanted { trust: Trust::PreferVerified, ..WANTED };
        let none = contents(vec![listed(2, 10, None), listed(2, 20, None)]);
        assert_eq!(summary(&choose(&none, &WANTED)), (None, vec![(20, Why::Unverified), (10, Why::Unverified)]));
        assert_eq!(summary(&choose(&none, &prefer)), (Some((2, 20)), vec![]));
        let one = contents(vec![listed(2, 10, Some(10)), listed(2, 20, None)]);
        assert_eq!(summary(&choose(&one, &prefer)), (Some((2, 10)), vec![(20, Why::Unverified)]));
    }

    /// S16: a writer of an epoch that had ended harms nothing.
    #[test]
    fn of_older_epochs_only_the_past_is_taken() {
        let all = contents(vec![listed(1, 100, Some(100)), listed(1, 120, Some(120)), listed(2, 5, None)]);
        let wanted = Wanted { bounds: vec![(Epoch(1), Revision(100))], ..WANTED };
        let (chosen, passed_over) = summary(&choose(&all, &wanted));
        assert_eq!((chosen, passed_over), (Some((1, 100)), vec![(5, Why::Unverified), (120, Why::Fenced)]));
        // An epoch that was not restored from an archive has all before it as its past.
        assert_eq!(summary(&choose(&all, &WANTED)).0, Some((1, 120)));
    }

    #[test]
    fn another_lineage_is_never_chosen() {
        let mut other = listed(2, 99, Some(99));
        other.archive.manifest.lineage = LineageId(7);
        let all = contents(vec![other, listed(2, 10, Some(10))]);
        let expected = (Some((2, 10)), vec![(99, Why::OtherLineage(LineageId(7)))]);
        assert_eq!(summary(&choose(&all, &WANTED)), expected);
    }

    proptest! {
        /// S7: the choice does not depend on the order in which a store lists, and nothing newer than it
        /// goes unsaid.
        #[test]
        fn the_choice_depends_on_the_contents_alone(
            archives in prop::collection::vec((1_u64..4, 1_i64..50, prop::option::of(0_i64..5)), 0..12),
            seed in any::<prop::sample::Index>(),
            base in prop::option::of((1_u64..3, 1_i64..50)),
        ) {
            let archives: Vec<Listed> =
                archives.into_iter().map(|(epoch, claimed, more)| listed(epoch, claimed, more.map(|more| claimed + more))).collect();
            let mut turned = archives.clone();
            let by = if turned.is_empty() { 0 } else { seed.index(turned.len()) };
            turned.rotate_left(by);
            turned.reverse();
            let bounds = base.map(|(epoch, revision)| (Epoch(epoch), Revision(revision)));
            let wanted = Wanted { bounds: bounds.into_iter().collect(), ..WANTED };
            let (one, other) = (contents(archives), contents(turned));
            let (one_choice, other_choice) = (choose(&one, &wanted), choose(&other, &wanted));
            let revision = |choice: &Choice<'_>| choice.chosen.map(|listed| (listed.archive.manifest.epoch, listed.revision()));
            prop_assert_eq!(revision(&one_choice), revision(&other_choice));
            if let Some(chosen) = one_choice.chosen {
                prop_assert!(chosen.verified.is_some() && chosen.archive.manifest.epoch <= WANTED.epoch);
                let newer = one.archives.iter().filter(|listed| listed.rank() > chosen.rank()).count();
                prop_assert_eq!(one_choice.passed_over.len(), newer);
            } else {
                prop_assert_eq!(one_choice.passed_over.len(), one.archives.len());
            }
        }
    }
}
