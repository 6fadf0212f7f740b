//! `e2d run`: its flags are the table of keys.

use crate::config::key::{Decl, Effect, Places};
use crate::config::{Given, keys};
use clap::builder::ValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use std::ffi::OsString;

/// The flags that were given, by the spelling that was used. Their values may be secret.
#[derive(Clone, Default)]
pub struct RunArgs {
    flags: Vec<(String, OsString)>,
}

impl std::fmt::Debug for RunArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.flags.iter().map(|(name, _)| name)).finish()
    }
}

impl RunArgs {
    /// Everything that was said: these flags, the environment, and nothing yet of the file.
    pub fn given(&self, verbose: bool, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Given {
        let verbose = verbose.then(|| (keys::VERBOSE.decl.name.to_owned(), OsString::from("true")));
        Given::new(self.flags.iter().cloned().chain(verbose), environment)
    }
}

/// The flag for one spelling of a key. A value is any text: what it means is understood later,
/// together with variables and the file, so that every bad value is reported in one way.
fn flag(key: &'static Decl, spelling: &'static str) -> Arg {
    let mut arg = Arg::new(spelling)
        .long(spelling)
        .value_parser(ValueParser::os_string())
        .help_heading(key.section.title())
        .help(key.help)
        .long_help(key.long_help())
        .action(if key.is_list() { ArgAction::Append } else { ArgAction::Set })
        .hide(spelling != key.name)
        .hide_short_help(key.effect != Effect::Works);
    if key.is_switch() {
        arg = arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("BOOL");
    } else {
        arg = arg.value_name(key.value_name);
    }
    if let Some(short) = key.short.filter(|_| spelling == key.name) {
        arg = arg.short(short);
    }
    arg
}

fn value<'a>(matches: &'a ArgMatches, spelling: &str) -> impl Iterator<Item = &'a OsString> + use<'a> {
    let given = matches.value_source(spelling) == Some(ValueSource::CommandLine);
    given.then(|| matches.get_many::<OsString>(spelling)).flatten().into_iter().flatten()
}

impl Args for RunArgs {
    fn augment_args(command: Command) -> Command {
        let keys = keys::all().filter(|key| key.places != Places::FlagOnly);
        let flags = keys.flat_map(|key| key.flags().map(move |spelling| flag(key, spelling)));
        command.args(flags).after_help(
            "Every flag is also a variable and a key of the file: --host, E2D_HOST, host.\n\n\
             Examples:\n  \
             e2d run\n  \
             e2d run --config /etc/e2d/e2d.toml\n  \
             e2d run --required-cluster-size 3 --bootstrap-addrs 10.0.0.1,10.0.0.2,10.0.0.3 --config keys.toml",
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for RunArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let spellings = keys::all().filter(|key| key.places != Places::FlagOnly).flat_map(Decl::flags);
        let flags = spellings.flat_map(|name| value(matches, name).map(|value| (name.to_owned(), value.clone())));
        Ok(Self { flags: flags.collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
