//! Every module is a file named after it, and opens by saying what it is for.

use super::Finding;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        if file.path.file_name() == Some("mod.rs") {
            let folder = file.path.parent().unwrap_or(&file.path);
            findings.push(Finding::new(file.path.as_str(), format!("name it {folder}.rs")));
        }
        if !file.text.starts_with("//! ") {
            findings.push(Finding::new(file.path.as_str(), "does not open with `//!`: what is it for?"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_say_what_they_are_for_and_bear_their_name() {
        let tree = Tree::of(&[
            ("a/src/lib.rs", "//! Good.\n"),
            ("a/src/plan/mod.rs", "//! Misnamed.\n"),
            ("a/src/silent.rs", "use std::fmt;\n//! Late.\n"),
            ("README.md", "no module\n"),
        ]);
        let places: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            places,
            ["a/src/plan/mod.rs: name it a/src/plan.rs", "a/src/silent.rs: does not open with `//!`: what is it for?"]
        );
    }
}
