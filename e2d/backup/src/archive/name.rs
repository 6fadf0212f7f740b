//! Where archives lie in a store.
//!
//! `archives/<epoch>/<revision>-<nonce>` and an ending for each part. Numbers have 20 digits, so that the
//! order of keys is the order of epochs and revisions. No object says where another lies: all keys follow
//! from these three values.

use crate::store::Key;
use e2d_core::id::{Epoch, Nonce, Revision};
use std::fmt;

/// The folder of all archives, with its slash.
pub const FOLDER: &str = "archives/";
const DIGITS: usize = 20;

/// What an archive is called, and what it is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchiveName {
    /// The epoch it was written in.
    pub epoch: Epoch,
    /// The revision that its manifest claims; never negative.
    pub revision: Revision,
    /// Tells attempts at one revision apart.
    pub nonce: Nonce,
}

/// One object of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The compressed database.
    Data,
    /// The same, encrypted.
    EncryptedData,
    /// What makes it an archive.
    Manifest,
    /// The record of the last read-back.
    Check,
    /// The wrapped data key of an encrypted archive.
    Key,
}

const ENDINGS: [(Part, &str); 5] = [
    (Part::EncryptedData, ".db.zst.enc"),
    (Part::Data, ".db.zst"),
    (Part::Manifest, ".manifest"),
    (Part::Check, ".check"),
    (Part::Key, ".key"),
];

impl ArchiveName {
    /// The key of one of its objects.
    #[must_use]
    pub fn key(&self, part: Part) -> Key {
        let ending = ENDINGS.iter().find(|(other, _)| *other == part).map_or("", |(_, ending)| ending);
        Key::known(format!("{self}{ending}"))
    }

    /// The folder of an epoch's archives, with its slash.
    #[must_use]
    pub fn folder(epoch: Epoch) -> String {
        format!("{FOLDER}{:0DIGITS$}/", epoch.0)
    }

    /// Reads a key back; `None` if it is not one that [`Self::key`] makes.
    #[must_use]
    pub fn parse(key: &Key) -> Option<(Self, Part)> {
        let text = key.as_str().strip_prefix(FOLDER)?;
        let (text, part) = ENDINGS.iter().find_map(|(part, ending)| Some((text.strip_suffix(ending)?, *part)))?;
        let (epoch, rest) = text.split_once('/')?;
        let (revision, nonce) = rest.split_once('-')?;
        let digits = |text: &str| text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(epoch) || !digits(revision) {
            return None;
        }
        let name = Self {
            epoch: Epoch(epoch.parse().ok()?),
            revision: Revision(revision.parse().ok()?),
            nonce: nonce.parse().ok()?,
        };
        // An upper-case nonce is another key.
        (name.key(part) == *key).then_some((name, part))
    }
}

impl fmt::Display for ArchiveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let revision = u64::try_from(self.revision.0).unwrap_or_default();
        write!(f, "{}{revision:0DIGITS$}-{}", Self::folder(self.epoch), self.nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(epoch: u64, revision: i64, nonce: u128) -> ArchiveName {
        ArchiveName { epoch: Epoch(epoch), revision: Revision(revision), nonce: Nonce(nonce) }
    }

    #[test]
    fn names_have_a_fixed_width() {
        let key = name(2, 1_000_000_014, 0xab).key(Part::Manifest);
        assert_eq!(
            key.as_str(),
            "archives/00000000000000000002/00000000001000000014-000000000000000000000000000000ab.manifest"
        );
    }

    #[test]
    fn what_only_looks_like_a_name_is_none() {
        let good = name(1, 2, 0xab).key(Part::Data).to_string();
        for wrong in [
            good.replace("ab.db", "AB.db"),
            good.replace(".db.zst", ".db.zst.tmp"),
            good.replace(".db.zst", ""),
            good.replacen("0000", "000", 1),
            good.replacen("archives", "archive", 1),
            good.replacen("/0", "/+", 1),
            good.replace("00000000000000000001/", "99999999999999999999/"),
            good.replace("00000000000000000002-", "09999999999999999999-"),
        ] {
            assert_eq!(ArchiveName::parse(&Key::new(wrong.as_str()).unwrap()), None, "{wrong}");
        }
    }

    proptest! {
        /// A plain list of a store is in the order of epochs and revisions.
        #[test]
        fn the_order_of_keys_is_the_order_of_names(
            a in (any::<u64>(), 0..i64::MAX, any::<u128>()),
            b in (any::<u64>(), 0..i64::MAX, any::<u128>()),
        ) {
            let (a, b) = (name(a.0, a.1, a.2), name(b.0, b.1, b.2));
            prop_assert_eq!(a.cmp(&b), a.key(Part::Manifest).cmp(&b.key(Part::Manifest)));
            for part in [Part::Data, Part::EncryptedData, Part::Manifest, Part::Check, Part::Key] {
                prop_assert_eq!(ArchiveName::parse(&a.key(part)), Some((a, part)));
            }
        }
    }
}
