//! Words that do not belong in the repository: marks of unfinished work, tests that do not run, and paths
//! of somebody's own machine.
//!
//! This file names them, so it does not look at itself. Machine-made files are left out.

use super::Finding;
use super::tree::{SourceFile, Tree};

/// A word, and what is wrong with it.
const FORBIDDEN: [(&str, &str); 10] = [
    ("todo!", "unfinished"),
    ("unimplemented!", "unfinished"),
    ("TODO", "unfinished"),
    ("FIXME", "unfinished"),
    ("XXX", "unfinished"),
    ("not yet implemented", "unfinished"),
    ("simplified for now", "unfinished"),
    ("#[ignore", "a test that does not run shows nothing"),
    ("/work/", "a path of somebody's own machine"),
    ("../shared", "a path of somebody's own machine"),
];

/// Where one of them is right after all: the file, the word, and why.
const EXCEPTIONS: [(&str, &str, &str); 0] = [];

/// Written by programs: nobody's words.
const MACHINE_MADE: [&str; 2] = ["Cargo.lock", "go.sum"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let own = file!();
    let files = tree.files.iter().filter(|file| {
        let name = file.path.file_name().unwrap_or_default();
        file.path != own && !MACHINE_MADE.contains(&name)
    });
    files.flat_map(|file| judge(file, &EXCEPTIONS)).collect()
}

fn judge(file: &SourceFile, exceptions: &[(&str, &str, &str)]) -> Vec<Finding> {
    let excepted = |word| exceptions.iter().any(|(path, allowed, _)| file.path == *path && *allowed == word);
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        for (word, wrong) in FORBIDDEN.iter().filter(|(word, _)| !excepted(*word)) {
            if holds(line, word) {
                findings.push(Finding::new(format!("{}:{number}", file.path), format!("{word:?}: {wrong}")));
            }
        }
    }
    findings
}

/// Whether `line` holds `word` as a word: no letter, digit or underscore of it goes on outside.
fn holds(line: &str, word: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || c == '_';
    let open =
        |outside: Option<char>, inside: Option<char>| !(outside.is_some_and(goes_on) && inside.is_some_and(goes_on));
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        // A path counts only where it begins: not in the middle of another.
        let begins =
            !word.starts_with('/') || !before.is_some_and(|c| goes_on(c) || matches!(c, '/' | '.' | '-' | '}'));
        begins && open(before, word.chars().next()) && open(after, word.chars().next_back())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_found_where_it_stands() {
        for (word, _) in FORBIDDEN {
            let text = format!("fine\n    x({word}\n");
            let found = check(&Tree::of(&[("e2d/core/src/plan.rs", &text)]));
            assert!(found.iter().any(|finding| finding.place == "e2d/core/src/plan.rs:2"), "{word}");
        }
    }

    #[test]
    fn a_part_of_another_word_is_none() {
        for line in ["MASTODON", "0xXXXX0", "let todo = 1;", "/net/work/x", "a/work/b", "framework/x", "#[ignored]x"] {
            let found = check(&Tree::of(&[("a.rs", line)]));
            assert_eq!(found, [], "{line}");
        }
    }

    #[test]
    fn an_exception_holds_for_its_file_and_word_alone() {
        let exceptions = [("a.rs", "TODO", "it is quoted")];
        let file = |path: &str| SourceFile { path: path.into(), text: "TODO FIXME".into() };
        assert_eq!(judge(&file("a.rs"), &exceptions).len(), 1);
        assert_eq!(judge(&file("b.rs"), &exceptions).len(), 2);
    }

    #[test]
    fn it_does_not_find_itself() {
        let own = Tree::of(&[("xtask/src/check/words.rs", "TODO"), ("tests/parts/etcd-3.6/go.sum", "TODO")]);
        assert_eq!(check(&own), []);
    }
}
