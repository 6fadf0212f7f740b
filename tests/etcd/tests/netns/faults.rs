//! The failure matrix, under a client that writes all the time.

use crate::gate;
use anyhow::{Result, ensure};
use e2d_testkit::{EtcdVersion, wait_for};
use e2d_tests_etcd::{Cluster, PATIENCE, Setup, copy};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a cut lasts: longer than an election of etcd's and a suspicion of gossip's.
const CUT: Duration = Duration::from_secs(4);
/// How long a frozen machine does nothing.
const FREEZE: Duration = Duration::from_mins(1);
/// For how long both witnesses must have heard nothing (`--health-check-timeout`).
const SILENCE: Duration = Duration::from_secs(10);

/// S1 S3 S4 S6 S7 S9 S11 S12 S13 S16: whatever happens to three machines, nothing acknowledged is lost while a
/// quorum of disks survives, nothing older than the last archive otherwise, revisions never go back,
/// and all ends healthy with nobody's help.
#[test]
fn three_nodes_under_every_fault() -> Result<()> {
    let mut cluster = Setup::new("every_fault", 3).version(EtcdVersion::of_long_stories()?).build()?;
    cluster.start_all()?;
    let born = cluster.is_whole("at birth")?;
    let (id, _) = cluster.header()?;
    cluster.start_writing();

    for n in cluster.all() {
        power_cut(&mut cluster, &[n])?;
    }
    let leader = cluster.leader()?;
    power_cut(&mut cluster, &[leader])?;
    power_cut(&mut cluster, &[1, 2])?;
    power_cut(&mut cluster, &[1, 2, 3])?;
    ensure!(cluster.voters()? == born, "a member that keeps its disk stays who it is");

    for (a, b) in [(1, 2), (1, 3), (2, 3)] {
        cluster.network().cut(a, b)?;
        lives_through(&mut cluster, &format!("with {a} and {b} cut apart"))?;
        for (from, to) in [(a, b), (b, a)] {
            cluster.network().cut_one_way(from, to)?;
            lives_through(&mut cluster, &format!("with {from} cut off from {to}, one way"))?;
        }
    }
    ensure!(cluster.voters()? == born, "a short cut evicts nobody");

    let frozen = cluster.leader()?;
    cluster.freeze(frozen)?;
    cluster.serves("while its leader is frozen")?;
    cluster.lasts(FREEZE);
    cluster.thaw(frozen)?;
    let before = cluster.one_replaced(&born, "after the thaw")?;
    ensure!(cluster.set_aside(frozen)?.len() == 1, "what the frozen member held is not kept");
    cluster.lost_nothing("by a freeze")?;

    cluster.power_off(3)?;
    cluster.wipe(3)?;
    cluster.serves("without a disk")?;
    cluster.start(3)?;
    let before = cluster.one_replaced(&before, "after one disk was lost")?;
    cluster.lost_nothing("with one disk")?;
    ensure!(cluster.header()?.0 == id, "it is the same cluster all the time");

    let kept = cluster.folder().join("kept");
    cluster.power_off(3)?;
    copy(cluster.disk(3), &kept)?;
    cluster.start(3)?;
    cluster.is_whole("after the copy")?;
    let held = cluster.set_aside(3)?.len();
    loses_every_disk(&mut cluster, &before)?;
    ensure!(cluster.header()?.0 != id, "a new epoch is another cluster");

    // A disk of the former epoch is found again, on its own machine.
    let reborn = cluster.voters()?;
    let written = cluster.archives_of(1)?;
    cluster.power_off(3)?;
    cluster.wipe(3)?;
    copy(&kept, cluster.disk(3))?;
    cluster.serves("beside a disk of the former epoch")?;
    cluster.start(3)?;
    cluster.one_replaced(&reborn, "after a disk of the former epoch was found")?;
    ensure!(cluster.set_aside(3)?.len() == held + 1, "what the found disk held is not kept");
    ensure!(cluster.archives_of(1)? == written, "the former epoch was written to");
    cluster.lost_nothing("to a disk of the former epoch")?;
    cluster.agrees()?;
    cluster.passed(&gate())
}

/// S6 S12: a member that either witness hears is not dead, however long the other has heard nothing: not by a cut between
/// the leader and one other, nor of etcd's port alone, nor of gossip's.
#[test]
fn who_is_heard_by_somebody_is_not_evicted() -> Result<()> {
    let mut cluster = Setup::new("heard", 3).version(EtcdVersion::of_long_stories()?).build()?;
    cluster.start_all()?;
    let born = cluster.is_whole("at birth")?;
    cluster.start_writing();
    let cut_off = |cluster: &Cluster, n: u8, port: u16| -> Result<()> {
        cluster.all().filter(|&other| other != n).try_for_each(|other| cluster.network().cut_port(n, other, port))
    };
    for what in ["the leader and another apart", "one without etcd's port", "one without gossip's port"] {
        let leader = cluster.leader()?;
        let other = leader % 3 + 1;
        match what {
            "the leader and another apart" => cluster.network().cut(leader, other)?,
            "one without etcd's port" => cut_off(&cluster, other, 2380)?,
            _ => cut_off(&cluster, other, 7980)?,
        }
        cluster.lasts(SILENCE * 3 / 2);
        cluster.serves(what)?;
        // Who is cut off cannot say.
        let voters = wait_for(PATIENCE, "somebody to list the members", || cluster.voters())?;
        ensure!(voters == born, "with {what}: {voters:x?} of {born:x?}");
        cluster.network().heal_all()?;
        ensure!(cluster.is_whole("after a cut")? == born, "after {what}");
    }
    cluster.lost_nothing("by long cuts")?;
    cluster.passed(&gate())
}

/// S3 S4 S9 S10 S11 S13: five machines, of which two are killed, cut off, and wiped at a time: the
/// other three serve, nothing acknowledged is lost, and all ends healthy with nobody's help.
#[test]
fn five_nodes_with_two_killed() -> Result<()> {
    let mut cluster = Setup::new("five", 5).version(EtcdVersion::of_long_stories()?).build()?;
    cluster.start_all()?;
    let born = cluster.is_whole("at birth")?;
    let (id, _) = cluster.header()?;
    cluster.start_writing();

    let leader = cluster.leader()?;
    power_cut(&mut cluster, &[leader, leader % 5 + 1])?;
    power_cut(&mut cluster, &[1, 3, 5])?;
    power_cut(&mut cluster, &[1, 2, 3, 4, 5])?;
    let leader = cluster.leader()?;
    for n in [leader, leader % 5 + 1] {
        cluster.network().isolate(n)?;
    }
    lives_through(&mut cluster, "with two cut off")?;
    ensure!(cluster.voters()? == born, "a member that keeps its disk stays who it is");

    let two = [2, 4];
    for n in two {
        cluster.power_off(n)?;
        cluster.wipe(n)?;
    }
    cluster.serves("without two disks")?;
    for n in two {
        cluster.start(n)?;
    }
    wait_for(PATIENCE, "two lost disks to be replaced", || -> Result<()> {
        let voters = cluster.voters()?;
        ensure!(voters.len() == 5 && voters.intersection(&born).count() == 3, "voters {voters:x?} of {born:x?}");
        Ok(())
    })?;
    let before = cluster.is_whole("after two disks were lost")?;
    cluster.lost_nothing("with two disks")?;
    ensure!(cluster.header()?.0 == id, "it is the same cluster all the time");

    loses_every_disk(&mut cluster, &before)?;
    cluster.agrees()?;
    cluster.passed(&gate())
}

/// Every machine loses its disk. What is there afterwards, of other members than `before`, is all that was archived.
fn loses_every_disk(cluster: &mut Cluster, before: &BTreeSet<u64>) -> Result<()> {
    for n in cluster.all() {
        cluster.power_off(n)?;
        cluster.wipe(n)?;
    }
    let (_, archived) = cluster.newest_archive()?;
    cluster.forgive_above(archived);
    cluster.start_all()?;
    cluster.is_whole_without(before, "after every disk was lost")?;
    cluster.lost_nothing("that was archived")
}

/// These machines lose power, all at once, and get it back. Their disks stay.
fn power_cut(cluster: &mut Cluster, machines: &[u8]) -> Result<()> {
    let what = format!("after {machines:?} lost power");
    for &n in machines {
        cluster.power_off(n)?;
    }
    if machines.len() * 2 < cluster.all().count() {
        cluster.serves(&format!("while {machines:?} are off"))?;
    }
    for &n in machines {
        cluster.start(n)?;
    }
    cluster.is_whole(&what)?;
    cluster.lost_nothing(&what)
}

/// The cluster serves while the network is cut, and is whole when it is mended.
fn lives_through(cluster: &mut Cluster, what: &str) -> Result<()> {
    cluster.lasts(CUT);
    cluster.serves(what)?;
    cluster.network().heal_all()?;
    cluster.is_whole(&format!("after it lived {what}"))?;
    cluster.lost_nothing(what)
}
