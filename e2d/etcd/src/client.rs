//! The calls that a supervisor makes to an etcd member, each with a deadline and an error that can be acted on.
//!
//! Nothing is retried: who asked decides, knowing from [`CallError::effect`] whether the change may have been made.
//! A call answers for the member it was made to, except where linearizable is said. Of the keyspace only the restore's
//! marker and the volatile prefix are ever written (promise S8).

mod channel;
mod error;
mod snapshot;

pub use channel::{Place, TlsSettings};
pub use error::{CallError, Effect, Kind};
pub use snapshot::{Chunk, Snapshot};

use e2d_core::id::{ClusterId, MemberId, Revision};
use error::Call;
use etcd_client::{
    AlarmAction, AlarmOptions, AlarmType, Client as Raw, CompactionOptions, ConnectOptions, DeleteOptions, GetOptions,
    MemberAddOptions, ResponseHeader, Txn, TxnOp,
};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// Everything under this prefix is dropped by a restore; e2d's own keys begin with it.
pub const VOLATILE_PREFIX: &str = "/_e2d";
/// The key that says which backup a cluster was restored from.
pub const MARKER: &str = "/_e2d/snapshot";

/// How long a call may take if nothing else is said.
const DEADLINE: Duration = Duration::from_secs(5);

/// A connection to one member. Clones share it.
#[derive(Clone)]
pub struct Client {
    raw: Raw,
    place: String,
    deadline: Duration,
}

/// A user of an etcd with authentication.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Its name; most calls need `root`.
    pub user: String,
    /// Its password.
    pub password: SecretString,
}

/// What a member says of itself; needs no quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Itself.
    pub member: MemberId,
    /// Its version, as it says it.
    pub version: String,
    /// Who leads, as far as it knows.
    pub leader: Option<MemberId>,
    /// Raft term.
    pub term: u64,
    /// Raft index up to which it knows the log to be committed.
    pub committed: u64,
    /// Raft index up to which its store has applied the log.
    pub applied: u64,
    /// Its store's revision.
    pub revision: Revision,
    /// Whether it has no vote.
    pub learner: bool,
    /// The database file, in bytes.
    pub database_bytes: u64,
    /// What of it is in use, in bytes.
    pub used_bytes: u64,
    /// What it complains of: alarms, no leader.
    pub errors: Vec<String>,
}

/// A member as etcd lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its raft id.
    pub id: MemberId,
    /// Its name; empty until it has run once.
    pub name: String,
    /// Where other members reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it; empty until it has run once.
    pub client_urls: Vec<String>,
    /// Whether it has no vote.
    pub learner: bool,
}

/// How new an answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// What this member knows; needs no quorum.
    Local,
    /// All that was committed before the call; needs a quorum. Learners refuse it.
    Linearizable,
}

/// The digest of the keyspace up to a revision. Two members agree when all but `revision` are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvHash {
    /// The sum.
    pub hash: u32,
    /// Up to where the keyspace was compacted; sums of different compactions cannot be compared.
    pub compacted: Revision,
    /// The revision that was summed up to; 0 before 3.6, which does not say.
    pub hashed: Revision,
    /// The store's revision when it was.
    pub revision: Revision,
}

/// An alarm that a member has raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Who raised it; 0 where 3.4 and 3.5 do not say.
    pub member: MemberId,
    /// Which.
    pub kind: AlarmKind,
}

/// Which alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmKind {
    /// The quota is used up.
    NoSpace,
    /// Data differs between members.
    Corrupt,
}

impl Client {
    /// A client of the member at `place`, connected when it is first used; with credentials it connects at once.
    pub async fn new(
        place: Place,
        tls: Option<TlsSettings>,
        credentials: Option<&Credentials>,
    ) -> Result<Self, CallError> {
        let name = place.to_string();
        let channel = etcd_client::Channel::Tonic(channel::open(place, tls));
        let options = credentials.map(|Credentials { user, password }| {
            ConnectOptions::new().with_user(user, password.expose_secret()).with_auto_token_refresh(true)
        });
        let call = Call { name: "log in", place: &name, changes: false };
        let raw = tokio::time::timeout(DEADLINE, Raw::from_channel(channel, options));
        let raw = raw.await.map_err(|_| call.timed_out())?.map_err(|error| call.failed(&error))?;
        Ok(Self { raw, place: name, deadline: DEADLINE })
    }

    /// The same connection, with another deadline for each call. The default is 5 s.
    #[must_use]
    pub fn within(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The library's client over the same connection, for what is not here: watches, leases, downgrades.
    #[must_use]
    pub fn raw(&self) -> Raw {
        self.raw.clone()
    }

    /// What the member says of itself.
    pub async fn status(&self) -> Result<Status, CallError> {
        let call = self.asks("status");
        let answer = self.wait(call, self.raw.maintenance_client().status()).await?;
        let header = head(call, answer.header())?;
        Ok(Status {
            cluster: ClusterId(header.cluster_id()),
            member: MemberId(header.member_id()),
            version: answer.version().to_owned(),
            leader: (answer.leader() != 0).then_some(MemberId(answer.leader())),
            term: answer.raft_term(),
            committed: answer.raft_index(),
            applied: answer.raft_applied_index(),
            revision: Revision(header.revision()),
            learner: answer.is_learner(),
            database_bytes: answer.db_size().cast_unsigned(),
            used_bytes: answer.raft_used_db_size().cast_unsigned(),
            errors: answer.errors().to_vec(),
        })
    }

    /// The members, in the order of their ids.
    ///
    /// Linearizable in every version: a linearizable read first makes this member apply all that was committed, the
    /// membership included, and then it says what it knows.
    pub async fn members(&self, reading: Reading) -> Result<Vec<Member>, CallError> {
        if reading == Reading::Linearizable {
            self.revision(reading).await?;
        }
        let answer = self.wait(self.asks("list members"), self.raw.cluster_client().member_list()).await?;
        Ok(listed(answer.members()))
    }

    /// Adds a learner with these peer URLs, and returns its id and all members.
    pub async fn add_learner(&self, peer_urls: &[&str]) -> Result<(MemberId, Vec<Member>), CallError> {
        let call = self.changes("add learner");
        let urls: Vec<String> = peer_urls.iter().map(ToString::to_string).collect();
        let options = Some(MemberAddOptions::new().with_is_learner());
        let answer = self.wait(call, self.raw.cluster_client().member_add(urls, options)).await?;
        let added = answer.member().ok_or_else(|| call.malformed("the answer names no member"))?;
        Ok((MemberId(added.id()), listed(answer.member_list())))
    }

    /// Gives a learner its vote. The raft log has then all but a tenth, which may still be a long way for the store.
    pub async fn promote(&self, member: MemberId) -> Result<Vec<Member>, CallError> {
        let answer = self.wait(self.changes("promote"), self.raw.cluster_client().member_promote(member.0)).await?;
        Ok(listed(answer.members()))
    }

    /// Removes a member.
    pub async fn remove(&self, member: MemberId) -> Result<Vec<Member>, CallError> {
        let answer =
            self.wait(self.changes("remove member"), self.raw.cluster_client().member_remove(member.0)).await?;
        Ok(listed(answer.members()))
    }

    /// Hands leadership over; only the leader does it, to a voter.
    pub async fn move_leader(&self, to: MemberId) -> Result<(), CallError> {
        self.wait(self.changes("move leader"), self.raw.maintenance_client().move_leader(to.0)).await.map(drop)
    }

    /// The store's revision. A linearizable one proves that a quorum stands behind this member.
    pub async fn revision(&self, reading: Reading) -> Result<Revision, CallError> {
        let call = self.asks(match reading {
            Reading::Local => "local read",
            Reading::Linearizable => "linearizable read",
        });
        let options = GetOptions::new().with_count_only();
        let options = if reading == Reading::Local { options.with_serializable() } else { options };
        let answer = self.wait(call, self.raw.kv_client().get(MARKER, Some(options))).await?;
        Ok(Revision(head(call, answer.header())?.revision()))
    }

    /// The digest of the member's keyspace up to a revision, of all of it with 0.
    pub async fn hash_kv(&self, up_to: Revision) -> Result<KvHash, CallError> {
        let call = self.asks("hash");
        let answer = self.wait(call, self.raw.maintenance_client().hash_kv(up_to.0)).await?;
        Ok(KvHash {
            hash: answer.hash(),
            compacted: Revision(answer.compact_version()),
            hashed: Revision(answer.hash_revision()),
            revision: Revision(head(call, answer.header())?.revision()),
        })
    }

    /// Drops what is older than a revision; returns when the member asked has freed it, as far as the deadline allows.
    pub async fn compact(&self, up_to: Revision) -> Result<(), CallError> {
        let options = Some(CompactionOptions::new().with_physical());
        self.wait(self.changes("compact"), self.raw.kv_client().compact(up_to.0, options)).await.map(drop)
    }

    /// Rewrites the member's database without its holes. The member serves nothing meanwhile: set the deadline to suit
    /// the size of the database.
    pub async fn defragment(&self) -> Result<(), CallError> {
        self.wait(self.changes("defragment"), self.raw.maintenance_client().defragment()).await.map(drop)
    }

    /// The alarms that are raised.
    pub async fn alarms(&self) -> Result<Vec<Alarm>, CallError> {
        let mut maintenance = self.raw.maintenance_client();
        let asked = maintenance.alarm(AlarmAction::Get, AlarmType::None, None);
        let answer = self.wait(self.asks("list alarms"), asked).await?;
        let alarm = |alarm: &etcd_client::AlarmMember| {
            let kind = match alarm.alarm() {
                AlarmType::None => return None,
                AlarmType::Nospace => AlarmKind::NoSpace,
                AlarmType::Corrupt => AlarmKind::Corrupt,
            };
            Some(Alarm { member: MemberId(alarm.member_id()), kind })
        };
        Ok(answer.alarms().iter().filter_map(alarm).collect())
    }

    /// Takes one alarm back, exactly as [`Self::alarms`] named it: etcd answers with success to any other and does
    /// nothing.
    pub async fn disarm(&self, alarm: Alarm) -> Result<(), CallError> {
        let mut options = AlarmOptions::new();
        options.with_member(alarm.member.0);
        let kind = match alarm.kind {
            AlarmKind::NoSpace => AlarmType::Nospace,
            AlarmKind::Corrupt => AlarmType::Corrupt,
        };
        let mut maintenance = self.raw.maintenance_client();
        let asked = maintenance.alarm(AlarmAction::Deactivate, kind, Some(options));
        self.wait(self.changes("disarm"), asked).await.map(drop)
    }

    /// Streams the member's database. The deadline holds for each part of it.
    pub async fn snapshot(&self) -> Result<Snapshot, CallError> {
        let stream = self.wait(self.asks("snapshot"), self.raw.maintenance_client().snapshot()).await?;
        Ok(Snapshot { stream, place: self.place.clone(), patience: self.deadline })
    }

    /// Drops the volatile prefix and writes the marker, in one transaction; returns its revision.
    ///
    /// Done again it writes the same, one revision later.
    pub async fn mark_restored(&self, marker: &[u8]) -> Result<Revision, CallError> {
        // Within one transaction no key may be both deleted and written, so the marker's place is left out.
        let delete = |from: Vec<u8>, to: Vec<u8>| TxnOp::delete(from, Some(DeleteOptions::new().with_range(to)));
        let after_marker = [MARKER.as_bytes(), b"\0"].concat();
        let after_prefix = successor(VOLATILE_PREFIX.as_bytes());
        let txn = Txn::new().and_then([
            delete(VOLATILE_PREFIX.into(), MARKER.into()),
            delete(after_marker, after_prefix),
            TxnOp::put(MARKER, marker, None),
        ]);
        let call = self.changes("mark as restored");
        let answer = self.wait(call, self.raw.kv_client().txn(txn)).await?;
        Ok(Revision(head(call, answer.header())?.revision()))
    }

    /// The marker, by a linearizable read.
    pub async fn marker(&self) -> Result<Option<Vec<u8>>, CallError> {
        let answer = self.wait(self.asks("read marker"), self.raw.kv_client().get(MARKER, None)).await?;
        Ok(answer.kvs().first().map(|marker| marker.value().to_vec()))
    }

    fn asks(&self, name: &'static str) -> Call<'_> {
        Call { name, place: &self.place, changes: false }
    }

    fn changes(&self, name: &'static str) -> Call<'_> {
        Call { name, place: &self.place, changes: true }
    }

    async fn wait<T>(
        &self,
        call: Call<'_>,
        answer: impl Future<Output = Result<T, etcd_client::Error>>,
    ) -> Result<T, CallError> {
        match tokio::time::timeout(self.deadline, answer).await {
            Ok(answer) => answer.map_err(|error| call.failed(&error)),
            Err(_) => Err(call.timed_out()),
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("place", &self.place).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

fn head<'a>(call: Call<'_>, header: Option<&'a ResponseHeader>) -> Result<&'a ResponseHeader, CallError> {
    header.ok_or_else(|| call.malformed("the answer has no header"))
}

fn listed(members: &[etcd_client::Member]) -> Vec<Member> {
    let mut members: Vec<Member> = members
        .iter()
        .map(|member| Member {
            id: MemberId(member.id()),
            name: member.name().to_owned(),
            peer_urls: member.peer_urls().to_vec(),
            client_urls: member.client_urls().to_vec(),
            learner: member.is_learner(),
        })
        .collect();
    members.sort_unstable_by_key(|member| member.id);
    members
}

/// The first key behind all that begin with a prefix whose last byte is not 255.
fn successor(prefix: &[u8]) -> Vec<u8> {
    let mut next = prefix.to_vec();
    if let Some(last) = next.last_mut() {
        *last = last.saturating_add(1);
    }
    next
}
