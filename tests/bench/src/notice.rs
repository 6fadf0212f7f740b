//! T3: a machine of three dies or is cut off; how long until both others hold it dead?

use crate::machines::MEMBERS;
use crate::member::Whole;
use crate::patience::{rest, until};
use crate::record::{Record, Series, Verdict};
use crate::run::{Run, SETTLED, seconds};
use crate::supervised::{Store, Supervised, status};
use anyhow::{Context, Result, ensure};
use std::process::Command;
use std::time::Instant;

/// How many runs of each kind, if nobody says.
const RUNS: usize = 20;
/// In seconds.
const GOAL: f64 = 3.0;
/// How long is simulated, in hours.
const HOURS: u32 = 24;

/// How a machine goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// e2d and etcd are killed.
    Killed,
    /// All its packets vanish.
    Cut,
}

pub(crate) async fn measure(run: &Run, record: &mut Record) -> Result<()> {
    record.what = format!(
        "From kill -9 of a machine's e2d and etcd, or from cutting it off the network, to the moment at which the local \
         sockets of both others show it dead. Default settings, no loss; victims take turns. And {HOURS} simulated hours \
         of three nodes with 10 % loss, freezes of 5 s, and removal after 10 s of silence."
    );
    record.goal = "p95 ≤ 3 s; 0 live members evicted, false suspicions counted".into();
    record.data_set = "empty".into();
    record.checked =
        "the members are the same before and after: nobody was evicted, and the dead one came back as itself".into();
    let runs = run.runs.unwrap_or(RUNS);
    let mut cluster = Supervised::new(&run.network, &run.programs, Store::Folder, &[])?;
    cluster.start_all()?;
    let before = cluster.whole(&MEMBERS).await?;
    for (end, name) in [(End::Killed, "killed"), (End::Cut, "cut off the network")] {
        let mut series = Series::new(name, "s");
        for (turn, victim) in (1..=runs).zip(MEMBERS.into_iter().cycle()) {
            rest(SETTLED / 3).await?;
            let took = once(&mut cluster, end, victim, &before).await?;
            series.add(took, "");
            run.say(&format!("{turn}/{runs}: {name}: {took:.3} s"));
        }
        record.verdicts.push(Verdict::at_most(&format!("{name}: p95 ≤ 3 s"), series.p95(), GOAL, "s"));
        record.series.push(series);
    }
    cluster.machines.well();
    drop(cluster);
    simulate(run, record)
}

async fn once(cluster: &mut Supervised<'_>, end: End, victim: u8, before: &Whole) -> Result<f64> {
    let others: Vec<u8> = MEMBERS.into_iter().filter(|n| *n != victim).collect();
    for n in MEMBERS {
        cluster.see(&others, n).await?;
    }
    let mut sockets = Vec::new();
    for n in &others {
        sockets.push(e2d::admin::connect(&cluster.socket(*n)).await?);
    }
    let begun = match end {
        End::Killed => cluster.machines.power_off(victim)?,
        End::Cut => {
            let begun = Instant::now();
            cluster.machines.network().isolate(victim)?;
            begun
        }
    };
    let ((), at) = until("both others to hold it dead", async || {
        for socket in &mut sockets {
            let reply = status(socket).await?;
            let peer = cluster.peer(&reply, victim).context("the dead node is not shown at all")?;
            ensure!(!peer.alive, "{} still lives", peer.node);
        }
        Ok(())
    })
    .await?;
    match end {
        End::Killed => cluster.start(victim)?,
        End::Cut => cluster.machines.network().heal_all()?,
    }
    let after = cluster.whole(&MEMBERS).await?;
    ensure!(after.voters == before.voters, "the members changed: {:x?} to {:x?}", before.voters, after.voters);
    cluster.see(&others, victim).await?;
    Ok(seconds(begun, at))
}

/// The part that is simulated: the simulator says what it counted.
fn simulate(run: &Run, record: &mut Record) -> Result<()> {
    let simulator = run.simulator.as_ref().context("the simulator is not built; run this by cargo xtask bench")?;
    run.say(&format!("simulating {HOURS} hours"));
    // Its exit code says whether somebody was evicted; here that is a goal that was missed.
    let output = Command::new(simulator.as_str()).args(["--soak", &HOURS.to_string()]).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let counted = said.lines().next().unwrap_or_default().to_owned();
    run.say(&counted);
    let number =
        |before: &str| -> Option<f64> { counted.split_once(before)?.0.rsplit([' ', ',']).next()?.parse().ok() };
    let (suspicions, evictions) = (number(" false suspicions"), number(" live members removed"));
    let mut series = Series::new(&format!("false suspicions in {HOURS} simulated hours"), "");
    series.add(suspicions.context("the simulator does not say how many suspicions were false")?, counted.clone());
    record.series.push(series);
    record.verdicts.push(Verdict::at_most("0 live members evicted in 24 simulated hours", evictions, 0.0, "evicted"));
    Ok(())
}
