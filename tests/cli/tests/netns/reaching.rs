//! `e2d env` leads etcdctl to the cluster.

use crate::machine::{Machine, gate};
use anyhow::{Result, ensure};
use e2d_testkit::{EtcdVersion, Parts};

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
