//! What happens to machines besides losing power.

use crate::cluster::Cluster;
use crate::running::{etcds, signal};
use anyhow::Result;
use std::time::Duration;

impl Cluster {
    /// Freezes a machine: e2d and etcd hold their sockets and locks, and do nothing.
    pub fn freeze(&mut self, n: u8) -> Result<()> {
        self.e2d(n)?.freeze()?;
        signal(&etcds(self.data_dir(n))?, "-STOP")
    }

    /// Lets a frozen machine go on.
    pub fn thaw(&mut self, n: u8) -> Result<()> {
        signal(&etcds(self.data_dir(n))?, "-CONT")?;
        self.e2d(n)?.thaw()
    }

    /// Lets a fault last. This is a part of the story, and nothing is waited for by it.
    pub fn lasts(&self, fault: Duration) {
        std::thread::sleep(fault);
    }
}
