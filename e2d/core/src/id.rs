//! The names of things, as types of their own.
//!
//! No function of ours takes a bare number or string where one of these is meant: a node is not a
//! member, and a member of one cluster is not the member of another with the same bits. Nothing
//! here is ever derived from a clock or from an address, but for etcd's own ids (see
//! [`crate::raftid`]).

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// What is wrong with a text that should have been an id. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: expected {expected}")]
pub struct ParseIdError {
    /// Which id was expected, for example `node id`.
    pub kind: &'static str,
    /// The text that was given, cut to 80 characters.
    pub text: String,
    /// What is allowed.
    pub expected: &'static str,
}

impl ParseIdError {
    fn new(kind: &'static str, text: &str, expected: &'static str) -> Self {
        Self { kind, text: text.chars().take(80).collect(), expected }
    }
}

/// Writes an id as text where a person may read it (JSON), and as its bits on the wire.
macro_rules! text_or_bits {
    ($name:ident, $bits:ty) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if !deserializer.is_human_readable() {
                    return <$bits>::deserialize(deserializer).map(Self);
                }
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

/// Defines a 64-bit id that is written as 16 lower-case hexadecimal digits, as etcd writes its own.
macro_rules! hex64 {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        text_or_bits!($name, u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                const EXPECTED: &str = "1 to 16 hexadecimal digits";
                let fail = || ParseIdError::new($kind, text, EXPECTED);
                if text.is_empty() || text.len() > 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(fail());
                }
                u64::from_str_radix(text, 16).map(Self).map_err(|_| fail())
            }
        }
    };
}

/// Defines a 128-bit random id that is written as 32 lower-case hexadecimal digits.
macro_rules! hex128 {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        text_or_bits!($name, u128);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let fail = || ParseIdError::new($kind, text, "32 hexadecimal digits");
                if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(fail());
                }
                u128::from_str_radix(text, 16).map(Self).map_err(|_| fail())
            }
        }
    };
}

hex64!(
    /// One data directory: random, made with the directory, kept on the disk. A new disk is a new node.
    NodeId,
    "node id"
);
hex64!(
    /// One run of the e2d process: random, made at its start, never written to disk.
    BootId,
    "boot id"
);
hex64!(
    /// etcd's raft id of a member. Two clusters never share one, because their tokens differ.
    MemberId,
    "member id"
);
hex64!(
    /// etcd's id of a cluster.
    ClusterId,
    "cluster id"
);
hex128!(
    /// One logical cluster through all its restores.
    LineageId,
    "lineage id"
);
hex128!(
    /// A random number that makes one write, or one claim, unlike any other.
    Nonce,
    "nonce"
);

/// A lineage's n-th birth. The first is 1; 0 is "none known".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// etcd's store revision: rises by one with each effective write transaction. A new cluster has 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub i64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A SHA-256 digest, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

text_or_bits!(Digest, [u8; 32]);

impl Digest {
    /// The SHA-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut out = [0; 32];
        out.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
        Self(out)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || ParseIdError::new("digest", text, "64 hexadecimal digits");
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(fail());
        }
        let mut out = [0; 32];
        for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| fail())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| fail())?;
        }
        Ok(Self(out))
    }
}

/// Names one archive of one lineage: the SHA-256 of its manifest, so that a name cannot come to mean
/// other bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ArchiveId(pub Digest);

impl fmt::Display for ArchiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bits_both_come_back() {
        let id = LineageId(0x00ab_0000_0000_0000_0000_0000_0000_0001);
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"00ab0000000000000000000000000001\"");
        assert_eq!(serde_json::from_str::<LineageId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        let wire = postcard::to_allocvec(&NodeId(7)).unwrap();
        assert_eq!((wire.len(), postcard::from_bytes::<NodeId>(&wire).unwrap()), (1, NodeId(7)));
        let digest = Digest::of(b"");
        assert!(digest.to_string().starts_with("e3b0c44298fc1c14"));
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
    }

    #[test]
    fn a_wrong_text_is_named() {
        let error = "12xy".parse::<NodeId>().unwrap_err().to_string();
        assert_eq!(error, "\"12xy\" is not a node id: expected 1 to 16 hexadecimal digits");
        assert!("é".repeat(32).parse::<Digest>().is_err());
    }
}
