//! An operator's order to hold: heard, counted down, and kept on the disk.

use super::Mind;
use crate::run::files;
use e2d_core::hold::{Order, Standing};
use e2d_core::observe::Hold;
use e2d_core::time::Moment;
use std::time::Duration;

/// How long to wait after the disk did not take it.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The order that counts, and what of it is on the disk.
#[derive(Debug)]
pub(super) struct Holds {
    standing: Standing,
    kept: Option<Order>,
    failed_at: Option<Moment>,
}

impl Holds {
    /// What the disk remembers goes on.
    pub(super) fn new(kept: Option<Order>, now: Moment) -> Self {
        let mut standing = Standing::default();
        if let Some(order) = kept.clone() {
            standing.take(order, now);
        }
        Self { standing, kept, failed_at: None }
    }

    /// The order as it is to be told now.
    pub(super) fn told(&self, now: Moment) -> Option<Order> {
        self.standing.told(now)
    }
}

impl Mind {
    /// Another node tells of an order.
    pub(super) fn hear_hold(&mut self, order: Order) {
        let now = self.world.now;
        let seconds = order.millis / 1000;
        let reason = order.reason.clone();
        let before = self.holds.standing.hold(now);
        if !self.holds.standing.take(order, now) {
            return;
        }
        if reason.is_empty() && before.is_some() {
            tracing::info!("automatic acts go on: an operator released them");
            self.note("operator", "release automatic acts, as another node tells".to_owned(), "done".to_owned());
        } else if !reason.is_empty() && seconds > 0 {
            tracing::info!(reason, seconds, "automatic acts are held by an operator");
            let act = format!("hold automatic acts for {seconds} s, as another node tells: {reason}");
            self.note("operator", act, "done".to_owned());
        }
    }

    /// Issues a hold, or with an empty reason a release, and makes it durable. Returns the hold that stands now, or
    /// for a release the one that stood.
    pub(super) async fn issue_hold(&mut self, reason: &str, span: Duration) -> Result<Option<Hold>, String> {
        let now = self.world.now;
        let before = self.holds.standing.hold(now);
        if reason.is_empty() && before.is_none() {
            return Ok(None);
        }
        let mut next = self.holds.standing.clone();
        next.issue(rand::random(), reason, span, now);
        self.write_hold(next.told(now)).await?;
        self.holds.standing = next;
        self.world.hold = self.holds.standing.hold(now);
        Ok(if reason.is_empty() { before } else { self.world.hold.clone() })
    }

    /// Brings the hold up to this moment, in the world and on the disk.
    pub(super) async fn keep_hold(&mut self) {
        let now = self.world.now;
        self.world.hold = self.holds.standing.hold(now);
        let told = self.holds.standing.told(now);
        let tired = self.holds.failed_at.is_some_and(|at| now.since(at) < AGAIN_AFTER);
        if told == self.holds.kept || tired {
            return;
        }
        self.holds.failed_at = None;
        if let Err(error) = self.write_hold(told).await {
            self.holds.failed_at = Some(now);
            tracing::warn!(error, "the order to hold cannot be written down: a restart would forget it");
        }
    }

    async fn write_hold(&mut self, order: Option<Order>) -> Result<(), String> {
        let Some(order) = order else { return Ok(()) };
        let (home, content) = (self.setting.home.clone(), order.clone());
        let written = tokio::task::spawn_blocking(move || files::hold(&home, &content)).await;
        written.map_err(|error| error.to_string())?.map_err(|error| format!("{}: {error}", self.setting.home))?;
        self.holds.kept = Some(order);
        Ok(())
    }
}
