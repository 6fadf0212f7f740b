//! Packets that overtook the one that opens their session.
//!
//! Without a session nobody can tell whether a packet is a replay. But the packet that opens one is
//! fresh, and a process counts its packets: whatever has a higher counter was sealed later, so it is
//! fresh, too. Only that is let through. Bounded in processes, packets and bytes; emptied by each sweep.

use e2d_core::id::{BootId, NodeId};
use e2d_core::time::Moment;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long after our answer to a hello its confirmation may take, before we ask ourselves.
const CONFIRMATION: Duration = Duration::from_millis(200);

const MAX_ANSWERED: usize = 1024;
const MAX_PROCESSES: usize = 64;
const MAX_PER_PROCESS: usize = 8;
const MAX_BYTES: usize = 256 * 1024;

#[derive(Default)]
pub(crate) struct Early {
    payloads: BTreeMap<(NodeId, BootId), BTreeMap<u64, Vec<u8>>>,
    bytes: usize,
    /// When we last answered whose hello with a challenge.
    answered: BTreeMap<(NodeId, BootId), Moment>,
}

impl Early {
    /// Takes note that a process was asked to confirm that it is alive.
    pub(crate) fn answer(&mut self, node: NodeId, boot: BootId, now: Moment) {
        if self.answered.len() < MAX_ANSWERED {
            self.answered.insert((node, boot), now);
        }
    }

    /// Whether a process will confirm by itself. To ask it would open the session with a later packet,
    /// and so lose what it has sent before.
    pub(crate) fn is_about_to_confirm(&self, node: NodeId, boot: BootId, now: Moment) -> bool {
        self.answered.get(&(node, boot)).is_some_and(|at| now.since(*at) < CONFIRMATION)
    }

    /// Keeps a payload, if there is room.
    pub(crate) fn keep(&mut self, node: NodeId, boot: BootId, counter: u64, payload: Vec<u8>) {
        let count = self.payloads.get(&(node, boot)).map(BTreeMap::len);
        let has_room = count.map_or(self.payloads.len() < MAX_PROCESSES, |count| count < MAX_PER_PROCESS);
        if has_room && self.bytes + payload.len() <= MAX_BYTES {
            self.bytes += payload.len();
            self.payloads.entry((node, boot)).or_default().insert(counter, payload);
        }
    }

    /// What a process sealed after its packet `opener`, in that order.
    pub(crate) fn take(&mut self, node: NodeId, boot: BootId, opener: u64) -> BTreeMap<u64, Vec<u8>> {
        let mut payloads = self.payloads.remove(&(node, boot)).unwrap_or_default();
        self.bytes -= payloads.values().map(Vec::len).sum::<usize>();
        payloads.retain(|counter, _| *counter > opener);
        payloads
    }

    pub(crate) fn clear(&mut self) {
        self.payloads.clear();
        self.answered.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_later_is_let_through_in_order() {
        let mut early = Early::default();
        let (node, boot) = (NodeId(1), BootId(2));
        for counter in [9, 4, 7, 5] {
            early.keep(node, boot, counter, vec![counter as u8]);
        }
        early.keep(node, BootId(3), 8, vec![8]);
        assert_eq!(early.take(node, boot, 5).into_iter().collect::<Vec<_>>(), [(7, vec![7]), (9, vec![9])]);
        assert_eq!(early.take(node, boot, 0).len(), 0);
        assert_eq!(early.bytes, 1);
    }

    #[test]
    fn it_stays_small() {
        let mut early = Early::default();
        for n in 0..10_000 {
            early.keep(NodeId(n % 500), BootId(1), n, vec![0; 1_000]);
        }
        assert!(early.bytes <= MAX_BYTES && early.payloads.len() <= MAX_PROCESSES);
        assert!(early.payloads.values().all(|payloads| payloads.len() <= MAX_PER_PROCESS));
        early.clear();
        assert_eq!(early.bytes, 0);
    }
}
