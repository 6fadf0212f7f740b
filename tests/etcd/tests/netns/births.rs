//! One cluster, and never an empty one by accident.

use crate::gate;
use anyhow::{Result, ensure};
use e2d_tests_etcd::{BOUND_BY_MODES, Cluster, Setup, Store, copy, mode};
use std::time::Duration;

/// Exactly one cluster has ever been, and it was born once.
fn one_birth(cluster: &Cluster) -> Result<()> {
    let ever = cluster.clusters_ever()?;
    ensure!(ever.len() == 1, "etcd has run in the clusters {ever:?}");
    let lineage = cluster.lineage()?;
    let born_once = lineage["epoch"] == 1 && lineage["history"].as_array().is_some_and(Vec::is_empty);
    ensure!(born_once && lineage["state"] == "live", "the lineage is {lineage}");
    for n in cluster.all() {
        let log = cluster.log(n)?;
        ensure!(!log.contains("data set aside"), "n{n} had data of another cluster");
    }
    Ok(())
}

/// S1 S2: three nodes that start twenty seconds apart are one cluster, and nothing before all are there.
#[test]
fn three_nodes_that_start_apart_are_one_cluster() -> Result<()> {
    let mut cluster = Setup::new("start_apart", 3).build()?;
    for n in [1, 2] {
        cluster.start(n)?;
        cluster.lasts(Duration::from_secs(20));
        cluster.waits(n, &format!("{n} of 3 nodes are here"))?;
        ensure!(cluster.clusters_ever()?.is_empty(), "{n} of 3 have started an etcd");
    }
    cluster.start(3)?;
    cluster.is_whole("when the last has come")?;
    one_birth(&cluster)?;
    cluster.passed(&gate())
}

/// S1 S2: three nodes that cannot see one another, and then only some of them, are one cluster when they
/// can, and none before.
#[test]
fn three_nodes_that_do_not_see_each_other_are_one_cluster() -> Result<()> {
    let mut cluster = Setup::new("blind", 3).build()?;
    let pairs = [(1, 2), (1, 3), (2, 3)];
    for (a, b) in pairs {
        cluster.network().cut(a, b)?;
    }
    cluster.start_all()?;
    for n in cluster.all() {
        cluster.waits(n, "1 of 3 nodes are here")?;
    }
    cluster.network().heal(1, 2)?;
    for n in [1, 2] {
        cluster.waits(n, "2 of 3 nodes are here")?;
    }
    ensure!(cluster.clusters_ever()?.is_empty(), "two of three have started an etcd");
    // One way first: what one hears of the other may not be enough to be born with it.
    cluster.network().heal_all()?;
    for other in [1, 2] {
        cluster.network().cut_one_way(other, 3)?;
    }
    cluster.lasts(Duration::from_secs(5));
    cluster.network().heal_all()?;
    cluster.is_whole("when all see each other")?;
    one_birth(&cluster)?;
    cluster.passed(&gate())
}

/// S1 S2: three nodes, each with a private folder for a store, form nothing. Who sees another lineage in
/// another's store is refused before anything has started; who claimed waits for it.
#[test]
fn private_folders_are_no_store() -> Result<()> {
    let mut cluster = Setup::new("private_folders", 3).store(Store::Private).build()?;
    cluster.start_all()?;
    let refused = cluster.some_end(3)?;
    for (n, code) in refused {
        ensure!(code == Some(78), "n{n} ended with {code:?}");
        ensure!(cluster.log(n)?.contains("do not share one store"), "n{n} does not say why");
    }
    ensure!(cluster.clusters_ever()?.is_empty(), "somebody has started an etcd");
    cluster.passed(&gate().allow("refusing to run", "that is what is shown"))
}

/// S2 S21: a store that is missing, a file, denied, or that holds a damaged archive and nothing else, is
/// not an empty store: no cluster is born over it, each node says why it waits, and the cluster is born
/// by itself when the store is there.
#[test]
fn a_store_in_trouble_is_not_an_empty_store() -> Result<()> {
    let mut cluster = Setup::new("store_trouble", 3).build()?;
    let store = cluster.folder().join("mnt/store");
    cluster.store_at(&store);
    for n in cluster.all() {
        cluster.wrap(n, &BOUND_BY_MODES);
    }
    let all_wait = |cluster: &Cluster, reason: &str| -> Result<()> {
        cluster.all().try_for_each(|n| cluster.waits(n, reason))?;
        ensure!(cluster.clusters_ever()?.is_empty(), "somebody has started an etcd");
        for n in cluster.all() {
            ensure!(!cluster.log(n)?.contains("claim epoch"), "n{n} has claimed a birth");
        }
        Ok(())
    };

    cluster.start_all()?;
    all_wait(&cluster, "mnt/store does not exist")?;

    fs_err::create_dir(cluster.folder().join("mnt"))?;
    fs_err::write(&store, "a file where a folder was")?;
    all_wait(&cluster, "Not a directory")?;

    fs_err::remove_file(&store)?;
    fs_err::create_dir(&store)?;
    mode(&store, 0o000)?;
    all_wait(&cluster, "denied")?;

    // Filled while nobody can look, so that nobody has seen it empty.
    mode(&store, 0o700)?;
    fs_err::rename(&store, store.with_extension("aside"))?;
    all_wait(&cluster, "mnt/store does not exist")?;
    let archive = store.with_extension("aside").join("archives/00000000000000000001");
    fs_err::create_dir_all(&archive)?;
    let name = format!("{:020}-{:032x}", 7, 7);
    for ending in ["db.zst", "manifest", "check"] {
        fs_err::write(archive.join(format!("{name}.{ending}")), "damaged")?;
    }
    fs_err::rename(store.with_extension("aside"), &store)?;
    all_wait(&cluster, "backups but no lineage")?;

    fs_err::remove_dir_all(store.join("archives"))?;
    cluster.is_whole("when the store is there")?;
    cluster.passed(&gate())
}

/// S2 S21: the store is a share that is not mounted. Its empty mount point is no empty store; the cluster is born when
/// the share is there.
#[test]
fn an_empty_mount_point_is_not_an_empty_store() -> Result<()> {
    let mut cluster = Setup::new("mount_point", 3).build()?;
    let share = cluster.folder().join("mnt");
    cluster.store_at(&share);
    for n in cluster.all() {
        cluster.expect_mount(n, "mnt")?;
    }
    cluster.start_all()?;
    for n in cluster.all() {
        cluster.waits(n, "nothing is mounted there")?;
        ensure!(!cluster.log(n)?.contains("claim epoch"), "n{n} has claimed a birth");
    }
    for n in cluster.all() {
        cluster.mount_now(n, "store", "mnt")?;
    }
    cluster.is_whole("when the share is mounted")?;
    one_birth(&cluster)?;
    cluster.passed(&gate())
}

/// S2 S3 S21: every disk is lost, and the store is away, and then holds only damaged archives: nothing empty
/// takes its place, the reason is said, and the cluster comes back by itself when the store does.
#[test]
fn all_disks_lost_and_the_store_away() -> Result<()> {
    let mut cluster = Setup::new("store_away", 3).build()?;
    cluster.start_all()?;
    let before = cluster.is_whole("at birth")?;
    let (id, _) = cluster.header()?;
    cluster.archived()?;
    for n in cluster.all() {
        cluster.power_off(n)?;
        cluster.wipe(n)?;
    }
    let (store, away) = (cluster.folder().join("store"), cluster.folder().join("away"));
    fs_err::rename(&store, &away)?;
    cluster.start_all()?;
    cluster.all().try_for_each(|n| cluster.waits(n, "does not exist"))?;

    copy(&away, &store)?;
    ensure!(cluster.damage_archives()? > 0, "there was nothing to damage");
    cluster.tells("cannot be decoded")?;
    ensure!(cluster.write().is_err(), "somebody serves");
    // Somebody had another copy of the archives.
    fs_err::remove_dir_all(store.join("archives"))?;
    copy(&away.join("archives"), &store.join("archives"))?;
    cluster.is_whole_without(&before, "when the store is back")?;
    cluster.lost_nothing("that was archived")?;
    let (after, _) = cluster.header()?;
    ensure!(after != id, "a restored cluster has an id of its own");
    cluster.passed(&gate())
}
