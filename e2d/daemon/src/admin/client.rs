//! The client of the local socket.

use super::v1::admin_client::AdminClient;
use camino::{Utf8Path, Utf8PathBuf};
use std::io;
use std::time::Duration;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// How long a daemon may take to answer.
const WITHIN: Duration = Duration::from_secs(10);

/// Why the daemon did not answer. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("no daemon answers on {socket}")]
    Down {
        /// The socket.
        socket: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It listens, and does not speak.
    #[error("the daemon on {socket} cannot be talked to")]
    Broken {
        /// The socket.
        socket: Utf8PathBuf,
        /// What went wrong.
        source: tonic::transport::Error,
    },
    /// It answered that it would not.
    #[error("the daemon refused")]
    Refused(#[from] tonic::Status),
}

/// Connects to the daemon behind a socket, for questions that it answers at once.
pub async fn connect(socket: &Utf8Path) -> Result<AdminClient<Channel>, AskError> {
    reach(socket, Endpoint::from(Uri::from_static("http://e2d")).timeout(WITHIN)).await
}

/// Connects to the daemon behind a socket, for orders that may take long. The operator's patience is the limit.
pub async fn connect_patiently(socket: &Utf8Path) -> Result<AdminClient<Channel>, AskError> {
    reach(socket, Endpoint::from(Uri::from_static("http://e2d"))).await
}

async fn reach(socket: &Utf8Path, endpoint: Endpoint) -> Result<AdminClient<Channel>, AskError> {
    let path = socket.to_owned();
    // Whether anybody listens is asked first, so that the answer is the system's own word.
    drop(e2d_etcd::socket::connect(&path).await.map_err(|source| AskError::Down { socket: path.clone(), source })?);
    let connector = service_fn(move |_: Uri| {
        let path = path.clone();
        async move { e2d_etcd::socket::connect(&path).await.map(hyper_util::rt::TokioIo::new) }
    });
    let channel = endpoint
        .connect_timeout(WITHIN)
        .connect_with_connector(connector)
        .await
        .map_err(|source| AskError::Broken { socket: socket.to_owned(), source })?;
    Ok(AdminClient::new(channel))
}
