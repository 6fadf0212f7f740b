//! `cargo xtask e2e SUITE`: the tests on real programs in `tests/SUITE`, and those of the crate of that name.

use crate::parts::EtcdVersion;
use crate::test::{Bench, build_e2d};
use crate::workspace::Workspace;
use anyhow::{Result, bail};
use std::process::ExitCode;

/// The module of the stories that take minutes, and run on one version at a time.
const LONG_STORIES: &str = "faults::";

pub(crate) fn run(workspace: &Workspace, suite: &str, all_versions: bool) -> Result<ExitCode> {
    let package = format!("e2d-tests-{suite}");
    if workspace.package(&package).is_none() {
        bail!("there is no suite {suite:?}; there are: {}", suites(workspace).join(", "));
    }
    let wanted = if all_versions { &EtcdVersion::ALL[..] } else { &[EtcdVersion::DEFAULT] };
    let mut bench = Bench::prepare(workspace, wanted)?;
    build_e2d()?;
    let crates = [package, format!("e2d-{suite}")].into_iter().filter(|name| workspace.package(name).is_some());
    let select: Vec<String> = crates.flat_map(|name| ["--package".to_owned(), name]).collect();
    let (mut ok, mut tally) = bench.nextest(workspace, &select)?;
    for version in wanted.iter().filter(|version| **version != EtcdVersion::DEFAULT) {
        bench.long_stories = *version;
        let long = [&select[..], &[LONG_STORIES.to_owned()]].concat();
        let (well, more) = bench.nextest(workspace, &long)?;
        ok &= well;
        tally += more;
    }
    bench.note_what_is_left_out();
    tally.print();
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn suites(workspace: &Workspace) -> Vec<&str> {
    workspace.packages.iter().filter_map(|package| package.name.strip_prefix("e2d-tests-")).collect()
}
