//! Data that is not what it should be: older, newer, damaged, copied, somebody else's.

use crate::gate;
use anyhow::{Result, ensure};
use e2d_testkit::{EtcdVersion, wait_for};
use e2d_tests_etcd::{BOUND_BY_MODES, PATIENCE, Setup, copy, flip_a_byte, mode, truncate};
use std::time::Duration;

/// S3 S6 S22: what plain etcd 3.4 holds, on one machine and on three that serve, is taken over one machine after the other: it
/// is served as it is, by the members that it has, and is kept alive from then on.
#[test]
fn plain_etcd_is_adopted() -> Result<()> {
    for size in [1, 3] {
        let mut cluster = Setup::new("adopted", size).version(EtcdVersion::V3_4).build()?;
        let mut plain = cluster.start_plain()?;
        let members = cluster.is_whole("under plain etcd")?;
        let (id, _) = cluster.header()?;
        cluster.start_writing();
        // One machine after the other; beside its etcd, which runs, e2d does not start.
        for (n, etcd) in (1..).zip(&mut plain) {
            cluster.start(n)?;
            let status = cluster.ends(n)?;
            ensure!(status.code() == Some(75), "beside a running etcd e2d ended with {status}");
            ensure!(etcd.ended()?.is_none(), "etcd has ended");
            etcd.terminate()?;
            etcd.wait(PATIENCE)?;
            cluster.start(n)?;
            ensure!(cluster.is_whole("with e2d on one more machine")? == members, "the members have changed");
        }
        ensure!(cluster.header()?.0 == id, "it is another cluster");
        cluster.lost_nothing("by adoption")?;
        cluster.archived()?;
        ensure!(cluster.lineage()?["claim"]["kind"] == "adopt", "the lineage is {}", cluster.lineage()?);
        if size > 1 {
            cluster.power_off(3)?;
            cluster.wipe(3)?;
            cluster.start(3)?;
            cluster.one_replaced(&members, "after its disk was lost")?;
            cluster.lost_nothing("of an adopted cluster")?;
        }
        cluster.passed(&gate())?;
    }
    Ok(())
}

/// S6 S22: an older etcd on the data of a newer one is refused, and the data is as it was.
#[test]
fn data_of_a_newer_etcd_is_refused() -> Result<()> {
    let mut cluster = Setup::new("newer_data", 1).version(EtcdVersion::V3_6).build()?;
    cluster.start(1)?;
    let members = cluster.is_whole("on 3.6")?;
    cluster.e2d(1)?.terminate()?;
    cluster.ends(1)?;
    for older in [EtcdVersion::V3_5, EtcdVersion::V3_4] {
        cluster.install(1, older)?;
        cluster.start(1)?;
        let status = cluster.ends(1)?;
        ensure!(status.code() == Some(78), "on {older} it ended with {status}");
        ensure!(cluster.log(1)?.contains("written by a newer etcd"), "it does not say why");
    }
    cluster.install(1, EtcdVersion::V3_6)?;
    cluster.start(1)?;
    ensure!(cluster.is_whole("on 3.6 again")? == members, "it is another member");
    cluster.lost_nothing("to an older etcd")?;
    cluster.passed(&gate().allow("refusing to run", "that is what is shown"))
}

/// S3 S6 S11 S22: a member whose log or database is damaged does not come back with it. Its data is kept aside, and
/// a quorum fills it again.
#[test]
fn damaged_data_is_filled_again() -> Result<()> {
    let mut cluster = Setup::new("damaged", 3).build()?;
    cluster.start_all()?;
    cluster.is_whole("at birth")?;
    cluster.start_writing();
    for (what, file, left) in [
        ("a flipped byte in the log", ".wal", None),
        ("a log cut to nothing", ".wal", Some(0)),
        ("a database cut short", "/db", Some(6000)),
        ("a database cut to nothing", "/db", Some(0)),
    ] {
        cluster.power_off(3)?;
        let files = cluster.files_of(3, file)?;
        ensure!(!files.is_empty(), "there is no {file}");
        for file in files {
            left.map_or_else(|| flip_a_byte(&file), |bytes| truncate(&file, bytes))?;
        }
        cluster.serves(what)?;
        cluster.start(3)?;
        cluster.is_whole(&format!("after {what}"))?;
        cluster.lost_nothing(&format!("by {what}"))?;
    }
    cluster.passed(&gate())
}

/// S6 S21: files of etcd's that e2d may not read, as another user leaves them, are not damaged: nothing is given up, the file is
/// named, and the member goes on as who it was when they may be read.
#[test]
fn data_that_may_not_be_read_is_not_damaged() -> Result<()> {
    let mut cluster = Setup::new("forbidden", 3).build()?;
    cluster.start_all()?;
    let members = cluster.is_whole("at birth")?;
    cluster.wrap(3, &BOUND_BY_MODES);
    for (file, lasts) in [("/db", Duration::ZERO), (".wal", Duration::from_secs(62))] {
        cluster.power_off(3)?;
        let files = cluster.files_of(3, file)?;
        files.iter().try_for_each(|file| mode(file, 0o000))?;
        cluster.start(3)?;
        cluster.tells("ermission denied")?;
        ensure!(cluster.status(3)?.to_string().contains(file), "{file} is not named: {}", cluster.status(3)?);
        cluster.lasts(lasts);
        ensure!(cluster.set_aside(3)?.is_empty(), "data that may not be read was set aside");
        files.iter().try_for_each(|file| mode(file, 0o600))?;
        ensure!(cluster.is_whole("when they may be read")? == members, "the members have changed");
    }
    cluster.passed(&gate())
}

/// S6 S21: the only copy of the data is damaged: it is kept as it is, and that is said.
#[test]
fn the_only_data_is_kept_however_damaged() -> Result<()> {
    let mut cluster = Setup::new("only_data", 1).build()?;
    cluster.start(1)?;
    cluster.is_whole("at birth")?;
    cluster.power_off(1)?;
    let logs = cluster.files_of(1, ".wal")?;
    logs.iter().try_for_each(|log| truncate(log, 0))?;
    cluster.start(1)?;
    cluster.waits(1, "cannot be read")?;
    ensure!(cluster.files_of(1, ".wal")? == logs, "the data was moved");
    ensure!(cluster.etcd_pid(1).is_err(), "etcd runs on damaged data");
    cluster.passed(&gate())
}

/// S3 S11: a disk that is set back to an older copy of itself never speaks under its old identity.
#[test]
fn a_disk_that_went_back_is_somebody_else() -> Result<()> {
    let mut cluster = Setup::new("went_back", 3).build()?;
    cluster.start_all()?;
    let members = cluster.is_whole("at birth")?;
    cluster.start_writing();
    let old = cluster.folder().join("old");
    cluster.power_off(3)?;
    copy(cluster.disk(3), &old)?;
    cluster.start(3)?;
    cluster.is_whole("after the copy")?;
    let then = cluster.acknowledged();
    wait_for(PATIENCE, "a hundred writes", || -> Result<()> {
        ensure!(cluster.acknowledged() > then + 100, "{} of {then} + 100", cluster.acknowledged());
        Ok(())
    })?;
    cluster.power_off(3)?;
    cluster.wipe(3)?;
    copy(&old, cluster.disk(3))?;
    cluster.start(3)?;
    cluster.one_replaced(&members, "after a disk went back")?;
    cluster.lost_nothing("by a disk that went back")?;
    cluster.passed(&gate())
}

/// S3 S6 S21: the only disk is set back to a copy that is older than its backups. Nothing is served from it and nothing of it is
/// given up: a person moves it away, and what was backed up is there.
#[test]
fn a_lone_disk_that_is_older_than_its_store_waits_for_a_person() -> Result<()> {
    let mut cluster = Setup::new("older_than_store", 1).build()?;
    cluster.start(1)?;
    cluster.is_whole("at birth")?;
    let [old, aside] = ["old", "aside"].map(|name| cluster.folder().join(name));
    cluster.power_off(1)?;
    copy(cluster.disk(1), &old)?;
    cluster.start(1)?;
    cluster.serves("after the copy")?;
    cluster.archived()?;
    let newest = cluster.newest();
    cluster.power_off(1)?;
    cluster.wipe(1)?;
    copy(&old, cluster.disk(1))?;
    cluster.start(1)?;
    cluster.waits(1, "a person must decide")?;
    cluster.lasts(Duration::from_secs(5));
    ensure!(cluster.etcd_pid(1).is_err(), "the older disk serves");
    ensure!(cluster.newest_archive()?.1 >= newest, "the newest archive has revision {}", cluster.newest_archive()?.1);
    cluster.unplug(1)?;
    fs_err::rename(cluster.disk(1), aside)?;
    cluster.start(1)?;
    cluster.is_whole("from its backups")?;
    cluster.lost_nothing("by a disk that went back")?;
    cluster.passed(&gate())
}

/// S3 S6 S21: two of three disks are set back to older copies, and together they would be a quorum. They ask the third, and
/// nothing is served that is older than what was acknowledged; with one of the true disks all goes on.
#[test]
fn two_disks_that_went_back_are_no_quorum() -> Result<()> {
    let mut cluster = Setup::new("two_went_back", 3).build()?;
    cluster.start_all()?;
    let members = cluster.is_whole("at birth")?;
    let place = |age: &str, n: u8| cluster.folder().join(format!("{age}-{n}"));
    let [old, new] = ["old", "new"].map(|age| [1, 2].map(|n| (n, place(age, n))));
    for n in cluster.all() {
        cluster.power_off(n)?;
    }
    for (n, copied) in &old {
        copy(cluster.disk(*n), copied)?;
    }
    cluster.start_all()?;
    cluster.is_whole("after the copies")?;
    for _ in 0..100 {
        cluster.write()?;
    }
    for n in cluster.all() {
        cluster.power_off(n)?;
    }
    for ((n, copied), (_, kept)) in old.iter().zip(&new) {
        fs_err::rename(cluster.disk(*n), kept)?;
        copy(copied, cluster.disk(*n))?;
    }
    cluster.start_all()?;
    for n in [1, 2] {
        cluster.waits(n, "heard this disk further on than it is now")?;
    }
    cluster.lasts(Duration::from_secs(5));
    ensure!(cluster.write().is_err(), "somebody serves");
    ensure!(cluster.lineage()?["epoch"] == 1, "another epoch was claimed: {}", cluster.lineage()?);
    let (n, kept) = &new[0];
    cluster.unplug(*n)?;
    cluster.wipe(*n)?;
    copy(kept, cluster.disk(*n))?;
    cluster.start(*n)?;
    cluster.one_replaced(&members, "with one of the true disks")?;
    cluster.lost_nothing("by disks that went back")?;
    cluster.passed(&gate())
}

/// S1 S11: the copy of a machine's disk starts on another machine before its original does. It starts no etcd, and its
/// original is the member that it was.
#[test]
fn a_copy_that_starts_first_is_not_the_member() -> Result<()> {
    let mut cluster = Setup::new("copy_first", 3).spares(1).build()?;
    cluster.start_all()?;
    let members = cluster.is_whole("at birth")?;
    for n in cluster.all() {
        cluster.power_off(n)?;
    }
    cluster.clone_machine(3, 4)?;
    for n in [4, 1] {
        cluster.start(n)?;
    }
    cluster.waits(4, "this may be a copy")?;
    cluster.lasts(Duration::from_secs(5));
    for n in [1, 4] {
        ensure!(cluster.etcd_pid(n).is_err(), "n{n} runs an etcd beside a copy alone");
    }
    for n in [2, 3] {
        cluster.start(n)?;
    }
    ensure!(cluster.is_whole("with the original")? == members, "the members have changed");
    ensure!(cluster.etcd_pid(4).is_err(), "the copy runs an etcd");
    cluster.lost_nothing("by a copy")?;
    cluster.passed(&gate().allow("one node runs twice", "that is what is shown"))
}

/// S1 S11: a copy of a machine's disk on another machine starts no second etcd, and the original is not disturbed.
#[test]
fn a_cloned_machine_is_not_two_members() -> Result<()> {
    let mut cluster = Setup::new("cloned", 3).spares(1).build()?;
    cluster.start_all()?;
    let members = cluster.is_whole("at birth")?;
    cluster.start_writing();
    cluster.power_off(3)?;
    cluster.clone_machine(3, 4)?;
    cluster.start(3)?;
    cluster.start(4)?;
    wait_for(PATIENCE, "the copy to say what it is", || -> Result<()> {
        let status = cluster.status(4)?;
        let told = status["waits"].to_string() + &cluster.log(4)?;
        ensure!(told.contains("copy") || told.contains("member's place is"), "it says {}", status["waits"]);
        Ok(())
    })?;
    ensure!(cluster.is_whole("beside a copy")? == members, "the members have changed");
    cluster.lasts(Duration::from_secs(15));
    ensure!(cluster.etcd_pid(4).is_err(), "the copy runs an etcd");
    ensure!(cluster.is_whole("beside a copy for a while")? == members, "the members have changed");
    cluster.lost_nothing("by a copy")?;
    cluster.passed(&gate().allow("one node runs twice", "that is what is shown"))
}
