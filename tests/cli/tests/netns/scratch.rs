//! A read-back takes room for the database on the node's own disk, and sometimes there is none.

use crate::machine::{Ended, Machine, PATIENCE, gate, mounted};
use anyhow::{Context as _, Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use e2d_testkit::{EtcdVersion, Process, wait_for};
use serde_json::Value;
use std::io::Write as _;

/// A node whose own folder is a small file system, which others do not see, with a store elsewhere.
struct Narrow {
    machine: Machine,
    node: Process,
    url: String,
}

impl Narrow {
    fn start(story: &str) -> Result<Self> {
        let machine = Machine::new(story, EtcdVersion::DEFAULT)?;
        let (backups, home) = (machine.folder().join("store"), machine.data.join("e2d"));
        fs_err::create_dir(&backups)?;
        fs_err::create_dir_all(&home)?;
        let url = format!("file://{backups}/");
        let setup = format!("mount -t tmpfs -o size=8m tmpfs {home}");
        let run = ["run", "--etcd-bin-dir", machine.etcd.as_str(), "--log-format", "json", "--snapshot-url", &url];
        let arguments = [&run[..], &["--data-dir", machine.data.as_str()]].concat();
        let node = machine.scratch.spawn("narrow", &mut mounted(&machine, &setup, &arguments)?)?;
        Ok(Self { machine, node, url })
    }

    fn list(&self) -> Result<Vec<Value>> {
        let listed = self.machine.json(&["snapshot", "list", "--snapshot-url", &self.url])?;
        Ok(listed.as_array().context("no list")?.clone())
    }

    /// The states of all archives, the newest first.
    fn states(&self) -> Result<Vec<String>> {
        let state = |row: &Value| row["state"].as_str().unwrap_or_default().to_owned();
        Ok(self.list()?.iter().map(state).collect())
    }

    /// Orders an archive, from where the node's own folder can be seen.
    fn save(&self) -> Result<Ended> {
        let pid = self.node.pid().to_string();
        let mut command = self.machine.command("nsenter");
        command.args(["--target", &pid, "--mount", e2d_testkit::Parts::e2d()?.as_str(), "snapshot", "save"]);
        Ok(command.args(["--output", "json", "--data-dir", self.machine.data.as_str()]).output()?.into())
    }

    fn saved(&self) -> Result<Value> {
        let saved = self.save()?;
        ensure!(saved.code == Some(0), "{saved:#?}");
        Ok(serde_json::from_str(&saved.stdout)?)
    }

    /// The node's own folder, as it sees it.
    fn home(&self) -> Utf8PathBuf {
        let root = Utf8PathBuf::from(format!("/proc/{}/root", self.node.pid()));
        root.join(self.machine.data.join("e2d").as_str().trim_start_matches('/'))
    }
}

/// Takes all room on a file system but half a mebibyte.
fn fill(folder: &Utf8Path) -> Result<Utf8PathBuf> {
    let path = folder.join("ballast");
    let mut ballast = fs_err::File::create(&path)?;
    let chunk = vec![1; 1 << 16];
    while ballast.write_all(&chunk).is_ok() {}
    let taken = ballast.metadata()?.len();
    ballast.set_len(taken.saturating_sub(1 << 19))?;
    Ok(path)
}

/// S15 S21: what cannot be read back is not written again and again, and the reason names the place and the room.
/// When there is room, what was left comes first.
#[test]
fn an_archive_that_could_not_be_read_back_is_read_back_first() -> Result<()> {
    let narrow = Narrow::start("scratch")?;
    wait_for(PATIENCE, "the first archive", || -> Result<()> {
        let states = narrow.states()?;
        ensure!(states == ["verified"], "{states:?}");
        Ok(())
    })?;
    let ballast = fill(&narrow.home())?;
    narrow.machine.etcdctl(&[], "put a b")?;
    for _ in 0..3 {
        let refused = narrow.save()?;
        let place = format!("{}/e2d needs ", narrow.machine.data);
        ensure!(refused.code == Some(1) && refused.stderr.contains(&place), "{refused:#?}");
        ensure!(refused.stderr.contains("is stored, and not verified"), "{refused:#?}");
        // Something changes all the time.
        narrow.machine.etcdctl(&[], "put a c")?;
        let states = narrow.states()?;
        ensure!(states == ["not verified", "verified"], "{states:?}");
    }
    fs_err::remove_file(ballast)?;
    // What was left holds less than etcd does by now.
    let saved = narrow.saved()?;
    ensure!(narrow.states()? == ["verified", "verified", "verified"], "{:?}", narrow.list()?);

    // A leader died before it had read its archive back, and nothing has changed since.
    let newest = narrow.list()?[0].clone();
    ensure!(newest["id"] == saved["id"], "{newest:#} {saved:#}");
    let name = newest["name"].as_str().context("no name")?;
    fs_err::remove_file(narrow.machine.folder().join("store").join(format!("{name}.check")))?;
    let again = narrow.saved()?;
    ensure!(again == saved, "{again:#} {saved:#}");
    ensure!(narrow.states()? == ["verified", "verified", "verified"], "{:?}", narrow.list()?);
    Machine::stop(narrow.node)?;
    narrow.machine.passed(&gate().allow("an act failed", "there is no room for a read-back"))
}
