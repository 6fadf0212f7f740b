//! What holds for the whole command line.

use super::*;
use clap::CommandFactory as _;
use clap::error::ErrorKind;

fn parse(arguments: &[&str]) -> Result<Cli, Failure> {
    super::parse(["e2d"].iter().chain(arguments).map(OsString::from))
}

#[test]
fn clap_finds_nothing_wrong() {
    Cli::command().debug_assert();
}

/// Every verb has help with an example.
#[test]
fn every_verb_has_an_example() {
    fn check(command: &clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let hidden = command.is_hide_set() || path.contains(" generate ");
        let group = command.get_subcommands().any(|verb| verb.get_name() != "help");
        assert!(hidden || (path == " e2d") || group || example.contains("Example"), "{path}");
        assert!(command.get_about().is_some(), "{path}");
        command.get_subcommands().for_each(|verb| check(verb, &path));
    }
    check(&Cli::command(), "");
}

#[test]
fn verbs_of_later_versions_do_not_exist() {
    for verb in ["pause", "resume", "recover", "defrag", "drain", "resize", "upgrade"] {
        assert!(
            matches!(parse(&[verb]), Err(Failure::Usage(error)) if error.kind() == ErrorKind::InvalidSubcommand),
            "{verb}"
        );
    }
    for verb in [["snapshot", "prune"], ["snapshot", "import"], ["snapshot", "rewrap"], ["pki", "renew"]] {
        assert!(parse(&verb).is_err(), "{verb:?}");
    }
}

#[test]
fn a_node_is_named_before_or_after_the_inner_verb() {
    for arguments in [["members", "--data-dir", "/d", "list"], ["members", "list", "--data-dir", "/d"]] {
        let Command::Members(args) = parse(&arguments).unwrap().command else { panic!("{arguments:?}") };
        let site = args.site.site([]).unwrap();
        assert_eq!(args.site.socket(&site), "/d/e2d/e2d.sock");
    }
    let Command::Status(args) = parse(&["status"]).unwrap().command else { panic!() };
    let site = args.site.site([("E2D_DATA_DIR".into(), "/e".into())]).unwrap();
    assert_eq!(args.site.socket(&site), "/e/e2d/e2d.sock");
    let Command::Status(args) = parse(&["status", "--socket", "/s"]).unwrap().command else { panic!() };
    assert_eq!(args.site.socket(&site), "/s");
}

#[test]
fn a_restore_has_one_source_and_one_target() {
    let restore = |arguments: &[&str]| parse(&[&["restore"], arguments].concat());
    assert!(restore(&[]).is_err());
    assert!(restore(&["--into", "d"]).is_ok());
    assert!(restore(&["--into", "d", "--cluster"]).is_err());
    assert!(restore(&["4f2a91", "--cluster", "--lost", "8e9e05c52164694d", "--force", "--yes"]).is_ok());
    assert!(restore(&["4f2a91", "--revision", "5", "--into", "d"]).is_err());
    assert!(restore(&["--at", "2026-11-22T03:00:00Z", "--into", "d", "--dry-run"]).is_ok());
    assert!(restore(&["--at", "yesterday", "--into", "d"]).is_err());
    assert!(restore(&["--revision", "0", "--into", "d"]).is_err());
    assert!(restore(&["--into", "d", "--lost", "8e9e05c52164694d"]).is_err());
    assert!(restore(&["--into", "d", "--yes", "--dry-run"]).is_err());
}

#[test]
fn verbose_stands_before_or_after_the_verb() {
    for (arguments, on) in [
        (&["-v", "run"][..], true),
        (&["run", "-v"], true),
        (&["run", "--verbose"], true),
        (&["run"], false),
        (&["members", "list", "-v"], true),
    ] {
        assert_eq!(parse(arguments).unwrap().verbose, on, "{arguments:?}");
    }
}

#[test]
fn an_archive_is_named_by_its_first_digits() {
    assert_eq!("newest".parse(), Ok(ArchiveRef::Newest));
    assert_eq!("4F2A91".parse(), Ok(ArchiveRef::Prefix("4f2a91".into())));
    for text in ["", "4f2a9", "4f2a9g", &"a".repeat(65)] {
        assert!(text.parse::<ArchiveRef>().is_err(), "{text}");
    }
}

#[test]
fn a_hold_has_a_reason_and_an_end() {
    let hold = |arguments: &[&str]| parse(&[&["hold"], arguments].concat()).is_ok();
    assert!(hold(&["--reason", "maintenance", "--for", "2h"]));
    assert!(!hold(&["--reason", "maintenance"]) && !hold(&["--for", "2h"]));
    assert!(!hold(&["--reason", " ", "--for", "2h"]) && !hold(&["--reason", "x", "--for", "59s"]));
}

/// S19: arguments are printed by nobody, not even for debugging.
#[test]
fn secrets_are_not_in_debug_output() {
    let cli = parse(&["run", "--aws-secret-key", "hunter2"]).unwrap();
    assert!(!format!("{cli:?}").contains("hunter2"));
}
