//! T2: a member's machine dies; how long until its replacement, which is present, is a voter again?

use crate::machines::{MACHINES, MEMBERS};
use crate::member;
use crate::patience::{rest, until};
use crate::plain::Plain;
use crate::record::{Record, Series, Verdict};
use crate::run::{Run, SETTLED, seconds};
use crate::supervised::{Store, Supervised};
use crate::timeline;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::time::Instant;

/// How many runs of each kind, if nobody says: with the successor on the same address, and elsewhere.
const RUNS: (usize, usize) = (10, 4);
/// The data sets, in MB.
const DATA_SETS: [u64; 2] = [10, 100];
/// With proof of death, in seconds.
const GOAL: f64 = 5.0;
/// The silence that counts as death where there is no proof, in seconds.
const SILENCE: u32 = 10;

pub(crate) async fn measure(run: &Run, record: &mut Record) -> Result<()> {
    record.what = format!(
        "From the moment at which a machine of three lost power and disk, or its successor started if that is later, to \
         the moment at which etcd lists three voters again, the successor among them. On the same address at default \
         settings (the successor is the proof of death), and on another address, where a fourth node stands by, with \
         --health-check-timeout {SILENCE}s. The floor is plain etcd: member remove, member add --learner, start, \
         promote, each at once when the one before is answered. Victims take turns, the leader among them."
    );
    record.goal =
        format!("≤ 5 s (p95) on the same address; elsewhere ≤ timeout + 5 s = {} s", f64::from(SILENCE) + GOAL);
    record.data_set = "10 MB and 100 MB in values of 64 KiB that do not compress".into();
    record.checked = "the dead member is gone, the successor has another id and serves linearizable reads, the \
                      cluster is the same, and no revision went back"
        .into();
    for megabytes in DATA_SETS {
        plain(run, record, megabytes).await?;
        same_address(run, record, megabytes).await?;
        elsewhere(run, record, megabytes).await?;
    }
    Ok(())
}

async fn plain(run: &Run, record: &mut Record, megabytes: u64) -> Result<()> {
    let runs = run.runs.unwrap_or(RUNS.0);
    let mut series = Series::new(&format!("plain etcd by hand, {megabytes} MB (floor)"), "s");
    let mut cluster = Plain::new(&run.network, &run.programs)?;
    cluster.start_all()?;
    let mut before = cluster.whole().await?;
    member::load(&cluster.machines.address(1), megabytes).await?;
    for (turn, victim) in (1..=runs).zip(MEMBERS.into_iter().cycle()) {
        rest(SETTLED).await?;
        let survivor = survivor(&MEMBERS, victim)?;
        cluster.machines.power_off(victim)?;
        cluster.machines.wipe(victim)?;
        // By hand nobody starts the successor before it is a member: the clock runs from the first command.
        let begun = Instant::now();
        cluster.replace(victim, survivor).await?;
        let at = back(&cluster.machines.address(survivor), &before.voters).await?;
        let note = if before.leader == victim { "the leader died" } else { "" };
        let after = cluster.whole().await?;
        ensure!(after.revision >= before.revision, "the revision went back to {}", after.revision);
        before = after;
        series.add(seconds(begun, at), note);
        run.say(&format!("{turn}/{runs}: {}: {:.3} s {note}", series.name, seconds(begun, at)));
    }
    cluster.machines.well();
    record.series.push(series);
    Ok(())
}

async fn same_address(run: &Run, record: &mut Record, megabytes: u64) -> Result<()> {
    let runs = run.runs.unwrap_or(RUNS.0);
    let mut series = Series::new(&format!("e2d, same address, {megabytes} MB"), "s");
    let mut cluster = Supervised::new(&run.network, &run.programs, Store::Folder, &[])?;
    cluster.start_all()?;
    let mut before = cluster.whole(&MEMBERS).await?;
    member::load(&cluster.machines.address(1), megabytes).await?;
    for (turn, victim) in (1..=runs).zip(MEMBERS.into_iter().cycle()) {
        rest(SETTLED).await?;
        let survivor = survivor(&MEMBERS, victim)?;
        cluster.machines.power_off(victim)?;
        cluster.machines.wipe(victim)?;
        let (begun, clock) = (Instant::now(), jiff::Timestamp::now());
        cluster.start(victim)?;
        let at = back(&cluster.machines.address(survivor), &before.voters).await?;
        let note = if before.leader == victim { "the leader died" } else { "" };
        let after = cluster.whole(&MEMBERS).await?;
        ensure!(after.revision >= before.revision, "the revision went back to {}", after.revision);
        before = after;
        series.add(seconds(begun, at), note);
        if megabytes == DATA_SETS[1] && series.newest_is_largest() {
            record.timeline = timeline::since(&cluster.machines, clock);
        }
        run.say(&format!("{turn}/{runs}: {}: {:.3} s {note}", series.name, seconds(begun, at)));
    }
    cluster.machines.well();
    record.verdicts.push(Verdict::at_most(&format!("{}: p95 ≤ 5 s", series.name), series.p95(), GOAL, "s"));
    record.series.push(series);
    Ok(())
}

async fn elsewhere(run: &Run, record: &mut Record, megabytes: u64) -> Result<()> {
    let runs = run.runs.unwrap_or(RUNS.1);
    let mut series = Series::new(&format!("e2d, another address, {megabytes} MB"), "s");
    let options = ["--health-check-timeout", &format!("{SILENCE}s")];
    let mut cluster = Supervised::new(&run.network, &run.programs, Store::Folder, &options)?;
    cluster.start_all()?;
    let mut seats = MEMBERS.to_vec();
    let mut spare = MACHINES;
    let mut before = cluster.whole(&seats).await?;
    member::load(&cluster.machines.address(1), megabytes).await?;
    for turn in 1..=runs {
        cluster.start(spare)?;
        cluster.see(&seats, spare).await?;
        rest(SETTLED).await?;
        let place = turn % seats.len();
        let victim = seats[place];
        let survivor = survivor(&seats, victim)?;
        let begun = cluster.machines.power_off(victim)?;
        let at = back(&cluster.machines.address(survivor), &before.voters).await?;
        let note = if before.leader == victim { "the leader died" } else { "" };
        seats[place] = spare;
        let after = cluster.whole(&seats).await?;
        ensure!(after.revision >= before.revision, "the revision went back to {}", after.revision);
        before = after;
        cluster.machines.wipe(victim)?;
        spare = victim;
        series.add(seconds(begun, at), note);
        run.say(&format!("{turn}/{runs}: {}: {:.3} s {note}", series.name, seconds(begun, at)));
    }
    cluster.machines.well();
    let bound = f64::from(SILENCE) + GOAL;
    record.verdicts.push(Verdict::at_most(&format!("{}: p95 ≤ timeout + 5 s", series.name), series.p95(), bound, "s"));
    record.series.push(series);
    Ok(())
}

/// A member's machine that lives on.
fn survivor(seats: &[u8], victim: u8) -> Result<u8> {
    seats.iter().copied().find(|seat| *seat != victim).context("nobody survives")
}

/// Waits until three members vote, one of them not of `before`; returns when that was listed.
async fn back(address: &str, before: &BTreeSet<u64>) -> Result<Instant> {
    let client = member::client(address).await?;
    let listed = until("three voters, one of them new", async || {
        let members = client.members(e2d_etcd::client::Reading::Linearizable).await?;
        let voters = member::voters(&members);
        ensure!(members.len() == 3 && voters.len() == 3, "{} members, {} voters", members.len(), voters.len());
        ensure!(voters.difference(before).count() == 1, "no new voter");
        Ok(())
    });
    Ok(listed.await?.1)
}
