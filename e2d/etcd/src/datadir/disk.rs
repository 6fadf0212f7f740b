//! On which disk a folder lies, by the kernel's table of mounts.
//!
//! The device's node need not be there: a hardened service has a `/dev` of its own, without disks. A device is known by
//! its numbers, which stand in `/sys` under the kernel's name for it, and in udev's files beside all the names that
//! links in `/dev` give it. Some file systems, btrfs among them, have numbers of their own; of these the source counts
//! that was mounted. One that lies on several disks is known by the one that the table names.

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{AtFlags, CWD, StatxFlags};
use std::fmt;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// A device's major and minor number.
type Numbers = (u32, u32);

/// What a folder's file system was mounted from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    source: String,
    numbers: Numbers,
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Disk {
    /// That of an existing folder.
    pub fn of(folder: &Utf8Path) -> io::Result<Self> {
        let table = std::fs::read("/proc/self/mountinfo")?;
        let found = rustix::fs::statx(CWD, folder.as_std_path(), AtFlags::empty(), StatxFlags::MNT_ID)?;
        // Linux 5.8 and newer say in which mount a folder lies.
        let mount =
            StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID).then_some(found.stx_mnt_id);
        let found = find(&String::from_utf8_lossy(&table), mount, &folder.canonicalize_utf8()?);
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no mount is listed for `{folder}`")))
    }

    /// Whether it is this device.
    #[must_use]
    pub fn is(&self, device: &Utf8Path) -> bool {
        self.is_by(&Names::default(), device)
    }

    fn is_by(&self, names: &Names, device: &Utf8Path) -> bool {
        let source = Utf8Path::new(&self.source);
        match names.numbers(device) {
            Some(wanted) => wanted == self.numbers || names.numbers(source) == Some(wanted),
            // Nobody knows the name but whoever mounted by it.
            None => device == source,
        }
    }
}

/// The mount in which a folder lies: by its id, or as the longest path above, of several at one place the last.
fn find(table: &str, mount: Option<u64>, folder: &Utf8Path) -> Option<Disk> {
    let mut mounts = table.lines().filter_map(Mount::parse);
    let found = match mount {
        Some(id) => mounts.find(|mount| mount.id == id),
        None => mounts.filter(|mount| folder.starts_with(&mount.place)).max_by_key(|mount| mount.place.as_str().len()),
    };
    found.map(|mount| mount.disk)
}

struct Mount {
    id: u64,
    place: Utf8PathBuf,
    disk: Disk,
}

impl Mount {
    /// One line of the table: proc(5), `/proc/PID/mountinfo`.
    fn parse(line: &str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut fields = mount.split(' ');
        let id = fields.next()?.parse().ok()?;
        let numbers = numbers(fields.nth(1)?)?;
        let place = plain(fields.nth(1)?).into();
        let source = plain(file_system.split(' ').nth(1)?);
        Some(Self { id, place, disk: Disk { source, numbers } })
    }
}

/// What would part fields or lines stands there as three octal digits.
fn plain(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(field.to_owned(), |text, (code, sign)| text.replace(code, sign))
}

/// `MAJOR:MINOR`
fn numbers(text: &str) -> Option<Numbers> {
    let (major, minor) = text.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Where names of devices are looked up.
struct Names {
    /// The kernel's: one folder a device, with its numbers in a file.
    kernel: Utf8PathBuf,
    /// udev's: one file a device, `b` and its numbers, with a line for each link.
    links: Utf8PathBuf,
}

impl Default for Names {
    fn default() -> Self {
        Self { kernel: "/sys/class/block".into(), links: "/run/udev/data".into() }
    }
}

impl Names {
    /// A device's numbers, whether its node is there or only its name is known.
    fn numbers(&self, device: &Utf8Path) -> Option<Numbers> {
        if let Ok(node) = std::fs::metadata(device)
            && node.file_type().is_block_device()
        {
            return Some((rustix::fs::major(node.rdev()), rustix::fs::minor(node.rdev())));
        }
        let name = device.strip_prefix("/dev").ok()?;
        let known = std::fs::read_to_string(self.kernel.join(name.as_str().replace('/', "!")).join("dev"));
        known.ok().and_then(|text| numbers(&text)).or_else(|| self.linked(name))
    }

    fn linked(&self, name: &Utf8Path) -> Option<Numbers> {
        let link = format!("S:{name}");
        let has_link =
            |path: &Utf8Path| std::fs::read_to_string(path).is_ok_and(|text| text.lines().any(|line| line == link));
        let entries = self.links.read_dir_utf8().ok()?.filter_map(Result::ok);
        let mut devices = entries.filter(|entry| entry.file_name().starts_with('b'));
        let found = devices.find(|entry| has_link(entry.path()))?;
        numbers(found.file_name().strip_prefix('b')?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
28 27 0:25 / /dev rw,nosuid shared:2 master:1 - tmpfs tmpfs rw,size=4k
40 27 259:3 / /var/lib/etcd rw,relatime shared:7 - xfs /dev/nvme1n1p3 rw
41 27 0:44 /@etcd /srv/a\\040b rw,relatime - btrfs /dev/nvme2n1 rw,subvol=/@etcd
42 40 253:1 / /var/lib/etcd/data rw,relatime - ext4 /dev/mapper/data-etcd rw
43 27 0:50 / /mnt rw - nfs 10.0.0.1:/backups rw
";

    fn disk(id: u64) -> Disk {
        find(TABLE, Some(id), "/".into()).unwrap()
    }

    #[test]
    fn a_folder_lies_in_the_mount_above_it() {
        for (folder, source) in [
            ("/srv", "/dev/vda"),
            ("/var/lib/etcd", "/dev/nvme1n1p3"),
            ("/var/lib/etcd-old", "/dev/vda"),
            ("/var/lib/etcd/data/member", "/dev/mapper/data-etcd"),
            ("/srv/a b/data", "/dev/nvme2n1"),
        ] {
            assert_eq!(find(TABLE, None, folder.into()).unwrap().to_string(), source, "{folder}");
        }
        assert_eq!(find(TABLE, Some(43), "/srv".into()).unwrap().to_string(), "10.0.0.1:/backups");
        assert_eq!(find(TABLE, Some(99), "/srv".into()), None);
        assert_eq!(find("", None, "/srv".into()), None);
        assert!(Disk::of("/proc/self".into()).unwrap().to_string().contains("proc"));
    }

    /// Neither its own node nor that of a link to it need be there.
    #[test]
    fn a_device_is_known_by_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let names = Names { kernel: root.join("block"), links: root.join("data") };
        for (name, numbers) in
            [("nvme9n1p3", "259:3"), ("nvme9n2", "259:9"), ("dm-1", "253:1"), ("cciss!c0d0", "104:0")]
        {
            std::fs::create_dir_all(names.kernel.join(name)).unwrap();
            std::fs::write(names.kernel.join(name).join("dev"), format!("{numbers}\n")).unwrap();
        }
        std::fs::create_dir(&names.links).unwrap();
        std::fs::write(names.links.join("b253:1"), "S:mapper/none-etcd\nS:disk/by-uuid/none-7\nE:DM_NAME=x\n").unwrap();
        std::fs::write(names.links.join("c1:3"), "S:disk/by-uuid/none-8\n").unwrap();
        let is = |disk: &Disk, device: &str| disk.is_by(&names, device.into());
        let on = |source: &str, numbers| Disk { source: source.to_owned(), numbers };

        assert!(is(&on("/dev/root", (259, 3)), "/dev/nvme9n1p3"), "by its numbers");
        assert!(is(&on("/dev/root", (104, 0)), "/dev/cciss/c0d0"));
        assert!(!is(&on("/dev/nvme9n1p3", (259, 3)), "/dev/nvme9n2"));
        let mapped = on("/dev/mapper/none-etcd", (253, 1));
        for name in ["/dev/mapper/none-etcd", "/dev/dm-1", "/dev/disk/by-uuid/none-7"] {
            assert!(is(&mapped, name), "{name}");
        }
        let btrfs = on("/dev/nvme9n2", (0, 44));
        assert!(is(&btrfs, "/dev/nvme9n2") && !is(&btrfs, "/dev/nvme9n1p3"));
        assert!(is(&on("/dev/mapper/none-etcd", (0, 44)), "/dev/disk/by-uuid/none-7"), "by its source");
        assert!(is(&on("/dev/none", (1, 1)), "/dev/none"), "by the name alone");
        for unknown in ["/dev/disk/by-uuid/none-8", "/dev/none-at-all", "/etc/passwd"] {
            assert!(!is(&mapped, unknown), "{unknown}");
        }
        assert!(!is(&disk(43), "/dev/nvme9n2") && !is(&disk(28), "/dev/nvme9n2"));
    }
}
