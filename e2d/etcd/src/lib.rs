//! The etcd child process, its data directory and its client.
