//! Which processes have shown that they are alive now, and which of their packets were seen.
//!
//! A session opens only with an echo of a recent challenge of ours, sent back from the very address
//! that the process claims. Within a session a window refuses what was seen. So a packet recorded
//! earlier does nothing: to a restarted receiver it is bound to another boot, to a running one it is
//! seen or, if the session was forgotten meanwhile, it echoes no recent challenge. No clock of another
//! machine is involved. What it does not prevent: an attacker on the path may hold a packet back and
//! deliver it once, later.

use crate::identity::Peer;
use crate::window::Window;
use crate::wire::Challenge;
use aws_lc_rs::hmac;
use e2d_core::id::{BootId, NodeId};
use e2d_core::time::Moment;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The most sessions. A node and its successor, for as many nodes as have items.
const MAX_SESSIONS: usize = 2 * crate::items::MAX_ORIGINS;

/// A challenge is good for at least this long, and for at most twice as long.
const CHALLENGE_LIFE: Duration = Duration::from_secs(5);

/// The session of a process that is no peer is forgotten after this much silence.
const SILENCE: Duration = Duration::from_mins(10);

/// A packet of the older process may be this late without making it look cloned.
const CLONE_MARGIN: Duration = Duration::from_secs(1);

/// Numbers that only somebody who received a recent hello of ours can echo.
pub(crate) struct Challenges(hmac::Key);

impl Challenges {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &secret))
    }

    /// What whoever is at `addr` has to echo.
    pub(crate) fn for_addr(&self, addr: SocketAddr, now: Moment) -> Challenge {
        Challenge { number: self.number(addr, Self::period(now)), addr }
    }

    /// Whether `echo` shows that what we sent to its address in the last 5 to 10 s arrived.
    pub(crate) fn is_fresh(&self, echo: Challenge, now: Moment) -> bool {
        let period = Self::period(now);
        let recent = [Some(period), period.checked_sub(1)];
        recent.into_iter().flatten().any(|period| self.number(echo.addr, period) == echo.number)
    }

    fn period(now: Moment) -> u64 {
        now.since(Moment::default()).as_secs() / CHALLENGE_LIFE.as_secs()
    }

    fn number(&self, addr: SocketAddr, period: u64) -> u64 {
        let mut text = hmac::Context::with_key(&self.0);
        match addr.ip() {
            IpAddr::V4(ip) => text.update(&ip.octets()),
            IpAddr::V6(ip) => text.update(&ip.octets()),
        }
        text.update(&addr.port().to_be_bytes());
        text.update(&period.to_be_bytes());
        let tag = text.sign();
        tag.as_ref().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// One process that has shown to be alive.
pub(crate) struct Session {
    pub(crate) peer: Peer,
    window: Window,
    opened: Moment,
    /// When it was last heard: an authenticated packet, bound to us, not seen before.
    pub(crate) heard: Moment,
    is_known_clone: bool,
}

type Process = (NodeId, BootId);

#[derive(Default)]
pub(crate) struct Sessions {
    sessions: BTreeMap<Process, Session>,
    /// The process that last opened a session from an address.
    at: BTreeMap<SocketAddr, Process>,
}

impl Sessions {
    /// Opens a session with a packet that has proved fresh; false when there is no room.
    pub(crate) fn open(&mut self, peer: Peer, counter: u64, now: Moment) -> bool {
        if self.sessions.len() >= MAX_SESSIONS && !self.evict(now) {
            return false;
        }
        let process = (peer.node, peer.boot);
        let window = Window::opened_by(counter);
        self.sessions.insert(process, Session { peer, window, opened: now, heard: now, is_known_clone: false });
        self.at.insert(peer.addr, process);
        true
    }

    pub(crate) fn of(&self, node: NodeId, boot: BootId) -> Option<&Session> {
        self.sessions.get(&(node, boot))
    }

    /// The process that was last seen to live at an address.
    pub(crate) fn at(&self, addr: SocketAddr) -> Option<&Session> {
        self.sessions.get(self.at.get(&addr)?)
    }

    /// Any process of a node: where a packet of an unknown process of it may be answered.
    pub(crate) fn of_node(&self, node: NodeId) -> Option<&Session> {
        self.processes(node).next().map(|(_, session)| session)
    }

    /// Whether `counter` of this process is new; none without a session.
    pub(crate) fn accept(&mut self, node: NodeId, boot: BootId, counter: u64) -> Option<bool> {
        self.sessions.get_mut(&(node, boot)).map(|session| session.window.accept(counter))
    }

    /// Takes note that a process was heard. Gives another process of the same node that was also heard
    /// since both are up, once.
    pub(crate) fn hear(&mut self, node: NodeId, boot: BootId, now: Moment) -> Option<(Peer, Peer)> {
        let session = self.sessions.get_mut(&(node, boot))?;
        session.heard = now;
        let (peer, opened) = (session.peer, session.opened);
        let rival = self.processes(node).map(|(_, session)| session).find(|other| {
            let both_up = opened.max(other.opened) + CLONE_MARGIN;
            other.peer.addr != peer.addr && now >= both_up && other.heard >= both_up && !other.is_known_clone
        })?;
        let rival = rival.peer;
        for boot in [boot, rival.boot] {
            if let Some(session) = self.sessions.get_mut(&(node, boot)) {
                session.is_known_clone = true;
            }
        }
        Some((rival, peer))
    }

    /// Marks a process as a clone that the caller knows of; false when it was marked before.
    pub(crate) fn mark_clone(&mut self, node: NodeId, boot: BootId) -> bool {
        let session = self.sessions.get_mut(&(node, boot));
        session.is_some_and(|session| !std::mem::replace(&mut session.is_known_clone, true))
    }

    /// Forgets processes that are silent for long and that `is_peer` does not want.
    pub(crate) fn expire(&mut self, now: Moment, is_peer: impl Fn(&Peer) -> bool) {
        self.sessions.retain(|_, session| now.since(session.heard) < SILENCE || is_peer(&session.peer));
        self.at.retain(|_, process| self.sessions.contains_key(process));
    }

    /// Makes room by forgetting whoever was silent for longest, if nothing it sent can open a session again.
    fn evict(&mut self, now: Moment) -> bool {
        let Some((process, heard)) = self.sessions.iter().map(|(p, s)| (*p, s.heard)).min_by_key(|(_, heard)| *heard)
        else {
            return false;
        };
        let is_safe = now.since(heard) > CHALLENGE_LIFE * 2;
        if is_safe {
            self.sessions.remove(&process);
            self.at.retain(|_, at| *at != process);
        }
        is_safe
    }

    fn processes(&self, node: NodeId) -> impl Iterator<Item = (&Process, &Session)> {
        self.sessions.range((node, BootId(0))..=(node, BootId(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(node: u64, boot: u64, port: u16) -> Peer {
        Peer { node: NodeId(node), boot: BootId(boot), addr: SocketAddr::from(([10, 0, 0, 1], port)) }
    }

    #[test]
    fn an_echo_is_fresh_for_five_to_ten_seconds_and_for_its_address_only() {
        let challenges = Challenges::new([7; 32]);
        let addr = peer(1, 1, 1).addr;
        let sent = Moment(14_999_999);
        let echo = challenges.for_addr(addr, sent);
        assert!(challenges.is_fresh(echo, sent + Duration::from_secs(5)));
        assert!(!challenges.is_fresh(echo, sent + Duration::from_secs(10)));
        assert!(!challenges.is_fresh(Challenge { addr: peer(1, 1, 2).addr, ..echo }, sent));
        assert!(!Challenges::new([8; 32]).is_fresh(echo, sent));
    }

    #[test]
    fn a_restart_elsewhere_is_no_clone_but_two_lives_are() {
        let mut sessions = Sessions::default();
        let (old, new) = (peer(1, 1, 1), peer(1, 2, 2));
        assert!(sessions.open(old, 1, Moment(0)));
        assert!(sessions.open(new, 1, Moment(60_000_000)));
        assert_eq!(sessions.hear(old.node, old.boot, Moment(60_500_000)), None, "late packets of the old process");
        assert_eq!(sessions.hear(new.node, new.boot, Moment(70_000_000)), None);
        assert_eq!(sessions.hear(old.node, old.boot, Moment(71_000_000)), Some((new, old)));
        assert_eq!(sessions.hear(new.node, new.boot, Moment(72_000_000)), None, "told once");
    }

    #[test]
    fn a_full_table_forgets_only_what_cannot_come_back_as_a_replay() {
        let mut sessions = Sessions::default();
        for node in 0..MAX_SESSIONS as u64 {
            assert!(sessions.open(peer(node, 1, 1), 1, Moment(node)));
        }
        let now = Moment(10_000_000);
        assert!(!sessions.open(peer(1 << 40, 1, 1), 1, now));
        assert!(sessions.open(peer(1 << 40, 1, 1), 1, now + Duration::from_secs(1)));
        assert!(sessions.of(NodeId(0), BootId(1)).is_none());
        assert!(sessions.of(NodeId(1), BootId(1)).is_some());
    }
}
