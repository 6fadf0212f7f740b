//! The server on TCP: mutual TLS, and the role that the caller's certificate gives.
//!
//! Each handshake is a task of its own with a deadline, so that who connects and says nothing keeps nobody
//! waiting. Without a certificate of the authority there is no connection, and so no call.

use super::desk::{Caller, Desk};
use super::v1::admin_server::AdminServer;
use e2d_gossip::{Place, Places};
use e2d_pki::{Certificate, Role};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

/// How long a handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// How many connections may be open, those in their handshake included, in all and from one address.
const MOST_CONNECTIONS: (usize, usize) = (64, 16);

/// A connection whose handshake is done.
struct Connection {
    stream: TlsStream<TcpStream>,
    caller: Caller,
    _place: Place,
}

impl Connection {
    fn new(stream: TlsStream<TcpStream>, place: Place) -> Self {
        let (tcp, tls) = stream.get_ref();
        let leaf = tls.peer_certificates().and_then(<[_]>::first).cloned();
        let whom =
            leaf.and_then(|leaf| Certificate::parse(leaf.into_owned()).ok()).map(|leaf| leaf.subject.to_string());
        let from = tcp.peer_addr().map_or_else(|_| "an unknown address".to_owned(), |addr| addr.ip().to_string());
        let name = format!("{} at {from}", whom.unwrap_or_else(|| "nobody".to_owned()));
        let caller = Caller { role: Role::of_peer(tls), name };
        Self { stream, caller, _place: place }
    }
}

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener, tls: TlsAcceptor, desk: Desk) {
    let (ready, connections) = mpsc::channel(1);
    let doors = tokio::spawn(accept(listener, tls, ready));
    let server = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .max_concurrent_streams(Some(8))
        .add_service(AdminServer::new(desk).max_decoding_message_size(64 * 1024));
    if let Err(error) = server.serve_with_incoming(ReceiverStream::new(connections)).await {
        tracing::error!(%error, "the admin API is not served any more");
    }
    doors.abort();
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, ready: mpsc::Sender<io::Result<Connection>>) {
    let places = Places::new(MOST_CONNECTIONS.0, MOST_CONNECTIONS.1);
    loop {
        let (stream, place) = crate::http::accept(&listener, &places).await;
        let (tls, ready) = (tls.clone(), ready.clone());
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await {
                Ok(Ok(stream)) => drop(ready.send(Ok(Connection::new(stream, place))).await),
                Ok(Err(error)) => tracing::debug!(%error, "a caller of the admin API was turned away"),
                Err(_) => tracing::debug!("a caller of the admin API said nothing"),
            }
        });
    }
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
