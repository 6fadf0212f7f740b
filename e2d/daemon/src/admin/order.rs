//! What an operator asks of the node beyond looking: the request on its way to the mind, and what comes back.

use e2d_core::id::{ArchiveId, Epoch, MemberId, Revision};
use std::time::Duration;
use tokio::sync::oneshot;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Stop all automatic acts for a while.
    Hold {
        /// Why.
        reason: String,
        /// For how long.
        span: Duration,
    },
    /// Let them go on.
    Release,
    /// Hand etcd's leadership over.
    StepDown,
    /// Remove a member that is said to be gone.
    Remove {
        /// Which.
        member: MemberId,
        /// Only say on what it would rest.
        dry_run: bool,
    },
    /// Take a full archive and verify it.
    Save,
}

/// One order, who gave it, and where the answer goes.
#[derive(Debug)]
pub struct Request {
    /// What.
    pub order: Order,
    /// Who, for the decision log.
    pub by: String,
    /// Where to. Whoever asked may be gone.
    pub answer: oneshot::Sender<Result<Answer, Denial>>,
}

/// What came of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The hold that stands now, or that stood until it was released.
    Hold(Option<e2d_core::observe::Hold>),
    /// Who leads.
    Leader {
        /// Whether it leads because of the order.
        moved: bool,
        /// Which member.
        member: MemberId,
        /// Its name.
        name: String,
    },
    /// The member was removed, or could be.
    Removal {
        /// Whether it was.
        removed: bool,
        /// On what it rests.
        because: String,
    },
    /// The archive.
    Saved(Receipt),
}

/// What is known of an archive that was taken and verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its digest.
    pub id: ArchiveId,
    /// Its name in the store.
    pub name: String,
    /// Its epoch.
    pub epoch: Epoch,
    /// The revision that was found in it.
    pub revision: Revision,
    /// How many keys.
    pub keys: u64,
    /// The database's size.
    pub plain_bytes: u64,
    /// What it takes in the store.
    pub stored_bytes: u64,
}

/// Why an order was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// It must not be; nothing was changed.
    Refused(String),
    /// What it names is not there.
    NotFound(String),
    /// Not now; nothing was changed.
    Later(String),
    /// It was tried; whether something was changed is in the text.
    Failed(String),
}

impl std::fmt::Display for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(why) | Self::NotFound(why) => write!(f, "refused: {why}"),
            Self::Later(why) => write!(f, "not now: {why}"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}
