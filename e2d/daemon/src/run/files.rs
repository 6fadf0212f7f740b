//! The small files that a node must not forget, and how they become durable.

use camino::{Utf8Path, Utf8PathBuf};
use e2d_core::hold::Order;
use e2d_core::memory::{self, DecodeError, Identity, Recall, State};
use e2d_etcd::durable;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;

/// What the disk remembers.
#[derive(Debug)]
pub(super) struct Files {
    /// Who this disk is; `None` if it was never used.
    pub(super) identity: Option<Identity>,
    /// Its part in its lineage.
    pub(super) state: State,
    /// What others said.
    pub(super) recall: Recall,
    /// The last order to hold, or to release.
    pub(super) hold: Option<Order>,
}

/// Why one of the files cannot be used. It was left as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// The system does not give it.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("{path} cannot be used")]
    Decode {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong.
        source: DecodeError,
    },
    /// Two files that belong together are not both there.
    #[error("{path} is there without {missing}")]
    Torn {
        /// The file that is there.
        path: Utf8PathBuf,
        /// The one that is not.
        missing: &'static str,
    },
}

const IDENTITY: &str = "identity";
const STATE: &str = "state";
const SEEN: &str = "seen";
const HOLD: &str = "hold";

impl FileError {
    /// Whether it may succeed by itself later: the disk failed, and what the file holds was not seen.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Read { source, .. } if durable::may_pass(source))
    }
}

/// Reads all of them. A node that was never started has none; one that has an identity and no
/// state was stopped in the middle of getting its identity, which promises nothing yet.
pub(super) fn load(home: &Utf8Path) -> Result<Files, FileError> {
    let identity: Option<Identity> = read(home, IDENTITY)?;
    let state: Option<State> = read(home, STATE)?;
    if identity.is_none() && state.as_ref().is_some_and(|state| *state != State::default()) {
        return Err(FileError::Torn { path: home.join(STATE), missing: IDENTITY });
    }
    let (recall, hold) = (read(home, SEEN)?.unwrap_or_default(), read_as(home, HOLD, Order::decode)?);
    Ok(Files { identity, state: state.unwrap_or_default(), recall, hold })
}

fn read<T: DeserializeOwned>(home: &Utf8Path, name: &str) -> Result<Option<T>, FileError> {
    read_as(home, name, memory::decode)
}

fn read_as<T>(
    home: &Utf8Path,
    name: &str,
    decode: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
) -> Result<Option<T>, FileError> {
    let path = home.join(name);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(FileError::Read { path, source }),
    };
    decode(&bytes).map(Some).map_err(|source| FileError::Decode { path, source })
}

fn write<T: Serialize>(home: &Utf8Path, name: &str, content: &T) -> io::Result<()> {
    durable::private_dir(home)?;
    durable::write(&home.join(name), &memory::encode(content))
}

/// Makes a new identity durable, and an empty state after it. A crash between the two leaves the new
/// identity with the old state, whose data is in quarantine by then: it is given up once more.
pub(super) fn identify(home: &Utf8Path, identity: &Identity) -> io::Result<()> {
    write(home, IDENTITY, identity)?;
    write(home, STATE, &State::default())
}

/// Makes the state durable.
pub(super) fn remember(home: &Utf8Path, state: &State) -> io::Result<()> {
    write(home, STATE, state)
}

/// Makes what others said durable.
pub(super) fn recall(home: &Utf8Path, recall: &Recall) -> io::Result<()> {
    write(home, SEEN, recall)
}

/// Makes the order to hold or to release durable.
pub(super) fn hold(home: &Utf8Path, order: &Order) -> io::Result<()> {
    durable::private_dir(home)?;
    durable::write(&home.join(HOLD), &order.encode())
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2d_core::id::NodeId;

    fn home() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(folder.path()).unwrap().join("e2d");
        (folder, home)
    }

    /// S19: what is ours is ours alone.
    #[test]
    fn what_was_written_comes_back_and_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, home) = home();
        assert!(load(&home).unwrap().identity.is_none());
        let identity = Identity { node: NodeId(7), machine: "m".into(), mounted: false, former: vec![] };
        identify(&home, &identity).unwrap();
        let state = State { start: 3, ..State::default() };
        remember(&home, &state).unwrap();
        recall(&home, &Recall::default()).unwrap();
        let files = load(&home).unwrap();
        assert_eq!((files.identity, files.state), (Some(identity), state));
        let mode = |path: &Utf8Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&home), mode(&home.join(STATE))), (0o700, 0o600));
    }

    /// S22: a damaged or newer file is named, and nothing is guessed.
    #[test]
    fn a_file_that_cannot_be_used_is_named() {
        let (_folder, home) = home();
        remember(&home, &State { start: 1, ..State::default() }).unwrap();
        assert!(load(&home).unwrap_err().to_string().contains("without identity"));
        std::fs::write(home.join(IDENTITY), b"{\"format\":9}").unwrap();
        assert!(load(&home).unwrap_err().to_string().contains("identity cannot be used"));
    }
}
