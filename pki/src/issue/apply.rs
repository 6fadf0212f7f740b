//! Carries out one action of the plan.

use super::plan::Action;
use crate::authority::{Authority, AuthorityError};
use crate::durable::Owner;
use crate::key::{KeyError, PrivateKey};
use crate::pair::{self, Paths, Step};
use crate::pem;
use camino::{Utf8Path, Utf8PathBuf};
use std::io;

/// Why an action was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// No key. Nothing was written.
    #[error("cannot make a key")]
    Key(#[from] KeyError),
    /// No certificate. Nothing was written.
    #[error("cannot issue the certificate")]
    Authority(#[from] AuthorityError),
    /// A file. The former pair is in place, or the new one, or the new one but for a rename that the next
    /// run does.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Carries out one action in `folder`, whose lock the caller holds or whose only writer it is. Doing one
/// twice issues twice; the plan that asked for it would not.
pub fn apply(
    folder: &Utf8Path,
    action: &Action,
    authority: &Authority,
    owner: Option<Owner>,
) -> Result<(), ApplyError> {
    match action {
        Action::Finish { stem } => carry_out(&pair::finish(&Paths::of_stem(folder, stem)), owner),
        Action::Issue { leaf, validity, because: _ } => {
            let key = PrivateKey::generate(leaf.key_type)?;
            let certificate = authority.issue(leaf, &key, *validity)?;
            let key = key.to_pem()?;
            let certificate = pem::encode("CERTIFICATE", certificate.der());
            let paths = Paths::of_stem(folder, &leaf.stem);
            let steps = pair::steps(&paths, key.as_bytes(), certificate.as_bytes());
            steps.iter().try_for_each(|step| carry_out(step, owner))
        }
    }
}

fn carry_out(step: &Step<'_>, owner: Option<Owner>) -> Result<(), ApplyError> {
    step.carry_out(owner).map_err(|source| ApplyError::Write { path: step.path().into(), source })
}
