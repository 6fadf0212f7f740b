//! Benchmarks of real clusters. `cargo xtask bench` builds what they take and starts this.
//!
//! Nothing here is a test: a number that misses its goal is recorded as missed. What fails a run is a
//! safety check, and such a run has no speed.

mod birth;
mod hand_over;
mod host;
mod idle;
mod machines;
mod member;
mod notice;
mod page;
mod patience;
mod plain;
mod record;
mod replace;
mod run;
mod stop;
mod supervised;
mod timeline;

use anyhow::Result;
use camino::Utf8PathBuf;
use clap::{Parser, ValueEnum};
use e2d_testkit::{EtcdVersion, Parts};
use machines::Programs;
use record::Record;
use run::Run;
use std::process::ExitCode;

/// Benchmarks of real clusters; `cargo xtask bench` starts this.
#[derive(Parser)]
struct Arguments {
    /// Which ones.
    #[arg(required = true)]
    names: Vec<Name>,
    /// How often each is repeated.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    runs: Option<u16>,
    /// The e2d that is measured.
    #[arg(long)]
    e2d: Utf8PathBuf,
    /// The simulator, for the part of T3 that is simulated.
    #[arg(long)]
    simulator: Option<Utf8PathBuf>,
    /// The folder that records are written to; the page is written beside it.
    #[arg(long)]
    record: Option<Utf8PathBuf>,
}

/// A number of `docs/promises.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    #[value(name = "T1")]
    T1,
    #[value(name = "T2")]
    T2,
    #[value(name = "T3")]
    T3,
    #[value(name = "T8")]
    T8,
    #[value(name = "T9")]
    T9,
}

impl Name {
    fn as_str(self) -> &'static str {
        match self {
            Self::T1 => "T1",
            Self::T2 => "T2",
            Self::T3 => "T3",
            Self::T8 => "T8",
            Self::T9 => "T9",
        }
    }
}

#[expect(clippy::print_stderr, reason = "the person who waits is told why it ended")]
fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    stop::listen()?;
    let programs = Programs { e2d: arguments.e2d, etcd: Parts::locate()?.etcd(EtcdVersion::DEFAULT)? };
    let runs = arguments.runs.map(usize::from);
    let mut well = true;
    for name in arguments.names {
        let run = Run::new(name.as_str(), programs.clone(), runs, arguments.simulator.clone())?;
        let record = run.inside(async |record| match name {
            Name::T1 => Box::pin(birth::measure(&run, record)).await,
            Name::T2 => Box::pin(replace::measure(&run, record)).await,
            Name::T3 => Box::pin(notice::measure(&run, record)).await,
            Name::T8 => Box::pin(hand_over::measure(&run, record)).await,
            Name::T9 => Box::pin(idle::measure(&run, record)).await,
        })?;
        tell(&record);
        well &= record.is_well();
        if let Some(folder) = &arguments.record {
            fs_err::create_dir_all(folder)?;
            record.write(&folder.join(format!("{}.json", record.name)))?;
            page::write(folder)?;
        }
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what was found.
#[expect(clippy::print_stdout, reason = "it is what was asked for")]
fn tell(record: &Record) {
    for line in &record.timeline {
        println!("{line}");
    }
    for series in &record.series {
        let figure = |value: Option<f64>| value.map_or("–".into(), record::figures);
        let (median, p95) = (figure(series.median()), figure(series.p95()));
        println!(
            "{} {}: median {median} {unit}, p95 {p95} {unit}, {} samples",
            record.name,
            series.name,
            series.samples.len(),
            unit = series.unit
        );
    }
    for verdict in &record.verdicts {
        println!(
            "{} {}: {}: {}",
            record.name,
            if verdict.met { "met" } else { "MISSED" },
            verdict.goal,
            verdict.measured
        );
    }
}
