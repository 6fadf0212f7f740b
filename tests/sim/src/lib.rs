//! A deterministic world of nodes, gossip, etcd and store, and the promises held against it.
