//! `docs/benchmarks.md`, made from the records beside it.

use crate::record::{Record, Series, figures};
use anyhow::Result;
use camino::Utf8Path;
use std::fmt::Write as _;

const INTRODUCTION: &str = "\
# Benchmarks

<!-- Made by `cargo xtask bench --record` from the files in benchmarks/; run that instead of writing here. -->

The goals are those of [promises.md](promises.md). Each benchmark runs real servers, one network namespace a machine, and measures its
floor in the same run: what etcd itself needs when the right commands are typed with no delay. A run whose safety check is red has no speed. p95 is the
smallest sample that 95 of 100 do not exceed; with fewer than 20 samples that is the largest. Raw samples are in [benchmarks](benchmarks).

`cargo xtask bench T1` runs one of them, `cargo xtask bench all` all; `--runs N` says how often, and `--record` writes this page. They take root, and a
machine with nothing else to do.
";

/// Writes the page `FOLDER.md` from the records in `folder`.
pub(crate) fn write(folder: &Utf8Path) -> Result<()> {
    let mut paths = Vec::new();
    for entry in folder.read_dir_utf8()? {
        let path = entry?.into_path();
        if path.extension() == Some("json") {
            paths.push(path);
        }
    }
    paths.sort();
    let records = paths.iter().map(|path| Record::read(path)).collect::<Result<Vec<_>>>()?;
    Ok(fs_err::write(folder.with_extension("md"), render(&records))?)
}

/// The page.
fn render(records: &[Record]) -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n| # | goal | measured | |\n|---|---|---|---|\n");
    for record in records {
        for verdict in &record.verdicts {
            let met = if verdict.met { "met" } else { "**missed**" };
            let name = &record.name;
            let _ = writeln!(
                page,
                "| [{name}](#{}) | {} | {} | {met} |",
                name.to_lowercase(),
                verdict.goal,
                verdict.measured
            );
        }
    }
    for record in records {
        section(&mut page, record);
    }
    page
}

fn section(page: &mut String, record: &Record) {
    let Record { name, what, goal, command, data_set, at, host, checked, .. } = record;
    let _ = write!(page, "\n## {name}\n\nGoal: {goal}.\n\n{what}\n\nChecked in each run: {checked}.\n");
    for red in &record.red {
        let _ = write!(page, "\n**Red, so nothing here is a speed:** {red}\n");
    }
    page.push_str("\n| | runs | median | p95 | worst |\n|---|---|---|---|---|\n");
    for series in &record.series {
        row(page, series);
    }
    let _ = write!(
        page,
        "\n* machine: {}, {} MB, Linux {}, fdatasync of 4 KiB {} ms, load {} before\n* versions: {}; {}\n* data set: {data_set}\n* \
         command: `{command}`, ended {}\n* raw samples: [{name}.json](benchmarks/{name}.json)\n",
        host.processor,
        host.memory_mb,
        host.kernel,
        host.sync_ms,
        host.load,
        host.e2d,
        host.etcd,
        at.strftime("%Y-%m-%d %H:%M UTC"),
    );
}

fn row(page: &mut String, series: &Series) {
    let value = |value: Option<f64>| value.map_or("–".into(), |value| format!("{} {}", figures(value), series.unit));
    let _ = writeln!(
        page,
        "| {} | {} | {} | {} | {} |",
        series.name,
        series.samples.len(),
        value(series.median()).trim_end(),
        value(series.p95()).trim_end(),
        value(series.worst()).trim_end()
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;
    use crate::record::Verdict;

    fn record() -> Record {
        let mut series = Series::new("e2d", "s");
        for value in [1.0, 2.0, 12.5] {
            series.add(value, "");
        }
        Record {
            name: "T1".into(),
            what: "What.".into(),
            goal: "fast".into(),
            command: "cargo xtask bench T1 --record".into(),
            data_set: "empty".into(),
            at: "2026-01-01T00:00:00Z".parse().unwrap(),
            host: Host {
                processor: "P, 2 cores".into(),
                memory_mb: 1,
                kernel: "6".into(),
                sync_ms: 1.5,
                load: 0.1,
                e2d: "e2d 0".into(),
                etcd: "etcd 3".into(),
            },
            series: vec![series],
            red: vec![],
            checked: "all".into(),
            verdicts: vec![Verdict::at_most("p95 ≤ 5 s", Some(12.5), 5.0, "s")],
            timeline: vec![],
        }
    }

    #[test]
    fn a_missed_goal_is_said_and_samples_are_counted() {
        let page = render(&[record()]);
        assert!(page.contains("| [T1](#t1) | p95 ≤ 5 s | 12.5 s | **missed** |"), "{page}");
        assert!(page.contains("| e2d | 3 | 2.00 s | 12.5 s | 12.5 s |"), "{page}");
        assert!(!page.contains("Red"), "{page}");
    }

    #[test]
    fn a_red_run_has_no_speed() {
        let page = render(&[Record { red: vec!["two clusters".into()], ..record() }]);
        assert!(page.contains("**Red, so nothing here is a speed:** two clusters"), "{page}");
    }
}
