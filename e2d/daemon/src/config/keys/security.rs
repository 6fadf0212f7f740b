//! Keys of keys and certificates.

use super::table;
use crate::config::key::{Decl, Key, Section, Shape};
use crate::config::value;
use camino::Utf8PathBuf;

const CERTIFICATE: &str = "a file of PEM certificates";
const PRIVATE_KEY: &str = "a file with a PEM private key, readable by its owner only";

table! {
    /// Permission to be open.
    INSECURE: bool = Decl::new(
        Section::Security,
        "insecure",
        "",
        "Listen beyond loopback without keys: anybody who reaches this machine then owns the data",
    )
        .shape(Shape::Switch)
        .default("false")
        .detail(
            "Without keys and without this, e2d refuses every address but loopback. With keys, the only thing that it \
             opens is `metrics-addr`, which may then be plain HTTP anywhere.",
        )
        .allowed("true or false", "true")
        .read_by(value::switch);

    /// etcd's authority.
    CA_CERT: Utf8PathBuf = Decl::new(Section::Security, "ca-cert", "FILE", "Certificate of the etcd authority")
        .old_default("none")
        .allowed(CERTIFICATE, "/etc/kubernetes/etcd/pki/ca.crt")
        .read_by(value::path);

    /// The authority's key.
    CA_KEY: Utf8PathBuf = Decl::new(Section::Security, "ca-key", "FILE", "Private key of the etcd authority")
        .old_default("none")
        .detail("The key of gossip is derived from it, unless `gossip-key-file` is given.")
        .allowed(PRIVATE_KEY, "/etc/kubernetes/etcd/pki/ca.key")
        .read_by(value::path);

    /// This node among etcd's peers.
    PEER_CERT: Utf8PathBuf = Decl::new(Section::Security, "peer-cert", "FILE", "Certificate for etcd's peers")
        .old_default("none")
        .detail("For server and client use, since each peer is both.")
        .allowed(CERTIFICATE, "/etc/kubernetes/etcd/pki/peer.crt")
        .read_by(value::path);

    /// Its key.
    PEER_KEY: Utf8PathBuf = Decl::new(Section::Security, "peer-key", "FILE", "Private key of `peer-cert`")
        .old_default("none")
        .allowed(PRIVATE_KEY, "/etc/kubernetes/etcd/pki/peer.key")
        .read_by(value::path);

    /// This node towards its clients.
    SERVER_CERT: Utf8PathBuf = Decl::new(Section::Security, "server-cert", "FILE", "Certificate for etcd's clients")
        .old_default("none")
        .detail("The admin API and, beyond loopback, the metrics use it too.")
        .allowed(CERTIFICATE, "/etc/kubernetes/etcd/pki/server.crt")
        .read_by(value::path);

    /// Its key.
    SERVER_KEY: Utf8PathBuf = Decl::new(Section::Security, "server-key", "FILE", "Private key of `server-cert`")
        .old_default("none")
        .allowed(PRIVATE_KEY, "/etc/kubernetes/etcd/pki/server.key")
        .read_by(value::path);

    /// Keys of gossip.
    GOSSIP_KEY_FILE: Utf8PathBuf = Decl::new(
        Section::Security,
        "gossip-key-file",
        "FILE,...",
        "Keys of gossip: the first seals, each one opens",
    )
        .shape(Shape::Commas)
        .found("`ca-key`")
        .detail(
            "At least 32 random bytes, as they are or in hex or base64: `openssl rand -base64 32`. Two files while keys \
             rotate: add the new one second on every node, then swap them, then drop the old one. The file of `ca-key` \
             may stand here too, so that gossip can move away from it.",
        )
        .allowed("one file, or two separated by a comma", "/etc/e2d/gossip.key")
        .read_by(value::path);
}
