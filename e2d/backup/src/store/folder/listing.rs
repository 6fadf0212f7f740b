//! Lists a folder tree in the order of its keys, one page at a time.
//!
//! Memory is bounded by the page, not by the folder: of each folder only the first names that can still
//! matter are kept, and it is read again where that was not enough. A folder that cannot be read is an
//! error; it is never left out. So is a symbolic link to a folder, since what lies behind it is not known.

use super::super::{Entry, Key, LIST_LIMIT, Page, Prefix, Stamp};
use super::place::{self, Location, Trouble};
use rustix::fs::{AtFlags, Dir, FileType, Stat};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

/// The file system's own, at the root of a disk, readable by root alone.
const NOT_OURS: &str = "lost+found";

/// Lists up to `limit` objects behind `after` whose keys begin with `prefix`.
pub(super) fn list(location: &Location, prefix: &Prefix, after: Option<&Key>, limit: usize) -> Result<Page, Trouble> {
    let (folders, start) = prefix.split();
    let names = folders.split('/').filter(|name| !name.is_empty());
    let Some(folder) = place::descend(location.open()?, names)? else { return Ok(Page::default()) };
    let limit = limit.min(LIST_LIMIT);
    let mut walk = Walk { after: after.map_or("", Key::as_str), wanted: limit + 1, entries: Vec::new() };
    walk.folder(&folder, folders, start)?;
    let more = walk.entries.len() > limit;
    walk.entries.truncate(limit);
    Ok(Page { entries: walk.entries, more })
}

struct Walk<'a> {
    after: &'a str,
    wanted: usize,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    Object,
}

impl Walk<'_> {
    fn missing(&self) -> usize {
        self.wanted - self.entries.len()
    }

    /// Lists one folder and all below it. `path` is its key with a slash, empty for the store's own.
    fn folder(&mut self, folder: &OwnedFd, path: &str, start: &str) -> Result<(), Trouble> {
        let mut done: Option<String> = None;
        while self.missing() > 0 {
            let (names, all) = self.names(folder, path, start, done.as_deref())?;
            for (name, kind) in &names {
                match kind {
                    Kind::Object => self.object(folder, path, name)?,
                    Kind::Folder => {
                        if let Some(below) = place::descend_one(folder, name.trim_end_matches('/'))? {
                            self.folder(&below, &format!("{path}{name}"), "")?;
                        }
                    }
                }
                if self.missing() == 0 {
                    return Ok(());
                }
            }
            match names.into_iter().next_back() {
                Some((last, _)) if !all => done = Some(last),
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// The first names behind `done`, folders with a slash as in their keys, and whether these are all.
    fn names(
        &self,
        folder: &OwnedFd,
        path: &str,
        start: &str,
        done: Option<&str>,
    ) -> Result<(BTreeMap<String, Kind>, bool), Trouble> {
        let (mut names, mut all) = (BTreeMap::new(), true);
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if !name.starts_with(start) || Key::new(format!("{path}{name}")).is_err() {
                continue;
            }
            if path.is_empty() && name == NOT_OURS {
                continue;
            }
            let kind = kind(folder, name, entry.file_type())?;
            let name = if kind == Kind::Folder { format!("{name}/") } else { name.to_owned() };
            let key = format!("{path}{name}");
            let relevant = key.as_str() > self.after || (kind == Kind::Folder && self.after.starts_with(&key));
            if relevant && done.is_none_or(|done| name.as_str() > done) {
                names.insert(name, kind);
            }
            if names.len() > self.missing() {
                names.pop_last();
                all = false;
            }
        }
        Ok((names, all))
    }

    fn object(&mut self, folder: &OwnedFd, path: &str, name: &str) -> Result<(), Trouble> {
        match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                let size_bytes = u64::try_from(stat.st_size).unwrap_or_default();
                let key = Key::known(format!("{path}{name}"));
                self.entries.push(Entry { key, size_bytes, stamp: stamp(&stat) });
                Ok(())
            }
            // Deleted meanwhile.
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Each state of an object is a file of its own, which is there before the one that it replaces is gone. Its times
/// tell it from one that had its number earlier, and show who wrote into it by other means.
fn stamp(stat: &Stat) -> Stamp {
    let modified = [i128::from(stat.st_mtime), i128::from(stat.st_mtime_nsec)];
    let changed = [i128::from(stat.st_ctime), i128::from(stat.st_ctime_nsec)];
    let parts = [[i128::from(stat.st_dev), i128::from(stat.st_ino)], modified, changed];
    let bytes: Vec<u8> = parts.into_iter().flatten().flat_map(i128::to_be_bytes).collect();
    Stamp::of(&bytes)
}

fn kind(folder: &OwnedFd, name: &str, hint: FileType) -> Result<Kind, Trouble> {
    let file_type = match hint {
        FileType::Unknown => match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => FileType::from_raw_mode(stat.st_mode),
            Err(Errno::NOENT) => return Ok(Kind::Object),
            Err(errno) => return Err(errno.into()),
        },
        known => known,
    };
    match file_type {
        FileType::Directory => Ok(Kind::Folder),
        FileType::Symlink if place::leads_to_folder(folder, name) => {
            Err(Trouble::Malformed("a symbolic link to a folder lies in the store"))
        }
        _ => Ok(Kind::Object),
    }
}
