//! Data on standard output, everything else on standard error, no meaning in colour.

use crate::scratch;
use e2d_tests_cli::{Run, program};
use std::fs::File;
use std::process::{Command, Stdio};

/// `CLICOLOR_FORCE` makes colour where there is no terminal; `NO_COLOR` beats it.
#[test]
fn no_color_means_none() {
    let folder = scratch();
    for arguments in [&["runn"][..], &["--help"], &["run", "--help"]] {
        let forced = Run::new(folder.path(), arguments).variable("CLICOLOR_FORCE", "1");
        let plain = Run::new(folder.path(), arguments).end();
        let coloured = forced.end();
        let escape = |ended: &e2d_tests_cli::Ended| format!("{}{}", ended.stdout, ended.stderr).contains('\u{1b}');
        assert!(escape(&coloured), "the check below would show nothing: {arguments:?}");
        assert_eq!(forced.variable("NO_COLOR", "1").end(), plain, "{arguments:?}");
        assert!(!escape(&plain), "{arguments:?}");
    }
    let ended = Run::new(folder.path(), ["run", "--name", "a b"]).variable("CLICOLOR_FORCE", "1").end();
    assert!(!ended.stderr.contains('\u{1b}'));
}

/// Who reads only the first lines has not made the program fail.
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(program());
    let output = command.args(["completions", "bash"]).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

/// Data that is lost is a failure, with exit code 1.
#[test]
fn a_full_disk_is_a_failure() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(program()).args(["version"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(
        stderr,
        "error: standard output could not be written\n  because: No space left on device (os error 28)\n"
    );
}
