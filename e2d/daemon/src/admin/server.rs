//! The server on the local socket.

use super::desk::Desk;
use super::v1::admin_server::AdminServer;
use camino::{Utf8Path, Utf8PathBuf};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;

/// Why the socket is not served. Nothing else was changed.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Somebody serves it already.
    #[error("another e2d serves {0}")]
    Taken(Utf8PathBuf),
    /// It cannot be made.
    #[error("the socket {path} cannot be made")]
    Bind {
        /// The socket.
        path: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Takes the socket (mode 0600) and returns the server on it, which ends when it is dropped.
///
/// A socket that nobody serves any more is replaced.
pub async fn serve(path: &Utf8Path, desk: Desk) -> Result<impl Future<Output = ()> + Send + use<>, ServeError> {
    if e2d_etcd::socket::connect(path).await.is_ok() {
        return Err(ServeError::Taken(path.to_owned()));
    }
    let failed = |source| ServeError::Bind { path: path.to_owned(), source };
    e2d_etcd::durable::remove(path).map_err(failed)?;
    let listener = bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let server = tonic::transport::Server::builder().add_service(AdminServer::new(desk));
    Ok(async move {
        if let Err(error) = server.serve_with_incoming(UnixListenerStream::new(listener)).await {
            tracing::error!(%error, "the local socket is not served any more");
        }
    })
}

/// Binds a socket, however long its path is: the folder is reached by its descriptor.
fn bind(path: &Utf8Path) -> io::Result<UnixListener> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder.as_std_path(), flags, rustix::fs::Mode::empty())?;
    UnixListener::bind(format!("/proc/self/fd/{}/{name}", std::os::fd::AsRawFd::as_raw_fd(&folder)))
}
