//! `hold`, `release`, `step-down`, `members remove` and the order to take an archive, on running clusters.

use crate::rig::{Cluster, PATIENCE};
use anyhow::{Context as _, Result, ensure};
use e2d_testkit::{EtcdVersion, LogGate, wait_for};
use serde_json::Value;

fn member<'a>(status: &'a Value, address: &str) -> Result<&'a str> {
    let members = status["members"].as_array().context("no members")?;
    let here = |member: &&Value| member["peer_url"].as_str().is_some_and(|url| url.contains(address));
    members.iter().find(here).and_then(|member| member["id"].as_str()).context("no such member")
}

/// S6, S21: a hold reaches every node, outlasts a restart of each, stops a removal that would come, and
/// neither etcd's restart nor backups; released, the removal comes.
#[test]
fn a_hold_stops_what_is_automatic_on_every_node_and_outlasts_a_restart() -> Result<()> {
    let mut cluster = Cluster::new("hold", EtcdVersion::V3_6, 3)?;
    let flags = ["--health-check-timeout", "2s", "--snapshot-interval", "1s"];
    (0..3).try_for_each(|n| cluster.start_with(n, &flags))?;
    (0..3).try_for_each(|n| cluster.serves(n))?;
    let said = cluster.say(1, &["hold", "--reason", "network maintenance", "--for", "2h"])?;
    ensure!(said.contains("network maintenance"), "{said}");
    ensure!(cluster.say(1, &["plan"])?.contains("nothing to do"), "all is well");
    let held = |status: &Value| status["hold"]["reason"] == "network maintenance";
    for n in 0..3 {
        cluster.until(n, "the hold to arrive", held)?;
    }
    ensure!(cluster.say(0, &["status"])?.contains("held      for"), "status names the hold");
    // A restart remembers it, also while nobody else could tell.
    ensure!(cluster.stop(0)?.success());
    ensure!(cluster.stop(1)?.success());
    ensure!(cluster.stop(2)?.success());
    cluster.start_with(2, &flags)?;
    cluster.until(2, "the hold to be remembered", held)?;
    cluster.start_with(0, &flags)?;
    cluster.start_with(1, &flags)?;
    (0..3).try_for_each(|n| cluster.serves(n))?;
    // A dead etcd is started again all the same.
    let pid = cluster.etcd_pid(0).context("no etcd")?;
    cluster.kill_etcd(0);
    cluster.until(0, "etcd to run again", |status| status["serves"] == true && cluster.etcd_pid(0) != Some(pid))?;
    // A voter dies: the removal is planned, and held.
    let leader = cluster.leader()?;
    let dead = (leader + 1) % 3;
    cluster.kill(dead)?;
    let waits = |status: &Value| {
        let held = |wait: &Value| wait.as_str().is_some_and(|wait| wait.contains("an operator holds it"));
        status["waits"].as_array().is_some_and(|waits| waits.iter().any(held))
    };
    let leader = cluster.leader()?;
    let status = cluster.until(leader, "the removal to wait for the operator", waits)?;
    ensure!(status["members"].as_array().map(Vec::len) == Some(3), "{status:#}");
    ensure!(cluster.say(leader, &["plan"])?.contains("an operator holds it"), "the plan says what is held");
    // And backups go on.
    let taken = cluster.status(leader)?["store"]["verified"].as_i64();
    cluster.etcdctl(leader, &["put", "while", "held"])?;
    cluster.until(leader, "a backup", |status| status["store"]["verified"].as_i64() > taken)?;
    let other = (0..3).find(|n| *n != leader && *n != dead).context("no other")?;
    let released = cluster.say(other, &["release"])?;
    ensure!(released.contains("released"), "{released}");
    cluster.until(leader, "the removal", |status| status["members"].as_array().map(Vec::len) == Some(2))?;
    ensure!(cluster.status(leader)?["hold"].is_null());
    ensure!(cluster.say(leader, &["release"])?.contains("nothing was held"));
    let why = cluster.say(other, &["why"])?;
    ensure!(why.contains("network maintenance") && why.contains("release automatic acts"), "{why}");
    cluster.passed(&calm())
}

/// S4, S21: what an operator says of a member is believed when the witnesses do not contradict it and the
/// rest can bear it; it is shown first, and written down.
#[test]
fn a_member_is_removed_on_an_operators_word() -> Result<()> {
    let mut cluster = Cluster::new("remove", EtcdVersion::V3_4, 3)?;
    cluster.serve()?;
    let leader = cluster.leader()?;
    let (dead, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let status = cluster.status(leader)?;
    let id = |n: usize| member(&status, &cluster.address(n).to_string()).map(str::to_owned);
    let (gone, lives) = (id(dead)?, id(other)?);
    let refused = cluster.refuses(leader, 1, &["members", "remove", &lives, "--yes"])?;
    ensure!(refused.contains("is alive"), "{refused}");
    let refused = cluster.refuses(leader, 1, &["members", "remove", "77", "--yes"])?;
    ensure!(refused.contains("no member of this cluster"), "{refused}");
    let refused = cluster.refuses(other, 1, &["members", "remove", &gone, "--yes"])?;
    let name = format!("member {}", id(leader)?);
    ensure!(refused.contains("another member leads") && refused.contains(&name), "{refused}");
    cluster.kill(dead)?;
    let shown =
        wait_for(PATIENCE, "the removal to be possible", || cluster.say(leader, &["members", "remove", &gone]))?;
    ensure!(shown.contains("nothing was changed") && shown.contains("says that it is gone"), "{shown}");
    ensure!(cluster.status(leader)?["members"].as_array().map(Vec::len) == Some(3), "only shown");
    // What it rests on is observed anew each time, and on a busy machine an observation may be too old for once.
    let done = wait_for(PATIENCE, "the removal", || cluster.say(leader, &["members", "remove", &gone, "--yes"]))?;
    ensure!(done.contains("is removed"), "{done}");
    cluster.until(leader, "two members", |status| status["members"].as_array().map(Vec::len) == Some(2))?;
    let why = cluster.say(leader, &["why", &gone])?;
    ensure!(why.contains("says that it is gone") && why.contains("user id"), "{why}");
    let why = cluster.say(leader, &["why", &lives])?;
    ensure!(why.contains("refused: member") && why.contains("is alive"), "{why}");
    // Of the two that are left none may go: one could not commit.
    cluster.kill(other)?;
    let refused = cluster.refuses(leader, 1, &["members", "remove", &lives, "--yes"])?;
    ensure!(cluster.status(leader)?["members"].as_array().map(Vec::len) == Some(2), "{refused}");
    cluster.passed(&calm())
}

/// T8: leadership moves on order; who does not lead has nothing to do.
#[test]
fn leadership_is_handed_over_on_order() -> Result<()> {
    let mut cluster = Cluster::new("step-down", EtcdVersion::V3_6, 3)?;
    cluster.serve()?;
    let leader = cluster.leader()?;
    // A server that has only just come up has counted no messages of the others yet: then it is "not now".
    let said = wait_for(PATIENCE, "somebody to take over", || cluster.say(leader, &["step-down"]))?;
    ensure!(said.contains("leads now"), "{said}");
    cluster.until(leader, "another to lead", |status| status["role"] == "follower")?;
    let next = cluster.leader()?;
    ensure!(next != leader);
    let said = cluster.say(leader, &["step-down"])?;
    ensure!(said.contains("nothing to do"), "{said}");
    ensure!(cluster.leader()? == next);
    ensure!(cluster.say(leader, &["why"])?.contains("hand leadership over"));
    cluster.passed(&calm())
}

/// `env` on any of three nodes names all members, also while one is dead and beside a node that does not run.
#[test]
fn env_names_every_member() -> Result<()> {
    let mut cluster = Cluster::new("env", EtcdVersion::V3_6, 3)?;
    cluster.serve()?;
    let named = |cluster: &Cluster, n: usize| -> Result<()> {
        let variables = cluster.say(n, &["env"])?;
        let all = (0..3).all(|other| variables.contains(&format!("http://{}:2379", cluster.address(other))));
        ensure!(all && variables.contains("ETCDCTL_ENDPOINTS="), "n{n}: {variables}");
        Ok(())
    };
    (0..3).try_for_each(|n| named(&cluster, n))?;
    let dead = (cluster.leader()? + 1) % 3;
    cluster.kill(dead)?;
    (0..3).try_for_each(|n| named(&cluster, n))?;
    // One that starts again and is alone has no list from etcd: what its disk heard last is shown, and said to be that.
    (0..3).try_for_each(|n| cluster.kill(n))?;
    cluster.start(0)?;
    cluster
        .until(0, "it to wait for the others", |status| status["waits"].to_string().contains("must have answered"))?;
    named(&cluster, 0)?;
    let members = cluster.say(0, &["members"])?;
    let all = (0..3).all(|n| members.contains(&format!("http://{}:2380", cluster.address(n))));
    ensure!(all && members.contains("as this disk last heard of them"), "{members}");
    cluster.passed(&calm())
}

/// One node: nobody could take over, and nobody else can be removed.
#[test]
fn a_single_node_refuses_what_would_end_it() -> Result<()> {
    for version in [EtcdVersion::V3_4, EtcdVersion::V3_6] {
        let mut cluster = Cluster::new("alone", version, 1)?;
        cluster.serve()?;
        cluster.leader()?;
        let status = cluster.status(0)?;
        let own = member(&status, &cluster.address(0).to_string())?;
        let refused = cluster.refuses(0, 1, &["members", "remove", own, "--yes"])?;
        ensure!(refused.contains("is alive"), "{refused}");
        let refused = cluster.refuses(0, 1, &["step-down"])?;
        ensure!(refused.contains("no other voter"), "{refused}");
        let refused = cluster.refuses(0, 2, &["hold", "--reason", "x", "--for", "5s"])?;
        ensure!(refused.contains("1m"), "{refused}");
        cluster.passed(&calm())?;
    }
    Ok(())
}

/// What may be logged when nodes die on purpose.
pub(crate) fn calm() -> LogGate {
    LogGate::new()
        .allow("no restore is possible on this node", "etcd 3.4 comes without etcdutl")
        .allow("an act failed", "nodes are killed, and what they were asked may fail once")
        .allow("leadership not handed over", "the one to take over was killed")
}
