//! Places that are taken, belong to somebody else, or hold no more.

use crate::machine::{Ended, Machine, PATIENCE, gate, mounted};
use anyhow::{Result, ensure};
use e2d_testkit::{EtcdVersion, LogGate, Parts, wait_for};
use std::os::unix::fs::PermissionsExt as _;

fn machine(story: &str) -> Result<Machine> {
    Machine::new(story, EtcdVersion::DEFAULT)
}

/// What a node says that cannot have what it needs.
fn refused(machine: &Machine, code: i32, more: &[&str], said: &[&str]) -> Result<()> {
    let ended = machine.run_to_end(more)?;
    ensure!(ended.code == Some(code), "{more:?}: {ended:#?}");
    for part in said.iter().chain(&["error: ", "hint: "]) {
        ensure!(ended.stderr.contains(part), "{more:?}: {part:?} is not said: {ended:#?}");
    }
    Ok(())
}

/// Exit code 75: another program may give the place free.
#[test]
fn who_comes_second_is_told_to_try_again() -> Result<()> {
    let machine = machine("second")?;
    let node = machine.serve(&[])?;
    // The log is the same file: what follows is said by the second alone.
    refused(&machine, 75, &[], &["e2d/lock cannot be locked", "another e2d runs on this data directory"])?;
    let other = machine.folder().join("other");
    // And each port that somebody else has is named by its flag.
    let mut given = vec!["--data-dir", other.as_str()];
    for (flag, free) in [
        ("--client-addr", "127.0.0.1:12379"),
        ("--peer-addr", "127.0.0.1:12380"),
        ("--metrics-addr", "127.0.0.1:17982"),
        ("--gossip-addr", "127.0.0.1:17980"),
    ] {
        refused(&machine, 75, &given, &[flag])?;
        given.extend([flag, free]);
    }
    ensure!(!other.join("member").exists(), "etcd was started");
    Machine::stop(node)?;
    machine.passed(&gate())
}

/// Exit code 78: it will never pass by itself, and nothing was touched.
#[test]
fn data_of_another_owner_is_left_alone() -> Result<()> {
    let machine = machine("owner")?;
    let node = machine.serve(&[])?;
    Machine::stop(node)?;
    let member = machine.data.join("member");
    std::os::unix::fs::chown(&member, Some(4242), None)?;
    let before = fs_err::read_dir(&member)?.count();
    refused(&machine, 78, &[], &["belongs to user 4242"])?;
    ensure!(fs_err::read_dir(&member)?.count() == before && member.exists());
    machine.passed(&gate().allow("refusing to run", "the data is somebody else's"))
}

#[test]
fn without_a_server_there_is_no_node() -> Result<()> {
    let machine = machine("programs")?;
    let empty = machine.folder().join("empty");
    fs_err::create_dir(&empty)?;
    let with = |more: &[&str]| -> Result<Ended> {
        let output =
            machine.command(Parts::e2d()?).args(["run", "--data-dir", machine.data.as_str()]).args(more).output()?;
        Ok(output.into())
    };
    let etcd = empty.join("etcd");
    for (script, mode, said) in [
        (None, 0, "no etcd in "),
        (Some("#!/bin/sh\necho hello\n"), 0o755, "cannot be used"),
        (Some("#!/bin/sh\necho 'etcd Version: 2.3.8'\n"), 0o755, "cannot be used"),
        (Some("not a program"), 0o755, "could not be run"),
        (Some("#!/bin/sh\n"), 0o644, "is not executable"),
    ] {
        if let Some(script) = script {
            fs_err::write(&etcd, script)?;
            fs_err::set_permissions(&etcd, std::fs::Permissions::from_mode(mode))?;
        }
        let ended = with(&["--etcd-bin-dir", empty.as_str()])?;
        ensure!(ended.code == Some(78) && ended.stderr.contains(said), "{said}: {ended:#?}");
        ensure!(ended.stderr.contains("hint: ") && ended.stdout.is_empty(), "{said}: {ended:#?}");
        ensure!(!machine.data.exists(), "{said}: a data directory was made");
    }
    machine.passed(&LogGate::new())
}

/// S14 S15 S20: a store that takes nothing ends no node, and is said; what can be read of it is read.
#[test]
fn a_store_that_takes_nothing_is_said_and_ends_nothing() -> Result<()> {
    let machine = machine("read-only")?;
    let store = machine.folder().join("store");
    fs_err::create_dir(&store)?;
    let url = format!("file://{store}/");
    let node = machine.serve(&["--snapshot-url", &url])?;
    wait_for(PATIENCE, "an archive", || -> Result<()> {
        let listed = machine.json(&["snapshot", "list", "--snapshot-url", &url])?;
        ensure!(listed[0]["state"] == "verified", "{listed}");
        Ok(())
    })?;
    Machine::stop(node)?;
    let read_only = format!("mount --bind {store} {store}; mount -o remount,bind,ro {store}");
    let common = ["--snapshot-url", &url, "--data-dir", machine.data.as_str()];
    let out = machine.folder().join("out.db");
    let verb = |arguments: &[&str]| -> Result<Ended> {
        Ok(mounted(&machine, &read_only, &[arguments, &common[..]].concat())?.output()?.into())
    };
    let listed = verb(&["snapshot", "list"])?;
    ensure!(listed.code == Some(0) && listed.stdout.contains("verified"), "{listed:#?}");
    let verified = verb(&["snapshot", "verify"])?;
    ensure!(verified.code == Some(0) && verified.stdout.contains("sound, "), "{verified:#?}");
    ensure!(verified.stderr.contains("note: the outcome is not recorded"), "{verified:#?}");
    let exported = verb(&["snapshot", "export", "--to", out.as_str()])?;
    ensure!(exported.code == Some(0) && out.exists(), "{exported:#?}");

    let run = ["run", "--etcd-bin-dir", machine.etcd.as_str(), "--log-format", "json", "--snapshot-interval", "1s"];
    let mut command = mounted(&machine, &read_only, &[&run[..], &common[..]].concat())?;
    let node = machine.scratch.spawn("read-only", &mut command)?;
    // Nothing new is nothing to archive.
    wait_for(PATIENCE, "a write", || machine.etcdctl(&[], "put a b"))?;
    says_that_no_archive_is_taken(&machine)?;
    Machine::stop(node)?;
    machine.passed(&gate().allow("an act failed", "the store takes no archive"))
}

/// S14: nothing of what is there is given for what does not fit.
#[test]
fn a_full_store_is_said_and_ends_nothing() -> Result<()> {
    let machine = machine("full")?;
    let store = machine.folder().join("store");
    fs_err::create_dir(&store)?;
    let url = format!("file://{store}/");
    let small = format!("mount -t tmpfs -o size=1m tmpfs {store}");
    let run = ["run", "--etcd-bin-dir", machine.etcd.as_str(), "--log-format", "json", "--snapshot-interval", "1s"];
    let arguments = [&run[..], &["--snapshot-url", &url, "--data-dir", machine.data.as_str()]].concat();
    let node = machine.scratch.spawn("full", &mut mounted(&machine, &small, &arguments)?)?;
    wait_for(PATIENCE, "the first archive", || -> Result<()> {
        let status = machine.status()?;
        ensure!(status["store"]["verified"].as_u64() >= Some(1), "{status:#}");
        Ok(())
    })?;
    // What hardly compresses, and more of it than the store holds.
    for n in 0..12 {
        machine.etcdctl(&[], &format!("put full-{n} \"$(head -c 90000 /dev/urandom | base64 -w0)\""))?;
    }
    says_that_no_archive_is_taken(&machine)?;
    machine.etcdctl(&[], "put after full")?;
    Machine::stop(node)?;
    machine.passed(&gate().allow("an act failed", "the store takes no archive"))
}

fn says_that_no_archive_is_taken(machine: &Machine) -> Result<()> {
    wait_for(PATIENCE, "the node to serve and to say that its archives fail", || -> Result<()> {
        let status = machine.status()?;
        ensure!(status["serves"] == true, "{status:#}");
        ensure!(status["failures"].to_string().to_lowercase().contains("archive"), "{status:#}");
        Ok(())
    })
}
