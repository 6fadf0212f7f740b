//! Measures an archive's way to a folder and back: wall, CPU and peak memory.
//!
//! ```sh
//! cargo run --release -p e2d-backup --example throughput -- write   FOLDER SNAPSHOT
//! cargo run --release -p e2d-backup --example throughput -- check   FOLDER
//! cargo run --release -p e2d-backup --example throughput -- fetch   FOLDER FILE
//! cargo run --release -p e2d-backup --example throughput -- stream  FOLDER MIB
//! ```
//!
//! `write` takes a snapshot file, `stream` makes up a stream of so many MiB while it is read; both make
//! one archive, which `check` and `fetch` take from there. One step is one process, so that the peak of
//! memory is its own.

use camino::Utf8Path;
use e2d_backup::archive::{self, Compression, SnapshotForm, Statement};
use e2d_backup::catalogue;
use e2d_backup::store::{Base, FolderStore, Store};
use e2d_core::id::{ClusterId, Digest, Epoch, LineageId, MemberId, NodeId, Nonce, Revision};
use jiff::Timestamp;
use std::error::Error;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, ReadBuf};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [step, folder, rest @ ..] = arguments.as_slice() else { return Err("see the head of this file".into()) };
    let store: Arc<dyn Store> = Arc::new(FolderStore::new(folder.as_str(), Base::Create));
    let start = Instant::now();
    let bytes = match (step.as_str(), rest) {
        ("write", [file]) => write(&*store, &mut tokio::fs::File::open(file).await?).await?,
        ("stream", [mib]) => write(&*store, &mut Stream::new(mib.parse::<u64>()? << 20)).await?,
        ("check", []) => check(&store, Utf8Path::new(folder)).await?,
        ("fetch", [file]) => fetch(&store, Utf8Path::new(file)).await?,
        _ => return Err("see the head of this file".into()),
    };
    report(step, bytes, start)
}

async fn write(store: &dyn Store, source: &mut (dyn AsyncRead + Send + Unpin)) -> Outcome<u64> {
    let statement = Statement {
        lineage: LineageId(1),
        epoch: Epoch(1),
        nonce: Nonce(1),
        cluster_id: ClusterId(1),
        member_id: MemberId(1),
        node_id: NodeId(1),
        etcd_version: "3.5.35".to_owned(),
        revision: Revision(1),
        raft_term: 1,
        raft_index: 1,
        created_at: Timestamp::now(),
    };
    let archive = archive::write(store, &statement, SnapshotForm::WithDigest, Compression::default(), source).await?;
    Ok(archive.manifest.plain.size_bytes)
}

async fn only(store: &Arc<dyn Store>) -> Outcome<archive::Archive> {
    let mut contents = catalogue::read(store).await?;
    Ok(contents.archives.pop().ok_or("there is no archive")?.archive)
}

async fn check(store: &Arc<dyn Store>, folder: &Utf8Path) -> Outcome<u64> {
    let archive = only(store).await?;
    let check = archive::check(&**store, &archive, folder, NodeId(1), Nonce(2), Timestamp::now()).await?;
    writeln!(io::stdout(), "{:?}", check.outcome)?;
    Ok(archive.manifest.plain.size_bytes)
}

async fn fetch(store: &Arc<dyn Store>, file: &Utf8Path) -> Outcome<u64> {
    let archive = only(store).await?;
    archive::fetch(&**store, &archive, SnapshotForm::WithDigest, file).await?;
    Ok(archive.manifest.plain.size_bytes)
}

fn report(step: &str, bytes: u64, start: Instant) -> Outcome<()> {
    let wall = start.elapsed().as_secs_f64();
    let usage = std::fs::read_to_string("/proc/self/stat")?;
    // The 14th and 15th field of proc_pid_stat(5), counted behind the name, in hundredths of a second.
    let fields: Vec<&str> = usage.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
    let ticks: f64 = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let mib = bytes as f64 / f64::from(1 << 20);
    let cpu = ticks / 100.0;
    writeln!(
        io::stdout(),
        "{step}: {mib:.0} MiB in {wall:.2} s, {:.0} MiB/s, {cpu:.2} s CPU, peak {}",
        mib / wall,
        peak.trim()
    )?;
    Ok(())
}

/// A stream that passes for a snapshot: pages of text with much that repeats, and the digest at the end.
struct Stream {
    left_bytes: u64,
    state: u64,
    first: bool,
    context: aws_lc_rs::digest::Context,
    page: Vec<u8>,
}

impl Stream {
    fn new(size_bytes: u64) -> Self {
        let context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        Self { left_bytes: size_bytes, state: 1, first: true, context, page: Vec::new() }
    }

    fn next_page(&mut self) {
        const WORDS: [&str; 8] = ["kind", "Pod", "metadata", "namespace", "\":{\"", "f:status", "conditions", "true"];
        self.page.clear();
        while self.page.len() < 4096 {
            self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.page.extend_from_slice(WORDS[(self.state >> 61) as usize].as_bytes());
            if self.state & 3 << 40 == 0 {
                self.page.extend_from_slice(&(self.state >> 32).to_le_bytes());
            }
        }
        self.page.truncate(4096);
        if std::mem::take(&mut self.first) {
            self.page[16..20].copy_from_slice(&0xED0C_DAED_u32.to_le_bytes());
        }
        self.left_bytes -= 4096;
        self.context.update(&self.page);
        if self.left_bytes == 0 {
            let mut digest = Digest([0; 32]);
            digest.0.copy_from_slice(self.context.clone().finish().as_ref());
            self.page.extend_from_slice(&digest.0);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.page.is_empty() && self.left_bytes > 0 {
            self.next_page();
        }
        let taken = self.page.len().min(buf.remaining());
        buf.put_slice(&self.page[..taken]);
        self.page.drain(..taken);
        Poll::Ready(Ok(()))
    }
}
