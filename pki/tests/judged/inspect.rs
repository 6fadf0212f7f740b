//! What `inspect` tells of good and bad files.

use crate::openssl::{Bench, days, leaves, now};
use camino::Utf8PathBuf;
use e2d_pki::inspect::{self, Content, PrivateKeyFile, Verdict, inspect};
use e2d_pki::{Authority, Exposure, KeyType, Name};

fn tree() -> Bench {
    let bench = Bench::new();
    let authority = bench.authority(KeyType::EcdsaP256);
    bench.issue(&authority, &leaves(), now());
    bench
}

fn look(bench: &Bench) -> inspect::Inspection {
    inspect(std::slice::from_ref(&bench.folder), now())
}

/// File name to verdict, for certificates.
fn verdict(inspection: &inspect::Inspection, name: &str) -> (Verdict, PrivateKeyFile) {
    let file = inspection.files.iter().find(|file| file.path.file_name() == Some(name)).unwrap();
    match &file.content {
        Content::Certificates { certificates } => {
            (certificates[0].verdict.clone(), certificates[0].private_key.clone())
        }
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_good_tree_is_shown_as_such() {
    let bench = tree();
    let inspection = look(&bench);
    let names: Vec<_> = inspection.files.iter().filter_map(|file| file.path.file_name()).collect();
    assert_eq!(
        names,
        ["ca.crt", "ca.key", "client.crt", "client.key", "peer.crt", "peer.key", "server.crt", "server.key"]
    );
    assert_eq!(verdict(&inspection, "ca.crt"), (Verdict::Authority, PrivateKeyFile::Found(bench.path("ca.key"))));
    for leaf in ["client", "peer", "server"] {
        let expected =
            (Verdict::Trusted(bench.path("ca.crt")), PrivateKeyFile::Found(bench.path(&format!("{leaf}.key"))));
        assert_eq!(verdict(&inspection, &format!("{leaf}.crt")), expected);
    }
    assert!(inspection.files.iter().all(|file| file.exposure.is_none()));

    let table = inspect::table(&inspection, now()).replace(&format!("{}/", bench.folder), "");
    let lines: Vec<Vec<&str>> =
        table.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect();
    assert_eq!(lines[0][..3], ["FILE", "KIND", "SUBJECT"]);
    let fingerprint = bench.openssl("x509 -in server.crt -noout -fingerprint -sha256");
    let fingerprint = fingerprint.trim().split_once('=').unwrap().1.replace(':', "").to_lowercase();
    let serial = bench.openssl("x509 -in server.crt -noout -serial").trim().replace("serial=", "").to_lowercase();
    assert_eq!(
        lines[7],
        [
            "server.crt",
            "certificate",
            "O=etcd, CN=etcd server",
            "C=US, ST=MA, L=Boston, O=Critical Stack, CN=e2d-ca",
            "etcd.example.com,localhost,10.0.0.1,127.0.0.1,::1,fd00::1",
            "server,client",
            "2026-11-22T11:00:00Z",
            "2027-11-22T12:00:00Z",
            &serial,
            &fingerprint[..16],
            "ECDSA P-256 in server.key",
            "0644",
            "trusted by ca.crt, 365 days left",
        ]
    );
    assert_eq!(
        lines[8],
        ["server.key", "private key", "-", "-", "-", "-", "-", "-", "-", "-", "-", "0600", "of server.crt"]
    );

    let json: serde_json::Value = serde_json::from_str(&inspect::json(&inspection)).unwrap();
    assert_eq!(json["format"], 1);
    let server = &json["files"][6];
    assert_eq!(server["content"]["kind"], "certificates");
    let certificate = &server["content"]["certificates"][0];
    assert_eq!(certificate["fingerprint_sha256"], fingerprint);
    assert_eq!(certificate["verdict"]["state"], "trusted");
    assert_eq!(certificate["not_after"], "2027-11-22T12:00:00Z");
    assert_eq!(certificate["extended_usages"], serde_json::json!(["server-auth", "client-auth"]));
    assert_eq!(certificate["private_key"]["state"], "found");
}

#[test]
fn every_fault_is_an_answer_and_ends_nothing() {
    let bench = tree();
    let stranger = tree();
    let path = |name| bench.path(name);
    bench.put("swapped.crt", bench.text("server.crt"));
    std::fs::remove_file(path("server.crt")).unwrap();
    bench.put("client.key", stranger.text("client.key"));
    bench.put("stranger.crt", stranger.text("peer.crt"));
    bench.put("orphan.crt", {
        let other = Bench::new();
        let authority = Authority::create(&Name::new("elsewhere"), KeyType::EcdsaP256, now()).unwrap();
        other.issue(&authority, &leaves(), now());
        other.text("peer.crt")
    });
    bench.put("noise.pem", [0xff; 64]);
    bench.put("empty.crt", "");
    bench.put("torn.crt", "-----BEGIN CERTIFICATE-----\nAAAA");
    bench.put("ignored.txt", "not looked at");
    bench.openssl("pkcs8 -topk8 -in peer.key -out locked.key -passout pass:x");
    bench.mode("peer.key", 0o644);
    bench.mode("ca.key", 0o640);
    std::fs::create_dir(path("deep")).unwrap();
    bench.put("deep/one.crt", bench.text("peer.crt"));
    let mut paths = vec![bench.folder.clone(), Utf8PathBuf::from("/nowhere.crt"), path("ignored.txt")];
    paths.push("/dev/zero".into());
    let inspection = inspect(&paths, now());

    let file = |name: &str| inspection.files.iter().find(|file| file.path.as_str().ends_with(name)).unwrap();
    let why = |name: &str| match &file(name).content {
        Content::Unknown { why } | Content::UnusableKey { why } => why.replace(&format!("{}/", bench.folder), ""),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(why("noise.pem"), "not PEM: no line starts with -----BEGIN");
    assert_eq!(why("empty.crt"), "not PEM: no line starts with -----BEGIN");
    assert_eq!(why("torn.crt"), "damaged PEM: a section has no end or is not base64");
    assert_eq!(why("ignored.txt"), "not PEM: no line starts with -----BEGIN");
    assert_eq!(why("/nowhere.crt"), "/nowhere.crt does not exist");
    assert_eq!(why("/dev/zero"), "/dev/zero is not a regular file");
    assert!(why("locked.key").starts_with("the private key is encrypted"));
    assert_eq!(verdict(&inspection, "swapped.crt").1, PrivateKeyFile::Found(path("server.key")));
    assert_eq!(verdict(&inspection, "client.crt").1, PrivateKeyFile::Another(path("client.key")));
    assert_eq!(verdict(&inspection, "one.crt").0, Verdict::Trusted(path("ca.crt")));
    // The same name, another key: as a second run of the old program's `pki init` leaves it.
    assert!(matches!(verdict(&inspection, "stranger.crt").0, Verdict::Refused(_)));
    assert_eq!(verdict(&inspection, "orphan.crt").0, Verdict::AuthorityAbsent);
    assert_eq!((file("peer.key").exposure, file("ca.key").exposure), (Some(Exposure::World), Some(Exposure::Group)));
    let table = inspect::table(&inspection, now());
    assert!(
        table.contains("0644 EVERYBODY") && table.contains("0640 group") && table.contains(", NOT client.key"),
        "{table}"
    );
    serde_json::from_str::<serde_json::Value>(&inspect::json(&inspection)).unwrap();
}

#[test]
fn time_and_version_make_a_verdict() {
    let bench = tree();
    let at = |now| verdict(&inspect(std::slice::from_ref(&bench.folder), now), "server.crt").0;
    assert_eq!(at(now() - days(1)), Verdict::NotYetValid);
    assert_eq!(at(now() + days(366)), Verdict::Expired);
    bench.openssl("req -new -key client.key -subj /CN=one -out one.csr");
    bench.openssl("x509 -req -in one.csr -CA ca.crt -CAkey ca.key -set_serial 7 -days 3650 -out one.crt");
    let today = jiff::Timestamp::now();
    let inspection = inspect(std::slice::from_ref(&bench.folder), today.max(now()));
    assert_eq!(
        verdict(&inspection, "one.crt").0,
        Verdict::Refused("X.509 version 1: strict verifiers take version 3 only".into())
    );
}

/// A certificate may come from anybody.
#[test]
fn a_terminal_is_not_obeyed() {
    let bench = Bench::new();
    bench.openssl("ecparam -name prime256v1 -genkey -noout -out ca.key");
    bench.put("c", "[req]\ndistinguished_name=n\nprompt=no\nstring_mask=utf8only\n[n]\nCN=a\u{1b}[2J\n");
    bench.openssl("req -x509 -new -key ca.key -config c -days 9 -out ca.crt");
    let table = inspect::table(&look(&bench), now());
    assert!(table.contains(r"CN=a\u{1b}[2J") && !table.contains('\u{1b}'), "{table}");
}
