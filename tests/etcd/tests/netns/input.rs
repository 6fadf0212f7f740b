//! Programs, certificates, disks and clocks that are not what they should be.

use crate::gate;
use anyhow::{Result, ensure};
use e2d_testkit::{LogGate, wait_for};
use e2d_tests_etcd::{BOUND_BY_MODES, Cluster, PATIENCE, Setup, Wrong, mode};
use std::time::Duration;

/// S22: without an etcd, or with something else in its place, `run` ends with 78 and says what to install.
#[test]
fn a_wrong_etcd_is_refused() -> Result<()> {
    let mut cluster = Setup::new("wrong_etcd", 1).build()?;
    let folder = cluster.folder().join("bin");
    let etcd = folder.join("etcd");
    fs_err::create_dir(&folder)?;
    cluster.etcd_from(1, &folder);
    refused(&mut cluster, "no etcd in")?;
    fs_err::write(&etcd, "#!/bin/sh\necho etcd Version: 2.3.8\n")?;
    refused(&mut cluster, "is not executable")?;
    mode(&etcd, 0o755)?;
    refused(&mut cluster, "cannot be used: install etcd 3.4 to 3.7")?;
    fs_err::write(&etcd, "#!/bin/sh\nexit 3\n")?;
    refused(&mut cluster, "cannot be used: install etcd 3.4 to 3.7")?;
    ensure!(!cluster.disk(1).join("member").exists(), "something was written");
    cluster.passed(&LogGate::new())
}

/// S18 S22: certificates that are not there, have expired, that another authority has signed or one that has expired, that
/// are for clients alone, or whose key is another's, are refused with 78 before anything starts; so is a peer's for another
/// machine. A server's for another name is said to be one: clients may know the machine by it.
#[test]
fn wrong_certificates_are_refused() -> Result<()> {
    let mut cluster = Setup::new("wrong_certificates", 1).with_keys().spares(1).build()?;
    cluster.other_keys(2)?;
    for file in ["peer", "server"] {
        for (wrong, why) in [
            (Wrong::Missing, "does not exist"),
            (Wrong::Expired, "expired"),
            (Wrong::OldAuthority, "ca.crt expired"),
            (Wrong::Authority, "authority"),
            (Wrong::Usage, "extended key usage"),
            (Wrong::Key, "does not belong to"),
        ] {
            cluster.spoil(file, wrong)?;
            refused(&mut cluster, why)?;
        }
        cluster.spoil(file, Wrong::Host)?;
        if file == "peer" {
            refused(&mut cluster, "not valid for name")?;
        }
        cluster.spoil(file, Wrong::Nothing)?;
    }
    ensure!(!cluster.disk(1).join("member").exists(), "something was written");
    cluster.spoil("server", Wrong::Host)?;
    let told = "whoever goes to this node by its address will refuse this certificate";
    cluster.start(1)?;
    wait_for(PATIENCE, "it to warn", || -> Result<()> {
        ensure!(cluster.log(1)?.contains(told), "it says nothing of it");
        Ok(())
    })?;
    cluster.unplug(1)?;
    cluster.spoil("server", Wrong::Nothing)?;
    cluster.start(1)?;
    cluster.is_whole("with its own certificates")?;
    cluster.passed(&gate().allow(told, "it is another machine's"))
}

/// S13 S22: a clock that is behind its certificates, as it may be after a start, ends e2d with 75: it is started again until the
/// clock is set.
#[test]
fn a_clock_behind_the_certificates_may_be_set() -> Result<()> {
    let mut cluster = Setup::new("early", 1).with_keys().build()?;
    cluster.clocks()?;
    cluster.set_clock(1, -86_400)?;
    cluster.start(1)?;
    let status = cluster.ends(1)?;
    ensure!(status.code() == Some(75), "it ended with {status}");
    ensure!(cluster.log(1)?.contains("is not valid before"), "it does not say why");
    cluster.set_clock(1, 0)?;
    cluster.start(1)?;
    cluster.is_whole("with the right time")?;
    cluster.passed(&gate())
}

/// S18 S22: one member of three has a certificate that has expired: it alone is refused, the others serve, and with a good one
/// it is the member it was.
#[test]
fn a_wrong_certificate_stops_its_own_machine_alone() -> Result<()> {
    let mut cluster = Setup::new("one_wrong_certificate", 3).with_keys().build()?;
    cluster.start_all()?;
    let members = cluster.is_whole("at birth")?;
    cluster.power_off(1)?;
    cluster.spoil("peer", Wrong::Expired)?;
    refused(&mut cluster, "expired")?;
    cluster.serves("beside a machine with a wrong certificate")?;
    cluster.spoil("peer", Wrong::Nothing)?;
    cluster.start(1)?;
    ensure!(cluster.is_whole("with its own certificates")? == members, "the members have changed");
    cluster.passed(&gate())
}

/// The e2d of the first machine ends with 78, and has said this.
fn refused(cluster: &mut Cluster, why: &str) -> Result<()> {
    cluster.start(1)?;
    let status = cluster.ends(1)?;
    let log = cluster.log(1)?;
    let last = log.lines().rev().take(4).collect::<Vec<_>>().join("\n");
    ensure!(status.code() == Some(78), "it ended with {status}: {last}");
    ensure!(last.contains(why), "it does not say {why:?}, but {last}");
    Ok(())
}

/// S3 S17 S21: a store that is full, and then one that may only be read, costs backups and nothing else: an etcd that dies
/// starts again beside either. It is said, and the backups go on by themselves.
#[test]
fn a_store_that_takes_nothing_stops_no_etcd() -> Result<()> {
    let mut cluster = Setup::new("full_store", 1).build()?;
    cluster.mount_small(1, "store", "1m", &BOUND_BY_MODES)?;
    cluster.start(1)?;
    cluster.is_whole("at birth")?;
    cluster.start_writing();
    let filler = cluster.fill(1, "store")?;
    cluster.tells("o space left on device")?;
    cluster.kill_etcd(1)?;
    cluster.serves("beside a full store")?;
    fs_err::remove_file(filler)?;
    another_backup(&cluster)?;

    let store = cluster.seen_by(1, "store")?;
    for folder in [store.join("archives/00000000000000000001"), store.join(".e2d-store")] {
        mode(&folder, 0o500)?;
    }
    cluster.tells("ermission denied")?;
    cluster.kill_etcd(1)?;
    cluster.serves("beside a store that may only be read")?;
    for folder in [store.join("archives/00000000000000000001"), store.join(".e2d-store")] {
        mode(&folder, 0o700)?;
    }
    another_backup(&cluster)?;
    cluster.lost_nothing("by a store")?;
    cluster.passed(&gate())
}

/// Waits until a write of now lies in a backup.
fn another_backup(cluster: &Cluster) -> Result<()> {
    let newest = cluster.newest();
    wait_for(PATIENCE, &format!("a backup of revision {newest}"), || -> Result<()> {
        let status = cluster.status(1)?;
        let revision = status["store"]["newest_revision"].as_i64().unwrap_or_default();
        ensure!(revision >= newest, "the newest has {revision}: {}", status["failures"]);
        Ok(())
    })
}

/// S3 S21: a member whose data disk is full stops, and says why; the others serve; it goes on by itself when there is
/// room, as who it was.
#[test]
fn a_full_data_disk_heals_when_there_is_room() -> Result<()> {
    let mut cluster = Setup::new("full_disk", 3).build()?;
    cluster.mount_small(3, "n3", "400m", &[])?;
    cluster.start_all()?;
    let members = cluster.is_whole("at birth")?;
    cluster.start_writing();
    let filler = cluster.fill(3, "n3/e2d")?;
    cluster.write_bulk(80)?;
    cluster.tells("o space left on device")?;
    cluster.serves("beside a full disk")?;
    fs_err::remove_file(filler)?;
    ensure!(cluster.is_whole("with room again")? == members, "the members have changed");
    cluster.lost_nothing("by a full disk")?;
    let on_it = "it lies on the full disk";
    let gate = gate()
        .allow("the decision log cannot be written", on_it)
        .allow("record of etcd's process not completed", "so does it, and the process is found without it");
    cluster.passed(&gate)
}

/// S3 S22: a data directory that may only be read is refused by name, and what is in it is as it was.
#[test]
fn a_data_disk_that_may_only_be_read_is_refused() -> Result<()> {
    let mut cluster = Setup::new("read_only", 3).build()?;
    cluster.start_all()?;
    let members = cluster.is_whole("at birth")?;
    cluster.power_off(3)?;
    cluster.mount_read_only(3)?;
    cluster.start(3)?;
    let status = cluster.ends(3)?;
    ensure!(status.code() == Some(75), "it ended with {status}");
    let log = cluster.log(3)?;
    ensure!(log.contains("Read-only file system") && log.contains("n3"), "it does not say why");
    cluster.serves("beside a disk that may only be read")?;
    cluster.wrap(3, &[]);
    cluster.start(3)?;
    ensure!(cluster.is_whole("with a disk that may be written")? == members, "the members have changed");
    cluster.passed(&gate())
}

/// S3 S6: the data disks of all machines are not mounted when they start. Empty mount points are no empty disks: nothing
/// is restored over them, and all serve with their data when the disks are there.
#[test]
fn unmounted_disks_are_not_empty_disks() -> Result<()> {
    let mut cluster = Setup::new("unmounted", 3).build()?;
    for n in cluster.all() {
        cluster.mount_disk(n)?;
    }
    cluster.start_all()?;
    let members = cluster.is_whole("at birth")?;
    let (id, _) = cluster.header()?;
    for n in cluster.all() {
        cluster.power_off(n)?;
        cluster.wrap(n, &[]);
    }
    cluster.start_all()?;
    for n in cluster.all() {
        cluster.waits(n, "not proved gone")?;
    }
    cluster.lasts(Duration::from_secs(15));
    for n in cluster.all() {
        cluster.waits(n, "not proved gone")?;
        cluster.unplug(n)?;
        cluster.mount_disk(n)?;
    }
    cluster.start_all()?;
    ensure!(cluster.is_whole("with its disks")? == members, "the members have changed");
    ensure!(cluster.header()?.0 == id, "it is another cluster");
    cluster.lost_nothing("by a disk that was not mounted")?;
    cluster.passed(&gate())
}

/// S3 S6 S21: a machine is told what its data disk is known by. While that is not there, nothing is started, made or
/// given up, and it is said; when it is there the machine goes on as who it was.
#[test]
fn a_data_disk_that_is_named_is_waited_for() -> Result<()> {
    let mut cluster = Setup::new("named_disk", 3).build()?;
    let (disk, mark) = (cluster.disk(3).to_owned(), cluster.folder().join("mark"));
    fs_err::write(&mark, "")?;
    cluster.flags(3, &["--data-disk", mark.as_str()]);
    cluster.start_all()?;
    let members = cluster.is_whole("at birth")?;
    cluster.power_off(3)?;
    let unplugged = disk.with_extension("unplugged");
    fs_err::rename(&disk, &unplugged)?;
    fs_err::remove_file(&mark)?;
    cluster.start(3)?;
    wait_for(PATIENCE, "n3 to say what it waits for", || -> Result<()> {
        ensure!(cluster.log(3)?.contains("waiting for the data disk"), "it says nothing of it");
        Ok(())
    })?;
    cluster.lasts(Duration::from_secs(5));
    cluster.serves("beside a missing disk")?;
    ensure!(!disk.exists(), "something was made where the disk is not mounted");
    fs_err::rename(&unplugged, &disk)?;
    fs_err::write(&mark, "")?;
    ensure!(cluster.is_whole("with its disk")? == members, "the members have changed");
    cluster.lost_nothing("by a disk that came late")?;
    cluster.passed(&gate().allow("waiting for the data disk, nothing is started", "it is not there"))
}

/// S3 S21: a machine is told on which device its data lies, and sees no disks in `/dev`, as its unit has it. It waits for
/// the device to be mounted, and another one is not it.
#[test]
fn a_data_disk_is_known_without_its_node() -> Result<()> {
    let mut cluster = Setup::new("device", 1).build()?;
    let (disk, other) = (cluster.device("disk")?, cluster.device("other")?);
    let waiting = "waiting for the data disk, nothing is started";
    cluster.flags(1, &["--data-disk", disk.node().as_str()]);
    for there in [None, Some(&other)] {
        cluster.hide_devices(1, there)?;
        cluster.start(1)?;
        wait_for(PATIENCE, "n1 to say what it waits for", || -> Result<()> {
            let log = cluster.log(1)?;
            let last = log.lines().last().unwrap_or_default();
            let lies = there.map_or("but on ".to_owned(), |other| format!("but on {}", other.node()));
            ensure!(last.contains(waiting) && last.contains(&lies), "{last}");
            Ok(())
        })?;
        cluster.unplug(1)?;
    }
    cluster.hide_devices(1, Some(&disk))?;
    cluster.start(1)?;
    cluster.is_whole("on its disk")?;
    ensure!(cluster.disk(1).read_dir_utf8()?.next().is_none(), "something lies below the mount point");
    cluster.passed(&gate().allow(waiting, "it is not there"))
}

/// S3 S4 S12: the clock of one e2d after the other jumps a day ahead, then a day back. Nobody is taken for dead, and
/// backups go on.
#[test]
fn a_clock_that_jumps_by_a_day_changes_nothing() -> Result<()> {
    let mut cluster = Setup::new("clock", 3).build()?;
    cluster.clocks()?;
    cluster.start_all()?;
    let members = cluster.is_whole("at birth")?;
    cluster.start_writing();
    for day in [86_400, -86_400, 0] {
        for n in cluster.all() {
            cluster.set_clock(n, day)?;
            cluster.serves("with a wrong clock")?;
        }
        cluster.archived()?;
    }
    ensure!(cluster.is_whole("after all clocks jumped")? == members, "the members have changed");
    cluster.lost_nothing("by clocks")?;
    for n in cluster.all() {
        let log = cluster.log(n)?;
        ensure!(!log.contains("\"act\":\"remove"), "n{n} has removed somebody");
    }
    cluster.passed(&gate())
}
