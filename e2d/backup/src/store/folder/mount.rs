//! Whether the folder is only the empty mount point of a disk or share that is not there.
//!
//! Such a folder exists and is empty, and would pass for a store that holds nothing (S2). What tells the
//! two apart is the operator's own `/etc/fstab`: a mount point listed there, at or above the folder, with
//! nothing mounted on it. A share that is mounted by other means cannot be recognised; where that matters,
//! name a folder *below* the mount point, which is missing together with the share.

use camino::Utf8Path;
use std::path::{Path, PathBuf};

/// The files that say what should be mounted and what is.
#[derive(Clone, Debug)]
pub(super) struct MountTables {
    /// See fstab(5).
    pub(super) wanted: PathBuf,
    /// See `proc_pid_mountinfo(5)`.
    pub(super) present: PathBuf,
}

impl Default for MountTables {
    fn default() -> Self {
        Self { wanted: "/etc/fstab".into(), present: "/proc/self/mountinfo".into() }
    }
}

impl MountTables {
    /// The mount point at or above the folder where something should be mounted and nothing is.
    pub(super) fn unmounted_above(&self, folder: &Utf8Path) -> Option<String> {
        let wanted = std::fs::read_to_string(&self.wanted).ok()?;
        let present = std::fs::read_to_string(&self.present).ok()?;
        let real = folder.canonicalize_utf8().unwrap_or_else(|_| folder.to_owned());
        missing(&wanted, &present, &[folder, &real])
    }
}

fn missing(wanted: &str, present: &str, folders: &[&Utf8Path]) -> Option<String> {
    let column = |line: &str, nth| line.split_ascii_whitespace().nth(nth).map(unescape);
    let mounted: Vec<String> = present.lines().filter_map(|line| column(line, 4)).collect();
    wanted
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| column(line, 1))
        .filter(|point| point.starts_with('/') && point != "/")
        .find(|point| folders.iter().any(|folder| folder.starts_with(point)) && !is_mounted(point, &mounted))
}

fn is_mounted(point: &str, mounted: &[String]) -> bool {
    let plain = Path::new(point);
    let real = plain.canonicalize();
    mounted.iter().any(|at| Path::new(at) == plain || real.as_ref().is_ok_and(|real| Path::new(at) == real))
}

/// Both files write blanks and backslashes as octal numbers, such as `\040`.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if let Some(byte) = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            plain.push(char::from(byte));
            plain.push_str(&part[3..]);
        } else {
            plain.push('\\');
            plain.push_str(part);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: &str = "# <file system> <mount point>\n/dev/vda / ext4 rw 0 1\nUUID=1 none swap sw 0 0\n\
        nas:/b /mnt/backup nfs4 rw 0 0\nnas:/c /mnt/my\\040share nfs4 rw,noauto 0 0\n";

    fn ask(present: &str, folder: &str) -> Option<String> {
        missing(WANTED, present, &[Utf8Path::new(folder)])
    }

    /// S2: an unmounted share is not an empty store.
    #[test]
    fn a_listed_mount_point_with_nothing_on_it_is_missing() {
        let root = "22 1 254:0 / / rw - ext4 /dev/vda rw\n";
        assert_eq!(ask(root, "/mnt/backup").as_deref(), Some("/mnt/backup"));
        assert_eq!(ask(root, "/mnt/backup/deep/er").as_deref(), Some("/mnt/backup"));
        assert_eq!(ask(root, "/mnt/my share/x").as_deref(), Some("/mnt/my share"));
        assert_eq!(ask(root, "/mnt/backup2"), None);
        assert_eq!(ask(root, "/var/lib"), None);
    }

    #[test]
    fn a_mounted_one_is_not() {
        let both = "22 1 254:0 / / rw - ext4 /dev/vda rw\n40 22 0:5 / /mnt/backup rw - nfs4 nas:/b rw\n\
            41 22 0:6 / /mnt/my\\040share rw - nfs4 nas:/c rw\n";
        assert_eq!((ask(both, "/mnt/backup/x"), ask(both, "/mnt/my share")), (None, None));
    }
}
