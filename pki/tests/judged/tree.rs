//! The tree of an etcd member: golden, judged by openssl, idempotent, and whole after any crash.

use crate::openssl::{Bench, days, hosts, leaves, now};
use e2d_pki::issue::{self, Action, Verdict};
use e2d_pki::{Authority, Existing, Host, KeyType, Leaf, Role, leaf};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

/// What happens to a folder, with a stranger's tree at hand.
type Damage = fn(&Bench, &Bench);

fn reasons(outcome: &issue::Outcome) -> Vec<String> {
    outcome.done.iter().map(ToString::to_string).collect()
}

/// Names, subjects, hosts, usages, modes; keys, serial numbers and fingerprints are masked by leaving
/// them out.
#[test]
fn the_golden_tree() {
    let bench = Bench::new();
    let authority = bench.authority(KeyType::Rsa2048);
    bench.issue(&authority, &leaf::etcd(&hosts(), KeyType::Rsa2048, Role::Operate), now());
    let mut tree = String::new();
    let mut names: Vec<_> = std::fs::read_dir(&bench.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in names {
        let name = name.into_string().unwrap();
        let mode = std::fs::metadata(bench.path(&name)).unwrap().permissions().mode() & 0o7777;
        let head = bench.text(&name).lines().next().unwrap().replace('-', "").replace("BEGIN ", "");
        tree = format!("{tree}{name} {mode:04o} {head}\n");
        if head == "CERTIFICATE" {
            let fields = "-subject -issuer -dates -ext subjectAltName,extendedKeyUsage,keyUsage,basicConstraints";
            let text = bench.openssl(&format!("x509 -noout -in {name} {fields}"));
            for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
                tree = format!("{tree}    {line}\n");
            }
        }
    }
    let expected = include_str!("tree.golden");
    assert_eq!(tree, expected, "the tree is now:\n{tree}");
}

#[test]
fn openssl_accepts_each_leaf_for_its_uses_and_no_other() {
    for key_type in [KeyType::Rsa2048, KeyType::EcdsaP256] {
        let bench = Bench::new();
        let authority = bench.authority(key_type);
        bench.issue(&authority, &leaf::etcd(&hosts(), key_type, Role::Operate), now());
        let verify = |at: Timestamp, options: &str| {
            let at = at.as_second();
            bench.try_openssl(&format!("verify -x509_strict -attime {at} -CAfile ca.crt {options}"))
        };
        for (leaf, purpose, accepted) in [
            ("server", "sslserver", true),
            ("server", "sslclient", true),
            ("peer", "sslserver", true),
            ("peer", "sslclient", true),
            ("client", "sslclient", true),
            ("client", "sslserver", false),
        ] {
            let said = verify(now(), &format!("-purpose {purpose} {leaf}.crt"));
            assert_eq!(said.is_ok(), accepted, "{leaf} as {purpose}: {said:?}");
        }
        for host in ["etcd.example.com", "localhost"] {
            verify(now(), &format!("-verify_hostname {host} server.crt")).unwrap();
        }
        for address in ["127.0.0.1", "::1", "10.0.0.1", "fd00::1"] {
            verify(now(), &format!("-verify_ip {address} peer.crt")).unwrap();
        }
        verify(now(), "-verify_hostname example.com server.crt").unwrap_err();
        verify(now(), "-verify_ip 10.0.0.2 server.crt").unwrap_err();
        // The clock: an hour of grace before, and a year after. openssl does not count the last second.
        let hour = SignedDuration::from_hours(1);
        let second = SignedDuration::from_secs(1);
        verify(now() - hour, "client.crt").unwrap();
        assert!(verify(now() - hour - second, "client.crt").unwrap_err().contains("not yet valid"));
        verify(now() + days(365) - second, "client.crt").unwrap();
        assert!(verify(now() + days(365) + second, "client.crt").unwrap_err().contains("has expired"));
        for leaf in ["server", "peer", "client"] {
            let of = |what: &str| bench.openssl(what);
            assert_eq!(of(&format!("x509 -in {leaf}.crt -noout -pubkey")), of(&format!("pkey -in {leaf}.key -pubout")));
            assert!(of(&format!("x509 -in {leaf}.crt -noout -text")).contains("Version: 3 (0x2)"));
        }
    }
}

#[test]
fn doing_it_again_does_nothing_until_a_third_of_the_life_is_left() {
    let bench = Bench::new();
    let authority = bench.authority(KeyType::EcdsaP256);
    let first = bench.issue(&authority, &leaves(), now());
    assert_eq!(first.done.len(), 3);
    let serials =
        || ["server", "peer", "client"].map(|leaf| bench.openssl(&format!("x509 -in {leaf}.crt -noout -serial")));
    let written = serials();
    let due = first.plan.wake_at.unwrap();
    let third = (days(365) + SignedDuration::from_hours(1)) / 3;
    assert_eq!(due, now() + days(365) - third);
    assert_eq!(bench.issue(&authority, &leaves(), due - SignedDuration::from_secs(1)).done, []);
    assert_eq!(serials(), written);
    let renewed = bench.issue(&authority, &leaves(), due);
    assert_eq!(renewed.done.len(), 3);
    assert!(reasons(&renewed)[0].ends_with("because it expires at 2027-11-22T12:00:00Z"), "{:?}", reasons(&renewed));
    assert!(serials().iter().all(|serial| !written.contains(serial)));
}

#[test]
fn whatever_is_wrong_with_a_leaf_is_seen_and_mended() {
    let stranger = Bench::new();
    let other = stranger.authority(KeyType::EcdsaP256);
    stranger.issue(&other, &leaves(), now());
    let one = |change: fn(Leaf) -> Leaf| leaves().into_iter().take(1).map(change).collect::<Vec<_>>();
    let same = one(|leaf| leaf);
    let no_damage: Damage = |_, _| {};
    let cases: Vec<(&str, Vec<Leaf>, Damage, SignedDuration)> = vec![
        ("server.crt is missing", same.clone(), |b, _| std::fs::remove_file(b.path("server.crt")).unwrap(), days(0)),
        ("server.key is missing", same.clone(), |b, _| std::fs::remove_file(b.path("server.key")).unwrap(), days(0)),
        ("server.key not PEM", same.clone(), |b, _| drop(b.put("server.key", "x")), days(0)),
        (
            "server.crt damaged PEM",
            same.clone(),
            |b, _| drop(b.put("server.crt", "-----BEGIN CERTIFICATE-----\n")),
            days(0),
        ),
        ("server.key does not belong", same.clone(), |b, s| drop(b.put("server.key", s.text("server.key"))), days(0)),
        (
            "not issued by this authority but by C=US",
            same.clone(),
            |b, s| {
                b.put("server.key", s.text("server.key"));
                b.put("server.crt", s.text("server.crt"));
            },
            days(0),
        ),
        (
            "its hosts are others",
            one(|leaf| leaf.serving(&BTreeSet::from([Host::Dns("new".into())]))),
            no_damage,
            days(0),
        ),
        (
            "its subject is another",
            one(|mut leaf| {
                leaf.subject = e2d_pki::Name::new("etcd server");
                leaf
            }),
            no_damage,
            days(0),
        ),
        (
            "its usages are others",
            one(|mut leaf| {
                leaf.usage = e2d_pki::Usage::Server;
                leaf
            }),
            no_damage,
            days(0),
        ),
        ("everybody on this machine could reach its key", same.clone(), |b, _| b.mode("server.key", 0o644), days(0)),
        ("it is not valid before 2026-11-22T11:00:00Z", same.clone(), no_damage, days(-2)),
        ("it expired at 2027-11-22T12:00:00Z", same.clone(), no_damage, days(400)),
    ];
    for (expected, wanted, damage, later) in cases {
        let bench = Bench::new();
        // Of an age that leaves room to go back in time.
        let files = bench.authority_files();
        let born = now() - days(30);
        let authority =
            Authority::init(&files, &Authority::default_name(), KeyType::EcdsaP256, Existing::Keep, None, born)
                .unwrap()
                .0;
        bench.issue(&authority, &same, now());
        damage(&bench, &stranger);
        let outcome = bench.issue(&authority, &wanted, now() + later);
        let done = reasons(&outcome);
        assert!(done.len() == 1 && done[0].contains(expected), "wanted {expected:?}, did {done:?}");
        assert_eq!(bench.issue(&authority, &wanted, now() + later).done, [], "{expected}");
        bench.openssl(&format!("verify -attime {} -CAfile ca.crt server.crt", (now() + later).as_second()));
        let mode = std::fs::metadata(bench.path("server.key")).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600);
    }
}

/// X.509 version 1, as the old system's scripts made every client certificate.
#[test]
fn a_version_1_certificate_is_replaced() {
    let bench = Bench::new();
    let authority = bench.authority(KeyType::EcdsaP256);
    bench.openssl("req -new -newkey rsa:2048 -nodes -keyout client.key -subj /O=e2d:operate/CN=client -out client.csr");
    bench.openssl("x509 -req -in client.csr -CA ca.crt -CAkey ca.key -set_serial 7 -days 365 -out client.crt");
    assert!(bench.openssl("x509 -in client.crt -noout -text").contains("Version: 1 (0x0)"));
    let wanted: Vec<_> = leaves().into_iter().filter(|leaf| leaf.stem == "client").collect();
    let outcome = bench.issue(&authority, &wanted, now());
    let [done] = &reasons(&outcome)[..] else { panic!("{:?}", outcome.plan) };
    assert!(done.ends_with("because it is not X.509 version 3"), "{done}");
    assert!(bench.openssl("x509 -in client.crt -noout -text").contains("Version: 3 (0x2)"));
}

#[test]
fn what_cannot_be_looked_at_is_left_alone() {
    let bench = Bench::new();
    let authority = bench.authority(KeyType::EcdsaP256);
    std::fs::create_dir(bench.path("server.crt")).unwrap();
    bench.put("server.key", "something that an operator put there");
    let outcome = bench.issue(&authority, &leaves()[..1], now());
    assert_eq!(outcome.done, []);
    assert!(
        matches!(&outcome.plan.report[0].1, Verdict::Unknown(why) if why.ends_with("server.crt is not a regular file"))
    );
    assert_eq!(bench.text("server.key"), "something that an operator put there");
}

#[test]
fn a_leaf_never_outlives_its_authority() {
    let bench = Bench::new();
    let authority = bench.authority(KeyType::EcdsaP256);
    let end = authority.certificate().validity.not_after;
    let late = end - days(100);
    let outcome = bench.issue(&authority, &leaves(), late);
    assert!(
        outcome.done.iter().all(|action| matches!(action, Action::Issue { validity, .. } if validity.not_after == end))
    );
    // It could only get the same end again, so it is not issued again and again.
    let last_day = bench.issue(&authority, &leaves(), end - days(1));
    assert_eq!(last_day.done, []);
    assert!(last_day.plan.report.iter().all(|(_, verdict)| *verdict == Verdict::AuthorityEnds(end)));
    let after = bench.issue(&authority, &leaves(), end + days(1));
    assert_eq!(after.done, []);
    assert!(after.plan.report.iter().all(|(_, verdict)| matches!(verdict, Verdict::AuthorityInvalid(_))));
}
