//! Runs the program `e2d` as an operator does, and looks at its exit code and both of its outputs.
//!
//! The program is the one that `E2D_TEST_BIN` names, or else the one that `cargo build -p e2d` gives, which
//! is asked for once, so that no test ever judges an old build. Nothing of the surroundings reaches the
//! program: no variable, and a working folder of the caller's choice.

use assert_cmd::Command;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// How one run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// All three, for a snapshot. The folder `scratch` is written as `[FOLDER]`.
    #[must_use]
    pub fn shown(&self, scratch: &Path) -> String {
        let text = format!("exit code: {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr);
        text.replace(&scratch.display().to_string(), "[FOLDER]")
    }
}

/// One run of the program, in a folder, with nothing but the given variables.
#[derive(Debug, Clone)]
pub struct Run<'a> {
    folder: &'a Path,
    arguments: Vec<OsString>,
    variables: Vec<(String, OsString)>,
}

impl<'a> Run<'a> {
    /// With these arguments.
    pub fn new<T: AsRef<OsStr>>(folder: &'a Path, arguments: impl IntoIterator<Item = T>) -> Self {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        Self { folder, arguments, variables: Vec::new() }
    }

    /// And with this variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Waits for the end, at most half a minute.
    ///
    /// # Panics
    ///
    /// If the program cannot be built or run.
    #[expect(clippy::expect_used, reason = "a test that cannot run its program has failed")]
    #[must_use]
    pub fn end(&self) -> Ended {
        let mut command = Command::new(program());
        command.env_clear().current_dir(self.folder).args(&self.arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.timeout(std::time::Duration::from_secs(30));
        let output = command.output().expect("e2d could not be run");
        Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The program under test.
///
/// # Panics
///
/// If it cannot be built.
#[expect(clippy::expect_used, reason = "a test that cannot build its program has failed")]
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(given) = std::env::var_os("E2D_TEST_BIN") {
            return given.into();
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let arguments = ["build", "--quiet", "--package", "e2d", "--bin", "e2d", "--message-format", "json"];
        let built = std::process::Command::new(cargo).args(arguments).output().expect("cargo could not be run");
        let complaint = String::from_utf8_lossy(&built.stderr);
        assert!(
            built.status.success(),
            "`cargo build -p e2d` failed; set E2D_TEST_BIN to test another build:\n{complaint}"
        );
        let messages = String::from_utf8_lossy(&built.stdout);
        let executable =
            messages.lines().rev().find_map(|line| line.split_once("\"executable\":\"")?.1.split_once('"'));
        PathBuf::from(executable.expect("cargo named no program").0)
    })
}
