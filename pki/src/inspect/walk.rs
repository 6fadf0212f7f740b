//! Finds the files to inspect. Bounded in depth and number, so that a wrong path costs little.

use camino::{Utf8Path, Utf8PathBuf};

const DEPTH: usize = 4;
const FILES: usize = 1000;
const ENDINGS: [&str; 5] = ["crt", "cer", "cert", "pem", "key"];

/// A path that was found, or one that could not be looked into, with the reason.
pub(super) type Entry = Result<Utf8PathBuf, (Utf8PathBuf, String)>;

/// Given files as they are; of given folders what is in them, sorted.
pub(super) fn files(paths: &[Utf8PathBuf]) -> Vec<Entry> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() { enter(path, DEPTH, &mut found) } else { found.push(Ok(path.clone())) }
    }
    found
}

fn enter(folder: &Utf8Path, depth: usize, found: &mut Vec<Entry>) {
    let entries = folder.read_dir_utf8().and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => return found.push(Err((folder.into(), format!("cannot be listed: {error}")))),
    };
    entries.sort_by(|a, b| a.path().cmp(b.path()));
    for entry in entries {
        if found.len() >= FILES {
            if found.len() == FILES {
                found.push(Err((folder.into(), format!("more than {FILES} files: the rest was left out"))));
            }
            return;
        }
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        match (is_folder, depth) {
            (true, 0) => found.push(Err((path.into(), "a folder too deep to be looked into".into()))),
            (true, _) => enter(path, depth - 1, found),
            (false, _) if path.extension().is_some_and(|ending| ENDINGS.contains(&ending)) => {
                found.push(Ok(path.into()));
            }
            (false, _) => {}
        }
    }
}
