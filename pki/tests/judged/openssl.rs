//! A folder of one test, the openssl program in it, and trees to judge.

use camino::Utf8PathBuf;
use e2d_pki::{Authority, AuthorityFiles, Existing, Host, KeyType, Leaf, Role, issue, leaf};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// The time of every test that does not say otherwise.
pub(crate) fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

pub(crate) fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// A folder that goes with the value.
pub(crate) struct Bench {
    _guard: tempfile::TempDir,
    pub(crate) folder: Utf8PathBuf,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let guard = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::try_from(guard.path().to_path_buf()).unwrap();
        Self { _guard: guard, folder }
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn put(&self, name: &str, text: impl AsRef<[u8]>) -> Utf8PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        self.mode(name, 0o600);
        path
    }

    pub(crate) fn mode(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Runs openssl here; `Err` has all that it said.
    pub(crate) fn try_openssl(&self, arguments: &str) -> Result<String, String> {
        let arguments = arguments.split(' ').filter(|argument| !argument.is_empty());
        let output = Command::new("openssl").args(arguments).current_dir(&self.folder).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(said) } else { Err(said + &String::from_utf8_lossy(&output.stderr)) }
    }

    pub(crate) fn openssl(&self, arguments: &str) -> String {
        self.try_openssl(arguments).unwrap_or_else(|said| panic!("openssl {arguments}: {said}"))
    }

    pub(crate) fn authority_files(&self) -> AuthorityFiles {
        AuthorityFiles { certificate: self.path("ca.crt"), key: self.path("ca.key") }
    }

    /// An authority in `ca.crt` and `ca.key`.
    pub(crate) fn authority(&self, key_type: KeyType) -> Authority {
        Authority::init(&self.authority_files(), &Authority::default_name(), key_type, Existing::Keep, None, now())
            .unwrap()
            .0
    }

    /// Issues leaves into this folder.
    pub(crate) fn issue(&self, authority: &Authority, wanted: &[Leaf], now: Timestamp) -> issue::Outcome {
        issue::run(&self.folder, wanted, authority, None, now).unwrap()
    }
}

pub(crate) fn hosts() -> BTreeSet<Host> {
    Host::list("etcd.example.com,10.0.0.1,fd00::1,10.0.0.1").unwrap()
}

/// The tree of an etcd member, with keys that are made fast.
pub(crate) fn leaves() -> Vec<Leaf> {
    leaf::etcd(&hosts(), KeyType::EcdsaP256, Role::Operate)
}
