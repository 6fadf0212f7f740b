//! The program as people and programs meet it while it runs: orders, what it shows, what it refuses. Real
//! processes on loopback addresses of their own, with real etcd servers.

mod disks;
mod doors;
mod orders;
mod rig;
mod watching;
