//! The configuration file.
//!
//! TOML, flat: each key is a flag's name. Only the form is checked here; what a value means is
//! `resolve`'s to say. A file that is too large is not read.

use super::key::{Decl, Places};
use super::keys;
use super::problem::{Origin, Problem};
use super::spelling;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The largest file that is read, in bytes. One with every key and a page of comments has 10 kB.
pub const MAX_SIZE_BYTES: u64 = 1 << 20;

/// How many unknown keys are told: more of them say that it is another program's file.
const MOST_UNKNOWN: usize = 20;

/// A file's name and content.
#[derive(Clone)]
pub struct ConfigFile {
    path: PathBuf,
    text: String,
}

/// What one line of the file says about one key.
pub(super) struct Entry {
    pub(super) key: &'static Decl,
    pub(super) origin: Origin,
    /// The values as text, or what is wrong with their form and how they look.
    pub(super) values: Result<Vec<String>, (String, &'static str)>,
}

impl ConfigFile {
    /// A file whose content is known already.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Reads a file from disk.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let unreadable = |source| Problem::FileUnreadable { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = fs_err::File::open(path).map_err(unreadable)?;
        file.take(MAX_SIZE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_SIZE_BYTES {
            return Err(Problem::FileTooLarge { path: path.to_owned(), limit_bytes: MAX_SIZE_BYTES });
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(path, text)),
            Err(error) => {
                let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let origin = Origin::File(path.to_owned(), last_line(valid));
                Err(Problem::FileMalformed { origin, reason: "not UTF-8".into() })
            }
        }
    }

    /// What the file says, and what it says that no key understands.
    pub(super) fn entries(&self) -> Result<(Vec<Entry>, Vec<Problem>), Problem> {
        let table = DeTable::parse(&self.text).map_err(|error| Problem::FileMalformed {
            origin: self.origin(error.span().unwrap_or_default()),
            reason: error.message().to_owned(),
        })?;
        let mut lines: Vec<_> = table.get_ref().iter().collect();
        lines.sort_by_key(|(name, _)| name.span().start);
        let (mut entries, mut problems) = (Vec::new(), Vec::new());
        for (name, value) in lines {
            let text = name.get_ref().as_ref();
            // Only for what is told: finding a line takes as long as the file is.
            let origin = || self.origin(name.span());
            match keys::all().find(|key| key.name == text && key.places == Places::All) {
                Some(key) => entries.push(Entry { key, origin: origin(), values: values(key, value) }),
                None if problems.len() >= MOST_UNKNOWN => {}
                None => problems.push(Problem::UnknownKey {
                    name: format!("{:?}", text.chars().take(80).collect::<String>()),
                    origin: origin(),
                    hint: unknown_hint(text),
                }),
            }
        }
        Ok((entries, problems))
    }

    fn origin(&self, span: Range<usize>) -> Origin {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        Origin::File(self.path.clone(), last_line(before))
    }
}

/// The number of the line that `text` ends in.
fn last_line(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').count()
}

fn values(key: &Decl, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, (String, &'static str)> {
    match value.get_ref() {
        DeValue::Array(items) if key.is_list() => items.iter().map(scalar).collect(),
        _ => scalar(value).map(|text| vec![text]),
    }
}

fn scalar(value: &Spanned<DeValue<'_>>) -> Result<String, (String, &'static str)> {
    let wrong = |shown: &str, reason| Err((shown.to_owned(), reason));
    match value.get_ref() {
        DeValue::String(text) => Ok(text.as_ref().to_owned()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Boolean(truth) => Ok(truth.to_string()),
        DeValue::Float(number) => wrong(number.as_str(), "a fraction; write it as a text in quotes"),
        DeValue::Datetime(time) => wrong(&time.to_string(), "a date"),
        DeValue::Array(_) => wrong("[...]", "a list, where one value is expected"),
        DeValue::Table(_) => wrong("{...}", "a table, where one value is expected"),
    }
}

fn unknown_hint(text: &str) -> String {
    if let Some(key) = keys::all().find(|key| key.old_names.contains(&text)) {
        return format!("in the file it is spelled {}", key.name);
    }
    if let Some(key) = keys::all().find(|key| key.name == text) {
        return format!("{} is not a key of the file; say it as --{}", key.name, key.name);
    }
    let candidates = keys::all().filter(|key| key.places == Places::All).map(|key| key.name);
    match spelling::nearest(text, candidates) {
        Some(near) => format!("did you mean {near}?"),
        None => "the keys are the flags of `e2d run --help`, without dashes and without sections".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> (Vec<Entry>, Vec<Problem>) {
        ConfigFile::new("e2d.toml", text).entries().unwrap()
    }

    #[test]
    fn values_keep_their_line() {
        let (found, problems) = entries("# comment\nhost = \"10.0.0.1\"\n\ninsecure = true\netcd-election-ms = 5\n");
        assert!(problems.is_empty());
        let said: Vec<_> =
            found.iter().map(|e| (e.key.name, e.origin.to_string(), e.values.clone().unwrap())).collect();
        assert_eq!(
            said,
            [
                ("host", "file e2d.toml:2".to_owned(), vec!["10.0.0.1".to_owned()]),
                ("insecure", "file e2d.toml:4".to_owned(), vec!["true".to_owned()]),
                ("etcd-election-ms", "file e2d.toml:5".to_owned(), vec!["5".to_owned()]),
            ]
        );
    }

    #[test]
    fn a_list_only_where_one_is_taken() {
        let (found, _) = entries("bootstrap-addrs = [\"a\", \"b\"]\nhost = [\"a\"]\n[name]\nx = 1\n");
        assert_eq!(found[0].values.clone().unwrap(), ["a", "b"]);
        assert!(found[1].values.is_err() && found[2].values.is_err());
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let (_, problems) =
            entries("host = \"::1\"\nsnapshot_url = \"none\"\nverbose = true\nsnapshot-backup-url = \"none\"\n");
        let said: Vec<_> = problems.iter().map(|problem| format!("{problem}; {}", problem.hint())).collect();
        assert_eq!(
            said,
            [
                "unknown key \"snapshot_url\" (file e2d.toml:2); did you mean snapshot-url?",
                "unknown key \"verbose\" (file e2d.toml:3); verbose is not a key of the file; say it as --verbose",
                "unknown key \"snapshot-backup-url\" (file e2d.toml:4); in the file it is spelled snapshot-url",
            ]
        );
    }

    #[test]
    fn a_file_of_another_program_is_not_told_line_by_line() {
        let lines: Vec<_> = (0..20_000).map(|number| format!("k{number} = 1\n")).collect();
        assert_eq!(entries(&lines.concat()).1.len(), MOST_UNKNOWN);
    }

    #[test]
    fn broken_toml_is_named_by_its_line_and_not_repeated() {
        let problem =
            ConfigFile::new("e2d.toml", "host = \"::1\"\naws-secret-key = hunter2\n").entries().err().unwrap();
        let text = format!("{problem} {problem:?}");
        assert!(text.starts_with("file e2d.toml:2 is not TOML: ") && !text.contains("hunter2"), "{text}");
        let twice = ConfigFile::new("e2d.toml", "host = \"::1\"\nhost = \"::2\"\n").entries().err().unwrap();
        assert!(twice.to_string().starts_with("file e2d.toml:2 is not TOML: "), "{twice}");
    }

    #[test]
    fn a_file_on_disk_is_read_within_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e2d.toml");
        assert!(matches!(ConfigFile::read(&path), Err(Problem::FileUnreadable { .. })));
        fs_err::write(&path, b"host = \"::1\"\nname = \"\xff\"").unwrap();
        assert!(matches!(ConfigFile::read(&path), Err(Problem::FileMalformed { origin: Origin::File(_, 2), .. })));
        fs_err::write(&path, vec![b'#'; MAX_SIZE_BYTES as usize]).unwrap();
        assert!(ConfigFile::read(&path).is_ok());
        fs_err::write(&path, vec![b'#'; MAX_SIZE_BYTES as usize + 1]).unwrap();
        assert!(matches!(ConfigFile::read(&path), Err(Problem::FileTooLarge { .. })));
    }
}
