//! etcd's own ids, computed before etcd runs.
//!
//! A member that founds a cluster gets its raft id from its peer URLs and the cluster token, and a
//! cluster gets its id from its founders' ids (etcd: `server/etcdserver/api/membership/member.go`
//! and `cluster.go`, the same from 3.4 to 3.7). Because our token holds lineage, epoch and nonce,
//! equal addresses in two epochs never share an id. A member that is added later is named by etcd
//! itself, with a time in the hash, so its id is only ever read from etcd.

use crate::id::{ClusterId, Epoch, LineageId, MemberId, Nonce};
use aws_lc_rs::digest;

/// The token a cluster is founded with: `e2d-<lineage>-<epoch>-<claim nonce>`.
#[must_use]
pub fn token(lineage: LineageId, epoch: Epoch, claim: Nonce) -> String {
    format!("e2d-{lineage}-{epoch}-{claim}")
}

/// The raft id of a founder with these peer URLs, in a cluster founded with this token.
#[must_use]
pub fn founder(peer_urls: &[&str], token: &str) -> MemberId {
    let mut sorted = peer_urls.to_vec();
    sorted.sort_unstable();
    let mut text = sorted.concat();
    text.push_str(token);
    MemberId(first_eight(text.as_bytes()))
}

/// The id of the cluster that exactly these members found.
#[must_use]
pub fn cluster(founders: &[MemberId]) -> ClusterId {
    let mut sorted = founders.to_vec();
    sorted.sort_unstable();
    let bytes: Vec<u8> = sorted.iter().flat_map(|id| id.0.to_be_bytes()).collect();
    ClusterId(first_eight(&bytes))
}

fn first_eight(bytes: &[u8]) -> u64 {
    let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    sha1.as_ref().iter().take(8).fold(0, |id, &byte| id << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen on etcd 3.4.23, started with these names, URLs and token.
    #[test]
    fn ids_are_those_of_a_real_etcd() {
        let members = ["http://127.0.0.1:12380", "http://127.0.0.1:22380"].map(|url| founder(&[url], "e2d-test"));
        assert_eq!(members.map(|id| id.to_string()), ["b333ca5f43429a53", "e4b1ce7197716739"]);
        assert_eq!(cluster(&members).to_string(), "ddb592553e69d412");
    }
}
