//! What all benchmarks share: the network, the programs, how often, and the record that they fill.

use crate::host::Host;
use crate::machines::{MACHINES, Programs};
use crate::record::{Record, Verdict};
use crate::stop;
use anyhow::Result;
use e2d_testkit::Network;
use std::time::{Duration, Instant};

/// How a benchmark is to be run.
pub(crate) struct Run {
    /// Four machines.
    pub(crate) network: Network,
    /// The programs on them.
    pub(crate) programs: Programs,
    /// How often, if the user says so.
    pub(crate) runs: Option<usize>,
    /// The simulator, for what is simulated.
    pub(crate) simulator: Option<camino::Utf8PathBuf>,
    name: &'static str,
    command: String,
    begun: Instant,
}

impl Run {
    /// Makes the machines.
    pub(crate) fn new(
        name: &'static str,
        programs: Programs,
        runs: Option<usize>,
        simulator: Option<camino::Utf8PathBuf>,
    ) -> Result<Self> {
        let runs_said = runs.map(|runs| format!(" --runs {runs}")).unwrap_or_default();
        let command = format!("cargo xtask bench {name}{runs_said} --record");
        Ok(Self { network: Network::new(MACHINES)?, programs, runs, simulator, name, command, begun: Instant::now() })
    }

    /// Runs a benchmark among the machines: its sockets are the hub's.
    pub(crate) fn inside(&self, story: impl AsyncFnOnce(&mut Record) -> Result<()> + Send) -> Result<Record> {
        let mut record = Record {
            name: self.name.into(),
            what: String::new(),
            goal: String::new(),
            command: self.command.clone(),
            data_set: String::new(),
            at: jiff::Timestamp::now(),
            host: Host::look(&self.programs)?,
            series: Vec::new(),
            red: Vec::new(),
            checked: String::new(),
            verdicts: Vec::new(),
            timeline: Vec::new(),
        };
        let outcome = self.network.node(Network::HUB).inside(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(story(&mut record))
        })?;
        stop::check()?;
        if let Err(error) = outcome {
            self.say(&format!("FAILED: {error:#}"));
            record.red.push(format!("{error:#}"));
        }
        if !record.red.is_empty() {
            record.verdicts.push(Verdict {
                goal: "every safety check is green".into(),
                measured: record.red.join("; "),
                met: false,
            });
        }
        record.at = jiff::Timestamp::now();
        Ok(record)
    }

    /// A line of progress.
    #[expect(clippy::print_stderr, reason = "progress is for the person who waits")]
    pub(crate) fn say(&self, what: &str) {
        eprintln!("{:>5.0} s  {}  {what}", self.begun.elapsed().as_secs_f64(), self.name);
    }
}

/// Seconds, from one moment to a later one.
pub(crate) fn seconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64()
}

/// How long etcd's own rule wants every member to have been connected before membership may change, and a
/// little more: by then nothing of one run is left in the next.
pub(crate) const SETTLED: Duration = Duration::from_secs(6);
