//! What the program says about itself.

use crate::{e2d, scratch, verbs};
use e2d_tests_cli::Run;
use std::fmt::Write as _;

/// Help is data: it goes to standard output, and is the same wherever it is asked for.
#[test]
fn every_verb_has_help() {
    let folder = scratch();
    let verbs = verbs(folder.path());
    assert!(verbs.len() >= 24, "{verbs:?}");
    for verb in [vec![]].into_iter().chain(verbs) {
        let arguments: Vec<&str> = verb.iter().map(String::as_str).chain(["--help"]).collect();
        let ended = Run::new(folder.path(), &arguments).end();
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{verb:?}");
        insta::assert_snapshot!(format!("help {}", verb.join(" ")).trim().replace(' ', "_"), ended.stdout);
    }
}

#[test]
fn short_help_leaves_out_what_is_refused() {
    let ended = e2d(&["run", "-h"]);
    assert!(ended.stdout.contains("--snapshot-url") && !ended.stdout.contains("--snapshot-kms-key"));
    let ended = e2d(&["run", "--help"]);
    assert!(ended.stdout.contains("--snapshot-kms-key"));
}

#[test]
fn a_version_in_three_ways() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(e2d(&["version"]).stdout, format!("e2d {version}\n"));
    assert_eq!(e2d(&["--version"]).stdout, format!("e2d {version}\n"));
    assert_eq!(e2d(&["version", "--output", "json"]).stdout, format!("{{\"version\":\"{version}\"}}\n"));
}

#[test]
fn completions_for_every_shell_under_both_names() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ended = e2d(&["completions", shell]);
        assert!(ended.code == 0 && ended.stderr.is_empty() && ended.stdout.contains("snapshot"), "{shell}");
        assert_eq!(ended, e2d(&["completion", shell]), "{shell}");
    }
}

/// Exit code 2, clap's suggestion, nothing on standard output.
#[test]
fn what_does_not_exist_is_a_usage_error() {
    let folder = scratch();
    let cases: &[&[&str]] = &[
        &[],
        &["statsu"],
        &["pause"],
        &["resume"],
        &["recover"],
        &["defrag"],
        &["drain"],
        &["resize", "3"],
        &["upgrade"],
        &["snapshot"],
        &["snapshot", "prune"],
        &["snapshot", "import"],
        &["snapshot", "rewrap"],
        &["pki", "renew"],
        &["run", "--hostt", "::1"],
        &["run", "extra"],
        &["run", "--host"],
        &["run", "--host", "::1", "--host", "::2"],
        &["status", "--output", "yaml"],
        &["members", "remove"],
        &["members", "remove", "nobody"],
        &["hold"],
        &["hold", "--reason", "maintenance", "--for", "5 parsecs"],
        &["restore"],
        &["restore", "--into", "d", "--cluster"],
        &["restore", "--into", "d", "--at", "yesterday"],
        &["snapshot", "show", "xyz"],
        &["completions", "tcsh"],
    ];
    let mut shown = String::new();
    for case in cases {
        let ended = Run::new(folder.path(), *case).end();
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{case:?}");
        writeln!(shown, "$ e2d {}\n{}", case.join(" "), ended.stderr).unwrap();
    }
    insta::assert_snapshot!("usage", shown);
}
