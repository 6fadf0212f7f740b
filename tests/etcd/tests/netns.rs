//! Stories on real etcd servers, one network namespace a machine.

#[path = "netns/births.rs"]
mod births;
#[path = "netns/data.rs"]
mod data;
#[path = "netns/faults.rs"]
mod faults;
#[path = "netns/input.rs"]
mod input;
#[path = "netns/life.rs"]
mod life;
#[path = "netns/security.rs"]
mod security;

use anyhow::{Context as _, Result, ensure};
use e2d_testkit::{EtcdVersion, LogGate, wait_for};
use e2d_tests_etcd::{Cluster, PATIENCE, Setup, copy};
use std::time::Duration;

fn gate() -> LogGate {
    LogGate::new()
        .allow("an act failed", "machines are killed in the middle of acts, which are then done again")
        .allow("no restore is possible on this node", "etcd 3.4 may stand without etcdutl")
        .allow("leadership not handed over", "the others stop at the same time")
        .allow("data set aside", "a member that was evicted keeps its data in quarantine")
}

/// S1 S3 S7 S9 S10 S11 S17, on each version of etcd: three machines are born as one cluster, lose each
/// machine in turn, then all of them, then one disk, then every disk; nothing acknowledged is lost while
/// a quorum of disks is there, and what comes back from the store has a revision above all that was seen.
#[test]
fn three_nodes_form_heal_and_come_back() -> Result<()> {
    for version in EtcdVersion::covered()? {
        form_heal_and_come_back(Setup::new("three_nodes", 3).version(version))
            .with_context(|| format!("on etcd {version}"))?;
    }
    Ok(())
}

/// The same with keys, on the oldest etcd that is covered, where least can be asked of its command line: members, clients and the
/// gate of a restore speak TLS.
#[test]
fn three_nodes_with_keys_form_heal_and_come_back() -> Result<()> {
    let version = *EtcdVersion::covered()?.first().context("no version is covered")?;
    form_heal_and_come_back(Setup::new("three_with_keys", 3).version(version).with_keys())
}

fn form_heal_and_come_back(setup: Setup) -> Result<()> {
    let mut cluster = setup.build()?;
    for n in cluster.all() {
        cluster.start(n)?;
    }
    let born = cluster.is_whole("at birth")?;
    let (id, _) = cluster.header()?;
    for n in cluster.all() {
        cluster.power_off(n)?;
        cluster.serves("without one machine")?;
        cluster.start(n)?;
        ensure!(cluster.is_whole("after its return")? == born, "a member with its disk is the member it was");
    }
    for n in cluster.all() {
        cluster.power_off(n)?;
    }
    for n in cluster.all() {
        cluster.start(n)?;
    }
    ensure!(cluster.is_whole("after all machines lost power")? == born, "all are the members they were");
    cluster.lost_nothing("with all disks there")?;

    cluster.power_off(3)?;
    cluster.wipe(3)?;
    cluster.start(3)?;
    let healed = cluster.one_replaced(&born, "after one disk was lost")?;
    ensure!(cluster.header()?.0 == id, "it is the same cluster");
    cluster.lost_nothing("with one disk")?;

    cluster.archived()?;
    for _ in 0..5 {
        cluster.serves("after the last archive")?;
    }
    let (_, revision) = cluster.header()?;
    for n in cluster.all() {
        cluster.power_off(n)?;
        cluster.wipe(n)?;
    }
    let (_, archived) = cluster.newest_archive()?;
    cluster.forgive_above(archived);
    for n in cluster.all() {
        cluster.start(n)?;
    }
    let reborn = cluster.is_whole("after every disk was lost")?;
    ensure!(reborn.is_disjoint(&healed), "every disk has another identity");
    let (another, after) = cluster.header()?;
    ensure!(another != id, "a new epoch is another cluster");
    ensure!(after > revision, "revision {after} after {revision}");
    cluster.lost_nothing("that was archived")?;
    cluster.passed(&gate())
}

/// S1 S2: two of three form nothing, and say what they wait for; the third completes them.
#[test]
fn two_of_three_wait_for_the_third() -> Result<()> {
    let mut cluster = Cluster::new("two_of_three", EtcdVersion::DEFAULT, 3)?;
    cluster.start(1)?;
    cluster.start(2)?;
    wait_for(PATIENCE, "both to say what is missing", || -> Result<()> {
        for n in [1, 2] {
            let waits = cluster.status(n)?["waits"].to_string();
            ensure!(waits.contains("2 of 3 nodes are here"), "n{n} says {waits}");
        }
        Ok(())
    })?;
    ensure!(cluster.write().is_err(), "two of three serve");
    cluster.start(3)?;
    cluster.is_whole("when the third has come")?;
    cluster.passed(&gate())
}

/// S2 S3 S6 S21: with two of three disks lost, the survivor's newer data stays untouched, nothing older takes
/// its place, and it is said. When one of the disks is found again, all is there.
#[test]
fn a_lone_survivor_is_not_overruled_by_the_store() -> Result<()> {
    let mut cluster = Cluster::new("lone_survivor", EtcdVersion::DEFAULT, 3)?;
    cluster.start_all()?;
    cluster.is_whole("at birth")?;
    cluster.archived()?;
    let found = cluster.folder().join("found");
    cluster.serves("after the last archive")?;
    for n in [1, 2] {
        cluster.power_off(n)?;
    }
    copy(cluster.disk(1), &found)?;
    for n in [1, 2] {
        cluster.wipe(n)?;
        cluster.start(n)?;
    }
    for n in [1, 2] {
        cluster.waits(n, "holds data of this epoch")?;
    }
    cluster.waits(3, "no quorum")?;
    // Longer than an empty disk must have said so before a restore rests on it.
    cluster.lasts(Duration::from_secs(15));
    let advice = cluster.status(3)?["advice"].to_string();
    for text in ["lost: ", "1 of 3 members are here", "start 1 more of these nodes with their disks", "keep this disk"]
    {
        ensure!(advice.contains(text), "n3 advises {advice}");
    }
    ensure!(cluster.write().is_err(), "somebody serves");
    ensure!(cluster.lineage()?["epoch"] == 1, "another epoch was claimed: {}", cluster.lineage()?);
    ensure!(cluster.clusters_ever()?.len() == 1, "etcd has run in {:?}", cluster.clusters_ever()?);

    cluster.unplug(1)?;
    cluster.wipe(1)?;
    copy(&found, cluster.disk(1))?;
    cluster.start(1)?;
    cluster.is_whole("when a lost disk was found")?;
    cluster.lost_nothing("with a majority of disks")?;
    ensure!(cluster.lineage()?["epoch"] == 1, "another epoch was claimed: {}", cluster.lineage()?);
    cluster.passed(&gate())
}
