//! The small types that a key's text is read as.

use super::problem::Fault;
use camino::Utf8PathBuf;
use std::fmt;
use std::ops::RangeInclusive;

/// The longest label, in characters: as long as a host name's longest part and room for a suffix.
const LONGEST_LABEL: usize = 128;

/// How many voters the cluster is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// One: no redundancy.
    One,
    /// Three: one may be lost.
    Three,
    /// Five: two may be lost.
    Five,
}

impl Size {
    /// As a number.
    #[must_use]
    pub fn voters(self) -> usize {
        match self {
            Self::One => 1,
            Self::Three => 3,
            Self::Five => 5,
        }
    }
}

/// What a person calls the node. It is part of etcd's member name and identifies nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label(String);

impl Label {
    /// As text: 1 to 128 letters, digits, dots, dashes and underscores, and none of what separates
    /// names in etcd's flags.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One flat object a line.
    Json,
}

/// The least important log line that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// A person must act.
    Error,
    /// Degraded, and being healed.
    Warn,
    /// Transitions of state.
    Info,
    /// Inputs and verdicts.
    Debug,
    /// Everything, also of libraries.
    Trace,
}

/// Reads true or false, in every spelling that Go's `strconv.ParseBool` took.
pub fn switch(text: &str) -> Result<bool, Fault> {
    match text {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
        _ => Err(Fault::new("neither true nor false")),
    }
}

/// Reads a path. Whether it exists is not asked.
pub fn path(text: &str) -> Result<Utf8PathBuf, Fault> {
    if text.is_empty() {
        return Err(Fault::new("empty"));
    }
    if text.contains('\0') {
        return Err(Fault::new("holds a zero byte"));
    }
    Ok(text.into())
}

/// Reads a whole number within `range`.
pub fn whole(range: RangeInclusive<u64>, text: &str) -> Result<u64, Fault> {
    match text.parse::<u64>() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(number) if number < *range.start() => Err(Fault::new("too small")),
        Ok(_) => Err(Fault::new("too large")),
        Err(_) => Err(Fault::new("not a whole number")),
    }
}

/// Reads the size of the cluster.
pub fn size(text: &str) -> Result<Size, Fault> {
    match text {
        "1" => Ok(Size::One),
        "3" => Ok(Size::Three),
        "5" => Ok(Size::Five),
        "2" | "4" => Err(Fault::new("an even number of voters survives no more losses than one voter less")),
        _ => Err(Fault::new("not a size that a cluster can have")),
    }
}

/// Reads a label.
pub fn label(text: &str) -> Result<Label, Fault> {
    if text.is_empty() {
        return Err(Fault::new("empty"));
    }
    if text.len() > LONGEST_LABEL {
        return Err(Fault::new("too long"));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    match text.chars().find(|c| !allowed(*c)) {
        Some(other) => Err(Fault::new(format!("holds {other:?}"))),
        None => Ok(Label(text.to_owned())),
    }
}

/// Reads the format of log lines.
pub fn log_format(text: &str) -> Result<LogFormat, Fault> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(Fault::new("unknown format")),
    }
}

/// Reads the least important level.
pub fn log_level(text: &str) -> Result<LogLevel, Fault> {
    match text {
        "error" => Ok(LogLevel::Error),
        "warn" => Ok(LogLevel::Warn),
        "info" => Ok(LogLevel::Info),
        "debug" => Ok(LogLevel::Debug),
        "trace" => Ok(LogLevel::Trace),
        _ => Err(Fault::new("unknown level")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn go_spellings_of_true_and_false() {
        assert!(["1", "t", "T", "TRUE", "true", "True"].iter().all(|text| switch(text) == Ok(true)));
        assert!(["0", "f", "F", "FALSE", "false", "False"].iter().all(|text| switch(text) == Ok(false)));
        assert!(["", "yes", "tRUE", " true"].iter().all(|text| switch(text).is_err()));
    }

    #[test]
    fn a_label_cannot_break_a_list_of_members() {
        assert_eq!(label("k8s-controllers-i-0abc.local_1").unwrap().as_str(), "k8s-controllers-i-0abc.local_1");
        for text in ["", "a,b", "a=b", "a b", "a/b", "a\u{e9}", &"x".repeat(129)] {
            assert!(label(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_stay_in_their_range() {
        assert_eq!(whole(10..=20, "10"), Ok(10));
        assert_eq!(whole(10..=20, "9").unwrap_err().reason, "too small");
        assert_eq!(whole(10..=20, "21").unwrap_err().reason, "too large");
        assert!(["", "-1", "1.5", "0x10", "99999999999999999999"].iter().all(|text| whole(0..=9, text).is_err()));
    }

    #[test]
    fn only_odd_sizes() {
        assert_eq!(["1", "3", "5"].map(|text| size(text).unwrap().voters()), [1, 3, 5]);
        assert!(["0", "2", "4", "7", "03", "three", ""].iter().all(|text| size(text).is_err()));
    }

    #[test]
    fn a_path_is_something() {
        assert!(path("data").is_ok() && path("").is_err() && path("a\0b").is_err());
    }

    proptest! {
        /// S22: any text gives a value or a fault.
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = (switch(&text), path(&text), whole(1..=9, &text), size(&text), label(&text));
            let _ = (log_format(&text), log_level(&text));
        }
    }
}
