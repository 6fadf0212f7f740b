//! What a node finds on its disk when it starts.

use crate::orders::calm;
use crate::rig::{Cluster, PATIENCE};
use anyhow::{Result, ensure};
use e2d_testkit::EtcdVersion;
use std::os::unix::fs::FileExt as _;

/// S3, S22: data of a newer etcd is refused before anything is started on it (3.4 would serve it), nothing
/// is touched, and the right etcd goes on with it.
#[test]
fn data_of_a_newer_etcd_is_refused_untouched() -> Result<()> {
    let mut cluster = Cluster::new("newer", EtcdVersion::V3_6, 1)?;
    cluster.serve()?;
    cluster.etcdctl(0, &["put", "kept", "yes"])?;
    ensure!(cluster.stop(0)?.success());
    cluster.install(EtcdVersion::V3_4)?;
    cluster.start(0)?;
    let code = cluster.ended(0)?;
    let log = cluster.log(0)?;
    ensure!(code == Some(78) && log.contains("its cluster ran etcd 3.6, and the etcd here is 3.4"), "{code:?}: {log}");
    cluster.install(EtcdVersion::V3_6)?;
    cluster.serve()?;
    ensure!(cluster.etcdctl(0, &["get", "kept", "--print-value-only"])?.trim() == "yes");
    cluster.passed(&calm().allow("refusing to run", "the etcd was too old"))
}

/// S19: a restore that was cut short leaves no copy of the database behind.
#[test]
fn what_a_torn_restore_left_is_removed_at_the_start() -> Result<()> {
    let mut cluster = Cluster::new("torn", EtcdVersion::V3_6, 1)?;
    let home = cluster.data_dir(0).join("e2d");
    fs_err::create_dir_all(home.join("restore/member/snap"))?;
    fs_err::write(home.join("restore/member/snap/db"), "half a database")?;
    fs_err::write(home.join("restore.db"), "a database")?;
    cluster.serve()?;
    ensure!(!home.join("restore").exists() && !home.join("restore.db").exists(), "copies are left in {home}");
    cluster.passed(&calm())
}

/// S21: who looks at a node that is down sees that, and what its disk and the store show; nothing is changed.
#[test]
fn a_node_that_is_down_is_shown_by_its_disk_and_the_store() -> Result<()> {
    let mut cluster = Cluster::new("down", EtcdVersion::V3_6, 1)?;
    for verb in ["status", "members"] {
        let nothing = cluster.refuses(0, 75, &[verb])?;
        ensure!(nothing.contains("no daemon answers") && !cluster.data_dir(0).exists(), "{nothing}");
    }
    cluster.serve()?;
    let up = cluster.until(0, "a verified archive", |status| status["store"]["verified"] == 1)?;
    ensure!(up["down"] == false);
    ensure!(cluster.stop(0)?.success());
    let config = cluster.data_dir(0).with_extension("toml");
    fs_err::write(&config, format!("snapshot-url = \"{}\"\n", up["store"]["url"].as_str().unwrap_or_default()))?;
    let words = ["status", "--output", "json", "--config", config.as_str()];
    let output = cluster.run(0, &words)?;
    ensure!(output.status.code() == Some(75), "it is no success: {}", output.status);
    ensure!(String::from_utf8_lossy(&output.stderr).contains("no daemon answers"));
    let down: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    ensure!(down["down"] == true && down["node"] == up["node"] && down["phase"] == "member", "{down:#}");
    ensure!(down["lineage"] == up["lineage"] && down["store"]["lineage"] == up["lineage"], "{down:#}");
    ensure!(down["store"]["newest_revision"] == up["store"]["newest_revision"], "{down:#}");
    let member = up["members"][0]["id"].as_str().unwrap_or("none");
    ensure!(down["data"].as_str().is_some_and(|data| data.contains(member)), "{down:#}");
    let table = String::from_utf8(cluster.run(0, &["status"])?.stdout)?;
    ensure!(table.starts_with("daemon    does not run") && table.contains("nothing is supervised"), "{table}");
    // Only the daemon was told where the store is.
    ensure!(table.contains("which store of backups this node uses is not known here"), "{table}");
    ensure!(!table.contains("\nstore ") && !table.contains("cannot be used"), "{table}");
    let output = cluster.run(0, &["members", "--output", "json", "--config", config.as_str()])?;
    ensure!(output.status.code() == Some(75), "it is no success: {}", output.status);
    let members: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    ensure!(members.as_array().map(Vec::len) == Some(1) && members[0]["id"] == member, "{members:#}");
    ensure!(members[0]["peer_url"] == up["members"][0]["peer_url"] && members == down["members"], "{members:#}");
    let table = String::from_utf8(cluster.run(0, &["members", "--config", config.as_str()])?.stdout)?;
    ensure!(table.starts_with("daemon    does not run\nmembers   as this disk last heard of them\n"), "{table}");
    ensure!(table.contains("\nstore     file://") && table.contains(member), "{table}");
    ensure!(table.contains("nothing is supervised"), "{table}");
    // It only looked: the node starts as ever.
    cluster.serve()?;
    cluster.passed(&calm())
}

/// S21: a node that waits for its data disk cannot be asked: what is missing is said all the same.
#[test]
fn a_missing_data_disk_is_named() -> Result<()> {
    let mut cluster = Cluster::new("no-disk", EtcdVersion::V3_6, 1)?;
    let mark = cluster.data_dir(0).with_extension("mark");
    cluster.start_with(0, &["--data-disk", mark.as_str()])?;
    let waiting = "waiting for the data disk, nothing is started";
    e2d_testkit::wait_for(PATIENCE, "the node to wait", || -> Result<()> {
        ensure!(cluster.log(0)?.contains(waiting));
        Ok(())
    })?;
    let config = cluster.data_dir(0).with_extension("toml");
    fs_err::write(&config, format!("data-disk = \"{mark}\"\n"))?;
    let shown = cluster.run(0, &["status", "--config", config.as_str()])?;
    let shown = String::from_utf8(shown.stdout)?;
    ensure!(shown.contains("the data disk is not there") && shown.contains(mark.as_str()), "{shown}");
    ensure!(!shown.contains("does not run: nothing") && !cluster.data_dir(0).exists(), "{shown}");
    fs_err::write(&mark, "")?;
    cluster.serves(0)?;
    cluster.passed(&calm().allow(waiting, "it is not there"))
}

/// What is logged of an alarm that was in an archive.
const TAKEN_BACK: &str = "an alarm came with the archive, and is taken back";

/// S21: a member whose keyspace differs is found while it runs, named in status and metrics, and nothing is destroyed.
#[test]
fn a_member_that_holds_something_else_is_in_doubt() -> Result<()> {
    for version in [EtcdVersion::V3_4, EtcdVersion::V3_6] {
        let mut cluster = Cluster::new("doubt", version, 3)?;
        (0..3).try_for_each(|n| cluster.start_with(n, &["--health-check-interval", "1s"]))?;
        (0..3).try_for_each(|n| cluster.serves(n))?;
        let leader = cluster.leader()?;
        cluster.etcdctl(leader, &["put", "here", "the-right-words"])?;
        let other = (leader + 1) % 3;
        let database = cluster.data_dir(other).join("member/snap/db");
        let bytes = e2d_testkit::wait_for(PATIENCE, "the write to reach the other's disk", || {
            let bytes = fs_err::read(&database)?;
            let there = bytes.windows(15).any(|window| window == b"the-right-words");
            if there { Ok(bytes) } else { Err(std::io::Error::other("not there")) }
        })?;
        // The disk gives back something else than was written.
        let file = std::fs::OpenOptions::new().write(true).open(&database)?;
        for at in bytes.windows(15).enumerate().filter(|(_, window)| *window == b"the-right-words").map(|(at, _)| at) {
            file.write_all_at(b"the-wrong-words", at as u64)?;
        }
        // Sums are taken of revisions, so something must be written between two of them.
        let mut n = 0;
        let status = cluster.until(leader, "the difference to be found", |status| {
            n += 1;
            let _ = cluster.etcdctl(leader, &["put", "tick", &n.to_string()]);
            status["members"].as_array().is_some_and(|members| members.iter().any(|member| member["in_doubt"] == true))
        })?;
        let doubted: Vec<_> =
            status["members"].as_array().into_iter().flatten().filter(|m| m["in_doubt"] == true).collect();
        let address = cluster.address(other).to_string();
        ensure!(
            doubted.len() == 1 && doubted[0]["peer_url"].as_str().is_some_and(|url| url.contains(&address)),
            "{status:#}"
        );
        ensure!(cluster.say(leader, &["status"])?.contains("its data differs"));
        ensure!(cluster.say(leader, &["why"])?.contains("is in doubt"));
        ensure!(!cluster.data_dir(other).join("e2d/quarantine").exists(), "nothing is set aside");
        cluster.passed(&calm().allow("a member's keyspace differs from the leader's", "its disk was made to lie"))?;
    }
    Ok(())
}

/// S13 S21: an archive that was taken under an alarm restores: the alarm, which would keep the cluster from going live, is taken
/// back, and said.
#[test]
fn an_alarm_does_not_outlive_a_restore() -> Result<()> {
    for version in [EtcdVersion::V3_4, EtcdVersion::V3_6] {
        let mut cluster = Cluster::new("alarm", version, 1)?;
        cluster.own_programs()?;
        ["etcd", "etcdctl"].iter().try_for_each(|name| cluster.replace(name, version))?;
        cluster.replace("etcdutl", EtcdVersion::V3_6)?;
        let small = ["--etcd-quota-bytes", "16MiB", "--snapshot-interval", "1s"];
        cluster.start_with(0, &small)?;
        cluster.serves(0)?;
        cluster.etcdctl(0, &["put", "first", "1"])?;
        let value = "v".repeat(100_000);
        let full = (0..300).find_map(|n| cluster.etcdctl(0, &["put", &format!("bulk{n}"), &value]).err());
        ensure!(full.is_some_and(|why| why.to_string().contains("space exceeded")), "the quota was not used up");
        // Even a full etcd takes this, so that there is something to archive.
        cluster.etcdctl(0, &["del", "first"])?;
        let read: serde_json::Value = serde_json::from_str(&cluster.etcdctl(0, &["get", "first", "-w", "json"])?)?;
        let revision = read["header"]["revision"].as_u64();
        cluster.until(0, "an archive", |status| status["store"]["newest_revision"].as_u64() == revision)?;
        cluster.kill(0)?;
        fs_err::remove_dir_all(cluster.data_dir(0))?;
        cluster.start_with(0, &small)?;
        cluster.serves(0)?;
        ensure!(cluster.etcdctl(0, &["alarm", "list"])?.trim().is_empty(), "the alarm came back");
        let taken = cluster.log(0)?.matches(TAKEN_BACK).count();
        ensure!(taken >= 1, "it says nothing of it");
        ensure!(cluster.stop(0)?.success());
        cluster.start_with(0, &["--etcd-quota-bytes", "64MiB"])?;
        cluster.serves(0)?;
        cluster.etcdctl(0, &["put", "then", "1"])?;
        cluster.passed(&calm().allow(TAKEN_BACK, "that is what is shown"))?;
    }
    Ok(())
}

/// S21: an etcd that asks e2d who it is is said to do so, in status and by what to do; when it asks no longer, all goes on.
#[test]
fn an_etcd_that_is_locked_says_so() -> Result<()> {
    for version in [EtcdVersion::V3_4, EtcdVersion::V3_6] {
        let mut cluster = Cluster::new("locked", version, 1)?;
        cluster.start(0)?;
        cluster.serves(0)?;
        for words in [&["user", "add", "root:secret"][..], &["user", "grant-role", "root", "root"], &["auth", "enable"]]
        {
            cluster.etcdctl(0, words)?;
        }
        let locked = |status: &serde_json::Value| {
            let said = |key: &str, text: &str| status[key].to_string().contains(text);
            said("waits", "etcd has authentication enabled") && said("advice", "auth disable")
        };
        cluster.until(0, "it to be said", locked)?;
        cluster.etcdctl(0, &["--user", "root:secret", "auth", "disable"])?;
        cluster.serves(0)?;
        cluster.until(0, "it to be over", |status| !locked(status))?;
        cluster.passed(&calm())?;
    }
    Ok(())
}

/// S3, S21: a lone survivor waits, names who is lost and what to do, and goes on when one comes back.
#[test]
fn a_lone_survivor_names_the_lost_and_the_way_out() -> Result<()> {
    let mut cluster = Cluster::new("alone", EtcdVersion::V3_6, 3)?;
    cluster.serve()?;
    cluster.kill(1)?;
    cluster.kill(2)?;
    let advised = |status: &serde_json::Value, words: &[&str]| {
        let lines = status["advice"].as_array().map(Vec::as_slice).unwrap_or_default();
        let text: Vec<&str> = lines.iter().filter_map(serde_json::Value::as_str).collect();
        words.iter().all(|word| text.join("; ").contains(word))
    };
    let (one, two) = (cluster.address(1).to_string(), cluster.address(2).to_string());
    let words = [one.as_str(), two.as_str(), "1 of 3 members are here", "start 1 more", "verified archive"];
    cluster.until(0, "the lost to be named", |status| advised(status, &words))?;
    ensure!(cluster.run(0, &["status"])?.stdout.windows(6).any(|window| window == b"advice"));
    cluster.start(1)?;
    cluster.until(0, "the cluster to go on", |status| status["serves"] == true && !advised(status, &["lost"]))?;
    cluster.passed(&calm())
}
