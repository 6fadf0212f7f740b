//! What went wrong with a call, and whether it may have had its effect all the same.
//!
//! etcd's gRPC codes cannot be trusted: the same refusal comes as `FailedPrecondition` or as `Unknown` by the path it
//! took. Its messages are stable from 3.4 to 3.7 (`api/v3rpc/rpctypes/error.go`), so they decide.

use std::error::Error as _;
use std::fmt;
use std::io;

/// A call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call} at {place}: {kind}{}", detail.as_ref().map_or(String::new(), |detail| format!(" ({detail})")))]
pub struct CallError {
    /// What was asked.
    pub call: &'static str,
    /// Whom.
    pub place: String,
    /// What went wrong.
    pub kind: Kind,
    /// Whether the change was made.
    pub effect: Effect,
    /// The other side's words where the kind does not say it all; at most 200 characters.
    pub detail: Option<String>,
}

/// Whether a change that was asked for was made, when the call says it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It was not, and will not be.
    None,
    /// It may have been, or may still be: look before asking again.
    Unknown,
}

/// What went wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nobody could be reached; the request was never sent.
    NotConnected,
    /// No answer within the call's deadline.
    Timeout,
    /// The connection broke, or the server is stopping.
    Unavailable,
    /// The cluster has no leader.
    NoLeader,
    /// Only the leader answers this.
    NotLeader,
    /// The leader changed meanwhile.
    LeaderChanged,
    /// etcd itself timed out, for want of a quorum.
    NoQuorum,
    /// A membership change is refused while members are not connected, or have not been for 5 s.
    Unhealthy,
    /// A membership change is refused because the started members could then not commit.
    NotEnoughStarted,
    /// The learner has not caught up.
    LearnerNotReady,
    /// It is no learner: its promotion may have been done before.
    NotLearner,
    /// There is a learner already.
    TooManyLearners,
    /// No such member: its removal may have been done before.
    MemberNotFound,
    /// A member has this peer URL already: its addition may have been done before.
    PeerUrlExists,
    /// The member cannot take over the leadership.
    BadTransferee,
    /// A learner does not answer this.
    NotForLearners,
    /// The revision has been compacted.
    Compacted,
    /// The revision has not come yet.
    FutureRevision,
    /// The database is full.
    NoSpace,
    /// The cluster found itself corrupt and takes no writes.
    Corrupt,
    /// Credentials are missing, wrong or too weak.
    AuthRequired,
    /// The server refuses more requests for now.
    Busy,
    /// Anything else.
    Other,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotConnected => "no connection",
            Self::Timeout => "no answer in time",
            Self::Unavailable => "connection lost",
            Self::NoLeader => "no leader",
            Self::NotLeader => "not the leader",
            Self::LeaderChanged => "the leader changed",
            Self::NoQuorum => "no quorum",
            Self::Unhealthy => "members are not connected",
            Self::NotEnoughStarted => "not enough members have started",
            Self::LearnerNotReady => "the learner has not caught up",
            Self::NotLearner => "the member is no learner",
            Self::TooManyLearners => "there is a learner already",
            Self::MemberNotFound => "no such member",
            Self::PeerUrlExists => "a member has this peer URL",
            Self::BadTransferee => "the member cannot lead",
            Self::NotForLearners => "a learner does not answer this",
            Self::Compacted => "the revision is compacted",
            Self::FutureRevision => "the revision is yet to come",
            Self::NoSpace => "the database is full",
            Self::Corrupt => "the cluster is corrupt",
            Self::AuthRequired => "not authorized",
            Self::Busy => "too many requests",
            Self::Other => "failed",
        })
    }
}

/// etcd's messages; the first that is part of what it said decides.
const MESSAGES: &[(&str, Kind)] = &[
    ("no leader", Kind::NoLeader),
    ("not leader", Kind::NotLeader),
    ("leader changed", Kind::LeaderChanged),
    ("request timed out", Kind::NoQuorum),
    ("unhealthy cluster", Kind::Unhealthy),
    ("not enough started members", Kind::NotEnoughStarted),
    ("in sync with leader", Kind::LearnerNotReady),
    ("can only promote a learner member", Kind::NotLearner),
    ("too many learner members", Kind::TooManyLearners),
    ("member not found", Kind::MemberNotFound),
    ("Peer URLs already exists", Kind::PeerUrlExists),
    // The same URL within the same second makes the same id, which is looked for first.
    ("member ID already exist", Kind::PeerUrlExists),
    ("bad leader transferee", Kind::BadTransferee),
    ("rpc not supported for learner", Kind::NotForLearners),
    ("required revision has been compacted", Kind::Compacted),
    ("required revision is a future revision", Kind::FutureRevision),
    ("database space exceeded", Kind::NoSpace),
    ("corrupt cluster", Kind::Corrupt),
    ("too many requests", Kind::Busy),
    ("user name is empty", Kind::AuthRequired),
    ("invalid auth token", Kind::AuthRequired),
    ("permission denied", Kind::AuthRequired),
    ("authentication failed", Kind::AuthRequired),
    ("auth store is old", Kind::AuthRequired),
    ("authentication is not enabled", Kind::AuthRequired),
    ("server stopped", Kind::Unavailable),
];

impl Kind {
    /// What a change may have come to when it ended like this.
    fn effect(self) -> Effect {
        match self {
            // A put that passed the quota is applied and refused at once.
            Self::Timeout
            | Self::Unavailable
            | Self::NoLeader
            | Self::LeaderChanged
            | Self::NoQuorum
            | Self::NoSpace
            | Self::Other => Effect::Unknown,
            _ => Effect::None,
        }
    }
}

/// A connection that could not be made, in the chain of causes of a call that was never sent.
#[derive(Debug)]
pub(super) struct NotConnected(pub(super) io::Error);

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for NotConnected {}

/// A call, for the errors it may end in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) name: &'static str,
    pub(super) place: &'a str,
    /// Whether it changes anything.
    pub(super) changes: bool,
}

impl Call<'_> {
    pub(super) fn timed_out(self) -> CallError {
        self.error(Kind::Timeout, None)
    }

    pub(super) fn failed(self, error: &etcd_client::Error) -> CallError {
        let etcd_client::Error::GRpcStatus(status) = error else {
            return self.error(Kind::Other, Some(error.to_string()));
        };
        let mut cause = status.source();
        while let Some(error) = cause {
            if let Some(NotConnected(reason)) = error.downcast_ref() {
                return self.error(Kind::NotConnected, Some(reason.to_string()));
            }
            cause = error.source();
        }
        let message = status.message();
        let known = MESSAGES.iter().find(|(part, _)| message.contains(part)).map(|(_, kind)| *kind);
        let kind = known.unwrap_or(match status.code() {
            tonic::Code::Unavailable | tonic::Code::Cancelled => Kind::Unavailable,
            tonic::Code::DeadlineExceeded => Kind::Timeout,
            tonic::Code::Unauthenticated | tonic::Code::PermissionDenied => Kind::AuthRequired,
            _ => Kind::Other,
        });
        let detail = matches!(kind, Kind::Other | Kind::Unavailable | Kind::AuthRequired).then(|| message.to_owned());
        self.error(kind, detail)
    }

    /// An answer that is not what was asked for.
    pub(super) fn malformed(self, what: &str) -> CallError {
        self.error(Kind::Other, Some(what.to_owned()))
    }

    fn error(self, kind: Kind, detail: Option<String>) -> CallError {
        let effect = if self.changes { kind.effect() } else { Effect::None };
        let detail = detail.filter(|detail| !detail.is_empty()).map(|detail| detail.chars().take(200).collect());
        CallError { call: self.name, place: self.place.to_owned(), kind, effect, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::{Code, Status};

    fn error(changes: bool, code: Code, message: &str) -> CallError {
        let call = Call { name: "add learner", place: "/run/etcd", changes };
        call.failed(&etcd_client::Error::GRpcStatus(Status::new(code, message)))
    }

    #[test]
    fn the_message_decides_and_not_the_code() {
        for code in [Code::Unknown, Code::FailedPrecondition] {
            let message = "etcdserver: re-configuration failed due to not enough started members";
            assert_eq!(error(true, code, message).kind, Kind::NotEnoughStarted);
        }
        let promote = "etcdserver: can only promote a learner member";
        assert_eq!(error(true, Code::FailedPrecondition, promote).kind, Kind::NotLearner);
        let behind = format!("{promote} which is in sync with leader");
        assert_eq!(error(true, Code::FailedPrecondition, &behind).kind, Kind::LearnerNotReady);
        let timeout = "etcdserver: request timed out, possibly due to previous leader failure";
        assert_eq!(error(true, Code::Unavailable, timeout).kind, Kind::NoQuorum);
        assert_eq!(error(true, Code::Unavailable, "etcdserver: unhealthy cluster").kind, Kind::Unhealthy);
        assert_eq!(error(true, Code::Unavailable, "broken pipe").kind, Kind::Unavailable);
    }

    #[test]
    fn doubt_is_said_and_only_where_there_is_some() {
        let doubtful = |message| error(true, Code::Unavailable, message).effect == Effect::Unknown;
        for message in ["", "etcdserver: request timed out", "etcdserver: leader changed", "etcdserver: server stopped"]
        {
            assert!(doubtful(message), "{message}");
        }
        assert!(doubtful("etcdserver: mvcc: database space exceeded"), "a put that passed the quota was applied");
        for message in ["etcdserver: unhealthy cluster", "etcdserver: not leader", "etcdserver: member not found"] {
            assert!(!doubtful(message), "{message}");
        }
        assert_eq!(error(false, Code::Unavailable, "").effect, Effect::None, "nothing was asked to change");
        let promote = Call { name: "promote", place: "", changes: true };
        assert_eq!(promote.timed_out().effect, Effect::Unknown);
        assert_eq!(Call { changes: false, ..promote }.timed_out().effect, Effect::None);
    }

    #[test]
    fn an_error_names_the_call_and_is_bounded() {
        let said = error(true, Code::Unknown, &"x".repeat(10_000)).to_string();
        assert!(said.starts_with("add learner at /run/etcd: failed (xxx"), "{said}");
        assert!(said.len() < 300);
        assert_eq!(
            error(true, Code::Unknown, "etcdserver: not leader").to_string(),
            "add learner at /run/etcd: not the leader"
        );
    }
}
