//! The programs that building and testing take: what they are, and one way to install each.
//!
//! A part is installed once for all checkouts and found again by looking, never by a memory of having
//! installed it. Nothing is fetched but by package managers: Debian's packages, Go's modules, Rust's
//! crates; each from a version pinned in this repository where the version matters. No service is
//! started, and etcd never becomes a program of this machine: it stays in the cache folder.

mod debian;
mod etcd;
mod lock;
mod tools;

use crate::out;
use crate::program;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::process::{Command, ExitCode};

pub(crate) use etcd::has_go;
pub(crate) use tools::{deny, nextest};

/// A program, or a few that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Protoc,
    Iproute2,
    Nftables,
    Openssl,
    Systemd,
    #[value(name = "etcd-3.4")]
    Etcd34,
    #[value(name = "etcd-3.5")]
    Etcd35,
    #[value(name = "etcd-3.6")]
    Etcd36,
    #[value(name = "etcd-3.7")]
    Etcd37,
    CargoNextest,
    CargoDeny,
}

/// A minor version of etcd that e2d supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EtcdVersion {
    #[value(name = "3.4")]
    V3_4,
    #[value(name = "3.5")]
    V3_5,
    #[value(name = "3.6")]
    V3_6,
    #[value(name = "3.7")]
    V3_7,
}

impl EtcdVersion {
    /// All of them, oldest first.
    pub(crate) const ALL: [Self; 4] = [Self::V3_4, Self::V3_5, Self::V3_6, Self::V3_7];
    /// Those that every change is tested with.
    pub(crate) const GATE: [Self; 3] = [Self::V3_4, Self::V3_5, Self::V3_6];
    /// What runs where nobody asks for another: the version that Kubernetes of today is shipped with.
    pub(crate) const DEFAULT: Self = Self::V3_6;

    /// `3.6`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V3_4 => "3.4",
            Self::V3_5 => "3.5",
            Self::V3_6 => "3.6",
            Self::V3_7 => "3.7",
        }
    }

    /// The part that installs it.
    pub(crate) fn part(self) -> Part {
        match self {
            Self::V3_4 => Part::Etcd34,
            Self::V3_5 => Part::Etcd35,
            Self::V3_6 => Part::Etcd36,
            Self::V3_7 => Part::Etcd37,
        }
    }
}

/// A part that is there: one row of the table.
pub(crate) struct Installed {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Where it is.
    pub(crate) path: String,
    /// Who starts it, and how.
    pub(crate) starts: &'static str,
}

/// Installs what is missing of `parts`.
///
/// # Errors
///
/// One could not be installed: says what to do. Those before it are installed.
pub(crate) fn ensure(workspace: &Workspace, parts: &[Part]) -> Result<Vec<Installed>> {
    parts.iter().map(|part| install(workspace, *part)).collect()
}

fn install(workspace: &Workspace, part: Part) -> Result<Installed> {
    match part {
        Part::Protoc => {
            debian::install("protoc", has_own_types, &["protobuf-compiler", "libprotobuf-dev"])?;
            on_path("protoc", &["--version"], "called by the build of the etcd client")
        }
        Part::Iproute2 => {
            debian::install("ip", || true, &["iproute2"])?;
            on_path("ip", &["-V"], "called by tests that need machines of their own")
        }
        Part::Nftables => {
            debian::install("nft", || true, &["nftables"])?;
            on_path("nft", &["--version"], "called by tests inside their machines, to cut links")
        }
        Part::Openssl => {
            debian::install("openssl", || true, &["openssl"])?;
            on_path("openssl", &["version"], "called by tests, as a second opinion on certificates")
        }
        Part::Systemd => {
            debian::install("systemd-analyze", || true, &["systemd"])?;
            on_path("systemd-analyze", &["--version"], "called by cargo xtask check, on the unit")
        }
        Part::Etcd34 => etcd::install_packaged(workspace, EtcdVersion::V3_4),
        Part::Etcd35 => etcd::install_built(workspace, EtcdVersion::V3_5),
        Part::Etcd36 => etcd::install_built(workspace, EtcdVersion::V3_6),
        Part::Etcd37 => etcd::install_built(workspace, EtcdVersion::V3_7),
        Part::CargoNextest => tools::install(workspace, &tools::NEXTEST),
        Part::CargoDeny => tools::install(workspace, &tools::DENY),
    }
}

/// Whether protoc finds the definitions of Protobuf's own types, which Debian packs apart from it.
fn has_own_types() -> bool {
    let compiles = || -> Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("probe.proto");
        fs_err::write(&file, "syntax = \"proto3\";\nimport \"google/protobuf/descriptor.proto\";\n")?;
        let mut protoc = Command::new("protoc");
        protoc.arg("--proto_path").arg(folder.path()).arg("--descriptor_set_out").arg(folder.path().join("probe"));
        program::read(protoc.arg(&file)).map(drop)
    };
    compiles().is_ok()
}

/// A row for a program of the system.
fn on_path(program: &str, version: &[&str], starts: &'static str) -> Result<Installed> {
    let path = program::find(program).with_context(|| format!("{program} is not in PATH"))?;
    let text = program::read(Command::new(&path).args(version))?;
    Ok(Installed { name: program.into(), version: number(&text), path: path.into(), starts })
}

/// The first word of `text` that looks like a version.
fn number(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')' | '-' | '~'));
    let plain = words.map(|word| word.strip_prefix('v').unwrap_or(word));
    let mut versions = plain.filter(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'));
    versions.next().unwrap_or("unknown").to_owned()
}

/// `cargo xtask parts`: installs and prints a table. What cannot be installed is said, and does not keep
/// the others from it.
pub(crate) fn run(workspace: &Workspace, names: &[Part]) -> ExitCode {
    let all = Part::value_variants();
    let parts = if names.is_empty() { all } else { names };
    let outcomes = parts.iter().map(|part| {
        install(workspace, *part).with_context(|| {
            let name = part.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
            format!("{name} is not installed")
        })
    });
    let (rows, errors): (Vec<_>, Vec<_>) = outcomes.partition(Result::is_ok);
    let rows: Vec<Installed> = rows.into_iter().filter_map(Result::ok).collect();
    for line in table(&rows) {
        out::data(&line);
    }
    for error in errors.iter().filter_map(|outcome| outcome.as_ref().err()) {
        out::note(&format!("error: {error:#}"));
    }
    if errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn table(rows: &[Installed]) -> Vec<String> {
    let width = |cell: fn(&Installed) -> &str, title: &str| {
        rows.iter().map(|row| cell(row).len()).max().unwrap_or_default().max(title.len())
    };
    let name = width(|row| &row.name, "NAME");
    let version = width(|row| &row.version, "VERSION");
    let path = width(|row| &row.path, "PATH");
    let line = |a: &str, b: &str, c: &str, d: &str| format!("{a:name$}  {b:version$}  {c:path$}  {d}");
    let head = line("NAME", "VERSION", "PATH", "HOW IT STARTS");
    let body = rows.iter().map(|row| line(&row.name, &row.version, &row.path, row.starts));
    std::iter::once(head).chain(body).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        let printed = [
            ("libprotoc 3.21.12", "3.21.12"),
            ("ip utility, iproute2-6.1.0, libbpf 1.1.2", "6.1.0"),
            ("nftables v1.0.6 (Lester Gooch #5)", "1.0.6"),
            ("etcd Version: 3.6.16\nGit SHA: Not provided\nGo Version: go1.26.8", "3.6.16"),
            ("cargo-nextest 0.9.151", "0.9.151"),
            ("no version here", "unknown"),
        ];
        for (text, version) in printed {
            assert_eq!(number(text), version, "{text}");
        }
    }

    #[test]
    fn the_table_lines_up() {
        let row = |name: &str, version: &str| Installed {
            name: name.into(),
            version: version.into(),
            path: "/p".into(),
            starts: "by hand",
        };
        let lines = table(&[row("etcd-3.6", "3.6.16"), row("nft", "1")]);
        assert_eq!(lines[0], "NAME      VERSION  PATH  HOW IT STARTS");
        assert_eq!(lines[2], "nft       1        /p    by hand");
    }
}
