//! The shell over real sockets on loopback: what the engine promises holds behind UDP and TCP, and
//! neither strangers nor a slow caller hold it up.
#![expect(clippy::unwrap_used, reason = "what cannot be set up fails its test")]

use bytes::Bytes;
use e2d_core::id::{BootId, NodeId};
use e2d_gossip::{
    AskError, Gossip, Incoming, Keyring, MAX_ITEM_BYTES, MasterSecret, Peer, PublishError, Rejection, Settings,
    ShellSettings, StartError, State, Timing, View,
};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, UdpSocket};
use tokio::sync::mpsc;

/// Nothing here takes this long unless it never comes.
const DEADLINE: Duration = Duration::from_secs(30);

fn ring(first: u8, second: Option<u8>) -> Keyring {
    let secret = |byte: u8| MasterSecret::new(vec![byte; 32].into()).unwrap();
    Keyring::new(&secret(first), second.map(secret).as_ref()).unwrap()
}

fn settings(node: u64, boot: u64, listen: SocketAddr) -> ShellSettings {
    let engine = Settings {
        node: NodeId(node),
        boot: BootId(boot),
        addr: listen,
        keys: ring(1, None),
        timing: Timing::default(),
    };
    ShellSettings { engine, listen, epoch: Instant::now() }
}

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

async fn start(node: u64) -> (Gossip, mpsc::Receiver<Incoming>) {
    Gossip::start(settings(node, node + 1000, any_port())).await.unwrap()
}

async fn wait_for(gossip: &Gossip, what: &str, is_it: impl Fn(&View) -> bool) {
    let mut view = gossip.view();
    let waited = tokio::time::timeout(DEADLINE, view.wait_for(|view| is_it(view))).await;
    assert!(waited.is_ok(), "{what} never came: {:?}", *gossip.view().borrow());
}

fn sees(view: &View, peer: Peer) -> bool {
    view.peers.iter().any(|status| status.peer == peer && status.state == State::Alive && status.last_heard.is_some())
}

fn has_word(view: &View, node: u64, topic: u8, body: &[u8]) -> bool {
    view.items.iter().any(|item| item.origin == NodeId(node) && item.topic == topic && item.body == body)
}

/// A cluster of three whose members know each other.
async fn cluster() -> Vec<(Gossip, mpsc::Receiver<Incoming>)> {
    let all = vec![start(1).await, start(2).await, start(3).await];
    let seeds: Vec<SocketAddr> = all.iter().map(|(gossip, _)| gossip.me().addr).collect();
    for (gossip, _) in &all {
        gossip.seeds(seeds.clone()).await;
    }
    let peers: BTreeSet<Peer> = all.iter().map(|(gossip, _)| gossip.me()).collect();
    for (gossip, _) in &all {
        let others = peers.iter().filter(|peer| **peer != gossip.me());
        wait_for(gossip, "the cluster", |view| others.clone().all(|peer| sees(view, *peer))).await;
    }
    all
}

#[tokio::test]
async fn three_nodes_share_words_short_and_long() {
    let all = cluster().await;
    let long = Bytes::from(vec![7; MAX_ITEM_BYTES]);
    all[0].0.publish(0, Bytes::from_static(b"short")).await.unwrap();
    all[1].0.publish(1, long.clone()).await.unwrap();
    for (gossip, _) in &all {
        wait_for(gossip, "both words", |view| has_word(view, 1, 0, b"short") && has_word(view, 2, 1, &long)).await;
    }
    let too_long = all[0].0.publish(0, Bytes::from(vec![7; MAX_ITEM_BYTES + 1])).await;
    assert_eq!(too_long, Err(PublishError::TooLong { bytes: MAX_ITEM_BYTES + 1 }));
}

#[tokio::test]
async fn questions_are_answered_and_silence_has_an_end() {
    let (asker, _questions) = start(1).await;
    let (other, mut questions) = start(2).await;
    let answering = other.clone();
    let answers = tokio::spawn(async move {
        while let Some(question) = questions.recv().await {
            let answer = [b"you asked ", question.body.as_ref()].concat();
            answering.answer(&question, answer.into()).await;
        }
    });
    let (from, answer) = asker.ask(other.me().addr, Bytes::from_static(b"who"), DEADLINE).await.unwrap();
    assert_eq!((from, answer.as_ref()), (other.me(), b"you asked who".as_slice()));
    let (_, answer) = asker.ask(other.me().addr, Bytes::from(vec![7; 60_000]), DEADLINE).await.unwrap();
    assert_eq!(answer.len(), 60_010);

    let nobody = UdpSocket::bind(any_port()).await.unwrap().local_addr().unwrap();
    let silence = asker.ask(nobody, Bytes::from_static(b"who"), Duration::from_millis(300)).await;
    assert_eq!(silence, Err(AskError::Silent { addr: nobody }));
    other.leave().await;
    drop(other);
    answers.await.unwrap();
}

/// C12: the old program's queue of a hundred events held the whole protocol up.
#[tokio::test]
async fn a_caller_that_takes_nothing_holds_nothing_up() {
    let all = cluster().await;
    let (asker, other) = (&all[0].0, &all[1].0);
    let questions: Vec<_> = (0..400)
        .map(|_| {
            let (asker, addr) = (asker.clone(), other.me().addr);
            tokio::spawn(async move { asker.ask(addr, Bytes::from_static(b"?"), DEADLINE).await })
        })
        .collect();
    wait_for(other, "dropped questions", |view| view.shell.untaken_questions > 0).await;
    for n in 0..500u32 {
        asker.publish(0, Bytes::copy_from_slice(&n.to_be_bytes())).await.unwrap();
    }
    wait_for(other, "the last word", |view| has_word(view, 1, 0, &499u32.to_be_bytes())).await;
    assert!(other.view().borrow().peers.iter().all(|status| status.state == State::Alive));
    questions.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn ten_thousand_datagrams_of_garbage_change_nothing_and_are_not_answered() {
    let all = cluster().await;
    let target = &all[0].0;
    let stranger = UdpSocket::bind(any_port()).await.unwrap();
    let before = target.view().borrow().clone();
    let (mut sent, mut noise) = (0, 1u64);
    let flood = async {
        // The system drops what is not read in time, so more may have to be sent.
        while target.view().borrow().counters.rejected_total() < 10_000 {
            let mut bytes = vec![0; [1, 36, 37, 53, 54, 90, 1_200, 1_201, 2_000, 9_000][sent % 10]];
            for byte in &mut bytes {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (noise >> 33) as u8;
            }
            bytes[0] = if sent % 3 == 0 { 1 } else { bytes[0] };
            stranger.send_to(&bytes, target.me().addr).await.unwrap();
            sent += 1;
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, flood).await.unwrap();
    let after = target.view().borrow().clone();
    for why in [Rejection::Truncated, Rejection::Oversized, Rejection::Version, Rejection::UnknownKey] {
        assert!(after.counters.rejected(why) > before.counters.rejected(why), "{why}");
    }
    let known = |view: &View| view.peers.iter().map(|status| (status.peer, status.state)).collect::<Vec<_>>();
    assert_eq!(known(&before), known(&after));
    all[1].0.publish(0, Bytes::from_static(b"still here")).await.unwrap();
    wait_for(target, "a word", |view| has_word(view, 2, 0, b"still here")).await;
    let answer = stranger.try_recv_from(&mut [0; 2_000]).map_err(|error| error.kind());
    assert_eq!(answer, Err(std::io::ErrorKind::WouldBlock), "no reply to a stranger");
}

#[tokio::test]
async fn idle_and_lying_connections_do_not_keep_frames_out() {
    let all = cluster().await;
    let target = all[0].0.me().addr;
    let mut held = Vec::new();
    // Strangers on many addresses: some say nothing, some announce too much or never deliver.
    for n in 0..600u32 {
        let socket = TcpSocket::new_v4().unwrap();
        let from = Ipv4Addr::new(127, 0, 1, (n % 7) as u8 + 1);
        socket.bind(SocketAddr::new(IpAddr::V4(from), 0)).unwrap();
        let mut stream = socket.connect(target).await.unwrap();
        let opening: &[u8] = match n % 4 {
            0 => &[],
            1 => &[0, 0],
            2 => &u32::MAX.to_be_bytes(),
            _ => &[0, 1, 0, 0, 42],
        };
        // It may have been closed on us already.
        let _ = stream.write_all(opening).await;
        held.push(stream);
    }
    let long = Bytes::from(vec![9; MAX_ITEM_BYTES]);
    all[1].0.publish(0, long.clone()).await.unwrap();
    wait_for(&all[0].0, "a long word", |view| has_word(view, 2, 0, &long)).await;
    drop(held);
}

#[tokio::test]
async fn a_successor_on_the_same_port_is_seen_as_such() {
    let mut all = cluster().await;
    let (gone, questions) = all.pop().unwrap();
    let old = gone.me();
    // It dies without a word.
    drop((gone, questions));
    let starting = async {
        loop {
            match Gossip::start(settings(33, 77, old.addr)).await {
                Ok((successor, _)) => break successor,
                Err(StartError::Listen { addr, .. }) => assert_eq!(addr, old.addr, "the port is not yet free"),
                Err(other) => panic!("{other}"),
            }
            tokio::task::yield_now().await;
        }
    };
    let successor = tokio::time::timeout(DEADLINE, starting).await.unwrap();
    successor.seeds(vec![all[0].0.me().addr]).await;
    let new = successor.me();
    for (gossip, _) in &all {
        wait_for(gossip, "the successor", |view| sees(view, new) && view.replaced == [(old, new)]).await;
    }
}

#[tokio::test]
async fn who_leaves_is_down_at_once_and_its_port_is_free() {
    let mut all = cluster().await;
    let (leaver, _questions) = all.pop().unwrap();
    let peer = leaver.me();
    leaver.leave().await;
    for (gossip, _) in &all {
        wait_for(gossip, "its end", |view| {
            view.peers.iter().any(|status| status.peer == peer && status.state == State::Down)
        })
        .await;
    }
    TcpListener::bind(peer.addr).await.unwrap();
    UdpSocket::bind(peer.addr).await.unwrap();
    assert_eq!(leaver.publish(0, Bytes::new()).await, Err(PublishError::Stopped));
    assert_eq!(leaver.ask(peer.addr, Bytes::new(), DEADLINE).await, Err(AskError::Stopped));
}

#[tokio::test]
async fn keys_rotate_live() {
    let all = cluster().await;
    for (round, (first, second)) in [(1, Some(2)), (2, Some(1)), (2, None)].into_iter().enumerate() {
        for (gossip, _) in &all {
            gossip.keys(ring(first, second)).await;
            // Commands are taken in order: once this is seen, the keys are in use.
            gossip.publish(1, Bytes::from(vec![round as u8])).await.unwrap();
            wait_for(gossip, "its own word", |view| has_word(view, gossip.me().node.0, 1, &[round as u8])).await;
        }
        let word = format!("round {round}");
        all[2].0.publish(0, Bytes::copy_from_slice(word.as_bytes())).await.unwrap();
        for (gossip, _) in &all {
            wait_for(gossip, "the word", |view| has_word(view, 3, 0, word.as_bytes())).await;
        }
    }
}

#[tokio::test]
async fn a_node_without_a_key_meets_others_without_a_key_only() {
    let insecure = |node: u64| {
        let mut settings = settings(node, node, any_port());
        settings.engine.keys = Keyring::insecure().unwrap();
        settings
    };
    let (one, _one) = Gossip::start(insecure(1)).await.unwrap();
    let (two, _two) = Gossip::start(insecure(2)).await.unwrap();
    let (keyed, _keyed) = start(3).await;
    one.seeds(vec![two.me().addr, keyed.me().addr]).await;
    wait_for(&one, "the other", |view| sees(view, two.me())).await;
    wait_for(&keyed, "the stranger", |view| view.counters.rejected(Rejection::UnknownKey) >= 3).await;
    assert_eq!(keyed.view().borrow().peers.len(), 0);
}

#[tokio::test]
async fn what_prevents_a_start_is_named() {
    let taken = TcpListener::bind(any_port()).await.unwrap().local_addr().unwrap();
    let holder = UdpSocket::bind(taken).await.unwrap();
    let error = Gossip::start(settings(1, 1, taken)).await.err().unwrap();
    assert_eq!(error.to_string(), format!("gossip cannot listen on {taken}"));
    drop(holder);
    let mut wrong = settings(1, 1, any_port());
    wrong.engine.addr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 7980));
    assert!(matches!(Gossip::start(wrong).await, Err(StartError::Settings(_))));
}
