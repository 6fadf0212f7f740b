//! Ctrl-C: the benchmark unwinds, and takes its processes, machines and folders with it.
//!
//! Children are in process groups of their own, so the terminal's signal reaches this process alone.

use anyhow::{Result, bail};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};

static STOPPED: AtomicBool = AtomicBool::new(false);

/// Notes SIGINT and SIGTERM from now on, on a thread of its own.
pub(crate) fn listen() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                STOPPED.store(true, Ordering::Relaxed);
            }
        });
    });
    Ok(())
}

/// Whether somebody wants it to end.
pub(crate) fn wanted() -> bool {
    STOPPED.load(Ordering::Relaxed)
}

/// # Errors
///
/// Somebody wants it to end.
pub(crate) fn check() -> Result<()> {
    if wanted() {
        bail!("interrupted: processes, machines and data of this run are removed");
    }
    Ok(())
}
