//! Verbs find what a daemon was told and they were not: `e2d env` its members, the verbs about backups its store.

use crate::machine::{Ended, Machine, PATIENCE, gate};
use anyhow::{Result, ensure};
use e2d_testkit::{EtcdVersion, Parts, wait_for};

/// Without keys and with them, beside a daemon that runs and one that is killed.
#[test]
fn etcdctl_reaches_the_cluster_by_what_env_says() -> Result<()> {
    for version in EtcdVersion::covered()? {
        let machine = Machine::new("env", version)?;
        let mut node = machine.serve(&["--client-addr", "127.0.0.1:4001"])?;
        // The configuration of the verb says nothing of the port: the daemon does.
        ensure!(machine.done(&["env"])?.contains("ETCDCTL_ENDPOINTS=http://127.0.0.1:4001\n"));
        machine.etcdctl(&[], "put a b")?;
        node.kill()?;
        // The disk knows the member, and not the port.
        ensure!(machine.done(&["env"])?.contains("ETCDCTL_ENDPOINTS=http://127.0.0.1:2379\n"));
        let node = machine.serve(&["--client-addr", "127.0.0.1:4001"])?;
        Machine::stop(node)?;
        machine.passed(&gate())?;
    }
    Ok(())
}

/// With certificates they are in the variables, and the client's own is taken.
#[test]
fn certificates_are_part_of_the_variables() -> Result<()> {
    let machine = Machine::new("env-tls", EtcdVersion::DEFAULT)?;
    let folder = machine.folder().join("it's keys");
    let run = |arguments: &[&str]| -> Result<()> {
        let output = machine.command(Parts::e2d()?).arg("pki").args(arguments).output()?;
        ensure!(output.status.success(), "{output:?}");
        Ok(())
    };
    let (ca_cert, ca_key) = (folder.join("ca.crt"), folder.join("ca.key"));
    let authority = ["--ca-cert", ca_cert.as_str(), "--ca-key", ca_key.as_str(), "--key-type", "ecdsa"];
    fs_err::create_dir(&folder)?;
    run(&[&["init"], &authority[..]].concat())?;
    run(&[&["gencerts", "--hosts", &machine.address(), "--output-dir", folder.as_str()], &authority[..]].concat())?;
    let config = machine.folder().join("e2d.toml");
    let file = |name: &str, file: &str| format!("{name} = {:?}\n", folder.join(file));
    let keys = [
        file("ca-cert", "ca.crt"),
        file("ca-key", "ca.key"),
        file("peer-cert", "peer.crt"),
        file("peer-key", "peer.key"),
        file("server-cert", "server.crt"),
        file("server-key", "server.key"),
    ];
    fs_err::write(&config, keys.concat() + &format!("host = '{}'\n", machine.address()))?;
    let node = machine.serve(&["--config", config.as_str()])?;
    let variables = machine.done(&["env", "--config", config.as_str()])?;
    ensure!(machine.done(&["env"])? == variables, "the daemon says the same");
    ensure!(variables.contains(&format!("https://{}:2379", machine.address())) && variables.contains("client.key"));
    machine.etcdctl(&["--config", config.as_str()], "put a b")?;
    Machine::stop(node)?;
    let bare = machine.verb(&["env"])?;
    ensure!(bare.code == Some(78) && bare.stdout.is_empty(), "https without certificates: {bare:#?}");
    machine.passed(&gate())
}

/// A verb that was told of no store looks into the daemon's; one that was told otherwise does not.
#[test]
fn verbs_look_into_the_store_of_the_daemon() -> Result<()> {
    let machine = Machine::new("store", EtcdVersion::DEFAULT)?;
    let (used, other) = (machine.folder().join("used"), machine.folder().join("other"));
    for folder in [&used, &other] {
        fs_err::create_dir(folder)?;
    }
    let node = machine.serve(&["--snapshot-url", &format!("file://{used}/")])?;
    let saved = wait_for(PATIENCE, "an archive", || machine.json(&["snapshot", "save"]))?;
    let id = saved["id"].as_str().unwrap_or_default();
    for verb in [
        &["snapshot", "show", &id[..12]][..],
        &["restore", &id[..12], "--into", "into", "--dry-run", "--etcd-bin-dir", machine.etcd.as_str()],
    ] {
        let shown = machine.json(verb)?;
        ensure!(shown.to_string().contains(id), "{verb:?}: {shown:#}");
    }
    machine.done(&["snapshot", "export", id, "--to", machine.folder().join("out.db").as_str()])?;
    machine.done(&["snapshot", "verify", id])?;

    let other = format!("file://{other}/");
    let list = |more: &[&str]| machine.json(&[&["snapshot", "list"], more].concat());
    ensure!(list(&["--snapshot-url", &other])?.as_array().is_some_and(Vec::is_empty), "a flag says otherwise");
    let config = machine.folder().join("e2d.toml");
    fs_err::write(&config, format!("snapshot-url = {other:?}\n"))?;
    ensure!(list(&["--config", config.as_str()])?.as_array().is_some_and(Vec::is_empty), "a file says otherwise");
    // What a file says of other things names no store.
    fs_err::write(&config, "required-cluster-size = 3\n")?;
    ensure!(list(&["--config", config.as_str()])?.as_array().is_some_and(|rows| !rows.is_empty()));
    Machine::stop(node)?;
    let down = machine.verb(&["snapshot", "list"])?;
    ensure!(down.code == Some(75) && down.stdout.is_empty(), "the daemon cannot be asked: {down:#?}");

    let node = machine.serve(&["--snapshot-url", "none"])?;
    let listed = machine.verb(&["snapshot", "list"])?;
    ensure!(listed.code == Some(78) && listed.stderr.contains("no store of backups"), "{listed:#?}");
    Machine::stop(node)?;
    machine.passed(&gate())
}

/// The variables of the former program, as its units set them, run a node and are found by the verbs beside it.
#[test]
fn variables_of_the_former_program_run_a_node() -> Result<()> {
    let machine = Machine::new("former", EtcdVersion::V3_4)?;
    let store = machine.folder().join("store");
    fs_err::create_dir(&store)?;
    let url = format!("file://{store}/");
    let variables = [
        ("E2D_NAME", "former-name"),
        ("E2D_DATA_DIR", machine.data.as_str()),
        ("E2D_HOST", "127.0.0.1"),
        ("E2D_CLIENT_ADDR", "127.0.0.1:4001"),
        ("E2D_SNAPSHOT_BACKUP_URL", &url),
        ("E2D_SNAPSHOT_COMPRESSION", "true"),
        ("E2D_SNAPSHOT_ENCRYPTION", "false"),
        ("E2D_SNAPSHOT_INTERVAL", "1s"),
        ("E2D_HEALTH_CHECK_INTERVAL", "1m"),
        ("E2D_HEALTH_CHECK_TIMEOUT", "5m"),
    ];
    let e2d = |words: &[&str]| -> Result<std::process::Command> {
        let mut command = machine.command(Parts::e2d()?);
        command.args(words).envs(variables);
        Ok(command)
    };
    let mut run = e2d(&["run", "-n", "1", "--etcd-bin-dir", machine.etcd.as_str(), "--log-format", "json"])?;
    let node = machine.scratch.spawn("node", &mut run)?;
    wait_for(PATIENCE, "a backup", || -> Result<()> {
        let shown: Ended = e2d(&["status", "--output", "json"])?.output()?.into();
        let status: serde_json::Value = serde_json::from_str(&shown.stdout)?;
        ensure!(status["store"]["verified"].as_i64() >= Some(1), "{status:#}");
        ensure!(status["client_url"] == "http://127.0.0.1:4001", "{status:#}");
        Ok(())
    })?;
    ensure!(store.join("archives").is_dir(), "the backup is elsewhere");
    let members = machine.etcdctl(&[], "member list")?;
    ensure!(members.contains(", former-name-") && members.contains("http://127.0.0.1:4001"), "{members}");
    Machine::stop(node)?;
    machine.passed(&gate())
}
