//! Signals, none of which is lost: not before the mind lives, and not while the program is executed again.
//!
//! What a signal has set off in this process ends with it at `execve`, but a signal that is blocked and pending stays
//! so (POSIX, `exec`; signal(7)). An order to stop that comes too late for this program is left pending for the next.

use super::fact::Fact;
use nix::sys::signal::{SigSet, Signal, raise};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// The signals that are listened to. Each ends a process that does not.
const ALL: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR2];

/// Which signals this process was sent, in the order of [`ALL`].
#[derive(Clone, Default)]
pub(super) struct Signals([Arc<AtomicBool>; ALL.len()]);

impl Signals {
    /// Listens from now on, in a process that has no other thread yet. What an earlier program left pending comes now.
    pub(super) fn listen() -> io::Result<Self> {
        let signals = Self::default();
        for (signal, sent) in ALL.iter().zip(&signals.0) {
            signal_hook::flag::register(*signal as i32, sent.clone())?;
        }
        SigSet::from_iter(ALL).thread_unblock()?;
        Ok(signals)
    }

    fn sent(&self) -> impl Iterator<Item = Signal> {
        ALL.into_iter().zip(&self.0).filter(|(_, sent)| sent.load(Ordering::SeqCst)).map(|(signal, _)| signal)
    }

    /// From now on signals wait for the program that this thread executes; so does an order to stop that came already,
    /// and that nobody obeyed. A reload needs no such care: the next program reads everything anew.
    pub(super) fn keep(&self) {
        let kept = SigSet::from_iter(ALL).thread_block().and_then(|()| {
            let stop = self.sent().any(|signal| matches!(meaning(signal), Fact::Stop));
            if stop { raise(Signal::SIGTERM) } else { Ok(()) }
        });
        if let Err(error) = kept {
            tracing::warn!(%error, "an order to stop that comes now may be lost");
        }
    }
}

fn meaning(signal: Signal) -> Fact {
    match signal {
        Signal::SIGHUP => Fact::Reload,
        Signal::SIGUSR2 => Fact::Again,
        _ => Fact::Stop,
    }
}

/// Passes signals on to the mind.
pub(super) async fn forward(signals: Signals, facts: mpsc::Sender<Fact>) {
    let [term, int, hup, usr2] = ALL.map(|kind| signal(SignalKind::from_raw(kind as i32)));
    let (Ok(mut term), Ok(mut int), Ok(mut hup), Ok(mut usr2)) = (term, int, hup, usr2) else {
        tracing::error!("signals cannot be received: this process ends by SIGKILL alone, and etcd runs on");
        return;
    };
    // Those that came before these four listened.
    for early in signals.sent() {
        if facts.send(meaning(early)).await.is_err() {
            return;
        }
    }
    loop {
        let sent = tokio::select! {
            _ = term.recv() => Signal::SIGTERM,
            _ = int.recv() => Signal::SIGINT,
            _ = usr2.recv() => Signal::SIGUSR2,
            _ = hup.recv() => Signal::SIGHUP,
        };
        if facts.send(meaning(sent)).await.is_err() {
            return;
        }
    }
}
