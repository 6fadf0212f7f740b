//! The two sockets on which the local etcd answers e2d, and e2d alone.
//!
//! etcd is started inside `<data-dir>/e2d/`, a folder that only its owner may enter, and listens there on a Unix
//! socket for clients and on another for health and metrics. The names are relative and look like `host:port`,
//! because that form is understood by every version: etcd 3.4 refuses a URL with a path, but makes of `unix://a:0` a
//! socket named `a:0` in its working directory. Being relative, etcd never meets the 107 bytes that a socket's path
//! may have; [`connect`] goes round them as well.
//!
//! So no certificate stands between e2d and its own etcd, none can expire there, and before the client port is
//! opened nobody else can reach the server.

use camino::Utf8Path;
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::AsRawFd;
use tokio::net::UnixStream;

/// The socket for clients, in [`crate::datadir::home`].
pub const CLIENT: &str = "etcd-client:0";
/// The socket for `/health`, `/readyz` and `/metrics`, in [`crate::datadir::home`].
pub const METRICS: &str = "etcd-metrics:0";

/// The longest path that fits into a socket address, without the terminating zero.
const LONGEST_PATH: usize = 107;

/// Connects to a socket, however long its path is.
pub async fn connect(socket: &Utf8Path) -> io::Result<UnixStream> {
    if socket.as_str().len() <= LONGEST_PATH {
        return UnixStream::connect(socket).await;
    }
    let (Some(folder), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("`{socket}` names no socket")));
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder.as_std_path(), flags, Mode::empty())?;
    UnixStream::connect(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd())).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_path_that_no_socket_address_can_hold_is_reached() {
        let dir = tempfile::tempdir().unwrap();
        let deep = Utf8Path::from_path(dir.path()).unwrap().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        // Bound by a short way in, as etcd does by its working directory.
        let folder = std::fs::File::open(&deep).unwrap();
        let listener =
            tokio::net::UnixListener::bind(format!("/proc/self/fd/{}/{CLIENT}", folder.as_raw_fd())).unwrap();
        let socket = deep.join(CLIENT);
        tokio::try_join!(listener.accept(), connect(&socket)).unwrap();
    }
}
