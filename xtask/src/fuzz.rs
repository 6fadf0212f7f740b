//! `cargo xtask fuzz`: hostile bytes for one target, guided by coverage, on the stable compiler.
//!
//! libFuzzer needs no sanitizer: the counters that guide it come from LLVM's coverage pass, which stable
//! rustc passes on. Debug assertions and overflow checks are on. The run reads the corpus in the repository
//! and keeps what it learns outside; only what it finds is written beside the seeds, as `crash-…`.

use crate::out;
use crate::parts::{self, Part};
use crate::program::{self, cargo};
use crate::workspace::Workspace;
use anyhow::{Context as _, Result};
use std::process::{Command, ExitCode};

const PACKAGE: &str = "e2d-fuzz";
/// Build scripts and macros are not instrumented: a named target keeps these flags from them.
fn platform() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

const FLAGS: [&str; 8] = [
    "-Copt-level=1",
    "-Cdebug-assertions=on",
    "-Coverflow-checks=on",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Runs one target for so many seconds. Its exit code is libFuzzer's: a finding fails.
pub(crate) fn run(workspace: &Workspace, target: &str, seconds: u32) -> Result<ExitCode> {
    let package = workspace.package(PACKAGE).with_context(|| format!("there is no package {PACKAGE}"))?;
    let corpus = package.folder().join("corpora").join(target);
    if !corpus.is_dir() {
        let known: Vec<String> = package.folder().join("corpora").read_dir_utf8()?.filter_map(name).collect();
        anyhow::bail!("no target is called {target}; there are {}", known.join(", "));
    }
    parts::ensure(workspace, &[Part::Protoc])?;
    let built = workspace.target.join("fuzz");
    program::run(&mut build(&built))?;
    let learned = built.join("learned").join(target);
    std::fs::create_dir_all(&learned)?;
    out::note(&format!("what is learned is kept in {learned}, what is found in {corpus}"));
    let mut fuzz = Command::new(built.join(platform()).join("debug/fuzz"));
    fuzz.env("E2D_FUZZ_TARGET", target).arg(format!("-max_total_time={seconds}"));
    fuzz.args(["-rss_limit_mb=1024", "-malloc_limit_mb=256", "-timeout=10", "-print_final_stats=1"]);
    fuzz.arg(format!("-artifact_prefix={corpus}/")).args([learned, corpus]);
    program::run(&mut fuzz)?;
    Ok(ExitCode::SUCCESS)
}

fn name(entry: std::io::Result<camino::Utf8DirEntry>) -> Option<String> {
    Some(entry.ok()?.file_name().to_owned())
}

fn build(into: &camino::Utf8Path) -> Command {
    let mut build = cargo();
    build.args(["build", "--package", PACKAGE, "--features", "libfuzzer", "--bin", "fuzz", "--target", &platform()]);
    build.env("CARGO_TARGET_DIR", into).env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
    build
}
