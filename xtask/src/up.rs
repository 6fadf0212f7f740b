//! `cargo xtask up`: e2d on this machine, from nothing, in one command.
//!
//! One node is `e2d run` with as good as no flags. Three nodes stand on 127.0.0.1, .2 and .3, share a store
//! folder, and are shown in one table; this command plays their systemd: a node that ends is started
//! again, so that the reader may kill what they like. All that it makes is in `up/` in cargo's target
//! folder, and is thrown away by the next run unless that says `--keep`. Only loopback is touched.

mod node;
mod table;

use crate::out;
use crate::parts::{self, EtcdVersion, Part};
use crate::test::build_e2d;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use node::Node;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How often the nodes are looked after and the table is drawn.
const TICK: Duration = Duration::from_secs(1);

/// What all nodes of this run share.
pub(super) struct Setting {
    e2d: Utf8PathBuf,
    etcd: Utf8PathBuf,
    folder: Utf8PathBuf,
    nodes: u8,
}

pub(crate) fn run(workspace: &Workspace, nodes: u8, etcd: Option<EtcdVersion>, keep: bool) -> Result<ExitCode> {
    let version = etcd.unwrap_or(if parts::has_go() { EtcdVersion::DEFAULT } else { EtcdVersion::V3_4 });
    let installed = parts::ensure(workspace, &[Part::Protoc, version.part()])?;
    let etcd = installed.last().context("no etcd is installed")?;
    build_e2d()?;
    let setting = Setting {
        e2d: workspace.target.join("debug/e2d"),
        etcd: etcd.path.clone().into(),
        folder: workspace.target.join("up"),
        nodes,
    };
    out::note(&format!("etcd {} from {}", etcd.version, etcd.path));
    prepare(&setting.folder, keep)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(supervise(&setting))
}

/// Makes the folder, and the shared store in it, empty unless `keep`.
fn prepare(folder: &Utf8Path, keep: bool) -> Result<()> {
    let left = node::processes_of(folder);
    if !left.is_empty() {
        let pids: Vec<String> = left.iter().map(ToString::to_string).collect();
        bail!("another run's processes still use {folder}; end them first: kill {}", pids.join(" "));
    }
    if !keep && folder.exists() {
        fs_err::remove_dir_all(folder)?;
    }
    // A store that an operator names must be there: one that is missing is not taken for an empty one.
    fs_err::create_dir_all(folder.join("store"))?;
    Ok(())
}

/// Starts the nodes, looks after them until a signal comes, and stops them.
async fn supervise(setting: &Setting) -> Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut nodes: Vec<Node> = (1..=setting.nodes).map(|number| Node::new(setting, number)).collect();
    let mut screen = Screen::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut outcome = Ok(());
    let tend = async {
        loop {
            ticks.tick().await;
            for node in &mut nodes {
                node.tend()?;
            }
            for node in &mut nodes {
                node.look().await;
            }
            screen.draw(setting, &nodes);
        }
    };
    tokio::select! {
        failed = tend => outcome = failed,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    out::note("\nstopping all nodes, the last one first; Ctrl-C again kills them");
    let in_order = async {
        for node in nodes.iter_mut().rev() {
            node.stop().await;
        }
    };
    let again = tokio::select! {
        () = in_order => false,
        _ = interrupt.recv() => true,
    };
    if again {
        nodes.iter_mut().for_each(Node::kill);
    }
    outcome.map(|()| ExitCode::SUCCESS)
}

/// The terminal: redrawn in place, or printed anew when something changed.
struct Screen {
    in_place: bool,
    last: String,
}

impl Screen {
    fn new() -> Self {
        Self { in_place: std::io::stdout().is_terminal(), last: String::new() }
    }

    fn draw(&mut self, setting: &Setting, nodes: &[Node]) {
        let rows: Vec<table::Row<'_>> = nodes.iter().map(Node::row).collect();
        let text = format!("{}\n{}", table::render(&rows), hints(setting, nodes));
        if self.in_place {
            // To the top, then line by line over what stood there, then away with the rest.
            let lines = text.replace('\n', "\u{1b}[K\n");
            let _ = write!(std::io::stdout(), "\u{1b}[H{lines}\u{1b}[J").and_then(|()| std::io::stdout().flush());
        } else if text != self.last {
            out::data(&text);
        }
        self.last = text;
    }
}

/// What a person may type, in another terminal.
fn hints(setting: &Setting, nodes: &[Node]) -> String {
    let endpoints: Vec<String> = nodes.iter().map(Node::endpoint).collect();
    let mut hints = vec![
        "In another terminal:".to_owned(),
        format!("  use it              {}/etcdctl --endpoints={} put k v", setting.etcd, endpoints.join(",")),
    ];
    if let Some(node) = nodes.last() {
        let folder = node.data_dir();
        hints.push(format!("  ask e2d             {} status --data-dir {folder}", setting.e2d));
        if let (Some(e2d), Some(etcd)) = (node.pid(), node.etcd_pid()) {
            hints.push(format!("  kill an etcd        kill -9 {etcd}"));
            hints.push(format!("  kill an e2d         kill -9 {e2d}"));
            if setting.nodes > 1 {
                hints.push(format!("  lose a whole disk   kill -9 {e2d} {etcd}; rm -r {folder}"));
            }
        }
        hints.push(format!("  read its log        tail -f {}", node.log()));
    }
    hints.push("Here: Ctrl-C stops all nodes.\n".to_owned());
    hints.join("\n")
}
