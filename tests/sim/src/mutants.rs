//! Known bugs, put back: each must be caught by an invariant. None of them is in the code that ships.
//!
//! A bug is put in by lying to a node about its world before it plans ([`lies`]), by bending what its
//! acts do ([`bends`]), or by a wrong store or a wrong etcd, where the model is asked which it is.

pub mod bends;
pub mod lies;

use crate::faults::stories::Story;
use crate::setup::Setup;
use e2d_core::action::{Action, Kind};
use std::time::Duration;

pub use lies::Memo;

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The lineage object is written whatever is there.
    UnconditionalWrite,
    /// Who is silent is dead, and a restore needs no other proof.
    RestoreOnSilence,
    /// The token is the same for all epochs (B4).
    ConstantToken,
    /// A restored etcd is open to clients before its epoch is live.
    NoGate,
    /// Members may be replaced however old the record is.
    NoRecordLimit,
    /// Who has a member's address is that member, whatever its disk holds (B5).
    AddressIsIdentity,
    /// A sealed disk goes on when it likes.
    UnsealAnyTime,
    /// A store that answers an error is taken for none.
    EmptyOnStoreError,
    /// A conditional write whose answer did not come is taken for done.
    TimeoutIsSuccess,
    /// Each founder restores the newest archive that it sees (B1).
    NewestArchiveEach,
    /// A vow needs no rising round.
    VowsFall,
    /// A vow needs nothing in common with earlier ones.
    VowsPart,
    /// A failed restore starts an empty etcd (A1, B1).
    FailedRestoreStartsEmpty,
    /// A failed restore starts what was there before (B1).
    FailedRestoreStartsOld,
    /// Members that all restart go back to the last archive (A2).
    RestartRestores,
    /// A member that cannot start gives its data up (A5).
    SelfDestruct,
    /// An archive is named before it is written (A8).
    PointerFirst,
    /// An archive counts as it is (A9).
    NothingVerified,
    /// Any member writes archives, into whatever epoch is the newest (A11).
    UnfencedWriter,
    /// The marker is written into each member's own store (B2).
    EditsBypassRaft,
    /// The revision is not raised (B3).
    NoBump,
    /// All who are visible found the cluster (B6).
    AllVisibleFound,
    /// An older word overrides a newer one (B7).
    StaleWords,
    /// Every member removes, late, whoever has the name by then (B8).
    LateEviction,
    /// A newcomer votes at once (B9).
    JoinAsVoter,
    /// A removed member ends for good (C1).
    RemovedStaysDown,
    /// A node that lost its place says for ever that it runs (C2).
    StatusSticks,
    /// A full outage needs every member back (C3).
    EveryMemberNeeded,
    /// Who died before a flap is forgotten (C4).
    SuspectsForgotten,
    /// Whom gossip does not reach is dead (C9).
    GossipIsHealth,
    /// Whom etcd does not hear is dead (C9, the other way round).
    EtcdIsHealth,
    /// A restore that was torn leaves data that is started.
    TornRestoreStarts,
    /// Seats are filled without waiting for the last one.
    ManyChanges,
}

impl Mutant {
    /// All of them, each with the story in which it shows.
    pub const ALL: [(Self, Story); 33] = [
        (Self::UnconditionalWrite, Story::TwoHalves),
        (Self::RestoreOnSilence, Story::PartedSpares),
        (Self::ConstantToken, Story::Straggler),
        (Self::NoGate, Story::PartedRestore),
        (Self::NoRecordLimit, Story::LaggingRecord),
        (Self::AddressIsIdentity, Story::Replacements),
        (Self::UnsealAnyTime, Story::Seals),
        (Self::EmptyOnStoreError, Story::LostInTheDark),
        (Self::TimeoutIsSuccess, Story::PartedBirth),
        (Self::NewestArchiveEach, Story::AllLost),
        (Self::VowsFall, Story::PartedVows),
        (Self::VowsPart, Story::PartedVows),
        (Self::FailedRestoreStartsEmpty, Story::AllLost),
        (Self::FailedRestoreStartsOld, Story::AllLost),
        (Self::RestartRestores, Story::Outages),
        (Self::SelfDestruct, Story::Outages),
        (Self::PointerFirst, Story::AllLost),
        (Self::NothingVerified, Story::LostInTheDark),
        (Self::UnfencedWriter, Story::LaggingRecord),
        (Self::EditsBypassRaft, Story::AllLost),
        (Self::NoBump, Story::AllLost),
        (Self::AllVisibleFound, Story::AllLost),
        (Self::StaleWords, Story::Replacements),
        (Self::LateEviction, Story::Replacements),
        (Self::JoinAsVoter, Story::Replacements),
        (Self::RemovedStaysDown, Story::Replacements),
        (Self::StatusSticks, Story::Replacements),
        (Self::EveryMemberNeeded, Story::Gone),
        (Self::SuspectsForgotten, Story::Gone),
        (Self::GossipIsHealth, Story::Replacements),
        (Self::EtcdIsHealth, Story::Replacements),
        (Self::TornRestoreStarts, Story::AllLost),
        (Self::ManyChanges, Story::Replacements),
    ];

    /// The bug of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().map(|(mutant, _)| mutant).find(|mutant| format!("{mutant:?}") == name)
    }

    /// The world in which it shows.
    #[must_use]
    pub fn stage(self, setup: Setup) -> Setup {
        let story = Self::ALL.into_iter().find(|(mutant, _)| *mutant == self).map_or(Story::Any, |(_, story)| story);
        story.stage(setup)
    }

    /// How long an act is on its way.
    #[must_use]
    pub fn delay(self, action: &Action, delay: Duration) -> Duration {
        if self == Self::LateEviction && action.kind() == Kind::Remove { delay * 1000 } else { delay }
    }

    /// How long it takes until an act that took effect is finished.
    #[must_use]
    pub fn aftermath(self, action: &Action, delay: Duration) -> Duration {
        if self == Self::PointerFirst && action.kind() == Kind::Archive { delay * 500 } else { delay }
    }
}
