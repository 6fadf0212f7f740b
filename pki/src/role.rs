//! What the bearer of a certificate may do on the admin interface.
//!
//! The certificate's organization says it: `O=e2d:read`, `O=e2d:operate`. The role counts only when
//! the certificate was verified; so there are two ways to it, and [`Role::of_peer`] is the one for
//! servers.

use crate::certificate::Certificate;
use crate::name::{Attribute, Name};
use rustls::CommonState;
use rustls_pki_types::CertificateDer;
use std::fmt;

const READ: &str = "e2d:read";
const OPERATE: &str = "e2d:operate";

/// A role. Each includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing: a certificate of the authority, but not for this interface.
    #[default]
    None,
    /// To look.
    Read,
    /// To act.
    Operate,
}

impl Role {
    /// The organization that gives this role.
    #[must_use]
    pub fn organization(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Read => Some(READ),
            Self::Operate => Some(OPERATE),
        }
    }

    /// The highest role that a name's organizations give. It is up to the caller that the name was
    /// verified.
    #[must_use]
    pub fn of_name(name: &Name) -> Self {
        let roles = name.all(&Attribute::Organization).map(|organization| match organization {
            OPERATE => Self::Operate,
            READ => Self::Read,
            _ => Self::None,
        });
        roles.max().unwrap_or_default()
    }

    /// The role of a connection's other side, whose certificate its handshake has verified. While the
    /// handshake goes on, and without a certificate: [`Role::None`].
    #[must_use]
    pub fn of_peer(connection: &CommonState) -> Self {
        if connection.is_handshaking() {
            return Self::None;
        }
        connection.peer_certificates().map_or(Self::None, Self::of_verified)
    }

    /// The role of a chain that a verifier has accepted, its leaf first.
    #[must_use]
    pub fn of_verified(chain: &[CertificateDer<'_>]) -> Self {
        let Some(leaf) = chain.first() else { return Self::None };
        Certificate::parse(leaf.clone().into_owned()).map_or(Self::None, |leaf| Self::of_name(&leaf.subject))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Operate => "operate",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_exactly_an_organization() {
        let role = |organizations: &[&str]| {
            let name = organizations
                .iter()
                .fold(Name::new("e2d:operate"), |name, organization| name.with(Attribute::Organization, organization));
            Role::of_name(&name)
        };
        assert_eq!(role(&[]), Role::None);
        assert_eq!(role(&["e2d:read"]), Role::Read);
        assert_eq!(role(&["etcd", "e2d:operate", "e2d:read"]), Role::Operate);
        assert_eq!(role(&["E2D:OPERATE", "e2d:operate ", "e2d:operate,", "xe2d:operate"]), Role::None);
        assert_eq!(Role::of_name(&Name::new("x").with(Attribute::OrganizationalUnit, "e2d:operate")), Role::None);
    }
}
