//! What the engine counts: for metrics, and so that nothing is dropped in silence.

use std::fmt;

/// Why a packet, or a part of one, was dropped. Dropping changed nothing but the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rejection {
    /// Shorter than a header, a tag and one byte.
    Truncated,
    /// Longer than a datagram or a frame may be.
    Oversized,
    /// A wire version that this program does not speak.
    Version,
    /// Sealed under a key that is not in the ring: a stranger, or a rotation that skipped a round.
    UnknownKey,
    /// The key id is ours, but the packet does not open.
    Forged,
    /// Our own packet came back.
    Own,
    /// Bound to no receiver, though only a greeting may be.
    Unbound,
    /// Bound to another process: late, or replayed, or the sender does not know that we restarted.
    OtherBoot,
    /// From a process that has not yet shown that it is alive now.
    NoSession,
    /// Seen before, or too old to tell.
    Replayed,
    /// Answers a greeting that we did not send lately.
    Stale,
    /// Answers a recent greeting, but its sender advertises another address: that one is greeted.
    Alias,
    /// Too many greetings from there.
    Limited,
    /// A kind of message from a later version: ignored.
    UnknownKind,
    /// It opened, but its content cannot be read or contradicts its header.
    Malformed,
    /// A table is at its bound.
    Full,
    /// Somebody else advertises our address.
    AddressClash,
    /// foca refused it.
    Swim,
}

impl Rejection {
    /// All of them, in the order of their labels in metrics.
    pub const ALL: [Self; 18] = [
        Self::Truncated,
        Self::Oversized,
        Self::Version,
        Self::UnknownKey,
        Self::Forged,
        Self::Own,
        Self::Unbound,
        Self::OtherBoot,
        Self::NoSession,
        Self::Replayed,
        Self::Stale,
        Self::Alias,
        Self::Limited,
        Self::UnknownKind,
        Self::Malformed,
        Self::Full,
        Self::AddressClash,
        Self::Swim,
    ];

    /// A stable label for metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Oversized => "oversized",
            Self::Version => "version",
            Self::UnknownKey => "unknown_key",
            Self::Forged => "forged",
            Self::Own => "own",
            Self::Unbound => "unbound",
            Self::OtherBoot => "other_boot",
            Self::NoSession => "no_session",
            Self::Replayed => "replayed",
            Self::Stale => "stale",
            Self::Alias => "alias",
            Self::Limited => "limited",
            Self::UnknownKind => "unknown_kind",
            Self::Malformed => "malformed",
            Self::Full => "full",
            Self::AddressClash => "address_clash",
            Self::Swim => "swim",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Totals since the engine was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams and frames received, good or bad.
    pub packets_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Datagrams and frames sent.
    pub packets_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// How often a peer was suspected, by us or by others.
    pub suspicions: u64,
    /// Suspicions that the peer refuted: it was alive.
    pub false_suspicions: u64,
    /// Peers held dead that came back as the same process: they were alive, or cut off, or frozen.
    pub false_deaths: u64,
    /// How often we were held dead, or displaced, and took a new bump.
    pub renewals: u64,
    /// How often this process noticed that it had not run for a while.
    pub freezes: u64,
    rejected: [u64; Rejection::ALL.len()],
}

impl Counters {
    /// Packets or parts dropped for `why`.
    #[must_use]
    pub fn rejected(&self, why: Rejection) -> u64 {
        self.rejected[why as usize]
    }

    /// Packets or parts dropped for any reason.
    #[must_use]
    pub fn rejected_total(&self) -> u64 {
        self.rejected.iter().sum()
    }

    pub(crate) fn reject(&mut self, why: Rejection) {
        self.rejected[why as usize] += 1;
    }
}
