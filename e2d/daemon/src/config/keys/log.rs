//! Keys of what e2d tells about itself.

use super::table;
use crate::config::key::{Decl, Key, Places, Section, Shape};
use crate::config::value::{self, LogFormat, LogLevel};

table! {
    /// How lines look.
    LOG_FORMAT: LogFormat = Decl::new(Section::Log, "log-format", "FORMAT", "How log lines look")
        .found("text on a terminal, json else")
        .detail("Logs go to standard error.")
        .allowed("text or json", "json")
        .read_by(value::log_format);

    /// Which lines there are.
    LOG_LEVEL: LogLevel = Decl::new(Section::Log, "log-level", "LEVEL", "The least important log lines that are written")
        .default("info")
        .old_default("info (set by --verbose only)")
        .detail("Libraries are held at warn unless it is trace.")
        .allowed("error, warn, info, debug or trace", "debug")
        .read_by(value::log_level);

    /// The old way to say debug.
    VERBOSE: bool = Decl::new(Section::Log, "verbose", "", "The same as `--log-level debug`")
        .short('v')
        .shape(Shape::Switch)
        .places(Places::FlagOnly)
        .default("false")
        .old_default("false")
        .allowed("true or false", "true")
        .read_by(value::switch);
}
