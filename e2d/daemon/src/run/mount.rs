//! Waits for the data disk. An empty mount point is no empty disk: who took it for one would be somebody else.
//!
//! Nothing is made, read or locked before the disk is there, so that nothing lies hidden below it later.

use crate::config::Site;
use camino::Utf8Path;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::time::Duration;

/// How often it is looked for.
const EVERY: Duration = Duration::from_secs(1);

/// Returns when the disk is there, at once if the configuration names none.
pub(super) async fn wait(site: &Site) {
    let mut said = String::new();
    while let Err(missing) = look(site) {
        if missing != said {
            tracing::warn!(missing, "waiting for the data disk, nothing is started");
            said = missing;
        }
        tokio::time::sleep(EVERY).await;
    }
    if !said.is_empty() {
        tracing::info!("the data disk is there");
    }
}

/// Looks whether the configured disk is there.
///
/// # Errors
/// What is missing.
pub(super) fn look(site: &Site) -> Result<(), String> {
    let Some(mark) = &site.data_disk else { return Ok(()) };
    let there = fs::metadata(mark).map_err(|error| format!("{mark}: {error}"))?;
    if !there.file_type().is_block_device() {
        return Ok(());
    }
    // The folder may not have been made yet: then what it would be made in counts.
    let folder = site.data_dir.ancestors().find(|folder| folder.exists()).unwrap_or(Utf8Path::new("."));
    let lies = fs::metadata(folder).map_err(|error| format!("{folder}: {error}"))?;
    if lies.dev() == there.rdev() { Ok(()) } else { Err(format!("{} does not lie on {mark}", site.data_dir)) }
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
        for device in devices.filter(is_device) {
            let missing = look(&site(Some(&device))).unwrap_err();
            assert_eq!(missing, format!("/proc/self/none/data does not lie on {device}"));
        }
    }
}
