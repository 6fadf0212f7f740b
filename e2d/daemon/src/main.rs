//! The etcd supervisor.
fn main() {}
