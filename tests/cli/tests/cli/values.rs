//! Wrong values of every key, in every place where it may be said.

use crate::{keys, scratch, strings};
use e2d_tests_cli::{Ended, Run};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// For each key, texts that it does not take. A key that is not here fails the test below: whoever adds
/// a key says here what is wrong for it. Nothing, as a flag or a line of the file, is tried for all.
const WRONG: &[(&str, &[&str])] = &[
    ("data-dir", &[]),
    ("name", &["a b", "a,b", "a=b", "a/b"]),
    ("required-cluster-size", &["0", "2", "4", "7", "three"]),
    ("bootstrap-addrs", &["10.0.0.256", "10.0.0.1,a b", "10.0.0.1:0", ",", "http://a"]),
    ("peer-discovery", &["aws-autoscaling-group", "ec2-tags:a:b=c,d=e", "do-tags:x", "dns"]),
    ("health-check-interval", &["5", "5x", "-5s", "0s", "366d"]),
    ("health-check-timeout", &["5", "1h30", "0s", "53w"]),
    ("quorum-loss-policy", &["auto", "never"]),
    ("host", &["localhost", "0.0.0.0", "::", "10.0.0.1:1", "224.0.0.1"]),
    ("client-addr", &["etcd:2379", "10.0.0.1:0", "10.0.0.1:99999", "[::1"]),
    ("peer-addr", &["etcd:2380", "10.0.0.1:x"]),
    ("gossip-addr", &["etcd", "255.255.255.255"]),
    ("admin-addr", &["etcd", "10.0.0.1:"]),
    ("metrics-addr", &["etcd", "10.0.0.1:-1"]),
    ("insecure", &["yes", "2"]),
    ("ca-cert", &[]),
    ("ca-key", &[]),
    ("peer-cert", &[]),
    ("peer-key", &[]),
    ("server-cert", &[]),
    ("server-key", &[]),
    ("gossip-key-file", &["a,b,c", "a,a"]),
    ("data-disk", &[]),
    ("etcd-bin-dir", &[]),
    ("etcd-quota-bytes", &["8G", "1.5GiB", "1MiB", "2TiB", "-1"]),
    ("etcd-heartbeat-ms", &["0", "10001", "100ms"]),
    ("etcd-election-ms", &["4", "50001", "1s"]),
    ("etcd-arg", &["max-txn-ops", "data-dir=/x", "experimental-initial-corrupt-check=false", "Cors=x"]),
    (
        "snapshot-url",
        &["s3://bucket/prefix/", "https://nyc3.digitaloceanspaces.com/b/", "/backups", "file://", "ftp://x/"],
    ),
    ("snapshot-interval", &["1", "0s", "1y"]),
    ("snapshot-retention-time", &["72h", "3", "-1h", "366d"]),
    ("snapshot-compression", &["false", "zstd"]),
    ("snapshot-encryption", &["true", "aes"]),
    ("snapshot-key-file", &["/key"]),
    ("snapshot-passphrase-file", &["/passphrase"]),
    ("snapshot-kms-key", &["arn:aws:kms:us-west-2:1:key/2"]),
    ("delta-interval", &["1s"]),
    ("delta-size", &["1MiB"]),
    ("log-format", &["xml", "JSON"]),
    ("log-level", &["warning", "5"]),
    ("aws-access-key", &["hunter2"]),
    ("aws-secret-key", &["hunter2"]),
    ("aws-role-session-name", &["e2d"]),
    ("do-access-token", &["hunter2"]),
    ("do-spaces-key", &["hunter2"]),
    ("do-spaces-secret", &["hunter2"]),
];

/// Keys whose every text is a path, which only emptiness makes wrong.
const ANY_TEXT: &[&str] = &[
    "data-dir",
    "data-disk",
    "ca-cert",
    "ca-key",
    "peer-cert",
    "peer-key",
    "server-cert",
    "server-key",
    "etcd-bin-dir",
];

/// Keys that are tested elsewhere: the file itself, and the switch that takes no value.
const ELSEWHERE: &[&str] = &["config", "verbose"];

#[test]
fn every_key_has_wrong_values() {
    let keys = keys();
    let names: Vec<&str> = keys.iter().map(|key| key["name"].as_str().unwrap()).collect();
    for name in names.iter().filter(|name| !ELSEWHERE.contains(name)) {
        let wrong = WRONG.iter().find(|(key, _)| key == name).map(|(_, wrong)| *wrong);
        let wrong = wrong.unwrap_or_else(|| panic!("say in WRONG what {name} does not take"));
        assert!(!wrong.is_empty() || ANY_TEXT.contains(name), "say in WRONG what {name} does not take");
    }
    for (name, _) in WRONG {
        assert!(names.contains(name), "{name} is no key any more");
    }
}

/// S22, and S19 for secrets: exit code 78; the key, its place, its value, what is allowed and a hint on
/// standard error; nothing on standard output.
#[test]
fn a_wrong_value_is_named_wherever_it_is_said() {
    let folder = scratch();
    for key in keys().iter().filter(|key| !ELSEWHERE.contains(&key["name"].as_str().unwrap())) {
        let name = key["name"].as_str().unwrap();
        let wrong = WRONG.iter().find(|(key, _)| *key == name).unwrap().1;
        for flag in strings(&key["flags"]) {
            for text in wrong.iter().chain(&[""]) {
                let ended = Run::new(folder.path(), ["run".to_owned(), format!("--{flag}={text}")]).end();
                judge(key, text, &format!("(flag --{flag})"), &ended);
            }
        }
        for variable in strings(&key["variables"]) {
            for text in wrong {
                let ended = Run::new(folder.path(), ["run"]).variable(variable, text).end();
                judge(key, text, &format!("(variable {variable})"), &ended);
            }
        }
        for text in wrong.iter().chain(&[""]) {
            let ended = in_file(folder.path(), &format!("# a comment\n{name} = {text:?}\n"));
            judge(key, text, "(file e2d.toml:2)", &ended);
        }
    }
}

fn in_file(folder: &Path, text: &str) -> Ended {
    fs::write(folder.join("e2d.toml"), text).unwrap();
    Run::new(folder, ["run", "--config", "e2d.toml"]).end()
}

fn judge(key: &Value, text: &str, place: &str, ended: &Ended) {
    let name = key["name"].as_str().unwrap();
    let context = format!("{name} = {text:?} {place}: {ended:#?}");
    assert_eq!((ended.code, ended.stdout.as_str()), (78, ""), "{context}");
    let line = ended.stderr.lines().find(|line| line.starts_with(&format!("error: {name} = ")));
    let line = line.unwrap_or_else(|| panic!("{context}"));
    assert!(line.contains(place), "{context}");
    assert!(line.contains("; allowed: ") || line.contains(" is refused: "), "{context}");
    assert!(ended.stderr.lines().any(|line| line.starts_with("hint: ") && line.len() > "hint: ".len()), "{context}");
    if key["secret"].as_bool().unwrap() {
        assert!(line.contains("<hidden>") && !ended.stderr.contains("hunter2"), "{context}");
    } else {
        // Of a list, the item that is wrong is shown.
        let shown = key["shape"] == "list" || line.contains(&format!("{text:?}"));
        assert!(shown, "{context}");
    }
}

/// A value of another kind than text, a number or a truth, in the file.
#[test]
fn the_file_s_other_kinds_are_wrong_for_every_key() {
    let folder = scratch();
    for key in keys().iter().filter(|key| key["in_file"] == true) {
        let name = key["name"].as_str().unwrap();
        for value in ["1.5", "2026-11-22", "{ a = 1 }", "[[1]]"] {
            let ended = in_file(folder.path(), &format!("{name} = {value}\n"));
            assert_eq!((ended.code, ended.stdout.as_str()), (78, ""), "{name} = {value}: {ended:#?}");
            assert!(ended.stderr.contains(&format!("error: {name} = ")), "{name} = {value}: {ended:#?}");
            assert!(ended.stderr.contains("(file e2d.toml:1)"), "{name} = {value}: {ended:#?}");
        }
    }
}

/// How the messages look, one of each kind.
#[test]
fn messages() {
    let folder = scratch();
    let path = folder.path();
    fs::write(
        path.join("keys.toml"),
        "host = '10.0.0.1'\nca-cert = 'ca.crt'\npeer-cert = 'p.crt'\npeer-key = 'p.key'\n",
    )
    .unwrap();
    fs::write(
        path.join("unknown.toml"),
        "snapshot_url = 'none'\n\nhosts = 1\nsnapshot-backup-url = 'none'\n[etcd]\nx = 1\n",
    )
    .unwrap();
    fs::write(path.join("broken.toml"), "host = '::1'\naws-secret-key = hunter2\n").unwrap();
    fs::write(path.join("binary.toml"), b"host = '::1'\nname = '\xff'\n").unwrap();
    let cases: &[&[&str]] = &[
        &["--snapshot-interval", "5 parsecs"],
        &["--snapshot-backup-url", "s3://bucket/prefix/"],
        &["--snapshot-url", "https://key:hunter2@nyc3.digitaloceanspaces.com/bucket/"],
        &["--peer-discovery", "aws-autoscaling-group"],
        &["--peer-discovery", "do-tags:etcd"],
        &["--snapshot-encryption"],
        &["--snapshot-retention-time", "72h"],
        &["--aws-access-key", "hunter2", "--aws-secret-key", "hunter2"],
        &["--etcd-arg", "quota-backend-bytes=1"],
        &["--etcd-arg", "cors=a", "--etcd-arg", "cors=b"],
        &["-n", "4"],
        &["-n", "3"],
        &["--host", "10.0.0.1"],
        &["--gossip-addr", "10.0.0.1:1", "--metrics-addr", "10.0.0.1:2"],
        &["--config", "keys.toml"],
        &["--peer-addr", ":2379"],
        &["--etcd-heartbeat-ms", "500", "--etcd-election-ms", "2000"],
        &["--snapshot-url", "file://a/", "--snapshot-backup-url", "file://b/"],
        &["-v", "--log-level", "info"],
        &["--config", "unknown.toml"],
        &["--config", "broken.toml"],
        &["--config", "binary.toml"],
        &["--config", "missing.toml"],
        &["--config", "."],
        &["--host", "here", "--name", "a b", "--log-level", "loud", "--delta-size", "1MiB"],
    ];
    let mut shown = String::new();
    for flags in cases {
        let ended = Run::new(path, ["run"].iter().chain(*flags)).end();
        assert_eq!((ended.code, ended.stdout.as_str()), (78, ""), "{flags:?}: {ended:#?}");
        assert!(!ended.stderr.contains("hunter2"), "{flags:?}: {ended:#?}");
        writeln!(shown, "$ e2d run {}\n{}", flags.join(" "), ended.stderr).unwrap();
    }
    insta::assert_snapshot!("messages", shown);
}

/// A value that is no text at all.
#[test]
fn a_value_that_is_not_utf_8() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = scratch();
    let bytes = std::ffi::OsStr::from_bytes(b"data\xff");
    let flag = Run::new(folder.path(), [std::ffi::OsStr::new("run"), "--data-dir".as_ref(), bytes]).end();
    assert!(flag.code == 78 && flag.stderr.contains("(flag --data-dir): not UTF-8"), "{flag:#?}");
    let variable = Run::new(folder.path(), ["run"]).variable("E2D_DATA_DIR", bytes).end();
    assert!(variable.code == 78 && variable.stderr.contains("(variable E2D_DATA_DIR): not UTF-8"), "{variable:#?}");
}

/// A file as large as a disk is not read into memory.
#[test]
fn a_file_without_end_is_refused() {
    let ended = crate::e2d(&["run", "--config", "/dev/zero"]);
    assert!(ended.code == 78 && ended.stderr.contains("more than 1048576 bytes"), "{ended:#?}");
}
