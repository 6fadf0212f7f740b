//! A client that writes all the time, whatever happens to the servers, and notes what was acknowledged.
//!
//! One write follows the other, to each server in turn, with short deadlines. A write without an answer
//! may have happened or not: it counts for nothing.

use crate::diary::Diary;
use anyhow::Result;
use e2d_testkit::Network;
use etcd_client::{Client, ConnectOptions};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_millis(300);
/// How long one write may take.
const WRITE_WITHIN: Duration = Duration::from_secs(1);
/// Between two writes: some thirty a second leave the machine to the servers.
const PACE: Duration = Duration::from_millis(25);

/// The client. It ends with the value.
#[derive(Debug)]
pub(crate) struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Writer {
    /// Starts writing, from the hub.
    pub(crate) fn start(network: Arc<Network>, endpoints: Vec<String>, diary: Arc<Mutex<Diary>>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let over = stop.clone();
        let thread = std::thread::spawn(move || {
            let hub = network.node(Network::HUB);
            hub.inside(|| -> Result<()> {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(write(&endpoints, &diary, &over));
                Ok(())
            })?
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A writer that failed has acknowledged nothing since, which the story notices by itself.
            let _ = thread.join();
        }
    }
}

/// The diary, whoever panicked while holding it.
pub(crate) fn open(diary: &Mutex<Diary>) -> MutexGuard<'_, Diary> {
    diary.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn write(endpoints: &[String], diary: &Mutex<Diary>, over: &AtomicBool) {
    let mut clients: Vec<Option<Client>> = endpoints.iter().map(|_| None).collect();
    let mut turn = 0;
    while !over.load(Ordering::Relaxed) {
        turn = (turn + 1) % endpoints.len();
        let number = open(diary).begin();
        match once(&mut clients[turn], &endpoints[turn], number).await {
            Some(revision) => open(diary).acknowledge(number, revision),
            // The next write finds out by itself whether the server is back.
            None => clients[turn] = None,
        }
        tokio::time::sleep(PACE).await;
    }
}

/// One write through one server: its revision, if it was acknowledged.
async fn once(client: &mut Option<Client>, endpoint: &str, number: u32) -> Option<i64> {
    let put = async {
        if client.is_none() {
            let options = ConnectOptions::new().with_connect_timeout(CONNECT_WITHIN).with_timeout(WRITE_WITHIN);
            *client = Some(Client::connect([endpoint], Some(options)).await.ok()?);
        }
        let answer = client.as_mut()?.put(Diary::key(number), "x", None).await.ok()?;
        answer.header().map(etcd_client::ResponseHeader::revision)
    };
    tokio::time::timeout(CONNECT_WITHIN + WRITE_WITHIN, put).await.ok().flatten()
}
