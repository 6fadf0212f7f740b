//! An authority for one purpose and one leaf, never written by us as such: for an etcd that must be
//! reachable by its supervisor alone and cannot listen on a local socket (etcd 3.4).
//!
//! The authority's key is forgotten before anything is returned, so that nobody can ever get a second
//! certificate that this etcd would accept.

use crate::authority::{Authority, AuthorityError};
use crate::clock::Validity;
use crate::key::{KeyType, PrivateKey};
use crate::leaf::{BACKDATED, Leaf, Usage};
use crate::name::Name;
use crate::pem;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::fmt;
use zeroize::Zeroizing;

/// How long it is valid: longer than any restore, shorter than anybody could forget it.
pub const THROWAWAY_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// One authority's certificate, and its one leaf for both ends of the connection, all as PEM.
pub struct Throwaway {
    /// The authority's certificate.
    pub authority: String,
    /// The leaf's certificate: good for `localhost`, `127.0.0.1` and `::1`, as server and as client.
    pub certificate: String,
    /// The leaf's private key.
    pub key: Zeroizing<String>,
}

impl Throwaway {
    /// Makes one. It is valid from an hour before `now` for [`THROWAWAY_LIFE`] after it.
    pub fn make(now: Timestamp) -> Result<Self, AuthorityError> {
        let authority = Authority::create(&Name::new("e2d throw-away authority"), KeyType::EcdsaP256, now)?;
        let leaf = Leaf::new("gated", Name::new("e2d gated etcd"), Usage::ServerAndClient).serving(&BTreeSet::new());
        let key = PrivateKey::generate(KeyType::EcdsaP256)?;
        let validity = Validity::from(now, BACKDATED, THROWAWAY_LIFE).ok_or(AuthorityError::Clock(now))?;
        let certificate = authority.issue(&leaf, &key, validity)?;
        Ok(Self {
            authority: authority.certificate_pem(),
            certificate: pem::encode("CERTIFICATE", certificate.der()).to_string(),
            key: key.to_pem()?,
        })
    }
}

impl fmt::Debug for Throwaway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Throwaway(..)")
    }
}
