//! Looks at the files of the wanted leaves. Changes nothing, judges nothing that depends on the time.

use crate::certificate::Certificate;
use crate::chain;
use crate::durable::ReadError;
use crate::leaf::{Leaf, Usage};
use crate::pair::{self, Paths};
use crate::pem;
use crate::permission::Exposure;
use camino::Utf8Path;
use std::collections::BTreeMap;

/// What is at the place of one leaf.
#[derive(Clone, Debug)]
pub enum Found {
    /// At least one of the two files is missing.
    Missing {
        /// Which.
        file: String,
    },
    /// A file is there and could not be read: what it holds is unknown.
    Hidden {
        /// What the system said.
        why: String,
    },
    /// Both files were read, and they are no pair.
    Damaged {
        /// What is wrong with which.
        why: String,
    },
    /// The key is a newer one, and its certificate waits beside the older.
    Interrupted,
    /// A certificate with its key.
    Pair(Box<FoundPair>),
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct FoundPair {
    /// What the certificate says.
    pub certificate: Certificate,
    /// The authority's own signature is on it, and verifiers accept the chain while both are valid.
    pub is_ours: bool,
    /// Who, besides its owner, may reach the key.
    pub exposure: Exposure,
}

/// Looks at every wanted leaf.
#[must_use]
pub fn observe(folder: &Utf8Path, wanted: &[Leaf], authority: &Certificate) -> BTreeMap<String, Found> {
    wanted.iter().map(|leaf| (leaf.stem.clone(), look(folder, leaf, authority))).collect()
}

fn look(folder: &Utf8Path, leaf: &Leaf, authority: &Certificate) -> Found {
    let paths = Paths::of_stem(folder, &leaf.stem);
    let pair = match pair::read(&paths, pair::belongs) {
        Ok(pair) => pair,
        Err(ReadError::Missing(path)) => return Found::Missing { file: path.to_string() },
        Err(ReadError::Io { path, source }) => return Found::Hidden { why: format!("{path}: {source}") },
        // Something else lies there, which nobody asked to be replaced.
        Err(error @ (ReadError::NotAFile(_) | ReadError::TooLarge(_))) => {
            return Found::Hidden { why: error.to_string() };
        }
    };
    if pair.interrupted {
        return Found::Interrupted;
    }
    let damaged = |path: &Utf8Path, why: &dyn std::fmt::Display| Found::Damaged { why: format!("{path} {why}") };
    if let Err(error) = pem::private_key(&pair.key.bytes) {
        return damaged(&paths.key, &error);
    }
    let chain = match pem::certificates(&pair.certificate.bytes) {
        Ok(chain) => chain,
        Err(error) => return damaged(&paths.certificate, &error),
    };
    if !pair::belongs(&pair.certificate.bytes, &pair.key.bytes) {
        return damaged(&paths.key, &format_args!("does not belong to {}", paths.certificate));
    }
    let Some(Ok(certificate)) = chain.into_iter().next().map(Certificate::parse) else {
        return damaged(&paths.certificate, &"is not an X.509 certificate");
    };
    let is_ours = was_issued_by(&certificate, authority);
    Found::Pair(Box::new(FoundPair { certificate, is_ours, exposure: Exposure::of(pair.key.mode) }))
}

/// Judged at a moment when the leaf was valid, since its age is the plan's affair, and for one use
/// that it has, since its uses are.
fn was_issued_by(leaf: &Certificate, authority: &Certificate) -> bool {
    let Ok(roots) = chain::trust([authority.der()]) else { return false };
    let accepted = |usage| chain::verify(leaf.der(), &[], &roots, usage, leaf.validity.not_before).is_ok();
    leaf.names_as_issuer(authority) && (accepted(Usage::Client) || accepted(Usage::Server))
}
