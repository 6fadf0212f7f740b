//! Acts on etcd: its process and its membership.

use super::Hands;
use crate::run::describe::{self, chain};
use crate::run::fact::Outcome;
use e2d_core::action::Launch;
use e2d_core::id::{ArchiveId, MemberId};
use e2d_core::observe::{Gate, World};
use e2d_core::operator;
use e2d_core::time::Moment;
use e2d_etcd::child;
use e2d_etcd::client::CallError;
use std::sync::Arc;
use std::time::Duration;

/// How long etcd may take to stop in order.
const STOP_WITHIN: Duration = Duration::from_secs(40);
/// How old the plan of a change may be when it is sent to etcd.
const TOO_LATE: Duration = Duration::from_secs(2);
/// How long etcd may take to hand leadership over.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(5);

impl Hands {
    pub(super) async fn start(self: &Arc<Self>, launch: &Launch) -> Outcome {
        // It may have been upgraded since it was asked, and then its flags are others.
        let etcd = match self.setting.programs.etcd().await {
            Ok(etcd) => etcd,
            Err(error) => return Outcome::Failed(chain(&error)),
        };
        let flags = match describe::launch(&self.setting, launch) {
            Ok(flags) => flags,
            Err(error) => return Outcome::Failed(chain(&error)),
        };
        match child::spawn(&etcd, &flags) {
            Ok(child) => {
                let gate = if child.gate() == e2d_etcd::launch::Gate::Gated { Gate::Gated } else { Gate::Open };
                self.hold(child);
                Outcome::Started(gate)
            }
            Err(error) => Outcome::Failed(chain(&error)),
        }
    }

    /// Stops etcd in order. If it leads, leadership is handed to a voter that is present first, so that
    /// the cluster is without a leader for as short as can be.
    pub(super) async fn stop(&self, world: &World) -> Outcome {
        let Some(child) = self.child() else { return Outcome::Done };
        if let Ok(heir) = operator::heir(world)
            && let Err(error) = self.hand_over(heir, world.now).await
        {
            tracing::warn!(error, to = %heir, "leadership not handed over");
        }
        child.stop(STOP_WITHIN).await;
        Outcome::Done
    }

    /// Hands leadership over to a voter.
    pub(in crate::run) async fn hand_over(&self, heir: MemberId, planned: Moment) -> Result<(), String> {
        let client = self.client().await.map_err(|error| chain(&error))?;
        self.in_time(planned)?;
        client.within(HAND_OVER_WITHIN).move_leader(heir).await.map_err(|error| chain(&error))?;
        tracing::info!(to = %heir, "leadership handed over");
        Ok(())
    }

    pub(super) async fn mark_restored(&self, archive: ArchiveId, world: &World) -> Outcome {
        let Some(place) = world.state.place else { return Outcome::Failed("no place in any cluster".into()) };
        let marker = serde_json::json!({
            "time": jiff::Timestamp::now(),
            "archive": archive,
            "epoch": place.epoch,
            "claim": place.claim,
        });
        self.call(world.now, async |client| {
            // What an archive was taken under comes back with it, and would keep the marker out.
            for alarm in client.alarms().await? {
                tracing::warn!(kind = ?alarm.kind, member = %alarm.member, "an alarm came with the archive, and is taken back");
                client.disarm(alarm).await?;
            }
            client.mark_restored(marker.to_string().as_bytes()).await.map(|_| Outcome::Done)
        })
        .await
    }

    pub(super) async fn add_learner(&self, peer_url: &str, planned: Moment) -> Outcome {
        self.call(planned, async |client| {
            client.add_learner(&[peer_url]).await.map(|(member, _)| Outcome::Added(member))
        })
        .await
    }

    pub(super) async fn promote(&self, member: MemberId, planned: Moment) -> Outcome {
        self.call(planned, async |client| client.promote(member).await.map(|_| Outcome::Done)).await
    }

    pub(super) async fn remove(&self, member: MemberId, planned: Moment) -> Outcome {
        self.call(planned, async |client| client.remove(member).await.map(|_| Outcome::Done)).await
    }

    async fn call(
        &self,
        planned: Moment,
        call: impl AsyncFnOnce(e2d_etcd::client::Client) -> Result<Outcome, CallError>,
    ) -> Outcome {
        let client = match self.client().await {
            Ok(client) => client,
            Err(error) => return Outcome::Failed(chain(&error)),
        };
        match self.in_time(planned) {
            Ok(()) => call(client).await.unwrap_or_else(|error| Outcome::Failed(chain(&error))),
            Err(late) => Outcome::Failed(late),
        }
    }

    /// A process that was frozen must not change the members by what was right before: whoever was dead then may serve
    /// by now.
    fn in_time(&self, planned: Moment) -> Result<(), String> {
        let age = self.setting.now().since(planned);
        if age <= TOO_LATE { Ok(()) } else { Err(format!("planned {} s ago: too late to be sent", age.as_secs())) }
    }
}
