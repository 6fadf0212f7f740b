//! Real processes under the test kit: killed, frozen, logged, and never left behind.

use anyhow::{Context, Result, bail};
use e2d_testkit::{LogGate, Process, Scratch, wait_for};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(20);

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// The kernel's letter for what the process does: `S` sleeps, `T` is stopped.
fn state(process: &Process) -> Result<char> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid()))?;
    let (_, after_name) = stat.rsplit_once(')').context("no name in stat")?;
    after_name.trim_start().chars().next().context("no state in stat")
}

fn wait_for_state(process: &Process, wanted: char) -> Result<()> {
    wait_for(DEADLINE, &format!("state {wanted}"), || match state(process)? {
        now if now == wanted => Ok(()),
        now => bail!("state {now}"),
    })
}

#[test]
fn a_killed_process_is_gone_and_cannot_be_killed_twice() -> Result<()> {
    let scratch = Scratch::new("killed")?;
    let mut process = scratch.spawn("n1", &mut shell("trap '' TERM; exec sleep 600"))?;
    process.kill()?;
    let status = process.ended()?.context("it runs")?;
    assert_eq!(status.signal(), Some(9));
    let error = process.kill().unwrap_err().to_string();
    assert!(error.starts_with("n1 has ended"), "{error}");
    scratch.passed(&LogGate::new())
}

#[test]
fn a_frozen_process_goes_on_when_it_is_thawed() -> Result<()> {
    let scratch = Scratch::new("frozen")?;
    let mut process = scratch.spawn("n1", &mut shell("exec sleep 600"))?;
    process.freeze()?;
    wait_for_state(&process, 'T')?;
    process.thaw()?;
    wait_for_state(&process, 'S')?;
    process.terminate()?;
    assert_eq!(process.wait(DEADLINE)?.signal(), Some(15));
    scratch.passed(&LogGate::new())
}

#[test]
fn a_restarted_process_goes_on_in_the_same_log() -> Result<()> {
    let scratch = Scratch::new("log")?;
    for line in ["one", "two >&2"] {
        scratch.spawn("n1", &mut shell(&format!("echo {line}")))?.wait(DEADLINE)?;
    }
    let third = scratch.spawn("n1", &mut shell("exec sleep 600"))?;
    assert_eq!((third.log()?.as_str(), third.last_line().as_str()), ("one\ntwo\n", "n1: two"));
    scratch.passed(&LogGate::new())
}

#[test]
fn a_process_ends_with_its_value() -> Result<()> {
    let scratch = Scratch::new("drop")?;
    let process = scratch.spawn("n1", &mut shell("exec sleep 600"))?;
    let proc = format!("/proc/{}", process.pid());
    drop(process);
    assert!(!std::path::Path::new(&proc).exists());
    scratch.passed(&LogGate::new())
}

#[test]
fn a_wait_for_its_end_tells_its_last_line() -> Result<()> {
    let scratch = Scratch::new("wait")?;
    let mut process = scratch.spawn("n1", &mut shell("echo still busy; exec sleep 600"))?;
    wait_for(DEADLINE, "its line", || if process.log()?.is_empty() { bail!("no line") } else { Ok(()) })?;
    let error = process.wait(Duration::from_millis(50)).unwrap_err().to_string();
    assert_eq!(error, "waited 50ms for n1 to end; last seen: n1: still busy");
    scratch.passed(&LogGate::new())
}

#[test]
fn a_missing_program_is_named() -> Result<()> {
    let scratch = Scratch::new("missing")?;
    let error = scratch.spawn("n1", &mut Command::new("/nowhere/e2d")).unwrap_err().to_string();
    assert!(error.starts_with("cannot start n1") && error.contains("/nowhere/e2d"), "{error}");
    scratch.passed(&LogGate::new())
}

#[test]
fn an_unannounced_warning_fails_a_test_that_went_well_and_keeps_its_folder() -> Result<()> {
    let warning = r#"{"level":"WARN","fields":{"message":"peer is silent"}}"#;
    let scratch = Scratch::new("gate")?;
    let folder = scratch.path().to_owned();
    scratch.spawn("n1", &mut shell(&format!("echo '{warning}'")))?.wait(DEADLINE)?;
    let error = scratch.passed(&LogGate::new()).unwrap_err().to_string();
    assert!(error.contains("peer is silent") && error.contains("n1.log:1"), "{error}");
    assert!(folder.join("n1.log").is_file(), "the folder is gone");
    std::fs::remove_dir_all(&folder)?;

    let scratch = Scratch::new("gate")?;
    let folder = scratch.path().to_owned();
    scratch.spawn("n1", &mut shell(&format!("echo '{warning}'")))?.wait(DEADLINE)?;
    scratch.passed(&LogGate::new().allow("peer is silent", "nobody is there"))?;
    assert!(!folder.exists(), "the folder of a test that passed is left");
    Ok(())
}
