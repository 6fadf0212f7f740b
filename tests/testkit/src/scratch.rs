//! One test's folder: data directories and logs, kept when the test fails.
//!
//! A test that succeeds ends with [`Scratch::passed`], which first holds the logs against the
//! [`LogGate`]; without that call, by a panic or an early return, the folder stays and its path is
//! printed.

use crate::{LogGate, Process};
use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use std::process::Command;

/// Where such folders are made, instead of the system's temporary folder.
const BASE: &str = "E2D_TEST_SCRATCH";
/// How many of each log's last lines a failure prints.
const TAIL_LINES: usize = 15;

/// A folder of this test, mode 0700.
#[derive(Debug)]
pub struct Scratch {
    folder: Utf8PathBuf,
    passed: bool,
}

impl Scratch {
    /// Makes an empty folder whose name starts with `test`.
    ///
    /// # Errors
    ///
    /// It could not be made.
    pub fn new(test: &str) -> Result<Self> {
        let base = std::env::var_os(BASE).map_or_else(std::env::temp_dir, Into::into);
        let folder = tempfile::Builder::new().prefix(&format!("e2d-{test}-")).tempdir_in(base)?.keep();
        Ok(Self { folder: folder.try_into()?, passed: false })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.folder
    }

    /// Starts a process that logs to `<name>.log` in this folder.
    ///
    /// # Errors
    ///
    /// As [`Process::spawn`].
    pub fn spawn(&self, name: &str, command: &mut Command) -> Result<Process> {
        Process::spawn(name, command, &self.folder.join(format!("{name}.log")))
    }

    /// Ends a test that went well, so far: holds every `*.log` at the top of the folder against `gate`,
    /// then removes the folder.
    ///
    /// # Errors
    ///
    /// A log holds a line that nobody announced: names each. The folder stays.
    pub fn passed(mut self, gate: &LogGate) -> Result<()> {
        gate.check(self.logs()?)?;
        fs_err::remove_dir_all(&self.folder)?;
        self.passed = true;
        Ok(())
    }

    fn logs(&self) -> Result<Vec<Utf8PathBuf>> {
        let mut logs = Vec::new();
        for entry in fs_err::read_dir(&self.folder)? {
            let path = Utf8PathBuf::try_from(entry?.path())?;
            if path.extension() == Some("log") {
                logs.push(path);
            }
        }
        logs.sort();
        Ok(logs)
    }
}

impl Drop for Scratch {
    #[expect(clippy::print_stderr, reason = "the reader of a failed test is told where to look")]
    fn drop(&mut self) {
        if self.passed {
            return;
        }
        eprintln!("logs and folders are kept in {}", self.folder);
        for log in self.logs().unwrap_or_default() {
            let text = String::from_utf8_lossy(&fs_err::read(&log).unwrap_or_default()).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
            eprintln!("-- end of {} --\n{}", log.file_name().unwrap_or_default(), tail.join("\n"));
        }
    }
}
