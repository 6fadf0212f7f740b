//! The secret of gossip: one for each key in any file format, and none from a bad file.

use crate::openssl::{Bench, hex};
use e2d_pki::gossip::SecretError;
use e2d_pki::{GossipSecret, GossipSecrets, SecretSource};

fn source(bench: &Bench, name: &str) -> SecretSource {
    SecretSource::AuthorityKey(bench.path(name))
}

/// The nodes of one cluster may hold one key in different formats: written by the old program, by
/// openssl, or converted.
#[test]
fn one_key_in_any_format_gives_one_secret() {
    let bench = Bench::new();
    bench.openssl("genrsa -traditional -out pkcs1.key 2048");
    bench.openssl("pkey -in pkcs1.key -out pkcs8.key");
    bench.openssl("ecparam -name prime256v1 -genkey -noout -out sec1.key");
    bench.openssl("pkey -in sec1.key -out ec8.key");
    // With the curve's parameters in a section of their own, without the public key, and spelt out.
    let parameters = bench.openssl("ecparam -name prime256v1");
    bench.put("parameters.key", parameters + &bench.text("sec1.key"));
    bench.openssl("ec -in sec1.key -no_public -out private.key");
    let secret = |name: &str| *GossipSecret::load(&source(&bench, name)).unwrap().expose();
    assert_eq!(secret("pkcs1.key"), secret("pkcs8.key"));
    for name in ["ec8.key", "parameters.key", "private.key"] {
        assert_eq!(secret("sec1.key"), secret(name), "{name}");
    }
    assert_ne!(secret("pkcs1.key"), secret("sec1.key"));
}

/// RFC 5869 by openssl's own implementation, on the numbers of a key as openssl shows them.
#[test]
fn openssl_derives_the_same_secret() {
    let bench = Bench::new();
    bench.openssl("ecparam -name prime256v1 -genkey -noout -out ec.key");
    let text = bench.openssl("pkey -in ec.key -noout -text");
    let scalar: String = {
        let (_, rest) = text.split_once("priv:").unwrap();
        let (scalar, _) = rest.split_once("pub:").unwrap();
        scalar.chars().filter(char::is_ascii_hexdigit).collect()
    };
    let scalar = format!("{:0>64}", &scalar[scalar.len().saturating_sub(64)..]);
    let label = hex(b"e2d gossip secret of an authority key, version 1");
    let derived = bench
        .openssl(&format!("kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexkey:{scalar} -kdfopt hexinfo:{label} HKDF"));
    let ours = hex(GossipSecret::load(&source(&bench, "ec.key")).unwrap().expose());
    assert_eq!(derived.trim().replace(':', "").to_lowercase(), ours);
}

#[test]
fn a_key_file_is_taken_as_hex_base64_or_bytes() {
    let bench = Bench::new();
    bench.openssl("rand -out raw 32");
    bench.openssl("rand -out hex -hex 32");
    bench.openssl("rand -out base64 -base64 48");
    for name in ["raw", "hex", "base64"] {
        bench.mode(name, 0o600);
        GossipSecret::load(&SecretSource::KeyFile(bench.path(name)))
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }
    // One value in its three forms is one secret.
    bench.openssl("enc -base64 -in raw -out raw.base64");
    let raw = std::fs::read(bench.path("raw")).unwrap();
    let hex = hex(&raw).to_uppercase();
    let secret = |content: &[u8]| *GossipSecret::of_key_file(content).unwrap().expose();
    assert_eq!(secret(&raw), secret(bench.text("raw.base64").as_bytes()));
    assert_eq!(secret(&raw), secret(format!("  {hex}\r\n").as_bytes()));
}

#[test]
fn two_sources_serve_for_a_rotation_if_they_differ() {
    let bench = Bench::new();
    bench.openssl("genrsa -traditional -out old.key 2048");
    bench.openssl("pkey -in old.key -out same.key");
    bench.openssl("rand -out new -hex 32");
    bench.mode("new", 0o600);
    let new = SecretSource::KeyFile(bench.path("new"));
    let old = source(&bench, "old.key");
    let secrets = GossipSecrets::load(&new, Some(&old)).unwrap();
    assert_ne!(secrets.current.expose(), secrets.former.unwrap().expose());
    assert!(GossipSecrets::load(&new, None).unwrap().former.is_none());
    let error = GossipSecrets::load(&old, Some(&source(&bench, "same.key"))).unwrap_err();
    assert!(matches!(error, SecretError::Same(..)), "{error}");
}

/// S18, S19: such a file is as good as public.
#[test]
fn a_file_that_everybody_can_read_is_refused() {
    let bench = Bench::new();
    bench.openssl("genrsa -traditional -out ca.key 2048");
    for (mode, accepted) in [(0o600, true), (0o640, true), (0o644, false)] {
        bench.mode("ca.key", mode);
        let loaded = GossipSecret::load(&source(&bench, "ca.key"));
        assert_eq!(loaded.is_ok(), accepted, "{mode:o}: {loaded:?}");
    }
    let missing = GossipSecret::load(&source(&bench, "missing.key")).unwrap_err();
    assert_eq!(missing.to_string(), format!("{} does not exist", bench.path("missing.key")));
}
