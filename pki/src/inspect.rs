//! Tells what lies in files and folders: certificates, keys, which belongs to which, and whether a
//! verifier would take them.
//!
//! Every file gets an answer; what cannot be read or understood is an answer too. Keys are only looked
//! at to find their certificates, and nothing of them is kept. Nothing is written.

mod render;
mod walk;

pub use render::{FORMAT, json, table};

use crate::certificate::Certificate;
use crate::chain;
use crate::durable;
use crate::leaf::Usage;
use crate::pair;
use crate::pem;
use crate::permission::Exposure;
use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde::Serialize;

/// What was found, in the order of the paths.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// One entry for each file.
    pub files: Vec<FileReport>,
}

/// One file.
#[derive(Clone, Debug, Serialize)]
pub struct FileReport {
    /// Its path.
    pub path: Utf8PathBuf,
    /// Its permission bits; `None` if it could not be opened.
    pub mode: Option<u32>,
    /// What it holds.
    pub content: Content,
    /// Set for a file with a private key that others than its owner can reach.
    pub exposure: Option<Exposure>,
}

/// What a file holds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Content {
    /// Certificates, a leaf's own first.
    Certificates {
        /// Each of them.
        certificates: Vec<CertificateReport>,
    },
    /// A private key.
    PrivateKey {
        /// The certificates' files that it belongs to.
        certificates: Vec<Utf8PathBuf>,
    },
    /// A private key that cannot be used.
    UnusableKey {
        /// Why.
        why: String,
    },
    /// It could not be read, or is something else.
    Unknown {
        /// Why.
        why: String,
    },
}

/// One certificate of a file.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateReport {
    /// What it says.
    #[serde(flatten)]
    pub certificate: Certificate,
    /// Its private key.
    pub private_key: PrivateKeyFile,
    /// What a verifier would say.
    pub verdict: Verdict,
}

/// The private key of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "path")]
pub enum PrivateKeyFile {
    /// It is among the files.
    Found(Utf8PathBuf),
    /// The key with the certificate's file name is another's.
    Another(Utf8PathBuf),
    /// It is not among the files.
    Absent,
}

/// What a verifier would say of a certificate at the time of the inspection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "by")]
pub enum Verdict {
    /// It is an authority that names itself as its issuer, and valid.
    Authority,
    /// It is accepted for every use that it names, on the word of the authority in this file.
    Trusted(Utf8PathBuf),
    /// It is valid and its authority is not among the files.
    AuthorityAbsent,
    /// No more valid.
    Expired,
    /// Not valid yet.
    NotYetValid,
    /// Its authority is among the files and is not valid now.
    AuthorityNotValid(Utf8PathBuf),
    /// Verifiers refuse it, and this is why.
    Refused(String),
}

/// A file that was read and understood as far as it goes.
struct Read {
    path: Utf8PathBuf,
    mode: Option<u32>,
    certificates: Vec<Certificate>,
    /// The public part of a private key in it.
    key: Option<Vec<u8>>,
    holds_key: bool,
    /// Why there is nothing in it.
    why: Option<String>,
}

/// Inspects files, and folders with all their certificates and keys (`.crt`, `.cer`, `.cert`, `.pem`,
/// `.key`; four levels deep, a thousand files, no links to folders followed).
#[must_use]
pub fn inspect(paths: &[Utf8PathBuf], now: Timestamp) -> Inspection {
    let mut read = Vec::new();
    for entry in walk::files(paths) {
        read.push(match entry {
            Ok(path) => look(&path),
            Err((path, why)) => {
                Read { path, mode: None, certificates: vec![], key: None, holds_key: false, why: Some(why) }
            }
        });
    }
    let files = read.iter().map(|file| report(file, &read, now)).collect();
    Inspection { files }
}

fn look(path: &Utf8Path) -> Read {
    let mut read = Read { path: path.into(), mode: None, certificates: vec![], key: None, holds_key: false, why: None };
    let content = match durable::read(path) {
        Ok(content) => content,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            read.why = Some(format!("{error}{cause}"));
            return read;
        }
    };
    read.mode = Some(content.mode);
    read.holds_key = pem::mentions_private_key(&content.bytes);
    if read.holds_key {
        match pem::private_key(&content.bytes) {
            Ok(key) => read.key = pair::public_key_info(&key),
            Err(error) => read.why = Some(error.to_string()),
        }
        if read.key.is_none() && read.why.is_none() {
            read.why = Some("a private key that is damaged or of an unknown type".into());
        }
    }
    match pem::certificates(&content.bytes) {
        Ok(chain) => {
            for der in chain {
                match Certificate::parse(der) {
                    Ok(certificate) => read.certificates.push(certificate),
                    Err(error) => read.why = Some(error.to_string()),
                }
            }
        }
        Err(_) if read.holds_key => {}
        Err(error) => read.why = Some(error.to_string()),
    }
    read
}

fn report(file: &Read, all: &[Read], now: Timestamp) -> FileReport {
    let content = if !file.certificates.is_empty() {
        let report = |(index, certificate): (usize, &Certificate)| CertificateReport {
            private_key: private_key_of(certificate, file, all),
            verdict: verdict(certificate, &file.certificates[index + 1..], all, now),
            certificate: certificate.clone(),
        };
        Content::Certificates { certificates: file.certificates.iter().enumerate().map(report).collect() }
    } else if let Some(key) = &file.key {
        let belongs = |other: &&Read| other.certificates.first().is_some_and(|leaf| leaf.public_key_info() == key);
        Content::PrivateKey { certificates: all.iter().filter(belongs).map(|other| other.path.clone()).collect() }
    } else {
        let why = file.why.clone().unwrap_or_else(|| "nothing in it is known".into());
        if file.holds_key { Content::UnusableKey { why } } else { Content::Unknown { why } }
    };
    let exposure = file.mode.filter(|_| file.holds_key).map(Exposure::of).filter(|reach| *reach != Exposure::Owner);
    FileReport { path: file.path.clone(), mode: file.mode, content, exposure }
}

fn private_key_of(certificate: &Certificate, file: &Read, all: &[Read]) -> PrivateKeyFile {
    let belongs = |other: &&Read| other.key.as_deref() == Some(certificate.public_key_info());
    if let Some(found) = all.iter().find(belongs) {
        return PrivateKeyFile::Found(found.path.clone());
    }
    let beside = file.path.with_extension("key");
    match all.iter().find(|other| other.path == beside && other.holds_key) {
        Some(other) => PrivateKeyFile::Another(other.path.clone()),
        None => PrivateKeyFile::Absent,
    }
}

fn verdict(certificate: &Certificate, intermediates: &[Certificate], all: &[Read], now: Timestamp) -> Verdict {
    if now < certificate.validity.not_before {
        return Verdict::NotYetValid;
    }
    if !certificate.validity.holds_at(now) {
        return Verdict::Expired;
    }
    if certificate.is_authority && certificate.is_self_issued() {
        return Verdict::Authority;
    }
    let Some(usage) = certificate.usage() else {
        return Verdict::Refused("its usages allow it to be neither a server's nor a client's".into());
    };
    let intermediate_ders: Vec<_> = intermediates.iter().map(|other| other.der().clone()).collect();
    let mut named = false;
    let mut refusal = None;
    for (path, authority) in authorities(all) {
        let is_issuer_of = |leaf: &Certificate| leaf.names_as_issuer(authority);
        if !is_issuer_of(certificate) && !intermediates.iter().any(is_issuer_of) {
            continue;
        }
        named = true;
        let accepted = chain::trust([authority.der()])
            .and_then(|roots| chain::verify(certificate.der(), &intermediate_ders, &roots, usage, now));
        match accepted {
            Ok(()) if authority.validity.holds_at(now) => return Verdict::Trusted(path.into()),
            Ok(()) => refusal = Some(Verdict::AuthorityNotValid(path.into())),
            Err(error) => refusal = refusal.or_else(|| Some(Verdict::Refused(explain(certificate, &error)))),
        }
    }
    match refusal {
        Some(refusal) => refusal,
        None if named => Verdict::Refused("its authority did not sign it".into()),
        None => Verdict::AuthorityAbsent,
    }
}

fn authorities(all: &[Read]) -> impl Iterator<Item = (&Utf8Path, &Certificate)> {
    let certificates = all.iter().flat_map(|file| file.certificates.iter().map(|one| (file.path.as_path(), one)));
    certificates.filter(|(_, certificate)| certificate.is_authority)
}

fn explain(certificate: &Certificate, error: &rustls::Error) -> String {
    match certificate.version {
        3 => error.to_string(),
        version => format!("X.509 version {version}: strict verifiers take version 3 only"),
    }
}

impl Certificate {
    /// The use that it names for itself. One that names none may be used for both.
    fn usage(&self) -> Option<Usage> {
        use crate::certificate::ExtendedUsage::{Any, ClientAuth, ServerAuth};
        let has = |usage| self.extended_usages.contains(&usage);
        let anything = self.extended_usages.is_empty() || has(Any);
        match (has(ServerAuth) || anything, has(ClientAuth) || anything) {
            (true, true) => Some(Usage::ServerAndClient),
            (true, false) => Some(Usage::Server),
            (false, true) => Some(Usage::Client),
            (false, false) => None,
        }
    }
}
