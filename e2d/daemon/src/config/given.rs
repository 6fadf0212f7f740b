//! What was said, before it is understood: flags, variables and the file.
//!
//! For each key the first of flag, variable, file that says anything wins; lists are not merged. An
//! *empty variable* says nothing, since unit and environment files are full of `E2D_X=`; an empty flag
//! or line of the file is a value, and hardly ever an allowed one. A variable `E2D_*` that no key has is
//! warned about and otherwise ignored: the environment is shared with other programs and with other
//! versions of this one, and must not keep a node from starting after an upgrade or a way back.

use super::file::{ConfigFile, Entry};
use super::key::{Decl, Key, Shape};
use super::keys;
use super::problem::{Fault, Origin, Problem, Warning};
use super::spelling;
use std::ffi::{OsStr, OsString};
use std::path::Path;

const PREFIX: &str = "E2D_";

/// Everything that was said. It may hold secrets, so it cannot be printed.
#[derive(Clone, Default)]
pub struct Given {
    flags: Vec<(String, OsString)>,
    variables: Vec<(OsString, OsString)>,
    file: Option<ConfigFile>,
}

/// The texts that were said for one key, each with its place; never empty.
pub(super) type Said = Vec<(String, Origin)>;

impl Given {
    /// Takes flags by the spelling that was used, without dashes, and the environment.
    pub fn new(
        flags: impl IntoIterator<Item = (String, OsString)>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let ours = |name: &OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
        let mut variables: Vec<_> =
            environment.into_iter().filter(|(name, value)| ours(name) && !value.is_empty()).collect();
        variables.sort();
        Self { flags: flags.into_iter().collect(), variables, file: None }
    }

    /// Takes a configuration file.
    #[must_use]
    pub fn with_file(self, file: ConfigFile) -> Self {
        Self { file: Some(file), ..self }
    }

    /// Reads the configuration file that `--config` or `E2D_CONFIG` names, if any.
    pub fn read_file(self) -> Result<Self, Problem> {
        match self.one(&keys::CONFIG)? {
            None => Ok(self),
            Some((path, _)) => Ok(self.with_file(ConfigFile::read(Path::new(path.as_str()))?)),
        }
    }

    /// Reads one key by flags and variables only.
    fn one<T>(&self, key: &'static Key<T>) -> Result<Option<(T, Origin)>, Problem> {
        let Some((text, origin)) = self.said_outside_the_file(&key.decl)?.and_then(|said| said.into_iter().next())
        else {
            return Ok(None);
        };
        match (key.parse)(&text) {
            Ok(value) => Ok(Some((value, origin))),
            Err(fault) => Err(Problem::of(&key.decl, origin, &text, fault)),
        }
    }

    /// What the first place that says anything about `key` says.
    pub(super) fn said(&self, key: &'static Decl, entries: &[Entry]) -> Result<Option<Said>, Problem> {
        if let Some(said) = self.said_outside_the_file(key)? {
            return Ok(Some(said));
        }
        let Some(entry) = entries.iter().find(|entry| entry.key.name == key.name) else {
            return Ok(None);
        };
        match &entry.values {
            Ok(values) => {
                let said = values.iter().map(|text| (text.clone(), entry.origin.clone())).collect();
                Ok(Some(split(key, &said)))
            }
            Err((shown, reason)) => Err(Problem::of(key, entry.origin.clone(), shown, Fault::new(*reason))),
        }
    }

    /// What the file says, if there is one, and everything in it that no key has.
    pub(super) fn entries(&self) -> Result<(Vec<Entry>, Vec<Problem>), Problem> {
        self.file.as_ref().map_or(Ok((Vec::new(), Vec::new())), ConfigFile::entries)
    }

    /// A warning for each variable of ours that no key has.
    pub(super) fn unknown_variables(&self) -> Vec<Warning> {
        let known: Vec<String> = keys::all().flat_map(Decl::variables).collect();
        let names = self.variables.iter().map(|(name, _)| name.to_string_lossy());
        names
            .filter(|name| !known.iter().any(|variable| variable == name))
            .map(|name| Warning {
                message: format!(
                    "the variable {:?} is not known and has no effect",
                    name.chars().take(80).collect::<String>()
                ),
                hint: match spelling::nearest(&name, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean {near}?"),
                    None => "unset it if it was meant for e2d".into(),
                },
            })
            .collect()
    }

    fn said_outside_the_file(&self, key: &'static Decl) -> Result<Option<Said>, Problem> {
        let mut spelled = Vec::new();
        for name in key.flags() {
            for (_, value) in self.flags.iter().filter(|(flag, _)| flag == name) {
                spelled.push((text(key, value, Origin::Flag(name.to_owned()))?, Origin::Flag(name.to_owned())));
            }
        }
        if !spelled.is_empty() {
            return agree(key, spelled).map(|said| Some(split(key, &said)));
        }
        for name in key.variables() {
            if let Some((_, value)) = self.variables.iter().find(|(variable, _)| variable == name.as_str()) {
                spelled.push((text(key, value, Origin::Variable(name.clone()))?, Origin::Variable(name)));
            }
        }
        if spelled.is_empty() { Ok(None) } else { agree(key, spelled).map(|said| Some(split(key, &said))) }
    }
}

fn text(key: &'static Decl, value: &OsStr, origin: Origin) -> Result<String, Problem> {
    match value.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(Problem::of(key, origin, &value.to_string_lossy(), Fault::new("not UTF-8"))),
    }
}

/// Two spellings of a key that takes one value must say the same.
fn agree(key: &'static Decl, said: Said) -> Result<Said, Problem> {
    let differs = said.iter().find(|(text, _)| *text != said[0].0);
    match differs {
        Some((_, second)) if !key.is_list() => {
            Err(Problem::Conflict { key, first: said[0].1.clone(), second: second.clone() })
        }
        _ => Ok(said),
    }
}

/// Separates the items of lists. An empty item is dropped, so that a comma at the end does no harm; a
/// list of nothing stays an empty text, for the key's parser to refuse.
fn split(key: &'static Decl, said: &Said) -> Said {
    let separate = |(text, origin): &(String, Origin)| -> Said {
        let items: Vec<&str> = match (key.shape, origin) {
            (Shape::Commas, _) => text.split(',').map(str::trim).collect(),
            (Shape::Words, Origin::Variable(_)) => text.split_whitespace().collect(),
            _ => vec![text.as_str()],
        };
        items.into_iter().map(|item| (item.to_owned(), origin.clone())).collect()
    };
    let items: Said = said.iter().flat_map(separate).collect();
    if !key.is_list() || items.iter().all(|(text, _)| text.is_empty()) {
        return items;
    }
    items.into_iter().filter(|(text, _)| !text.is_empty()).collect()
}
