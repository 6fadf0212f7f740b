//! Data set aside, never deleted where it stands.
//!
//! [`put_aside`] moves etcd's data into `<data-dir>/e2d/quarantine/<n>-<reason>/` by renames, each of which is durable
//! before the next; when it was interrupted, doing it again moves what is left into a folder of its own. A log on
//! another file system stays on that one, beside its folder: never inside, because etcd empties the folder in which
//! it makes a new log. [`prune`] deletes the oldest, within bounds, and never the newest.
//!
//! Whether data may be set aside at all is for the caller to prove.

use super::home;
use crate::child::{self, User};
use crate::durable;
use camino::{Utf8Path, Utf8PathBuf};
use std::io;
use std::time::{Duration, SystemTime};

/// What may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// At most so many; the newest always.
    pub count: usize,
    /// Nothing older than this, but for the newest.
    pub age: Duration,
}

/// One set of data that was put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// The how-manieth.
    pub number: u64,
    /// Why, as it was given.
    pub reason: String,
    /// Where.
    pub path: Utf8PathBuf,
    /// The log's place, if that is another.
    pub wal_path: Option<Utf8PathBuf>,
}

/// Why data was not set aside, or not deleted from there.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// Somebody uses the data. Nothing was changed.
    #[error("data in {data_dir} cannot be set aside while {user} uses it")]
    InUse {
        /// The data directory.
        data_dir: Utf8PathBuf,
        /// Who uses it.
        user: User,
    },
    /// The system refused. What was moved or deleted before stays so; the rest stands where it stood.
    #[error("{path} could not be {what}")]
    Io {
        /// What could not be moved or deleted.
        path: Utf8PathBuf,
        /// What was to be done with it.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Moves etcd's data out of the way; `None` when there is none.
///
/// `reason` becomes part of a name: small letters, digits and dashes of it are kept.
pub fn put_aside(
    data_dir: &Utf8Path,
    wal_dir: Option<&Utf8Path>,
    reason: &str,
) -> Result<Option<Aside>, QuarantineError> {
    let failed = |path: &Utf8Path| {
        let path = path.to_owned();
        move |source| QuarantineError::Io { path, what: "set aside", source }
    };
    let member = data_dir.join("member");
    let wal = wal_dir.filter(|wal| has_entries(wal));
    if !member.exists() && wal.is_none() {
        return Ok(None);
    }
    if let Some(user) = child::user_of(data_dir).map_err(failed(data_dir))? {
        return Err(QuarantineError::InUse { data_dir: data_dir.to_owned(), user });
    }
    let number = 1 + list(data_dir, wal_dir).map_err(failed(data_dir))?.last().map_or(0, |newest| newest.number);
    let name = format!("{number:06}-{}", plain(reason));
    let path = place(data_dir).join(&name);
    durable::private_dir(&path).map_err(failed(&path))?;
    let mut wal_path = None;
    if let Some(wal) = wal {
        let to = wal_place(wal).join(&name);
        durable::private_dir(&wal_place(wal)).map_err(failed(wal))?;
        durable::rename(wal, &to).map_err(failed(wal))?;
        wal_path = Some(to);
    }
    if member.exists() {
        durable::rename(&member, &path.join("member")).map_err(failed(&member))?;
    }
    tracing::warn!(from = %data_dir, to = %path, reason, "data set aside");
    Ok(Some(Aside { number, reason: plain(reason), path, wal_path }))
}

/// What was put aside, oldest first.
pub fn list(data_dir: &Utf8Path, wal_dir: Option<&Utf8Path>) -> io::Result<Vec<Aside>> {
    let place = place(data_dir);
    let mut found = Vec::new();
    let entries = match place.read_dir_utf8() {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let name = entry?.file_name().to_owned();
        let Some((number, reason)) = name.split_once('-') else { continue };
        let Ok(number) = number.parse() else { continue };
        let wal_path = wal_dir.map(|wal| wal_place(wal).join(&name)).filter(|path| path.exists());
        found.push(Aside { number, reason: reason.to_owned(), path: place.join(&name), wal_path });
    }
    found.sort_by_key(|aside| aside.number);
    Ok(found)
}

/// Deletes the oldest, until what is left is within bounds; returns what was deleted.
pub fn prune(
    data_dir: &Utf8Path,
    wal_dir: Option<&Utf8Path>,
    keep: Keep,
    now: SystemTime,
) -> Result<Vec<Aside>, QuarantineError> {
    let failed = |path: &Utf8Path| {
        let path = path.to_owned();
        move |source| QuarantineError::Io { path, what: "deleted from quarantine", source }
    };
    let mut kept = list(data_dir, wal_dir).map_err(failed(data_dir))?;
    let Some(newest) = kept.pop() else { return Ok(Vec::new()) };
    let mut deleted = Vec::new();
    // The newest counts, and is not asked for its age.
    while !kept.is_empty() {
        let too_many = kept.len() + 1 > keep.count;
        let oldest = kept.remove(0);
        let made = std::fs::metadata(&oldest.path).and_then(|found| found.modified()).map_err(failed(&oldest.path))?;
        // A clock that went back makes nothing old.
        if !too_many && now.duration_since(made).unwrap_or_default() <= keep.age {
            break;
        }
        // The log first: while the other folder is there, both are found again after an interruption.
        for path in oldest.wal_path.iter().chain([&oldest.path]) {
            fs_err::remove_dir_all(path).map_err(failed(path))?;
        }
        tracing::info!(path = %oldest.path, newest = newest.number, "data in quarantine deleted");
        deleted.push(oldest);
    }
    Ok(deleted)
}

fn place(data_dir: &Utf8Path) -> Utf8PathBuf {
    home(data_dir).join("quarantine")
}

/// Beside the log's folder, on its file system.
fn wal_place(wal_dir: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{}.e2d-quarantine", wal_dir.as_str().trim_end_matches('/')))
}

fn has_entries(dir: &Utf8Path) -> bool {
    dir.read_dir_utf8().is_ok_and(|mut entries| entries.next().is_some())
}

fn plain(reason: &str) -> String {
    let fits = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
    reason.chars().filter(fits).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        _dir: tempfile::TempDir,
        data: Utf8PathBuf,
        wal: Utf8PathBuf,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let root = Utf8Path::from_path(dir.path()).unwrap();
            Self { data: root.join("data"), wal: root.join("disk/wal"), _dir: dir }
        }

        fn fill(&self, content: &str) {
            std::fs::create_dir_all(self.data.join("member/snap")).unwrap();
            std::fs::write(self.data.join("member/snap/db"), content).unwrap();
        }

        fn numbers(&self) -> Vec<u64> {
            list(&self.data, Some(&self.wal)).unwrap().iter().map(|aside| aside.number).collect()
        }
    }

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn data_is_moved_whole_and_numbered_on() {
        let fixture = Fixture::new();
        assert_eq!(put_aside(&fixture.data, None, "x").unwrap(), None, "there is nothing");
        fixture.fill("first");
        let aside = put_aside(&fixture.data, None, "Removed from/cluster 7").unwrap().unwrap();
        assert_eq!(aside.path, fixture.data.join("e2d/quarantine/000001-emovedfromcluster7"));
        assert_eq!(std::fs::read_to_string(aside.path.join("member/snap/db")).unwrap(), "first");
        assert!(!fixture.data.join("member").exists());
        assert_eq!(put_aside(&fixture.data, None, "again").unwrap(), None, "it is done");
        fixture.fill("second");
        assert_eq!(put_aside(&fixture.data, None, "y").unwrap().unwrap().number, 2);
    }

    #[test]
    fn a_log_elsewhere_stays_on_its_disk_and_out_of_etcds_way() {
        let fixture = Fixture::new();
        fixture.fill("db");
        std::fs::create_dir_all(&fixture.wal).unwrap();
        std::fs::write(fixture.wal.join("0.wal"), b"log").unwrap();
        let aside = put_aside(&fixture.data, Some(&fixture.wal), "corrupt").unwrap().unwrap();
        let kept = aside.wal_path.clone().unwrap();
        assert_eq!(kept.parent().unwrap(), fixture.wal.with_file_name("wal.e2d-quarantine"));
        assert_eq!(std::fs::read(kept.join("0.wal")).unwrap(), b"log");
        assert!(!fixture.wal.exists());
        assert_eq!(list(&fixture.data, Some(&fixture.wal)).unwrap(), [aside]);
    }

    #[test]
    fn data_in_use_is_not_moved() {
        let fixture = Fixture::new();
        fixture.fill("db");
        let database = std::fs::File::open(fixture.data.join("member/snap/db")).unwrap();
        rustix::fs::flock(&database, rustix::fs::FlockOperation::LockExclusive).unwrap();
        let error = put_aside(&fixture.data, None, "x").unwrap_err();
        assert!(matches!(error, QuarantineError::InUse { .. }), "{error}");
        assert!(fixture.data.join("member/snap/db").exists());
    }

    #[test]
    fn an_interrupted_move_is_finished_by_the_next() {
        let fixture = Fixture::new();
        fixture.fill("db");
        std::fs::create_dir_all(&fixture.wal).unwrap();
        std::fs::write(fixture.wal.join("0.wal"), b"log").unwrap();
        // As if only the log's rename had been done before a crash.
        let moved = wal_place(&fixture.wal).join("000001-corrupt");
        durable::private_dir(&place(&fixture.data).join("000001-corrupt")).unwrap();
        durable::private_dir(&wal_place(&fixture.wal)).unwrap();
        std::fs::rename(&fixture.wal, &moved).unwrap();
        let aside = put_aside(&fixture.data, Some(&fixture.wal), "corrupt").unwrap().unwrap();
        assert_eq!((aside.number, aside.wal_path), (2, None));
        assert!(!fixture.data.join("member").exists());
        assert_eq!(list(&fixture.data, Some(&fixture.wal)).unwrap()[0].wal_path, Some(moved));
    }

    #[test]
    fn the_oldest_go_first_and_the_newest_never() {
        let fixture = Fixture::new();
        for n in 0..4 {
            fixture.fill(&n.to_string());
            put_aside(&fixture.data, None, "r").unwrap();
        }
        let now = SystemTime::now();
        let prune = |count, age, now| prune(&fixture.data, Some(&fixture.wal), Keep { count, age }, now).unwrap().len();
        assert_eq!((prune(4, DAY, now), fixture.numbers()), (0, vec![1, 2, 3, 4]));
        assert_eq!((prune(3, DAY, now), fixture.numbers()), (1, vec![2, 3, 4]));
        assert_eq!(prune(9, DAY, now - 3 * DAY), 0, "a clock that went back makes nothing old");
        assert_eq!((prune(9, DAY, now + 2 * DAY), fixture.numbers()), (2, vec![4]));
        assert_eq!((prune(0, Duration::ZERO, now + 9 * DAY), fixture.numbers()), (0, vec![4]));
        fixture.fill("5");
        assert_eq!(put_aside(&fixture.data, None, "r").unwrap().unwrap().number, 5, "numbers are not used again");
    }
}
