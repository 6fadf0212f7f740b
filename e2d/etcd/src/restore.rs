//! A member's data directory, made from a backup.
//!
//! etcd's own tools write it, with the revision raised and everything before marked as compacted (promise S9), into a
//! scratch folder on the data directory's file system. Only when the result says that it is the member and the cluster
//! that were asked for, and is on the disk, does it get its place, by a rename. A restore that fails changes nothing
//! but the scratch folder; one that is cancelled either changes nothing else or is completed.
//!
//! For a 3.4 server `etcdutl` raises the revision and 3.4's own `etcdctl` then writes the directory from that
//! database; the zombies that this tool plants elsewhere do not arise, because `etcdutl` has replaced the members before.
//!
//! Which backup, and whether all members use the same one, is the caller's matter; so is the revision in it.

use crate::child;
use crate::datadir::quarantine::{self, QuarantineError};
use crate::datadir::{self, Contents, InspectError};
use crate::durable;
use crate::launch::{Launch, Start, Url};
use crate::programs::{Program, RestorePrograms};
use crate::tool;
use camino::{Utf8Path, Utf8PathBuf};
use e2d_core::id::{ClusterId, MemberId};
use e2d_core::raftid;
use std::io;
use std::process::Stdio;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// How much of a tool's words an error repeats, in bytes.
const MOST_SAID: usize = 4096;

/// Whose data was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The new cluster.
    pub cluster: ClusterId,
    /// This member of it.
    pub member: MemberId,
}

/// Why there is no restored data. The data directory is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A restored member founds a cluster.
    #[error("a restore needs the founders and the token of a new cluster")]
    NotFounding,
    /// This member is not one of those founders.
    #[error("member {name:?} with its peer URLs is not among the founders")]
    NotAFounder {
        /// The member's name.
        name: String,
    },
    /// There is data already.
    #[error("data directory {data_dir} is not empty: a restore does not replace data")]
    NotEmpty {
        /// The directory.
        data_dir: Utf8PathBuf,
    },
    /// Somebody uses the data directory.
    #[error("data directory {data_dir} is in use by {user}")]
    InUse {
        /// The directory.
        data_dir: Utf8PathBuf,
        /// Who uses it.
        user: child::User,
    },
    /// A file or folder could not be read or written.
    #[error("{path} could not be prepared for a restore")]
    Io {
        /// Which.
        path: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory could not be looked at.
    #[error("the data directory could not be inspected")]
    Inspect(#[from] InspectError),
    /// Remains of an earlier start could not be moved out of the way.
    #[error("what is left of an earlier start could not be set aside")]
    SetAside(#[from] QuarantineError),
    /// The tool failed.
    #[error("{program} could not restore {database}: {said}")]
    Tool {
        /// The tool.
        program: Utf8PathBuf,
        /// What it was to restore.
        database: Utf8PathBuf,
        /// Its last words, at most 4 KiB.
        said: String,
    },
    /// The tool made something else than was asked for.
    #[error("the restored data is not that of member {} in cluster {}: {found}", expected.member, expected.cluster)]
    Unexpected {
        /// Whose it should be.
        expected: Restored,
        /// What it is.
        found: String,
    },
}

/// Whose data a restore with these founders and this token makes.
///
/// All founders must be given alike on every node, or their clusters differ.
pub fn expected(launch: &Launch) -> Result<Restored, RestoreError> {
    let Start::Found { founders, token } = &launch.start else { return Err(RestoreError::NotFounding) };
    let id = |urls: &[Url]| raftid::founder(&urls.iter().map(Url::as_str).collect::<Vec<_>>(), token);
    let ids: Vec<MemberId> = founders.iter().map(|(_, urls)| id(urls)).collect();
    let member = id(&launch.peer.advertise);
    if !founders.iter().any(|(name, _)| *name == launch.name) || !ids.contains(&member) {
        return Err(RestoreError::NotAFounder { name: launch.name.clone() });
    }
    Ok(Restored { cluster: raftid::cluster(&ids), member })
}

/// Makes the data directory of `launch` from a database, its revision raised by `bump`; with 0 it stays, and nothing
/// is marked as compacted.
///
/// `database` is a backup as etcd streams it, with the digest at its end or without. Dropping the
/// future ends the tool, and so does the end of this process.
pub async fn restore(
    programs: &RestorePrograms,
    launch: &Launch,
    database: &Utf8Path,
    bump: u64,
) -> Result<Restored, RestoreError> {
    let expected = expected(launch)?;
    let data_dir = &launch.data_dir;
    let failed = |path: &Utf8Path| {
        let path = path.to_owned();
        move |source| RestoreError::Io { path, source }
    };
    if let Some(user) = child::user_of(data_dir).map_err(failed(data_dir))? {
        return Err(RestoreError::InUse { data_dir: data_dir.clone(), user });
    }
    if !takes_data(data_dir, launch.wal_dir.as_deref())? {
        return Err(RestoreError::NotEmpty { data_dir: data_dir.clone() });
    }
    durable::private_dir(data_dir).map_err(failed(data_dir))?;
    clear(launch).map_err(failed(data_dir))?;
    let scratch = Scratch::of(launch);
    durable::private_dir(&scratch.dir).map_err(failed(&scratch.dir))?;
    let made = scratch.make(programs, launch, database, bump).await;
    let restored = match made {
        Ok(made) => {
            blocking(&scratch.dir, {
                let launch = launch.clone();
                move || put_in_place(&launch, &made, expected)
            })
            .await
        }
        Err(error) => Err(error),
    };
    // A copy of the database must not be left behind, whatever came of it.
    let cleared = clear(launch).map_err(failed(&scratch.dir));
    let restored = restored?;
    cleared?;
    tracing::info!(%data_dir, cluster = %restored.cluster, member = %restored.member, "database restored");
    Ok(restored)
}

/// Whether there is a place for data. What else lies in the directory is not replaced, and may be the store.
fn takes_data(data_dir: &Utf8Path, wal_dir: Option<&Utf8Path>) -> Result<bool, InspectError> {
    let is_anothers = matches!(datadir::stranger(data_dir, wal_dir, None)?, Some(Contents::OtherOwner { .. }));
    let found = datadir::read(data_dir, wal_dir)?;
    Ok(!is_anothers && matches!(found, Contents::Absent | Contents::Empty))
}

/// Removes what an interrupted restore left; to be called at the start of a node as well.
pub fn clear(launch: &Launch) -> io::Result<()> {
    clear_at(&launch.data_dir, launch.wal_dir.as_deref())
}

/// The same, where there is no launch yet.
pub fn clear_at(data_dir: &Utf8Path, wal_dir: Option<&Utf8Path>) -> io::Result<()> {
    let scratch = Scratch::at(data_dir, wal_dir);
    for path in [Some(scratch.dir), scratch.wal].into_iter().flatten() {
        match fs_err::remove_dir_all(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// How many bytes a restore that is under way has written so far, or about so many: a sign that it gets on.
#[must_use]
pub fn made_bytes(data_dir: &Utf8Path, wal_dir: Option<&Utf8Path>) -> u64 {
    let scratch = Scratch::at(data_dir, wal_dir);
    let paths = [Some(scratch.dir), scratch.wal];
    paths.into_iter().flatten().map(|path| durable::size_bytes(&path)).fold(0, u64::saturating_add)
}

/// Where a restore works.
struct Scratch {
    dir: Utf8PathBuf,
    /// A log that stands elsewhere is made beside its place.
    wal: Option<Utf8PathBuf>,
}

/// What a tool made.
struct Made {
    dir: Utf8PathBuf,
    wal: Option<Utf8PathBuf>,
}

impl Scratch {
    fn of(launch: &Launch) -> Self {
        Self::at(&launch.data_dir, launch.wal_dir.as_deref())
    }

    fn at(data_dir: &Utf8Path, wal_dir: Option<&Utf8Path>) -> Self {
        let wal = wal_dir.map(|wal| Utf8PathBuf::from(format!("{}.e2d-restore", wal.as_str().trim_end_matches('/'))));
        Self { dir: datadir::home(data_dir).join("restore"), wal }
    }

    async fn make(
        &self,
        programs: &RestorePrograms,
        launch: &Launch,
        database: &Utf8Path,
        bump: u64,
    ) -> Result<Made, RestoreError> {
        let length =
            fs_err::metadata(database).map_err(|source| RestoreError::Io { path: database.to_owned(), source })?;
        // A stream ends in a digest of 32 bytes; a database alone is whole pages (etcdutl: `hasChecksum`).
        let has_digest = length.len() % 512 == 32;
        let raised = Made { dir: self.dir.join("raised"), wal: None };
        let made = Made { dir: self.dir.join("made"), wal: self.wal.clone() };
        let first = if programs.etcdctl.is_some() { &raised } else { &made };
        let mut options = Vec::new();
        if bump > 0 {
            options.extend([format!("--bump-revision={bump}"), "--mark-compacted".to_owned()]);
        }
        run(&programs.etcdutl, launch, database, has_digest, first, &options).await?;
        if let Some(etcdctl) = &programs.etcdctl {
            run(etcdctl, launch, &raised.dir.join("member/snap/db"), false, &made, &[]).await?;
        }
        Ok(made)
    }
}

/// Checks what was made, puts it on the disk, and moves it to its place.
fn put_in_place(launch: &Launch, made: &Made, expected: Restored) -> Result<Restored, RestoreError> {
    let found = match datadir::inspect(&made.dir, made.wal.as_deref())? {
        Contents::Member(data) if data.cluster == expected.cluster && data.member == expected.member => None,
        Contents::Member(data) => Some(format!("member {} in cluster {}", data.member, data.cluster)),
        other => Some(format!("{other:?}")),
    };
    if let Some(found) = found {
        return Err(RestoreError::Unexpected { expected, found });
    }
    let failed = |path: &Utf8Path| {
        let path = path.to_owned();
        move |source| RestoreError::Io { path, source }
    };
    durable::sync_tree(&made.dir).map_err(failed(&made.dir))?;
    // Folders of a start that was cut short hold nothing, but a rename does not go over them.
    quarantine::put_aside(&launch.data_dir, launch.wal_dir.as_deref(), "before-restore")?;
    // The log first: without a database it is damage, and a database without a log might pass for a fresh one.
    if let (Some(from), Some(to)) = (&made.wal, &launch.wal_dir) {
        durable::sync_tree(from).map_err(failed(from))?;
        durable::rename(from, to).map_err(failed(to))?;
    }
    let member = launch.data_dir.join("member");
    durable::rename(&made.dir.join("member"), &member).map_err(failed(&member))?;
    Ok(expected)
}

async fn run(
    program: &Program,
    launch: &Launch,
    database: &Utf8Path,
    has_digest: bool,
    into: &Made,
    options: &[String],
) -> Result<(), RestoreError> {
    let Start::Found { founders, token } = &launch.start else { return Err(RestoreError::NotFounding) };
    let pairs = founders.iter().flat_map(|(name, urls)| urls.iter().map(move |url| format!("{name}={url}")));
    let advertised: Vec<String> = launch.peer.advertise.iter().map(Url::to_string).collect();
    let mut command = Command::new(&program.path);
    command.args(["snapshot", "restore"]).arg(database);
    command.arg(format!("--name={}", launch.name));
    command.arg(format!("--initial-cluster={}", pairs.collect::<Vec<_>>().join(",")));
    command.arg(format!("--initial-cluster-token={token}"));
    command.arg(format!("--initial-advertise-peer-urls={}", advertised.join(",")));
    command.arg(format!("--data-dir={}", into.dir));
    command.args(into.wal.iter().map(|wal| format!("--wal-dir={wal}")));
    if !has_digest {
        command.arg("--skip-hash-check");
    }
    command.args(options).env_clear().env("ETCDCTL_API", "3");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    tool::ends_with_us(&mut command);
    let failed = |said| RestoreError::Tool { program: program.path.clone(), database: database.to_owned(), said };
    let mut tool = command.spawn().map_err(|source| RestoreError::Io { path: program.path.clone(), source })?;
    let said = match tool.stderr.take() {
        Some(errors) => last_words(errors).await,
        None => String::new(),
    };
    let status = tool.wait().await.map_err(|source| RestoreError::Io { path: program.path.clone(), source })?;
    if status.success() { Ok(()) } else { Err(failed(if said.is_empty() { status.to_string() } else { said })) }
}

/// Reads to the end and keeps the last words, without those that are mere information.
async fn last_words(mut errors: tokio::process::ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut buffer = vec![0; 4096];
    while let Ok(count @ 1..) = errors.read(&mut buffer).await {
        kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let excess = kept.len().saturating_sub(16 * MOST_SAID);
        kept.drain(..excess);
    }
    let text = String::from_utf8_lossy(&kept);
    let is_telling =
        |line: &&str| !line.trim().is_empty() && !line.contains("\"level\":\"info\"") && !line.contains("\tinfo\t");
    // A panic's stack tells an operator nothing.
    let telling = text.lines().take_while(|line| !line.starts_with("goroutine ")).filter(is_telling);
    let mut said = telling.collect::<Vec<_>>().join("; ");
    let excess = said.len().saturating_sub(MOST_SAID);
    said.split_off(said.ceil_char_boundary(excess))
}

/// Runs what waits for the disk on a thread of its own.
async fn blocking<T: Send + 'static>(
    path: &Utf8Path,
    work: impl FnOnce() -> Result<T, RestoreError> + Send + 'static,
) -> Result<T, RestoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failure) => Err(RestoreError::Io { path: path.to_owned(), source: io::Error::other(failure) }),
    }
}
