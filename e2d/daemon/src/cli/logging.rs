//! Logs, to standard error: text for people on a terminal, flat JSON for programs.
//!
//! Messages are constant and values are fields, so that a line can be searched for. Libraries are held
//! at warn unless everything is asked for.

use crate::config::Log;
use crate::config::value::{LogFormat, LogLevel};
use std::io::{self, IsTerminal as _};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry;
use tracing_subscriber::{Layer, fmt};

/// What the surroundings say about how lines should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Surroundings {
    is_terminal: bool,
    no_color: bool,
}

/// Starts logging for a verb that is not the daemon: text, and nothing that is not wrong unless `verbose`.
pub fn start_for_client(verbose: bool) {
    let level = if verbose { LogLevel::Debug } else { LogLevel::Warn };
    start(Log { format: Some(LogFormat::Text), level });
}

/// Starts logging. Later calls have no effect.
pub fn start(log: Log) {
    let surroundings = Surroundings {
        is_terminal: io::stderr().is_terminal(),
        // https://no-color.org: any value but the empty one.
        no_color: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
    };
    // It fails only if logging was started before.
    let _ = tracing::subscriber::set_global_default(subscriber(log, surroundings, io::stderr));
}

fn subscriber<W>(log: Log, surroundings: Surroundings, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let libraries = if log.level == LogLevel::Trace { level } else { level.min(LevelFilter::WARN) };
    // All of our crates are named e2d or e2d_*, and a target is matched by its beginning.
    let filter = Targets::new().with_default(libraries).with_target("e2d", level);
    let default = if surroundings.is_terminal { LogFormat::Text } else { LogFormat::Json };
    let layer = match log.format.unwrap_or(default) {
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_writer(writer)
            .boxed(),
        LogFormat::Text => {
            fmt::layer().with_ansi(surroundings.is_terminal && !surroundings.no_color).with_writer(writer).boxed()
        }
    };
    registry().with(layer.with_filter(filter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Option<LogFormat>, level: LogLevel, is_terminal: bool, no_color: bool) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let surroundings = Surroundings { is_terminal, no_color };
        tracing::subscriber::with_default(
            subscriber(Log { format, level }, surroundings, move || writer.clone()),
            || {
                tracing::info!(target: "e2d_gossip::engine", member = "8e9e05c52164694d", silent_s = 3, "peer suspected");
                tracing::debug!(target: "e2d::loop", "looked");
                tracing::info!(target: "hyper::client", "connected");
                tracing::warn!(target: "rustls", "odd");
            },
        );
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_is_flat_and_has_one_object_a_line() {
        let text = logged(None, LogLevel::Info, false, false);
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        let line = lines[0].as_object().unwrap();
        assert_eq!(line["message"], "peer suspected");
        assert_eq!(line["member"], "8e9e05c52164694d");
        assert_eq!(line["silent_s"], 3);
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["target"], "e2d_gossip::engine");
        assert!(line.contains_key("timestamp") && line.values().all(|value| !value.is_object()), "{text}");
        assert_eq!(lines[1]["target"], "rustls");
    }

    #[test]
    fn a_terminal_gets_text_and_no_color_takes_colour_away() {
        let coloured = logged(None, LogLevel::Info, true, false);
        assert!(coloured.contains('\u{1b}') && coloured.contains("peer suspected"), "{coloured}");
        let plain = logged(None, LogLevel::Info, true, true);
        assert!(!plain.contains('\u{1b}') && plain.contains("member=\"8e9e05c52164694d\""), "{plain}");
        assert!(!logged(Some(LogFormat::Text), LogLevel::Info, false, false).contains('\u{1b}'));
        assert!(logged(Some(LogFormat::Json), LogLevel::Info, true, false).starts_with('{'));
    }

    #[test]
    fn levels_hold_libraries_back() {
        let count = |level| logged(None, level, false, false).lines().count();
        assert_eq!(
            [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace].map(count),
            [0, 1, 2, 3, 4]
        );
    }
}
