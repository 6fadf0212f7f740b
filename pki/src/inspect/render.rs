//! Shows an inspection: as a table for people, as JSON for programs. Pure.

use super::{CertificateReport, Content, FileReport, Inspection, PrivateKeyFile, Verdict};
use crate::certificate::ExtendedUsage;
use crate::permission::Exposure;
use jiff::Timestamp;
use serde::Serialize;

/// Of the JSON's fields and their meaning; raised when one of them changes.
pub const FORMAT: u32 = 1;

const HEAD: [&str; 13] = [
    "FILE",
    "KIND",
    "SUBJECT",
    "ISSUER",
    "HOSTS",
    "USAGES",
    "NOT BEFORE",
    "NOT AFTER",
    "SERIAL",
    "SHA-256",
    "KEY",
    "MODE",
    "VERDICT",
];
/// Hexadecimal digits of a fingerprint in the table; the JSON has all.
const FINGERPRINT_DIGITS: usize = 16;

/// One line per certificate or key, columns separated by two blanks or more; what does not apply is `-`.
/// Characters that a terminal would obey are escaped.
#[must_use]
pub fn table(inspection: &Inspection, now: Timestamp) -> String {
    let mut rows = vec![HEAD.map(String::from)];
    for file in &inspection.files {
        match &file.content {
            Content::Certificates { certificates } => {
                rows.extend(certificates.iter().map(|certificate| certificate_row(file, certificate, now)));
            }
            Content::PrivateKey { certificates } => {
                let verdict = match certificates.as_slice() {
                    [] => "of no certificate here".into(),
                    paths => {
                        format!(
                            "of {}",
                            paths.iter().map(|path| base_name(path.as_str())).collect::<Vec<_>>().join(", ")
                        )
                    }
                };
                rows.push(row(file, "private key", &verdict));
            }
            Content::UnusableKey { why } => rows.push(row(file, "private key", why)),
            Content::Unknown { why } => rows.push(row(file, "unknown", why)),
        }
    }
    lay_out(&rows)
}

/// All fields, pretty-printed, with the format's number.
#[must_use]
pub fn json(inspection: &Inspection) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        format: u32,
        #[serde(flatten)]
        inspection: &'a Inspection,
    }
    // Text and numbers alone: nothing in it can fail to be written.
    serde_json::to_string_pretty(&Document { format: FORMAT, inspection }).unwrap_or_default() + "\n"
}

fn certificate_row(file: &FileReport, report: &CertificateReport, now: Timestamp) -> [String; 13] {
    let certificate = &report.certificate;
    let list = |values: Vec<String>| if values.is_empty() { "-".into() } else { values.join(",") };
    let kind = if certificate.is_authority { "authority" } else { "certificate" };
    let mut row = row(file, kind, &verdict(report, now));
    row[2] = certificate.subject.to_string();
    row[3] = certificate.issuer.to_string();
    row[4] = list(certificate.hosts.iter().map(ToString::to_string).collect());
    row[5] = list(certificate.extended_usages.iter().map(usage).collect());
    row[6] = certificate.validity.not_before.to_string();
    row[7] = certificate.validity.not_after.to_string();
    row[8].clone_from(&certificate.serial);
    row[9] = certificate.fingerprint_sha256.chars().take(FINGERPRINT_DIGITS).collect();
    row[10] = match &report.private_key {
        PrivateKeyFile::Found(path) => format!("{} in {}", certificate.key, base_name(path.as_str())),
        PrivateKeyFile::Another(path) => format!("{}, NOT {}", certificate.key, base_name(path.as_str())),
        PrivateKeyFile::Absent => certificate.key.clone(),
    };
    row.map(|cell| printable(&cell))
}

fn row(file: &FileReport, kind: &str, verdict: &str) -> [String; 13] {
    let mut row: [String; 13] = std::array::from_fn(|_| "-".into());
    row[0] = file.path.to_string();
    row[1] = kind.into();
    row[11] = match (file.mode, file.exposure) {
        (None, _) => "-".into(),
        (Some(mode), None) => format!("{mode:04o}"),
        (Some(mode), Some(Exposure::World)) => format!("{mode:04o} EVERYBODY"),
        (Some(mode), Some(_)) => format!("{mode:04o} group"),
    };
    row[12] = verdict.into();
    row.map(|cell| printable(&cell))
}

fn usage(usage: &ExtendedUsage) -> String {
    match usage {
        ExtendedUsage::ServerAuth => "server".into(),
        ExtendedUsage::ClientAuth => "client".into(),
        ExtendedUsage::Any => "any".into(),
        ExtendedUsage::Other(other) => other.clone(),
    }
}

fn verdict(report: &CertificateReport, now: Timestamp) -> String {
    let days = |until: Timestamp| until.duration_since(now).as_hours() / 24;
    let left = days(report.certificate.validity.not_after);
    match &report.verdict {
        Verdict::Authority => format!("authority, {left} days left"),
        Verdict::Trusted(by) => format!("trusted by {}, {left} days left", base_name(by.as_str())),
        Verdict::AuthorityAbsent => format!("its authority is not here, {left} days left"),
        Verdict::Expired => format!("EXPIRED {} days ago", -left),
        Verdict::NotYetValid => "NOT YET VALID".into(),
        Verdict::AuthorityNotValid(by) => {
            format!("REFUSED: the authority in {} is not valid now", base_name(by.as_str()))
        }
        Verdict::Refused(why) => format!("REFUSED: {why}"),
    }
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn printable(cell: &str) -> String {
    cell.chars()
        .flat_map(|character| {
            let plain = !character.is_control();
            plain
                .then_some(character)
                .into_iter()
                .chain((!plain).then(|| character.escape_unicode()).into_iter().flatten())
        })
        .collect()
}

fn lay_out(rows: &[[String; 13]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 13] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}
