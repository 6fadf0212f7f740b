//! The repository's files as text: what is committed, and what would be.

use crate::program;
use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use std::process::Command;

/// One text file.
#[derive(Debug)]
pub(super) struct SourceFile {
    /// Relative to the repository.
    pub(super) path: Utf8PathBuf,
    pub(super) text: String,
}

/// All text files of the repository.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<SourceFile>,
}

impl Tree {
    /// Reads what git knows and what it would add: not what it ignores, and no file that is not text.
    pub(super) fn read(root: &Utf8Path) -> Result<Self> {
        let mut list = Command::new("git");
        list.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
        let mut paths: Vec<Utf8PathBuf> =
            program::read(&mut list)?.split_terminator('\0').map(Utf8PathBuf::from).collect();
        paths.sort();
        paths.dedup();
        let mut tree = Self::default();
        for path in paths {
            let Ok(bytes) = fs_err::read(root.join(&path)) else { continue }; // Deleted, and not yet committed.
            if let Ok(text) = String::from_utf8(bytes) {
                tree.files.push(SourceFile { path, text });
            }
        }
        Ok(tree)
    }

    /// The Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().filter(|file| file.path.extension() == Some("rs"))
    }

    /// The file at `path`.
    pub(super) fn file(&self, path: &str) -> Option<&SourceFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// A tree for tests.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| SourceFile { path: (*path).into(), text: (*text).into() };
        Self { files: files.iter().map(file).collect() }
    }
}
