//! How a key is declared.
//!
//! A [`Decl`] is all that is said about one key: the flags, the environment variables, the line in
//! the file, the reference page and the manual are made from it, so that they cannot disagree. A
//! [`Key`] adds how its text is read, which ties the key to a type.

use super::problem::Fault;
use std::fmt::Write as _;

/// The heading under which a key is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// This machine.
    Node,
    /// The nodes together.
    Cluster,
    /// Addresses.
    Network,
    /// Keys and certificates.
    Security,
    /// The supervised program.
    Etcd,
    /// Backups.
    Snapshots,
    /// What was a key of the old program and is refused.
    Refused,
    /// What e2d tells about itself.
    Log,
}

impl Section {
    /// All, in the order of the reference page.
    pub const ALL: [Self; 8] = [
        Self::Node,
        Self::Cluster,
        Self::Network,
        Self::Security,
        Self::Etcd,
        Self::Snapshots,
        Self::Log,
        Self::Refused,
    ];

    /// The heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Node => "Node",
            Self::Cluster => "Cluster",
            Self::Network => "Network",
            Self::Security => "Security",
            Self::Etcd => "etcd",
            Self::Snapshots => "Snapshots",
            Self::Refused => "Refused",
            Self::Log => "Log",
        }
    }
}

/// How many values a key takes, and how they are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// True or false; the flag alone means true.
    Switch,
    /// One value.
    One,
    /// A list: the flag may be repeated, and commas separate.
    Commas,
    /// A list: the flag may be repeated, and spaces separate in a variable only, because the values
    /// themselves may hold commas.
    Words,
}

/// Where a key may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// By flag, variable and file.
    All,
    /// By flag and variable: it is needed to find the file.
    NotFile,
    /// By flag only.
    FlagOnly,
}

/// What a key is when nobody says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// This text, read like any other.
    Text(&'static str),
    /// Found from other keys or from the machine, as described.
    Found(&'static str),
    /// Nothing.
    None,
}

impl Default {
    /// As the reference page shows it.
    #[must_use]
    pub fn shown(self) -> &'static str {
        match self {
            Self::Text(text) | Self::Found(text) => text,
            Self::None => "none",
        }
    }
}

/// Whether a key does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It does.
    Works,
    /// What it asks for comes with a later version; until then it is refused with this hint.
    Later(&'static str),
    /// What it asked for is gone for good; it is refused with this hint.
    Gone(&'static str),
}

/// All that is said about one key.
#[derive(Debug, Clone, Copy)]
pub struct Decl {
    /// The flag without its dashes, and the key in the file.
    pub name: &'static str,
    /// A one-letter flag.
    pub short: Option<char>,
    /// Further spellings of the flag, from the old program.
    pub old_names: &'static [&'static str],
    /// What the value is called in help.
    pub value_name: &'static str,
    /// How many values.
    pub shape: Shape,
    /// Where it may be said.
    pub places: Places,
    /// What it is otherwise.
    pub default: Default,
    /// What the old program had; `None` for a key that it did not have.
    pub old_default: Option<&'static str>,
    /// Its heading.
    pub section: Section,
    /// One sentence without a full stop.
    pub help: &'static str,
    /// Further sentences.
    pub detail: &'static str,
    /// What values are allowed, as half a sentence.
    pub allowed: &'static str,
    /// A good value.
    pub example: &'static str,
    /// Whether it does something.
    pub effect: Effect,
    /// Whether its value may never be shown.
    pub secret: bool,
}

impl Decl {
    /// A key with one value, said anywhere, without default, new in this program.
    #[must_use]
    pub const fn new(section: Section, name: &'static str, value_name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            short: None,
            old_names: &[],
            value_name,
            shape: Shape::One,
            places: Places::All,
            default: Default::None,
            old_default: None,
            section,
            help,
            detail: "",
            allowed: "",
            example: "",
            effect: Effect::Works,
            secret: false,
        }
    }

    /// Adds a one-letter flag.
    #[must_use]
    pub const fn short(mut self, short: char) -> Self {
        self.short = Some(short);
        self
    }

    /// Adds spellings from the old program.
    #[must_use]
    pub const fn old_names(mut self, names: &'static [&'static str]) -> Self {
        self.old_names = names;
        self
    }

    /// Sets how many values it takes.
    #[must_use]
    pub const fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// Sets where it may be said.
    #[must_use]
    pub const fn places(mut self, places: Places) -> Self {
        self.places = places;
        self
    }

    /// Sets the default, as text that is read like any other.
    #[must_use]
    pub const fn default(mut self, text: &'static str) -> Self {
        self.default = Default::Text(text);
        self
    }

    /// Describes a default that depends on other things.
    #[must_use]
    pub const fn found(mut self, how: &'static str) -> Self {
        self.default = Default::Found(how);
        self
    }

    /// Says what the old program had.
    #[must_use]
    pub const fn old_default(mut self, text: &'static str) -> Self {
        self.old_default = Some(text);
        self
    }

    /// Adds sentences to the help.
    #[must_use]
    pub const fn detail(mut self, text: &'static str) -> Self {
        self.detail = text;
        self
    }

    /// Says which values are allowed, with an example.
    #[must_use]
    pub const fn allowed(mut self, allowed: &'static str, example: &'static str) -> Self {
        self.allowed = allowed;
        self.example = example;
        self
    }

    /// Says that it does nothing yet, or no longer.
    #[must_use]
    pub const fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// Keeps its value out of every message.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Finishes the declaration with the function that reads one value.
    #[must_use]
    pub const fn read_by<T>(self, parse: fn(&str) -> Result<T, Fault>) -> Key<T> {
        Key { decl: self, parse }
    }

    /// Every spelling of the flag, without dashes.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> + use<> {
        let (name, old_names) = (self.name, self.old_names);
        std::iter::once(name).chain(old_names.iter().copied())
    }

    /// Every variable, the newest spelling first; none if it is only a flag.
    pub fn variables(&self) -> impl Iterator<Item = String> + use<> {
        let count = if self.places == Places::FlagOnly { 0 } else { usize::MAX };
        self.flags().take(count).map(|flag| format!("E2D_{}", flag.replace('-', "_").to_ascii_uppercase()))
    }

    /// Whether it is true or false.
    #[must_use]
    pub fn is_switch(&self) -> bool {
        self.shape == Shape::Switch
    }

    /// Whether it takes several values.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self.shape, Shape::Commas | Shape::Words)
    }

    /// The line of the file that sets it to `value`.
    #[must_use]
    pub fn file_line(&self, value: &str) -> String {
        let name = self.name;
        match self.shape {
            Shape::Switch => format!("{name} = {value}"),
            Shape::One if value.parse::<u64>().is_ok() => format!("{name} = {value}"),
            Shape::One => format!("{name} = {value:?}"),
            Shape::Commas => format!("{name} = {:?}", value.split(',').collect::<Vec<_>>()),
            Shape::Words => format!("{name} = {:?}", [value]),
        }
    }

    /// What `--help` shows below the sentence.
    #[must_use]
    pub fn long_help(&self) -> String {
        let mut text = format!("{}.", self.help);
        if !self.detail.is_empty() {
            let _ = write!(text, " {}", self.detail);
        }
        match self.effect {
            Effect::Works => {}
            Effect::Later(hint) => {
                let _ = write!(text, "\n\nRefused in this version: {hint}.");
            }
            Effect::Gone(hint) => {
                let _ = write!(text, "\n\nRefused: {hint}.");
            }
        }
        let _ = write!(text, "\n\n[allowed: {}]", self.allowed);
        if self.effect == Effect::Works {
            let _ = write!(text, "\n[default: {}]", self.default.shown());
        }
        let variables: Vec<_> = self.variables().collect();
        if !variables.is_empty() {
            let _ = write!(text, "\n[variable: {}]", variables.join(" or "));
        }
        text
    }
}

/// A declared key, and how one value of it is read.
#[derive(Debug)]
pub struct Key<T> {
    /// What is said about it.
    pub decl: Decl,
    /// Reads one value. It has no effect but its result.
    pub parse: fn(&str) -> Result<T, Fault>,
}
