//! Draws the nodes: one row each, from what the kernel shows and what `e2d status --output json` says.
//!
//! The only place that knows the names in that answer. What is missing there is shown as a dash.

use serde_json::Value;

/// One node.
pub(super) struct Row<'a> {
    pub(super) name: &'a str,
    pub(super) endpoint: String,
    pub(super) pid: Option<u32>,
    pub(super) etcd_pid: Option<u32>,
    /// Of the e2d process.
    pub(super) state: String,
    /// The answer, if there is one.
    pub(super) status: Option<&'a Value>,
    /// The end of its log: what is shown where there is no answer.
    pub(super) last_line: String,
}

/// How much of a log line is shown, in characters.
const LONGEST: usize = 80;

/// A column: its title, and where its value is.
type Column = (&'static str, fn(&Row<'_>) -> String);

const COLUMNS: [Column; 7] = [
    ("NODE", |row| row.name.to_owned()),
    ("CLIENTS AT", |row| row.endpoint.clone()),
    ("E2D", |row| row.pid.map_or_else(|| row.state.clone(), |pid| pid.to_string())),
    ("ETCD", |row| row.etcd_pid.map_or_else(dash, |pid| pid.to_string())),
    ("PHASE", |row| said(row, &["/phase"])),
    ("ROLE", |row| said(row, &["/role"])),
    ("SAYS", says),
];

/// The table, with a line for each node; the last column is not padded.
pub(super) fn render(rows: &[Row<'_>]) -> String {
    let title = COLUMNS.map(|(title, _)| title.to_owned()).to_vec();
    let cells = rows.iter().map(|row| COLUMNS.iter().map(|(_, cell)| cell(row)).collect());
    let lines: Vec<Vec<String>> = std::iter::once(title).chain(cells).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let padded = lines.iter().map(|line| {
        let cells = line.iter().enumerate().map(|(column, cell)| format!("{cell:width$}", width = width(column)));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    padded.map(|line| line + "\n").collect()
}

/// The first of `places` in the node's answer that holds a text or a number.
fn said(row: &Row<'_>, places: &[&str]) -> String {
    let values = places.iter().filter_map(|place| row.status?.pointer(place));
    let mut texts = values.filter_map(|value| match value {
        Value::String(text) => Some(text.replace(char::is_control, " ")),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    });
    texts.next().unwrap_or_else(dash)
}

/// What the node is at, in its own words, else the last that it logged.
fn says(row: &Row<'_>) -> String {
    if row.status.is_some() {
        return said(row, &["/waits/0", "/acts/0"]);
    }
    let parsed: Option<Value> = serde_json::from_str(&row.last_line).ok();
    let message = parsed.as_ref().and_then(|line| line.pointer("/fields/message").or(line.get("message"))?.as_str());
    let text: String = message.unwrap_or(&row.last_line).chars().take(LONGEST).collect();
    if text.is_empty() { dash() } else { text }
}

fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_known_is_a_dash() {
        let status = json!({ "phase": "member", "role": "voter", "waits": ["all\nis well"] });
        let up = Row {
            name: "n1",
            endpoint: "127.0.0.1:2379".into(),
            pid: Some(10),
            etcd_pid: Some(11),
            state: "up".into(),
            status: Some(&status),
            last_line: "not shown".into(),
        };
        let down = Row {
            name: "n2",
            endpoint: "127.0.0.2:2379".into(),
            pid: None,
            etcd_pid: None,
            state: "signal: 9 (SIGKILL)".into(),
            status: None,
            last_line: r#"{"level":"ERROR","fields":{"message":"port in use","port":2379}}"#.into(),
        };
        let expected = "\
NODE  CLIENTS AT      E2D                  ETCD  PHASE   ROLE   SAYS
n1    127.0.0.1:2379  10                   11    member  voter  all is well
n2    127.0.0.2:2379  signal: 9 (SIGKILL)  -     -       -      port in use
";
        assert_eq!(render(&[up, down]), expected);
    }
}
