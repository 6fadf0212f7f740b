//! Somebody on the wire who has no key: garbage, and knocking at etcd's doors.

use crate::cluster::Cluster;
use crate::tape::GOSSIP;
use anyhow::{Context as _, Result};
use e2d_testkit::Network;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The largest datagram that there is.
const LARGEST: usize = 65_507;
/// Connections that are held open, with an endless message begun on each.
const CONNECTIONS: usize = 200;

impl Cluster {
    /// Throws garbage of every size at the gossip ports for a while, by UDP and TCP. How many datagrams.
    pub fn garbage(&self, lasts: Duration) -> Result<usize> {
        let targets: Vec<SocketAddr> = self.all().map(|n| (self.network.node(n).address(), GOSSIP).into()).collect();
        let hub = self.network.node(Network::HUB);
        hub.inside(|| -> Result<usize> {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            let mut noise = noise(LARGEST * 2);
            let (mut sent, mut streams, end) = (0, Vec::new(), Instant::now() + lasts);
            while Instant::now() < end {
                for target in &targets {
                    let length = (sent * 7919) % (LARGEST + 1);
                    let from = sent % LARGEST;
                    // A full buffer of the sender's own is no failure of the story.
                    let _ = socket.send_to(&noise[from..from + length], target);
                    sent += 1;
                    if streams.len() < CONNECTIONS
                        && let Ok(mut stream) = TcpStream::connect_timeout(target, Duration::from_millis(200))
                    {
                        stream.set_write_timeout(Some(Duration::from_millis(50)))?;
                        // First a length that promises more than anybody has.
                        noise[..8].fill(0xff);
                        let _ = stream.write_all(&noise);
                        streams.push(stream);
                    }
                }
                std::thread::yield_now();
            }
            Ok(sent)
        })?
    }

    /// How much memory a machine's e2d has, in kB: its resident set.
    pub fn memory_kb(&mut self, n: u8) -> Result<u64> {
        let pid = self.e2d(n)?.pid();
        let status = fs_err::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Whether a port of a machine lets a client of TLS in that shows this certificate, or none.
    pub fn lets_in(&self, n: u8, port: u16, certificate: Option<(&str, &str)>) -> Result<bool> {
        let mut openssl = self.network.node(Network::HUB).command("openssl");
        let to = format!("{}:{port}", self.network.node(n).address());
        let authority = self.folder.join("pki/ca.crt");
        // With TLS 1.2 the server judges the client before the handshake is over.
        openssl.args(["s_client", "-connect", &to, "-tls1_2", "-verify_return_error", "-CAfile", authority.as_str()]);
        if let Some((cert, key)) = certificate {
            openssl.args(["-cert", self.folder.join(cert).as_str(), "-key", self.folder.join(key).as_str()]);
        }
        Ok(openssl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?.success())
    }
}

/// Bytes without a pattern that anything would take for a message; the same in every run.
fn noise(length: usize) -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}
