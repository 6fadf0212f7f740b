//! How a client reaches a member: by a Unix socket or TCP, with TLS or without.
//!
//! The channel connects by itself when it is used and again when it broke, with the TLS settings of that moment, so
//! that certificates can be exchanged while it lives. It never gives up, and never retries a call.

use super::error::NotConnected;
use crate::socket;
use camino::Utf8PathBuf;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// How long one attempt to connect may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How often an idle stream is asked for a sign of life. etcd hangs up on who asks more than once in 5 s.
const SIGN_OF_LIFE_EVERY: Duration = Duration::from_secs(10);
/// How long that sign may take.
const SIGN_OF_LIFE_WITHIN: Duration = Duration::from_secs(5);

/// Where a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A Unix socket, its path of any length.
    Unix(Utf8PathBuf),
    /// `HOST:PORT`, with brackets round an IPv6 address.
    Tcp(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.fmt(f),
            Self::Tcp(authority) => authority.fmt(f),
        }
    }
}

/// TLS towards a member.
#[derive(Clone)]
pub struct TlsSettings {
    /// Whom the member's certificate must name.
    pub name: ServerName<'static>,
    /// The newest settings; each connection takes those of its moment. The protocols they offer do not matter.
    pub config: watch::Receiver<Arc<ClientConfig>>,
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A channel to a member, not yet connected.
pub(super) fn open(place: Place, tls: Option<TlsSettings>) -> Channel {
    // Only the connector below knows the real place; etcd does not look at this name.
    let endpoint = Endpoint::from(Uri::from_static("http://etcd"))
        .http2_keep_alive_interval(SIGN_OF_LIFE_EVERY)
        .keep_alive_timeout(SIGN_OF_LIFE_WITHIN)
        .keep_alive_while_idle(false);
    endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
        let (place, tls) = (place.clone(), tls.clone());
        async move {
            match tokio::time::timeout(CONNECT_WITHIN, connect(&place, tls)).await {
                Ok(Ok(stream)) => Ok(TokioIo::new(stream)),
                Ok(Err(error)) => Err(NotConnected(error)),
                Err(_) => Err(NotConnected(io::ErrorKind::TimedOut.into())),
            }
        }
    }))
}

async fn connect(place: &Place, tls: Option<TlsSettings>) -> io::Result<Box<dyn Stream>> {
    let stream: Box<dyn Stream> = match place {
        Place::Unix(path) => Box::new(socket::connect(path).await?),
        Place::Tcp(authority) => {
            let stream = TcpStream::connect(authority).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
    };
    let Some(TlsSettings { name, config }) = tls else { return Ok(stream) };
    let mut config = ClientConfig::clone(&config.borrow());
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    Ok(Box::new(connector.connect(name, stream).await?))
}

/// Any connection.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
