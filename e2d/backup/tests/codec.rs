//! The codec as a pure function: what goes in comes out, and nothing else does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use e2d_backup::archive::{
    Archive, Check, Codec, Compression, DecodeError, EncodeError, Encoded, Manifest, ManifestError, Outcome,
    SnapshotForm, WrappedKey, decode, encode,
};
use e2d_core::id::{ArchiveId, Digest};
use proptest::prelude::*;
use std::io::{self, Read, Write};

const GOLDEN: &[u8] = include_bytes!("data/golden/manifest-v1.json");

fn golden() -> Manifest {
    Manifest::decode(GOLDEN).unwrap().manifest
}

fn manifest(encoded: Encoded) -> Manifest {
    Manifest { plain: encoded.plain, stored: encoded.stored, ..golden() }
}

/// Bytes that pass for a database: whole pages, and the magic number in its place.
fn database(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize((bytes.len() / 512 + 1) * 512, 7);
    bytes[16..20].copy_from_slice(&0xED0C_DAED_u32.to_le_bytes());
    bytes
}

fn with_digest(database: &[u8]) -> Vec<u8> {
    [database, &Digest::of(database).0].concat()
}

fn packed(database: &[u8], compression: Compression) -> (Manifest, Vec<u8>) {
    let (encoded, stored) =
        encode(&mut with_digest(database).as_slice(), SnapshotForm::WithDigest, compression, Vec::new()).unwrap();
    (manifest(encoded), stored)
}

fn unpacked(stored: &[u8], manifest: &Manifest) -> Result<Vec<u8>, DecodeError> {
    let mut plain = Vec::new();
    decode(stored, manifest, &mut plain).map(|()| plain)
}

/// Gives a few bytes at a time.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.1.min(buffer.len());
        (&mut self.0).take(size as u64).read(buffer)
    }
}

fn some_database() -> impl Strategy<Value = Vec<u8>> {
    let noise = prop::collection::vec(any::<u8>(), 0..3000);
    let repeated =
        (prop::collection::vec(any::<u8>(), 1..200), 1_usize..2000).prop_map(|(part, times)| part.repeat(times));
    prop_oneof![noise, repeated].prop_map(database)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_in_comes_out(database in some_database(), level in 1_i32..10, window in prop::option::of(20_u8..=25), step in 1_usize..70_000) {
        let compression = Compression { codec: Codec::Zstd, level, window_log: window };
        let snapshot = with_digest(&database);
        for (form, bytes) in [(SnapshotForm::WithDigest, &snapshot), (SnapshotForm::Bare, &database)] {
            let (encoded, stored) = encode(&mut Dribble(bytes, step), form, compression, Vec::new()).unwrap();
            prop_assert_eq!(encoded.plain.size_bytes, database.len() as u64);
            prop_assert_eq!(encoded.plain.sha256, Digest::of(&database));
            prop_assert_eq!(encoded.stored.sha256, Digest::of(&stored));
            let mut plain = Vec::new();
            decode(Dribble(&stored, step), &manifest(encoded), &mut plain).unwrap();
            prop_assert!(plain == database);
        }
    }

    /// S22, S15: one flipped bit anywhere, and it is not the archive any more, and why is said.
    #[test]
    fn a_flipped_bit_in_the_data_is_refused_by_its_digest(database in some_database(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let (manifest, mut stored) = packed(&database, Compression::default());
        let at = at.index(stored.len());
        stored[at] ^= 1 << bit;
        let refused = matches!(unpacked(&stored, &manifest), Err(DecodeError::StoredDigest { .. }));
        prop_assert!(refused);
    }

    /// The same for somebody who can also make the stored digest fit: zstd's own rules, the frame's
    /// checksum or the database's digest find it, or the flip changed nothing that was stored.
    #[test]
    fn a_flipped_bit_is_found_behind_a_fitting_digest_too(database in some_database(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let (mut manifest, mut stored) = packed(&database, Compression::default());
        let at = at.index(stored.len());
        stored[at] ^= 1 << bit;
        manifest.stored.sha256 = Digest::of(&stored);
        match unpacked(&stored, &manifest) {
            Ok(plain) => prop_assert!(plain == database),
            Err(error) => prop_assert!(error.is_damage(), "{error:?}"),
        }
    }

    #[test]
    fn cut_or_longer_data_is_refused_by_its_size(database in some_database(), at in any::<prop::sample::Index>(), more in 1_usize..9) {
        let (manifest, mut stored) = packed(&database, Compression::default());
        let cut = &stored[..at.index(stored.len())];
        let error = unpacked(cut, &manifest).unwrap_err();
        let refused = matches!(error, DecodeError::StoredSize { found_bytes, .. } if found_bytes == cut.len() as u64);
        prop_assert!(refused);
        stored.resize(stored.len() + more, 0);
        let refused = matches!(unpacked(&stored, &manifest), Err(DecodeError::StoredSize { .. }));
        prop_assert!(refused);
    }

    #[test]
    fn a_damaged_snapshot_is_not_archived(database in some_database(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut snapshot = with_digest(&database);
        let at = at.index(snapshot.len());
        snapshot[at] ^= 1 << bit;
        let encoded = encode(&mut snapshot.as_slice(), SnapshotForm::WithDigest, Compression::default(), io::sink());
        let refused = matches!(encoded, Err(EncodeError::Digest { .. } | EncodeError::NotADatabase));
        prop_assert!(refused);
    }

    /// S22: no bytes make the parser panic.
    #[test]
    fn damaged_manifests_never_panic(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>()) {
        let mut bytes = GOLDEN.to_vec();
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = Manifest::decode(&bytes);
        let _ = Manifest::decode(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn arbitrary_texts_are_no_manifests(text in ".{0,400}") {
        prop_assert!(Manifest::decode(text.as_bytes()).is_err());
    }
}

/// Every single bit of a manifest: it is refused, or it is another archive.
#[test]
fn a_flipped_bit_in_the_manifest_never_keeps_the_archives_name() {
    let original = Manifest::decode(GOLDEN).unwrap();
    for bit in 0..GOLDEN.len() * 8 {
        let mut bytes = GOLDEN.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(archive) = Manifest::decode(&bytes) {
            assert_ne!(archive.id, original.id, "bit {bit}");
        }
    }
}

/// The format's first version, as it was shipped. Neither the bytes nor the names may ever change.
#[test]
fn the_first_manifest_is_still_read_and_written() {
    let Archive { id, manifest } = Manifest::decode(GOLDEN).unwrap();
    assert_eq!(String::from_utf8(manifest.encode()).unwrap(), String::from_utf8(GOLDEN.to_vec()).unwrap());
    assert_eq!(id, ArchiveId("05acd0bd7aa81bc1797865526ad17d456300a03daf9ea3c1a3b8bec4c79f6b83".parse().unwrap()));
    assert_eq!(
        manifest.name().to_string(),
        "archives/00000000000000000003/00000000001000000014-0f0e0d0c0b0a09080706050403020100"
    );
}

#[test]
fn the_first_wrapped_key_is_still_read() {
    let bytes = include_bytes!("data/golden/key-v1.json");
    let key: WrappedKey = serde_json::from_slice(bytes).unwrap();
    assert_eq!((key.format, key.master_key_id.as_str()), (1, "backup-2026"));
    assert_eq!(serde_json::to_string_pretty(&key).unwrap() + "\n", String::from_utf8(bytes.to_vec()).unwrap());
}

#[test]
fn the_first_checks_are_still_read_and_written() {
    for (bytes, sound) in [
        (include_bytes!("data/golden/check-v1-sound.json").as_slice(), true),
        (include_bytes!("data/golden/check-v1-damaged.json").as_slice(), false),
    ] {
        let check: Check = serde_json::from_slice(bytes).unwrap();
        assert_eq!(matches!(check.outcome, Outcome::Sound(_)), sound);
        assert_eq!(serde_json::to_string_pretty(&check).unwrap() + "\n", String::from_utf8(bytes.to_vec()).unwrap());
    }
}

fn edited(from: &str, to: &str) -> Result<Archive, ManifestError> {
    let text = String::from_utf8(GOLDEN.to_vec()).unwrap();
    assert!(text.contains(from), "{from}");
    Manifest::decode(text.replace(from, to).as_bytes())
}

#[test]
fn what_a_newer_version_adds_is_ignored_but_covered_by_the_name() {
    let more = edited("\"format\": 1,", "\"format\": 1, \"shade\": {\"of\": [\"grey\", 50]},").unwrap();
    let golden = Manifest::decode(GOLDEN).unwrap();
    assert_eq!(more.manifest, golden.manifest);
    assert_ne!(more.id, golden.id);
}

#[test]
fn another_format_is_refused_before_anything_else_is_read() {
    assert_eq!(edited("\"format\": 1", "\"format\": 2").unwrap_err(), ManifestError::UnknownFormat(2));
    assert_eq!(Manifest::decode(br#"{"format": 7, "epoch": "seven"}"#).unwrap_err(), ManifestError::UnknownFormat(7));
}

#[test]
fn manifests_that_break_a_rule_are_refused() {
    let inconsistent = [
        ("\"epoch\": 3", "\"epoch\": 0"),
        ("\"revision\": 1000000014", "\"revision\": 0"),
        ("\"revision\": 1000000014", "\"revision\": -5"),
        ("\"3.6.16\"", "\"3.6.16\\n\""),
        ("\"size_bytes\": 102400", "\"size_bytes\": 102401"),
        ("\"size_bytes\": 102400", "\"size_bytes\": 0"),
        ("\"size_bytes\": 16384", "\"size_bytes\": 0"),
        ("\"level\": 1", "\"level\": 99"),
    ];
    for (from, to) in inconsistent {
        assert!(matches!(edited(from, to), Err(ManifestError::Inconsistent(_))), "{to}");
    }
    let malformed = [
        ("\"epoch\": 3", "\"epoch\": -3"),
        ("\"epoch\": 3", "\"epoch\": 3e99"),
        ("\"epoch\": 3", "\"epoch\": 3, \"epoch\": 4"),
        ("\"revision\": 1000000014", "\"revision\": 99999999999999999999"),
        ("\"size_bytes\": 102400", "\"size_bytes\": 18446744073709551616"),
        ("\"0f0e0d0c0b0a09080706050403020100\"", "\"../../../../etc/passwd\""),
        ("\"zstd\"", "\"lzma\""),
        ("2026-11-22", "2026-13-22"),
    ];
    for (from, to) in malformed {
        assert!(matches!(edited(from, to), Err(ManifestError::Malformed(_))), "{to}");
    }
    let deep = format!("{{\"format\": 1, \"x\": {}", "[".repeat(60_000));
    assert!(matches!(Manifest::decode(deep.as_bytes()), Err(ManifestError::Malformed(_))));
    assert!(matches!(Manifest::decode(&vec![b' '; 70_000]), Err(ManifestError::TooLarge(70_000))));
}

#[test]
fn an_encrypted_archive_is_refused_by_its_scheme() {
    let encryption = format!(
        "\"encryption\": {{\"scheme\": \"aes-256-gcm-stream\", \"frame_bytes\": 65536, \"data_key_id\": \"{}\"}}",
        Digest([1; 32])
    );
    let Archive { manifest, .. } = edited("\"encryption\": null", &encryption).unwrap();
    let error = unpacked(b"whatever", &manifest).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the archive is encrypted with aes-256-gcm-stream, which this e2d cannot read: use a newer one"
    );
    assert!(!error.is_damage());
}

/// Counts what it is given and keeps nothing.
#[derive(Default)]
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lying(stored: &[u8], plain_bytes: u64) -> Manifest {
    let mut manifest = golden();
    manifest.stored.size_bytes = stored.len() as u64;
    manifest.stored.sha256 = Digest::of(stored);
    manifest.plain.size_bytes = plain_bytes;
    manifest
}

/// S22: bytes that grow ten thousandfold grow no further than the manifest says.
#[test]
fn a_bomb_is_stopped_at_the_manifests_size() {
    let stored = zstd::encode_all(io::repeat(0).take(200 << 20), 1).unwrap();
    assert!(stored.len() < 100_000);
    let mut written = Counter::default();
    let error = decode(stored.as_slice(), &lying(&stored, 1 << 20), &mut written).unwrap_err();
    assert!(matches!(error, DecodeError::PlainSize { expected_bytes: 1_048_576, .. }), "{error:?}");
    assert!(written.0 <= 1 << 20, "{} bytes were written", written.0);
}

#[test]
fn a_window_that_takes_too_much_memory_is_refused() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    io::copy(&mut io::repeat(1).take(1 << 20), &mut encoder).unwrap();
    let stored = encoder.finish().unwrap();
    let error = unpacked(&stored, &lying(&stored, 1 << 20)).unwrap_err();
    assert!(matches!(error, DecodeError::Compression(_)), "{error:?}");
}

#[test]
fn whatever_follows_the_frame_is_refused() {
    let (mut manifest, stored) = packed(&database(vec![1; 5000]), Compression::default());
    for tail in [b"x".to_vec(), stored.clone(), vec![0; 100_000]] {
        let longer = [stored.clone(), tail].concat();
        manifest.stored.size_bytes = longer.len() as u64;
        manifest.stored.sha256 = Digest::of(&longer);
        assert!(matches!(unpacked(&longer, &manifest), Err(DecodeError::Trailing)));
    }
}

#[test]
fn a_database_that_is_not_the_manifests_is_refused_by_its_digest() {
    let (good, stored) = packed(&database(vec![1; 5000]), Compression::default());
    let mut manifest = good.clone();
    manifest.plain.sha256 = Digest([9; 32]);
    assert!(matches!(unpacked(&stored, &manifest), Err(DecodeError::PlainDigest { .. })));
    let mut manifest = good;
    manifest.plain.size_bytes += 512;
    assert!(matches!(unpacked(&stored, &manifest), Err(DecodeError::PlainSize { .. })));
}

/// A store or a disk that fails says nothing about the archive.
#[test]
fn trouble_with_either_side_is_no_damage() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the network is gone"))
        }
    }
    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is full"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (manifest, stored) = packed(&database(vec![1; 500_000]), Compression::default());
    let error = decode(stored[..10].chain(Failing), &manifest, &mut io::sink()).unwrap_err();
    assert!(matches!(&error, DecodeError::Stored(source) if source.to_string() == "the network is gone"), "{error:?}");
    assert!(!error.is_damage());
    let error = decode(stored.as_slice(), &manifest, &mut Failing).unwrap_err();
    assert!(matches!(error, DecodeError::Plain(_)) && !error.is_damage());
}
