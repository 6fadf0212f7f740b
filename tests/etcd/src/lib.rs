//! The supervisor on real etcd servers.
