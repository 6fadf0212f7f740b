//! From a node's backup to a plain etcd that serves it.

use crate::machine::{Machine, PATIENCE, gate};
use anyhow::{Result, ensure};
use e2d_testkit::{EtcdVersion, wait_for};
use serde_json::Value;

/// S15: what is taken on demand is verified, and is there when the verb ends.
#[test]
fn a_backup_on_demand_is_there_and_verified() -> Result<()> {
    let machine = Machine::new("save", EtcdVersion::DEFAULT)?;
    let down = machine.verb(&["snapshot", "save"])?;
    ensure!(down.code == Some(75) && down.stdout.is_empty(), "{down:#?}");
    let node = machine.serve(&[])?;
    machine.etcdctl(&[], "put a b")?;
    let saved = machine.json(&["snapshot", "save"])?;
    let id = saved["id"].as_str().unwrap_or_default();
    let shown = machine.json(&["snapshot", "show", &id[..12]])?;
    ensure!(shown["state"] == "verified" && shown["check"]["keys"] == 1, "{shown:#}");
    ensure!(machine.done(&["snapshot", "save"])?.contains("taken and verified: 1 keys at revision 2"));
    Machine::stop(node)?;
    machine.passed(&gate())
}

/// S7 S9 S15: what a node archived comes back in a plain etcd of the same version, above the revision that
/// clients have seen, with everything before compacted.
#[test]
fn a_plain_etcd_serves_what_was_restored() -> Result<()> {
    for version in EtcdVersion::covered()? {
        let machine = Machine::new("restore", version)?;
        // 3.4 brings no etcdutl: it stands beside a newer one.
        let newer = machine.folder().join("bin");
        fs_err::create_dir(&newer)?;
        let parts = e2d_testkit::Parts::locate()?;
        let etcdutl = parts.etcd(EtcdVersion::DEFAULT)?.join("etcdutl");
        for (from, name) in [
            (machine.etcd.join("etcd"), "etcd"),
            (machine.etcd.join("etcdctl"), "etcdctl"),
            (if version == EtcdVersion::V3_4 { etcdutl } else { machine.etcd.join("etcdutl") }, "etcdutl"),
        ] {
            std::os::unix::fs::symlink(from, newer.join(name))?;
        }
        let node = machine.serve(&["--snapshot-interval", "1s"])?;
        for n in 0..20 {
            machine.etcdctl(&[], &format!("put key-{n} value-{n}"))?;
        }
        let before: Value = serde_json::from_str(&machine.etcdctl(&[], "get key-19 -w json")?)?;
        let revision = before["header"]["revision"].as_i64().unwrap_or_default();
        let taken = wait_for(PATIENCE, "an archive with everything in it", || -> Result<Value> {
            let listed = machine.json(&["snapshot", "list"])?;
            let rows = listed.as_array().cloned().unwrap_or_default();
            let whole = rows.into_iter().find(|row| row["check"]["revision"].as_i64() == Some(revision));
            whole.ok_or_else(|| anyhow::anyhow!("{listed}"))
        })?;
        let into = machine.folder().join("restored");
        let id = taken["id"].as_str().unwrap_or_default();
        let restore = ["restore", &id[..12], "--into", into.as_str(), "--etcd-bin-dir", newer.as_str()];
        let shown = machine.json(&[&restore[..], &["--dry-run"]].concat())?;
        ensure!(shown["lost"].to_string().contains("the running cluster is at revision"), "{shown}");
        machine.json(&[&restore[..], &["--yes"]].concat())?;
        Machine::stop(node)?;

        let mut etcd = machine.command(machine.etcd.join("etcd"));
        let mut plain = machine.scratch.spawn("plain-etcd.out", etcd.args(["--data-dir", into.as_str()]))?;
        let get = |arguments: &str| machine.etcdctl(&[], arguments);
        let found = wait_for(PATIENCE, "the plain etcd to serve", || get("get key-19 -w json"))?;
        let found: Value = serde_json::from_str(&found)?;
        ensure!(found["kvs"] == before["kvs"], "{found}");
        ensure!(found["header"]["cluster_id"] != before["header"]["cluster_id"], "it passes for the old cluster");
        let after = found["header"]["revision"].as_i64().unwrap_or_default();
        ensure!(after == revision + 1_000_000_000, "{after} after {revision}");
        let old = get(&format!("get key-19 --rev={revision}")).err().map(|error| error.to_string());
        ensure!(old.is_some_and(|error| error.contains("compacted")), "what was before is not compacted");
        ensure!(get("get key- --prefix --keys-only")?.matches("key-").count() == 20);
        plain.terminate()?;
        plain.wait(PATIENCE)?;
        machine.passed(&gate())?;
    }
    Ok(())
}
