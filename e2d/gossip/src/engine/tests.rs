//! What a peer that holds the key, but is broken or ill-willed, can do: nothing that panics or grows.

use super::*;
use crate::keys::MasterSecret;
use crate::wire::{Digest, Heads};
use proptest::prelude::*;

fn settings(n: u8) -> Settings {
    let keys = Keyring::new(&MasterSecret::new(vec![1; 32].into()).unwrap(), None).unwrap();
    let addr = SocketAddr::from(([10, 0, 0, n], 7980));
    Settings { node: NodeId(n.into()), boot: BootId(u64::from(n) + 100), addr, keys, timing: Timing::default() }
}

/// Two engines that know each other.
fn pair() -> (Engine, Engine) {
    let now = Moment(1_000_000);
    let [mut a, mut b] = [1, 2].map(|n| Engine::new(settings(n), now, n.into()).unwrap());
    let mut flying = a.handle(now, Input::Seeds(vec![settings(2).addr])).sends;
    while let Some(send) = flying.pop() {
        let (to, from) = if send.to == a.me().addr { (&mut a, &b) } else { (&mut b, &a) };
        let input = Input::Datagram { from: from.me().addr, bytes: send.bytes };
        flying.extend(to.handle(now, input).sends);
    }
    assert_eq!([a.peers().count(), b.peers().count()], [1, 1]);
    (a, b)
}

fn give(to: &mut Engine, from: &mut Engine, payload: &[u8]) -> Output {
    let bytes = from.sealer.seal(Some(to.me().boot), payload).unwrap().into();
    to.handle(Moment(1_000_001), Input::Stream { bytes })
}

#[test]
fn an_unusable_setting_is_named() {
    let new = |settings| Engine::new(settings, Moment(0), 1).err().map(|error| error.to_string());
    assert_eq!(new(Settings { boot: BootId(0), ..settings(1) }).unwrap(), "boot id 0 is reserved");
    for addr in ["0.0.0.0:7980", "10.0.0.1:0", "[::]:7980", "224.0.0.1:7980"] {
        let error = new(Settings { addr: addr.parse().unwrap(), ..settings(1) }).unwrap();
        assert_eq!(error, format!("{addr} cannot be advertised: peers need a concrete address and port"));
    }
    assert_eq!(new(settings(1)), None);
}

#[test]
fn an_unknown_kind_is_counted_and_harms_nothing() {
    let (mut a, mut b) = pair();
    let output = give(&mut a, &mut b, &[200, 1, 2, 3]);
    assert_eq!((output.sends.len(), output.events.len()), (0, 0));
    assert_eq!(a.counters().rejected(Rejection::UnknownKind), 1);
    assert_eq!(a.peers().count(), 1);
}

#[test]
fn only_a_hello_may_be_bound_to_nobody() {
    let (mut a, mut b) = pair();
    let question = Exchange { id: 1, body: Blob(b"?") };
    for message in [Message::Question(question), Message::Digest(Digest { items: 1, live: 1 })] {
        let bytes: Bytes = b.sealer.seal(None, &message.encode()).unwrap().into();
        let from = b.me().addr;
        let outputs = [Input::Datagram { from, bytes: bytes.clone() }, Input::Stream { bytes }]
            .map(|input| a.handle(Moment(1_000_001), input));
        assert!(outputs.iter().all(|output| output.sends.is_empty() && output.events.is_empty()));
    }
    assert_eq!(a.counters().rejected(Rejection::Unbound), 4);
}

#[test]
fn members_without_number_do_not_fill_the_table() {
    let (mut a, mut b) = pair();
    for block in 0..60u32 {
        let members = (0..200).map(|n| {
            let addr = SocketAddr::from((((11 << 24) + block * 200 + n).to_be_bytes(), 7980));
            let peer = Peer { node: NodeId(n.into()), boot: BootId(1), addr };
            foca::Member::alive(Identity { peer, bump: 0 })
        });
        give(&mut a, &mut b, &Message::Members(members.collect()).encode());
    }
    assert!(a.peers().count() <= 4096, "{}", a.peers().count());
    assert!(a.counters().rejected(Rejection::Full) > 0);
}

#[test]
fn asking_for_everything_costs_a_bounded_answer() {
    let (mut a, mut b) = pair();
    for topic in 0..8 {
        a.handle(Moment(1_000_001), Input::Publish { topic, body: vec![0; MAX_ITEM_BYTES].into() });
    }
    let pull = Message::Pull(vec![(NodeId(1), 0); 5_000]).encode();
    let sent: usize = give(&mut a, &mut b, &pull).sends.iter().map(|send| send.bytes.len()).sum();
    assert!(sent <= 17 * 66 * 1024, "{sent} bytes");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn no_payload_of_a_peer_makes_the_engine_panic(
        payloads in prop::collection::vec((0u8..14, prop::collection::vec(any::<u8>(), 0..200)), 1..8),
    ) {
        let (mut a, mut b) = pair();
        for (kind, bytes) in payloads {
            let output = give(&mut a, &mut b, &[vec![kind], bytes].concat());
            prop_assert!(output.sends.len() < 100);
        }
        a.handle(Moment(3_000_000), Input::Tick);
    }

    #[test]
    fn no_mutation_of_a_swim_packet_makes_the_engine_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        kind in 0u32..11,
        members in 0u16..4,
    ) {
        let (mut a, mut b) = pair();
        let (me, other) = (a.me, b.me);
        let header = foca::Header { src: other, src_incarnation: 0, dst: me, message: swim_message(kind, me, other) };
        let mut packet = postcard::to_allocvec(&header).unwrap();
        packet.extend(members.to_be_bytes());
        for n in 0..members {
            let member = foca::Member::new(if n == 0 { me } else { other }, n, foca::State::Suspect);
            packet.extend(postcard::to_allocvec(&member).unwrap());
        }
        give(&mut a, &mut b, &Message::Swim(&packet).encode());
        for (at, byte) in flips {
            let at = at.index(packet.len());
            packet[at] = byte;
            give(&mut a, &mut b, &Message::Swim(&packet).encode());
        }
        a.handle(Moment(3_000_000), Input::Tick);
    }

    #[test]
    fn no_heads_make_the_engine_panic(mask in any::<u64>(), heads in prop::collection::vec(any::<(u64, u8, u32, u64, u64)>(), 0..50)) {
        let (mut a, mut b) = pair();
        let head = |(origin, topic, bump, boot, counter): (u64, u8, u32, u64, u64)| crate::items::Head {
            origin: NodeId(origin % 4),
            topic,
            version: crate::items::Version { bump, boot: BootId(boot), counter },
        };
        let heads = heads.into_iter().map(head).collect();
        give(&mut a, &mut b, &Message::Heads(Heads { mask, heads }).encode());
        give(&mut a, &mut b, &Message::Digest(Digest { items: mask, live: mask }).encode());
    }
}

fn swim_message(kind: u32, me: Identity, other: Identity) -> foca::Message<Identity> {
    let (target, origin, probe_number) = (me, other, 1);
    match kind {
        0 => foca::Message::Ping(1),
        1 => foca::Message::Ack(1),
        2 => foca::Message::PingReq { target, probe_number },
        3 => foca::Message::IndirectPing { origin, probe_number },
        4 => foca::Message::IndirectAck { target, probe_number },
        5 => foca::Message::ForwardedAck { origin, probe_number },
        6 => foca::Message::Announce,
        7 => foca::Message::Feed,
        8 => foca::Message::Gossip,
        9 => foca::Message::Broadcast,
        _ => foca::Message::TurnUndead,
    }
}
