//! What an etcd died of.
//!
//! The exit code says little: 1 stands for anything from a busy port to corrupt data, and a removed member exits with
//! 0 or 1 at random. So the last lines of the log decide, by the messages of etcd 3.4 to 3.7. Of a JSON line only its
//! message and its error are read and kept: request logs may name keys of the store.

use super::process::Status;
use serde::Deserialize;

/// An end and its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Why.
    pub cause: Cause,
    /// The exit code, if it ended by itself and was our child.
    pub code: Option<i32>,
    /// The signal that ended it, if one did and it was our child.
    pub signal: Option<i32>,
    /// The last lines that tell of it, oldest first: at most [`MOST_LINES`] of at most [`LONGEST_LINE`] characters.
    pub lines: Vec<String>,
}

/// Why an etcd ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was asked to, and closed in order.
    Stopped,
    /// The others removed this member: its data must never be used again.
    RemovedFromCluster,
    /// Its log, its database or its comparison with the others shows damaged data.
    DataCorrupt,
    /// The file system is full.
    DiskFull,
    /// A port of its is taken by somebody else.
    PortInUse,
    /// The data was written by a newer etcd.
    NewerData,
    /// A certificate, key or authority cannot be read or does not fit.
    Certificate,
    /// It does not know a flag, or not its value.
    BadFlag,
    /// A panic for another reason.
    Panicked,
    /// By a signal other than the one that asks it to stop, or without a word and unwatched.
    Killed,
    /// Anything else.
    Other,
}

impl Exit {
    /// The same end, where the log had no word for it, on a disk with so much room: its log is on the disk that is
    /// full, and may have had none for the last words either.
    pub(super) fn on_a_disk_with(mut self, available_bytes: u64) -> Self {
        if self.cause == Cause::Other && available_bytes < LEAST_ROOM_BYTES {
            self.cause = Cause::DiskFull;
        }
        self
    }
}

/// With less room than this an unexplained end is laid to the disk. The next segment of the log takes 64 MB, and a
/// write that fails leaves some of what it wanted.
const LEAST_ROOM_BYTES: u64 = 16 << 20;

/// How many lines an [`Exit`] keeps.
pub const MOST_LINES: usize = 8;
/// How many characters of a line an [`Exit`] keeps.
pub const LONGEST_LINE: usize = 400;

/// Messages of fatal, panic and error lines, by the cause that they stand for; the first that is found decides.
const SIGNS: &[(Cause, &[&str])] = &[
    (Cause::DiskFull, &["no space left on device", "disk quota exceeded"]),
    (Cause::PortInUse, &["bind: address already in use"]),
    (Cause::NewerData, &["server version is lower than determined cluster version", "version \""]),
    (
        Cause::Certificate,
        &[
            "tls: ",
            "x509: ",
            "certificate",
            ".pem: ",
            ".crt: ",
            ".cert: ",
            ".key: ",
            "PEM",
            "failed to load X509 key pair",
        ],
    ),
    (
        Cause::DataCorrupt,
        &[
            "crc mismatch",
            "wal: max entry size limit exceeded",
            "wal: file not found",
            "wal: conflicting metadata",
            "wal: snapshot",
            "wal: slice bounds out of range",
            "failed to read WAL",
            "snap: ",
            "failed to open database",
            "invalid database",
            "failed to recover v3 backend",
            "failed to find database snapshot file",
            "found data inconsistency with peers",
            "freepages: ",
            "assertion failed: Page expected to be",
            "page already freed",
            "unexpected page type",
            "[signal SIGBUS",
            "unexpected fault address",
        ],
    ),
];

const REMOVED: &str = "has been permanently removed from the cluster";
const ASKED: &str = "received signal; shutting down";

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    level: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    msg: std::borrow::Cow<'a, str>,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

/// One line, reduced to what may be repeated.
struct Read {
    grave: bool,
    fatal: bool,
    text: String,
}

/// Says why an etcd ended, from its status, if that is known, and the end of its log.
pub(super) fn classify(status: Option<Status>, tail: &str) -> Exit {
    let lines: Vec<Read> = tail.lines().filter(|line| !line.trim().is_empty()).map(read).collect();
    let (code, signal) = match status {
        Some(Status::Code(code)) => (Some(code), None),
        Some(Status::Signal(signal)) => (None, Some(signal)),
        None => (None, None),
    };
    let fatal = lines.iter().position(|line| line.fatal);
    let cause = if lines.iter().any(|line| line.text.contains(REMOVED)) {
        Cause::RemovedFromCluster
    } else if signal.is_some_and(|signal| signal != TERM) {
        Cause::Killed
    } else if let Some(first) = fatal {
        of_signs(lines.get(first..).unwrap_or_default())
    } else if signal == Some(TERM) || lines.iter().any(|line| line.text.contains(ASKED)) {
        // With SIGTERM etcd ends itself by the same signal, after it has closed; as process 1 with code 0.
        Cause::Stopped
    } else if status.is_none() {
        Cause::Killed
    } else {
        Cause::Other
    };
    Exit { cause, code, signal, lines: telling(lines, fatal) }
}

const TERM: i32 = 15;

fn of_signs(lines: &[Read]) -> Cause {
    let mut grave = lines.iter().filter(|line| line.grave);
    let has = |sign: &str| lines.iter().any(|line| line.grave && line.text.contains(sign));
    if let Some((cause, _)) = SIGNS.iter().find(|(_, signs)| signs.iter().any(|sign| has(sign))) {
        return *cause;
    }
    match grave.next().map(|line| line.text.as_str()) {
        Some(text) if is_bad_flag(text) => Cause::BadFlag,
        Some(text) if is_panic(text) => Cause::Panicked,
        _ => Cause::Other,
    }
}

fn is_bad_flag(text: &str) -> bool {
    ["flag provided but not defined", "invalid value ", "invalid boolean value", "unknown flag"]
        .iter()
        .any(|start| text.starts_with(start))
        || text.contains("conflicting environment variable")
}

fn is_panic(text: &str) -> bool {
    text.starts_with("panic: ") || text.starts_with("fatal error: ") || text.starts_with("unexpected fault address")
}

/// The lines worth keeping: from the first fatal one on without a panic's stack, else the last ones.
fn telling(lines: Vec<Read>, fatal: Option<usize>) -> Vec<String> {
    let texts = |lines: &mut dyn Iterator<Item = Read>| lines.map(|line| line.text).collect();
    if let Some(first) = fatal {
        return texts(&mut lines.into_iter().skip(first).filter(|line| line.grave).take(MOST_LINES));
    }
    let skipped = lines.len().saturating_sub(MOST_LINES);
    texts(&mut lines.into_iter().skip(skipped))
}

fn read(line: &str) -> Read {
    let cut = |text: &str| text.chars().take(LONGEST_LINE).collect::<String>();
    if let Ok(Line { level, msg, error }) = serde_json::from_str(line) {
        let error = match error {
            Some(serde_json::Value::String(error)) => format!(": {error}"),
            _ => String::new(),
        };
        let fatal = matches!(&*level, "fatal" | "panic" | "dpanic");
        return Read { grave: fatal || level == "error", fatal, text: cut(&format!("{msg}{error}")) };
    }
    // Before its logger is set up etcd writes plain lines, and a panic is one always.
    let fatal = is_panic(line) || is_bad_flag(line);
    let grave = fatal || line.starts_with("[signal ");
    // Anything else may be a stack trace, a usage text or a torn line: only its beginning, and only if it is no JSON.
    let text = if line.starts_with('{') { String::new() } else { cut(line) };
    Read { grave, fatal, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(status: Option<Status>, log: &str) -> Cause {
        classify(status, log).cause
    }

    /// Lines as etcd 3.4.23, 3.5.35, 3.6.16 and 3.7.3 wrote them.
    #[test]
    fn each_death_is_known_by_its_last_words() {
        let fatal = |error: &str| format!(r#"{{"level":"fatal","ts":"t","msg":"discovery failed","error":"{error}"}}"#);
        let panic = |error: &str| {
            format!(
                "{{\"level\":\"panic\",\"msg\":\"failed\",\"error\":\"{error}\"}}\npanic: failed\n\ngoroutine 1 [running]:\n"
            )
        };
        for (expected, code, log) in [
            (Cause::DataCorrupt, 1, fatal("walpb: crc mismatch")),
            (Cause::DataCorrupt, 1, fatal("walpb: crc mismatch: expected: 8512359f computed: 14171e37")),
            (Cause::DataCorrupt, 1, fatal("wal: max entry size limit exceeded")),
            (Cause::DataCorrupt, 2, panic("invalid database")),
            (Cause::DataCorrupt, 2, "panic: freepages: failed to get all reachable pages (page 1: out of bounds: 8)".to_owned()),
            (Cause::DataCorrupt, 2, "panic: assertion failed: Page expected to be: 2, but self identifies as 3".to_owned()),
            (Cause::DataCorrupt, 2, "unexpected fault address 0x7f\nfatal error: fault\n[signal SIGBUS: bus error code=0x2]".to_owned()),
            (Cause::DiskFull, 2, panic("no space left on device")),
            (Cause::DiskFull, 1, fatal("write /d/member/snap/db: no space left on device")),
            (Cause::PortInUse, 1, fatal("listen tcp 127.0.0.1:23000: bind: address already in use")),
            (Cause::NewerData, 1, fatal(r#"version \"3.7.0\" is not supported"#)),
            (Cause::NewerData, 1, r#"{"level":"fatal","msg":"invalid downgrade; server version is lower than determined cluster version"}"#.to_owned()),
            (Cause::Certificate, 1, fatal("open /c/none.pem: no such file or directory")),
            (Cause::Certificate, 1, fatal("tls: private key does not match public key")),
            (Cause::BadFlag, 2, "flag provided but not defined: -nonsense\nUsage:\n  etcd [flags]".to_owned()),
            (Cause::BadFlag, 2, "invalid value \"abc\" for flag -heartbeat-interval: parse error\nUsage:".to_owned()),
            (Cause::Panicked, 2, "panic: tocommit(9) is out of range [lastIndex(0)]\n\ngoroutine 5 [running]:".to_owned()),
            (Cause::Other, 1, fatal("cannot fetch cluster info from peer urls")),
            (Cause::Other, 1, String::new()),
        ] {
            assert_eq!(cause(Some(Status::Code(code)), &log), expected, "{log}");
            if !log.is_empty() {
                assert_eq!(cause(None, &log), expected, "unwatched: {log}");
            }
        }
    }

    #[test]
    fn a_removed_member_is_known_whatever_its_code() {
        let log = "{\"level\":\"warn\",\"msg\":\"server error\",\"error\":\"the member has been permanently removed from the cluster\"}\n\
                   {\"level\":\"fatal\",\"msg\":\"listener failed\",\"error\":\"etcdserver: server stopped\"}";
        for status in [Some(Status::Code(0)), Some(Status::Code(1)), Some(Status::Signal(15)), None] {
            assert_eq!(cause(status, log), Cause::RemovedFromCluster);
        }
    }

    #[test]
    fn an_ordered_end_is_told_from_a_kill() {
        let asked = r#"{"level":"info","msg":"received signal; shutting down","signal":"terminated"}
{"level":"error","msg":"setting up serving from embedded etcd failed.","error":"http: Server closed"}"#;
        assert_eq!(cause(Some(Status::Signal(15)), asked), Cause::Stopped);
        assert_eq!(cause(Some(Status::Signal(15)), ""), Cause::Stopped);
        assert_eq!(cause(Some(Status::Code(0)), asked), Cause::Stopped);
        assert_eq!(cause(None, asked), Cause::Stopped);
        assert_eq!(cause(Some(Status::Signal(9)), ""), Cause::Killed);
        assert_eq!(cause(Some(Status::Signal(9)), asked), Cause::Killed);
        assert_eq!(cause(None, r#"{"level":"info","msg":"ready"}"#), Cause::Killed);
    }

    #[test]
    fn trouble_long_survived_is_not_the_cause() {
        let log = r#"{"level":"error","msg":"rejected connection","error":"tls: bad certificate"}
{"level":"warn","msg":"prober detected","error":"no space left on device"}"#;
        assert_eq!(cause(Some(Status::Signal(9)), log), Cause::Killed);
        assert_eq!(cause(Some(Status::Code(1)), log), Cause::Other);
    }

    #[test]
    fn a_full_disk_may_have_had_no_room_for_the_last_words() {
        let silent = || classify(Some(Status::Code(1)), "");
        assert_eq!(silent().on_a_disk_with(1 << 20).cause, Cause::DiskFull);
        assert_eq!(silent().on_a_disk_with(1 << 30).cause, Cause::Other);
        let killed = classify(Some(Status::Signal(9)), "");
        assert_eq!(killed.on_a_disk_with(0).cause, Cause::Killed);
    }

    #[test]
    fn nothing_of_the_store_is_repeated() {
        let log = r#"{"level":"warn","msg":"apply request took too long","request":"key:\"/secret\" value:\"hunter2\""}
{"level":"warn","msg":"cut {"#;
        let exit = classify(Some(Status::Code(1)), log);
        assert_eq!(exit.lines, ["apply request took too long", ""]);
        let exit = classify(None, &"é".repeat(100_000));
        assert_eq!(exit.lines[0].chars().count(), LONGEST_LINE);
    }

    proptest::proptest! {
        #[test]
        fn any_log_is_bounded(log in ".{0,2000}") {
            let exit = classify(None, &log);
            assert!(exit.lines.len() <= MOST_LINES);
            assert!(exit.lines.iter().all(|line| line.chars().count() <= LONGEST_LINE));
        }
    }
}
