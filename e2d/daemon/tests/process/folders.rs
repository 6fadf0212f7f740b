//! Folders that are not ours, or not ours alone.

use crate::orders::calm;
use crate::rig::Cluster;
use anyhow::{Result, ensure};
use camino::Utf8Path;
use e2d_testkit::EtcdVersion;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};

/// All that could have been changed about a folder.
fn state(folder: &Utf8Path) -> Result<(u32, i64, i64, Vec<String>)> {
    let meta = fs_err::metadata(folder)?;
    let names = folder.read_dir_utf8()?.map(|entry| Ok(entry?.file_name().to_owned())).collect::<Result<_>>()?;
    Ok((meta.mode(), meta.ctime(), meta.ctime_nsec(), names))
}

/// S6 S22: a data directory that is a stranger's folder, by a slip of the pen, is refused with 78, and neither its rights
/// nor its content have changed.
#[test]
fn a_strangers_folder_is_left_as_it_was() -> Result<()> {
    let mut cluster = Cluster::new("stranger", EtcdVersion::V3_6, 1)?;
    let folder = cluster.data_dir(0);
    fs_err::create_dir(&folder)?;
    fs_err::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))?;
    fs_err::write(folder.join("passwd"), "")?;
    refused(&mut cluster, "it holds passwd, which is not etcd's")?;
    fs_err::remove_file(folder.join("passwd"))?;
    if rustix::process::geteuid().is_root() {
        chown(&folder, Some(4242), None)?;
        refused(&mut cluster, "belongs to user 4242")?;
        chown(&folder, Some(0), None)?;
    }
    cluster.serve()?;
    cluster.passed(&calm())
}

fn refused(cluster: &mut Cluster, why: &str) -> Result<()> {
    let before = state(&cluster.data_dir(0))?;
    cluster.start(0)?;
    let (code, log) = (cluster.ended(0)?, cluster.log(0)?);
    ensure!(code == Some(78) && log.contains(why) && log.contains("nothing was changed"), "{code:?}: {log}");
    ensure!(state(&cluster.data_dir(0))? == before, "{why}: the folder was changed");
    Ok(())
}

/// S14: backups may lie beside etcd's data. They make the directory nobody else's, not before the first start and not
/// when the data is gone, and bring it back.
#[test]
fn backups_beside_the_data_are_no_stranger() -> Result<()> {
    let mut cluster = Cluster::new("beside", EtcdVersion::V3_6, 1)?;
    let folder = cluster.data_dir(0);
    for taken in ["", "member/backups/", "e2d/", "e2d/quarantine/"] {
        cluster.keep_backups_in(&format!("file://{folder}/{taken}"));
        cluster.start(0)?;
        let (code, log) = (cluster.ended(0)?, cluster.log(0)?);
        ensure!(code == Some(78) && log.contains("cannot hold backups"), "{taken}: {code:?}: {log}");
        ensure!(!folder.exists(), "{taken}: something was made");
    }
    cluster.keep_backups_in(&format!("file://{folder}/backups/"));
    fs_err::create_dir_all(folder.join("backups"))?;
    cluster.start_with(0, &["--snapshot-interval", "1s"])?;
    cluster.serves(0)?;
    cluster.etcdctl(0, &["put", "kept", "yes"])?;
    let revision = |status: &serde_json::Value| status["store"]["newest_revision"].as_i64();
    cluster.until(0, "a backup of the key", |status| revision(status) >= Some(2))?;
    cluster.stop(0)?;
    for lost in ["member", "e2d"] {
        fs_err::remove_dir_all(folder.join(lost))?;
    }
    cluster.serve()?;
    ensure!(cluster.etcdctl(0, &["get", "kept", "--print-value-only"])?.trim() == "yes");
    cluster.passed(&calm())
}
