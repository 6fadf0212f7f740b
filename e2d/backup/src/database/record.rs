//! One record of the keyspace: one change of one key.
//!
//! The bolt key is 8 bytes of revision, `_`, 8 bytes of the change's number within it, and `t` when the
//! key was deleted. The value is etcd's `mvccpb.KeyValue`; of a deletion, only the key in it.

use super::DatabaseError;
use e2d_core::id::Revision;
use prost::Message as _;
use std::fmt;

/// The place of a change in the history of the keyspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// The transaction's revision.
    pub revision: Revision,
    /// Which of its changes, from 0.
    pub change: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.revision, self.change)
    }
}

impl Position {
    /// Reads a bolt key, and whether it marks a deletion.
    pub(super) fn parse(bytes: &[u8]) -> Option<(Self, bool)> {
        let (revision, rest) = bytes.split_first_chunk::<8>()?;
        let (change, rest) = rest.strip_prefix(b"_")?.split_first_chunk::<8>()?;
        let deletion = match rest {
            b"" => false,
            b"t" => true,
            _ => return None,
        };
        let position = Self { revision: Revision(i64::from_be_bytes(*revision)), change: i64::from_be_bytes(*change) };
        (position.revision.0 >= 0 && position.change >= 0).then_some((position, deletion))
    }
}

/// A key and its value at some revision, as etcd's API shows them.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct KeyValue {
    /// The key; never empty for a client's key.
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// The revision in which the key was created last.
    #[prost(int64, tag = "2")]
    pub create_revision: i64,
    /// The revision of this value.
    #[prost(int64, tag = "3")]
    pub mod_revision: i64,
    /// Counts the values since the key was created, from 1.
    #[prost(int64, tag = "4")]
    pub version: i64,
    /// The value.
    #[prost(bytes = "vec", tag = "5")]
    pub value: Vec<u8>,
    /// The lease that the key is bound to; 0 for none.
    #[prost(int64, tag = "6")]
    pub lease: i64,
}

/// A [`KeyValue`] without its value, so that looking at a record does not copy it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Head {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    #[prost(int64, tag = "2")]
    pub(super) create_revision: i64,
    #[prost(int64, tag = "3")]
    pub(super) mod_revision: i64,
    #[prost(int64, tag = "4")]
    pub(super) version: i64,
}

/// Reads a record and checks that etcd could have written it.
///
/// `None` stands for the marker that `etcdutl snapshot restore --bump-revision` leaves: a record with
/// neither key nor value, which only raises the revision.
pub(super) fn head(position: Position, deletion: bool, value: &[u8]) -> Result<Option<Head>, DatabaseError> {
    let wrong = |what| Err(DatabaseError::Record { position, what });
    if value.is_empty() && !deletion {
        return Ok(None);
    }
    let Ok(head) = Head::decode(value) else { return wrong("not a key and value") };
    if head.key.is_empty() {
        return wrong("no key");
    }
    if !deletion {
        if head.mod_revision != position.revision.0 {
            return wrong("lies at another revision than it says");
        }
        if head.create_revision > head.mod_revision || head.version < 1 {
            return wrong("created after it was changed");
        }
    }
    Ok(Some(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bolt_keys_are_read_strictly() {
        let key = |tail: &[u8]| [&5_i64.to_be_bytes()[..], b"_", &2_i64.to_be_bytes()[..], tail].concat();
        let position = Position { revision: Revision(5), change: 2 };
        assert_eq!(Position::parse(&key(b"")), Some((position, false)));
        assert_eq!(Position::parse(&key(b"t")), Some((position, true)));
        assert_eq!(position.to_string(), "5.2");
        for wrong in [key(b"x"), key(b"tt"), key(b"")[1..].to_vec(), vec![], [0xff; 17].to_vec()] {
            assert_eq!(Position::parse(&wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_record_that_contradicts_itself_is_damaged() {
        let position = Position { revision: Revision(5), change: 0 };
        let good =
            KeyValue { key: b"k".into(), create_revision: 4, mod_revision: 5, version: 2, ..KeyValue::default() };
        let read = |kv: &KeyValue| head(position, false, &kv.encode_to_vec());
        assert_eq!(read(&good).unwrap().unwrap().key, b"k");
        for wrong in [
            KeyValue { key: vec![], ..good.clone() },
            KeyValue { mod_revision: 6, ..good.clone() },
            KeyValue { create_revision: 6, ..good.clone() },
            KeyValue { version: 0, ..good },
        ] {
            assert!(read(&wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(head(position, false, b"").unwrap(), None);
        assert!(head(position, true, b"").is_err());
        assert!(head(position, false, b"\xff\xff").is_err());
    }
}
