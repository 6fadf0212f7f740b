//! How the program ends: five exit codes, and the one place where an error is printed.
//!
//! An error is printed once, with its chain of sources and its hint, to standard error.

use crate::config::Refused;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// What the exit code says. The service is restarted on 1 and 75 only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// An unknown flag or verb.
    Usage,
    /// Try again: what stands in the way may pass.
    TryAgain,
    /// Never by itself: a bad value, a missing program or certificate, data of somebody else.
    BadConfiguration,
}

impl Exit {
    /// The number: those above 2 are of `sysexits.h`, `EX_TEMPFAIL` and `EX_CONFIG`.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::TryAgain => 75,
            Self::BadConfiguration => 78,
        }
    }
}

/// Why the program ends without being done.
#[derive(Debug)]
pub enum Failure {
    /// The arguments were not understood, or asked for help, which is exit code 0.
    Usage(clap::Error),
    /// The configuration is refused.
    Configuration(Refused),
    /// Anything else.
    Other {
        /// Which exit code.
        exit: Exit,
        /// What went wrong, with its sources.
        error: Box<dyn Error + Send + Sync>,
        /// What the operator can do.
        hint: Option<String>,
    },
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Configuration(refused)
    }
}

impl Failure {
    /// It failed (1), and there is no advice.
    pub fn failed(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Other { exit: Exit::Failed, error: Box::new(error), hint: None }
    }

    /// It failed (1), and `hint` says what the operator can do.
    pub fn advise(error: impl Error + Send + Sync + 'static, hint: impl Into<String>) -> Self {
        Self::with_hint(Exit::Failed, error, hint)
    }

    /// It ends with `exit`, and `hint` says what the operator can do.
    pub fn with_hint(exit: Exit, error: impl Error + Send + Sync + 'static, hint: impl Into<String>) -> Self {
        Self::Other { exit, error: Box::new(error), hint: Some(hint.into()) }
    }

    /// The exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(error) if error.use_stderr() => Exit::Usage,
            Self::Usage(_) => Exit::Done,
            Self::Configuration(refused) if refused.may_pass() => Exit::TryAgain,
            Self::Configuration(_) => Exit::BadConfiguration,
            Self::Other { exit, .. } => *exit,
        }
    }

    /// The text for standard error, or for standard output if it was asked for by `--help`. Never coloured but for
    /// what clap does on a terminal.
    fn text(&self) -> String {
        let mut text = String::new();
        match self {
            Self::Usage(error) => {
                let _ = write!(text, "{error}");
            }
            Self::Configuration(refused) => {
                for problem in &refused.problems {
                    complain(&mut text, problem, Some(&problem.hint()));
                }
            }
            Self::Other { error, hint, .. } => complain(&mut text, error.as_ref(), hint.as_deref()),
        }
        text
    }
}

/// One error, its sources and its hint, each on lines of its own.
fn complain(text: &mut String, error: &dyn Error, hint: Option<&str>) {
    let _ = writeln!(text, "error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = writeln!(text, "  because: {cause}");
        source = cause.source();
    }
    if let Some(hint) = hint {
        let _ = writeln!(text, "hint: {hint}");
    }
}

/// Prints why the program was not done, if so, and gives its exit code.
#[must_use]
pub fn conclude(outcome: Result<(), Failure>) -> ExitCode {
    let Err(failure) = outcome else {
        return ExitCode::SUCCESS;
    };
    // Nothing is left to be done when standard error itself is gone.
    let _ = match &failure {
        Failure::Usage(error) => error.print(),
        _ => io::stderr().lock().write_all(failure.text().as_bytes()),
    };
    ExitCode::from(failure.exit().code())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Problem, RouteError};

    #[derive(Debug, thiserror::Error)]
    #[error("the socket {path} does not answer")]
    struct NoAnswer {
        path: String,
        source: io::Error,
    }

    #[test]
    fn an_error_is_printed_with_its_sources_and_its_hint() {
        let error = NoAnswer { path: "data/e2d/e2d.sock".into(), source: io::Error::other("connection refused") };
        let failure = Failure::with_hint(Exit::TryAgain, error, "is the daemon running?");
        assert_eq!(
            failure.text(),
            "error: the socket data/e2d/e2d.sock does not answer\n  because: connection refused\nhint: is the daemon running?\n"
        );
        assert_eq!(failure.exit().code(), 75);
    }

    #[test]
    fn a_missing_route_may_pass_and_a_bad_value_does_not() {
        let no_route = || Problem::NoHost(RouteError::NoRoute(io::Error::other("network is unreachable")));
        assert_eq!(Failure::from(Refused::from(no_route())).exit(), Exit::TryAgain);
        let both =
            Refused { problems: vec![no_route(), Problem::ElectionTooShort { election_ms: 1, heartbeat_ms: 1 }] };
        assert_eq!(Failure::from(both).exit(), Exit::BadConfiguration);
    }
}
