//! Reads keys one by one and keeps what is wrong with them.
//!
//! A function that fails has noted at least one problem; the caller reads on, so that the operator
//! learns of all of them at once.

use crate::config::file::Entry;
use crate::config::given::{Given, Said};
use crate::config::key::{Decl, Default, Key};
use crate::config::problem::{Origin, Problem, Refused};
use camino::Utf8PathBuf;

/// At least one problem has been noted.
pub(super) struct Noted;

pub(super) type Read<T> = Result<T, Noted>;

pub(super) struct Reader<'a> {
    given: &'a Given,
    entries: Vec<Entry>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(given: &'a Given) -> Result<Self, Refused> {
        let (entries, problems) = given.entries()?;
        Ok(Self { given, entries, problems })
    }

    /// The value, if nothing at all is wrong.
    pub(super) fn finish<T>(self, value: Read<T>) -> Result<T, Refused> {
        match value {
            Ok(value) if self.problems.is_empty() => Ok(value),
            _ => Err(Refused { problems: self.problems }),
        }
    }

    /// A key's value, or its default's.
    pub(super) fn one<T>(&mut self, key: &'static Key<T>) -> Read<(T, Origin)> {
        let said = match (self.said(&key.decl)?, key.decl.default) {
            (Some(said), _) => said,
            (None, Default::Text(text)) => vec![(text.to_owned(), Origin::Default)],
            (None, Default::Found(_) | Default::None) => Vec::new(),
        };
        self.understand(key, said)?.into_iter().next().ok_or(Noted)
    }

    /// A key's value if it was said.
    pub(super) fn optional<T>(&mut self, key: &'static Key<T>) -> Read<Option<(T, Origin)>> {
        match self.said(&key.decl)? {
            Some(said) => self.understand(key, said).map(|values| values.into_iter().next()),
            None => Ok(None),
        }
    }

    /// A list's values; none if it was not said.
    pub(super) fn many<T>(&mut self, key: &'static Key<T>) -> Read<Vec<(T, Origin)>> {
        match self.said(&key.decl)? {
            Some(said) => self.understand(key, said),
            None => Ok(Vec::new()),
        }
    }

    pub(super) fn path(&mut self, key: &'static Key<Utf8PathBuf>) -> Read<Option<Utf8PathBuf>> {
        self.optional(key).map(|said| said.map(|(path, _)| path))
    }

    fn said(&mut self, key: &'static Decl) -> Read<Option<Said>> {
        match self.given.said(key, &self.entries) {
            Ok(said) => Ok(said),
            Err(problem) => self.note(problem),
        }
    }

    fn understand<T>(&mut self, key: &'static Key<T>, said: Said) -> Read<Vec<(T, Origin)>> {
        let mut values = Vec::new();
        for (text, origin) in said {
            match (key.parse)(&text) {
                Ok(value) => values.push((value, origin)),
                Err(fault) => return self.note(Problem::of(&key.decl, origin, &text, fault)),
            }
        }
        Ok(values)
    }

    pub(super) fn note<T>(&mut self, problem: Problem) -> Read<T> {
        self.problems.push(problem);
        Err(Noted)
    }
}
