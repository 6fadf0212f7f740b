//! What e2d wrote down about the etcd it started: `<data-dir>/e2d/child`.
//!
//! The record exists before the process does, with a random run id that the process gets as well, so that no moment
//! is left in which an etcd of ours runs and nobody could know. Format 1 is one JSON object; a reader ignores keys it
//! does not know and refuses a higher format.

use super::process::{self, Identity};
use crate::durable;
use crate::launch::Gate;
use crate::version::EtcdVersion;
use camino::{Utf8Path, Utf8PathBuf};
use e2d_core::id::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;

/// One start of etcd: random, given to the process in its environment and to its log.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunId(u128);

impl RunId {
    pub(super) fn random() -> io::Result<Self> {
        process::random().map(Self)
    }

    #[cfg(test)]
    pub(super) fn fixed(id: u128) -> Self {
        Self(id)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// How an etcd was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which start.
    pub run: RunId,
    /// Which process, once there is one.
    pub(super) identity: Option<Identity>,
    /// The digest of its argument list.
    pub args: Digest,
    /// The program's path at that time; it may have been replaced since.
    pub program: Utf8PathBuf,
    /// The program's version.
    pub version: EtcdVersion,
    /// Who may talk to it.
    pub gate: Gate,
}

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    run: String,
    process: Option<Identity>,
    args: Digest,
    program: Utf8PathBuf,
    version: EtcdVersion,
    gate: Gate,
}

impl Record {
    /// Makes it durable.
    pub(super) fn save(&self, home: &Utf8Path) -> io::Result<()> {
        let stored = Stored {
            format: FORMAT,
            run: self.run.to_string(),
            process: self.identity,
            args: self.args,
            program: self.program.clone(),
            version: self.version,
            gate: self.gate,
        };
        durable::write(&path(home), &serde_json::to_vec(&stored)?)
    }

    /// Says which process it is about. Where that cannot be made durable, the process is found by the run that its
    /// environment names: it is supervised all the same.
    pub(super) fn complete(&mut self, identity: Identity, home: &Utf8Path) {
        self.identity = Some(identity);
        if let Err(error) = self.save(home) {
            tracing::warn!(pid = identity.pid(), %error, "record of etcd's process not completed");
        }
    }

    /// Reads it; `None` when there is none, or none that can be read: a process that runs all the same is then found
    /// by its command line and by its lock.
    pub(super) fn load(home: &Utf8Path) -> io::Result<Option<Self>> {
        let bytes = match fs_err::read(path(home)) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        match Self::parse(&bytes) {
            Ok(record) => Ok(Some(record)),
            Err(error) => {
                tracing::warn!(%home, %error, "record of etcd's process not understood");
                Ok(None)
            }
        }
    }

    fn parse(bytes: &[u8]) -> io::Result<Self> {
        let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        let stored: Stored = serde_json::from_slice(bytes)?;
        if stored.format > FORMAT {
            return Err(invalid(format!("format {} is newer than this program's {FORMAT}", stored.format)));
        }
        let run = u128::from_str_radix(&stored.run, 16).map_err(|_| invalid("run is not an id".to_owned()))?;
        let Stored { process: identity, args, program, version, gate, .. } = stored;
        Ok(Self { run: RunId(run), identity, args, program, version, gate })
    }

    /// Removes it.
    pub(super) fn forget(home: &Utf8Path) -> io::Result<()> {
        durable::remove(&path(home))
    }
}

fn path(home: &Utf8Path) -> Utf8PathBuf {
    home.join("child")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = r#"{"format":1,"run":"00000000000000000000000000000007","process":{"pid":12,"start":34,"boot":"00000000000000000000000000000038"},"args":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","program":"/usr/bin/etcd","version":"3.5.35","gate":"gated"}"#;

    #[test]
    fn format_1_is_read_for_ever() {
        let record = Record::parse(GOLDEN.as_bytes()).unwrap();
        assert_eq!((record.run, record.gate), (RunId(7), Gate::Gated));
        assert_eq!(record.identity.unwrap().pid(), 12);
        let dir = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(dir.path()).unwrap();
        record.save(home).unwrap();
        assert_eq!(std::fs::read_to_string(home.join("child")).unwrap(), GOLDEN);
        assert_eq!(Record::load(home).unwrap(), Some(record));
        Record::forget(home).unwrap();
        assert_eq!(Record::load(home).unwrap(), None);
    }

    #[test]
    fn a_newer_format_or_a_broken_record_is_an_error() {
        assert!(
            Record::parse(GOLDEN.replace(":1,\"run", ":2,\"run").as_bytes()).unwrap_err().to_string().contains("newer")
        );
        for cut in 0..GOLDEN.len() {
            assert!(Record::parse(&GOLDEN.as_bytes()[..cut]).is_err());
        }
        let dir = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::write(path(home), "{").unwrap();
        assert_eq!(Record::load(home).unwrap(), None, "it stands in nobody's way");
    }
}
