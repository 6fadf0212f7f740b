//! What is heard of our own etcd.

use super::Mind;
use crate::run::fact::EtcdLook;
use e2d_core::action::Kind;
use e2d_core::observe::{ExitCause, Gate, Process, Seen};

impl Mind {
    /// It was started. Only now is it told when it ends, however soon that is.
    pub(super) fn started(&mut self, gate: Gate) {
        self.world.started(Process::Running { gate, since: self.world.now });
        self.hands.watch();
    }

    /// It has ended.
    pub(super) fn exited(&mut self, cause: ExitCause) {
        tracing::info!(?cause, "etcd ended");
        if let ExitCause::Failed(why) = &cause {
            self.world.failed(Kind::Start, why.clone());
        }
        self.world.exited(Process::Exited { cause, at: self.world.now });
        self.count().etcd_exits += 1;
        self.world.data = None;
        self.hands.inspect();
    }

    /// It was looked at.
    pub(super) fn learn_etcd(&mut self, look: EtcdLook) {
        let at = look.at;
        // A look that began before this etcd did is none of it.
        if !matches!(self.world.etcd.process, Process::Running { since, .. } if since <= at) {
            return;
        }
        let claim = self.world.state.place.map(|place| place.claim.to_string());
        let etcd = &mut self.world.etcd;
        if let Some(value) = look.status {
            etcd.status = Some(Seen { value, at });
        }
        etcd.locked = look.locked;
        etcd.listening_since = look.listening_since;
        etcd.heard.extend(look.heard);
        etcd.hash = look.hash;
        etcd.marked = look.marker.map(|marker| claim.is_some_and(|claim| marker.contains(&claim)));
        if let Some(members) = look.members {
            self.world.see_members(members, at);
        }
        self.world.endured();
        if !self.ready && self.world.serves() && self.world.runs() == Some(Gate::Open) {
            self.ready = true;
            tracing::info!("Server is ready!");
            if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
                tracing::warn!(%error, "systemd was not told");
            }
        }
    }
}
