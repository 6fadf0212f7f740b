//! Data for standard output: tables for people, JSON for programs.

use super::exit::Failure;
use clap::ValueEnum;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};

/// How data is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
}

/// Writes data to standard output. A reader that has gone away, as `head` does, is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    offer(text).map(drop)
}

/// The same, and says whether anybody still reads.
pub(super) fn offer(text: &str) -> Result<bool, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::failed(OutputError(error))),
    }
}

/// Says something on standard error that is no error. Nobody may be there to read it.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "note: {text}");
}

/// Standard output took no more. What was done before stays done.
#[derive(Debug, thiserror::Error)]
#[error("standard output could not be written")]
pub struct OutputError(#[source] io::Error);

/// A value as JSON, for standard output.
pub(super) fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(Failure::failed)
}

/// Rows of text under headings, each column as wide as its widest cell.
#[derive(Debug, Clone)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings, in capitals by convention.
    #[must_use]
    pub fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row. Control characters in a cell, which would move the cursor, are escaped; an empty cell is
    /// shown as a dash.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cell = |cell: String| match cell {
            cell if cell.is_empty() => "-".to_owned(),
            cell if cell.chars().any(char::is_control) => cell.escape_debug().to_string(),
            cell => cell,
        };
        self.rows.push(cells.into_iter().map(cell).collect());
    }

    /// The text, each line ended, without spaces at the ends of lines.
    #[must_use]
    pub fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width =
            |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let _ = write!(line, "{cell:width$}  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["MEMBER", "NAME", "STATE"]);
        table.row(["8e9e05c52164694d".into(), "\u{e9}tcd".into(), String::new()]);
        table.row(["1".into(), "a\u{1b}[2J".into(), "voter".into()]);
        assert_eq!(
            table.text(),
            "MEMBER            NAME        STATE\n\
             8e9e05c52164694d  \u{e9}tcd        -\n\
             1                 a\\u{1b}[2J  voter\n"
        );
    }
}
