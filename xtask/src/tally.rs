//! Counts tests by the closing lines of their runners.

use crate::out;
use std::ops::AddAssign;

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    /// Adds up the closing lines in what cargo-nextest or `cargo test` printed.
    ///
    /// Nextest: `Summary [ 1.2s] 9/9 tests run: 7 passed (1 slow), 1 failed, 1 timed out, 2 skipped`.
    /// Cargo: `test result: FAILED. 3 passed; 1 failed; 0 ignored; …`. Indented, such a line is what a test that
    /// nextest has counted printed itself.
    pub(crate) fn of(text: &str) -> Self {
        let mut tally = Self::default();
        for line in text.lines().map(without_colour) {
            let counts =
                if let Some((_, counts)) = line.split_once("run: ").filter(|(head, _)| head.contains("Summary")) {
                    counts
                } else if let Some(counts) = line.strip_prefix("test result: ") {
                    counts.split_once(". ").map_or("", |(_, counts)| counts)
                } else {
                    continue;
                };
            tally += Self::of_counts(counts);
        }
        tally
    }

    /// The last line of the form `3 passed, 1 failed`: how the simulator ends, and how we end.
    pub(crate) fn of_closing_line(text: &str) -> Option<Self> {
        let is_plain = |line: &&str| line.ends_with(" failed") && line.split_once(" passed, ").is_some();
        text.lines().rev().find(is_plain).map(Self::of_counts)
    }

    /// Adds up `3 passed (1 slow), 1 failed, 2 timed out` and the like.
    fn of_counts(counts: &str) -> Self {
        let mut tally = Self::default();
        for part in counts.split([',', ';']) {
            let Some((number, what)) = part.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what.split_once(" (").map_or(what, |(what, _)| what) {
                "passed" => tally.passed += number,
                "failed" | "timed out" | "exec failed" | "failed due to leak" => tally.failed += number,
                _ => {}
            }
        }
        tally
    }

    /// Prints the line that people and gates read last.
    pub(crate) fn print(self) {
        out::data(&format!("{} passed, {} failed", self.passed, self.failed));
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Takes the terminal's colour sequences out of a line.
fn without_colour(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_runners_are_added_up() {
        let text = "
     Summary [   1.205s] 11/12 tests run: 8 passed (1 slow), 1 failed, 1 timed out, 1 exec failed, 2 skipped
test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: FAILED. 0 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
        PASS [   0.010s] e2d-core 1 passed";
        assert_eq!(Tally::of(text), Tally { passed: 11, failed: 5 });
    }

    #[test]
    fn colours_change_nothing() {
        let text = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.100s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, 0 skipped";
        assert_eq!(Tally::of(text), Tally { passed: 2, failed: 0 });
    }

    #[test]
    fn the_last_plain_line_counts() {
        let text = "seed 7: 1 passed, 0 failed\n198 passed, 2 failed\n";
        assert_eq!(Tally::of_closing_line(text), Some(Tally { passed: 198, failed: 2 }));
        assert_eq!(Tally::of_closing_line("seed 7 failed"), None);
    }

    #[test]
    fn a_runner_that_never_closed_counts_nothing() {
        assert_eq!(Tally::of("error: could not compile `e2d`"), Tally::default());
    }
}
