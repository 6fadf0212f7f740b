//! Every safety promise is shown by a test that exists, or is said not to be.
//!
//! Reads `docs/promises.md`. A test is named there in backticks as `path/to/file.rs::test_name`. It shows
//! the promise that its table row begins with (`| S1 | …`), or else those that the heading above names
//! (`## S1 One cluster`). A promise without a test is listed under a heading "Not yet shown".

use super::Finding;
use super::tree::Tree;
use std::collections::BTreeSet;

const FILE: &str = "docs/promises.md";
/// S1 to this.
const LAST: u32 = 22;
const NOT_YET: &str = "not yet shown";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.file(FILE) else {
        return vec![Finding::new(FILE, "is missing: it names the tests that show each promise")];
    };
    let mut findings = Vec::new();
    let mut accounted = BTreeSet::new();
    let mut heading = "";
    for (number, line) in (1..).zip(file.text.lines()) {
        if line.starts_with('#') {
            heading = line;
        }
        let tests: Vec<(&str, &str)> = tests(line).collect();
        for (path, name) in &tests {
            if let Err(why) = exists(tree, path, name) {
                findings.push(Finding::new(format!("{FILE}:{number}"), why));
            }
        }
        if heading.to_lowercase().contains(NOT_YET) {
            accounted.extend(promises(line));
        } else if !tests.is_empty() {
            let mut shown = promises(first_cell(line)).peekable();
            if shown.peek().is_some() {
                accounted.extend(shown);
            } else {
                accounted.extend(promises(heading));
            }
        }
    }
    let missing = (1..=LAST).filter(|promise| !accounted.contains(promise));
    findings.extend(missing.map(|promise| {
        Finding::new(FILE, format!("S{promise} has no test, and does not stand under \"Not yet shown\""))
    }));
    findings
}

/// The tests that a line names.
fn tests(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split('`').skip(1).step_by(2).filter_map(|code| code.split_once(".rs::").map(|_| code)).filter_map(|code| {
        let (path, name) = code.split_once("::")?;
        Some((path, name))
    })
}

fn exists(tree: &Tree, path: &str, name: &str) -> Result<(), String> {
    let Some(file) = tree.file(path) else {
        return Err(format!("there is no file {path}"));
    };
    // A test inside a module may be named with it.
    let name = name.rsplit("::").next().unwrap_or(name);
    let declared = file.text.lines().any(|line| {
        let rest = line.split_once(&format!("fn {name}")).map(|(_, rest)| rest);
        // A macro that makes tests of a table has a line `name: …;` for each.
        let listed = line.trim().strip_prefix(name).is_some_and(|rest| rest.starts_with(": ") && rest.ends_with(';'));
        listed || rest.is_some_and(|rest| rest.starts_with('(') || rest.starts_with('<'))
    });
    if declared { Ok(()) } else { Err(format!("{path} has no `fn {name}`")) }
}

/// The first cell of a table row; nothing of any other line.
fn first_cell(line: &str) -> &str {
    let row = line.trim_start().strip_prefix('|').unwrap_or_default();
    row.split_once('|').map_or("", |(cell, _)| cell)
}

/// The numbers of the promises that `text` names: `S1`, not `AS1`, `S3s` or `S1x`.
fn promises(text: &str) -> impl Iterator<Item = u32> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words.filter_map(|word| word.strip_prefix('S')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(document: &str) -> Vec<String> {
        let code = "//! Tests.\n#[test]\nfn one_cluster() {}\nasync fn two<T>() {}\ncaught! {\n    three: Three breaks S3;\n}\n";
        let tree = Tree::of(&[(FILE, document), ("tests/sim/tests/birth.rs", code)]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    /// All but the promises named.
    fn rest(but: &[u32]) -> String {
        let rest: Vec<String> =
            (1..=LAST).filter(|promise| !but.contains(promise)).map(|promise| format!("S{promise}")).collect();
        format!("## Not yet shown\n\n{}\n", rest.join(", "))
    }

    #[test]
    fn a_promise_is_shown_by_its_row_or_its_heading() {
        let by_heading = "## S1 One cluster\n\n| test | how |\n| `tests/sim/tests/birth.rs::one_cluster` | SIM |\n";
        assert_eq!(found(&(by_heading.to_owned() + &rest(&[1]))), [""; 0]);
        let by_table = "| S3 | `tests/sim/tests/birth.rs::three` |\n";
        assert_eq!(found(&(by_table.to_owned() + &rest(&[3]))), [""; 0]);
        let by_row = "| S2, S3 | `tests/sim/tests/birth.rs::two` |\n";
        assert_eq!(found(&(by_row.to_owned() + &rest(&[2, 3]))), [""; 0]);
    }

    #[test]
    fn a_promise_without_a_test_is_named() {
        let mentioned_only = "| S4 | never below quorum | no test |\n";
        let expected = "docs/promises.md: S4 has no test, and does not stand under \"Not yet shown\"";
        assert_eq!(found(&(mentioned_only.to_owned() + &rest(&[4]))), [expected]);
    }

    #[test]
    fn a_test_that_does_not_exist_is_named() {
        let document = "| S1 | `tests/sim/tests/birth.rs::one` |\n| S1 | `tests/gone.rs::one_cluster` |\n";
        let expected = [
            "docs/promises.md:1: tests/sim/tests/birth.rs has no `fn one`",
            "docs/promises.md:2: there is no file tests/gone.rs",
        ];
        assert_eq!(found(&(document.to_owned() + &rest(&[1]))), expected);
    }

    #[test]
    fn a_missing_document_is_one_clear_finding() {
        let found = check(&Tree::default());
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("docs/promises.md: is missing"));
    }
}
