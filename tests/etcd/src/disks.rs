//! What happens to disks and stores: damage, copies, modes.

use crate::cluster::Cluster;
use crate::past::files;
use anyhow::{Result, ensure};
use camino::Utf8Path;
use std::fs::Permissions;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::process::Command;

impl Cluster {
    /// Copies the disk of a machine that is off, and how it is set up, to another machine.
    pub fn clone_machine(&mut self, from: u8, to: u8) -> Result<()> {
        copy(self.data_dir(from), self.data_dir(to))?;
        let (store, security) = (self.machine(from).store.clone(), self.machine(from).security.clone());
        let copy = self.machine_mut(to);
        (copy.store, copy.security) = (store, security);
        Ok(())
    }

    /// Damages the data of every archive in the store, and leaves its manifest and its check as they are.
    /// How many there were.
    pub fn damage_archives(&self) -> Result<usize> {
        let archives = files(&self.folder.join("store/archives"))?;
        let data: Vec<_> = archives.iter().filter(|path| path.extension() == Some("zst")).collect();
        data.iter().try_for_each(|path| flip_a_byte(path))?;
        Ok(data.len())
    }
}

/// Cuts a file to its first bytes.
pub fn truncate(path: &Utf8Path, bytes: u64) -> Result<()> {
    Ok(std::fs::File::options().write(true).open(path)?.set_len(bytes)?)
}

/// Flips the byte in the middle of a file.
pub fn flip_a_byte(path: &Utf8Path) -> Result<()> {
    let file = std::fs::File::options().read(true).write(true).open(path)?;
    let middle = file.metadata()?.len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle)?;
    file.write_all_at(&[!byte[0]], middle)?;
    Ok(())
}

/// Sets the mode of a file or folder.
pub fn mode(path: &Utf8Path, mode: u32) -> Result<()> {
    Ok(fs_err::set_permissions(path, Permissions::from_mode(mode))?)
}

/// Copies a folder with all that is in it, to a place that is not there yet.
pub fn copy(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    let status = Command::new("cp").args(["-a", from.as_str(), to.as_str()]).status()?;
    ensure!(status.success(), "cp -a {from} {to}: {status}");
    Ok(())
}
