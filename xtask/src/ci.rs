//! `cargo xtask ci`: what a change must pass.
//!
//! Every step runs even when an earlier one failed, so that one run tells everything. The last line counts
//! tests and simulated worlds, and each check that found something as a failure.

use crate::out;
use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{check, sim, test};
use anyhow::Result;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Simulated worlds in each run.
const SEEDS: u32 = 200;

pub(crate) fn run(workspace: &Workspace) -> ExitCode {
    let mut tally = Tally::default();
    let mut times: Vec<(&str, Duration, bool)> = Vec::new();
    let mut step = |name, work: &mut dyn FnMut() -> Result<Tally>| {
        out::note(&format!("== {name}"));
        let start = Instant::now();
        let outcome = work().unwrap_or_else(|error| {
            out::note(&format!("error: {error:#}"));
            Tally { passed: 0, failed: 1 }
        });
        tally += outcome;
        times.push((name, start.elapsed(), outcome.failed == 0));
    };
    step("check", &mut || {
        let failed = check::failures(workspace)?;
        Ok(Tally { passed: 0, failed: failed.len() as u64 })
    });
    step("test", &mut || Ok(test::all(workspace, &[])?.1));
    step("sim", &mut || sim::worlds(workspace, SEEDS));
    for (name, time, well) in times {
        out::data(&format!("{:4} {name:6} {:>5} s", if well { "ok" } else { "FAIL" }, time.as_secs()));
    }
    tally.print();
    if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
