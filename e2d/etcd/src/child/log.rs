//! etcd's log: `<data-dir>/e2d/etcd.log`, and the part before it in `etcd.log.1`.
//!
//! etcd writes to a file and not to a pipe, because it must outlive e2d and 3.4 dies of a broken pipe. The log is
//! also the only witness of many deaths, the exit code being 0 or 1 for most of them, so each start writes a line with
//! its run before etcd does, and only what follows that line counts for it.
//!
//! Bounded: when the file has grown past [`LIMIT_BYTES`] it is copied aside and emptied under the running server,
//! which appends. What etcd writes between the two, a matter of microseconds, is lost. On a disk that has no room for
//! the copy and as much again it grows on: the room is etcd's own first.

use super::RunId;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::os::unix::fs::OpenOptionsExt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// The size past which the log is set aside.
const LIMIT_BYTES: u64 = 16 << 20;

/// How much of its end is read to learn of a death: room for a panic with many goroutines.
const TAIL_BYTES: u64 = 256 << 10;

/// Opens the log for a new run, with the line that begins it.
pub(super) fn open(home: &Utf8Path, run: RunId) -> io::Result<File> {
    trim(home)?;
    let mut file = fs_err::OpenOptions::new().create(true).append(true).mode(0o600).open(current(home))?;
    file.write_all(format!("\n{}\n", marker(run)).as_bytes())?;
    Ok(file.into_parts().0)
}

/// Sets the log aside if it is too long; `false` if it is not.
pub(super) fn trim(home: &Utf8Path) -> io::Result<bool> {
    trim_past(home, LIMIT_BYTES, room(home)?)
}

/// How much more the disk of a folder takes.
pub(super) fn room(home: &Utf8Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(home.as_std_path())?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn trim_past(home: &Utf8Path, limit: u64, room: u64) -> io::Result<bool> {
    let mut file = match fs_err::OpenOptions::new().read(true).write(true).open(current(home)) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    let length = file.metadata()?.len();
    if length <= limit || room < length.saturating_mul(2) {
        return Ok(false);
    }
    let temporary = home.join("etcd.log.1.tmp");
    if let Err(error) = set_aside(&mut file, &temporary, &earlier(home)) {
        // Half a copy helps nobody, and takes room on a disk that may have none.
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    file.set_len(0)?;
    Ok(true)
}

fn set_aside(file: &mut fs_err::File, temporary: &Utf8Path, place: &Utf8Path) -> io::Result<()> {
    let mut aside = fs_err::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(temporary)?;
    io::copy(file, &mut aside)?;
    fs_err::rename(temporary, place)
}

/// The end of what this run wrote; empty if it wrote nothing. Bytes that are not UTF-8 are replaced.
///
/// Where the line that begins the run is out of sight, the end of the log is this run's alone, but what was set aside
/// may be anybody's: it counts only behind that line, or an older run's last words would stand for this one's.
pub(super) fn tail(home: &Utf8Path, run: RunId) -> io::Result<String> {
    let marker = marker(run);
    let text = end_of(&current(home))?;
    if let Some((_, after)) = text.rsplit_once(&marker) {
        return Ok(after.to_owned());
    }
    let before = end_of(&earlier(home))?;
    let before = before.rsplit_once(&marker).map_or("", |(_, after)| after);
    Ok(format!("{before}{text}"))
}

fn end_of(path: &Utf8Path) -> io::Result<String> {
    let mut file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(e) => return Err(e),
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn marker(run: RunId) -> String {
    format!(r#"{{"level":"info","caller":"e2d","msg":"starting etcd","run":"{run}"}}"#)
}

fn current(home: &Utf8Path) -> Utf8PathBuf {
    home.join("etcd.log")
}

fn earlier(home: &Utf8Path) -> Utf8PathBuf {
    home.join("etcd.log.1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_reads_its_own_lines_alone() {
        let dir = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(dir.path()).unwrap();
        let (first, second) = (RunId::fixed(1), RunId::fixed(2));
        open(home, first).unwrap().write_all(b"removed").unwrap();
        open(home, second).unwrap().write_all(b"running").unwrap();
        assert_eq!(tail(home, second).unwrap().trim(), "running");
        assert!(!tail(home, second).unwrap().contains("removed"));
    }

    #[test]
    fn the_log_is_emptied_under_its_writer_and_stays_one_story() {
        let dir = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(dir.path()).unwrap();
        let run = RunId::fixed(3);
        let mut writer = open(home, run).unwrap();
        writer.write_all(b"early\n").unwrap();
        assert!(!trim_past(home, 1000, u64::MAX).unwrap());
        assert!(trim_past(home, 10, u64::MAX).unwrap());
        writer.write_all(b"late\n").unwrap();
        assert_eq!(std::fs::read_to_string(current(home)).unwrap(), "late\n");
        assert_eq!(tail(home, run).unwrap(), "\nearly\nlate\n");
    }

    /// Without room for a copy nothing is copied, and one that fails leaves no part of itself.
    #[test]
    fn a_copy_that_has_no_room_is_not_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::write(current(home), vec![b'x'; 100]).unwrap();
        assert!(!trim_past(home, 10, 199).unwrap(), "less room than twice the log");
        std::fs::create_dir_all(earlier(home).join("in the way")).unwrap();
        assert!(trim_past(home, 10, 200).is_err());
        assert_eq!(home.read_dir_utf8().unwrap().count(), 2, "the log and what is in the way");
        assert_eq!(std::fs::metadata(current(home)).unwrap().len(), 100, "nothing is lost");
    }

    /// A run that wrote much since it began is judged by its own words, not by those of a run before it.
    #[test]
    fn what_was_set_aside_speaks_for_its_own_run_alone() {
        let dir = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(dir.path()).unwrap();
        let (first, second) = (RunId::fixed(5), RunId::fixed(6));
        open(home, first).unwrap().write_all(b"removed\n").unwrap();
        assert!(trim_past(home, 1, u64::MAX).unwrap());
        let mut writer = open(home, second).unwrap();
        writer.write_all(&vec![b'x'; 2 * TAIL_BYTES as usize]).unwrap();
        writer.write_all(b"\nrunning\n").unwrap();
        let tail = tail(home, second).unwrap();
        assert!(tail.ends_with("running\n") && !tail.contains("removed"));
    }

    #[test]
    fn a_long_log_costs_no_more_than_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(dir.path()).unwrap();
        let run = RunId::fixed(4);
        let mut writer = open(home, run).unwrap();
        writer.write_all(&vec![b'x'; 3 * TAIL_BYTES as usize]).unwrap();
        writer.write_all(b"\xffend").unwrap();
        let tail = tail(home, run).unwrap();
        assert!(tail.len() <= TAIL_BYTES as usize + 3 && tail.ends_with("end"));
    }
}
