//! The machine and the versions that a number belongs to.

use crate::machines::Programs;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::process::Command;
use std::time::Instant;

/// How many small writes tell how fast the disk is.
const SYNCS: usize = 50;

/// Where a benchmark ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Host {
    /// The processor, and how many of its cores.
    pub(crate) processor: String,
    /// Memory, in MB.
    pub(crate) memory_mb: u64,
    /// The kernel.
    pub(crate) kernel: String,
    /// How long 4 KiB take to reach the disk of the clusters, in the middle, in milliseconds.
    pub(crate) sync_ms: f64,
    /// How busy the machine was before: the load average of one minute.
    pub(crate) load: f64,
    /// The version of e2d, and its commit.
    pub(crate) e2d: String,
    /// The version of etcd.
    pub(crate) etcd: String,
}

impl Host {
    /// Looks.
    pub(crate) fn look(programs: &Programs) -> Result<Self> {
        let cpus = fs_err::read_to_string("/proc/cpuinfo")?;
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
        let cores = std::thread::available_parallelism()?;
        let load = fs_err::read_to_string("/proc/loadavg")?;
        let version = says(Command::new(programs.e2d.as_str()).arg("version"))?;
        let commit = says(Command::new("git").args(["describe", "--always", "--dirty"])).unwrap_or_default();
        Ok(Self {
            processor: format!("{}, {cores} cores", model.trim_start_matches([' ', '\t', ':'])),
            memory_mb: memory_kb(&fs_err::read_to_string("/proc/meminfo")?, "MemTotal").unwrap_or(0) / 1024,
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            sync_ms: sync_ms()?,
            load: load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
            e2d: format!("{} {}", first_line(&version), first_line(&commit)).trim().to_owned(),
            etcd: first_line(&says(Command::new(programs.etcd.join("etcd")).arg("--version"))?).to_owned(),
        })
    }
}

/// One line of `/proc/meminfo` or `/proc/PID/status`, in KB.
pub(crate) fn memory_kb(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

fn sync_ms() -> Result<f64> {
    let base = std::env::var_os("E2D_TEST_SCRATCH").map_or_else(std::env::temp_dir, Into::into);
    let mut file = tempfile::NamedTempFile::new_in(base)?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        file.write_all(&[7; 4096])?;
        let begun = Instant::now();
        rustix::fs::fdatasync(file.as_file())?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok((times[SYNCS / 2] * 100.0).round() / 100.0)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim()
}

/// What a program prints.
pub(crate) fn says(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    anyhow::ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_memory_is_found_by_its_whole_name() {
        let text = "VmHWM:\t   9 kB\nVmRSS:\t   1234 kB\nRssAnon:\t 7 kB\n";
        assert_eq!(memory_kb(text, "VmRSS"), Some(1234));
        assert_eq!(memory_kb(text, "Vm"), None);
    }
}
