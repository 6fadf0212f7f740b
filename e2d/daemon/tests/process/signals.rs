//! What e2d does when it is told to go on as another program, and to stop.

use crate::orders::calm;
use crate::rig::{Cluster, PATIENCE};
use anyhow::{Result, ensure};
use e2d_testkit::{EtcdVersion, wait_for};
use rustix::process::Signal;
use std::time::Duration;

/// How often a node has executed its program again.
fn again(cluster: &Cluster) -> Result<usize> {
    Ok(cluster.log(0)?.matches("executing the program again").count())
}

/// S4: a reload executes the program that is on the disk now, in the same process; etcd runs on.
#[test]
fn a_reload_leaves_etcd_alone() -> Result<()> {
    let mut cluster = Cluster::new("reload", EtcdVersion::V3_6, 1)?;
    cluster.serve()?;
    let pid = cluster.etcd_pid(0);
    for times in 1..=2 {
        cluster.signal(0, Signal::USR2)?;
        wait_for(PATIENCE, "the program to be executed", || {
            ensure!(again(&cluster)? == times, "not yet");
            Ok(())
        })?;
        cluster.serves(0)?;
        ensure!(pid.is_some() && cluster.etcd_pid(0) == pid, "etcd was started again");
    }
    // It is the process that it was: the next stop ends it, and its etcd.
    ensure!(cluster.stop(0)?.success() && cluster.etcd_pid(0).is_none());
    cluster.passed(&calm())
}

/// S21: a daemon that hangs does not hide what its disk and its store show.
#[test]
fn a_daemon_that_hangs_is_looked_past() -> Result<()> {
    let mut cluster = Cluster::new("hangs", EtcdVersion::V3_6, 1)?;
    cluster.serve()?;
    cluster.signal(0, Signal::STOP)?;
    let shown = cluster.run(0, &["status"])?;
    let (text, errors) = (String::from_utf8_lossy(&shown.stdout), String::from_utf8_lossy(&shown.stderr));
    ensure!(shown.status.code() == Some(75), "{}: {errors}", shown.status);
    ensure!(text.contains("member ") && text.contains("epoch 1 live"), "{text}");
    ensure!(errors.contains("the daemon hangs"), "{errors}");
    cluster.signal(0, Signal::CONT)?;
    cluster.serves(0)?;
    cluster.passed(&calm())
}

/// S13: a stop beside a reload ends e2d and its etcd: it is not lost with the program that was told.
#[test]
fn a_stop_is_not_lost_around_a_reload() -> Result<()> {
    let mut cluster = Cluster::new("stop", EtcdVersion::V3_6, 1)?;
    cluster.serve()?;
    // Both wait for a process that is frozen, and reach it at the same time.
    for signal in [Signal::STOP, Signal::USR2, Signal::TERM, Signal::CONT] {
        cluster.signal(0, signal)?;
    }
    let code = cluster.ended(0)?;
    ensure!(code == Some(0) && again(&cluster)? == 0 && cluster.etcd_pid(0).is_none(), "{code:?}");
    cluster.passed(&calm())
}

/// S13: nor is one that comes while the program is executed again, at whatever moment of that.
#[test]
fn a_stop_is_not_lost_within_a_reload() -> Result<()> {
    let mut cluster = Cluster::new("within", EtcdVersion::V3_6, 1)?;
    for milliseconds in [0, 1, 2, 3, 4, 6, 8, 12] {
        cluster.serve()?;
        cluster.signal(0, Signal::USR2)?;
        std::thread::sleep(Duration::from_millis(milliseconds));
        cluster.signal(0, Signal::TERM)?;
        let code = cluster.ended(0)?;
        ensure!(code == Some(0) && cluster.etcd_pid(0).is_none(), "after {milliseconds} ms: {code:?}");
    }
    cluster.passed(&calm())
}
