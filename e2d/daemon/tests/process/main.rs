//! The program as people and programs meet it while it runs: orders, what it shows, what it refuses. Real
//! processes on loopback addresses of their own, with real etcd servers.

mod disks;
mod doors;
mod folders;
mod orders;
mod programs;
mod rig;
mod signals;
mod watching;
