//! An authority's two files. The key is never written over unless that was said, and even then the
//! former one stays beside it.

use super::{Authority, AuthorityError};
use crate::durable::{self, Owner, PUBLIC, ReadError, SECRET};
use crate::key::{KeyError, KeyType, PrivateKey};
use crate::name::Name;
use crate::permission::Exposure;
use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use std::io;

/// Where an authority lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityFiles {
    /// Its certificate, perhaps among others: see [`Authority::from_pem`].
    pub certificate: Utf8PathBuf,
    /// Its private key.
    pub key: Utf8PathBuf,
}

/// Why an authority was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// One of its files.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It must count as known to everybody: see [`Exposure`].
    #[error(
        "{path} has mode {mode:04o}: everybody on this machine could issue certificates with it; replace it, or chmod 0600"
    )]
    Exposed {
        /// The key's file.
        path: Utf8PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// What the files hold.
    #[error("{certificate} and {key} are no authority")]
    Authority {
        /// The certificate's file.
        certificate: Utf8PathBuf,
        /// The key's file.
        key: Utf8PathBuf,
        /// What is wrong.
        source: AuthorityError,
    },
}

/// What to do with an authority that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it.
    Keep,
    /// Put the new one in its place. The former files stay beside it, their names ending in `.old`; what
    /// was called so before is gone.
    Replace,
}

/// What [`Authority::init`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// Both files are new.
    Created,
    /// A key without a certificate was there, as a crash between the two leaves it: it got one.
    Completed,
    /// Both files are new, and the former ones end in `.old`.
    Replaced,
}

/// Why an authority was not made, or not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// An authority is there. It is as it was.
    #[error("{0} exists: an authority is never written over unasked")]
    Exists(Utf8PathBuf),
    /// There is a certificate, but not its key, which may lie elsewhere. It is as it was.
    #[error("{certificate} exists but {key} does not: its key may be kept elsewhere, so nothing was written")]
    KeyElsewhere {
        /// The certificate's file.
        certificate: Utf8PathBuf,
        /// Where its key should be.
        key: Utf8PathBuf,
    },
    /// The key that is there. It is as it was.
    #[error("{path} exists and cannot be used")]
    ExistingKey {
        /// The key's file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
    /// A file that is there.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It could not be made. Nothing was written.
    #[error("cannot make an authority")]
    Authority(#[from] AuthorityError),
    /// A file could not be written. A key may be there without its certificate: do it again.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Authority {
    /// Loads an authority from its two files.
    pub fn load(files: &AuthorityFiles) -> Result<Self, LoadError> {
        let AuthorityFiles { certificate, key } = files;
        let (certificate_text, key_text) = (durable::read(certificate)?, durable::read(key)?);
        if Exposure::of(key_text.mode) == Exposure::World {
            return Err(LoadError::Exposed { path: key.clone(), mode: key_text.mode });
        }
        Self::from_pem(&certificate_text.bytes, &key_text.bytes).map_err(|source| LoadError::Authority {
            certificate: certificate.into(),
            key: key.into(),
            source,
        })
    }

    /// Makes an authority and its two files: the key with mode 0600, the certificate with 0644.
    /// Missing folders are made.
    ///
    /// The key is written first, for a certificate without its key is of no use to anybody, while a key
    /// without its certificate is completed by the next call.
    pub fn init(
        files: &AuthorityFiles,
        name: &Name,
        key_type: KeyType,
        existing: Existing,
        owner: Option<Owner>,
        now: Timestamp,
    ) -> Result<(Self, Saved), SaveError> {
        let AuthorityFiles { certificate, key } = files;
        for path in [certificate, key] {
            create_folder_of(path)?;
        }
        // Without it, two runs at once could each leave one file of two authorities.
        let folder = durable::folder_of(key);
        let failed = |source| SaveError::Write { path: folder.into(), source };
        let _lock = durable::lock(folder).map_err(failed)?;
        let (found_key, found_certificate) = (is_there(key)?, is_there(certificate)?);
        match (found_key, found_certificate, existing) {
            (true, true, Existing::Keep) => return Err(SaveError::Exists(key.into())),
            (false, true, Existing::Keep) => {
                return Err(SaveError::KeyElsewhere { certificate: certificate.into(), key: key.into() });
            }
            (true, false, Existing::Keep) => {
                let text = durable::read(key)?;
                let found = PrivateKey::from_pem(&text.bytes)
                    .map_err(|source| SaveError::ExistingKey { path: key.into(), source })?;
                let authority = Self::with_key(name, found, now)?;
                authority.create_certificate(certificate, owner)?;
                return Ok((authority, Saved::Completed));
            }
            (_, _, Existing::Replace) | (false, false, Existing::Keep) => {}
        }
        let authority = Self::create(name, key_type, now)?;
        let text = authority.key_pem().map_err(AuthorityError::Key)?;
        if existing == Existing::Replace {
            for path in [certificate, key] {
                set_aside(path)?;
            }
        }
        // Not written over even if it appeared just now.
        durable::create(key, text.as_bytes(), SECRET, owner).map_err(|error| refused(key, error))?;
        authority.create_certificate(certificate, owner)?;
        Ok((authority, if found_key || found_certificate { Saved::Replaced } else { Saved::Created }))
    }

    fn create_certificate(&self, path: &Utf8Path, owner: Option<Owner>) -> Result<(), SaveError> {
        durable::create(path, self.certificate_pem().as_bytes(), PUBLIC, owner).map_err(|error| refused(path, error))
    }
}

fn refused(path: &Utf8Path, source: io::Error) -> SaveError {
    match source.kind() {
        io::ErrorKind::AlreadyExists => SaveError::Exists(path.into()),
        _ => SaveError::Write { path: path.into(), source },
    }
}

fn create_folder_of(path: &Utf8Path) -> Result<(), SaveError> {
    let folder = durable::folder_of(path);
    std::fs::create_dir_all(folder).map_err(|source| SaveError::Write { path: folder.into(), source })
}

/// Also when it is a link that leads nowhere; what cannot be looked at is an error, not an absence.
fn is_there(path: &Utf8Path) -> Result<bool, SaveError> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(ReadError::Io { path: path.into(), source }.into()),
    }
}

fn set_aside(path: &Utf8Path) -> Result<(), SaveError> {
    let old = Utf8PathBuf::from(format!("{path}.old"));
    match durable::rename(path, &old) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SaveError::Write { path: old, source: error }),
        _ => Ok(()),
    }
}
