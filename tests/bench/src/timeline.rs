//! Where the time went: what e2d's logs say happened after a moment.

use crate::machines::{MACHINES, Machines};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The most lines that are kept.
const MOST: usize = 60;

#[derive(Deserialize)]
struct Line {
    timestamp: Timestamp,
    level: String,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// The lines of all nodes since `from`, in order, with seconds since then: acts, states and troubles.
pub(crate) fn since(machines: &Machines<'_>, from: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    for n in 1..=MACHINES {
        let text = fs_err::read(machines.log(n)).unwrap_or_default();
        for line in String::from_utf8_lossy(&text).lines() {
            lines.extend(read(n, line, from));
        }
    }
    lines.sort_by(|one: &(f64, String), other| one.0.total_cmp(&other.0));
    lines.truncate(MOST);
    lines.into_iter().map(|(_, line)| line).collect()
}

fn read(n: u8, line: &str, from: Timestamp) -> Option<(f64, String)> {
    let line: Line = serde_json::from_str(line).ok()?;
    let at = line.timestamp.duration_since(from).as_secs_f64();
    if at < 0.0 || line.level == "DEBUG" {
        return None;
    }
    let said = |name: &str| line.fields.get(name).and_then(Value::as_str);
    let mut text = format!("{at:6.3} s  n{n}  {}", said("message").unwrap_or_default());
    for name in ["decision", "act", "waits", "peer", "to", "error", "cause"] {
        if let Some(value) = said(name) {
            text = format!("{text}; {}", value.chars().take(120).collect::<String>());
        }
    }
    Some((at, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_when_who_and_what() {
        let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let log = r#"{"timestamp":"2026-01-01T00:00:01.5Z","level":"INFO","message":"acting","decision":"found","act":"start etcd"}"#;
        assert_eq!(read(2, log, from).unwrap().1, " 1.500 s  n2  acting; found; start etcd");
        let later = "2026-01-01T00:00:02Z".parse().unwrap();
        assert_eq!(read(2, log, later), None);
        assert_eq!(read(2, "{\"level\":\"info\",\"ts\":\"x\"}", from), None);
    }
}
