//! Planned and unplanned ends of e2d alone, and a life without a store.

use crate::gate;
use anyhow::{Result, ensure};
use e2d_testkit::wait_for;
use e2d_tests_etcd::{PATIENCE, Setup, Store};

/// S3 S17: an e2d that is killed takes no etcd with it. The next one adopts the server that runs, and
/// starts it again when it dies.
#[test]
fn etcd_outlives_its_e2d() -> Result<()> {
    let mut cluster = Setup::new("e2d_dies", 3).build()?;
    cluster.start_all()?;
    let members = cluster.is_whole("at birth")?;
    cluster.start_writing();
    let leader = cluster.leader()?;
    let etcd = cluster.etcd_pid(leader)?;
    cluster.e2d(leader)?.kill()?;
    cluster.serves("while the leader's e2d is dead")?;
    ensure!(cluster.etcd_pid(leader)? == etcd, "the leader's etcd did not live on");

    cluster.start(leader)?;
    wait_for(PATIENCE, "the new e2d to take its etcd up", || -> Result<()> {
        let status = cluster.status(leader)?;
        ensure!(status["serves"] == true, "it says {}", status["waits"]);
        Ok(())
    })?;
    ensure!(cluster.etcd_pid(leader)? == etcd, "the new e2d has started another etcd");
    cluster.kill_etcd(leader)?;
    wait_for(PATIENCE, "another etcd", || cluster.etcd_pid(leader).map(drop))?;
    ensure!(cluster.is_whole("after both died")? == members, "the members have changed");
    cluster.lost_nothing("by dead processes")?;
    cluster.passed(&gate())
}

/// S3 S4: a leader that is told to stop hands its leadership over first, stops its etcd in order, and
/// ends with 0. It comes back as who it was.
#[test]
fn a_leader_that_stops_hands_over() -> Result<()> {
    let mut cluster = Setup::new("hand_over", 3).build()?;
    cluster.start_all()?;
    let members = cluster.is_whole("at birth")?;
    cluster.start_writing();
    for _ in 0..3 {
        let leader = cluster.leader()?;
        cluster.e2d(leader)?.terminate()?;
        let status = cluster.ends(leader)?;
        ensure!(status.success(), "n{leader} ended with {status}");
        ensure!(cluster.etcd_pid(leader).is_err(), "its etcd runs on");
        ensure!(cluster.log(leader)?.contains("\"leadership handed over\""), "n{leader} did not hand over");
        cluster.serves("without the former leader")?;
        cluster.start(leader)?;
        ensure!(cluster.is_whole("after its return")? == members, "the members have changed");
    }
    cluster.lost_nothing("by planned stops")?;
    cluster.passed(&gate())
}

/// S3 S17: all machines lose power, and when it is back there is no store and no DNS. They know one another by the
/// addresses on their disks and serve with what they have, as who they were; so does the next that is alone in it.
#[test]
fn intact_disks_need_neither_store_nor_dns() -> Result<()> {
    let mut cluster = Setup::new("no_store_no_dns", 3).named().build()?;
    cluster.start_all()?;
    let members = cluster.is_whole("at birth")?;
    cluster.archived()?;
    cluster.start_writing();
    cluster.serves("before the power cut")?;
    for n in cluster.all() {
        cluster.power_off(n)?;
        cluster.resolve(n, false)?;
    }
    fs_err::rename(cluster.folder().join("store"), cluster.folder().join("away"))?;
    cluster.start_all()?;
    ensure!(cluster.is_whole("with neither store nor DNS")? == members, "the members have changed");
    cluster.power_off(1)?;
    cluster.serves("without one machine")?;
    cluster.start(1)?;
    ensure!(cluster.is_whole("after its return")? == members, "the members have changed");
    cluster.lost_nothing("without store and DNS")?;
    cluster.passed(&gate())
}

/// S1 S2 S3 S10 S11: without any store: two of three wait; three are born by their vows as one cluster, a
/// lost disk is replaced, and after a power cut of all of them all is there.
#[test]
fn three_nodes_without_a_store() -> Result<()> {
    let mut cluster = Setup::new("storeless", 3).store(Store::None).build()?;
    cluster.start(1)?;
    cluster.start(2)?;
    for n in [1, 2] {
        cluster.waits(n, "2 of 3 nodes are here")?;
    }
    ensure!(cluster.clusters_ever()?.is_empty(), "two of three have started an etcd");
    cluster.start(3)?;
    let born = cluster.is_whole("by vows")?;
    ensure!(cluster.clusters_ever()?.len() == 1, "etcd has run in {:?}", cluster.clusters_ever()?);
    cluster.start_writing();

    cluster.power_off(2)?;
    cluster.wipe(2)?;
    cluster.serves("without a disk")?;
    cluster.start(2)?;
    let healed = cluster.one_replaced(&born, "after its disk was lost")?;
    for n in cluster.all() {
        cluster.power_off(n)?;
    }
    cluster.start_all()?;
    ensure!(cluster.is_whole("after all lost power")? == healed, "a member that keeps its disk stays who it is");
    ensure!(cluster.clusters_ever()?.len() == 1, "etcd has run in {:?}", cluster.clusters_ever()?);
    cluster.lost_nothing("without a store")?;
    cluster.passed(&gate())
}
