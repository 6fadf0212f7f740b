//! Who may reach a private key, by its file's mode.
//!
//! The rule: a key that everybody on the machine can reach is refused, because it must count as known
//! to them; a key that a group can reach is used with a warning, because a group is something that an
//! administrator sets up on purpose (etcd under its own user, for one). Keys are written with 0600.

use serde::Serialize;

/// The reach of a private key's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exposure {
    /// Its owner's alone.
    Owner,
    /// A group may read or write it.
    Group,
    /// Everybody may read or write it.
    World,
}

impl Exposure {
    /// By the permission bits of a file.
    #[must_use]
    pub fn of(mode: u32) -> Self {
        if mode & 0o007 != 0 {
            Self::World
        } else if mode & 0o070 != 0 {
            Self::Group
        } else {
            Self::Owner
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_reach_counts() {
        assert_eq!([0o600, 0o400, 0o4700].map(Exposure::of), [Exposure::Owner; 3]);
        assert_eq!([0o640, 0o660, 0o610].map(Exposure::of), [Exposure::Group; 3]);
        assert_eq!([0o644, 0o666, 0o602, 0o604, 0o601].map(Exposure::of), [Exposure::World; 5]);
    }
}
