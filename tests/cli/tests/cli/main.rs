//! The command line as an operator sees it.
#![cfg(test)]

mod backups;
mod certificates;
mod env;
mod generated;
mod help;
mod precedence;
mod restores;
mod shelf;
mod streams;
mod values;

use e2d_tests_cli::{Ended, Run};
use std::path::Path;

/// Runs in a folder of its own, with nothing but these arguments.
fn e2d(arguments: &[&str]) -> Ended {
    Run::new(scratch().path(), arguments).end()
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Every key, as the program itself declares it.
fn keys() -> Vec<serde_json::Value> {
    let ended = e2d(&["generate", "keys"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    serde_json::from_str(&ended.stdout).unwrap()
}

fn strings(value: &serde_json::Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// Every verb with its inner verbs, as the manual has them: `["snapshot", "list"]`.
fn verbs(folder: &Path) -> Vec<Vec<String>> {
    let ended = Run::new(folder, ["generate", "man", "--dir", "man"]).end();
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (0, "", ""));
    // A page is called e2d-snapshot-list.1, and one verb has a dash of its own.
    let page = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let pages = std::fs::read_dir(folder.join("man")).unwrap().map(page);
    let names =
        pages.filter_map(|page| Some(page.strip_prefix("e2d-")?.strip_suffix(".1")?.replace("step-down", "step_down")));
    let mut verbs: Vec<Vec<String>> =
        names.map(|name| name.split('-').map(|verb| verb.replace('_', "-")).collect()).collect();
    verbs.sort();
    verbs
}
