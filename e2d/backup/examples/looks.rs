//! How much a look at a folder of archives costs, as the daemon looks and as one that has seen nothing yet.
//!
//! `cargo run --release -p e2d-backup --example looks -- FOLDER ARCHIVES SECONDS` fills an empty folder and looks at
//! it for so long each way. For the system calls of one look, run it under `strace -fc`.

use camino::Utf8Path;
use e2d_backup::archive::{ArchiveName, Check, Compression, Extent, FORMAT, Found, Manifest, Outcome as Verdict, Part};
use e2d_backup::catalogue::{self, Reader};
use e2d_backup::store::{Base, FolderStore, Store};
use e2d_core::id::{ArchiveId, ClusterId, Digest, Epoch, LineageId, MemberId, NodeId, Nonce, Revision};
use jiff::Timestamp;
use std::error::Error;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many archives are kept.
const MAX_ARCHIVES: usize = 5000;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, archives, seconds] = words.as_slice() else { return Err("see the head of this file".into()) };
    let (folder, within) = (Utf8Path::new(folder), Duration::from_secs(seconds.parse()?));
    for revision in 1..=archives.parse()? {
        fill(folder, revision)?;
    }
    let store: Arc<dyn Store> = Arc::new(FolderStore::new(folder, Base::MustExist));
    let (mut looks, start) = (0_u32, Cost::now()?);
    while start.at.elapsed() < within {
        catalogue::read(&store).await?;
        looks += 1;
    }
    report("anew", looks, &start)?;
    let mut reader = Reader::new(store, MAX_ARCHIVES);
    reader.read().await?;
    let (mut looks, start) = (0_u32, Cost::now()?);
    while start.at.elapsed() < within {
        reader.read().await?;
        looks += 1;
    }
    report("again", looks, &start)
}

/// What was spent until a moment.
struct Cost {
    at: Instant,
    cpu_ms: f64,
}

impl Cost {
    fn now() -> Outcome<Self> {
        let usage = std::fs::read_to_string("/proc/self/stat")?;
        // The 14th and 15th field of proc_pid_stat(5), counted behind the name, in hundredths of a second.
        let fields = usage.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().skip(11).take(2);
        let ticks: f64 = fields.filter_map(|field| field.parse::<f64>().ok()).sum();
        Ok(Self { at: Instant::now(), cpu_ms: ticks * 10.0 })
    }
}

fn report(how: &str, looks: u32, start: &Cost) -> Outcome<()> {
    let (end, n) = (Cost::now()?, f64::from(looks));
    let usage = std::fs::read_to_string("/proc/self/status")?;
    let resident = usage.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let wall = (end.at - start.at).as_secs_f64() * 1000.0 / n;
    let cpu = (end.cpu_ms - start.cpu_ms) / n;
    writeln!(
        io::stdout(),
        "{how}: {looks} looks, {wall:.1} ms each, {cpu:.1} ms of CPU each, resident {}",
        resident.trim()
    )?;
    Ok(())
}

/// One archive of a few bytes, and the record of its check.
fn fill(folder: &Utf8Path, revision: i64) -> Outcome<()> {
    let extent = Extent { size_bytes: 512, sha256: Digest([0; 32]) };
    let manifest = Manifest {
        format: FORMAT,
        lineage: LineageId(1),
        epoch: Epoch(1),
        nonce: Nonce(1),
        cluster_id: ClusterId(1),
        member_id: MemberId(1),
        node_id: NodeId(1),
        etcd_version: "3.6.16".to_owned(),
        revision: Revision(revision),
        raft_term: 1,
        raft_index: 1,
        created_at: Timestamp::now(),
        plain: extent,
        stored: extent,
        compression: Compression::default(),
        encryption: None,
        parent: None,
    };
    let bytes = manifest.encode();
    let found = Found {
        revision: Revision(revision),
        compact_revision: Revision(0),
        keys: 1,
        raft_index: 1,
        raft_term: None,
        in_use_bytes: 512,
    };
    let check = Check {
        format: FORMAT,
        archive: ArchiveId(Digest::of(&bytes)),
        epoch: Epoch(1),
        nonce: Nonce(1),
        checked_at: Timestamp::now(),
        by: NodeId(1),
        outcome: Verdict::Sound(found),
    };
    let name: ArchiveName = manifest.name();
    let file = |part: Part| folder.join(name.key(part).as_str());
    if let Some(above) = file(Part::Data).parent() {
        std::fs::create_dir_all(above)?;
    }
    std::fs::write(file(Part::Data), [0; 512])?;
    std::fs::write(file(Part::Manifest), bytes)?;
    std::fs::write(file(Part::Check), serde_json::to_vec(&check)?)?;
    Ok(())
}
