//! What comes from the network.

use crate::ensure;
use bytes::Bytes;
use e2d_core::id::{BootId, NodeId};
use e2d_core::time::Moment;
use e2d_gossip::{Engine, Input, Keyring, MAX_DATAGRAM_BYTES, MAX_FRAME_BYTES, Settings, Timing};
use std::net::SocketAddr;

/// Bytes of a stranger, as a datagram and as a frame: nobody gets to be known, and what is answered is no
/// longer than what a packet may be.
pub(crate) fn packet(bytes: &[u8]) {
    let settings = |keys| Settings {
        node: NodeId(1),
        boot: BootId(1),
        addr: SocketAddr::from(([10, 0, 0, 1], 7980)),
        keys,
        timing: Timing::default(),
    };
    let Ok(keys) = Keyring::insecure() else { return };
    let Ok(mut engine) = Engine::new(settings(keys), Moment::default(), 7) else { return };
    let from = SocketAddr::from(([10, 0, 0, 2], 7980));
    let longest = |limit: usize| Bytes::copy_from_slice(bytes.get(..limit + 1).unwrap_or(bytes));
    for input in [
        Input::Datagram { from, bytes: longest(MAX_DATAGRAM_BYTES) },
        Input::Stream { bytes: longest(MAX_FRAME_BYTES) },
        Input::Tick,
    ] {
        let output = engine.handle(Moment::default(), input);
        ensure(output.sends.iter().all(|send| send.bytes.len() <= MAX_FRAME_BYTES), "an answer longer than a frame");
    }
    ensure(engine.peers().next().is_none(), "a stranger without the key is a peer");
    ensure(engine.items().next().is_none(), "a stranger's word is known");
}

/// What a packet holds that somebody with the key has sealed: read, written and read again it is the same.
pub(crate) fn payload(bytes: &[u8]) {
    let Some(written) = e2d_gossip::fuzz::payload(bytes) else { return };
    ensure(e2d_gossip::fuzz::payload(&written).as_ref() == Some(&written), "it is not the same when read again");
}
