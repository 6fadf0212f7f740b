//! The seeds that are made by the program's own writers are what they write.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use bytes::Bytes;
use e2d_core::id::{ArchiveId, BootId, ClusterId, Digest, Epoch, LineageId, MemberId, NodeId, Nonce, Revision};
use e2d_core::lineage::{Claim, ClaimKind, FORMAT, Founder, Lineage, LineageState, Recorded, Source};
use e2d_core::memory::{self, Heard, Identity, Phase, Place, Recall, State};
use e2d_core::time::Moment;
use e2d_core::word::{EtcdWord, Invitation, Known, KvHash, Progress, StoreWord, Word};
use e2d_gossip::{Engine, Input, Keyring, Settings, Timing};
use std::net::SocketAddr;
use std::path::Path;

fn lineage() -> Lineage {
    let founder = |n: u64| Founder {
        node: NodeId(n),
        name: format!("host{n}-{}", NodeId(n)),
        peer_url: format!("https://10.0.0.{n}:2380"),
    };
    let claim = Claim {
        nonce: Nonce(17),
        by: NodeId(1),
        kind: ClaimKind::Restore,
        founders: vec![founder(1), founder(2), founder(3)],
        source: Some(Source {
            archive: ArchiveId(Digest::of(b"x")),
            epoch: Epoch(1),
            revision: Revision(7),
            bump: 1_000_000_000,
        }),
        evidence: vec!["member 5: sealed at seq 4".to_owned()],
        adopted: None,
    };
    let member = Recorded {
        node: Some(NodeId(1)),
        member: MemberId(5),
        peer_url: "https://10.0.0.1:2380".to_owned(),
        instance: Some("i-1".to_owned()),
        machine: Some("m".to_owned()),
        mounted: true,
        learner: false,
        started: true,
    };
    Lineage {
        format: FORMAT,
        lineage: LineageId(0xabc),
        seq: 9,
        nonce: Nonce(34),
        epoch: Epoch(2),
        state: LineageState::Live,
        claim,
        members: vec![member],
        pinned: None,
        history: vec![],
    }
}

fn word(place: Place) -> Word {
    Word {
        name: "host1".to_owned(),
        peer_url: "https://10.0.0.1:2380".to_owned(),
        former: vec![NodeId(8)],
        phase: Phase::Member,
        place: Some(place),
        start: 3,
        known: Some(Known { lineage: LineageId(0xabc), epoch: Epoch(2), seq: 9, state: LineageState::Live }),
        store: StoreWord::Lineage(LineageId(0xabc)),
        etcd: EtcdWord::Open,
        progress: Some(Progress { term: 2, index: 30, revision: Revision(20), leads: true, serves: true }),
        hash: Some(KvHash { revision: Revision(20), compacted: Revision(7), hash: 1 }),
        invitation: Some(Invitation {
            node: NodeId(4),
            epoch: Epoch(2),
            claim: Nonce(17),
            cluster: ClusterId(6),
            member: MemberId(7),
            members: vec![("host1".to_owned(), "https://10.0.0.1:2380".to_owned())],
        }),
        ..Word::default()
    }
}

/// The first packet of a node that looks for others.
fn greeting() -> Vec<u8> {
    let settings = Settings {
        node: NodeId(2),
        boot: BootId(2),
        addr: SocketAddr::from(([10, 0, 0, 2], 7980)),
        keys: Keyring::insecure().unwrap(),
        timing: Timing::default(),
    };
    let mut engine = Engine::new(settings, Moment::default(), 7).unwrap();
    let seeds = vec![SocketAddr::from(([10, 0, 0, 1], 7980))];
    engine.handle(Moment::default(), Input::Publish { topic: 0, body: Bytes::from_static(b"word") });
    engine.handle(Moment::default(), Input::Seeds(seeds)).sends.remove(0).bytes.to_vec()
}

/// With `E2D_FUZZ_SEEDS` they are written anew, as after a change of a format.
#[test]
fn seeds_are_what_the_writers_write() {
    let place = Place {
        lineage: LineageId(0xabc),
        epoch: Epoch(2),
        claim: Nonce(17),
        cluster: ClusterId(6),
        member: MemberId(5),
        archive: None,
    };
    let identity = Identity { node: NodeId(1), machine: "m".to_owned(), mounted: true, former: vec![NodeId(8)] };
    let state = State { phase: Phase::Member, place: Some(place), start: 3, opened: true, ..State::default() };
    let mut recall = Recall { lineage: Some(lineage()), members: lineage().members, ..Recall::default() };
    recall.addresses.insert(NodeId(2), "10.0.0.2:7980".to_owned());
    recall.hear(NodeId(2), Heard { start: 1, boot: Some(BootId(2)), term: 2, index: 30 });
    let seeds = [
        ("lineage/restored", lineage().encode("mark")),
        ("memory/identity", memory::encode(&identity)),
        ("memory/state", memory::encode(&state)),
        ("memory/seen", memory::encode(&recall)),
        ("word/member", word(place).encode()),
        ("packet/greeting", greeting()),
    ];
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora");
    for (name, bytes) in seeds {
        if std::env::var_os("E2D_FUZZ_SEEDS").is_some() {
            std::fs::write(corpora.join(name), &bytes).unwrap();
        }
        assert!(std::fs::read(corpora.join(name)).unwrap() == bytes, "{name}: write it anew with E2D_FUZZ_SEEDS=1");
    }
}
