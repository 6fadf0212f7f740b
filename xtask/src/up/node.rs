//! One node of the demonstration: its e2d, started again when it ends, and what it says of itself.
//!
//! Each e2d is in a process group of its own, so that Ctrl-C in the terminal reaches this command alone,
//! which then stops one after another. etcd is e2d's child; it is looked for only to name it, and to stop
//! it when its e2d was killed and it lives on.

use super::{Setting, table};
use crate::out;
use anyhow::{Context, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// What the unit file waits before it starts a node again.
const RESTART_AFTER: Duration = Duration::from_secs(3);
/// How long a node may take to answer for its status.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a node may take to stop in order: handing over, a last segment, etcd's own drain.
const STOP_WITHIN: Duration = Duration::from_mins(1);
/// The pause between two looks at a process that is not our child, and so cannot be waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Exit codes after which starting again cannot help: usage, and bad configuration or foreign data.
const FINAL_CODES: [i32; 2] = [2, 78];
const LAST_LINES: usize = 5;

pub(super) struct Node {
    name: String,
    address: Ipv4Addr,
    data_dir: Utf8PathBuf,
    log: Utf8PathBuf,
    e2d: Utf8PathBuf,
    arguments: Vec<String>,
    child: Option<Child>,
    /// When it ended, and how.
    ended: Option<(Instant, ExitStatus)>,
    status: Option<Value>,
}

impl Node {
    pub(super) fn new(setting: &Setting, number: u8) -> Self {
        let name = format!("n{number}");
        let data_dir = setting.folder.join(&name);
        let mut node = Self {
            address: address(number),
            log: setting.folder.join(format!("{name}.log")),
            e2d: setting.e2d.clone(),
            arguments: vec!["run".into(), format!("--data-dir={data_dir}"), format!("--etcd-bin-dir={}", setting.etcd)],
            name,
            data_dir,
            child: None,
            ended: None,
            status: None,
        };
        if setting.nodes > 1 {
            node.arguments.extend(peers(&node.name, number, setting));
        }
        node
    }

    /// Starts it when it does not run and its pause is over.
    ///
    /// # Errors
    ///
    /// It could not be started, or ended in a way that starting again cannot change: shows its last words.
    pub(super) fn tend(&mut self) -> Result<()> {
        if let Some(child) = &mut self.child {
            let Some(status) = child.try_wait()? else { return Ok(()) };
            self.child = None;
            self.status = None;
            self.ended = Some((Instant::now(), status));
            if status.code().is_some_and(|code| FINAL_CODES.contains(&code)) {
                bail!("{} ended for good: {status}; its log ends with:\n{}", self.name, self.last_lines(LAST_LINES));
            }
        }
        if self.ended.as_ref().is_none_or(|(when, _)| when.elapsed() >= RESTART_AFTER) {
            self.start()?;
        }
        Ok(())
    }

    fn start(&mut self) -> Result<()> {
        let log = fs_err::OpenOptions::new().create(true).append(true).open(&self.log)?.into_parts().0;
        let child = Command::new(&self.e2d)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", self.e2d))?;
        self.child = Some(child);
        self.ended = None;
        Ok(())
    }

    /// Asks it for its status; an answer that does not come in time, or is not JSON, is none.
    pub(super) async fn look(&mut self) {
        if self.child.is_none() {
            return;
        }
        let mut ask = Command::new(&self.e2d);
        ask.args(["status", "--output", "json", "--data-dir", self.data_dir.as_str()]);
        ask.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let answer = tokio::time::timeout(PATIENCE, ask.output()).await;
        self.status = answer.ok().and_then(Result::ok).and_then(|output| serde_json::from_slice(&output.stdout).ok());
    }

    /// Stops it in order, and the etcd that a killed e2d may have left. What does not stop is killed.
    pub(super) async fn stop(&mut self) {
        if let Some(child) = &mut self.child {
            if let Some(pid) = child.id() {
                signal(pid, Signal::TERM);
            }
            match tokio::time::timeout(STOP_WITHIN, child.wait()).await {
                Ok(Ok(status)) => out::note(&format!("{}: {status}", self.name)),
                Ok(Err(error)) => out::note(&format!("{}: {error}", self.name)),
                Err(_) => out::note(&format!("{} did not stop within {STOP_WITHIN:?}", self.name)),
            }
        }
        for pid in processes_of(&self.data_dir) {
            out::note(&format!("{}: stopping process {pid}, which its e2d left", self.name));
            signal(pid, Signal::TERM);
        }
        let end = Instant::now() + STOP_WITHIN;
        while Instant::now() < end && !processes_of(&self.data_dir).is_empty() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        self.kill();
    }

    /// Ends at once whatever of it runs.
    pub(super) fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.start_kill();
        }
        for pid in processes_of(&self.data_dir) {
            signal(pid, Signal::KILL);
        }
    }

    pub(super) fn row(&self) -> table::Row<'_> {
        let state = match (&self.child, &self.ended) {
            (Some(_), _) => "up".to_owned(),
            (None, Some((_, status))) => status.to_string(),
            (None, None) => "new".to_owned(),
        };
        table::Row {
            name: &self.name,
            endpoint: self.endpoint(),
            pid: self.pid(),
            etcd_pid: self.etcd_pid(),
            state,
            status: self.status.as_ref(),
            last_line: if self.status.is_none() { self.last_lines(1) } else { String::new() },
        }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    pub(super) fn etcd_pid(&self) -> Option<u32> {
        processes_of(&self.data_dir)
            .into_iter()
            .find(|pid| fs_err::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "etcd"))
    }

    pub(super) fn endpoint(&self) -> String {
        format!("{}:2379", self.address)
    }

    pub(super) fn data_dir(&self) -> &Utf8Path {
        &self.data_dir
    }

    pub(super) fn log(&self) -> &Utf8Path {
        &self.log
    }

    fn last_lines(&self, count: usize) -> String {
        let text = fs_err::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

/// Where node `number` listens: all of 127/8 is loopback.
fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, number)
}

/// What one of several nodes is told: its addresses, where to find the others, and the shared store.
fn peers(name: &str, number: u8, setting: &Setting) -> Vec<String> {
    let host = address(number);
    let others: Vec<String> = (1..=setting.nodes).map(|other| format!("{}:7980", address(other))).collect();
    vec![
        format!("--name={name}"),
        format!("--host={host}"),
        format!("--client-addr={host}:2379"),
        format!("--peer-addr={host}:2380"),
        format!("--gossip-addr={host}:7980"),
        format!("--admin-addr={host}:7981"),
        format!("--metrics-addr={host}:7982"),
        format!("--bootstrap-addrs={}", others.join(",")),
        format!("--required-cluster-size={}", setting.nodes),
        format!("--snapshot-url=file://{}/store/", setting.folder),
    ]
}

/// The processes whose command line names `folder`, or something in it, as a value: this run's e2d and etcd.
pub(super) fn processes_of(folder: &Utf8Path) -> Vec<u32> {
    let Ok(entries) = fs_err::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != std::process::id())
        .filter(|pid| {
            let line = fs_err::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            names(&String::from_utf8_lossy(&line), folder)
        })
        .collect()
}

/// Whether a command line, as the kernel shows it, starts an e2d or an etcd on `folder`.
fn names(line: &str, folder: &Utf8Path) -> bool {
    let mut words = line.split('\0');
    let program = words.next().map(|word| word.rsplit('/').next().unwrap_or(word));
    let runs = matches!(program, Some("etcd")) || (program == Some("e2d") && words.clone().next() == Some("run"));
    let mut values = words.map(|word| word.split_once('=').map_or(word, |(_, value)| value));
    runs && values.any(|value| Utf8Path::new(value).starts_with(folder))
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended by itself since.
        let _ = kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_on_the_folder_are_found() {
        let folder = Utf8Path::new("/t/up/n1");
        for line in [
            "/p/etcd\0--data-dir=/t/up/n1\0--name=x\0",
            "/p/etcd\0--data-dir\0/t/up/n1\0",
            "/t/debug/e2d\0run\0--data-dir=/t/up/n1\0",
            "/p/etcd\0--config-file=/t/up/n1/e2d/etcd.yaml\0",
        ] {
            assert!(names(line, folder), "{line}");
        }
        for line in [
            "/p/etcd\0--data-dir=/t/up/n10\0",
            "/p/etcd\0--data-dir=/var/lib/etcd\0",
            "tail\0-f\0/t/up/n1/log\0",
            "/t/debug/e2d\0status\0--data-dir\0/t/up/n1\0",
            "",
        ] {
            assert!(!names(line, folder), "{line}");
        }
    }

    #[test]
    fn three_nodes_share_a_store_and_nothing_else() {
        let setting = Setting { e2d: "e2d".into(), etcd: "/p".into(), folder: "/t/up".into(), nodes: 3 };
        let second = Node::new(&setting, 2).arguments;
        let has = |argument: &str| second.iter().any(|known| known == argument);
        assert!(has("--data-dir=/t/up/n2") && has("--snapshot-url=file:///t/up/store/"), "{second:?}");
        assert!(has("--bootstrap-addrs=127.0.0.1:7980,127.0.0.2:7980,127.0.0.3:7980"), "{second:?}");
        let own = second.iter().filter(|argument| argument.contains("=127.0.0.2:")).count();
        assert_eq!(own, 5, "{second:?}");
        let single = Setting { nodes: 1, ..setting };
        assert_eq!(Node::new(&single, 1).arguments, ["run", "--data-dir=/t/up/n1", "--etcd-bin-dir=/p"]);
    }
}
