//! The thin shell around the engine: one UDP socket and one TCP listener on the same port, and a clock.
//!
//! It promises that a slow caller never holds the protocol up: what is known is put into a `watch`
//! channel as one snapshot, newer over older, and questions that nobody takes in time are dropped (their
//! askers repeat them). It promises bounded memory towards strangers: few connections, short deadlines,
//! short frames. It keeps nothing on disk and decides nothing.

mod run;
mod stream;
mod view;

use crate::engine::Engine;
use crate::identity::Peer;
use crate::items::MAX_ITEM_BYTES;
use crate::keys::Keyring;
use crate::settings::{Settings, SettingsError};
use bytes::Bytes;
use e2d_core::time::Moment;
use run::{Command, Run};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
pub use view::{ShellCounters, View};

/// How often a question is repeated until it is answered.
const REPEAT: Duration = Duration::from_millis(250);

/// Questions that wait for the caller.
const MAX_INCOMING: usize = 256;

/// Commands that wait for the loop; beyond, the caller waits.
const MAX_COMMANDS: usize = 256;

/// How often another port is tried, when any will do and TCP has no room on the one that UDP got.
const PORT_TRIES: usize = 16;

/// What the shell is started with.
#[derive(Clone)]
pub struct ShellSettings {
    /// The engine's settings. Port 0 in its address stands for the port that is listened on.
    pub engine: Settings,
    /// Where to listen, by UDP and TCP. Port 0: any.
    pub listen: SocketAddr,
    /// What moment 0 is: all of a process's moments must count from the same instant.
    pub epoch: Instant,
}

/// Why gossip could not be started. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// See the source.
    #[error("gossip cannot be started with these settings")]
    Settings(#[from] SettingsError),
    /// The address is in use, not ours, or not allowed.
    #[error("gossip cannot listen on {addr}")]
    Listen {
        /// The address that was tried.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No random numbers from the operating system.
    #[error("the operating system gives no random numbers")]
    Random,
}

/// Why a word was not published. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The body is longer than [`MAX_ITEM_BYTES`].
    #[error("a body of {bytes} bytes is longer than 65536")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Gossip has left or was stopped.
    #[error("gossip has stopped")]
    Stopped,
}

/// Why there is no answer. The question may have been heard all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The body is longer than [`MAX_ITEM_BYTES`]: it was not asked.
    #[error("a body of {bytes} bytes is longer than 65536")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Nobody answered in time.
    #[error("no answer from {addr} in time")]
    Silent {
        /// Who was asked.
        addr: SocketAddr,
    },
    /// Too many questions are open: it was not asked.
    #[error("too many questions are open")]
    Busy,
    /// Gossip has left or was stopped.
    #[error("gossip has stopped")]
    Stopped,
}

/// A question by a peer, to be answered by [`Gossip::answer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Who asks.
    pub from: Peer,
    /// The number that goes back with the answer. A repeated question keeps its number.
    pub id: u64,
    /// What is asked.
    pub body: Bytes,
}

/// Running gossip. Clones speak to the same one; when the last is dropped, it stops without leaving.
#[derive(Clone)]
pub struct Gossip {
    me: Peer,
    commands: mpsc::Sender<Command>,
    view: watch::Receiver<Arc<View>>,
    tasks: TaskTracker,
}

impl Gossip {
    /// Listens and starts to speak. The second part gives the questions of peers.
    pub async fn start(settings: ShellSettings) -> Result<(Self, mpsc::Receiver<Incoming>), StartError> {
        let ShellSettings { engine: mut settings, listen, epoch } = settings;
        let (udp, tcp) = listen_on(listen).await?;
        let bound = udp.local_addr().map_err(|source| StartError::Listen { addr: listen, source })?;
        if settings.addr.port() == 0 {
            settings.addr.set_port(bound.port());
        }
        let mut seed = [0; 8];
        aws_lc_rs::rand::fill(&mut seed).map_err(|_| StartError::Random)?;
        let now = Moment::default() + epoch.elapsed();
        let engine = Engine::new(settings, now, u64::from_ne_bytes(seed))?;

        let me = engine.me();
        let (commands, commands_in) = mpsc::channel(MAX_COMMANDS);
        let (questions, incoming) = mpsc::channel(MAX_INCOMING);
        let (view_out, view) = watch::channel(Arc::new(View::of(&engine, now)));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let frames = stream::accept(tcp, &tasks, &stop);
        let run = Run::new(engine, udp, epoch, questions, view_out, tasks.clone());
        let stop_after = stop.drop_guard();
        tasks.spawn(async move {
            let _stop_after = stop_after;
            run.until_stopped(commands_in, frames).await;
        });
        tasks.close();
        tracing::info!(node = %me.node, boot = %me.boot, addr = %me.addr, "gossip listens");
        Ok((Self { me, commands, view, tasks }, incoming))
    }

    /// Who we are, with the port that was bound.
    #[must_use]
    pub fn me(&self) -> Peer {
        self.me
    }

    /// What gossip knows, always the newest. Changed at every event, and twice a second for
    /// [`last_heard`](crate::PeerStatus::last_heard).
    #[must_use]
    pub fn view(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    /// From now on these addresses are asked until each is a live peer. Without effect once stopped.
    pub async fn seeds(&self, seeds: Vec<SocketAddr>) {
        self.command(Command::Seeds(seeds)).await;
    }

    /// Seals and opens with these keys from now on. Without effect once stopped.
    pub async fn keys(&self, keys: Keyring) {
        self.command(Command::Keys(keys)).await;
    }

    /// Says something about this node, in place of what it said before on that topic.
    pub async fn publish(&self, topic: u8, body: Bytes) -> Result<(), PublishError> {
        if body.len() > MAX_ITEM_BYTES {
            return Err(PublishError::TooLong { bytes: body.len() });
        }
        let is_taken = self.command(Command::Publish { topic, body }).await;
        is_taken.then_some(()).ok_or(PublishError::Stopped)
    }

    /// Asks whoever is at an address, again and again until the answer or for as long as `patience`.
    pub async fn ask(&self, to: SocketAddr, body: Bytes, patience: Duration) -> Result<(Peer, Bytes), AskError> {
        if body.len() > MAX_ITEM_BYTES {
            return Err(AskError::TooLong { bytes: body.len() });
        }
        let (answer, mut answered) = oneshot::channel();
        let (id, given) = oneshot::channel();
        if !self.command(Command::Open { answer, id }).await {
            return Err(AskError::Stopped);
        }
        let id = given.await.map_err(|_| AskError::Stopped)?.ok_or(AskError::Busy)?;
        let repeated = async {
            loop {
                if !self.command(Command::Ask { to, id, body: body.clone() }).await {
                    return Err(AskError::Stopped);
                }
                if let Ok(answer) = tokio::time::timeout(REPEAT, &mut answered).await {
                    return answer.map_err(|_| AskError::Stopped);
                }
            }
        };
        tokio::time::timeout(patience, repeated).await.unwrap_or(Err(AskError::Silent { addr: to }))
    }

    /// Answers a question once. Without effect once stopped.
    pub async fn answer(&self, question: &Incoming, body: Bytes) {
        self.command(Command::Answer { to: question.from, id: question.id, body }).await;
    }

    /// Tells the peers that we go, and returns when nothing runs any more.
    pub async fn leave(&self) {
        self.command(Command::Leave).await;
        self.tasks.wait().await;
    }

    /// False once stopped.
    async fn command(&self, command: Command) -> bool {
        self.commands.send(command).await.is_ok()
    }
}

async fn listen_on(addr: SocketAddr) -> Result<(UdpSocket, TcpListener), StartError> {
    let failed = |source| StartError::Listen { addr, source };
    let tries = if addr.port() == 0 { PORT_TRIES } else { 1 };
    let mut last = None;
    for _ in 0..tries {
        let udp = UdpSocket::bind(addr).await.map_err(failed)?;
        let bound = udp.local_addr().map_err(failed)?;
        match TcpListener::bind(bound).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) => last = Some(error),
        }
    }
    Err(failed(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into())))
}
