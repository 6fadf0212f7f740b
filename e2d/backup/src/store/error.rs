//! Why a store did not do what it was asked.

use std::error::Error;
use std::io;

/// Why a store did not do what it was asked.
///
/// A missing object is not among these: see [`crate::store`]. Each `object` is the store's description
/// followed by the key, for example `file:///backup/lineage`.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The write's condition did not hold. Nothing was written.
    #[error("{object}: not in the state that the write asks for")]
    Conflict {
        /// What was to be written.
        object: String,
    },
    /// The reply to a write was lost. It may or may not have taken place, and may still do so.
    #[error("{object}: not known whether it was changed")]
    Ambiguous {
        /// What was to be written.
        object: String,
        /// How the reply was lost.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The store cannot be reached now. Nothing was learned, nothing was written.
    #[error("{object}: the store cannot be reached")]
    Unreachable {
        /// What was asked for.
        object: String,
        /// What stood in the way.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The store was reached and does not let us. Nothing was learned, nothing was written.
    #[error("{object}: access denied")]
    Denied {
        /// What was asked for.
        object: String,
        /// How the store said so.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The store is not what it should be, for example a file where a folder belongs. Nothing was
    /// learned, nothing was written.
    #[error("{object}: not as a store should be")]
    Malformed {
        /// What was asked for.
        object: String,
        /// What was found instead.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The store has no space left for this. Nothing was written.
    #[error("{object}: no space left in the store")]
    Full {
        /// What was to be written.
        object: String,
        /// How the store said so.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The object is larger than the caller is ready to read. Nothing was read.
    #[error("{object}: {size_bytes} bytes, where at most {limit_bytes} are expected")]
    TooLarge {
        /// What was asked for.
        object: String,
        /// How large it is, as far as is known.
        size_bytes: u64,
        /// How large it may be.
        limit_bytes: u64,
    },
    /// The bytes to store could not be had from the caller's source. Nothing was written.
    #[error("{object}: the bytes to store ended early")]
    Source {
        /// What was to be written.
        object: String,
        /// The source's own error.
        source: io::Error,
    },
}

/// What is sensible after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The same call may succeed after a while by itself.
    Retry,
    /// The object is in another state than was thought: read it before anything else is done.
    LookAgain,
    /// Only a person, or a change outside, will make it succeed: wait, and say so.
    Wait,
    /// This call will never succeed.
    Fatal,
}

impl StoreError {
    /// What the caller should do next.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Conflict { .. } | Self::Ambiguous { .. } => Disposition::LookAgain,
            Self::Unreachable { .. } | Self::Source { .. } => Disposition::Retry,
            Self::Denied { .. } | Self::Malformed { .. } | Self::Full { .. } => Disposition::Wait,
            Self::TooLarge { .. } => Disposition::Fatal,
        }
    }

    /// The store and the key that it is about.
    #[must_use]
    pub fn object(&self) -> &str {
        match self {
            Self::Conflict { object }
            | Self::Ambiguous { object, .. }
            | Self::Unreachable { object, .. }
            | Self::Denied { object, .. }
            | Self::Malformed { object, .. }
            | Self::Full { object, .. }
            | Self::TooLarge { object, .. }
            | Self::Source { object, .. } => object,
        }
    }
}
