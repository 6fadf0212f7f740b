//! `/metrics`, `/healthz` and `/readyz`, over plain HTTP on loopback or behind mutual TLS.
//!
//! Only looks: GET and HEAD. Whoever talks too slowly, too much or in too many connections is cut off, so
//! that nobody can make the daemon spend memory or wait (S22).

use crate::metrics::{self, Picture};
use bytes::Bytes;
use e2d_gossip::{Place, Places};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// How many connections may be open, in all and from one address.
const MOST_CONNECTIONS: (usize, usize) = (64, 16);
/// How long a handshake, or the head of a request, may take.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection may be open.
const CONNECTION_WITHIN: Duration = Duration::from_mins(5);
/// The largest head of a request.
const MOST_HEAD_BYTES: usize = 16 * 1024;
/// How old the mind's last picture may be: it makes a new one four times a second.
const FRESH: Duration = Duration::from_secs(15);

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
#[error("{address} cannot be listened on")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// Takes an address.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError { address, source })
}

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, picture: watch::Receiver<Arc<Picture>>) {
    let places = Places::new(MOST_CONNECTIONS.0, MOST_CONNECTIONS.1);
    loop {
        let (stream, place) = accept(&listener, &places).await;
        let (tls, picture) = (tls.clone(), picture.clone());
        tokio::spawn(async move {
            let talk = async {
                match tls {
                    None => answer(stream, picture).await,
                    Some(tls) => match timeout(HEAD_WITHIN, tls.accept(stream)).await {
                        Ok(Ok(stream)) => answer(stream, picture).await,
                        Ok(Err(error)) => tracing::debug!(%error, "a handshake for metrics failed"),
                        Err(_) => tracing::debug!("a handshake for metrics took too long"),
                    },
                }
            };
            let _ = timeout(CONNECTION_WITHIN, talk).await;
            drop(place);
        });
    }
}

/// The next connection for which there is a place; the others are closed. After an error, such as too many open files,
/// the next try waits a little.
pub(crate) async fn accept(listener: &TcpListener, places: &Places) -> (TcpStream, Place) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                if let Some(place) = places.take(from.ip()) {
                    return (stream, place);
                }
                tracing::debug!(%from, "too many connections: this one is closed");
            }
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, picture: watch::Receiver<Arc<Picture>>) {
    let service = service_fn(|request: Request<Incoming>| {
        let picture = picture.borrow().clone();
        async move { Ok::<_, Infallible>(respond(request.method(), request.uri().path(), &picture)) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(MOST_HEAD_BYTES);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection for metrics ended badly");
    }
}

/// The answer to one request. Pure but for the clocks.
fn respond(method: &Method, path: &str, picture: &Picture) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let fresh = picture.at.elapsed() <= FRESH;
    let verdict = |good: bool, why: &str| {
        let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, TEXT, if good { "ok\n".to_owned() } else { format!("{why}\n") })
    };
    let known = matches!(path, "/metrics" | "/healthz" | "/readyz");
    let (status, kind, body) = match path {
        _ if known && !matches!(*method, Method::GET | Method::HEAD) => {
            (StatusCode::METHOD_NOT_ALLOWED, TEXT, "GET and HEAD only\n".to_owned())
        }
        "/healthz" => verdict(fresh, "e2d has not looked at its world for a while"),
        "/readyz" if !fresh => verdict(false, "e2d has not looked at its world for a while"),
        "/readyz" => verdict(metrics::is_ready(picture), "no linearizable read through this node's etcd worked lately"),
        "/metrics" => (StatusCode::OK, METRICS, metrics::text(picture, jiff::Timestamp::now())),
        _ => (StatusCode::NOT_FOUND, TEXT, "there are /metrics, /healthz and /readyz\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::v1::StatusReply;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    fn picture(serves: bool, etcd: &str, age: Duration) -> Picture {
        let status = StatusReply { serves, etcd: etcd.into(), ..StatusReply::default() };
        Picture { at: Instant::now().checked_sub(age).unwrap(), status, ..Picture::default() }
    }

    #[test]
    fn ready_is_only_who_serves_clients_now() {
        let code = |path, picture: &Picture| respond(&Method::GET, path, picture).status().as_u16();
        let (now, old) = (Duration::ZERO, FRESH + Duration::from_secs(1));
        assert_eq!(code("/readyz", &picture(true, "open", now)), 200);
        assert_eq!(code("/readyz", &picture(false, "open", now)), 503);
        assert_eq!(code("/readyz", &picture(true, "gated", now)), 503);
        assert_eq!(code("/readyz", &picture(true, "open", old)), 503);
        assert_eq!(code("/healthz", &picture(false, "stopped", now)), 200);
        assert_eq!(code("/healthz", &picture(true, "open", old)), 503);
    }

    /// S22: what is not asked for politely costs nothing: other methods, long heads, slow talkers.
    #[tokio::test(start_paused = true)]
    async fn a_bad_client_is_cut_off() {
        let (sender, picture) = watch::channel(Arc::new(picture(true, "open", Duration::ZERO)));
        let said = async |text: &[u8]| {
            let (mut client, server) = tokio::io::duplex(64 * 1024);
            let server = tokio::spawn(answer(server, picture.clone()));
            client.write_all(text).await.unwrap();
            let mut reply = String::new();
            // A slow talker is cut off by the server: the clock of this test runs ahead when all wait.
            client.read_to_string(&mut reply).await.unwrap();
            server.await.unwrap();
            reply.lines().next().unwrap_or_default().to_owned()
        };
        let close = "Connection: close\r\n\r\n";
        assert_eq!(said(format!("GET /readyz HTTP/1.1\r\n{close}").as_bytes()).await, "HTTP/1.1 200 OK");
        assert_eq!(said(format!("HEAD /metrics HTTP/1.1\r\n{close}").as_bytes()).await, "HTTP/1.1 200 OK");
        let post = said(format!("POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n{close}").as_bytes()).await;
        assert_eq!(post, "HTTP/1.1 405 Method Not Allowed");
        assert_eq!(said(format!("GET /etc HTTP/1.1\r\n{close}").as_bytes()).await, "HTTP/1.1 404 Not Found");
        assert_eq!(said(b"GET /metrics HTTP/1.1\r\nX: y").await, "", "closed without an answer");
        let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n{close}", "y".repeat(MOST_HEAD_BYTES));
        assert_eq!(said(long.as_bytes()).await, "HTTP/1.1 431 Request Header Fields Too Large");
        drop(sender);
    }

    /// S22: who holds many connections open keeps nobody at another address out.
    #[tokio::test]
    async fn one_address_does_not_fill_the_door() {
        let listener = listen("[::]:0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, shown) = watch::channel(Arc::new(picture(true, "open", Duration::ZERO)));
        let door = tokio::spawn(serve(listener, None, shown));
        let asked = async |from: &str| {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
            let mut stream = socket.connect(format!("127.0.0.1:{port}").parse().unwrap()).await.unwrap();
            let mut first = [0; 12];
            let asked = stream.write_all(b"GET /readyz HTTP/1.1\r\n\r\n").await;
            let answered = asked.is_ok() && stream.read_exact(&mut first).await.is_ok();
            answered.then_some(stream).filter(|_| &first == b"HTTP/1.1 200")
        };
        let mut held = Vec::new();
        for _ in 0..MOST_CONNECTIONS.1 {
            held.push(asked("127.0.0.1").await.unwrap());
        }
        assert!(asked("127.0.0.1").await.is_none(), "one too many");
        assert!(asked("127.0.0.2").await.is_some());
        held.pop();
        while asked("127.0.0.1").await.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        door.abort();
        drop(sender);
    }
}
