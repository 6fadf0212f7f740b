//! Where words go: data to stdout, everything else to stderr.
//!
//! A reader that went away (`cargo xtask parts | head -1`) is not an error.

use std::io::Write;

/// Prints a line of data.
pub(crate) fn data(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Prints a line about what is going on.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
