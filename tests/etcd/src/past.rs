//! What disks and the store tell of the past: every cluster that ever was, every archive.

use crate::cluster::Cluster;
use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use std::collections::BTreeSet;

impl Cluster {
    /// The ids of all clusters in which an etcd of ours has ever run, by etcd's own logs: those of data
    /// that was set aside among them.
    pub fn clusters_ever(&self) -> Result<BTreeSet<String>> {
        let mut ids = BTreeSet::new();
        for n in self.all() {
            for log in files(self.data_dir(n))?.iter().filter(|path| path.as_str().contains("/etcd.log")) {
                let text = String::from_utf8_lossy(&fs_err::read(log)?).into_owned();
                let parts = text.split("\"cluster-id\":\"").skip(1);
                ids.extend(parts.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
            }
        }
        ids.retain(|id| id != "0");
        Ok(ids)
    }

    /// The files of a machine's etcd data whose path ends so; nothing of ours.
    pub fn files_of(&self, n: u8, ending: &str) -> Result<Vec<Utf8PathBuf>> {
        let mut found = files(&self.data_dir(n).join("member"))?;
        found.retain(|path| path.as_str().ends_with(ending));
        found.sort();
        Ok(found)
    }

    /// The lineage object in the store.
    pub fn lineage(&self) -> Result<Value> {
        Ok(serde_json::from_str(&fs_err::read_to_string(self.folder.join("store/lineage"))?)?)
    }

    /// What of a machine's data lies in quarantine.
    pub fn set_aside(&self, n: u8) -> Result<BTreeSet<String>> {
        let Ok(entries) = fs_err::read_dir(self.data_dir(n).join("e2d/quarantine")) else { return Ok(BTreeSet::new()) };
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    /// What lies in the store of an epoch's archives.
    pub fn archives_of(&self, epoch: u64) -> Result<Vec<Utf8PathBuf>> {
        let is_of = |path: &Utf8PathBuf| {
            path.parent().and_then(Utf8Path::file_name).and_then(|name| name.parse().ok()) == Some(epoch)
        };
        let mut found: Vec<Utf8PathBuf> =
            files(&self.folder.join("store/archives"))?.into_iter().filter(is_of).collect();
        found.sort();
        Ok(found)
    }

    /// How many verified archives lie in the store.
    pub fn archives(&self) -> Result<usize> {
        Ok(self.verified()?.len())
    }

    /// The epoch and the revision of the newest verified archive.
    pub fn newest_archive(&self) -> Result<(u64, i64)> {
        self.verified()?.last().copied().context("no verified archive")
    }

    fn verified(&self) -> Result<BTreeSet<(u64, i64)>> {
        let mut found = BTreeSet::new();
        for path in files(&self.folder.join("store/archives"))? {
            let epoch = path.parent().and_then(Utf8Path::file_name);
            let revision = path.file_name().and_then(|name| name.split('-').next());
            if let (Some(epoch), Some(revision), Some("check")) = (epoch, revision, path.extension()) {
                found.insert((epoch.parse()?, revision.parse()?));
            }
        }
        Ok(found)
    }
}

/// Every file in a folder and those below it; none if there is no such folder.
pub(crate) fn files(folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let mut found = Vec::new();
    let Ok(entries) = fs_err::read_dir(folder) else { return Ok(found) };
    for entry in entries {
        let entry = entry?;
        let path = Utf8PathBuf::try_from(entry.path())?;
        if entry.file_type()?.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}
