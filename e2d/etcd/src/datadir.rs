//! A data directory, inspected without starting etcd.
//!
//! [`inspect`] reads and changes nothing, and never panics on hostile bytes. It tells whose data it is and how far it
//! goes (from the write-ahead log), not what the database holds: a damaged database is etcd's own to find, and shows
//! in its last words. Moving data aside is in [`quarantine`]. All calls block; inspecting reads the whole log, as etcd
//! itself does at each start.

mod crc32c;
pub mod disk;
pub mod quarantine;
mod snapshot;
mod wal;

pub use wal::Torn;

use crate::version::{EtcdVersion, Minor};
use camino::{Utf8Path, Utf8PathBuf};
use e2d_core::id::{ClusterId, MemberId};
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use std::io;
use std::os::unix::fs::MetadataExt;
use wal::WalError;

/// A place in the raft log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The term of the entry there.
    pub term: u64,
    /// Its index.
    pub index: u64,
}

/// What raft promised and knew when it last wrote it down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// Its term.
    pub term: u64,
    /// Whom it voted for in that term.
    pub vote: Option<MemberId>,
    /// Up to where it knew the log to be committed; a running server may have known more.
    pub commit: u64,
}

/// What is in a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// The directory does not exist.
    Absent,
    /// Nothing but our own folder, the store if it lies here, `lost+found`, and folders of etcd without a log and
    /// without a database.
    Empty,
    /// A database, and neither a log nor a snapshot. A first start that was cut short leaves this, as etcd makes its
    /// log last, and then no vote and no entry ever existed; so does a log that was lost, perhaps with a disk that is
    /// not mounted. Only who knows whether etcd ever ran here can tell.
    Unlogged {
        /// The size of the database.
        database_bytes: u64,
    },
    /// A member's data.
    Member(MemberData),
    /// A member's data that etcd cannot be trusted with.
    Damaged(Damage),
    /// Something else altogether: this is not a data directory of etcd.
    Foreign {
        /// Names that do not belong, at most eight.
        names: Vec<String>,
    },
    /// The directory, or the data in it, belongs to another user than this process runs as.
    OtherOwner {
        /// What belongs to that user.
        path: Utf8PathBuf,
        /// That user's id.
        uid: u32,
    },
}

/// A member's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberData {
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// The member it is.
    pub member: MemberId,
    /// The last entry it has.
    pub last: Position,
    /// What raft wrote down.
    pub hard_state: HardState,
    /// The newest whole raft snapshot, if there is one.
    pub snapshot: Option<Position>,
    /// The cluster version (major, minor) that the log was last told, if that is still in it.
    pub cluster_version: Option<(u16, u16)>,
    /// The size of the database. Without one etcd builds it again from the log, which then reaches back to the start.
    pub database_bytes: Option<u64>,
    /// Set when the log ends in a record that is not whole.
    pub torn: Option<Torn>,
}

impl MemberData {
    /// Whether a newer etcd than this program is known to have run on it. etcd itself finds that out only after it
    /// has written to the database, and 3.4 not at all with the data of 3.6 and 3.7: it starts, and serves.
    ///
    /// `false` may also mean that the log does not say: the version is in the database, too.
    #[must_use]
    pub fn is_newer_than(&self, program: EtcdVersion) -> bool {
        let known = match program.minor {
            Minor::V3_4 => (3, 4),
            Minor::V3_5 => (3, 5),
            Minor::V3_6 => (3, 6),
            Minor::V3_7 => (3, 7),
        };
        self.cluster_version.is_some_and(|version| version > known)
    }
}

/// Data that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {what}")]
pub struct Damage {
    /// The file, or the folder that lacks one.
    pub file: Utf8PathBuf,
    /// Where in it, in bytes; 0 when the whole is meant.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
    /// Whose data it is, when that could be read before.
    pub ids: Option<(ClusterId, MemberId)>,
}

/// A directory could not be looked at. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("{path} could not be inspected")]
pub struct InspectError {
    /// What could not be read.
    pub path: Utf8PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl InspectError {
    /// Whether the disk itself gives back something else than was written, or nothing. A file that may not be read, for one
    /// that was made by another user, says nothing of what is in it.
    #[must_use]
    pub fn is_of_the_disk(&self) -> bool {
        let lasting = [Errno::IO, Errno::BADMSG, Errno::UCLEAN, Errno::NODATA, Errno::REMOTEIO];
        lasting.iter().any(|errno| self.source.raw_os_error() == Some(errno.raw_os_error()))
    }
}

/// e2d's own folder in a data directory, and etcd's working directory.
#[must_use]
pub fn home(data_dir: &Utf8Path) -> Utf8PathBuf {
    data_dir.join("e2d")
}

/// Looks into a data directory, and into the folder of its log if that is elsewhere.
///
/// A running etcd does no harm to it, nor it to etcd, but what it says may then be neither before nor after a write.
pub fn inspect(data_dir: &Utf8Path, wal_dir: Option<&Utf8Path>) -> Result<Contents, InspectError> {
    inspect_beside(data_dir, wal_dir, None)
}

/// The same, where the store of backups may lie in the data directory: it is no stranger there.
pub fn inspect_beside(
    data_dir: &Utf8Path,
    wal_dir: Option<&Utf8Path>,
    store: Option<&Utf8Path>,
) -> Result<Contents, InspectError> {
    match stranger(data_dir, wal_dir, store)? {
        Some(strange) => Ok(strange),
        None => read(data_dir, wal_dir),
    }
}

/// Whether the directory is anything but etcd's and ours: [`Contents::OtherOwner`], [`Contents::Foreign`], or neither.
/// To be asked before anything is made in it.
pub fn stranger(
    data_dir: &Utf8Path,
    wal_dir: Option<&Utf8Path>,
    store: Option<&Utf8Path>,
) -> Result<Option<Contents>, InspectError> {
    let member = data_dir.join("member");
    // The owner first: a folder of somebody else need not be one that we may read.
    for path in [data_dir, &member] {
        if let Some(uid) = other_owner(path).map_err(failed(path))? {
            return Ok(Some(Contents::OtherOwner { path: path.to_owned(), uid }));
        }
    }
    let names = match names(data_dir) {
        Ok(names) => names,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(data_dir)(source)),
    };
    // Strangers beside a `member/` are none of our business; without one, this may be anybody's folder.
    if names.iter().any(|name| name == "member") || has_log(data_dir, wal_dir)? {
        return Ok(None);
    }
    let of_store = store.and_then(|store| name_in(data_dir, store));
    let is_known = |name: &String| matches!(name.as_str(), "e2d" | "lost+found") || of_store.as_ref() == Some(name);
    let strangers: Vec<String> = names.into_iter().filter(|name| !is_known(name)).take(8).collect();
    Ok((!strangers.is_empty()).then_some(Contents::Foreign { names: strangers }))
}

/// The name in a folder behind which a path lies, if it lies in the folder.
fn name_in(folder: &Utf8Path, path: &Utf8Path) -> Option<String> {
    let real = || Some((folder.canonicalize_utf8().ok()?, path.canonicalize_utf8().ok()?));
    let inside = match path.strip_prefix(folder) {
        Ok(inside) => inside.to_owned(),
        Err(_) => real().and_then(|(folder, path)| path.strip_prefix(folder).map(Utf8Path::to_owned).ok())?,
    };
    inside.components().next().map(|first| first.to_string())
}

fn has_log(data_dir: &Utf8Path, wal_dir: Option<&Utf8Path>) -> Result<bool, InspectError> {
    let log = log_of(data_dir, wal_dir);
    wal::exists(&log).map_err(failed(&log))
}

fn log_of(data_dir: &Utf8Path, wal_dir: Option<&Utf8Path>) -> Utf8PathBuf {
    wal_dir.map_or_else(|| data_dir.join("member/wal"), Utf8Path::to_owned)
}

fn failed(path: &Utf8Path) -> impl FnOnce(io::Error) -> InspectError + use<> {
    let path = path.to_owned();
    move |source| InspectError { path, source }
}

/// Reads what there is of a member, whoever's the directory is.
pub(crate) fn read(data_dir: &Utf8Path, wal_dir: Option<&Utf8Path>) -> Result<Contents, InspectError> {
    let member = data_dir.join("member");
    let log = log_of(data_dir, wal_dir);
    let has_log = has_log(data_dir, wal_dir)?;
    if !has_log && !member.try_exists().map_err(failed(&member))? {
        let is_there = data_dir.try_exists().map_err(failed(data_dir))?;
        return Ok(if is_there { Contents::Empty } else { Contents::Absent });
    }
    let database = member.join("snap/db");
    let database_bytes = match std::fs::metadata(&database) {
        Ok(metadata) => Some(metadata.len()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(failed(&database)(source)),
    };
    let snapshot = snapshot::newest(&member.join("snap")).map_err(failed(&member))?;
    if !has_log {
        return Ok(match (snapshot, database_bytes) {
            (Some(_), _) => {
                let what = "there are snapshots and no log".to_owned();
                Contents::Damaged(Damage { file: log, offset: 0, what, ids: None })
            }
            (None, Some(database_bytes)) => Contents::Unlogged { database_bytes },
            (None, None) => Contents::Empty,
        });
    }
    let wal = match wal::read(&log) {
        Ok(wal) => wal,
        Err(WalError::Damaged { file, offset, what, ids }) => {
            return Ok(Contents::Damaged(Damage { file: log.join(file), offset, what, ids }));
        }
        Err(WalError::Io { path, source }) => return Err(InspectError { path, source }),
        Err(WalError::Missing) => return Ok(Contents::Empty),
    };
    let ids = Some((wal.cluster, wal.member));
    if database_bytes.is_none() && wal.snapshot.index > 0 {
        let what = "the log begins where a snapshot ended, and there is no database".to_owned();
        return Ok(Contents::Damaged(Damage { file: database, offset: 0, what, ids }));
    }
    Ok(Contents::Member(MemberData {
        cluster: wal.cluster,
        member: wal.member,
        last: wal.last,
        hard_state: wal.hard_state,
        snapshot,
        cluster_version: wal.cluster_version,
        database_bytes,
        torn: wal.torn,
    }))
}

/// Whether a directory is a mount of its own, and not a folder of the file system above it.
pub fn is_mount(dir: &Utf8Path) -> io::Result<bool> {
    let found = rustix::fs::statx(CWD, dir.as_std_path(), AtFlags::empty(), StatxFlags::BASIC_STATS)?;
    if found.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) {
        return Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT));
    }
    // Before Linux 5.8 a mount of the same file system cannot be told from a folder.
    Ok(std::fs::metadata(dir)?.dev() != std::fs::metadata(dir.join(".."))?.dev())
}

/// What lies in a folder, by name. A name that is no text is nobody's of ours, and is shown as well as it can be.
fn names(dir: &Utf8Path) -> io::Result<Vec<String>> {
    std::fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// The owner, if it is not this process's user.
fn other_owner(path: &Utf8Path) -> io::Result<Option<u32>> {
    let uid = match std::fs::metadata(path) {
        Ok(metadata) => metadata.uid(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    Ok((uid != rustix::process::geteuid().as_raw()).then_some(uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().join("data")).unwrap();
        (dir, path)
    }

    #[test]
    fn what_is_ours_or_the_file_systems_is_nothing() {
        let (_dir, path) = dir();
        assert_eq!(inspect(&path, None).unwrap(), Contents::Absent);
        std::fs::create_dir(&path).unwrap();
        assert_eq!(inspect(&path, None).unwrap(), Contents::Empty);
        std::fs::create_dir_all(path.join("lost+found")).unwrap();
        std::fs::create_dir_all(path.join("e2d/quarantine")).unwrap();
        assert_eq!(inspect(&path, None).unwrap(), Contents::Empty);
        std::fs::write(path.join("passwd"), b"").unwrap();
        assert_eq!(inspect(&path, None).unwrap(), Contents::Foreign { names: vec!["passwd".to_owned()] });
    }

    #[test]
    fn the_store_in_the_data_directory_is_no_stranger() {
        let (dir, path) = dir();
        std::fs::create_dir_all(path.join("backups/deep")).unwrap();
        let foreign = Contents::Foreign { names: vec!["backups".to_owned()] };
        assert_eq!(inspect(&path, None).unwrap(), foreign);
        for store in [path.join("backups"), path.join("backups/deep"), path.join("backups/to/be/made")] {
            assert_eq!(inspect_beside(&path, None, Some(&store)).unwrap(), Contents::Empty, "{store}");
        }
        let link = Utf8PathBuf::from_path_buf(dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(inspect_beside(&path, None, Some(&link.join("backups"))).unwrap(), Contents::Empty);
        for store in [Utf8Path::new("/mnt/backups"), &path, &path.join("e2d/store")] {
            assert_eq!(inspect_beside(&path, None, Some(store)).unwrap(), foreign, "{store}");
        }
    }

    #[test]
    fn a_first_start_that_was_cut_short_left_no_log() {
        let (_dir, path) = dir();
        std::fs::create_dir_all(path.join("member/wal.tmp")).unwrap();
        std::fs::create_dir_all(path.join("member/snap")).unwrap();
        assert_eq!(inspect(&path, None).unwrap(), Contents::Empty);
        std::fs::write(path.join("member/snap/db"), b"x").unwrap();
        assert_eq!(inspect(&path, None).unwrap(), Contents::Unlogged { database_bytes: 1 });
    }

    #[test]
    fn somebody_elses_folder_is_left_alone() {
        let (_dir, path) = dir();
        std::fs::create_dir(&path).unwrap();
        let is_root = rustix::process::geteuid().is_root();
        let (foreign, uid) = if is_root { (path.as_path(), 12_345) } else { (Utf8Path::new("/"), 0) };
        if is_root {
            std::os::unix::fs::chown(&path, Some(uid), None).unwrap();
        }
        assert_eq!(inspect(foreign, None).unwrap(), Contents::OtherOwner { path: foreign.to_owned(), uid });
    }

    #[test]
    fn only_a_mount_is_a_mount() {
        let (_dir, path) = dir();
        std::fs::create_dir(&path).unwrap();
        assert!(!is_mount(&path).unwrap());
        assert!(is_mount(Utf8Path::new("/proc")).unwrap());
        assert!(is_mount(&path.join("absent")).is_err());
    }
}
