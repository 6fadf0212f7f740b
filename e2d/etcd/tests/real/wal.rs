//! Real logs, damaged in every way that comes to a random generator's mind.

use crate::rig::{Node, Parts, put};
use camino::Utf8Path;
use e2d_etcd::datadir::{Contents, inspect};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

on_each_version!(a_damaged_log_is_judged_and_never_believed);

#[derive(Clone, Debug)]
enum Harm {
    Cut,
    Zero(usize),
    Write(Vec<u8>),
    Repeat(usize),
}

async fn a_damaged_log_is_judged_and_never_believed(parts: Parts) {
    let mut node = Node::new(&parts, "n0");
    let client = node.serve().await;
    put(&client, 30).await;
    node.stop().await;
    let whole = node.data();
    let name = node.newest_segment().file_name().unwrap().to_owned();
    let mut bytes = std::fs::read(node.newest_segment()).unwrap();
    let used = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    // Enough of what is preallocated for a torn end.
    bytes.truncate(used.next_multiple_of(512) + 512);

    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let data_dir = Utf8Path::from_path(dir.path()).unwrap();
    std::fs::create_dir_all(data_dir.join("member/wal")).unwrap();
    std::fs::create_dir_all(data_dir.join("member/snap")).unwrap();
    std::fs::write(data_dir.join("member/snap/db"), b"").unwrap();
    let segment = data_dir.join("member/wal").join(name);
    std::fs::write(&segment, &bytes).unwrap();
    let as_found = match inspect(data_dir, None).unwrap() {
        Contents::Member(data) => data,
        other => panic!("{other:?}"),
    };
    assert_eq!((as_found.last, as_found.hard_state), (whole.last, whole.hard_state));

    let harm = prop_oneof![
        Just(Harm::Cut),
        (1_usize..2000).prop_map(Harm::Zero),
        prop::collection::vec(any::<u8>(), 1..16).prop_map(Harm::Write),
        (1_usize..400).prop_map(Harm::Repeat),
    ];
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let judged = runner.run(&(0..used, harm), |(at, harm)| {
        let mut bytes = bytes.clone();
        match &harm {
            Harm::Cut => bytes.truncate(at),
            Harm::Zero(count) => bytes[at..used.min(at + count)].fill(0),
            Harm::Write(with) => {
                for (place, byte) in bytes[at..].iter_mut().zip(with) {
                    *place = *byte;
                }
            }
            Harm::Repeat(count) => {
                let part = bytes[at..used.min(at + count)].to_vec();
                bytes.splice(at..at, part);
            }
        }
        std::fs::write(&segment, &bytes).unwrap();
        match inspect(data_dir, None).unwrap() {
            Contents::Member(data) => {
                prop_assert_eq!((data.cluster, data.member), (whole.cluster, whole.member));
                prop_assert!(data.last.index <= whole.last.index, "{:?}", data);
                prop_assert!(data.hard_state.commit <= whole.hard_state.commit, "{:?}", data);
                // A shorter log says that it is one, unless nothing is left behind a record.
                let shorter = data.last < whole.last;
                prop_assert!(
                    !shorter || data.torn.is_some() || matches!(harm, Harm::Cut | Harm::Zero(_)),
                    "{:?}",
                    data
                );
            }
            Contents::Damaged(_) => {}
            other => prop_assert!(false, "{:?}", other),
        }
        Ok(())
    });
    judged.unwrap();
}
