//! Holds what e2d logged against what a test expects: a WARN or an ERROR that the test did not
//! announce fails it, however well the story ended.
//!
//! Reads JSON lines as `tracing-subscriber` writes them. Messages are constant, so that they can be
//! announced; what varies is in their fields. Lines of other programs in the same file, etcd's among
//! them, are left alone, but a Rust panic never is.

use anyhow::{Context, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// How long a complained-about line may be before it is cut, in characters.
const LONGEST_LINE: usize = 600;

/// What a test announces. Starts with nothing.
#[derive(Clone, Debug, Default)]
pub struct LogGate {
    allowed: BTreeMap<String, String>,
}

/// One message that nobody announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// `WARN`, `ERROR`, or `PANIC`.
    pub level: String,
    /// The constant message, or the line that tells of a panic.
    pub message: String,
    /// How often it was logged in this file.
    pub times: usize,
    /// The file.
    pub file: Utf8PathBuf,
    /// The first such line, from 1.
    pub line: usize,
    /// That line, cut to 600 characters.
    pub text: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { level, message, times, file, line, text } = self;
        write!(f, "{level} {message:?}, {times} times, first at {file}:{line}: {text}")
    }
}

/// A line of `tracing-subscriber`'s JSON format, its fields nested or flattened.
#[derive(Deserialize)]
struct Line {
    level: String,
    message: Option<String>,
    #[serde(default)]
    fields: Fields,
}

#[derive(Default, Deserialize)]
struct Fields {
    message: Option<String>,
}

impl LogGate {
    /// A gate that lets no WARN and no ERROR through.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Announces a message: exactly `message`, at any level, any number of times, also never.
    ///
    /// `because` is for the reader of the test.
    #[must_use]
    pub fn allow(mut self, message: &str, because: &str) -> Self {
        self.allowed.insert(message.into(), because.into());
        self
    }

    /// Reads the files and fails when one of them holds something that was not announced.
    ///
    /// # Errors
    ///
    /// Names every such message once per file, with its first line. Or: a file could not be read.
    pub fn check(&self, files: impl IntoIterator<Item = Utf8PathBuf>) -> Result<()> {
        let mut complaints = Vec::new();
        for file in files {
            let bytes = fs_err::read(&file).context("cannot read a log")?;
            complaints.extend(self.scan(&file, &String::from_utf8_lossy(&bytes)));
        }
        if complaints.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = complaints.iter().map(ToString::to_string).collect();
        bail!("the logs hold what this test did not announce:\n{}", list.join("\n"));
    }

    /// What `text`, read from `file`, holds that was not announced; each message once.
    #[must_use]
    pub fn scan(&self, file: &Utf8Path, text: &str) -> Vec<Complaint> {
        let mut complaints: Vec<Complaint> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let Some((level, message)) = severe(line) else { continue };
            if self.allowed.contains_key(&message) {
                continue;
            }
            if let Some(known) = complaints.iter_mut().find(|known| known.message == message && known.level == level) {
                known.times += 1;
                continue;
            }
            let text = line.chars().take(LONGEST_LINE).collect();
            complaints.push(Complaint { level, message, times: 1, file: file.into(), line: index + 1, text });
        }
        complaints
    }
}

/// The level and the message of a line that must be announced.
fn severe(line: &str) -> Option<(String, String)> {
    if line.starts_with("thread '") && line.contains("panicked at") {
        return Some(("PANIC".into(), line.into()));
    }
    let parsed: Line = serde_json::from_str(line).ok()?;
    if parsed.level != "WARN" && parsed.level != "ERROR" {
        return None;
    }
    Some((parsed.level, parsed.message.or(parsed.fields.message).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"
{"timestamp":"t","level":"INFO","fields":{"message":"member joined"},"target":"e2d"}
{"timestamp":"t","level":"WARN","fields":{"message":"peer is silent","peer":"3"},"target":"e2d"}
{"timestamp":"t","level":"WARN","fields":{"message":"peer is silent","peer":"2"},"target":"e2d"}
{"timestamp":"t","level":"ERROR","message":"no archive can be read","target":"e2d"}
{"level":"warn","ts":"t","msg":"etcd says so itself"}
plain text with ERROR in it
"#;

    #[test]
    fn what_was_not_announced_is_named_once() {
        let complaints = LogGate::new().scan("n1.log".into(), LOG);
        let seen: Vec<_> = complaints.iter().map(|c| (c.level.as_str(), c.message.as_str(), c.times, c.line)).collect();
        assert_eq!(seen, [("WARN", "peer is silent", 2, 3), ("ERROR", "no archive can be read", 1, 5)]);
    }

    #[test]
    fn an_announced_message_passes_whatever_its_fields() {
        let gate = LogGate::new().allow("peer is silent", "it was killed");
        let complaints = gate.scan("n1.log".into(), LOG);
        assert_eq!(complaints.iter().map(|c| c.message.as_str()).collect::<Vec<_>>(), ["no archive can be read"]);
        // Announcing is by the whole message: a part of it says nothing.
        assert_eq!(LogGate::new().allow("peer", "").scan("n1.log".into(), LOG).len(), 2);
    }

    #[test]
    fn a_panic_can_hide_nowhere() {
        let text = "thread 'tokio-runtime-worker' (12) panicked at e2d/core/src/plan.rs:7:9:\nindex out of bounds";
        let complaints = LogGate::new().scan("n1.log".into(), text);
        assert_eq!((complaints.len(), complaints[0].level.as_str()), (1, "PANIC"));
    }

    #[test]
    fn a_line_without_a_message_still_counts() {
        assert_eq!(LogGate::new().scan("n1.log".into(), r#"{"level":"ERROR","fields":{"error":"x"}}"#).len(), 1);
    }

    #[test]
    fn hostile_lines_are_cut() {
        let line = format!(r#"{{"level":"ERROR","fields":{{"message":"{}"}}}}"#, "x".repeat(100_000));
        assert_eq!(LogGate::new().scan("n1.log".into(), &line)[0].text.chars().count(), LONGEST_LINE);
    }
}
