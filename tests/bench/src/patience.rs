//! Waiting, with short pauses of one length: what ends a wait is seen within a few milliseconds.

use crate::stop;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// How long a cluster may take for anything. Past it the run has failed, and has no speed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// The pause between two looks at something that is measured.
pub(crate) const PAUSE: Duration = Duration::from_millis(5);

/// Asks `probe` until it answers, and returns the answer and when it came.
///
/// # Errors
///
/// Past [`PATIENCE`]: names `what` and the last error. Or: interrupted.
pub(crate) async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Result<T>) -> Result<(T, Instant)> {
    let end = Instant::now() + PATIENCE;
    loop {
        stop::check()?;
        let outcome = match tokio::time::timeout(PATIENCE, probe()).await {
            Ok(outcome) => outcome,
            Err(slow) => Err(slow.into()),
        };
        match outcome {
            Ok(value) => return Ok((value, Instant::now())),
            Err(error) if Instant::now() >= end => {
                return Err(error).with_context(|| format!("waited {PATIENCE:?} for {what}; last seen"));
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Lets a cluster rest. A rest is part of what is measured, or keeps one run out of the next.
///
/// # Errors
///
/// Interrupted.
pub(crate) async fn rest(time: Duration) -> Result<()> {
    let end = Instant::now() + time;
    while Instant::now() < end {
        stop::check()?;
        tokio::time::sleep(Duration::from_millis(50).min(end - Instant::now())).await;
    }
    Ok(())
}
