//! Loading an identity: every way in which files can be wrong has its own message.

use crate::openssl::{Bench, days, leaves, now};
use e2d_pki::{Identity, IdentityError, IdentityFiles, KeyType, Usage, Warning};
use std::net::{IpAddr, Ipv4Addr};

/// Where the certificates of the tests are valid.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn files(bench: &Bench, stem: &str) -> IdentityFiles {
    IdentityFiles {
        certificate: bench.path(&format!("{stem}.crt")),
        key: bench.path(&format!("{stem}.key")),
        authorities: vec![bench.path("ca.crt")],
    }
}

fn tree() -> Bench {
    let bench = Bench::new();
    let authority = bench.authority(KeyType::EcdsaP256);
    bench.issue(&authority, &leaves(), now());
    bench
}

/// The error's sentence and its causes, with the folder left out.
fn told(bench: &Bench, files: &IdentityFiles) -> String {
    let error = Identity::load(files, now()).unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text.replace(&format!("{}/", bench.folder), "")
}

#[test]
fn a_good_identity_has_no_warnings() {
    let bench = tree();
    for stem in ["server", "peer", "client"] {
        let identity = Identity::load(&files(&bench, stem), now()).unwrap();
        assert_eq!(identity.warnings(), []);
        assert_eq!(identity.certificate().subject.common_name(), format!("etcd {stem}"));
    }
}

#[test]
fn a_certificate_serves_for_what_it_says() {
    let bench = tree();
    let accepted = |stem: &str, usage, host: IpAddr| {
        let identity = Identity::load(&files(&bench, stem), now()).unwrap();
        identity.is_accepted(usage, host, now()).map_err(|error| error.to_string())
    };
    assert_eq!(accepted("peer", Usage::ServerAndClient, HERE), Ok(()));
    assert_eq!(accepted("client", Usage::Client, HERE), Ok(()));
    for usage in [Usage::Server, Usage::ServerAndClient] {
        assert!(accepted("client", usage, HERE).unwrap_err().contains("extended key usage"));
        let elsewhere = accepted("peer", usage, Ipv4Addr::new(10, 9, 9, 9).into()).unwrap_err();
        assert!(elsewhere.contains("not valid for name \"10.9.9.9\""), "{elsewhere}");
    }
}

#[test]
fn each_fault_is_named() {
    let bench = tree();
    let stranger = tree();
    let good = files(&bench, "server");
    let with = |change: &dyn Fn(&mut IdentityFiles)| {
        let mut files = good.clone();
        change(&mut files);
        told(&bench, &files)
    };
    assert_eq!(with(&|f| f.key = bench.path("no.key")), "no.key does not exist");
    assert_eq!(with(&|f| f.certificate = bench.path("no.crt")), "no.crt does not exist");
    assert_eq!(with(&|f| f.authorities[0] = bench.path("no.crt")), "no.crt does not exist");
    assert_eq!(with(&|f| f.authorities.clear()), "no authority is given, so nobody could be trusted");
    bench.put("text.crt", "hello");
    assert_eq!(
        with(&|f| f.certificate = bench.path("text.crt")),
        "text.crt cannot be used: not PEM: no line starts with -----BEGIN"
    );
    assert_eq!(
        with(&|f| f.certificate = bench.path("server.key")),
        "server.key cannot be used: holds no CERTIFICATE section"
    );
    bench.mode("server.crt", 0o600);
    assert_eq!(
        with(&|f| f.key = bench.path("server.crt")),
        "server.crt cannot be used: holds no private key (RSA PRIVATE KEY, EC PRIVATE KEY or PRIVATE KEY)"
    );
    bench.put("damaged.crt", "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n");
    assert_eq!(
        with(&|f| f.certificate = bench.path("damaged.crt")),
        "damaged.crt cannot be used: not an X.509 certificate, or a damaged one"
    );
    assert_eq!(
        with(&|f| f.key = bench.path("peer.key")),
        "the private key peer.key does not belong to the certificate server.crt"
    );
    assert_eq!(
        with(&|f| f.authorities[0] = bench.path("peer.crt")),
        "peer.crt holds the certificate of O=etcd, CN=etcd peer, which is no authority's"
    );
    bench.put("other.crt", stranger.text("ca.crt"));
    let mut strange = good.clone();
    strange.authorities[0] = bench.path("other.crt");
    let strange = Identity::load(&strange, now()).unwrap();
    assert!(strange.is_accepted(Usage::Server, HERE, now()).unwrap_err().to_string().contains("BadSignature"));

    bench.openssl("pkcs8 -topk8 -in server.key -out locked.key -passout pass:x");
    bench.mode("locked.key", 0o600);
    assert_eq!(
        with(&|f| f.key = bench.path("locked.key")),
        "locked.key cannot be used: the private key is encrypted; decrypt it first: openssl pkey -in FILE -out NEW-FILE"
    );
    bench.openssl("genpkey -algorithm x25519 -out agreement.key");
    bench.mode("agreement.key", 0o600);
    assert_eq!(with(&|f| f.key = bench.path("agreement.key")), "agreement.key holds a private key that cannot be used");
    bench.openssl("req -new -key server.key -subj /CN=one -out one.csr");
    bench.openssl("x509 -req -in one.csr -CA ca.crt -CAkey ca.key -set_serial 7 -days 365 -out one.crt");
    assert_eq!(
        with(&|f| f.certificate = bench.path("one.crt")),
        "one.crt is X.509 version 1, and only version 3 is accepted: issue it anew"
    );
}

#[test]
fn dates_are_told() {
    let bench = tree();
    let at = |now| Identity::load(&files(&bench, "server"), now).unwrap_err().to_string();
    let path = bench.path("server.crt");
    assert_eq!(at(now() + days(366)), format!("{path} expired at 2027-11-22T12:00:00Z; it is 2027-11-23T12:00:00Z"));
    assert_eq!(
        at(now() - days(1)),
        format!("{path} is not valid before 2026-11-22T11:00:00Z; it is 2026-11-21T12:00:00Z")
    );
    // An authority outlives its leaves, unless it is another's.
    let old = Bench::new();
    let long_ago = now() - days(3700);
    let authority = e2d_pki::Authority::create(&e2d_pki::Name::new("old"), KeyType::EcdsaP256, long_ago).unwrap();
    old.put("ca.crt", authority.certificate_pem());
    let mut expired = files(&bench, "server");
    expired.authorities = vec![old.path("ca.crt")];
    let error = Identity::load(&expired, now()).unwrap_err();
    assert!(matches!(&error, IdentityError::Expired { path, .. } if *path == old.path("ca.crt")), "{error}");
    expired.authorities.push(bench.path("ca.crt"));
    let identity = Identity::load(&expired, now()).unwrap();
    assert!(matches!(identity.warnings(), [Warning::AuthorityNotValid { .. }]), "{:?}", identity.warnings());
}

/// S19. The rule is in the documentation of `Exposure`.
#[test]
fn a_key_that_everybody_can_reach_is_refused_and_a_groups_is_not() {
    let bench = tree();
    let files = files(&bench, "server");
    for mode in [0o644, 0o604, 0o602, 0o666] {
        bench.mode("server.key", mode);
        let error = Identity::load(&files, now()).unwrap_err();
        assert!(matches!(error, IdentityError::Exposed { mode: told, .. } if told == mode), "{mode:o}: {error}");
    }
    for mode in [0o640, 0o660] {
        bench.mode("server.key", mode);
        let identity = Identity::load(&files, now()).unwrap();
        assert!(matches!(identity.warnings(), [Warning::GroupCanReachKey { mode: told, .. }] if *told == mode));
    }
}

/// An operator's own certificates may have keys of types that are not made here, and intermediates.
#[test]
fn keys_and_chains_of_others_are_taken() {
    let bench = Bench::new();
    bench.openssl("genpkey -algorithm ed25519 -out ca.key");
    bench.openssl("req -x509 -new -key ca.key -days 3650 -subj /CN=root -out ca.crt");
    bench.put("ca.ext", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n");
    bench.put("leaf.ext", "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost\n");
    bench.openssl("ecparam -name secp384r1 -genkey -noout -out middle.key");
    bench.openssl("req -new -key middle.key -subj /CN=middle -out middle.csr");
    bench.openssl(
        "x509 -req -in middle.csr -CA ca.crt -CAkey ca.key -set_serial 1 -days 999 -extfile ca.ext -out middle.crt",
    );
    bench.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out server.key");
    bench.openssl("req -new -key server.key -subj /CN=server -out server.csr");
    bench.openssl("x509 -req -in server.csr -CA middle.crt -CAkey middle.key -set_serial 2 -days 99 -extfile leaf.ext -out server.crt");
    bench.put("server.crt", bench.text("server.crt") + &bench.text("middle.crt"));
    let today = jiff::Timestamp::now();
    let identity = Identity::load(&files(&bench, "server"), today).unwrap();
    assert_eq!(identity.warnings(), []);
    assert_eq!(identity.certificate().key, "RSA 3072");
}
