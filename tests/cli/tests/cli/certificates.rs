//! `e2d pki`, from an authority to certificates that can be looked at.

use crate::scratch;
use e2d_tests_cli::{Ended, Run};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn pki(folder: &Path, arguments: &[&str]) -> Ended {
    Run::new(folder, ["pki"].iter().chain(arguments)).end()
}

#[test]
fn from_an_authority_to_certificates() {
    let folder = scratch();
    let path = folder.path();
    let init = pki(path, &["init", "--key-type", "ecdsa"]);
    assert_eq!((init.code, init.stderr.as_str()), (0, ""));
    assert_eq!(init.stdout, "FILE    WHAT\nca.key  made\nca.crt  made\n");
    let gencerts = [
        "gencerts",
        "--hosts",
        "10.0.0.1,node.example.com",
        "--output-dir",
        "out",
        "--key-type",
        "ecdsa",
        "--client-role",
        "read",
    ];
    let made = pki(path, &gencerts);
    assert_eq!((made.code, made.stderr.as_str()), (0, ""));
    assert_eq!(made.stdout.matches(" made ").count(), 3, "{}", made.stdout);
    for stem in ["server", "peer", "client"] {
        let rights =
            |kind: &str| fs::metadata(path.join(format!("out/{stem}.{kind}"))).unwrap().permissions().mode() & 0o777;
        assert_eq!((rights("key"), rights("crt")), (0o600, 0o644), "{stem}");
    }
    // Twice is as good as once.
    let again = pki(path, &gencerts);
    assert_eq!((again.code, again.stdout.matches(" kept ").count()), (0, 3), "{again:#?}");

    let inspected = pki(path, &["inspect", "--output", "json"]);
    assert_eq!((inspected.code, inspected.stderr.as_str()), (0, ""));
    let json: serde_json::Value = serde_json::from_str(&inspected.stdout).unwrap();
    assert_eq!(json["files"].as_array().unwrap().len(), 8, "{json:#}");
    for text in ["10.0.0.1", "node.example.com", "localhost", "e2d:read"] {
        assert!(inspected.stdout.contains(text), "{text}");
    }
    assert!(!inspected.stdout.contains("PRIVATE KEY"));
    let table = pki(path, &["inspect", "out", "ca.crt"]);
    assert!(
        table.code == 0 && table.stdout.starts_with("FILE ") && table.stdout.contains("out/peer.crt"),
        "{table:#?}"
    );
}

#[test]
fn an_authority_is_never_overwritten() {
    let folder = scratch();
    assert_eq!(pki(folder.path(), &["init", "--key-type", "ecdsa"]).code, 0);
    let before = fs::read(folder.path().join("ca.key")).unwrap();
    let again = pki(folder.path(), &["init", "--key-type", "ecdsa"]);
    assert_eq!((again.code, again.stdout.as_str()), (1, ""));
    assert_eq!(fs::read(folder.path().join("ca.key")).unwrap(), before);
    insta::assert_snapshot!("pki_init_again", again.shown(folder.path()));
}

#[test]
fn without_an_authority_there_are_no_certificates() {
    let folder = scratch();
    let ended = pki(folder.path(), &["gencerts", "--hosts", "10.0.0.1"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    insta::assert_snapshot!("pki_gencerts_without_authority", ended.shown(folder.path()));
    let ended = pki(folder.path(), &["gencerts", "--hosts", "10.0.0.1:2379"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
}
