//! Disks of a machine's own: small ones, ones that may only be read, ones that are missing.
//!
//! Each run of e2d gets a mount namespace; nothing is mounted on the machine that runs the tests.

use crate::cluster::{Cluster, name};
use anyhow::{Context as _, Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use std::fmt::Write as _;
use std::io::Write as _;

/// A device with an empty file system, that goes with this or with the last that has it mounted.
#[derive(Debug)]
pub struct Device(Utf8PathBuf);

impl Device {
    /// Its node.
    #[must_use]
    pub fn node(&self) -> &Utf8Path {
        &self.0
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = std::process::Command::new("losetup").arg("--detach").arg(&self.0).status();
    }
}

/// A `/dev` without disks, as systemd's `PrivateDevices=yes` makes it.
const WITHOUT_DISKS: &str = "mount -t tmpfs none $dev && for name in null zero full random urandom tty; do \
    touch $dev/$name && mount --bind /dev/$name $dev/$name || exit; done && mkdir $dev/shm && mount --rbind $dev /dev";

impl Cluster {
    /// A device of the story's own.
    pub fn device(&self, name: &str) -> Result<Device> {
        let file = self.folder.join(name);
        fs_err::File::create(&file)?.set_len(1 << 30)?;
        let made = std::process::Command::new("mkfs.ext4").arg("-q").arg(&file).status()?;
        ensure!(made.success(), "mkfs.ext4 {file}: {made}");
        let found = std::process::Command::new("losetup").args(["--find", "--show"]).arg(&file).output()?;
        ensure!(found.status.success(), "losetup {file}: {}", String::from_utf8_lossy(&found.stderr));
        Ok(Device(String::from_utf8(found.stdout)?.trim().into()))
    }

    /// From its next start a machine sees no disks in `/dev`; its data directory lies on this one, if one is given.
    pub fn hide_devices(&mut self, n: u8, disk: Option<&Device>) -> Result<()> {
        let (dev, at) = (self.folder.join("dev"), self.data_dir(n).to_owned());
        for folder in [&dev, &at] {
            fs_err::create_dir_all(folder)?;
        }
        let mount = disk.map_or_else(|| "true".to_owned(), |disk| format!("mount {} {at}", disk.node()));
        self.mount(n, &format!("{mount} && dev={dev} && {WITHOUT_DISKS}"), &[]);
        Ok(())
    }

    /// From its next start a machine sees an empty disk of this size in one of the story's folders; `then` stands
    /// before its programs.
    pub fn mount_small(&mut self, n: u8, folder: &str, size: &str, then: &[&str]) -> Result<()> {
        let at = self.folder.join(folder);
        fs_err::create_dir_all(&at)?;
        self.mount(n, &format!("mount -t tmpfs -o mode=0700,size={size} none {at}"), then);
        Ok(())
    }

    /// From its next start a machine may only read its data directory.
    pub fn mount_read_only(&mut self, n: u8) -> Result<()> {
        let at = self.data_dir(n).to_owned();
        self.mount(n, &format!("mount --bind {at} {at} && mount -o remount,bind,ro {at}"), &[]);
        Ok(())
    }

    /// From its next start a machine's data directory is a disk that is mounted there. Without it, the folder is
    /// an empty mount point.
    pub fn mount_disk(&mut self, n: u8) -> Result<()> {
        let (disk, at) = (self.folder.join(format!("disk{n}")), self.data_dir(n).to_owned());
        fs_err::create_dir_all(&disk)?;
        fs_err::create_dir_all(&at)?;
        self.mount(n, &format!("mount --bind {disk} {at}"), &[]);
        Ok(())
    }

    /// From its next start a machine's `/etc/fstab` says that something is mounted on one of the story's folders.
    pub fn expect_mount(&mut self, n: u8, folder: &str) -> Result<()> {
        let table = self.folder.join(format!("fstab{n}"));
        fs_err::create_dir_all(self.folder.join(folder))?;
        fs_err::write(&table, format!("backups:/ {} nfs defaults 0 0\n", self.folder.join(folder)))?;
        self.mount(n, &format!("mount --bind {table} /etc/fstab"), &[]);
        Ok(())
    }

    /// From its next start a machine knows what the others' names mean, or cannot find out: its DNS server never
    /// answers.
    pub fn resolve(&mut self, n: u8, known: bool) -> Result<()> {
        let (hosts, servers) = (self.folder.join(format!("hosts{n}")), self.folder.join(format!("servers{n}")));
        let mut table = "127.0.0.1 localhost\n".to_owned();
        for other in self.all().filter(|_| known) {
            writeln!(table, "{} {}", self.network.node(other).address(), name(other))?;
        }
        fs_err::write(&hosts, table)?;
        // An address that nobody has (RFC 5737), behind a hub that passes nothing on.
        fs_err::write(&servers, "nameserver 192.0.2.1\n")?;
        self.mount(n, &format!("mount --bind {hosts} /etc/hosts && mount --bind {servers} /etc/resolv.conf"), &[]);
        Ok(())
    }

    /// Mounts one of the story's folders on another, as a running machine sees it.
    pub fn mount_now(&self, n: u8, folder: &str, at: &str) -> Result<()> {
        let mut mount = self.beside(n, "mount".into());
        let mounted = mount.arg("--bind").args([self.folder.join(folder), self.folder.join(at)]).status()?;
        ensure!(mounted.success(), "mount --bind {folder} {at}: {mounted}");
        Ok(())
    }

    fn mount(&mut self, n: u8, mount: &str, then: &[&str]) {
        let script = format!("{mount} && exec \"$@\"");
        self.wrap(n, &[&["unshare", "--mount", "sh", "-c", &script, "sh"], then].concat());
    }

    /// Where the test sees one of the story's folders as a machine's e2d sees it.
    pub fn seen_by(&mut self, n: u8, folder: &str) -> Result<Utf8PathBuf> {
        let path = self.folder.join(folder);
        let root = format!("/proc/{}/root", self.e2d(n)?.pid());
        Ok(Utf8PathBuf::from(root).join(path.strip_prefix("/").context("not a full path")?))
    }

    /// Fills the disk that a folder of a machine is on. The file that fills it.
    pub fn fill(&mut self, n: u8, folder: &str) -> Result<Utf8PathBuf> {
        let filler = self.seen_by(n, folder)?.join("filler");
        let mut file = fs_err::File::create(&filler)?;
        for size in [1 << 20, 1 << 12] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        Ok(filler)
    }
}
