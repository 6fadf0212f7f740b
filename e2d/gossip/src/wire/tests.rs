//! The bytes of version 1, for ever; and what other bytes do.

use super::*;
use crate::identity::Peer;
use crate::items::Version;
use crate::packet::{self, Header, MAX_FRAME_BYTES, Sealer};
use e2d_core::id::{BootId, NodeId};
use proptest::prelude::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn identity() -> Identity {
    let addr = "10.1.2.3:7980".parse().unwrap();
    Identity { peer: Peer { node: NodeId(0x0102_0304_0506_0708), boot: BootId(0x1112), addr }, bump: 3 }
}

fn head() -> Head {
    Head { origin: NodeId(0x21), topic: 2, version: Version { bump: 1, boot: BootId(0x31), counter: 300 } }
}

fn messages() -> Vec<(Message<'static>, &'static str)> {
    let addr: SocketAddr = "[2001:db8::1]:7980".parse().unwrap();
    let challenge = Challenge { number: 0x0807_0605_0403_0201, addr };
    let word = Word { head: head(), gone_for_secs: 5, body: Blob(b"body") };
    let exchange = Exchange { id: 9, body: Blob(b"body") };
    let member = foca::Member::new(identity(), 7, foca::State::Suspect);
    let reply = HelloReply { echo: Some(challenge), challenge: None, from: identity(), exceed: Some(4) };
    vec![
        (
            Message::Hello(Hello { challenge, from: identity() }),
            "0181848ca0d0c0c183080120010db8000000000000000000000001ac3e888e98a8c0e08081019222000a010203ac3e03",
        ),
        (
            Message::HelloReply(reply),
            "020181848ca0d0c0c183080120010db8000000000000000000000001ac3e00888e98a8c0e08081019222000a010203ac3e030104",
        ),
        (Message::Swim(b"swim"), "037377696d"),
        (Message::Words(Words { hot: true, words: vec![word] }), "04010121020131ac020504626f6479"),
        (Message::Digest(Digest { items: 0x41, live: 0x42 }), "054142"),
        (Message::Sums(Blob(b"sums")), "060473756d73"),
        (Message::Heads(Heads { mask: 0x80, heads: vec![head()] }), "0780010121020131ac02"),
        (Message::Pull(vec![(NodeId(0x21), 2)]), "08012102"),
        (Message::Question(exchange), "090904626f6479"),
        (Message::Answer(exchange), "0a0904626f6479"),
        (Message::Members(vec![member]), "0b01888e98a8c0e08081019222000a010203ac3e030701"),
    ]
}

#[test]
fn the_bytes_of_version_1_never_change() {
    let (messages, golden): (Vec<_>, Vec<_>) = messages().into_iter().unzip();
    assert_eq!(messages.iter().map(|message| hex(&message.encode())).collect::<Vec<_>>(), golden);
    for message in messages {
        assert_eq!(Message::decode(&message.encode()), Ok(message));
    }
}

/// foca's packets are ours to keep stable, too.
#[test]
fn the_bytes_of_swim_never_change() {
    let header = foca::Header {
        src: identity(),
        src_incarnation: 1,
        dst: identity(),
        message: foca::Message::PingReq { target: identity(), probe_number: 9 },
    };
    let identity = "888e98a8c0e08081019222000a010203ac3e03";
    assert_eq!(hex(&postcard::to_allocvec(&header).unwrap()), format!("{identity}01{identity}02{identity}09"));
}

#[test]
fn a_sealed_packet_of_version_1_never_changes() {
    let secret = crate::keys::MasterSecret::new(vec![1; 32].into()).unwrap();
    let ring = crate::keys::Keyring::new(&secret, None).unwrap();
    let mut sealer = Sealer::new(&ring, NodeId(0x0102), BootId(0x0304)).unwrap();
    let packet = sealer.seal(Some(BootId(0x0506)), b"payload").unwrap();
    let header = "0115b758980000000000000102000000000000030400000000000005060000000000000001";
    assert_eq!(hex(&packet), format!("{header}0577add19e7ab7bf4bee6b294ce068bbd2c5171c061a35"));
    let header = Header::parse(&packet, 1200).unwrap();
    assert_eq!((header.to, header.counter), (Some(BootId(0x0506)), 1));
    assert_eq!(packet::open(&ring, &header, &packet).unwrap(), b"payload");
}

#[test]
fn a_later_program_may_add_kinds_and_fields() {
    for (message, _) in messages().into_iter().filter(|(message, _)| !matches!(message, Message::Swim(_))) {
        let longer = [message.encode(), vec![1, 2, 3]].concat();
        assert_eq!(Message::decode(&longer), Ok(message));
    }
    for kind in [0, 12, 255] {
        assert_eq!(Message::decode(&[kind, 1, 2]), Err(Unreadable::UnknownKind));
    }
    assert_eq!(Message::decode(&[]), Err(Unreadable::Malformed));
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..60), prop::collection::vec(any::<u8>(), 0..2_000)],
        kind in 0u8..13,
    ) {
        let after = |first: u8| [&[first], bytes.as_slice()].concat();
        for packet in [&bytes, &after(1)] {
            let _ = Header::parse(packet, MAX_FRAME_BYTES);
        }
        for payload in [&bytes, &after(kind), &vec![kind]] {
            let _ = Message::decode(payload);
        }
    }

    #[test]
    fn no_mutation_of_a_message_makes_the_decoder_panic(
        which in 0usize..11, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = messages()[which].0.encode();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert!(message.encode().len() <= bytes.len() + 1, "nothing is made up");
        }
    }

    #[test]
    fn a_header_comes_back(key in any::<[u8; 4]>(), node in any::<u64>(), boot in any::<u64>(), to in any::<u64>(), counter in any::<u64>()) {
        let to = Some(BootId(to)).filter(|boot| boot.0 != 0);
        let header = Header { key, node: NodeId(node), boot: BootId(boot), to, counter };
        let bytes = [header.bytes().as_slice(), &[0; 17]].concat();
        prop_assert_eq!(Header::parse(&bytes, bytes.len()), Ok(header));
        prop_assert_eq!(Header::parse(&bytes, bytes.len() - 1), Err(crate::counters::Rejection::Oversized));
    }
}
