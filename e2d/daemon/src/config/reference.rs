//! The reference page and the default file, both made from the table of keys.

use super::key::{Decl, Default, Effect, Places, Section};
use super::keys;
use std::fmt::Write as _;

const INTRODUCTION: &str = "\
# Configuration

<!-- Made by `e2d generate reference`; change the table of keys instead. -->

Every key can be said as a flag of `e2d run`, as an environment variable, and as a line of the file that `--config`
names. The flag wins over the variable, the variable over the file, the file over the default; lists are not merged.
All of it is read once, at the start, and everything that is wrong is reported together, with exit code 78.

* **The file** is TOML, without sections; its keys are the flags without dashes. A key that does not exist is an error
  that names its line. `e2d generate config` prints a file to start from ([e2d.toml](e2d.toml)).
* **An empty variable** counts as not set, since environment files are full of `E2D_X=`. An empty flag or line of the
  file is a value, and hardly ever an allowed one.
* **A variable `E2D_...` that no key has** is a warning and otherwise ignored: the environment is shared with other
  programs and other versions of this one.
* **One key said twice at one place**, for example by both spellings of the snapshot URL, must have one value.
* **What this version does not do is refused**, with a hint, and never ignored.
* **Durations** are numbers with units, in Go's syntax with days and weeks: `90s`, `1h30m`, `1.5h`, `1d`, `2w`. The units are
  `ns`, `us`, `ms`, `s`, `m`, `h`, `d` (24 hours) and `w` (7 days).
* **Sizes** are bytes, or numbers with `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024) or `kB`, `MB`, `GB`, `TB` (powers of 1000).
* **Lists** are separated by commas in a flag or variable; a flag may be repeated; in the file they are arrays.
* **Switches** are true by the flag alone; `--flag=false` says the opposite.

Without keys (`ca-cert` and the others) e2d listens on loopback addresses only. Any other address then takes
`--insecure`, or exit code 78.
";

/// `docs/reference/configuration.md`.
#[must_use]
pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n## All keys\n\n| key | default | default of the old program |\n| --- | --- | --- |\n");
    for key in in_order() {
        let default = match (key.effect, key.default) {
            (Effect::Works, default) => cell(default),
            (_, Default::Text(text)) => format!("`{text}`, all else is refused"),
            _ => "refused".to_owned(),
        };
        let name = key.name;
        let _ = writeln!(page, "| [`{name}`](#{name}) | {default} | {} |", key.old_default.unwrap_or("(new)"));
    }
    for section in Section::ALL {
        let _ = write!(page, "\n## {}\n", section.title());
        for key in keys::all().filter(|key| key.section == section) {
            page.push_str(&entry(key));
        }
    }
    page
}

/// `docs/reference/e2d.toml`: every key that works, with its default, commented out.
#[must_use]
pub fn default_file() -> String {
    let mut file = "\
# Configuration of e2d: e2d run --config FILE
#
# Made by `e2d generate config`. Every key is here, commented out; a default is shown where it is a
# fixed one, an example elsewhere. Flags and E2D_* variables win over this file.
"
    .to_owned();
    for section in Section::ALL.into_iter().filter(|section| *section != Section::Refused) {
        let _ = write!(file, "\n# ---- {} ----\n", section.title());
        for key in keys::all().filter(|key| key.section == section && in_file(key)) {
            let _ = write!(file, "\n# {}.\n", key.help);
            match key.default {
                Default::Text(text) => {
                    let _ = writeln!(file, "#{}", key.file_line(text));
                }
                other => {
                    let _ = writeln!(file, "# Default: {}. Example:\n#{}", other.shown(), key.file_line(key.example));
                }
            }
        }
    }
    file
}

fn in_file(key: &Decl) -> bool {
    key.places == Places::All && key.effect == Effect::Works
}

fn in_order() -> impl Iterator<Item = &'static Decl> {
    Section::ALL.into_iter().flat_map(|section| keys::all().filter(move |key| key.section == section))
}

fn cell(default: Default) -> String {
    match default {
        Default::Text(text) => format!("`{text}`"),
        Default::Found(how) => how.to_owned(),
        Default::None => "none".to_owned(),
    }
}

fn entry(key: &Decl) -> String {
    let mut entry = format!("\n### {}\n\n{}.", key.name, key.help);
    if !key.detail.is_empty() {
        let _ = write!(entry, " {}", key.detail);
    }
    entry.push_str("\n\n");
    let short = key.short.map(|short| format!("`-{short}`"));
    let value = if key.is_switch() { String::new() } else { format!(" {}", key.value_name) };
    let flags = short.into_iter().chain(key.flags().map(|flag| format!("`--{flag}{value}`")));
    let _ = writeln!(entry, "* flag: {}", flags.collect::<Vec<_>>().join(", "));
    let variables: Vec<_> = key.variables().map(|variable| format!("`{variable}`")).collect();
    if !variables.is_empty() {
        let _ = writeln!(entry, "* variable: {}", variables.join(", "));
    }
    match (key.effect, key.default) {
        (Effect::Works, default) => {
            if in_file(key) {
                let _ = writeln!(entry, "* file: `{}`", key.file_line(key.example));
            }
            let _ = writeln!(entry, "* allowed: {}", key.allowed);
            let _ = writeln!(entry, "* default: {}", cell(default));
        }
        (Effect::Later(hint) | Effect::Gone(hint), Default::Text(_)) => {
            let _ = writeln!(entry, "* allowed: {}; anything else is refused ({hint})", key.allowed);
        }
        (Effect::Later(hint), _) => {
            let _ = writeln!(entry, "* refused until a later version ({hint})");
        }
        (Effect::Gone(hint), _) => {
            let _ = writeln!(entry, "* refused for good ({hint})");
        }
    }
    let _ = writeln!(entry, "* default of the old program: {}", key.old_default.unwrap_or("it had no such key"));
    entry
}
