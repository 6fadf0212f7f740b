//! How long files may be: past 700 lines without tests a file has become two.
//!
//! Lines in a `#[cfg(test)]` item at the file's own level do not count, nor do files in a package's
//! `tests` folder. Relies on rustfmt: an item ends with a brace in its first column.

use super::Finding;
use super::tree::{SourceFile, Tree};

const WARN_LINES: usize = 430;
const FAIL_LINES: usize = 700;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust().filter(|file| !is_test(file)).filter_map(judge).collect()
}

fn judge(file: &SourceFile) -> Option<Finding> {
    let lines = lines_without_tests(&file.text);
    if lines > FAIL_LINES {
        let what = format!("{lines} lines without tests, over {FAIL_LINES}: split it");
        return Some(Finding::new(file.path.as_str(), what));
    }
    (lines > WARN_LINES).then(|| {
        let what = format!("{lines} lines without tests, over {WARN_LINES}: has it one reason to change?");
        Finding::warning(file.path.as_str(), what)
    })
}

/// Whether the whole file is a test: `PACKAGE/tests/….rs`, or a module named `tests`.
fn is_test(file: &SourceFile) -> bool {
    let parts: Vec<&str> = file.path.components().map(|part| part.as_str()).collect();
    // The top folder `tests` holds packages, not tests.
    parts.iter().skip(1).any(|part| *part == "tests") || file.path.file_name() == Some("tests.rs")
}

fn lines_without_tests(text: &str) -> usize {
    let mut count = 0;
    let mut in_test = false;
    for line in text.lines() {
        if line == "#[cfg(test)]" {
            in_test = true;
        }
        if !in_test {
            count += 1;
        }
        // The end of the item: its closing brace, or an item of one line (`mod tests;`).
        if in_test && (line == "}" || (line.ends_with(';') && !line.starts_with(' '))) {
            in_test = false;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, lines: usize) -> Tree {
        Tree::of(&[(path, &"let x = 1;\n".repeat(lines))])
    }

    #[test]
    fn a_long_file_warns_and_a_longer_one_fails() {
        assert_eq!(check(&file("e2d/core/src/plan.rs", WARN_LINES)), []);
        let warned = check(&file("e2d/core/src/plan.rs", FAIL_LINES));
        assert!(warned.len() == 1 && warned[0].warning);
        let failed = check(&file("tests/sim/src/world.rs", FAIL_LINES + 1));
        assert!(failed.len() == 1 && !failed[0].warning);
        assert_eq!(check(&file("tests/etcd/tests/netns.rs", FAIL_LINES + 1)), []);
    }

    #[test]
    fn tests_do_not_count_wherever_they_stand() {
        let text = "//! One.\nfn two() {}\n#[cfg(test)]\nmod tests {\n    fn not() {\n    }\n}\nfn three() {\n}\n";
        assert_eq!(lines_without_tests(text), 4);
        assert_eq!(lines_without_tests("//! One.\n#[cfg(test)]\nmod tests;\nfn two() {}\n"), 2);
    }
}
