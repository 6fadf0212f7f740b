//! Digests of the keyspace: when ours is taken, and what the others' say.

use super::Mind;
use crate::run::agree::{Agreement, Sum};
use crate::run::describe::chain;
use crate::run::fact::Fact;
use e2d_core::id::{MemberId, NodeId, Nonce, Revision};
use e2d_core::observe::Gate;
use e2d_core::time::Moment;
use std::time::{Duration, Instant};

/// How many of the health check's intervals lie between two sums of the leader: a sum reads the whole keyspace.
const INTERVALS: u32 = 10;
/// How much of the time may be spent on sums: one part in so many.
const SPARING: u32 = 200;
/// How long after a failure the next is tried: until then the revision may be compacted, and another told.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// How long one may take.
const SUM_WITHIN: Duration = Duration::from_mins(5);

/// When the next sum is due, and what is known.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) agreement: Agreement,
    due: Moment,
    retry: Moment,
    busy: bool,
}

impl Mind {
    /// Takes a sum when it is due: the leader's node by its own clock, the others at the leader's revision.
    pub(super) fn compare_sums(&mut self) {
        let (Some(place), Some(status)) = (self.world.state.place, self.world.status().copied()) else { return };
        if !self.world.serves() || self.world.runs() != Some(Gate::Open) || status.learner {
            return;
        }
        let revision = if self.world.leads() {
            self.judge_sums();
            if self.sums.due == Moment::default() {
                self.sums.due = self.world.now + self.sum_every();
            }
            (self.world.now >= self.sums.due).then_some(status.revision)
        } else {
            self.sums.agreement.abstain();
            self.clear_doubts();
            let told = self.leaders_node().and_then(|node| self.sums.agreement.told(node));
            told.filter(|sum| sum.claim == place.claim && sum.revision <= status.revision).map(|sum| sum.revision)
        };
        let known = self.sums.agreement.mine.filter(|sum| sum.claim == place.claim).map(|sum| sum.revision);
        // A sum of a revision that was summed already would say the same, unless the leader wants to know again.
        let may = !self.sums.busy && self.world.now >= self.sums.retry;
        if let Some(revision) = revision.filter(|revision| may && known != Some(*revision)) {
            self.take_sum(place.claim, revision);
        } else if self.world.leads() && revision.is_some() && !self.sums.busy {
            self.sums.due = self.world.now + self.sum_every();
        }
    }

    fn sum_every(&self) -> Duration {
        self.setting.config.health.check_interval * INTERVALS
    }

    fn leaders_node(&self) -> Option<NodeId> {
        let leader = self.world.status()?.leader?;
        self.world.members()?.iter().find(|member| member.id == leader)?.node()
    }

    fn take_sum(&mut self, claim: Nonce, revision: Revision) {
        self.sums.busy = true;
        let (hands, facts) = (self.hands.clone(), self.hands.facts());
        tokio::spawn(async move {
            let began = Instant::now();
            let summed = async { hands.client().await?.within(SUM_WITHIN).hash_kv(revision).await };
            let sum = match summed.await {
                Ok(sum) => Some(Sum { claim, revision, compacted: sum.compacted, hash: sum.hash }),
                // The revision may be compacted by now: the next one will do.
                Err(error) => {
                    tracing::debug!(error = chain(&error), %revision, "the keyspace was not summed");
                    None
                }
            };
            let _ = facts.send(Fact::Summed { sum, took: began.elapsed() }).await;
        });
    }

    /// Our keyspace was summed, or not.
    pub(super) fn summed(&mut self, sum: Option<Sum>, took: Duration) {
        self.sums.busy = false;
        self.sums.due = self.world.now + self.sum_every().max(took * SPARING);
        match sum {
            Some(_) => self.sums.agreement.mine = sum,
            None => self.sums.retry = self.world.now + RETRY_AFTER,
        }
    }

    fn judge_sums(&mut self) {
        let own = self.world.state.place.map(|place| place.member);
        let listed = self.world.members().unwrap_or_default().iter();
        let others: Vec<(MemberId, NodeId)> = listed
            .filter(|member| Some(member.id) != own && !member.learner)
            .filter_map(|member| Some((member.id, member.node()?)))
            .collect();
        let (equal, different) = self.sums.agreement.judge(&others);
        if equal > 0 {
            self.count().sums_equal += equal;
        }
        if !different.is_empty() {
            self.count().sums_different += different.len() as u64;
        }
        let in_doubt = self.sums.agreement.in_doubt();
        if in_doubt == self.numbers.in_doubt {
            return;
        }
        for member in in_doubt.difference(&self.numbers.in_doubt.clone()) {
            tracing::error!(%member, "a member's keyspace differs from the leader's");
            let what = format!("member {member} is in doubt: its keyspace differs from the leader's at two revisions");
            self.note("sums", what, "a person must decide".to_owned());
        }
        self.count().in_doubt = in_doubt;
    }

    fn clear_doubts(&mut self) {
        if !self.numbers.in_doubt.is_empty() {
            self.count().in_doubt.clear();
        }
    }
}
