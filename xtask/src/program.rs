//! Runs other programs, and says which.

use crate::out;
use anyhow::{Context, Result, bail};
use camino::Utf8PathBuf;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

/// Cargo, the one that runs this.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Where the program of that name is: in the folders of `PATH`, or where Debian keeps those of root.
pub(crate) fn find(name: &str) -> Option<Utf8PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file()).and_then(|file| file.try_into().ok())
}

/// Runs a program in the open, after naming it.
///
/// # Errors
///
/// It could not be started, or did not succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    out::note(&format!("$ {}", line(command)));
    let status = command.status().with_context(|| format!("cannot start `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", line(command));
    }
    Ok(())
}

/// Runs a program for what it prints on stdout.
///
/// # Errors
///
/// It could not be started, did not succeed (with what it said on stderr), or did not print text.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{}`", line(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed: {}\n{}", line(command), output.status, said.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` did not print text", line(command)))
}

/// Runs a program in the open, after naming it, and also returns what it printed.
///
/// # Errors
///
/// It could not be started. That it failed is told by the first value.
pub(crate) fn watch(command: &mut Command) -> Result<(bool, String)> {
    out::note(&format!("$ {}", line(command)));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (first, second) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| stdout.map(|stream| copy(stream, std::io::stdout())));
        let second = stderr.map(|stream| copy(stream, std::io::stderr()));
        (reader.join().unwrap_or_default(), second)
    });
    let status = child.wait()?;
    Ok((status.success(), first.unwrap_or_default() + &second.unwrap_or_default()))
}

/// Passes on line by line, and keeps all of it.
fn copy(from: impl Read, mut to: impl Write) -> String {
    let mut all = String::new();
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        let _ = writeln!(to, "{line}");
        all.push_str(&line);
        all.push('\n');
    }
    all
}

/// A command as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| word.to_string_lossy()).enumerate().map(|(index, word)| match word.rsplit_once('/') {
        Some((_, name)) if index == 0 => name.to_owned(),
        _ if word.is_empty() || word.contains([' ', '"', '$', '*', '(']) => format!("'{word}'"),
        _ => word.into_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("/usr/bin/go");
        command.args(["build", "-ldflags", "-s -w"]);
        assert_eq!(line(&command), "go build -ldflags '-s -w'");
    }

    #[test]
    fn what_a_program_prints_is_kept_and_its_failure_told() {
        let (ok, text) = watch(Command::new("sh").args(["-c", "echo one; echo two >&2; exit 3"])).unwrap();
        assert_eq!((ok, text.as_str()), (false, "one\ntwo\n"));
        let error = read(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.ends_with("exit status: 3\nwhy"), "{error}");
    }
}
