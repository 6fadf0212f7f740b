//! Where the programs are, and which versions they have.
//!
//! `etcd` is needed to run; `etcdutl` of 3.5.10 or newer (and, for a 3.4 server, its own `etcdctl`) is needed only to
//! restore, so its absence is a fact to tell at the start and an error only when a restore is asked for. Programs are
//! asked for their version with a deadline and an empty environment.
//!
//! Packages are upgraded while e2d runs: [`Installed`] asks a program again whose file has changed. One that could not
//! be asked in time may answer the next time, and [`FindError::may_pass`] says so.

mod installed;

pub use installed::Installed;

use crate::durable;
use crate::version::{EtcdVersion, Minor, VersionError};
use camino::{Utf8Path, Utf8PathBuf};
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
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
    #[error("{path} did not say its version within {} s", within.as_secs())]
    Silent {
        /// The file.
        path: Utf8PathBuf,
        /// How long it had.
        within: Duration,
    },
    /// The system did not let it be asked, as it does when memory is short.
    #[error("{path} could not be asked for its version")]
    Unasked {
        /// The file.
        path: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
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

impl FindError {
    /// Whether it may be another answer the next time, with nobody having done anything.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Silent { .. } | Self::Unasked { .. })
    }
}

/// A program's name and what to install for it.
type Wanted = (&'static str, &'static str);

const ETCD: Wanted = ("etcd", "etcd 3.4 to 3.7 (Debian: etcd-server)");
const ETCDUTL: Wanted = ("etcdutl", "etcdutl 3.5.10 or newer (Debian 13: etcd-client)");
const ETCDCTL: Wanted = ("etcdctl", "the etcdctl of 3.4 (Debian 12: etcd-client)");

/// Finds the programs: `etcd` in `bin_dir` if one is given, else in the folders of `path`; the tools beside it first.
///
/// `path` is the value of `PATH`. Relative folders in it are not searched.
pub async fn find(bin_dir: Option<&Utf8Path>, path: &OsStr) -> Result<Programs, FindError> {
    let installed = Installed::find(bin_dir, path).await?;
    Ok(Programs { etcd: installed.known(), restore: installed.restore().await })
}

async fn find_restore(
    server: EtcdVersion,
    folders: &[Utf8PathBuf],
    within: Duration,
) -> Result<RestorePrograms, FindError> {
    let raising = ask(ETCDUTL, folders, within).await?;
    if !raising.version.bumps_revisions() {
        return Err(FindError::TooOld { path: raising.path, found: raising.version, install: ETCDUTL.1 });
    }
    let of_server = match server.minor {
        Minor::V3_4 => Some(find_of_3_4(folders, within).await?),
        Minor::V3_5 | Minor::V3_6 | Minor::V3_7 => None,
    };
    Ok(RestorePrograms { etcdutl: raising, etcdctl: of_server })
}

/// The first `etcdctl` that is of 3.4: a newer one may stand before it.
async fn find_of_3_4(folders: &[Utf8PathBuf], within: Duration) -> Result<Program, FindError> {
    let (mut other, mut unknown) = (None, None);
    for folder in folders {
        match ask(ETCDCTL, std::slice::from_ref(folder), within).await {
            Ok(program) if program.version.minor == Minor::V3_4 => return Ok(program),
            Ok(program) => other = other.or(Some(program.path)),
            Err(error) if error.may_pass() => unknown = unknown.or(Some(error)),
            Err(_) => {}
        }
    }
    if let Some(error) = unknown {
        return Err(error);
    }
    let looked_in = match other {
        Some(newer) => vec![format!("{newer} (which is newer)")],
        None => folders.iter().map(ToString::to_string).collect(),
    };
    Err(FindError::Missing { name: ETCDCTL.0, looked_in, install: ETCDCTL.1 })
}

/// Finds one program and asks for its version.
async fn ask(wanted: Wanted, folders: &[Utf8PathBuf], within: Duration) -> Result<Program, FindError> {
    let path = place(wanted, folders)?;
    let version = version_of(wanted, &path, within).await?;
    Ok(Program { path, version })
}

/// The first that is there.
fn place((name, install): Wanted, folders: &[Utf8PathBuf]) -> Result<Utf8PathBuf, FindError> {
    for path in folders.iter().map(|folder| folder.join(name)) {
        match std::fs::metadata(&path) {
            Ok(found) if !found.is_file() => {}
            Ok(found) if found.permissions().mode() & 0o111 == 0 => {
                return Err(FindError::NotExecutable { path, install });
            }
            Ok(_) => return Ok(path),
            Err(source) if durable::may_pass(&source) => return Err(FindError::Unasked { path, source }),
            Err(_) => {}
        }
    }
    Err(FindError::Missing { name, looked_in: folders.iter().map(ToString::to_string).collect(), install })
}

async fn version_of((name, install): Wanted, path: &Utf8Path, within: Duration) -> Result<EtcdVersion, FindError> {
    let asked = if name == ETCD.0 { "--version" } else { "version" };
    let mut command = tokio::process::Command::new(path);
    command.arg(asked).env_clear().env("ETCDCTL_API", "3").stdin(Stdio::null()).kill_on_drop(true);
    let path = path.to_owned();
    let output = match tokio::time::timeout(within, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(source)) if durable::may_pass(&source) => return Err(FindError::Unasked { path, source }),
        Ok(Err(source)) => return Err(FindError::Run { path, install, source }),
        Err(_) => return Err(FindError::Silent { path, within }),
    };
    if let Some(source) = cut_short(&output) {
        return Err(FindError::Unasked { path, source });
    }
    let banner: Vec<u8> = output.stdout.into_iter().take(4096).collect();
    EtcdVersion::from_banner(&String::from_utf8_lossy(&banner)).map_err(|source| FindError::Version {
        path,
        install,
        source,
    })
}

/// Whether the machine, not the program, is why it did not answer: it was killed, or Go's runtime gave up for want of
/// memory or threads.
fn cut_short(output: &std::process::Output) -> Option<io::Error> {
    if let Some(signal) = output.status.signal() {
        return Some(io::Error::other(format!("it was ended by signal {signal}")));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let gave_up = said.lines().find(|line| line.starts_with("runtime: ") || line.starts_with("fatal error: "))?;
    (!output.status.success()).then(|| io::Error::other(gave_up.chars().take(200).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

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

    /// What the machine was too busy for is not the program's fault.
    #[tokio::test]
    async fn what_may_pass_is_told_from_what_lasts() {
        let slow = Duration::from_millis(100);
        let folder = Folder::with(&[("etcd", "exec sleep 60")]);
        let error = Installed::find_within(slow, Some(folder.path()), OsStr::new("")).await.unwrap_err();
        assert!(matches!(error, FindError::Silent { .. }) && error.may_pass(), "{error}");
        for script in ["kill -9 $$", "echo 'runtime: failed to create new OS thread' >&2; exit 2"] {
            folder.write("etcd", &format!("#!/bin/sh\n{script}\n"));
            let error = find(Some(folder.path()), OsStr::new("")).await.unwrap_err();
            assert!(matches!(error, FindError::Unasked { .. }) && error.may_pass(), "{error}");
        }
        folder.write("etcd", "#!/bin/sh\nexit 3\n");
        let error = find(Some(folder.path()), OsStr::new("")).await.unwrap_err();
        assert!(matches!(error, FindError::Version { .. }) && !error.may_pass(), "{error}");
        let passes = |errno: Errno| durable::may_pass(&errno.into());
        for errno in [Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::IO, Errno::TXTBSY, Errno::STALE, Errno::INTR] {
            assert!(passes(errno), "{errno}");
        }
        for errno in [Errno::NOENT, Errno::ACCESS, Errno::PERM, Errno::NOTDIR, Errno::NOEXEC] {
            assert!(!passes(errno), "{errno}");
        }
    }

    /// A package is upgraded under a running e2d, and a tool that was slow once is asked again.
    #[tokio::test]
    async fn a_program_that_was_replaced_is_asked_again() {
        let folder = Folder::with(&[("etcd", "echo etcd Version: 3.5.35"), ("etcdutl", "exec sleep 60")]);
        let slow = Duration::from_millis(100);
        let installed = Installed::find_within(slow, Some(folder.path()), OsStr::new("")).await.unwrap();
        assert!(installed.restore().await.unwrap_err().may_pass());
        folder.write("etcdutl", "#!/bin/sh\necho etcdutl version: 3.5.35\n");
        let installed = Installed::find(Some(folder.path()), OsStr::new("")).await.unwrap();
        assert_eq!(installed.restore().await.unwrap().etcdutl.version.to_string(), "3.5.35");

        folder.write("etcd", "#!/bin/sh\necho etcd Version: 3.6.16\n");
        assert_eq!(installed.known().version.to_string(), "3.5.35", "nobody has asked");
        assert_eq!(installed.etcd().await.unwrap().version.to_string(), "3.6.16");
        assert_eq!(installed.known().version.to_string(), "3.6.16");
        std::fs::remove_file(folder.path().join("etcd")).unwrap();
        assert!(matches!(installed.etcd().await.unwrap_err(), FindError::Missing { .. }));
    }
}
