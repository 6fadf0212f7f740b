//! One look at the local etcd, as plain data.
//!
//! [`Observer::look`] is meant for every 200 to 500 ms: it asks for the status, which costs etcd next to nothing, and
//! for more only when told to. It never fails; what did not answer is absent, and says why.
//!
//! [`Hearing`] is the second witness of promise S12: whether etcd hears a member. Only a leader can tell, by the bytes
//! that it receives. What looks more direct does not serve: from 3.5 on, etcd's `active_peers` and its own notion of
//! a connected member stay true for a peer that is frozen or whose packets vanish, for as long as the connection is
//! not torn down, because its read time-out never takes effect.

use crate::child::{Child, Exit};
use crate::client::{CallError, Client, Member, Reading, Status};
use crate::launch::Gate;
use crate::scrape::{self, Metrics, ScrapeError};
use camino::{Utf8Path, Utf8PathBuf};
use e2d_core::id::MemberId;
use e2d_core::time::Moment;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Notify;

/// How long the local etcd may take for its status.
const STATUS_WITHIN: Duration = Duration::from_secs(1);
/// How long for what needs a quorum.
const QUORUM_WITHIN: Duration = Duration::from_secs(2);
/// How much longer than its metrics an etcd may take to answer for itself: that is the lighter question of the two.
const AFTER_METRICS: Duration = Duration::from_millis(250);
/// A longer time between two looks at the metrics is not counted as listening.
const LONGEST_GAP: Duration = Duration::from_secs(5);

/// What to ask besides the status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// The members, linearizably: one round of heartbeats.
    pub members: bool,
    /// The metrics: a few milliseconds of etcd's processor time.
    pub metrics: bool,
}

/// The process of the local etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Process {
    /// There is none that e2d knows of.
    Absent,
    /// It runs, or is frozen.
    Running {
        /// Its number.
        pid: i32,
        /// Who may talk to it.
        gate: Gate,
    },
    /// It ended.
    Ended(Exit),
}

/// What one look showed.
#[derive(Debug)]
pub struct Observation {
    /// When it began.
    pub at: Moment,
    /// The process.
    pub process: Process,
    /// Its own word; it answers, though perhaps without a quorum. `None` also where its metrics came, and its word not soon
    /// after: an etcd that does not serve clients yet.
    pub status: Option<Result<Status, CallError>>,
    /// All members, if asked for; a quorum stands behind this etcd.
    pub members: Option<Result<Vec<Member>, CallError>>,
    /// Its metrics, if asked for.
    pub metrics: Option<Result<Metrics, ScrapeError>>,
    /// Since when this etcd leads and is listened to; `None`: its silence about others means nothing.
    pub listening_since: Option<Moment>,
    /// When it was last seen to hear each other member.
    pub heard: BTreeMap<MemberId, Moment>,
}

/// Looks at one etcd again and again.
#[derive(Debug)]
pub struct Observer {
    client: Client,
    data_dir: Utf8PathBuf,
    hearing: Hearing,
}

impl Observer {
    /// An observer of the etcd on a data directory, by a client of its socket.
    #[must_use]
    pub fn new(client: Client, data_dir: Utf8PathBuf) -> Self {
        Self { client, data_dir, hearing: Hearing::default() }
    }

    /// Looks once; takes 2 s at most.
    pub async fn look(&mut self, child: Option<&Child>, now: Moment, ask: Ask) -> Observation {
        let process = match child {
            None => Process::Absent,
            Some(child) if child.has_ended() => Process::Ended(child.ended().await.clone()),
            Some(child) => Process::Running { pid: child.pid(), gate: child.gate() },
        };
        let runs = matches!(process, Process::Running { .. });
        let Answers { status, members, metrics } =
            if runs { ask_all(&self.client, &self.data_dir, ask).await } else { Answers::default() };
        if let Some(Ok(metrics)) = &metrics {
            self.hearing.update(now, metrics);
        }
        let listening_since = if runs { self.hearing.listening_since(now) } else { None };
        Observation { at: now, process, status, members, metrics, listening_since, heard: self.hearing.heard.clone() }
    }
}

/// What a running etcd answered; `None` is what it was not asked for, or what was not waited for.
#[derive(Debug, Default)]
struct Answers {
    status: Option<Result<Status, CallError>>,
    members: Option<Result<Vec<Member>, CallError>>,
    metrics: Option<Result<Metrics, ScrapeError>>,
}

/// Asks a running etcd for all at the same time. One that does not serve clients yet takes their connections and says
/// nothing: what its metrics tell does not wait for that.
async fn ask_all(client: &Client, data_dir: &Utf8Path, ask: Ask) -> Answers {
    let (quick, patient) = (client.within(STATUS_WITHIN), client.within(QUORUM_WITHIN));
    let scraped = Notify::new();
    let metrics = async {
        let metrics = when(ask.metrics, scrape::metrics(data_dir, STATUS_WITHIN)).await;
        if metrics.is_some() {
            scraped.notify_one();
        }
        metrics
    };
    let too_late = async {
        scraped.notified().await;
        tokio::time::sleep(AFTER_METRICS).await;
    };
    let answers = async {
        let status = tokio::select! {
            status = quick.status() => Some(status),
            () = too_late => None,
        };
        // Who says nothing of itself says nothing of the others.
        let answered = status.as_ref().is_some_and(Result::is_ok);
        (status, when(answered && ask.members, patient.members(Reading::Linearizable)).await)
    };
    // Boxed: together they would make every future that awaits this one larger than 32 KB.
    let (metrics, (status, members)) = tokio::join!(Box::pin(metrics), Box::pin(answers));
    Answers { status, members, metrics }
}

async fn when<T>(asked: bool, answer: impl Future<Output = T>) -> Option<T> {
    if asked { Some(answer.await) } else { None }
}

/// Whom the local etcd hears, from one look at its metrics to the next. Pure.
#[derive(Clone, Debug, Default)]
pub struct Hearing {
    leading_since: Option<Moment>,
    looked_at: Option<Moment>,
    leader_changes: u64,
    received: BTreeMap<MemberId, u64>,
    heard: BTreeMap<MemberId, Moment>,
}

impl Hearing {
    /// Takes in a look at the metrics.
    pub fn update(&mut self, now: Moment, metrics: &Metrics) {
        let leads = metrics.is_leader == Some(true);
        let before = self.listening_since(now).filter(|_| self.leader_changes == metrics.leader_changes);
        self.leading_since = leads.then(|| before.unwrap_or(now));
        for (member, bytes) in &metrics.received_bytes {
            // A count seen for the first time may be an old one. One that is lower belongs to a new process, and
            // whatever that one has received is new.
            let rose = self.received.get(member).is_some_and(|before| bytes > before || (bytes < before && *bytes > 0));
            if rose {
                self.heard.insert(*member, now);
            }
        }
        self.received.clone_from(&metrics.received_bytes);
        self.looked_at = Some(now);
        self.leader_changes = metrics.leader_changes;
    }

    /// Since when silence means something: since this etcd leads and was looked at without a long pause.
    #[must_use]
    pub fn listening_since(&self, now: Moment) -> Option<Moment> {
        self.leading_since.filter(|_| self.looked_at.is_some_and(|before| now.since(before) <= LONGEST_GAP))
    }

    /// For how long this etcd, leading and listened to, has not heard a member; `None` when it cannot tell.
    #[must_use]
    pub fn silence(&self, member: MemberId, now: Moment) -> Option<Duration> {
        let since = self.listening_since(now)?;
        Some(now.since(self.heard.get(&member).map_or(since, |&heard| heard.max(since))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Place;
    use crate::socket;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    const PEER: MemberId = MemberId(7);

    fn metrics(is_leader: bool, received: u64) -> Metrics {
        let received_bytes = BTreeMap::from([(PEER, received)]);
        Metrics { is_leader: Some(is_leader), received_bytes, ..Metrics::default() }
    }

    fn at(seconds: u64) -> Moment {
        Moment(seconds * 1_000_000)
    }

    /// A learner that serves no clients yet, for which its metrics speak: nobody waits for what it does not say.
    #[tokio::test]
    async fn an_etcd_that_does_not_serve_yet_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = Utf8Path::from_path(folder.path()).unwrap();
        let home = crate::datadir::home(data_dir);
        std::fs::create_dir(&home).unwrap();
        let clients = UnixListener::bind(home.join(socket::CLIENT)).unwrap();
        let scrapes = UnixListener::bind(home.join(socket::METRICS)).unwrap();
        let server = tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                tokio::select! {
                    client = clients.accept() => held.push(client),
                    scrape = scrapes.accept() => {
                        let text = "etcd_server_is_learner 1\netcd_server_proposals_applied_total 900\n";
                        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
                        let mut stream = scrape.unwrap().0;
                        let mut asked = Vec::new();
                        while !asked.ends_with(b"\r\n\r\n") {
                            asked.push(stream.read_u8().await.unwrap());
                        }
                        stream.write_all(answer.as_bytes()).await.unwrap();
                        held.push(Ok((stream, clients.local_addr().unwrap())));
                    }
                }
            }
        });
        let client = Client::new(Place::Unix(home.join(socket::CLIENT)), None, None).await.unwrap();
        let answers = ask_all(&client, data_dir, Ask { members: true, metrics: true }).await;
        let metrics = answers.metrics.unwrap().unwrap();
        assert_eq!((metrics.is_learner, metrics.applied), (Some(true), Some(900)));
        assert!(answers.status.is_none() && answers.members.is_none());
        server.abort();
    }

    /// A leader that hears its peer until second 10 and is asked each second until second 20.
    fn leader() -> Hearing {
        let mut hearing = Hearing::default();
        for second in 0..=20 {
            hearing.update(at(second), &metrics(true, second.min(10)));
        }
        hearing
    }

    #[test]
    fn a_leader_tells_who_is_silent_and_since_when() {
        assert_eq!(leader().silence(PEER, at(20)), Some(Duration::from_secs(10)));
        assert_eq!(leader().silence(MemberId(8), at(20)), Some(Duration::from_secs(20)), "never heard");
    }

    #[test]
    fn who_does_not_lead_cannot_tell() {
        let mut hearing = leader();
        hearing.update(at(21), &metrics(false, 10));
        assert_eq!(hearing.silence(PEER, at(21)), None);
        hearing.update(at(22), &metrics(true, 10));
        assert_eq!(hearing.silence(PEER, at(22)), Some(Duration::ZERO), "it listens anew");
    }

    #[test]
    fn an_old_count_is_no_news() {
        let mut hearing = Hearing::default();
        hearing.update(at(100), &metrics(true, 12_345));
        assert_eq!(hearing.heard.get(&PEER), None);
    }

    #[test]
    fn a_new_process_hears_what_it_counts() {
        let mut hearing = leader();
        hearing.update(at(21), &metrics(true, 3));
        assert_eq!(hearing.heard.get(&PEER), Some(&at(21)));
    }

    #[test]
    fn silence_is_not_counted_while_nobody_listened() {
        // A pause of this process, or of etcd.
        let mut hearing = leader();
        assert_eq!(hearing.silence(PEER, at(30)), None);
        hearing.update(at(30), &metrics(true, 10));
        assert_eq!(hearing.silence(PEER, at(30)), Some(Duration::ZERO));
        // The lead was lost and won again between two looks.
        let mut hearing = leader();
        hearing.update(at(21), &Metrics { leader_changes: 2, ..metrics(true, 10) });
        assert_eq!(hearing.silence(PEER, at(21)), Some(Duration::ZERO));
    }
}
