//! What is done with a call: looking reads what the mind published last, so that it is answered whatever
//! the node waits for; an order is passed on to the mind.

use super::order::{Answer, Denial, Order, Request};
use super::v1;
use crate::metrics::Picture;
use e2d_core::hold::{LONGEST, MAX_REASON};
use e2d_core::observe;
use e2d_pki::Role;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tonic::transport::server::UdsConnectInfo;
use tonic::{Response, Status};

/// The shortest hold.
const SHORTEST: Duration = Duration::from_mins(1);

/// Answers calls, over whatever they came.
#[derive(Clone, Debug)]
pub struct Desk {
    /// What the mind published last.
    pub picture: watch::Receiver<Arc<Picture>>,
    /// Where orders go.
    pub orders: mpsc::Sender<Request>,
}

/// Who calls, as the transport proved it.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) role: Role,
    pub(super) name: String,
}

impl Caller {
    /// Who may reach the socket may do all: its mode is 0600.
    fn of<T>(call: &tonic::Request<T>) -> Self {
        if let Some(caller) = call.extensions().get::<Self>() {
            return caller.clone();
        }
        match call.extensions().get::<UdsConnectInfo>() {
            Some(peer) => {
                let uid = peer.peer_cred.map_or_else(|| "unknown".to_owned(), |cred| cred.uid().to_string());
                Self { role: Role::Operate, name: format!("the operator with user id {uid} on this machine") }
            }
            None => Self { role: Role::None, name: "nobody".to_owned() },
        }
    }

    fn may<T>(call: &tonic::Request<T>, role: Role) -> Result<Self, Box<Status>> {
        let caller = Self::of(call);
        if caller.role >= role {
            return Ok(caller);
        }
        let needed = role.organization().unwrap_or_default();
        Err(Box::new(Status::permission_denied(format!(
            "{} has the role {}; this takes a certificate with O={needed}",
            caller.name, caller.role
        ))))
    }
}

impl Desk {
    async fn order<T>(&self, call: &tonic::Request<T>, order: Order) -> Result<Answer, Status> {
        let by = Caller::may(call, Role::Operate).map_err(|refused| *refused)?.name;
        let (answer, answered) = oneshot::channel();
        let gone = || Status::unavailable("this node is stopping");
        self.orders.send(Request { order, by, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?.map_err(|denial| match denial {
            Denial::Refused(why) => Status::failed_precondition(why),
            Denial::NotFound(why) => Status::not_found(why),
            Denial::Later(why) => Status::unavailable(why),
            Denial::Failed(why) => Status::aborted(why),
        })
    }
}

impl From<observe::Hold> for v1::Hold {
    /// The rest is rounded up: a hold that is shown with 0 s would be none.
    fn from(hold: observe::Hold) -> Self {
        let seconds = hold.remaining.as_millis().div_ceil(1000);
        Self { reason: hold.reason, seconds: u64::try_from(seconds).unwrap_or(u64::MAX) }
    }
}

fn odd() -> Status {
    Status::internal("an answer to another question")
}

#[tonic::async_trait]
impl v1::admin_server::Admin for Desk {
    async fn status(&self, call: tonic::Request<v1::StatusRequest>) -> Result<Response<v1::StatusReply>, Status> {
        Caller::may(&call, Role::Read).map_err(|refused| *refused)?;
        let picture = self.picture.borrow().clone();
        Ok(Response::new(picture.shown()))
    }

    async fn hold(&self, call: tonic::Request<v1::HoldRequest>) -> Result<Response<v1::HoldReply>, Status> {
        let v1::HoldRequest { reason, seconds } = call.get_ref();
        let (reason, span) = (reason.trim().to_owned(), Duration::from_secs(*seconds));
        if reason.is_empty() || reason.chars().count() > MAX_REASON || reason.chars().any(char::is_control) {
            let what = format!("reason: 1 to {MAX_REASON} characters, none of them a control character");
            return Err(Status::invalid_argument(what));
        }
        if !(SHORTEST..=LONGEST).contains(&span) {
            return Err(Status::invalid_argument("seconds: from a minute to 365 days"));
        }
        match self.order(&call, Order::Hold { reason, span }).await? {
            Answer::Hold(held) => Ok(Response::new(v1::HoldReply { hold: held.map(v1::Hold::from) })),
            _ => Err(odd()),
        }
    }

    async fn release(&self, call: tonic::Request<v1::ReleaseRequest>) -> Result<Response<v1::ReleaseReply>, Status> {
        match self.order(&call, Order::Release).await? {
            Answer::Hold(held) => Ok(Response::new(v1::ReleaseReply { released: held.map(v1::Hold::from) })),
            _ => Err(odd()),
        }
    }

    async fn step_down(
        &self,
        call: tonic::Request<v1::StepDownRequest>,
    ) -> Result<Response<v1::StepDownReply>, Status> {
        match self.order(&call, Order::StepDown).await? {
            Answer::Leader { moved, member, name } => {
                Ok(Response::new(v1::StepDownReply { moved, leader: member.to_string(), name }))
            }
            _ => Err(odd()),
        }
    }

    async fn remove_member(
        &self,
        call: tonic::Request<v1::RemoveMemberRequest>,
    ) -> Result<Response<v1::RemoveMemberReply>, Status> {
        let v1::RemoveMemberRequest { member, dry_run } = call.get_ref();
        let member = member.parse().map_err(|error| Status::invalid_argument(format!("member: {error}")))?;
        match self.order(&call, Order::Remove { member, dry_run: *dry_run }).await? {
            Answer::Removal { removed, because } => Ok(Response::new(v1::RemoveMemberReply { removed, because })),
            _ => Err(odd()),
        }
    }

    async fn save_snapshot(
        &self,
        call: tonic::Request<v1::SaveSnapshotRequest>,
    ) -> Result<Response<v1::SaveSnapshotReply>, Status> {
        match self.order(&call, Order::Save).await? {
            Answer::Saved(receipt) => Ok(Response::new(v1::SaveSnapshotReply {
                id: receipt.id.to_string(),
                name: receipt.name,
                epoch: receipt.epoch.0,
                revision: receipt.revision.0,
                keys: receipt.keys,
                plain_bytes: receipt.plain_bytes,
                stored_bytes: receipt.stored_bytes,
            })),
            _ => Err(odd()),
        }
    }
}
