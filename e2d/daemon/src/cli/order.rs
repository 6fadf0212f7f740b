//! The verbs that order something of the daemon.

use super::client::{HoldArgs, ReleaseArgs, SiteArgs, StepDownArgs};
use super::exit::{Exit, Failure};
use super::output::{Format, json, print};
use crate::admin::v1::admin_client::AdminClient;
use crate::admin::v1::{Hold, HoldRequest, ReleaseRequest, RemoveMemberReply, RemoveMemberRequest, StepDownRequest};
use crate::admin::{self, AskError};
use e2d_core::id::MemberId;
use std::time::Duration;
use tonic::Code;
use tonic::transport::Channel;

/// Orders something of the daemon of a node, and waits for as long as it takes.
pub(super) fn order<T>(
    site: &SiteArgs,
    call: impl AsyncFnOnce(AdminClient<Channel>) -> Result<tonic::Response<T>, tonic::Status>,
) -> Result<T, Failure> {
    let socket = site.socket(&site.site(std::env::vars_os())?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    let answer = runtime.block_on(async {
        let client = admin::connect_patiently(&socket).await?;
        Ok::<_, AskError>(call(client).await?.into_inner())
    });
    answer.map_err(failure)
}

/// What the daemon did not do, as the end of this program.
pub(super) fn failure(error: AskError) -> Failure {
    match error {
        AskError::Down { .. } => {
            Failure::with_hint(Exit::TryAgain, error, "is e2d running, and is this its data directory?")
        }
        AskError::Refused(status) => {
            // tonic's own deadline ends a call as if it were cancelled.
            let passes = [Code::Unavailable, Code::DeadlineExceeded, Code::Cancelled].contains(&status.code());
            let exit = if passes { Exit::TryAgain } else { Exit::Failed };
            let hint = match status.code() {
                Code::Unavailable => "try again",
                _ if passes => "try again; if it goes on, the daemon hangs",
                Code::FailedPrecondition | Code::NotFound => "nothing was changed; see `e2d status`",
                _ => "see `e2d why` and the daemon's log",
            };
            Failure::with_hint(exit, Denied(status.message().to_owned()), hint)
        }
        AskError::Broken { .. } => {
            Failure::with_hint(Exit::TryAgain, error, "try again; if it goes on, the daemon hangs")
        }
    }
}

/// The daemon's own words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Denied(String);

impl HoldArgs {
    /// Stops all automatic acts for a while.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let request = HoldRequest { reason: self.reason.clone(), seconds: self.span.as_secs() };
        let reply = order(&self.site, async |mut client| client.hold(request).await)?;
        let Some(hold) = reply.hold else { return print("nothing is held\n") };
        print(&format!(
            "held for {}: {}\nautomatic acts stop on every node that hears of it\n",
            rest(&hold),
            hold.reason
        ))
    }
}

impl ReleaseArgs {
    /// Lets automatic acts go on.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let reply = order(&self.site, async |mut client| client.release(ReleaseRequest {}).await)?;
        print(&match reply.released {
            None => "nothing was held\n".to_owned(),
            Some(hold) => format!("released, with {} to go: {}\n", rest(&hold), hold.reason),
        })
    }
}

/// How much longer a hold stands, for people.
pub(super) fn rest(hold: &Hold) -> String {
    let span = Duration::from_secs(hold.seconds);
    let (days, hours, minutes) = (hold.seconds / 86_400, hold.seconds / 3600 % 24, hold.seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{} s", span.as_secs()),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

impl StepDownArgs {
    /// Hands leadership over.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let reply = order(&self.site, async |mut client| client.step_down(StepDownRequest {}).await)?;
        let leader = format!("{} (member {})", reply.name, reply.leader);
        print(&if reply.moved { format!("{leader} leads now\n") } else { format!("nothing to do: {leader} leads\n") })
    }
}

/// Removes a member, or shows on what that would rest.
pub(super) fn remove(site: &SiteArgs, format: Format, member: MemberId, yes: bool) -> Result<(), Failure> {
    let request = RemoveMemberRequest { member: member.to_string(), dry_run: !yes };
    let reply = order(site, async |mut client| client.remove_member(request).await)?;
    let RemoveMemberReply { removed, because } = &reply;
    print(&match (format, removed) {
        (Format::Json, _) => json(&reply)?,
        (Format::Table, true) => format!("member {member} is removed: {because}\n"),
        (Format::Table, false) => {
            format!("member {member} can be removed: {because}\nnothing was changed; to do it, add --yes\n")
        }
    })
}
