//! The decision log: every act with its reason and its outcome, one JSON line each, bounded.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;

/// The size at which the log begins anew; the one before is kept beside it.
const LARGEST_BYTES: u64 = 1024 * 1024;

/// One line of the decision log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// When, for people.
    pub(crate) at: jiff::Timestamp,
    /// Which decision asked for it.
    pub(crate) decision: String,
    /// What was done, in a sentence with its values.
    pub(crate) act: String,
    /// How it ended: `done`, or why not.
    pub(crate) outcome: String,
}

/// A text without the numbers that stand alone in it, such as seconds and counts: what says whether a sentence
/// says something new. Ids have letters or are longer.
pub(super) fn gist(text: &str) -> String {
    let is_count = |word: &str| {
        let digits = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        (1..=12).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
    };
    let words = text.split_inclusive([' ', '\n']).map(|word| if is_count(word) { "# " } else { word });
    words.collect()
}

/// Where the log lies.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    path: Utf8PathBuf,
}

impl Journal {
    /// The log in our folder.
    pub(crate) fn new(home: &Utf8Path) -> Self {
        Self { path: home.join("decisions.log") }
    }

    /// Adds a line.
    pub(crate) fn note(&self, entry: &Entry) -> io::Result<()> {
        if std::fs::metadata(&self.path).is_ok_and(|meta| meta.len() > LARGEST_BYTES) {
            std::fs::rename(&self.path, self.path.with_extension("log.1"))?;
        }
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?.write_all(&line)
    }
}

impl Journal {
    /// The newest `last` lines that speak of `about`, oldest first. A line that cannot be read, as a
    /// crash may leave it, is passed over; a log that is not there is empty.
    pub(crate) fn read(&self, about: Option<&str>, last: usize) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for path in [self.path.with_extension("log.1"), self.path.clone()] {
            let text = match std::fs::read(&path) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let wanted = text.lines().filter(|line| about.is_none_or(|about| line.contains(about)));
            entries.extend(wanted.filter_map(|line| serde_json::from_str::<Entry>(line).ok()));
        }
        entries.drain(..entries.len().saturating_sub(last));
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passing_second_is_no_news() {
        let said =
            |seconds| format!("member 00000000000000{seconds} may be dead, but etcd misses it for {seconds} of 300 s");
        assert_ne!(gist(&said(41)), gist(&said(42)), "an id is no count");
        let wait = |seconds: f32| format!("the next follows in {seconds:.1} s: 2 of 3 are here\nbirth: waits");
        assert_eq!(gist(&wait(4.5)), gist(&wait(10.0)));
        assert_ne!(gist("2 of 3 are here"), gist("2 of 3 are gone"));
    }

    #[test]
    fn it_stays_bounded_and_keeps_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(Utf8Path::from_path(folder.path()).unwrap());
        let entry = |n: usize| Entry {
            at: jiff::Timestamp::UNIX_EPOCH,
            decision: "birth".into(),
            act: format!("act {n} {}", "x".repeat(10_000)),
            outcome: "done".into(),
        };
        (0..400).for_each(|n| journal.note(&entry(n)).unwrap());
        let size = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
        assert!(size("decisions.log") + size("decisions.log.1") < 3 * LARGEST_BYTES);
        assert_eq!(journal.read(Some("act 398 "), 9).unwrap().len(), 1);
        let read = journal.read(None, 2).unwrap();
        assert_eq!(read.iter().map(|entry| &entry.act[..7]).collect::<Vec<_>>(), ["act 398", "act 399"]);
        let newest = std::fs::read_to_string(folder.path().join("decisions.log")).unwrap();
        assert!(newest.lines().last().unwrap().contains("act 399"));
    }
}
