//! Waits for the data disk. An empty mount point is no empty disk: who took it for one would be somebody else.
//!
//! Nothing is made, read or locked before the disk is there, so that nothing lies hidden below it later.

use crate::config::Site;
use camino::Utf8Path;
use e2d_etcd::datadir::disk::Disk;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::time::Duration;

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(1);

/// Returns when the disk is there, at once if the configuration names none.
pub(super) async fn wait(site: &Site) {
    let mut said = String::new();
    while let Err(missing) = look(site) {
        if missing != said {
            tracing::warn!(missing, "waiting for the data disk, nothing is started");
            // Nothing else answers yet: the socket would lie on that disk.
            tell(&format!("waiting for the data disk: {missing}"));
            said = missing;
        }
        tokio::time::sleep(EVERY).await;
    }
    if !said.is_empty() {
        tracing::info!("the data disk is there");
        tell("the data disk is there");
    }
}

/// Tells whoever asks systemd.
fn tell(state: &str) {
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Status(state)]) {
        tracing::warn!(%error, "systemd was not told");
    }
}

/// Looks whether the configured disk is there: the file on it, or the device below the data directory, whose own node
/// may be out of sight.
///
/// # Errors
/// What is missing.
pub(super) fn look(site: &Site) -> Result<(), String> {
    let Some(mark) = &site.data_disk else { return Ok(()) };
    match fs::metadata(mark) {
        Ok(there) if !there.file_type().is_block_device() => return Ok(()),
        Err(error) if !mark.starts_with("/dev") => return Err(format!("{mark}: {error}")),
        _ => {}
    }
    let absolute = camino::absolute_utf8(&site.data_dir).map_err(|error| format!("{}: {error}", site.data_dir))?;
    // The folder may not have been made yet: then what it would be made in counts.
    let folder = absolute.ancestors().find(|folder| folder.exists()).unwrap_or(Utf8Path::new("/"));
    let disk = Disk::of(folder).map_err(|error| format!("{folder}: {error}"))?;
    if disk.is(mark) { Ok(()) } else { Err(format!("{} does not lie on {mark}, but on {disk}", site.data_dir)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::store::StoreUrl;
    use camino::Utf8PathBuf;

    fn site(data_disk: Option<&str>) -> Site {
        let data_dir = Utf8PathBuf::from("/proc/self/none/data");
        Site { data_dir, data_disk: data_disk.map(Utf8PathBuf::from), store: StoreUrl::None, etcd_bin_dir: None }
    }

    #[test]
    fn a_disk_is_named_by_a_file_on_it_or_by_its_device() {
        assert_eq!(look(&site(None)), Ok(()));
        assert_eq!(look(&site(Some("/proc/version"))), Ok(()));
        let missing = look(&site(Some("/proc/no-such-mark"))).unwrap_err();
        assert!(missing.starts_with("/proc/no-such-mark: "), "{missing}");
        let devices = fs::read_dir("/dev").unwrap().filter_map(|entry| entry.ok()?.path().to_str().map(str::to_owned));
        let is_device = |path: &String| fs::metadata(path).is_ok_and(|meta| meta.file_type().is_block_device());
        for device in devices.filter(is_device).chain(["/dev/disk/by-label/none".to_owned()]) {
            let missing = look(&site(Some(&device))).unwrap_err();
            assert_eq!(missing, format!("/proc/self/none/data does not lie on {device}, but on proc"));
        }
    }
}
