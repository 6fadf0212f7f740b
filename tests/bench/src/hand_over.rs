//! T8: leadership is handed over as planned; for how long is nothing acknowledged?

use crate::machines::MEMBERS;
use crate::member;
use crate::patience::{PATIENCE, rest, until};
use crate::plain::Plain;
use crate::record::{Record, Series, Verdict};
use crate::run::{Run, SETTLED};
use crate::supervised::{Store, Supervised};
use anyhow::{Context, Result, ensure};
use e2d_etcd::client::Client;
use etcd_client::GetOptions;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::process::Command;
use tokio::task::JoinSet;

/// How many runs of each kind, if nobody says.
const RUNS: usize = 15;
/// In milliseconds.
const GOAL: f64 = 200.0;
/// The pause between the beginnings of two writes. They overlap: none waits for another.
const EVERY: Duration = Duration::from_millis(5);
/// How long is written before and after.
const AROUND: Duration = Duration::from_secs(2);

/// What the hand-over is done by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Sigterm,
    StepDown,
}

pub(crate) async fn measure(run: &Run, record: &mut Record) -> Result<()> {
    record.what =
        "The longest time between two acknowledgements, seen by a client that begins a small write every 5 ms \
                   through a member that does not lead, from 2 s before to 2 s after. The leader's e2d is told to stop \
                   (SIGTERM), or to step down. The floor is move-leader on plain etcd."
            .into();
    record.goal = "≤ 200 ms".into();
    record.data_set = "empty but for the writes".into();
    record.checked = "every acknowledged write is there, another member leads, and e2d ended with exit code 0".into();
    let runs = run.runs.unwrap_or(RUNS);
    Box::pin(floor(run, record, runs)).await?;
    for (by, name) in [(By::Sigterm, "e2d, SIGTERM"), (By::StepDown, "e2d step-down")] {
        Box::pin(supervised(run, record, runs, by, name)).await?;
    }
    Ok(())
}

async fn floor(run: &Run, record: &mut Record, runs: usize) -> Result<()> {
    let mut series = Series::new("plain etcd, move-leader (floor)", "ms");
    let mut cluster = Plain::new(&run.network, &run.programs)?;
    cluster.start_all()?;
    for turn in 1..=runs {
        let before = cluster.whole().await?;
        let (through, heir) = others(before.leader, turn);
        let heir = member::client(&cluster.machines.address(heir)).await?.status().await?.member;
        let leader = member::client(&cluster.machines.address(before.leader)).await?;
        let writer = Writer::start(&cluster.machines.address(through), turn).await?;
        rest(AROUND).await?;
        leader.move_leader(heir).await?;
        rest(AROUND).await?;
        let gap = writer.finish().await?;
        ensure!(cluster.whole().await?.leader != before.leader, "the same member leads");
        series.add(gap, "");
        run.say(&format!("{turn}/{runs}: {}: {gap:.1} ms", series.name));
    }
    cluster.machines.well();
    record.series.push(series);
    Ok(())
}

async fn supervised(run: &Run, record: &mut Record, runs: usize, by: By, name: &str) -> Result<()> {
    let mut series = Series::new(name, "ms");
    let mut cluster = Supervised::new(&run.network, &run.programs, Store::Folder, &[])?;
    cluster.start_all()?;
    for turn in 1..=runs {
        let before = cluster.whole(&MEMBERS).await?;
        // A member that has just come is no heir yet.
        rest(SETTLED).await?;
        let (through, _) = others(before.leader, turn);
        let writer = Writer::start(&cluster.machines.address(through), turn).await?;
        rest(AROUND).await?;
        match by {
            By::Sigterm => {
                cluster.machines.process(before.leader).context("no process")?.terminate()?;
                let leader = before.leader;
                let (status, _) = until("e2d to end", async || {
                    cluster.machines.process(leader).context("no process")?.ended()?.context("it runs")
                })
                .await?;
                ensure!(status.success(), "e2d ended with {status}");
            }
            By::StepDown => step_down(&cluster, before.leader).await?,
        }
        rest(AROUND).await?;
        let gap = writer.finish().await?;
        if by == By::Sigterm {
            cluster.start(before.leader)?;
        }
        ensure!(cluster.whole(&MEMBERS).await?.leader != before.leader, "the same member leads");
        series.add(gap, "");
        run.say(&format!("{turn}/{runs}: {name}: {gap:.1} ms"));
    }
    cluster.machines.well();
    record.verdicts.push(Verdict::at_most(&format!("{name}: p95 ≤ 200 ms"), series.p95(), GOAL, "ms"));
    record.series.push(series);
    Ok(())
}

/// Both that do not lead, in turns.
fn others(leader: u8, turn: usize) -> (u8, u8) {
    let others: Vec<u8> = MEMBERS.into_iter().filter(|n| *n != leader).collect();
    (others[turn % 2], others[(turn + 1) % 2])
}

/// Asks for it on the leader's machine, while the writer goes on.
async fn step_down(cluster: &Supervised<'_>, leader: u8) -> Result<()> {
    let mut command = Command::new(cluster.program().as_str());
    let output = command.args(["step-down", "--data-dir", cluster.machines.data_dir(leader).as_str()]).output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "e2d step-down: {}: {}", output.status, said.trim());
    Ok(())
}

/// A client that begins a write every few milliseconds.
struct Writer {
    client: Client,
    prefix: String,
    acks: Arc<Mutex<Vec<Instant>>>,
    task: tokio::task::JoinHandle<JoinSet<()>>,
    stop: tokio::sync::watch::Sender<bool>,
}

impl Writer {
    /// Begins to write, once the first write was acknowledged.
    async fn start(address: &str, turn: usize) -> Result<Self> {
        let client = member::client(address).await?;
        until("a write", async || member::put(&client, "bench/ready".into(), vec![1]).await).await?;
        let prefix = format!("bench/hand-over/{turn:03}/");
        let acks = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let task = tokio::spawn(write(client.clone(), prefix.clone(), acks.clone(), stopped));
        Ok(Self { client, prefix, acks, task, stop })
    }

    /// Ends, and tells the longest time between two acknowledgements, in milliseconds.
    async fn finish(self) -> Result<f64> {
        // Nobody listens once the task has ended, and then it failed, which the next line tells.
        let _ = self.stop.send(true);
        let mut writes = self.task.await?;
        tokio::time::timeout(PATIENCE, async { while writes.join_next().await.is_some() {} }).await?;
        let mut acks = self.acks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        acks.sort();
        let count = Some(GetOptions::new().with_prefix().with_count_only());
        let there = self.client.raw().get(self.prefix, count).await?.count();
        let acked = i64::try_from(acks.len())?;
        ensure!(there >= acked, "{acked} writes were acknowledged and {there} are there");
        let gaps = acks.windows(2).map(|pair| pair[1] - pair[0]);
        Ok(gaps.max().context("nothing was written")?.as_secs_f64() * 1000.0)
    }
}

/// Begins writes until told to stop; returns those that are under way.
async fn write(
    client: Client,
    prefix: String,
    acks: Arc<Mutex<Vec<Instant>>>,
    stopped: tokio::sync::watch::Receiver<bool>,
) -> JoinSet<()> {
    let mut writes = JoinSet::new();
    let mut ticks = tokio::time::interval(EVERY);
    let mut n = 0_u32;
    while !*stopped.borrow() {
        ticks.tick().await;
        n += 1;
        let (client, key, acks) = (client.clone(), format!("{prefix}{n:06}"), acks.clone());
        writes.spawn(async move {
            // One that was not acknowledged is none, for whatever reason.
            if member::put(&client, key, vec![0; 16]).await.is_ok() {
                acks.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
            }
        });
        while writes.try_join_next().is_some() {}
    }
    writes
}
