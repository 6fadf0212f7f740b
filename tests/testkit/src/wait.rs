//! Waiting for a predicate, with a deadline and a status.
//!
//! This is the only place in which a test may let time pass. A wait that fails says what it waited
//! for, how long, and what it saw last, so that the reader need not run the test again to find out.

use anyhow::{Result, anyhow};
use std::fmt::Display;
use std::time::{Duration, Instant};

/// The pause before the second look; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Asks `probe` until it answers `Ok`, and returns that answer.
///
/// `Err` is the status for the moment: a sentence, or an error on the way to an answer. The probe is
/// asked at least once, and once more at the deadline. It is not interrupted: a probe that may hang
/// needs a deadline of its own, or [`wait_for_async`].
///
/// # Errors
///
/// Past the deadline: names `what`, the deadline and the last status.
pub fn wait_for<T, S: Display>(deadline: Duration, what: &str, mut probe: impl FnMut() -> Result<T, S>) -> Result<T> {
    let end = Instant::now() + deadline;
    let mut pause = FIRST_PAUSE;
    loop {
        let last = Instant::now() >= end;
        match probe() {
            Ok(value) => return Ok(value),
            Err(status) if last => return Err(timed_out(deadline, what, &status)),
            Err(_) => {}
        }
        std::thread::sleep(pause.min(end.saturating_duration_since(Instant::now())));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// [`wait_for`] for a probe that awaits. A probe that hangs is cut off at the deadline.
///
/// # Errors
///
/// Past the deadline: names `what`, the deadline and the last status.
pub async fn wait_for_async<T, S: Display>(
    deadline: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Result<T, S>,
) -> Result<T> {
    let end = tokio::time::Instant::now() + deadline;
    let mut pause = FIRST_PAUSE;
    let mut status = String::from("the first look did not return");
    loop {
        let last = tokio::time::Instant::now() >= end;
        match tokio::time::timeout_at(end.max(tokio::time::Instant::now() + FIRST_PAUSE), probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(now)) => status = format!("{now:#}"),
            Err(_) => {
                return Err(timed_out(deadline, what, &format!("{status} (and then a look that did not return)")));
            }
        }
        if last {
            return Err(timed_out(deadline, what, &status));
        }
        tokio::time::sleep_until((tokio::time::Instant::now() + pause).min(end)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn timed_out(deadline: Duration, what: &str, status: &impl Display) -> anyhow::Error {
    anyhow!("waited {deadline:?} for {what}; last seen: {status:#}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn the_first_answer_is_returned() {
        let mut looks = 0;
        let answer = wait_for(Duration::from_mins(1), "three looks", || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err("not there") }
        });
        assert_eq!(answer.unwrap(), 3);
    }

    #[test]
    fn a_timeout_tells_what_was_awaited_and_what_was_seen() {
        let mut looks = 0;
        let error = wait_for::<(), _>(Duration::from_millis(20), "the moon", || {
            looks += 1;
            Err(anyhow!("only clouds").context(format!("look {looks}")))
        })
        .unwrap_err();
        assert_eq!(error.to_string(), format!("waited 20ms for the moon; last seen: look {looks}: only clouds"));
        assert!(looks >= 2, "asked {looks} times");
    }

    #[test]
    fn a_predicate_that_holds_at_once_needs_no_time() {
        assert_eq!(wait_for(Duration::ZERO, "nothing", || Ok::<_, Infallible>(7)).unwrap(), 7);
    }

    #[tokio::test]
    async fn a_probe_that_hangs_is_cut_off() {
        let mut looks = 0;
        let error = wait_for_async::<(), _>(Duration::from_millis(20), "an answer", async || {
            looks += 1;
            if looks > 1 {
                std::future::pending::<()>().await;
            }
            Err("connection refused")
        })
        .await
        .unwrap_err();
        let expected = "waited 20ms for an answer; last seen: connection refused (and then a look that did not return)";
        assert_eq!(error.to_string(), expected);
    }

    #[tokio::test]
    async fn an_async_answer_is_returned() {
        let mut looks = 0;
        let answer = wait_for_async(Duration::from_mins(1), "two looks", async || {
            looks += 1;
            if looks == 2 { Ok(looks) } else { Err("not there") }
        });
        assert_eq!(answer.await.unwrap(), 2);
    }
}
