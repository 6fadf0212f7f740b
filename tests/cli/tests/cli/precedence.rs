//! Flag, variable, file, default: which one counts.
//!
//! Each of them gets a value that is wrong in its own way; the one that is complained about is the one
//! that counts. `STOP` is wrong besides, so that no run ever becomes a daemon.

use crate::scratch;
use e2d_tests_cli::{Ended, Run};
use std::fs;
use std::path::Path;

const STOP: &str = "--etcd-arg=stop";

fn run(folder: &Path, flag: Option<&str>, variable: Option<&str>, file: Option<&str>) -> Ended {
    let lines = file.map(|value| format!("name = {value:?}\n")).unwrap_or_default();
    fs::write(folder.join("e2d.toml"), lines).unwrap();
    let flags = flag.map(|value| format!("--name={value}"));
    let arguments = ["run", STOP, "--config=e2d.toml"].into_iter().map(str::to_owned).chain(flags);
    let run = Run::new(folder, arguments);
    let run = match variable {
        Some(value) => run.variable("E2D_NAME", value),
        None => run,
    };
    let ended = run.end();
    assert_eq!((ended.code, ended.stdout.as_str()), (78, ""), "{ended:#?}");
    ended
}

fn blamed(ended: &Ended) -> Option<&str> {
    ended
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("error: name = ")?.split_once(" (")?.1.split_once(')'))
        .map(|p| p.0)
}

#[test]
fn the_first_place_that_says_anything_counts() {
    let folder = scratch();
    for places in 0..8 {
        let said = |bit: u8, value: &'static str| (places & bit != 0).then_some(value);
        let ended = run(folder.path(), said(1, "flag!"), said(2, "variable!"), said(4, "file!"));
        let expected = match places {
            0 => None,
            1 | 3 | 5 | 7 => Some("flag --name"),
            2 | 6 => Some("variable E2D_NAME"),
            _ => Some("file e2d.toml:1"),
        };
        assert_eq!(blamed(&ended), expected, "{places:03b}: {ended:#?}");
    }
}

/// What does not count is not even looked at.
#[test]
fn a_good_value_hides_a_wrong_one_behind_it() {
    let folder = scratch();
    for (flag, variable, file) in [
        (Some("good"), Some("wrong!"), Some("wrong!")),
        (None, Some("good"), Some("wrong!")),
        (Some("good"), Some(""), Some("wrong!")),
    ] {
        let ended = run(folder.path(), flag, variable, file);
        assert_eq!(blamed(&ended), None, "{ended:#?}");
    }
}

#[test]
fn an_empty_variable_says_nothing() {
    let folder = scratch();
    let ended = run(folder.path(), None, Some(""), Some("file!"));
    assert_eq!(blamed(&ended), Some("file e2d.toml:1"));
    let ended = run(folder.path(), None, Some(""), None);
    assert_eq!(blamed(&ended), None);
    // The old program read no variable after the first empty one.
    let ended = Run::new(folder.path(), ["run"])
        .variable("E2D_HEALTH_CHECK_INTERVAL", "")
        .variable("E2D_REQUIRED_CLUSTER_SIZE", "")
        .variable("E2D_SNAPSHOT_INTERVAL", "5x")
        .end();
    assert!(ended.code == 78 && ended.stderr.contains("(variable E2D_SNAPSHOT_INTERVAL)"), "{ended:#?}");
}

#[test]
fn the_file_may_be_named_by_a_variable_and_the_flag_wins() {
    let folder = scratch();
    fs::write(folder.path().join("a.toml"), "name = 'a!'").unwrap();
    fs::write(folder.path().join("b.toml"), "name = 'b!'").unwrap();
    let ended = Run::new(folder.path(), ["run"]).variable("E2D_CONFIG", "a.toml").end();
    assert_eq!(blamed(&ended), Some("file a.toml:1"));
    let ended = Run::new(folder.path(), ["run", "--config", "b.toml"]).variable("E2D_CONFIG", "a.toml").end();
    assert_eq!(blamed(&ended), Some("file b.toml:1"));
}

#[test]
fn a_list_is_taken_from_one_place_only() {
    let folder = scratch();
    fs::write(folder.path().join("e2d.toml"), "bootstrap-addrs = ['10.0.0.256']").unwrap();
    let arguments = ["run", STOP, "--config=e2d.toml", "--bootstrap-addrs=10.0.0.1", "--bootstrap-addrs=10.0.0.2"];
    let ended = Run::new(folder.path(), arguments).variable("E2D_BOOTSTRAP_ADDRS", "10.0.0.257").end();
    assert!(!ended.stderr.contains("bootstrap-addrs"), "{ended:#?}");
}

/// A variable that no key has is warned about, in the log, and does not stop anything by itself.
#[test]
fn an_unknown_variable_is_warned_about() {
    let folder = scratch();
    // A problem that is found only after the log has begun.
    let arguments = ["run", "--host", "10.0.0.1"];
    let ended = Run::new(folder.path(), arguments).variable("E2D_SNAPSHOT_URLL", "none").variable("PATH", "/x").end();
    assert_eq!((ended.code, ended.stdout.as_str()), (78, ""));
    let lines: Vec<&str> = ended.stderr.lines().collect();
    let line: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!((line["level"].as_str(), line["hint"].as_str()), (Some("WARN"), Some("did you mean E2D_SNAPSHOT_URL?")));
    assert!(lines[1].starts_with("error: host = 10.0.0.1"), "{ended:#?}");
    let ended = Run::new(folder.path(), arguments).variable("E2D_LOG_FORMAT", "text").variable("E2D_X", "y").end();
    assert!(ended.stderr.contains(" WARN ") && !ended.stderr.contains('\u{1b}'), "{ended:#?}");
}
