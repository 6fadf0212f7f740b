//! Where the programs are, and which versions they have.
//!
//! `etcd` is needed to run; `etcdutl` of 3.5.10 or newer (and, for a 3.4 server, its own `etcdctl`) is needed only to
//! restore, so its absence is a fact to tell at the start and an error only when a restore is asked for. Programs are
//! asked for their version with a deadline and an empty environment.

use crate::version::{EtcdVersion, Minor, VersionError};
use camino::{Utf8Path, Utf8PathBuf};
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

/// How long a program may take to say its version.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A program that ran and said its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Absolute path.
    pub path: Utf8PathBuf,
    /// What it says it is.
    pub version: EtcdVersion,
}

/// The programs of one node.
#[derive(Debug)]
pub struct Programs {
    /// The server.
    pub etcd: Program,
    /// What restores a backup for this server, or why that cannot be done here.
    pub restore: Result<RestorePrograms, FindError>,
}

/// What restores a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestorePrograms {
    /// `etcdutl`, which raises the revision.
    pub etcdutl: Program,
    /// For a 3.4 server its own `etcdctl`, which writes the data directory in the form of 3.4.
    pub etcdctl: Option<Program>,
}

/// Why a program cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// There is none.
    #[error("no {name} in {}: install {install}, or name its folder with --etcd-bin-dir", looked_in.join(", "))]
    Missing {
        /// The program's name.
        name: &'static str,
        /// The folders that were searched.
        looked_in: Vec<String>,
        /// What to install.
        install: &'static str,
    },
    /// There is one, but nobody may run it.
    #[error("{path} is not executable: set its mode, or install {install}")]
    NotExecutable {
        /// The file.
        path: Utf8PathBuf,
        /// What to install.
        install: &'static str,
    },
    /// It could not be run, as with a program for another machine.
    #[error("{path} could not be run: install {install} for this machine")]
    Run {
        /// The file.
        path: Utf8PathBuf,
        /// What to install.
        install: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It did not say its version in time.
    #[error("{path} did not say its version within {} s", ANSWER_WITHIN.as_secs())]
    Silent {
        /// The file.
        path: Utf8PathBuf,
    },
    /// Its version is not one that can be used.
    #[error("{path} cannot be used: install {install}")]
    Version {
        /// The file.
        path: Utf8PathBuf,
        /// What to install.
        install: &'static str,
        /// What is wrong with its version.
        source: VersionError,
    },
    /// Its version is one that etcd has, but too old for this task.
    #[error("{path} is {found}, which is too old: install {install}")]
    TooOld {
        /// The file.
        path: Utf8PathBuf,
        /// Its version.
        found: EtcdVersion,
        /// What to install.
        install: &'static str,
    },
}

const ETCD: (&str, &str) = ("etcd", "etcd 3.4 to 3.7 (Debian: etcd-server)");
const ETCDUTL: (&str, &str) = ("etcdutl", "etcdutl 3.5.10 or newer (Debian 13: etcd-client)");
const ETCDCTL: (&str, &str) = ("etcdctl", "the etcdctl of 3.4 (Debian 12: etcd-client)");

/// Finds the programs: `etcd` in `bin_dir` if one is given, else in the folders of `path`; the tools beside it first.
///
/// `path` is the value of `PATH`. Relative folders in it are not searched.
pub async fn find(bin_dir: Option<&Utf8Path>, path: &OsStr) -> Result<Programs, FindError> {
    let on_path = std::env::split_paths(path).filter_map(|folder| Utf8PathBuf::from_path_buf(folder).ok());
    let on_path: Vec<Utf8PathBuf> = on_path.filter(|folder| folder.is_absolute()).collect();
    let given = bin_dir.map(|folder| vec![absolute(folder)]);
    let etcd = ask(ETCD, given.as_ref().unwrap_or(&on_path)).await?;
    let beside = etcd.path.parent().map(Utf8Path::to_owned);
    let folders: Vec<Utf8PathBuf> = beside.into_iter().chain(on_path).collect();
    let restore = find_restore(etcd.version, &folders).await;
    Ok(Programs { etcd, restore })
}

async fn find_restore(server: EtcdVersion, folders: &[Utf8PathBuf]) -> Result<RestorePrograms, FindError> {
    let raising = ask(ETCDUTL, folders).await?;
    if !raising.version.bumps_revisions() {
        return Err(FindError::TooOld { path: raising.path, found: raising.version, install: ETCDUTL.1 });
    }
    let of_server = match server.minor {
        Minor::V3_4 => Some(find_of_3_4(folders).await?),
        Minor::V3_5 | Minor::V3_6 | Minor::V3_7 => None,
    };
    Ok(RestorePrograms { etcdutl: raising, etcdctl: of_server })
}

/// The first `etcdctl` that is of 3.4: a newer one may stand before it.
async fn find_of_3_4(folders: &[Utf8PathBuf]) -> Result<Program, FindError> {
    let mut other = None;
    for folder in folders {
        match ask(ETCDCTL, std::slice::from_ref(folder)).await {
            Ok(program) if program.version.minor == Minor::V3_4 => return Ok(program),
            Ok(program) => other = other.or(Some(program.path)),
            Err(_) => {}
        }
    }
    let looked_in = match other {
        Some(newer) => vec![format!("{newer} (which is newer)")],
        None => folders.iter().map(ToString::to_string).collect(),
    };
    Err(FindError::Missing { name: ETCDCTL.0, looked_in, install: ETCDCTL.1 })
}

fn absolute(folder: &Utf8Path) -> Utf8PathBuf {
    camino::absolute_utf8(folder).unwrap_or_else(|_| folder.to_owned())
}

/// Finds one program and asks for its version.
async fn ask((name, install): (&'static str, &'static str), folders: &[Utf8PathBuf]) -> Result<Program, FindError> {
    let Some(path) = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()) else {
        let looked_in = folders.iter().map(ToString::to_string).collect();
        return Err(FindError::Missing { name, looked_in, install });
    };
    let executable = std::fs::metadata(&path).is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0);
    if !executable {
        return Err(FindError::NotExecutable { path, install });
    }
    let asked = if name == ETCD.0 { "--version" } else { "version" };
    let mut command = tokio::process::Command::new(&path);
    command.arg(asked).env_clear().env("ETCDCTL_API", "3").stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(ANSWER_WITHIN, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(source)) => return Err(FindError::Run { path, install, source }),
        Err(_) => return Err(FindError::Silent { path }),
    };
    let banner: Vec<u8> = output.stdout.into_iter().take(4096).collect();
    match EtcdVersion::from_banner(&String::from_utf8_lossy(&banner)) {
        Ok(version) => Ok(Program { path, version }),
        Err(source) => Err(FindError::Version { path, install, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn with(programs: &[(&str, &str)]) -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            for (name, script) in programs {
                folder.write(name, &format!("#!/bin/sh\n{script}\n"));
            }
            folder
        }

        /// Writes a program from another process: while a thread of this one holds it open for writing, a child that
        /// a second thread starts at the same moment inherits that, and the program could not be run.
        fn write(&self, name: &str, content: &str) {
            let script = "printf '%s' \"$1\" > \"$2\" && chmod 755 \"$2\"";
            let written = std::process::Command::new("/bin/sh")
                .args(["-c", script, "sh", content])
                .arg(self.0.path().join(name))
                .status();
            assert!(written.unwrap().success());
        }

        fn path(&self) -> &Utf8Path {
            Utf8Path::from_path(self.0.path()).unwrap()
        }
    }

    #[tokio::test]
    async fn a_missing_program_is_named_with_what_to_install() {
        let empty = Folder::with(&[]);
        let error = find(Some(empty.path()), OsStr::new("/nowhere")).await.unwrap_err().to_string();
        let expected = "install etcd 3.4 to 3.7 (Debian: etcd-server), or name its folder with --etcd-bin-dir";
        assert_eq!(error, format!("no etcd in {}: {expected}", empty.path()));
    }

    #[tokio::test]
    async fn each_way_to_be_unusable_has_its_error() {
        let folder = Folder::with(&[("etcd", "echo etcd Version: 3.3.27")]);
        let error = find(Some(folder.path()), OsStr::new("")).await.unwrap_err();
        assert!(matches!(error, FindError::Version { source: VersionError::TooOld { .. }, .. }), "{error}");

        let folder = Folder::with(&[("etcd", "echo hello")]);
        let error = find(Some(folder.path()), OsStr::new("")).await.unwrap_err();
        assert!(matches!(error, FindError::Version { source: VersionError::Unreadable { .. }, .. }), "{error}");

        std::fs::set_permissions(folder.path().join("etcd"), std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = find(Some(folder.path()), OsStr::new("")).await.unwrap_err();
        assert!(matches!(error, FindError::NotExecutable { .. }), "{error}");

        folder.write("etcd", "\x7fELF for another machine");
        let error = find(Some(folder.path()), OsStr::new("")).await.unwrap_err();
        assert!(matches!(error, FindError::Run { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_server_without_a_tool_runs_but_does_not_restore() {
        let old = Folder::with(&[
            ("etcd", "echo etcd Version: 3.4.23"),
            ("etcdctl", "echo etcdctl version: 3.4.23"),
            ("etcdutl", "echo etcdutl version: 3.5.9"),
        ]);
        let programs = find(Some(old.path()), OsStr::new("")).await.unwrap();
        assert!(matches!(programs.restore, Err(FindError::TooOld { .. })), "{:?}", programs.restore);

        let none = Folder::with(&[("etcd", "echo etcd Version: 3.6.0")]);
        let programs = find(Some(none.path()), OsStr::new("")).await.unwrap();
        assert!(matches!(programs.restore, Err(FindError::Missing { name: "etcdutl", .. })));
    }

    #[tokio::test]
    async fn the_tools_of_a_3_4_server_may_be_elsewhere() {
        let server =
            Folder::with(&[("etcd", "echo etcd Version: 3.4.23"), ("etcdctl", "echo etcdctl version: 3.4.23")]);
        let tools =
            Folder::with(&[("etcdutl", "echo etcdutl version: 3.5.10"), ("etcdctl", "echo etcdctl version: 3.5.10")]);
        let programs = find(Some(server.path()), tools.path().as_os_str()).await.unwrap();
        let restore = programs.restore.unwrap();
        assert_eq!(restore.etcdutl.path, tools.path().join("etcdutl"));
        assert_eq!(restore.etcdctl.unwrap().path, server.path().join("etcdctl"));
    }
}
