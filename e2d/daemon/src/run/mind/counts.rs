//! What is counted on the way, and what is shown of it all.

use super::Mind;
use crate::metrics::{Numbers, Picture};
use crate::run::fact::{Mark, StoreLook};
use crate::run::look::foreign;
use crate::run::picture;
use e2d_core::action::Action;
use e2d_core::observe::Trouble;
use e2d_core::plan::Verdict;
use e2d_core::report::Report;
use e2d_gossip::{State, View};
use std::sync::Arc;
use std::time::Duration;

/// A peer that was heard so lately said itself that it goes: its end was not detected.
const SAID_SO: Duration = Duration::from_millis(500);

impl Mind {
    /// The numbers, to be raised.
    pub(super) fn count(&mut self) -> &mut Numbers {
        Arc::make_mut(&mut self.numbers)
    }

    /// Takes in a look at the store.
    pub(super) fn learn_store(&mut self, look: Result<StoreLook, Trouble>) {
        let known = self.world.lineage().map(|lineage| lineage.lineage);
        // A mark that anybody can make is believed on the object that this node knows anyway.
        let believed = look.and_then(|mut look| match &look.view.lineage {
            Some((lineage, _)) if look.mark == Mark::Keyless && known != Some(lineage.lineage) => Err(foreign(lineage)),
            _ => {
                look.view.former_mark = look.mark != Mark::Newest;
                Ok(look)
            }
        });
        match believed {
            Ok(look) => {
                if (self.numbers.verified_at, self.numbers.left_out) != (look.verified_at, look.left_out) {
                    let numbers = self.count();
                    (numbers.verified_at, numbers.left_out) = (look.verified_at, look.left_out);
                }
                self.world.see_store(Ok(look.view));
            }
            Err(trouble) => {
                self.count().store_errors += 1;
                self.world.see_store(Err(trouble));
            }
        }
    }

    /// Counts what gossip counts, and measures how long a death took to be noticed.
    pub(super) fn count_deaths(&mut self, view: &View) {
        let now = self.world.now;
        let lived = |status: &&e2d_gossip::PeerStatus| {
            let known = self.world.peers.get(&status.peer.node);
            known.is_some_and(|known| known.alive && known.boot == status.peer.boot)
        };
        let died = view.peers.iter().filter(|status| status.state == State::Down).filter(lived);
        let silent = died.filter_map(|status| Some(now.since(status.last_heard?)));
        let detection = silent.filter(|silence| *silence > SAID_SO).max();
        let numbers = self.count();
        numbers.gossip = Some(view.counters.clone());
        numbers.detection = detection.or(numbers.detection);
    }

    /// Counts an act, and measures how long a replacement took.
    pub(super) fn count_act(&mut self, action: &Action, done: bool) {
        *self.count().acts.entry((action.kind(), done)).or_default() += 1;
        let now = self.world.now;
        match action {
            Action::Remove(evidence) if done => {
                let heard = self.world.etcd.heard.get(&evidence.subject().member).copied();
                self.vacant_since = Some(heard.unwrap_or(now));
            }
            Action::Promote { .. } if done => {
                if let Some(since) = self.vacant_since.take() {
                    self.count().replacement = Some(now.since(since));
                }
            }
            _ => {}
        }
    }

    /// Counts who begins to speak.
    pub(super) fn count_verdicts(&mut self, report: &Report) {
        let speaking = report.lines.iter().filter_map(|line| match line.verdict {
            Verdict::Idle => None,
            Verdict::Wait(_) => Some((line.decision, "waits")),
            Verdict::Act(_) => Some((line.decision, "acts")),
        });
        let speaking: Vec<_> = speaking.collect();
        if speaking == self.speaking {
            return;
        }
        let before = std::mem::replace(&mut self.speaking, speaking.clone());
        for verdict in speaking.into_iter().filter(|verdict| !before.contains(verdict)) {
            *self.count().verdicts.entry(verdict).or_default() += 1;
        }
    }

    /// Shows the picture of this moment to whoever asks.
    pub(super) fn publish(&self, report: &Report) {
        self.picture.send_replace(Arc::new(Picture {
            at: tokio::time::Instant::now(),
            status: picture::paint(&self.setting, &self.world, report, &self.numbers),
            numbers: self.numbers.clone(),
            verdicts: self.speaking.clone(),
        }));
    }

    /// Reads certificates and keys again.
    pub(super) async fn reload(&mut self) {
        let setting = self.setting.clone();
        match tokio::task::spawn_blocking(move || setting.reload()).await {
            Ok(keys) => {
                self.talk.rekey(keys).await;
                // The store's object may be marked with what is a former key now.
                self.looked += 1;
            }
            Err(error) => tracing::error!(%error, "certificates and keys were not read again"),
        }
    }
}
