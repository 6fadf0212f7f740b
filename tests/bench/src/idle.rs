//! T9: a cluster at rest; what does each e2d take?

use crate::host::memory_kb;
use crate::machines::{MEMBERS, Machines};
use crate::patience::{rest, until};
use crate::plain::Plain;
use crate::record::{Record, Series, Verdict};
use crate::run::Run;
use crate::supervised::{Store, Supervised};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a cluster is left alone before it counts as at rest.
const SETTLE: Duration = Duration::from_secs(20);
/// How long is measured.
const SPAN: Duration = Duration::from_mins(2);
/// How long plain etcd is measured, for comparison.
const SPAN_PLAIN: Duration = Duration::from_mins(1);
/// Resident memory, in MB of a million bytes.
const MEMORY_MB: f64 = 30.0;
/// Of one core, in percent.
const CORE_PERCENT: f64 = 0.3;
/// Ticks of processor time in a second: what `/proc` counts in, on every Linux that e2d runs on.
const TICKS_PER_SECOND: f64 = 100.0;

pub(crate) async fn measure(run: &Run, record: &mut Record) -> Result<()> {
    record.what = format!(
        "Three nodes with a folder as their store and no clients. After {} s of rest, {} s are measured: processor time \
         and resident memory of each e2d process alone, from /proc. etcd's own share stands beside it, under e2d and \
         left to itself for {} s. --runs has no effect.",
        SETTLE.as_secs(),
        SPAN.as_secs(),
        SPAN_PLAIN.as_secs()
    );
    record.goal = "≤ 30 MB resident, ≤ 0.3 % of a core".into();
    record.data_set = "empty".into();
    record.checked = "the cluster is whole before and after, under the same leader and with the same processes".into();
    let mut cluster = Supervised::new(&run.network, &run.programs, Store::Folder, &[])?;
    cluster.start_all()?;
    let before = cluster.whole(&MEMBERS).await?;
    rest(SETTLE).await?;
    let mut pids = BTreeMap::new();
    for n in MEMBERS {
        pids.insert(n, cluster.machines.process(n).context("no process")?.pid());
    }
    let etcds = etcds(&cluster.machines)?;
    run.say(&format!("measuring for {} s", SPAN.as_secs()));
    let begun = Instant::now();
    let (own, servers) = (ticks(pids.values())?, ticks(etcds.values())?);
    rest(SPAN).await?;
    let took = begun.elapsed().as_secs_f64();
    let (own_after, servers_after) = (ticks(pids.values())?, ticks(etcds.values())?);
    let mut memory = Series::new("e2d, resident memory", "MB");
    let mut core = Series::new("e2d, share of a core", "%");
    let mut server = Series::new("etcd under e2d, share of a core", "%");
    let who = |n: u8| if before.leader == n { "beside the leader" } else { "" };
    for (n, pid) in &pids {
        let status = fs_err::read_to_string(format!("/proc/{pid}/status"))?;
        memory.add(memory_kb(&status, "VmRSS").context("no VmRSS")? as f64 * 1024.0 / 1e6, who(*n));
    }
    for (n, (after, before)) in MEMBERS.into_iter().zip(own_after.iter().zip(&own)) {
        core.add(percent(after - before, took), who(n));
    }
    for (n, (after, before)) in MEMBERS.into_iter().zip(servers_after.iter().zip(&servers)) {
        server.add(percent(after - before, took), who(n));
    }
    let after = until("the same leader", async || cluster.whole(&MEMBERS).await).await?.0;
    ensure!(after.leader == before.leader, "the leader changed: the cluster was not at rest");
    cluster.machines.well();
    drop(cluster);
    run.say(&format!("e2d: {:?} %, {:?} MB; etcd under it: {:?} %", values(&core), values(&memory), values(&server)));
    let alone = alone(run).await?;
    record.verdicts = vec![
        Verdict::at_most("each e2d: ≤ 30 MB resident", memory.worst(), MEMORY_MB, "MB"),
        Verdict::at_most("each e2d: ≤ 0.3 % of a core", core.worst(), CORE_PERCENT, "%"),
    ];
    record.series = vec![memory, core, server, alone];
    Ok(())
}

fn values(series: &Series) -> Vec<f64> {
    series.samples.iter().map(|sample| sample.value).collect()
}

fn percent(ticks: u64, seconds: f64) -> f64 {
    ticks as f64 / TICKS_PER_SECOND / seconds * 100.0
}

/// Plain etcd, left to itself.
async fn alone(run: &Run) -> Result<Series> {
    let mut series = Series::new("plain etcd, share of a core", "%");
    let mut cluster = Plain::new(&run.network, &run.programs)?;
    cluster.start_all()?;
    cluster.whole().await?;
    rest(SETTLE).await?;
    let mut pids = Vec::new();
    for n in MEMBERS {
        pids.push(cluster.machines.process(n).context("no process")?.pid());
    }
    run.say(&format!("measuring plain etcd for {} s", SPAN_PLAIN.as_secs()));
    let begun = Instant::now();
    let before = ticks(pids.iter())?;
    rest(SPAN_PLAIN).await?;
    let took = begun.elapsed().as_secs_f64();
    for (after, before) in ticks(pids.iter())?.iter().zip(&before) {
        series.add(percent(after - before, took), "");
    }
    cluster.machines.well();
    run.say(&format!("plain etcd: {:?} %", values(&series)));
    Ok(series)
}

/// The etcd beside each e2d.
fn etcds(machines: &Machines<'_>) -> Result<BTreeMap<u8, u32>> {
    let mut found = BTreeMap::new();
    for n in MEMBERS {
        let [pid] = machines.others_on(n)?[..] else { anyhow::bail!("n{n} runs more or less than one etcd") };
        found.insert(n, pid.unsigned_abs());
    }
    Ok(found)
}

/// The processor time of each, in ticks.
fn ticks<'a>(pids: impl Iterator<Item = &'a u32>) -> Result<Vec<u64>> {
    let of = |pid: &u32| used(&fs_err::read_to_string(format!("/proc/{pid}/stat"))?).context("/proc tells no time");
    pids.map(of).collect()
}

/// User and system time of a line of `/proc/PID/stat`. The program's name may hold anything.
fn used(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 500 0 0 0 42 17 0 0 20 0 3 0 100 1000 200";
        assert_eq!(used(stat), Some(59));
        assert_eq!(used("7 (a"), None);
    }
}
