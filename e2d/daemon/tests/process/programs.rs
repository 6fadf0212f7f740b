//! Programs that are slow, or that are replaced while e2d runs.

use crate::orders::calm;
use crate::rig::{Cluster, PATIENCE};
use anyhow::{Result, bail, ensure};
use camino::Utf8Path;
use e2d_testkit::{EtcdVersion, wait_for};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;

/// What is logged of an adopted etcd that would be another now.
const FORMER: &str = "the adopted etcd runs on with a former setting";

/// Writes a program.
fn program(path: &Utf8Path, script: &str) -> Result<()> {
    fs_err::write(path, script)?;
    Ok(fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
}

/// Writes a program that is killed whenever it is run, as when memory is short.
fn doomed(path: &Utf8Path) -> Result<()> {
    program(path, "#!/bin/sh\nkill -9 $$\n")
}

/// A server that could not be asked for its version may answer the next time: the service is started again.
#[test]
fn what_may_pass_ends_with_try_again() -> Result<()> {
    let mut cluster = Cluster::new("busy", EtcdVersion::V3_6, 1)?;
    let programs = cluster.own_programs()?;
    doomed(&programs.join("etcd"))?;
    cluster.start(0)?;
    let (code, log) = (cluster.ended(0)?, cluster.log(0)?);
    ensure!(code == Some(75) && log.contains("could not be asked for its version"), "{code:?}: {log}");
    ensure!(!cluster.data_dir(0).exists());
    cluster.passed(&calm())
}

/// A tool that could not be asked at the start is asked again when a restore is wanted.
#[test]
fn a_tool_that_was_busy_restores_later() -> Result<()> {
    let mut cluster = Cluster::new("tool", EtcdVersion::V3_6, 1)?;
    let programs = cluster.own_programs()?;
    cluster.replace("etcd", EtcdVersion::V3_6)?;
    doomed(&programs.join("etcdutl"))?;
    cluster.start_with(0, &["--snapshot-interval", "1s"])?;
    cluster.serves(0)?;
    let unknown = "whether a restore is possible is not known yet";
    ensure!(cluster.log(0)?.contains(unknown));
    cluster.until(0, "a backup", |status| status["store"]["verified"].as_i64() >= Some(1))?;
    let before = cluster.etcd_pid(0);
    cluster.replace("etcdutl", EtcdVersion::V3_6)?;
    fs_err::rename(cluster.data_dir(0).join("member"), cluster.data_dir(0).with_extension("lost"))?;
    cluster.kill_etcd(0);
    wait_for(PATIENCE, "another etcd", || -> Result<()> {
        ensure!(cluster.etcd_pid(0).is_some_and(|pid| Some(pid) != before), "none");
        Ok(())
    })?;
    cluster.serves(0)?;
    ensure!(cluster.log(0)?.contains("database restored"));
    cluster.passed(&calm().allow(unknown, "its tool is killed each time"))
}

/// S21 S22: without the tool that a restore needs a node serves and takes backups, and says from the start what is missing.
#[test]
fn a_tool_that_is_missing_is_said_before_it_is_needed() -> Result<()> {
    let mut cluster = Cluster::new("no_tool", EtcdVersion::V3_6, 1)?;
    cluster.own_programs()?;
    cluster.replace("etcd", EtcdVersion::V3_6)?;
    cluster.set("PATH", "/nowhere");
    cluster.start_with(0, &["--snapshot-interval", "1s"])?;
    cluster.serves(0)?;
    let status = cluster.until(0, "a backup", |status| status["store"]["verified"].as_i64() >= Some(1))?;
    let advice = status["advice"].to_string();
    ensure!(advice.contains("no backup can be restored on this node: no etcdutl in"), "{status:#}");
    cluster.passed(&calm())
}

/// S13 S19: a restore does not keep e2d from stopping, however long its tool takes: the tool ends, what it was given is
/// removed, and the next start restores.
#[test]
fn a_restore_is_broken_off_by_a_stop() -> Result<()> {
    let mut cluster = Cluster::new("broken_off", EtcdVersion::V3_6, 1)?;
    let programs = cluster.own_programs()?;
    ["etcd", "etcdctl", "etcdutl"].iter().try_for_each(|name| cluster.replace(name, EtcdVersion::V3_6))?;
    cluster.start_with(0, &["--snapshot-interval", "1s"])?;
    cluster.serves(0)?;
    cluster.etcdctl(0, &["put", "kept", "1"])?;
    let taken = cluster.status(0)?["store"]["verified"].as_i64();
    cluster.until(0, "a backup with it", |status| status["store"]["verified"].as_i64() > taken)?;
    cluster.kill(0)?;
    fs_err::remove_dir_all(cluster.data_dir(0))?;

    let (real, begun) = (programs.join("etcdutl-real"), programs.join("begun"));
    fs_err::rename(programs.join("etcdutl"), &real)?;
    let slow = format!("#!/bin/sh\n[ \"$1\" = snapshot ] || exec {real} \"$@\"\necho $$ > {begun}\nexec sleep 600\n");
    program(&programs.join("etcdutl"), &slow)?;
    cluster.start(0)?;
    let pid = wait_for(PATIENCE, "the tool to begin", || -> Result<i32> {
        Ok(fs_err::read_to_string(&begun)?.trim().parse()?)
    })?;
    let database = cluster.data_dir(0).join("e2d/restore.db");
    ensure!(database.exists(), "the tool was given another file");
    ensure!(cluster.stop(0)?.success() && !database.exists() && !cluster.data_dir(0).join("member").exists());
    wait_for(PATIENCE, "the tool to end", || {
        ensure!(!Utf8Path::new(&format!("/proc/{pid}")).exists(), "it runs");
        Ok(())
    })?;
    fs_err::rename(real, programs.join("etcdutl"))?;
    cluster.start(0)?;
    cluster.serves(0)?;
    ensure!(cluster.etcdctl(0, &["get", "kept", "--print-value-only"])?.trim() == "1");
    cluster.passed(&calm().allow("an act failed", "that is what is shown"))
}

/// An etcd that ends as soon as it is started, so that its end may be heard of before its start: it is tried again, in ever
/// longer steps, what it said is shown, and no ended etcd is taken for one that runs.
#[test]
fn an_etcd_that_ends_at_once_is_tried_again() -> Result<()> {
    let mut cluster = Cluster::new("at_once", EtcdVersion::V3_6, 1)?;
    let programs = cluster.own_programs()?;
    ["etcd", "etcdctl", "etcdutl"].iter().try_for_each(|name| cluster.replace(name, EtcdVersion::V3_6))?;
    let real = programs.join("etcd-real");
    fs_err::rename(programs.join("etcd"), &real)?;
    let brief = format!("#!/bin/sh\n[ \"$1\" = --version ] && exec {real} --version\nexit 7\n");
    program(&programs.join("etcd"), &brief)?;
    cluster.start(0)?;
    let tries = |status: &Value| {
        let failures = status["failures"].as_array().cloned().unwrap_or_default();
        let start = failures.iter().find(|failure| failure["act"] == "Start").cloned();
        start.map_or((0, String::new()), |start| (start["count"].as_i64().unwrap_or_default(), start.to_string()))
    };
    let status = cluster.until(0, "five tries", |status| tries(status).0 >= 5)?;
    ensure!(status["etcd"] == "stopped" && tries(&status).1.contains("code 7"), "{status:#}");
    fs_err::rename(real, programs.join("etcd"))?;
    cluster.serves(0)?;
    let log = cluster.log(0)?;
    let ends = ["pid", "cause"].map(|by| log.matches(&format!("\"etcd ended\",\"{by}\"")).count());
    ensure!(ends[0] >= 5 && ends[0] == ends[1], "each end counts once: {ends:?}");
    cluster.passed(&calm())
}

/// systemd is told when the node serves, and from then on that e2d still thinks.
#[test]
fn systemd_is_told() -> Result<()> {
    let mut cluster = Cluster::new("notify", EtcdVersion::V3_6, 1)?;
    let folder = cluster.own_programs()?;
    ["etcd", "etcdctl", "etcdutl"].iter().try_for_each(|name| cluster.replace(name, EtcdVersion::V3_6))?;
    let socket = UnixDatagram::bind(folder.join("notify"))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    cluster.set("NOTIFY_SOCKET", folder.join("notify").as_str());
    cluster.start(0)?;
    // That it thinks is told at once, and then each ten seconds; that it serves, once.
    let (mut ready, mut thinks) = (0, 0);
    while (ready == 0 || thinks < 2) && thinks < 7 {
        let mut told = [0; 256];
        let count = socket.recv(&mut told)?;
        match String::from_utf8_lossy(&told[..count]).trim() {
            "READY=1" => {
                ready += 1;
                ensure!(cluster.status(0)?["serves"] == true, "it was said too early");
            }
            "WATCHDOG=1" => thinks += 1,
            other => bail!("{other:?} was said"),
        }
    }
    ensure!(ready == 1 && thinks >= 2, "ready was said {ready} times, alive {thinks} times");
    cluster.passed(&calm())
}

/// S22: an etcd that is upgraded while e2d runs is started with its own flags, and its data is not taken for that of a
/// newer etcd when it ends.
#[test]
fn an_upgraded_etcd_goes_on() -> Result<()> {
    let mut cluster = Cluster::new("upgraded", EtcdVersion::V3_5, 1)?;
    cluster.own_programs()?;
    ["etcd", "etcdutl"].iter().try_for_each(|name| cluster.replace(name, EtcdVersion::V3_5))?;
    cluster.serve()?;
    cluster.replace("etcd", EtcdVersion::V3_6)?;
    cluster.crash(0)?;
    cluster.serve()?;
    let log = cluster.log(0)?;
    ensure!(log.contains(FORMER) && log.contains("it is 3.5.") && log.contains("is installed"), "{log}");
    for end in ["first", "second"] {
        let before = cluster.etcd_pid(0);
        cluster.kill_etcd(0);
        wait_for(PATIENCE, &format!("etcd after its {end} end"), || -> Result<()> {
            ensure!(cluster.etcd_pid(0).is_some_and(|pid| Some(pid) != before), "it does not run");
            Ok(())
        })?;
        cluster.serves(0)?;
        let status = cluster.status(0)?;
        ensure!(status["etcd_version"].as_str().is_some_and(|version| version.starts_with("3.6.")), "{status:#}");
        // From when its log says so, older etcds are refused on the data.
        wait_for(PATIENCE, "the cluster's version to be raised", || -> Result<()> {
            let log = fs_err::read_to_string(cluster.data_dir(0).join("e2d/etcd.log"))?;
            ensure!(
                log.contains("\"to\":\"3.6\"")
                    || log.contains("enabled capabilities for version\",\"cluster-version\":\"3.6\""),
                "not yet"
            );
            Ok(())
        })?;
    }
    cluster.passed(&calm().allow(FORMER, "the old one runs until it ends"))
}

/// S4 S21: an etcd that runs is adopted as it is. What it would be given otherwise now is said by name, and is taken up
/// when it is started again.
#[test]
fn an_adopted_etcd_says_what_it_lacks() -> Result<()> {
    let mut cluster = Cluster::new("former", EtcdVersion::V3_6, 1)?;
    cluster.serve()?;
    let pid = cluster.etcd_pid(0);
    cluster.crash(0)?;
    cluster.serve()?;
    ensure!(cluster.etcd_pid(0) == pid && !cluster.log(0)?.contains(FORMER), "nothing has changed");
    let next = ["--name", "other", "--etcd-quota-bytes", "1GiB", "--etcd-arg", "max-txn-ops=256"];
    cluster.crash(0)?;
    cluster.start_with(0, &next)?;
    cluster.serves(0)?;
    let differs = "other flags: --max-txn-ops, --name, --quota-backend-bytes";
    ensure!(cluster.etcd_pid(0) == pid && cluster.log(0)?.contains(differs), "{}", cluster.log(0)?);
    let advised = |status: &serde_json::Value| status["advice"].to_string().contains(differs);
    cluster.until(0, "it to be told", advised)?;
    ensure!(cluster.stop(0)?.success());
    cluster.start_with(0, &next)?;
    cluster.serves(0)?;
    ensure!(cluster.etcd_pid(0) != pid && !advised(&cluster.status(0)?));
    cluster.passed(&calm().allow(FORMER, "that is what is shown"))
}
