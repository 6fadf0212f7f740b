//! Frames over TCP: one per connection, its length in four bytes before it.
//!
//! A stranger can cost us a bounded number of connections, in all and per address, each for a bounded
//! time and one frame's memory. What is lost here is found again by the engine's comparisons.

use crate::packet::MAX_FRAME_BYTES;
use crate::places::Places;
use bytes::Bytes;
use std::io;
use std::net::SocketAddr;
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
        let places = Places::new(MAX_CONNECTIONS, MAX_PER_ADDRESS);
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
