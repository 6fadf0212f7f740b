//! `cargo xtask test`: every test of the workspace, with the real programs that they take.
//!
//! Two runners: cargo-nextest for tests, cargo for the examples in documentation. A test never skips; what
//! this machine cannot run (without Go, without root) is left out here, by name, and said at the end. A
//! gate (`CI=true`) leaves nothing out: there the missing thing is a failure.

use crate::out;
use crate::parts::{self, EtcdVersion, Part};
use crate::program::{self, cargo};
use crate::tally::Tally;
use crate::workspace::{Workspace, is_ci};
use anyhow::{Result, bail};
use std::io::IsTerminal;
use std::process::{Command, ExitCode};

/// Tests that need root are in a test binary or a module of this name.
const NEEDS_ROOT: &str = "netns";

/// Tests of one version are in a module of its name, or name it; these take 3.4 beside others.
const NEEDS_3_4: &str = "test(/::v3_4::/) + test(/etcd_3_4|plain_etcd_is_adopted|data_of_a_newer_etcd|what_is_so|in_doubt/) \
                         + test(/on_an_operators_word|a_single_node_refuses/)";
/// Those that run servers of another version than 3.4, or restore by tools that it has not.
const NEEDS_GO: &str = "package(e2d-tests-etcd) + package(e2d-tests-cli) + (kind(test) & (package(e2d) + package(e2d-pki))) \
                        + (package(e2d-etcd) & (test(/::v3_[567]::/) + test(/restores::|data_of_a_newer_etcd/)))";

/// What this machine lets us test.
pub(crate) struct Bench {
    versions: Vec<EtcdVersion>,
    /// The version of the stories that take minutes.
    pub(crate) long_stories: EtcdVersion,
    missing: Vec<(EtcdVersion, String)>,
    root: bool,
}

impl Bench {
    /// Installs what tests take.
    ///
    /// # Errors
    ///
    /// Something cannot be installed, or a gate runs this and Go or root is missing.
    pub(crate) fn prepare(workspace: &Workspace, wanted: &[EtcdVersion]) -> Result<Self> {
        let go = parts::has_go();
        let root = rustix::process::geteuid().is_root();
        if is_ci() && !(go && root) {
            bail!("a gate tests everything, and that takes Go and root: {}", if go { "root" } else { "Go" });
        }
        let mut parts = vec![Part::Protoc, Part::Openssl, Part::CargoNextest];
        if root {
            parts.extend([Part::Iproute2, Part::Nftables]);
        }
        parts::ensure(workspace, &parts)?;
        // All of them, whichever are wanted: some tests are about two, and those of one server are quick.
        let mut missing = Vec::new();
        for version in EtcdVersion::ALL {
            match parts::ensure(workspace, &[version.part()]) {
                Err(error) if is_ci() => return Err(error),
                Err(error) => missing.push((version, format!("{error:#}"))),
                Ok(_) => {}
            }
        }
        let is_here = |version: &EtcdVersion| !missing.iter().any(|(other, _)| other == version);
        let versions = wanted.iter().copied().filter(is_here).collect();
        Ok(Self { versions, long_stories: EtcdVersion::DEFAULT, missing, root })
    }

    /// What this machine cannot run, for nextest's filter.
    fn left_out(&self) -> String {
        let is_missing = |version| self.missing.iter().any(|(other, _)| *other == version);
        let is_built = |(version, _): &(EtcdVersion, String)| *version != EtcdVersion::V3_4;
        let parts = [
            (!self.root, format!("binary({NEEDS_ROOT}) + test(/{NEEDS_ROOT}::/)")),
            (is_missing(EtcdVersion::V3_4), NEEDS_3_4.to_owned()),
            (self.missing.iter().any(is_built), NEEDS_GO.to_owned()),
        ];
        let parts: Vec<String> = parts.into_iter().filter(|(is_left, _)| *is_left).map(|(_, filter)| filter).collect();
        if parts.is_empty() { String::new() } else { format!("not ({})", parts.join(" + ")) }
    }

    /// Says what is left out.
    pub(crate) fn note_what_is_left_out(&self) {
        for (version, why) in &self.missing {
            out::note(&format!("not run: tests that take etcd {}: {why}", version.name()));
        }
        if !self.root {
            out::note(&format!("not run: tests named {NEEDS_ROOT} (they make network namespaces, which takes root)"));
        }
    }

    /// Runs tests by nextest; `select` is passed on to it.
    pub(crate) fn nextest(&self, workspace: &Workspace, select: &[String]) -> Result<(bool, Tally)> {
        let mut nextest = parts::nextest(workspace);
        nextest.args(["run", "--profile", if is_ci() { "ci" } else { "default" }]);
        if is_ci() {
            nextest.arg("--locked");
        }
        let left_out = self.left_out();
        if !left_out.is_empty() {
            nextest.args(["-E", &left_out]);
        }
        nextest.args(select);
        let (ok, text) = program::watch(self.with_environment(workspace, &mut nextest))?;
        Ok((ok, Tally::of(&text)))
    }

    /// Says where the parts are; the test kit reads it.
    fn with_environment<'a>(&self, workspace: &Workspace, command: &'a mut Command) -> &'a mut Command {
        let versions: Vec<&str> = self.versions.iter().map(|version| version.name()).collect();
        if std::io::stderr().is_terminal() {
            command.env("CARGO_TERM_COLOR", "always");
        }
        command
            .env("E2D_TEST_PARTS", workspace.parts())
            .env("E2D_TEST_ETCD_VERSIONS", versions.join(","))
            .env("E2D_TEST_LONG_STORIES", self.long_stories.name())
            .env("E2D_TEST_BIN", workspace.target.join("debug/e2d"))
    }
}

/// Builds the e2d that tests run.
pub(crate) fn build_e2d() -> Result<()> {
    let mut build = cargo();
    build.args(["build", "--package", "e2d"]);
    if is_ci() {
        build.arg("--locked");
    }
    program::run(&mut build)
}

/// Runs all tests, or those that `select` names; prints the sum as the last line.
pub(crate) fn run(workspace: &Workspace, select: &[String]) -> Result<ExitCode> {
    let (ok, tally) = all(workspace, select)?;
    tally.print();
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs all tests, or those that `select` names: whether all went well, and the sum.
pub(crate) fn all(workspace: &Workspace, select: &[String]) -> Result<(bool, Tally)> {
    let bench = Bench::prepare(workspace, &EtcdVersion::GATE)?;
    build_e2d()?;
    let (mut ok, mut tally) = if select.is_empty() {
        bench.nextest(workspace, &["--workspace".to_owned()])?
    } else {
        bench.nextest(workspace, select)?
    };
    if select.is_empty() {
        let mut examples = cargo();
        examples.args(["test", "--quiet", "--workspace", "--doc"]);
        let (well, text) = program::watch(bench.with_environment(workspace, &mut examples))?;
        ok &= well;
        tally += Tally::of(&text);
    }
    bench.note_what_is_left_out();
    if !ok && tally.failed == 0 {
        // A runner that could not run, for example because something does not compile, counts no failure.
        tally.failed = 1;
    }
    Ok((ok, tally))
}
