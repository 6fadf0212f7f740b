//! Verbs beside real nodes and real etcd servers, on a machine of their own.
#![cfg(test)]

mod machine;
mod occupied;
mod reaching;
mod restoring;
mod scratch;
