//! The loop: waits for a packet, a frame, a command or a timer, feeds the engine, does what it says.

use super::view::{Remembered, ShellCounters};
use super::{Incoming, View, stream};
use crate::engine::Engine;
use crate::event::{Event, Input, Output, Via};
use crate::identity::Peer;
use crate::keys::Keyring;
use crate::packet::MAX_DATAGRAM_BYTES;
use bytes::Bytes;
use e2d_core::time::Moment;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::task::TaskTracker;

/// Frames being sent at once.
const MAX_SENDING: usize = 32;

/// Open questions of ours.
const MAX_OPEN: usize = 1024;

/// Datagrams that are read before a timer fires: whoever was frozen hears first, then judges.
const READ_FIRST: usize = 256;

/// How old a view may get while packets come in, and how soon one may follow another in large clusters.
const REFRESH: Duration = Duration::from_millis(500);
const LARGE: usize = 64;
const LARGE_GAP: Duration = Duration::from_millis(50);

/// How long a full socket may make us wait for one datagram.
const SEND_WAIT: Duration = Duration::from_millis(5);

/// What callers want.
pub(super) enum Command {
    Seeds(Vec<SocketAddr>),
    Keys(Keyring),
    Publish { topic: u8, body: Bytes },
    Open { answer: oneshot::Sender<(Peer, Bytes)>, id: oneshot::Sender<Option<u64>> },
    Ask { to: SocketAddr, id: u64, body: Bytes },
    Answer { to: Peer, id: u64, body: Bytes },
    Leave,
}

enum Step {
    Datagram(io::Result<(usize, SocketAddr)>),
    Frame(Bytes),
    Command(Option<Command>),
    Timer,
}

pub(super) struct Run {
    engine: Engine,
    udp: UdpSocket,
    epoch: Instant,
    questions: mpsc::Sender<Incoming>,
    view: watch::Sender<Arc<View>>,
    tasks: TaskTracker,
    sending: Arc<Semaphore>,
    open: BTreeMap<u64, oneshot::Sender<(Peer, Bytes)>>,
    asked: u64,
    remembered: Remembered,
    counters: ShellCounters,
    wake_at: Option<Moment>,
    shown_at: Moment,
    is_news: bool,
}

impl Run {
    pub(super) fn new(
        engine: Engine,
        udp: UdpSocket,
        epoch: Instant,
        questions: mpsc::Sender<Incoming>,
        view: watch::Sender<Arc<View>>,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            engine,
            udp,
            epoch,
            questions,
            view,
            tasks,
            sending: Arc::new(Semaphore::new(MAX_SENDING)),
            open: BTreeMap::new(),
            asked: 0,
            remembered: Remembered::default(),
            counters: ShellCounters::default(),
            wake_at: Some(Moment::default()),
            shown_at: Moment::default(),
            is_news: false,
        }
    }

    /// Runs until told to leave, or until nobody can tell any more.
    pub(super) async fn until_stopped(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut frames: mpsc::Receiver<Bytes>,
    ) {
        let mut buffer = [0; MAX_DATAGRAM_BYTES + 1];
        loop {
            let step = tokio::select! {
                received = self.udp.recv_from(&mut buffer) => Step::Datagram(received),
                Some(frame) = frames.recv() => Step::Frame(frame),
                command = commands.recv() => Step::Command(command),
                () = tokio::time::sleep_until(self.next_timer()) => Step::Timer,
            };
            match step {
                Step::Datagram(Ok((len, from))) => self.take_datagram(from, &buffer[..len]).await,
                Step::Datagram(Err(error)) => self.note_receive_error(&error).await,
                Step::Frame(bytes) => self.feed(Input::Stream { bytes }).await,
                Step::Command(Some(Command::Leave)) => {
                    self.feed(Input::Leave).await;
                    break;
                }
                Step::Command(Some(command)) => self.obey(command).await,
                Step::Command(None) => break,
                Step::Timer => self.take_timer(&mut buffer).await,
            }
            self.show();
        }
        self.is_news = true;
        self.show();
        tracing::info!(addr = %self.engine.me().addr, "gossip has stopped");
    }

    fn now(&self) -> Moment {
        Moment::default() + self.epoch.elapsed()
    }

    fn next_timer(&self) -> tokio::time::Instant {
        let view_at = self.is_news.then(|| self.shown_at + self.view_gap());
        let first = [self.wake_at, view_at].into_iter().flatten().min();
        let first = first.unwrap_or(self.shown_at + REFRESH);
        (self.epoch + first.since(Moment::default())).into()
    }

    async fn take_timer(&mut self, buffer: &mut [u8]) {
        for _ in 0..READ_FIRST {
            match self.udp.try_recv_from(buffer) {
                Ok((len, from)) => self.take_datagram(from, &buffer[..len]).await,
                Err(_) => break,
            }
        }
        self.feed(Input::Tick).await;
    }

    async fn take_datagram(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.feed(Input::Datagram { from, bytes: Bytes::copy_from_slice(bytes) }).await;
    }

    /// Errors of earlier sends are reported here on some systems. None of them is ours to solve, but a
    /// lasting one must not make us spin.
    async fn note_receive_error(&mut self, error: &io::Error) {
        tracing::debug!(%error, "gossip cannot receive");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    async fn obey(&mut self, command: Command) {
        let input = match command {
            Command::Seeds(seeds) => Input::Seeds(seeds),
            Command::Keys(keys) => Input::Keys(keys),
            Command::Publish { topic, body } => {
                self.is_news = true;
                Input::Publish { topic, body }
            }
            Command::Ask { to, id, body } => Input::Ask { to, id, body },
            Command::Answer { to, id, body } => Input::Answer { to, id, body },
            Command::Leave => Input::Leave,
            Command::Open { answer, id } => return self.open_question(answer, id),
        };
        self.feed(input).await;
    }

    fn open_question(&mut self, answer: oneshot::Sender<(Peer, Bytes)>, id: oneshot::Sender<Option<u64>>) {
        self.open.retain(|_, answer| !answer.is_closed());
        let given = (self.open.len() < MAX_OPEN).then(|| {
            self.asked += 1;
            self.open.insert(self.asked, answer);
            self.asked
        });
        // An asker that does not wait for its number has given up.
        let _ = id.send(given);
    }

    async fn feed(&mut self, input: Input) {
        let Output { sends, events, wake_at } = self.engine.handle(self.now(), input);
        self.wake_at = wake_at;
        for send in sends {
            match send.via {
                Via::Datagram => self.send_datagram(send.to, &send.bytes).await,
                Via::Stream => self.send_frame(send.to, send.bytes),
            }
        }
        for event in events {
            self.tell(event);
        }
    }

    async fn send_datagram(&mut self, to: SocketAddr, bytes: &[u8]) {
        let sent = match self.udp.try_send_to(bytes, to) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let sending = tokio::time::timeout(SEND_WAIT, self.udp.send_to(bytes, to));
                sending.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
            sent => sent,
        };
        if let Err(error) = sent {
            self.counters.unsent_datagrams += 1;
            tracing::debug!(%to, %error, "gossip cannot send a datagram");
        }
    }

    fn send_frame(&mut self, to: SocketAddr, bytes: Bytes) {
        let Ok(permit) = self.sending.clone().try_acquire_owned() else {
            self.counters.unsent_frames += 1;
            return;
        };
        self.tasks.spawn(async move {
            let _permit = permit;
            if let Err(error) = stream::send(to, bytes).await {
                tracing::debug!(%to, %error, "gossip cannot send a frame");
            }
        });
    }

    fn tell(&mut self, event: Event) {
        self.remembered.note(&event);
        match event {
            Event::Question { from, id, body } => {
                if self.questions.try_send(Incoming { from, id, body }).is_err() {
                    self.counters.untaken_questions += 1;
                }
                return;
            }
            Event::Answer { from, id, body } => {
                if let Some(answer) = self.open.remove(&id) {
                    // An asker that gave up meanwhile does not mind.
                    let _ = answer.send((from, body));
                }
                return;
            }
            Event::Up(peer) => tracing::info!(%peer, "peer is up"),
            Event::Down(peer) => tracing::info!(%peer, "peer is held dead"),
            Event::Replaced { old, new } => tracing::info!(%old, %new, "peer was replaced"),
            Event::Cloned { one, other } => tracing::error!(%one, %other, "one node runs twice"),
            Event::Refused(why) => tracing::warn!(%why, "gossip refused an input"),
            Event::Item { origin, topic, counter, .. } => tracing::debug!(%origin, topic, counter, "item heard"),
            Event::ItemsEnded { origin, boot } => tracing::debug!(%origin, %boot, "items ended"),
        }
        self.is_news = true;
    }

    fn view_gap(&self) -> Duration {
        if self.view.borrow().peers.len() > LARGE { LARGE_GAP } else { Duration::ZERO }
    }

    fn show(&mut self) {
        let now = self.now();
        let age = now.since(self.shown_at);
        if age >= REFRESH || self.is_news && age >= self.view_gap() {
            self.view.send_replace(Arc::new(self.remembered.view(&self.engine, now, self.counters)));
            self.shown_at = now;
            self.is_news = false;
        }
    }
}
