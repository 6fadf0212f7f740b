//! What an etcd dies of, and what its data directory shows before.

use crate::rig::{Node, Parts, get, put, until};
use e2d_etcd::child::{Cause, Exit};
use e2d_etcd::datadir::Contents;
use e2d_etcd::launch::{Extra, Gate, Start, Tls};
use e2d_etcd::scrape;
use e2d_etcd::version::Minor;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

on_each_version!(
    what_is_misconfigured_is_named,
    a_flipped_byte_in_the_log,
    a_torn_end_of_the_log,
    a_damaged_length_in_the_log,
    a_damaged_database,
    data_of_a_newer_etcd,
);

async fn what_is_misconfigured_is_named(parts: Parts) {
    let mut node = Node::new(&parts, "n0");
    let taken = std::net::TcpListener::bind(node.launch.peer.listen[0].authority()).unwrap();
    let exit = node.dies().await;
    assert_eq!((exit.cause, exit.code), (Cause::PortInUse, Some(1)), "{exit:?}");
    drop(taken);

    node.launch.extra = Extra::parse(["no-such-flag=1"]).unwrap();
    let exit = node.dies().await;
    assert_eq!((exit.cause, exit.code), (Cause::BadFlag, Some(2)), "{exit:?}");
    assert_eq!(exit.lines, ["flag provided but not defined: -no-such-flag"]);
    node.launch.extra = Extra::default();

    let (ip, port) = crate::rig::address();
    node.launch.gate = Gate::Open;
    node.launch.client.listen = vec![format!("https://{ip}:{port}").parse().unwrap()];
    let missing = node.launch.data_dir.join("none.pem");
    node.launch.client_tls = Some(Tls { certificate: missing.clone(), key: missing.clone(), authority: missing });
    let exit = node.dies().await;
    assert_eq!((exit.cause, exit.code), (Cause::Certificate, Some(1)), "{exit:?}");

    // Whatever came before, it can serve.
    node.launch.client.listen = node.launch.client.advertise.clone();
    node.launch.client_tls = None;
    node.serve().await;
}

/// A member with twenty keys, stopped in order.
async fn stopped(parts: &Parts) -> Node {
    let mut node = Node::new(parts, "n0");
    let client = node.serve().await;
    put(&client, 20).await;
    node.stop().await;
    node.launch.start = Start::Resume;
    node
}

/// Where the frames of the newest segment begin.
fn frames(node: &Node) -> (File, Vec<u64>) {
    let file = File::options().read(true).write(true).open(node.newest_segment()).unwrap();
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        let mut length = [0; 8];
        file.read_exact_at(&mut length, at).unwrap();
        let length = u64::from_le_bytes(length);
        if length == 0 {
            return (file, found);
        }
        found.push(at);
        at += 8 + (length & 0xff_ffff_ffff) + if length >> 63 == 1 { length >> 56 & 7 } else { 0 };
    }
}

/// etcd finds corrupt data, and so did we, before, with a word on where.
async fn both_find(node: &mut Node, what: &str) -> Exit {
    let ids = match node.inspect() {
        Contents::Damaged(damage) => {
            assert!(damage.what.contains(what), "{damage:?}");
            damage.ids
        }
        other => panic!("{other:?}"),
    };
    assert!(ids.is_some(), "it is known whose data that was");
    node.dies().await
}

async fn a_flipped_byte_in_the_log(parts: Parts) {
    let mut node = stopped(&parts).await;
    let (file, frames) = frames(&node);
    let mut byte = [0];
    // The end of a record's data: its sum stands before, at most seven bytes of padding behind.
    let at = frames[frames.len() / 2 + 1] - 9;
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();
    let exit = both_find(&mut node, "does not fit its sum").await;
    assert_eq!(exit.cause, Cause::DataCorrupt, "{exit:?}");
}

async fn a_torn_end_of_the_log(parts: Parts) {
    let mut node = stopped(&parts).await;
    let whole = node.data();
    let (file, frames) = frames(&node);
    let last = *frames.last().unwrap();
    file.set_len(last + 12).unwrap();
    let torn = node.data();
    assert_eq!(torn.torn.clone().unwrap().offset, last);
    assert!(torn.last <= whole.last && torn.hard_state.commit <= whole.hard_state.commit);
    // A crash leaves this, and etcd lives with it.
    node.serve().await;
    node.stop().await;
    assert_eq!(node.data().torn, None);
}

/// The one kind of damage that etcd itself does not see from 3.5 on: it cuts the log there, and runs on as if what
/// stood behind had never been acknowledged, or hangs because its database knows better. This is no behaviour that we
/// want; it is here so that a change of it is noticed.
async fn a_damaged_length_in_the_log(parts: Parts) {
    let mut node = stopped(&parts).await;
    let (file, frames) = frames(&node);
    let middle = frames[frames.len() / 2];
    file.write_all_at(&[0x7f], middle + 5).unwrap();
    match node.inspect() {
        Contents::Damaged(damage) => assert!(damage.what.contains("intact records stand behind it"), "{damage:?}"),
        other => panic!("{other:?}"),
    }
    match parts.minor {
        Minor::V3_4 => assert_eq!(node.dies().await.cause, Cause::DataCorrupt),
        Minor::V3_5 | Minor::V3_6 | Minor::V3_7 => {
            node.start();
            until("a leader", async || {
                assert!(!node.child().has_ended(), "{:?}", node.child().ended().await);
                match scrape::metrics(&node.launch.data_dir, Duration::from_secs(5)).await {
                    Ok(metrics) if metrics.is_leader == Some(true) => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            })
            .await;
            node.stop().await;
            assert!(matches!(node.inspect(), Contents::Member(_)), "the damage is gone, and so is the log behind it");
        }
    }
}

async fn a_damaged_database(parts: Parts) {
    let mut node = stopped(&parts).await;
    let database = File::options().write(true).open(node.launch.data_dir.join("member/snap/db")).unwrap();
    database.write_all_at(&[0xaa; 8192], 0).unwrap();
    let exit = node.dies().await;
    assert_eq!((exit.cause, exit.code), (Cause::DataCorrupt, Some(2)), "{exit:?}");
    assert!(exit.lines.iter().any(|line| line.contains("failed to open database")), "{exit:?}");
    database.set_len(8192).unwrap();
    let exit = node.dies().await;
    assert_eq!(exit.cause, Cause::DataCorrupt, "{exit:?}");
    // The whole log is there and no snapshot was taken yet, so that even without a database nothing is lost.
    std::fs::remove_file(node.launch.data_dir.join("member/snap/db")).unwrap();
    assert_eq!(node.data().database_bytes, None);
    let client = node.serve().await;
    assert_eq!(get(&client, "k19").await.as_deref(), Some("v19"));
}

async fn data_of_a_newer_etcd(parts: Parts) {
    let newer = match parts.minor {
        Minor::V3_4 => Minor::V3_5,
        Minor::V3_5 => Minor::V3_6,
        Minor::V3_6 => Minor::V3_7,
        // Nothing newer is known.
        Minor::V3_7 => return,
    };
    let mut node = stopped(&Parts::of(newer).await).await;
    assert!(!node.data().is_newer_than(node.program.version));
    node.program = parts.programs.etcd;
    assert!(node.data().is_newer_than(node.program.version));
    let exit = node.dies().await;
    assert_eq!((exit.cause, exit.code), (Cause::NewerData, Some(1)), "{exit:?}");
}
