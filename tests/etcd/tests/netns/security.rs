//! Who has no key learns nothing and changes nothing.

use crate::gate;
use anyhow::{Result, ensure};
use e2d_testkit::{Signal, wait_for};
use e2d_tests_etcd::{Cluster, PATIENCE, Setup, mode};
use std::time::Duration;

/// How much an e2d may grow under garbage, in kB.
const GROWTH_KB: u64 = 32 * 1024;

/// S18: three nodes with keys. etcd takes mutual TLS, from clients and from peers; a stranger without a
/// key, or with another one, meets nobody, and nobody notices.
#[test]
fn a_stranger_meets_nobody() -> Result<()> {
    let mut cluster = Setup::new("stranger", 3).with_keys().spares(1).build()?;
    cluster.start_all()?;
    let members = cluster.is_whole("with keys")?;
    let stranger = 4;
    for with_other_keys in [false, true] {
        if with_other_keys {
            cluster.other_keys(stranger)?;
        }
        cluster.start(stranger)?;
        cluster.waits(stranger, "1 of 3 nodes are here")?;
        cluster.lasts(Duration::from_secs(5));
        cluster.waits(stranger, "1 of 3 nodes are here")?;
        for n in cluster.all() {
            ensure!(alive(&cluster, n)? == 2, "n{n} has met the stranger");
        }
        ensure!(alive(&cluster, stranger)? == 0, "the stranger has met somebody");
        cluster.unplug(stranger)?;
    }

    let ours = Some(("pki/n1/client.crt", "pki/n1/client.key"));
    let peer = Some(("pki/n1/peer.crt", "pki/n1/peer.key"));
    let theirs = Some(("pki-other/n1/peer.crt", "pki-other/n1/peer.key"));
    for (port, good) in [(2379, ours), (2380, peer)] {
        ensure!(cluster.lets_in(1, port, good)?, "port {port} refuses its own");
        ensure!(!cluster.lets_in(1, port, None)?, "port {port} lets in who has no certificate");
        ensure!(!cluster.lets_in(1, port, theirs)?, "port {port} lets in who has another authority's certificate");
    }
    ensure!(cluster.is_whole("after the strangers")? == members, "a stranger has changed the members");
    cluster.passed(&gate())
}

/// S18: what was said on the wire is not readable, and played again to machines that have started
/// since, it tells them nothing: who is off stays off.
#[test]
fn a_tape_played_again_changes_nothing() -> Result<()> {
    let mut cluster = Setup::new("tape", 3).with_keys().silence("5m").build()?;
    // From the first word on: how they meet is on the tape too.
    let recorder = cluster.record();
    cluster.start_all()?;
    let members = cluster.is_whole("with keys")?;
    let tape = recorder.stop()?;
    ensure!(tape.len() > 20, "{} datagrams were heard", tape.len());
    for secret in ["2380", "10.77.0", "phase", "lineage"] {
        ensure!(!tape.shows(secret), "the wire shows {secret:?}");
    }
    cluster.power_off(3)?;
    for n in [1, 2] {
        // etcd runs on; only e2d forgets with whom it spoke.
        cluster.e2d(n)?.kill()?;
        cluster.start(n)?;
    }
    for _ in 0..5 {
        for n in [1, 2] {
            wait_for(PATIENCE, "the two to see each other", || -> Result<()> {
                let peers = alive(&cluster, n)?;
                ensure!(peers == 1, "n{n} sees {peers} others");
                Ok(())
            })?;
        }
        cluster.play(&tape)?;
        cluster.lasts(Duration::from_secs(1));
        for n in [1, 2] {
            ensure!(alive(&cluster, n)? == 1, "n{n} was told by a tape that n3 lives");
        }
    }
    cluster.start(3)?;
    ensure!(cluster.is_whole("after the tape")? == members, "a tape has changed the members");
    cluster.passed(&gate())
}

/// S18: the key of gossip is changed on three nodes while they run, one node after the other: the new one is taken beside the
/// former, then used, then the former is dropped. At no time does anybody lose sight of anybody, and who comes with the
/// former key alone at the end meets nobody.
#[test]
fn keys_of_gossip_are_changed_while_all_run() -> Result<()> {
    let mut cluster = Setup::new("new_key", 3).with_keys().spares(1).build()?;
    let stranger = 4;
    let files = |n: u8| ["seals", "opens"].map(|name| cluster.folder().join(format!("{name}-{n}")));
    let all: Vec<_> = cluster.all().chain([stranger]).map(files).collect();
    let write = |n: u8, keys: [u8; 2]| -> Result<()> {
        for (file, key) in all[usize::from(n) - 1].iter().zip(keys) {
            fs_err::write(file, format!("{key:02x}ee57cfb3c184e6c489c45897ff0754684accf6376e1bfac280f74c5e1b4a30"))?;
            mode(file, 0o600)?;
        }
        Ok(())
    };
    for n in cluster.all().chain([stranger]) {
        write(n, [1, 9])?;
        cluster.flags(n, &["--gossip-key-file", &all[usize::from(n) - 1].clone().map(String::from).join(",")]);
    }
    cluster.start_all()?;
    let members = cluster.is_whole("with the former key")?;
    for (rounds, keys) in (1..).zip([[1, 2], [2, 1], [2, 9]]) {
        for n in cluster.all() {
            write(n, keys)?;
            cluster.e2d(n)?.signal(Signal::HUP)?;
            wait_for(PATIENCE, "the keys to be read again", || -> Result<()> {
                // The certificates of etcd's peers and clients come first.
                let read = cluster.log(n)?.matches("certificate read again").count();
                ensure!(read >= 2 * rounds, "{read} times");
                Ok(())
            })?;
            if n == 1 {
                // Long enough for one that is not understood to be missed.
                cluster.lasts(Duration::from_secs(4));
            }
            for n in cluster.all() {
                ensure!(alive(&cluster, n)? == 2, "n{n} has lost somebody with keys {keys:?}");
            }
        }
    }
    cluster.other_keys(stranger)?;
    cluster.start(stranger)?;
    cluster.waits(stranger, "1 of 3 nodes are here")?;
    cluster.lasts(Duration::from_secs(5));
    ensure!(alive(&cluster, stranger)? == 0, "who has the former key has met somebody");
    cluster.unplug(stranger)?;
    ensure!(cluster.is_whole("with the new key")? == members, "the members have changed");
    for n in cluster.all() {
        cluster.power_off(n)?;
    }
    cluster.start_all()?;
    ensure!(cluster.is_whole("after all lost power")? == members, "the members have changed");
    cluster.archived()?;
    cluster.passed(&gate())
}

/// S18 S22: ten seconds of garbage and of oversized messages at the gossip ports, by UDP and TCP, leave
/// the cluster whole and e2d's memory bounded.
#[test]
fn garbage_costs_bounded_memory() -> Result<()> {
    let mut cluster = Setup::new("garbage", 3).with_keys().build()?;
    cluster.start_all()?;
    let members = cluster.is_whole("with keys")?;
    let before = cluster.all().map(|n| cluster.memory_kb(n)).collect::<Result<Vec<_>>>()?;
    let sent = cluster.garbage(Duration::from_secs(10))?;
    ensure!(sent > 1000, "only {sent} datagrams were sent");
    for (n, before) in cluster.all().zip(before) {
        let after = cluster.memory_kb(n)?;
        ensure!(after <= before + GROWTH_KB, "n{n} has {after} kB after {sent} datagrams, and had {before} kB");
        ensure!(alive(&cluster, n)? == 2, "n{n} has lost somebody");
    }
    ensure!(cluster.is_whole("after the garbage")? == members, "garbage has changed the members");
    cluster.passed(&gate())
}

/// How many other nodes a node holds alive.
fn alive(cluster: &Cluster, n: u8) -> Result<usize> {
    let status = wait_for(PATIENCE, "a status", || cluster.status(n))?;
    let peers = status["peers"].as_array().map(Vec::as_slice).unwrap_or_default();
    Ok(peers.iter().filter(|peer| peer["alive"] == true).count())
}
