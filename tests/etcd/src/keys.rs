//! An authority and certificates, made by `e2d pki`, as an operator would.

use crate::cluster::Cluster;
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

/// What can be wrong with a certificate.
#[derive(Clone, Copy, Debug)]
pub enum Wrong {
    /// It ended yesterday.
    Expired,
    /// The authority of all of them ended yesterday.
    OldAuthority,
    /// It is another machine's.
    Host,
    /// It is for clients alone.
    Usage,
    /// It is not there.
    Missing,
    /// Another authority has signed it.
    Authority,
    /// The private key beside it is another's.
    Key,
    /// Nothing any more.
    Nothing,
}

impl Cluster {
    /// Spoils one of the certificates of the first machine, `peer` or `server`, or mends it. The machine after the
    /// last one of the cluster must have keys of its own.
    pub fn spoil(&self, file: &str, wrong: Wrong) -> Result<()> {
        let [own, kept, kept_ca] = ["pki/n1", "pki/kept", "pki/kept-ca.crt"].map(|name| self.folder.join(name));
        if !kept.exists() {
            crate::copy(&own, &kept)?;
            fs_err::copy(self.folder.join("pki/ca.crt"), &kept_ca)?;
        }
        let other = self.folder.join("pki-other/n1");
        let put = |from: &Utf8Path, ending: &str| -> Result<()> {
            fs_err::copy(from.join(format!("{file}.{ending}")), own.join(format!("{file}.{ending}")))?;
            Ok(())
        };
        let put_both = |from: &Utf8Path| put(from, "crt").and_then(|()| put(from, "key"));
        put_both(&kept)?;
        let crt = own.join(format!("{file}.crt"));
        let [ca, ca_key] = ["pki/ca.crt", "pki/ca.key"].map(|file| self.folder.join(file));
        fs_err::copy(&kept_ca, &ca)?;
        match wrong {
            Wrong::Nothing => Ok(()),
            Wrong::Missing => Ok(fs_err::remove_file(crt)?),
            Wrong::Usage => {
                fs_err::copy(own.join("client.crt"), crt)?;
                fs_err::copy(own.join("client.key"), own.join(format!("{file}.key")))?;
                Ok(())
            }
            Wrong::Host => {
                let elsewhere = self.folder.join("pki/elsewhere");
                fs_err::create_dir_all(&elsewhere)?;
                let args = ["gencerts", "--hosts", "10.99.0.1", "--output-dir", elsewhere.as_str()];
                pki(&[&args[..], &["--ca-cert", ca.as_str(), "--ca-key", ca_key.as_str()]].concat())?;
                put_both(&elsewhere)
            }
            Wrong::OldAuthority => {
                let again = ["x509", "-in", kept_ca.as_str(), "-signkey", ca_key.as_str(), "-days", "-1"];
                openssl(&[&again[..], &["-out", ca.as_str()]].concat())
            }
            Wrong::Key => put(&other, "key"),
            Wrong::Authority => put_both(&other),
            Wrong::Expired => {
                let (request, key) = (own.join("request"), own.join(format!("{file}.key")));
                openssl(&["req", "-new", "-key", key.as_str(), "-subj", "/CN=late", "-out", request.as_str()])?;
                let ca = ["-CA", ca.as_str(), "-CAkey", ca_key.as_str()];
                let extensions = own.join("extensions");
                fs_err::write(&extensions, "basicConstraints=CA:FALSE\n")?;
                let sign = [
                    "x509",
                    "-req",
                    "-days",
                    "-1",
                    "-extfile",
                    extensions.as_str(),
                    "-in",
                    request.as_str(),
                    "-out",
                    crt.as_str(),
                ];
                openssl(&[&sign[..], &ca].concat())
            }
        }
    }
}

fn openssl(args: &[&str]) -> Result<()> {
    let output = Command::new("openssl").args(args).output()?;
    ensure!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// Runs `e2d pki`.
pub(crate) fn pki(args: &[&str]) -> Result<()> {
    let output = Command::new(Parts::e2d()?).arg("pki").args(args).output()?;
    ensure!(output.status.success(), "e2d pki {args:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
