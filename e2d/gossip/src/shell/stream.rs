//! Frames over TCP: one per connection, its length in four bytes before it.
//!
//! A stranger can cost us a bounded number of connections, in all and per address, each for a bounded
//! time and one frame's memory. What is lost here is found again by the engine's comparisons.

use crate::packet::MAX_FRAME_BYTES;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Open connections, in all and from one address.
const MAX_CONNECTIONS: usize = 128;
const MAX_PER_ADDRESS: usize = 16;

/// How long a connection may take to deliver its frame, or to take ours.
const DEADLINE: Duration = Duration::from_secs(3);

/// Frames that wait for the loop.
const MAX_WAITING: usize = 16;

/// After the system refused a connection, for lack of descriptors perhaps.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until stopped, and gives the frames that arrive.
pub(super) fn accept(listener: TcpListener, tasks: &TaskTracker, stop: &CancellationToken) -> mpsc::Receiver<Bytes> {
    let (frames, arriving) = mpsc::channel(MAX_WAITING);
    let (tasks, stop) = (tasks.clone(), stop.clone());
    tasks.clone().spawn(async move {
        let places = Places::default();
        while let Some(connection) = stop.run_until_cancelled(listener.accept()).await {
            match connection {
                Ok((stream, from)) => {
                    let Some(place) = places.take(from.ip()) else { continue };
                    let (frames, stop) = (frames.clone(), stop.clone());
                    tasks.spawn(async move {
                        let _place = place;
                        stop.run_until_cancelled(tokio::time::timeout(DEADLINE, receive(stream, frames))).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "gossip cannot accept a connection");
                    stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
                }
            }
        }
    });
    arriving
}

/// Reads one frame. Memory grows with what has arrived, not with what was announced.
async fn receive(mut stream: TcpStream, frames: mpsc::Sender<Bytes>) -> io::Result<()> {
    let len = stream.read_u32().await? as usize;
    if len > MAX_FRAME_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = Vec::new();
    stream.take(len as u64).read_to_end(&mut frame).await?;
    if frame.len() < len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    frames.send(frame.into()).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
}

/// Sends one frame on a connection of its own.
pub(super) async fn send(to: SocketAddr, frame: Bytes) -> io::Result<()> {
    let sending = async {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_u32(frame.len() as u32).await?;
        stream.write_all(&frame).await?;
        stream.shutdown().await
    };
    tokio::time::timeout(DEADLINE, sending).await?
}

/// Counts open connections per address; of IPv6, per network, since one machine has a whole one (RFC 4291).
#[derive(Clone, Default)]
struct Places(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// Given back when dropped.
struct Place(Places, IpAddr);

impl Places {
    fn take(&self, from: IpAddr) -> Option<Place> {
        let from = match from {
            IpAddr::V6(ip) if ip.to_ipv4_mapped().is_none() => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
            other => other,
        };
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= MAX_CONNECTIONS {
            return None;
        }
        let count = open.entry(from).or_default();
        if *count >= MAX_PER_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Place(self.clone(), from))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_in_all_and_per_address() {
        let places = Places::default();
        let from = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut held: Vec<Place> = (0..100).filter_map(|_| places.take(from("10.0.0.1"))).collect();
        assert_eq!(held.len(), MAX_PER_ADDRESS);
        held.extend((0..100).filter_map(|n| places.take(from(&format!("2001:db8::{n}")))));
        assert_eq!(held.len(), 2 * MAX_PER_ADDRESS, "one network");
        held.extend((0..200).filter_map(|n| places.take(from(&format!("10.0.1.{n}")))));
        assert_eq!(held.len(), MAX_CONNECTIONS);
        assert!(places.take(from("10.0.2.1")).is_none());
        held.clear();
        assert!(places.take(from("10.0.0.1")).is_some());
        assert!(places.0.lock().unwrap().is_empty(), "given back");
    }
}
