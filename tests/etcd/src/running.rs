//! The etcd processes of a story. They are children of e2d and outlive it on purpose, so they are found
//! by their data directory.

use anyhow::Result;
use camino::Utf8Path;
use std::process::Command;

/// The etcd processes that run on a data directory.
pub(crate) fn etcds(data_dir: &Utf8Path) -> Result<Vec<u32>> {
    let argument = format!("--data-dir={data_dir}");
    let mut pids = Vec::new();
    for entry in fs_err::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&line).replace('\0', " ").replace("--data-dir ", "--data-dir=");
        let etcd = words.split(' ').next().is_some_and(|program| program.ends_with("/etcd"));
        if etcd && words.split(' ').any(|word| word == argument) {
            pids.push(pid);
        }
    }
    Ok(pids)
}

/// Sends a signal to each, by its id. Who has ended meanwhile gets none.
pub(crate) fn signal(pids: &[u32], signal: &str) -> Result<()> {
    for pid in pids {
        Command::new("kill").args([signal, &pid.to_string()]).stderr(std::process::Stdio::null()).status()?;
    }
    Ok(())
}
