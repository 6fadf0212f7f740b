//! SWIM gossip: a pure engine around foca, and its UDP and TCP shell.
//!
//! [`Engine`] is the protocol: who is there ([SWIM]), what each node says about itself (items, with
//! anti-entropy), questions and answers, and the sealing of every packet. It does no IO, reads no
//! clock and owns no randomness: the same inputs give the same outputs, bit for bit. [`Gossip`] is
//! the thin shell that gives it sockets and a clock.
//!
//! What it promises: a node without the key learns nothing and changes nothing; a recorded packet
//! replayed to a running or to a restarted node changes nothing; late news never overrides fresh
//! news; every table is bounded. What it deliberately does not do: decide. Suspicion and silence are
//! reported, never acted upon (S12), and bodies are opaque bytes.
//!
//! [SWIM]: https://www.cs.cornell.edu/projects/Quicksilver/public_pdfs/SWIM.pdf

mod contacts;
mod counters;
mod early;
mod engine;
mod event;
mod fnv;
mod identity;
mod items;
mod keys;
mod limiter;
mod packet;
mod peers;
mod places;
mod sessions;
mod settings;
mod shell;
mod timers;
mod waiting;
mod window;
mod wire;

pub use counters::{Counters, Rejection};
pub use engine::Engine;
pub use event::{Event, Input, Output, Refusal, Send, Via};
pub use identity::Peer;
pub use items::{Item, MAX_ITEM_BYTES, MAX_ORIGINS, MAX_TOPICS};
pub use keys::{KeyError, KeyFit, Keyring, MasterSecret};
pub use packet::{MAX_DATAGRAM_BYTES, MAX_FRAME_BYTES};
pub use peers::{PeerStatus, State};
pub use places::{Place, Places};
pub use settings::{Settings, SettingsError, Timing};
pub use shell::{AskError, Gossip, Incoming, PublishError, ShellCounters, ShellSettings, StartError, View};

/// For hostile bytes alone.
#[doc(hidden)]
pub mod fuzz {
    use crate::wire::Message;

    /// Reads what a packet holds, and writes it again; `None` if it cannot be read.
    #[must_use]
    pub fn payload(bytes: &[u8]) -> Option<Vec<u8>> {
        Message::decode(bytes).ok().map(|message| message.encode())
    }
}
