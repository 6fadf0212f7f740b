//! What is made from the table of keys and from the verbs.

use crate::{keys, scratch, strings, verbs};
use e2d_tests_cli::Run;
use std::fs;
use std::path::Path;

fn reference(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn the_repository_has_what_is_generated() {
    for (verb, name) in [("reference", "configuration.md"), ("config", "e2d.toml")] {
        let ended = crate::e2d(&["generate", verb]);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
        let update = format!("out of date: cargo run -p e2d -- generate {verb} > docs/reference/{name}");
        assert!(ended.stdout == reference(name), "{update}");
    }
}

#[test]
fn the_page_names_every_key_flag_and_variable() {
    let page = reference("configuration.md");
    for key in keys() {
        let name = key["name"].as_str().unwrap();
        assert!(page.contains(&format!("\n### {name}\n")), "{name}");
        assert!(strings(&key["flags"]).iter().all(|flag| page.contains(&format!("`--{flag}"))), "{name}");
        assert!(strings(&key["variables"]).iter().all(|variable| page.contains(&format!("`{variable}`"))), "{name}");
    }
}

/// The generated file is a good one: the only complaint is about the flag that keeps it from running.
#[test]
fn the_generated_file_can_be_used() {
    let folder = scratch();
    let file = crate::e2d(&["generate", "config"]).stdout;
    fs::write(folder.path().join("e2d.toml"), file).unwrap();
    let ended = Run::new(folder.path(), ["run", "--config", "e2d.toml", "--etcd-arg", "stop"]).end();
    assert_eq!(ended.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{ended:#?}");
}

#[test]
fn the_manual_has_a_page_for_every_verb_and_a_heading_for_every_flag() {
    let folder = scratch();
    let verbs = verbs(folder.path());
    assert!(
        verbs.contains(&vec!["step-down".to_owned()])
            && verbs.contains(&vec!["snapshot".to_owned(), "list".to_owned()])
    );
    assert!(!verbs.iter().any(|verb| verb[0] == "generate"));
    let page = fs::read_to_string(folder.path().join("man/e2d-run.1")).unwrap().replace('\\', "");
    for key in keys().iter().filter(|key| key["name"] != "verbose") {
        assert!(page.contains(&format!("--{}", key["name"].as_str().unwrap())), "{key}");
    }
}
