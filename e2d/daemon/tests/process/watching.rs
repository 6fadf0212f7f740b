//! `status --watch` and `members --watch`.

use crate::orders::calm;
use crate::rig::{Cluster, PATIENCE, e2d};
use anyhow::{Result, ensure};
use camino::Utf8Path;
use e2d_testkit::{EtcdVersion, wait_for};
use std::io::Read as _;
use std::process::{Child, Stdio};

/// Somebody who watches, until it is dropped.
struct Watcher(Child);

impl Watcher {
    fn new(words: &[&str], data_dir: &Utf8Path, to: impl Into<Stdio>) -> Result<Self> {
        let mut command = e2d();
        command.args(words).args(["--data-dir", data_dir.as_str()]).stdout(to).stderr(Stdio::null());
        Ok(Self(command.spawn()?))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// S21: who watches sees each change, through a restart of the daemon too, and a file gets nothing but text. A
/// reader that goes away ends the watch.
#[test]
fn who_watches_sees_each_change() -> Result<()> {
    let mut cluster = Cluster::new("watch", EtcdVersion::V3_6, 1)?;
    cluster.serve()?;
    let refused = cluster.refuses(0, 2, &["members", "--watch", "remove", "1"])?;
    ensure!(refused.contains("'--watch' cannot be used with 'remove'"), "{refused}");
    let data_dir = cluster.data_dir(0);
    let watched = [&["members", "--watch"][..], &["members", "list", "--watch"], &["status", "--watch"]];
    let mut watchers = Vec::new();
    for (n, words) in watched.into_iter().enumerate() {
        let file = data_dir.with_extension(format!("watch{n}"));
        watchers.push((Watcher::new(words, &data_dir, fs_err::File::create(&file)?.into_parts().0)?, file));
    }
    let mut leaver = Watcher::new(&["members", "--watch"], &data_dir, Stdio::piped())?;
    let mut read = leaver.0.stdout.take().ok_or_else(|| anyhow::anyhow!("no pipe"))?;
    read.read_exact(&mut [0; 6])?;
    drop(read);

    let says = |file: &Utf8Path, parts: &[&str]| {
        wait_for(PATIENCE, parts[parts.len() - 1], || -> Result<()> {
            let text = fs_err::read_to_string(file)?;
            let mut rest = text.as_str();
            for part in parts {
                ensure!(rest.contains(part), "{part} is not in {rest}");
                rest = rest.split_once(part).map_or("", |(_, rest)| rest);
            }
            ensure!(!text.contains('\x1b'), "{text:?}");
            Ok(())
        })
    };
    let url = format!("http://{}:2380", cluster.address(0));
    watchers.iter().try_for_each(|(_, file)| says(file, &[&url]))?;
    ensure!(cluster.stop(0)?.success());
    watchers.iter().try_for_each(|(_, file)| says(file, &[&url, "daemon    does not run", &url]))?;
    wait_for(PATIENCE, "the watch that nobody reads to end", || -> Result<()> {
        ensure!(leaver.0.try_wait()?.is_some());
        Ok(())
    })?;
    cluster.serve()?;
    watchers.iter().try_for_each(|(_, file)| says(file, &["daemon    does not run", "voter"]))?;
    cluster.passed(&calm())
}
