//! Authorities: what openssl reads in ours, and that we read and use openssl's.

use crate::openssl::{Bench, leaves, now};
use e2d_pki::{Authority, AuthorityFiles, Existing, KeyType, Name, SaveError, Saved};
use std::os::unix::fs::PermissionsExt;

fn parts(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

#[test]
fn openssl_reads_an_authority_as_it_was_meant() {
    for (key_type, algorithm, key) in [
        (KeyType::Rsa2048, "sha256WithRSAEncryption", "Public-Key: (2048 bit)"),
        (KeyType::EcdsaP256, "ecdsa-with-SHA256", "Public-Key: (256 bit)"),
    ] {
        let bench = Bench::new();
        bench.authority(key_type);
        let text = bench.openssl("x509 -in ca.crt -noout -text");
        let lines = parts(&text);
        for expected in [
            "Version: 3 (0x2)",
            "Issuer: C = US, ST = MA, L = Boston, O = Critical Stack, CN = e2d-ca",
            "Subject: C = US, ST = MA, L = Boston, O = Critical Stack, CN = e2d-ca",
            "Not Before: Nov 22 11:00:00 2026 GMT",
            "Not After : Nov 19 12:00:00 2036 GMT",
            "X509v3 Subject Key Identifier:",
            key,
        ] {
            assert!(lines.contains(&expected), "{expected} is not in {text}");
        }
        assert!(text.contains(algorithm));
        let after = |head: &str| lines[lines.iter().position(|line| *line == head).unwrap() + 1];
        assert_eq!(after("X509v3 Key Usage: critical"), "Certificate Sign, CRL Sign");
        assert_eq!(after("X509v3 Basic Constraints: critical"), "CA:TRUE, pathlen:0");
        bench.openssl("verify -x509_strict -attime 1795348800 -CAfile ca.crt ca.crt");
        bench.openssl("pkey -in ca.key -check -noout");
    }
}

#[test]
fn the_key_of_an_authority_is_written_as_the_old_program_reads_it() {
    let bench = Bench::new();
    bench.authority(KeyType::Rsa2048);
    assert!(bench.text("ca.key").starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
    // The same bytes as openssl's own.
    assert_eq!(bench.openssl("rsa -in ca.key -traditional"), bench.text("ca.key"));
    let mode = |name| std::fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("ca.key"), mode("ca.crt")), (0o600, 0o644));
}

/// Every form in which a key can lie on an old cluster's disk, each with its certificate by openssl.
#[test]
fn an_authority_made_by_openssl_issues_leaves_that_openssl_verifies() {
    for (make_key, label) in [
        ("genrsa -traditional -out ca.key 2048", "-----BEGIN RSA PRIVATE KEY-----"),
        ("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out ca.key", "-----BEGIN PRIVATE KEY-----"),
        ("ecparam -name prime256v1 -genkey -out ca.key", "-----BEGIN EC PARAMETERS-----"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key", "-----BEGIN PRIVATE KEY-----"),
    ] {
        let bench = Bench::new();
        bench.openssl(make_key);
        assert!(bench.text("ca.key").starts_with(label), "{make_key}");
        // Encodings of names, order of attributes and key identifier (SHA-1) as openssl chooses them.
        bench.openssl(
            "req -x509 -new -key ca.key -days 3650 -addext keyUsage=critical,keyCertSign -subj /CN=old/O=Thunder/OU=sys/C=US/emailAddress=a@b.c -out ca.crt",
        );
        let authority = Authority::load(&bench.authority_files()).unwrap();
        let today = authority.certificate().validity.not_before + jiff::SignedDuration::from_hours(2);
        let outcome = bench.issue(&authority, &leaves(), today);
        assert_eq!(outcome.done.len(), 3, "{:?}", outcome.plan);
        for leaf in ["server", "peer", "client"] {
            bench.openssl(&format!("verify -x509_strict -attime {} -CAfile ca.crt {leaf}.crt", today.as_second()));
        }
    }
}

#[test]
fn an_authority_that_cannot_be_named_exactly_is_refused_before_it_issues() {
    let bench = Bench::new();
    bench.openssl("ecparam -name prime256v1 -genkey -noout -out ca.key");
    bench.openssl("req -x509 -new -key ca.key -days 9 -subj /OU=a/OU=b/CN=two-units -out ca.crt");
    let error = Authority::from_pem(bench.text("ca.crt").as_bytes(), bench.text("ca.key").as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the subject OU=a, OU=b, CN=two-units has a form that cannot be repeated as an issuer"
    );
}

#[test]
fn what_is_no_authority_is_told_apart() {
    let bench = Bench::new();
    let authority = bench.authority(KeyType::EcdsaP256);
    bench.issue(&authority, &leaves(), now());
    let load = |certificate: &str, key: &str| {
        let error = Authority::from_pem(bench.text(certificate).as_bytes(), bench.text(key).as_bytes()).unwrap_err();
        match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        }
    };
    assert_eq!(
        load("ca.crt", "server.key"),
        "the private key does not belong to the certificate of C=US, ST=MA, L=Boston, O=Critical Stack, CN=e2d-ca"
    );
    assert_eq!(
        load("server.crt", "server.key"),
        "the certificate of O=etcd, CN=etcd server is not an authority's: it says CA:FALSE, or its key usage lacks keyCertSign"
    );
    for (extension, name) in [("basicConstraints=CA:FALSE", "leaf"), ("keyUsage=cRLSign", "no-signer")] {
        bench.put("req.conf", "[req]\ndistinguished_name=n\n[n]\n");
        let constraint = if name == "leaf" { "" } else { "-addext basicConstraints=CA:TRUE" };
        bench.openssl(&format!(
            "req -x509 -config req.conf -key server.key -subj /CN={name} {constraint} -addext {extension} -out self.crt"
        ));
        let error = load("self.crt", "server.key");
        assert!(error.starts_with(&format!("the certificate of CN={name} is not an authority's")), "{error}");
    }
    assert_eq!(load("ca.key", "ca.key"), "the authority's certificate cannot be read: holds no CERTIFICATE section");
    assert_eq!(
        load("ca.crt", "ca.crt"),
        "the authority's private key cannot be used: holds no private key (RSA PRIVATE KEY, EC PRIVATE KEY or PRIVATE KEY)"
    );
    for (make, name) in [
        ("pkcs8 -topk8 -in ca.key -out locked.key -passout pass:x", "PKCS#8"),
        ("ec -in ca.key -aes256 -out locked.key -passout pass:x", "SEC1"),
    ] {
        bench.openssl(make);
        let error = load("ca.crt", "locked.key");
        assert!(error.contains("the private key is encrypted; decrypt it first"), "{name}: {error}");
    }
    bench.openssl("genpkey -algorithm ed25519 -out other.key");
    assert!(load("ca.crt", "other.key").contains("not an RSA key of 2048 to 8192 bits and not an ECDSA key on P-256"));
    bench.openssl("genrsa -out small.key 1024");
    assert!(load("ca.crt", "small.key").contains("not an RSA key of 2048 to 8192 bits"));
}

/// While one authority follows another, `ca.crt` holds both.
#[test]
fn of_a_bundle_the_certificate_of_the_key_is_taken() {
    let (old, new) = (Bench::new(), Bench::new());
    old.authority(KeyType::EcdsaP256);
    let authority = new.authority(KeyType::EcdsaP256);
    let bundle = old.text("ca.crt") + &new.text("ca.crt");
    let loaded = Authority::from_pem(bundle.as_bytes(), new.text("ca.key").as_bytes()).unwrap();
    assert_eq!(loaded.certificate().serial, authority.certificate().serial);
}

#[test]
fn an_existing_authority_is_never_written_over_unasked() {
    let bench = Bench::new();
    let files = AuthorityFiles { certificate: bench.path("tls/ca.crt"), key: bench.path("tls/ca.key") };
    let init =
        |existing| Authority::init(&files, &Authority::default_name(), KeyType::EcdsaP256, existing, None, now());
    let both = || (bench.text("tls/ca.crt"), bench.text("tls/ca.key"));
    let (first, saved) = init(Existing::Keep).unwrap();
    assert_eq!(saved, Saved::Created);
    let written = both();

    let error = init(Existing::Keep).unwrap_err();
    assert!(matches!(&error, SaveError::Exists(path) if *path == bench.path("tls/ca.key")), "{error}");
    assert_eq!(both(), written);

    // As a crash between the two files leaves it.
    std::fs::remove_file(bench.path("tls/ca.crt")).unwrap();
    let (completed, saved) = init(Existing::Keep).unwrap();
    assert_eq!((saved, bench.text("tls/ca.key")), (Saved::Completed, written.1.clone()));
    assert_eq!(completed.certificate().public_key_info(), first.certificate().public_key_info());

    std::fs::remove_file(bench.path("tls/ca.key")).unwrap();
    let without_key = bench.text("tls/ca.crt");
    assert!(matches!(init(Existing::Keep).unwrap_err(), SaveError::KeyElsewhere { .. }));
    assert_eq!(bench.text("tls/ca.crt"), without_key);
    assert!(!bench.path("tls/ca.key").exists());

    bench.put("tls/ca.key", &written.1);
    let (_, saved) = init(Existing::Replace).unwrap();
    assert_eq!(saved, Saved::Replaced);
    assert_eq!((bench.text("tls/ca.crt.old"), bench.text("tls/ca.key.old")), (without_key, written.1.clone()));
    assert_ne!(bench.text("tls/ca.key"), written.1);
    Authority::load(&files).unwrap();
}

/// S19.
#[test]
fn a_key_that_everybody_can_reach_issues_nothing() {
    let bench = Bench::new();
    bench.authority(KeyType::EcdsaP256);
    for (mode, accepted) in [(0o600, true), (0o640, true), (0o644, false)] {
        bench.mode("ca.key", mode);
        assert_eq!(Authority::load(&bench.authority_files()).is_ok(), accepted, "{mode:o}");
    }
}

/// RFC 5280 forbids two certificates of one issuer with one serial number.
#[test]
fn serial_numbers_are_random_and_128_bits_wide() {
    let bench = Bench::new();
    let mut serials = std::collections::BTreeSet::new();
    let mut bits = [0_u32; 2];
    for index in 0..40 {
        let authority = Authority::create(&Name::new("x"), KeyType::EcdsaP256, now()).unwrap();
        if index == 0 {
            bench.put("ca.crt", authority.certificate_pem());
            let printed = bench.openssl("x509 -in ca.crt -noout -serial").trim().to_lowercase();
            let printed = printed.trim_start_matches("serial=").trim_start_matches('0').to_owned();
            assert_eq!(printed, authority.certificate().serial.trim_start_matches('0'));
        }
        let serial = u128::from_str_radix(&authority.certificate().serial, 16).unwrap();
        bits = [bits[0] + (serial >> 127) as u32, bits[1] + (serial & 1) as u32];
        assert!(serials.insert(serial));
    }
    // A fair coin shows one face 40 times out of 40 less than once in 10^11.
    assert!(bits.iter().all(|ones| (1..40).contains(ones)), "{bits:?}");
}
