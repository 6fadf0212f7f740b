//! An authority and certificates, made by `e2d pki`, as an operator would.

use anyhow::{Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use e2d_testkit::{Network, Parts};
use std::process::Command;

/// The keys of a story.
#[derive(Debug)]
pub(crate) struct Keys {
    folder: Utf8PathBuf,
}

impl Keys {
    /// An authority, and a folder of certificates for each machine.
    pub(crate) fn make(folder: &Utf8Path, network: &Network, machines: u8) -> Result<Self> {
        fs_err::create_dir(folder)?;
        let (cert, key) = (folder.join("ca.crt"), folder.join("ca.key"));
        let authority = ["--ca-cert", cert.as_str(), "--ca-key", key.as_str(), "--key-type", "ecdsa"];
        pki(&[&["init"], &authority[..]].concat())?;
        for n in 1..=machines {
            let (host, to) = (network.node(n).address().to_string(), folder.join(format!("n{n}")));
            fs_err::create_dir(&to)?;
            pki(&[&["gencerts", "--hosts", &host, "--output-dir", to.as_str()], &authority[..]].concat())?;
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// What `e2d run` takes on a machine.
    pub(crate) fn flags(&self, n: u8) -> Vec<String> {
        let own = self.folder.join(format!("n{n}"));
        let files = [
            ("--ca-cert", self.folder.join("ca.crt")),
            ("--ca-key", self.folder.join("ca.key")),
            ("--peer-cert", own.join("peer.crt")),
            ("--peer-key", own.join("peer.key")),
            ("--server-cert", own.join("server.crt")),
            ("--server-key", own.join("server.key")),
        ];
        files.into_iter().flat_map(|(flag, file)| [flag.to_owned(), file.to_string()]).collect()
    }

    /// What etcdctl takes.
    pub(crate) fn client_flags(&self) -> Vec<String> {
        let own = self.folder.join("n1");
        let files = [
            ("--cacert", self.folder.join("ca.crt")),
            ("--cert", own.join("client.crt")),
            ("--key", own.join("client.key")),
        ];
        files.into_iter().flat_map(|(flag, file)| [flag.to_owned(), file.to_string()]).collect()
    }
}

/// Runs `e2d pki`.
pub(crate) fn pki(args: &[&str]) -> Result<()> {
    let output = Command::new(Parts::e2d()?).arg("pki").args(args).output()?;
    ensure!(output.status.success(), "e2d pki {args:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
