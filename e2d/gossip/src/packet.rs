//! The sealed packet: a header in clear, and a payload that only holders of the key can read or make.
//!
//! ```text
//! version 1 | key id 4 | sender node 8 | sender boot 8 | receiver boot 8, 0: unbound | counter 8 | sealed | tag 16
//! ```
//!
//! Numbers are big-endian. The sealing is AES-256-GCM under the sending process's own key, with the
//! counter as nonce and the whole header as associated data. A process counts from 1 and never twice
//! the same, whatever the key, the receiver and the transport, so no nonce repeats under one key.
//! Whether a packet is fresh is not decided here but in the sessions.

use crate::counters::Rejection;
use crate::keys::{KeyError, KeyId, Keyring};
use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use e2d_core::id::{BootId, NodeId};

/// The longest datagram: fits the smallest path MTU of IPv6 (1280, RFC 8200) with its headers.
pub const MAX_DATAGRAM_BYTES: usize = 1200;

/// The longest frame of a stream: a body of 64 KiB and its wrapping.
pub const MAX_FRAME_BYTES: usize = 66 * 1024;

/// The longest payload that fits a datagram.
pub(crate) const MAX_DATAGRAM_PAYLOAD: usize = MAX_DATAGRAM_BYTES - OVERHEAD;

/// The longest payload that fits a frame.
pub(crate) const MAX_FRAME_PAYLOAD: usize = MAX_FRAME_BYTES - OVERHEAD;

const VERSION: u8 = 1;
const HEADER_LEN: usize = 37;
const TAG_LEN: usize = 16;
const OVERHEAD: usize = HEADER_LEN + TAG_LEN;

/// The part in clear. Nothing in it is believed before the packet has opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) key: KeyId,
    pub(crate) node: NodeId,
    pub(crate) boot: BootId,
    /// The process that the packet is meant for; none for a greeting of a stranger.
    pub(crate) to: Option<BootId>,
    pub(crate) counter: u64,
}

impl Header {
    /// Reads the header of a packet that may have up to `limit` bytes.
    pub(crate) fn parse(packet: &[u8], limit: usize) -> Result<Self, Rejection> {
        match packet.first() {
            _ if packet.len() > limit => return Err(Rejection::Oversized),
            _ if packet.len() <= OVERHEAD => return Err(Rejection::Truncated),
            Some(&VERSION) => {}
            _ => return Err(Rejection::Version),
        }
        let number =
            |at: usize| packet.get(at..at + 8).and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)));
        let parsed = || {
            Some(Self {
                key: packet.get(1..5)?.try_into().ok()?,
                node: NodeId(number(5)?),
                boot: BootId(number(13)?),
                to: Some(BootId(number(21)?)).filter(|boot| boot.0 != 0),
                counter: number(29)?,
            })
        };
        parsed().ok_or(Rejection::Truncated)
    }

    pub(crate) fn bytes(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[0] = VERSION;
        out[1..5].copy_from_slice(&self.key);
        out[5..13].copy_from_slice(&self.node.0.to_be_bytes());
        out[13..21].copy_from_slice(&self.boot.0.to_be_bytes());
        out[21..29].copy_from_slice(&self.to.map_or(0, |boot| boot.0).to_be_bytes());
        out[29..37].copy_from_slice(&self.counter.to_be_bytes());
        out
    }

    fn nonce(&self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.counter.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The payload of a packet; an error when no key of the ring opens it.
pub(crate) fn open(ring: &Keyring, header: &Header, packet: &[u8]) -> Result<Vec<u8>, Rejection> {
    if !ring.knows(header.key) {
        return Err(Rejection::UnknownKey);
    }
    let (_, sealed) = packet.split_at_checked(HEADER_LEN).ok_or(Rejection::Truncated)?;
    let text_len = sealed.len().checked_sub(TAG_LEN).ok_or(Rejection::Truncated)?;
    let (text, tag) = sealed.split_at(text_len);
    let mut payload = vec![0; text_len];
    for key in ring.opening_keys(header.key, header.node, header.boot) {
        let aad = Aad::from(header.bytes());
        if key.open_separate_gather(header.nonce(), aad, text, tag, &mut payload).is_ok() {
            return Ok(payload);
        }
    }
    Err(Rejection::Forged)
}

/// Seals what one process sends.
pub(crate) struct Sealer {
    id: KeyId,
    key: LessSafeKey,
    node: NodeId,
    boot: BootId,
    counter: u64,
}

impl Sealer {
    pub(crate) fn new(ring: &Keyring, node: NodeId, boot: BootId) -> Result<Self, KeyError> {
        let (id, key) = ring.sealing_key(node, boot).ok_or(KeyError::Derivation)?;
        Ok(Self { id, key, node, boot, counter: 0 })
    }

    /// Seals with the ring's first key from now on. The counter goes on.
    pub(crate) fn rekey(&mut self, ring: &Keyring) -> Result<(), KeyError> {
        (self.id, self.key) = ring.sealing_key(self.node, self.boot).ok_or(KeyError::Derivation)?;
        Ok(())
    }

    /// A packet for the process `to`, or for whoever is there. None once 2^64 packets were sent.
    pub(crate) fn seal(&mut self, to: Option<BootId>, payload: &[u8]) -> Option<Vec<u8>> {
        self.counter = self.counter.checked_add(1)?;
        let header = Header { key: self.id, node: self.node, boot: self.boot, to, counter: self.counter };
        let aad = header.bytes();
        let mut packet = Vec::with_capacity(OVERHEAD + payload.len());
        packet.extend_from_slice(&aad);
        packet.extend_from_slice(payload);
        let (_, text) = packet.split_at_mut_checked(HEADER_LEN)?;
        let tag = self.key.seal_in_place_separate_tag(header.nonce(), Aad::from(aad), text).ok()?;
        packet.extend_from_slice(tag.as_ref());
        Some(packet)
    }
}
