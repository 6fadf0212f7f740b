//! T1: three empty nodes are started; how long until the first linearizable write?

use crate::member;
use crate::patience::until;
use crate::plain::Plain;
use crate::record::{Record, Series, Verdict, figures};
use crate::run::{Run, seconds};
use crate::supervised::{Store, Supervised};
use crate::timeline;
use anyhow::{Result, ensure};
use std::time::Instant;

/// How many pairs, if nobody says.
const PAIRS: usize = 12;
/// What e2d may add to the floor, in seconds.
const MAY_ADD: f64 = 0.5;

/// Who is born.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Supervised(Store),
}

pub(crate) async fn measure(run: &Run, record: &mut Record) -> Result<()> {
    record.what = "From the start of three processes with empty disks to the first acknowledged write, tried without \
                   pause through all three. e2d with a folder as its store, e2d without a store (vows), and plain \
                   etcd with a static list of members take turns; each pair begins with another one."
        .into();
    record.goal = "≤ floor + 0.5 s".into();
    record.data_set = "empty".into();
    record.checked = "three voters of one cluster with one leader, and the write is there through each of them".into();
    let pairs = run.runs.unwrap_or(PAIRS);
    let mut floor = Series::new("plain etcd, static (floor)", "s");
    let mut folder = Series::new("e2d, store in a folder", "s");
    let mut vows = Series::new("e2d, no store", "s");
    let mut kinds = [Kind::Plain, Kind::Supervised(Store::Folder), Kind::Supervised(Store::Nowhere)];
    for pair in 1..=pairs {
        for kind in kinds {
            let (took, told) = once(run, kind).await?;
            let series = match kind {
                Kind::Plain => &mut floor,
                Kind::Supervised(Store::Folder) => &mut folder,
                Kind::Supervised(Store::Nowhere) => &mut vows,
            };
            series.add(took, "");
            if kind == Kind::Supervised(Store::Folder) && series.newest_is_largest() {
                record.timeline = told;
            }
        }
        kinds.rotate_left(1);
        let last = |series: &Series| series.samples.last().map_or(0.0, |sample| sample.value);
        run.say(&format!(
            "{pair}/{pairs}: floor {:.3} s, e2d {:.3} s, without a store {:.3} s",
            last(&floor),
            last(&folder),
            last(&vows)
        ));
    }
    for series in [&folder, &vows] {
        record.verdicts.push(against(&floor, series));
    }
    record.series = vec![floor, folder, vows];
    Ok(())
}

/// Holds the median against the floor's.
fn against(floor: &Series, series: &Series) -> Verdict {
    let added = series.median().zip(floor.median()).map(|(own, floor)| own - floor);
    let mut verdict = Verdict::at_most(&format!("{}: median ≤ the floor's + 0.5 s", series.name), added, MAY_ADD, "s");
    if let (Some(added), Some(own), Some(floor)) = (added, series.p95(), floor.p95()) {
        verdict.measured =
            format!("floor {} {} s (p95: {} s)", sign(added), figures(added.abs()), figures(own - floor));
    }
    verdict
}

fn sign(value: f64) -> char {
    if value < 0.0 { '−' } else { '+' }
}

async fn once(run: &Run, kind: Kind) -> Result<(f64, Vec<String>)> {
    let clock = jiff::Timestamp::now();
    let begun;
    let at;
    let mut told = Vec::new();
    match kind {
        Kind::Plain => {
            let mut plain = Plain::new(&run.network, &run.programs)?;
            let addresses: Vec<String> =
                crate::machines::MEMBERS.into_iter().map(|n| plain.machines.address(n)).collect();
            begun = Instant::now();
            plain.start_all()?;
            at = member::first_write(&addresses).await?;
            plain.whole().await?;
            is_there(&addresses).await?;
            plain.machines.well();
        }
        Kind::Supervised(store) => {
            let mut rig = Supervised::new(&run.network, &run.programs, store, &[])?;
            let addresses: Vec<String> =
                crate::machines::MEMBERS.into_iter().map(|n| rig.machines.address(n)).collect();
            begun = Instant::now();
            rig.start_all()?;
            at = member::first_write(&addresses).await?;
            rig.whole(&crate::machines::MEMBERS).await?;
            is_there(&addresses).await?;
            told = timeline::since(&rig.machines, clock);
            rig.machines.well();
        }
    }
    Ok((seconds(begun, at), told))
}

/// The write is there, whomever one asks.
async fn is_there(addresses: &[String]) -> Result<()> {
    for address in addresses {
        let client = member::client(address).await?;
        until("the first write to be read", async || {
            let answer = client.raw().get("bench/first", None).await?;
            ensure!(answer.kvs().len() == 1, "the first write is not there through {address}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}
