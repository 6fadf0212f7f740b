//! A key and its certificate, which are two files and must never be taken from two generations.
//!
//! No file system replaces two files at once, so the order of the writes carries the promise. The new
//! key and the new certificate are first written in full beside the old ones, as `NAME.next`; then the
//! key is renamed into its place, then the certificate. Wherever a crash falls, one complete pair can
//! be read: the old one before the first rename, and after it the key with the certificate that still
//! waits as `.next`. [`read`] takes that one, and [`finish`] does the rename that is missing, for which
//! the authority is not needed.

use crate::durable::{self, Content, Owner, PUBLIC, ReadError, SECRET};
use camino::{Utf8Path, Utf8PathBuf};
use rustls_pki_types::CertificateDer;
use std::io;

/// One step of replacing a pair. The steps are data so that a test can stop between any two.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// A complete file, durably.
    Write { path: Utf8PathBuf, bytes: &'a [u8], mode: u32 },
    /// A file from one name to another, durably.
    Rename { from: Utf8PathBuf, to: Utf8PathBuf },
}

impl Step<'_> {
    pub(crate) fn path(&self) -> &Utf8Path {
        match self {
            Self::Write { path, .. } => path,
            Self::Rename { to, .. } => to,
        }
    }

    pub(crate) fn carry_out(&self, owner: Option<Owner>) -> io::Result<()> {
        match self {
            Self::Write { path, bytes, mode } => durable::write(path, bytes, *mode, owner),
            Self::Rename { from, to } => durable::rename(from, to),
        }
    }
}

/// How `key` and `certificate` (both PEM) replace what is at these paths.
pub(crate) fn steps<'a>(paths: &Paths, key: &'a [u8], certificate: &'a [u8]) -> [Step<'a>; 4] {
    let (next_key, next_certificate) = (next(&paths.key), next(&paths.certificate));
    [
        Step::Write { path: next_key.clone(), bytes: key, mode: SECRET },
        Step::Write { path: next_certificate.clone(), bytes: certificate, mode: PUBLIC },
        Step::Rename { from: next_key, to: paths.key.clone() },
        Step::Rename { from: next_certificate, to: paths.certificate.clone() },
    ]
}

/// The step that an interrupted replacement lacks.
pub(crate) fn finish(paths: &Paths) -> Step<'static> {
    Step::Rename { from: next(&paths.certificate), to: paths.certificate.clone() }
}

fn next(path: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{path}.next"))
}

/// Where a pair lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paths {
    pub(crate) certificate: Utf8PathBuf,
    pub(crate) key: Utf8PathBuf,
}

impl Paths {
    pub(crate) fn of_stem(folder: &Utf8Path, stem: &str) -> Self {
        Self { certificate: folder.join(format!("{stem}.crt")), key: folder.join(format!("{stem}.key")) }
    }
}

/// What was read of a pair.
pub(crate) struct Pair {
    pub(crate) key: Content,
    pub(crate) certificate: Content,
    /// The certificate is the one that still waits under its `.next` name.
    pub(crate) interrupted: bool,
}

/// Reads a pair of which `belongs(certificate, key)` holds, if there is one.
///
/// Where the two files do not belong together, and no certificate is waiting that does, they are read
/// once more, because they may have been replaced between the two reads; then they are returned as
/// they are, for the caller to say so.
pub(crate) fn read(paths: &Paths, belongs: impl Fn(&[u8], &[u8]) -> bool) -> Result<Pair, ReadError> {
    let mut pair = read_once(paths, &belongs)?;
    if !belongs(&pair.certificate.bytes, &pair.key.bytes) {
        pair = read_once(paths, &belongs)?;
    }
    Ok(pair)
}

fn read_once(paths: &Paths, belongs: impl Fn(&[u8], &[u8]) -> bool) -> Result<Pair, ReadError> {
    let key = durable::read(&paths.key)?;
    let certificate = durable::read(&paths.certificate);
    if certificate.as_ref().is_ok_and(|certificate| belongs(&certificate.bytes, &key.bytes)) {
        return Ok(Pair { key, certificate: certificate?, interrupted: false });
    }
    match durable::read(&next(&paths.certificate)) {
        Ok(waiting) if belongs(&waiting.bytes, &key.bytes) => Ok(Pair { key, certificate: waiting, interrupted: true }),
        _ => Ok(Pair { key, certificate: certificate?, interrupted: false }),
    }
}

/// Whether the first certificate of a PEM text has the public part of a PEM text's key. Any key that
/// rustls can use will do.
pub(crate) fn belongs(certificate: &[u8], key: &[u8]) -> bool {
    use crate::pem;
    let public = pem::private_key(key).ok().and_then(|key| public_key_info(&key));
    let leaf: Option<CertificateDer<'_>> =
        pem::certificates(certificate).ok().and_then(|chain| chain.into_iter().next());
    match (public, leaf.and_then(|leaf| crate::Certificate::parse(leaf).ok())) {
        (Some(public), Some(leaf)) => public == leaf.public_key_info(),
        _ => false,
    }
}

/// The DER of the `SubjectPublicKeyInfo` of any private key that rustls can use.
pub(crate) fn public_key_info(key: &rustls_pki_types::PrivateKeyDer<'_>) -> Option<Vec<u8>> {
    let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(key).ok()?;
    signing.public_key().map(|info| info.as_ref().to_vec())
}
