//! The reader of the log against logs made for it: whole, torn, damaged, hostile.

use super::super::crc32c;
use super::segment::Record;
use super::*;
use proptest::prelude::*;

const CLUSTER: u64 = 0xc1;
const MEMBER: u64 = 0x3e;

/// Writes segments as etcd does.
struct Writer {
    bytes: Vec<u8>,
    crc: u32,
}

impl Writer {
    fn first() -> Self {
        let mut writer = Self::after(0);
        writer.put(5, &SnapshotRecord { index: 0, term: 0 });
        writer
    }

    /// A segment that follows one which ended with this sum.
    fn after(crc: u32) -> Self {
        let mut writer = Self { bytes: Vec::new(), crc };
        writer.frame(&Record { kind: 4, crc, data: Vec::new() });
        writer.put(1, &Metadata { node: MEMBER, cluster: CLUSTER });
        writer
    }

    fn put(&mut self, kind: i64, message: &impl Message) {
        let data = message.encode_to_vec();
        self.crc = crc32c::extend(self.crc, &data);
        self.frame(&Record { kind, crc: self.crc, data });
    }

    fn entry(&mut self, term: u64, index: u64, data: &[u8]) {
        self.put(2, &Entry { kind: 0, term, index, data: data.to_vec() });
    }

    fn state(&mut self, term: u64, commit: u64) {
        self.put(3, &State { term, vote: MEMBER, commit });
    }

    fn frame(&mut self, record: &Record) {
        let record = record.encode_to_vec();
        let padding = (8 - record.len() % 8) % 8;
        let top = if padding == 0 { 0 } else { (0x80 | padding as u64) << 56 };
        self.bytes.extend((record.len() as u64 | top).to_le_bytes());
        self.bytes.extend(record);
        self.bytes.extend(std::iter::repeat_n(0, padding));
    }

    /// The segment as it is on the disk, with room for more.
    fn preallocated(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes.resize(bytes.len() + 4096, 0);
        bytes
    }
}

fn read_segments(segments: &[(u64, &[u8])]) -> Result<Wal, WalError> {
    let dir = tempfile::tempdir().unwrap();
    for (sequence, bytes) in segments {
        std::fs::write(dir.path().join(format!("{sequence:016x}-{:016x}.wal", 0)), bytes).unwrap();
    }
    std::fs::write(dir.path().join("0.tmp"), b"next").unwrap();
    read(Utf8Path::from_path(dir.path()).unwrap())
}

fn damage(result: Result<Wal, WalError>) -> (u64, String) {
    match result.unwrap_err() {
        WalError::Damaged { offset, what, .. } => (offset, what),
        other => panic!("{other}"),
    }
}

/// Ten entries of 300 bytes, each with the commit of the one before.
fn ten() -> Writer {
    let mut writer = Writer::first();
    for index in 1..=10 {
        writer.entry(2, index, &[b'x'; 300]);
        writer.state(2, index - 1);
    }
    writer
}

#[test]
fn the_last_words_count() {
    let wal = read_segments(&[(0, &ten().preallocated())]).unwrap();
    assert_eq!((wal.cluster, wal.member), (ClusterId(CLUSTER), MemberId(MEMBER)));
    assert_eq!(wal.last, Position { term: 2, index: 10 });
    assert_eq!(wal.hard_state, HardState { term: 2, vote: Some(MemberId(MEMBER)), commit: 9 });
    assert_eq!(wal.torn, None);
}

#[test]
fn an_entry_that_lost_its_leader_is_written_over() {
    let mut writer = ten();
    writer.entry(3, 9, b"other");
    writer.state(3, 8);
    assert_eq!(read_segments(&[(0, &writer.bytes)]).unwrap().last, Position { term: 3, index: 9 });
}

#[test]
fn a_snapshot_from_the_leader_moves_the_end() {
    let mut writer = ten();
    writer.put(5, &SnapshotRecord { index: 500, term: 4 });
    let before = read_segments(&[(0, &writer.bytes)]).unwrap();
    assert_eq!(before.last.index, 10, "it was not committed when etcd stopped");
    writer.state(4, 500);
    let wal = read_segments(&[(0, &writer.bytes)]).unwrap();
    assert_eq!((wal.last, wal.snapshot.index), (Position { term: 4, index: 500 }, 500));
    writer.entry(4, 501, b"");
    assert_eq!(read_segments(&[(0, &writer.bytes)]).unwrap().last.index, 501);
}

#[test]
fn segments_are_one_chain() {
    let first = ten();
    let mut second = Writer::after(first.crc);
    second.entry(2, 11, b"");
    let wal = read_segments(&[(4, &first.bytes), (5, &second.bytes)]).unwrap();
    assert_eq!(wal.last.index, 11);
    assert_eq!(read_segments(&[(5, &second.bytes)]).unwrap().last.index, 11, "older ones are deleted in time");

    let what = |result| damage(result).1;
    assert_eq!(what(read_segments(&[(3, &first.bytes), (5, &second.bytes)])), "the segment before it is missing");
    let stranger = Writer::after(first.crc ^ 1);
    let error = what(read_segments(&[(4, &first.bytes), (5, &stranger.bytes)]));
    assert_eq!(error, "it does not go on where the segment before it ends");
    // Only the newest segment may end in a torn record.
    let cut = &first.bytes[..first.bytes.len() - 20];
    assert_eq!(what(read_segments(&[(4, cut), (5, &second.bytes)])), "a record is not whole, and later segments exist");
}

#[test]
fn another_members_segment_is_found() {
    let first = ten();
    let mut second = Writer { bytes: Vec::new(), crc: first.crc };
    second.frame(&Record { kind: 4, crc: first.crc, data: Vec::new() });
    second.put(1, &Metadata { node: MEMBER + 1, cluster: CLUSTER });
    assert_eq!(damage(read_segments(&[(0, &first.bytes), (1, &second.bytes)])).1, "segments of different members");
}

#[test]
fn missing_entries_are_found() {
    let mut writer = ten();
    writer.entry(2, 12, b"");
    assert_eq!(damage(read_segments(&[(0, &writer.bytes)])).1, "entries are missing");
}

#[test]
fn a_flipped_byte_is_damage_and_says_whose() {
    let writer = ten();
    let mut bytes = writer.preallocated();
    let middle = writer.bytes.len() / 2;
    bytes[middle] ^= 0xff;
    match read_segments(&[(0, &bytes)]).unwrap_err() {
        WalError::Damaged { offset, what, ids, .. } => {
            assert!(offset <= middle as u64 && offset > middle as u64 - 400, "{offset}");
            assert_eq!(what, "a record does not fit its sum");
            assert_eq!(ids, Some((ClusterId(CLUSTER), MemberId(MEMBER))));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_damaged_length_does_not_pass_for_a_torn_end() {
    let writer = ten();
    let whole = read_segments(&[(0, &writer.bytes)]).unwrap();
    let fifth = frames(&writer.bytes)[8];
    for wrong in [u64::MAX >> 8, 1 << 20, 0] {
        let mut bytes = writer.preallocated();
        bytes[fifth..fifth + 8].copy_from_slice(&wrong.to_le_bytes());
        let (offset, what) = damage(read_segments(&[(0, &bytes)]));
        assert_eq!(
            (offset, what.as_str()),
            (fifth as u64, "a record is not whole, and intact records stand behind it")
        );
    }
    assert_eq!(whole.last.index, 10);
}

/// Where frames begin.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((length, _)) = bytes.get(at..).and_then(|rest| rest.split_first_chunk::<8>()) {
        found.push(at);
        let length = u64::from_le_bytes(*length);
        at += 8 + (length & 0xff_ffff_ffff) as usize + if length >> 63 == 1 { (length >> 56 & 7) as usize } else { 0 };
    }
    found
}

#[test]
fn the_cluster_version_is_read_in_both_forms() {
    let mut writer = ten();
    let old = OldProposal { method: "PUT".to_owned(), path: "/0/version".to_owned(), value: "3.5.0".to_owned() };
    writer.entry(2, 11, &old.encode_to_vec());
    assert_eq!(read_segments(&[(0, &writer.bytes)]).unwrap().cluster_version, Some((3, 5)));
    let new = Proposal { cluster_version: Some(ClusterVersion { version: "3.6.0".to_owned() }) };
    writer.entry(2, 12, &new.encode_to_vec());
    assert_eq!(read_segments(&[(0, &writer.bytes)]).unwrap().cluster_version, Some((3, 6)));
}

#[test]
fn a_sparse_giant_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("0000000000000000-0000000000000000.wal");
    let mut bytes = ten().bytes;
    bytes.extend((1_u64 << 39).to_le_bytes());
    std::fs::write(&path, &bytes).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    let error = damage(read(Utf8Path::from_path(dir.path()).unwrap()));
    assert_eq!(error.1, "a record is larger than 128 MiB");
    std::fs::write(&path, ten().bytes).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    let error = damage(read(Utf8Path::from_path(dir.path()).unwrap()));
    assert_eq!(error.1, "more than 1 GiB stands behind the last record");
}

proptest! {
    /// Whatever of the newest segment a crash kept, it is a shorter log and never damage.
    #[test]
    fn any_cut_is_a_shorter_log(cut in 0_usize..4000, preallocated: bool) {
        let mut writer = ten();
        let whole = writer.bytes.len();
        // The last entry stands before the last state; its padding says nothing.
        let [.., entry, state] = frames(&writer.bytes)[..] else { unreachable!() };
        let padding = usize::from(writer.bytes[entry + 7] & 7);
        let mut cut = cut.min(whole);
        // What was never written reads as zeros, sector by sector.
        if preallocated {
            cut -= cut % 512;
            writer.bytes.truncate(cut);
            writer.bytes.resize(whole + 512, 0);
        } else {
            writer.bytes.truncate(cut);
        }
        match read_segments(&[(0, &writer.bytes)]) {
            Ok(wal) => {
                prop_assert!(wal.last.index <= 10 && wal.hard_state.commit <= wal.last.index);
                let kept = if preallocated { cut + padding >= state } else { cut >= state };
                prop_assert_eq!(wal.last.index == 10, kept);
            }
            // Before the metadata there is no telling whose it is.
            Err(WalError::Damaged { what, .. }) => prop_assert_eq!(what, "it does not say whose it is"),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn noise_is_judged(bytes: Vec<u8>) {
        let _ = read_segments(&[(0, &bytes)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Nothing that stands on a disk makes it panic, invents entries, or makes it somebody else's.
    #[test]
    fn hostile_bytes_are_judged(
        at in 0_usize..4000,
        near in prop::option::of((0_usize..4, 0_usize..32)),
        with in prop_oneof![prop::collection::vec(any::<u8>(), 1..4), prop::collection::vec(any::<u8>(), 1..40)],
        sequence in any::<u64>(),
    ) {
        let writer = ten();
        let mut bytes = writer.preallocated();
        // Often where it stands whose the log is, and what was said last.
        let [_, metadata, snapshot, .., entry, state] = frames(&writer.bytes)[..] else { unreachable!() };
        let at = near.map_or(at, |(frame, within)| [metadata, snapshot, entry, state][frame] + within);
        for (offset, byte) in with.iter().enumerate() {
            if let Some(place) = bytes.get_mut(at + offset) {
                *place = *byte;
            }
        }
        if let Ok(wal) = read_segments(&[(sequence, &bytes)]) {
            prop_assert_eq!((wal.cluster, wal.member), (ClusterId(CLUSTER), MemberId(MEMBER)));
            prop_assert!(wal.last.index <= 10 && wal.last.term <= 2 && wal.hard_state.commit <= 9);
        }
    }
}
