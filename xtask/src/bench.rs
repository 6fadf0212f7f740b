//! `cargo xtask bench`: builds what benchmarks take, optimized, and runs them.
//!
//! The program `e2d-bench` measures and records. Ctrl-C reaches it too; this command waits until it has
//! tidied up.

use crate::out;
use crate::parts::{self, EtcdVersion, Part};
use crate::program::{self, cargo};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// A benchmark: a number of `docs/promises.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Benchmark {
    #[value(name = "T1")]
    Birth,
    #[value(name = "T2")]
    Replacement,
    #[value(name = "T3")]
    Detection,
    #[value(name = "T8")]
    HandOver,
    #[value(name = "T9")]
    Idle,
    /// All of them.
    All,
}

impl Benchmark {
    fn names(wanted: &[Self]) -> Vec<String> {
        let all = wanted.contains(&Self::All);
        let chosen = Self::value_variants().iter().filter(|one| **one != Self::All && (all || wanted.contains(one)));
        chosen.filter_map(|one| Some(one.to_possible_value()?.get_name().to_owned())).collect()
    }
}

pub(crate) fn run(workspace: &Workspace, wanted: &[Benchmark], runs: Option<u16>, record: bool) -> Result<ExitCode> {
    if !rustix::process::geteuid().is_root() {
        bail!("benchmarks run on machines of their own, network namespaces, and these take root");
    }
    let names = Benchmark::names(wanted);
    parts::ensure(workspace, &[Part::Protoc, Part::Iproute2, Part::Nftables, EtcdVersion::DEFAULT.part()])?;
    // In one go, so that both share what they are built from.
    program::run(cargo().args(["build", "--release", "--package", "e2d", "--package", "e2d-bench", "--bins"]))?;
    let mut arguments = names.clone();
    arguments.push(format!("--e2d={}", workspace.target.join("release/e2d")));
    if names.iter().any(|name| name == "T3") {
        program::run(cargo().args(["build", "--profile", "sim", "--package", "e2d-sim"]))?;
        arguments.push(format!("--simulator={}", workspace.target.join("sim/e2d-sim")));
    }
    arguments.extend(runs.map(|runs| format!("--runs={runs}")));
    if record {
        arguments.push(format!("--record={}", workspace.root.join("docs/benchmarks")));
    }
    let mut command = tokio::process::Command::new(workspace.target.join("release/e2d-bench"));
    command.args(arguments).env("E2D_TEST_PARTS", workspace.parts()).current_dir(&workspace.root);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(patiently(command))
}

/// Waits for the benchmarks, also when somebody stops them: they remove what they made.
async fn patiently(mut command: tokio::process::Command) -> Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut child = command.spawn().context("cannot start e2d-bench")?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
    loop {
        tokio::select! {
            status = child.wait() => {
                return Ok(if status?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            // A terminal tells the whole group; whoever tells this process alone means the benchmarks too.
            _ = interrupt.recv() => out::note("stopping; the machines and their data are removed"),
            _ = terminate.recv() => {
                if let Some(pid) = pid {
                    rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_all_and_each_comes_once() {
        assert_eq!(Benchmark::names(&[Benchmark::All, Benchmark::Birth]), ["T1", "T2", "T3", "T8", "T9"]);
        assert_eq!(Benchmark::names(&[Benchmark::Idle, Benchmark::Birth, Benchmark::Idle]), ["T1", "T9"]);
    }
}
