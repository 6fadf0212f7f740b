//! The network of a test, on the real kernel: what reaches whom, what is cut, and what is left behind.
//!
//! Needs root, `ip` and `nft`. That a packet was dropped is seen without waiting for it: a later
//! packet on the same way arrives first.

use anyhow::Result;
use e2d_testkit::{Network, Scratch, wait_for};
use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

/// Generous: nothing here waits that long unless it fails.
const DEADLINE: Duration = Duration::from_secs(20);
const PORT: u16 = 2380;
const OTHER_PORT: u16 = 7980;

/// A UDP socket on machine `number`.
fn socket(network: &Network, number: u8, port: u16) -> Result<UdpSocket> {
    let node = network.node(number);
    let socket = node.inside(|| UdpSocket::bind((node.address(), port)))??;
    socket.set_read_timeout(Some(DEADLINE))?;
    Ok(socket)
}

fn send(from: &UdpSocket, to: &UdpSocket, text: &str) -> Result<()> {
    from.send_to(text.as_bytes(), to.local_addr()?)?;
    Ok(())
}

/// The next packet that arrives.
fn next(socket: &UdpSocket) -> Result<String> {
    let mut buffer = [0; 64];
    let (length, _): (usize, SocketAddr) = socket.recv_from(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

#[test]
fn a_cut_link_drops_both_ways_until_it_is_healed() -> Result<()> {
    let network = Network::new(3)?;
    let (one, two, three) = (socket(&network, 1, PORT)?, socket(&network, 2, PORT)?, socket(&network, 3, PORT)?);
    send(&one, &two, "before")?;
    assert_eq!(next(&two)?, "before");
    network.cut(1, 2)?;
    send(&one, &two, "cut")?;
    send(&two, &one, "cut")?;
    send(&one, &three, "beside the cut")?;
    assert_eq!(next(&three)?, "beside the cut");
    network.heal(2, 1)?;
    send(&one, &two, "healed")?;
    send(&two, &one, "healed")?;
    assert_eq!((next(&two)?, next(&one)?), ("healed".into(), "healed".into()));
    Ok(())
}

#[test]
fn a_one_way_cut_leaves_the_other_way_open() -> Result<()> {
    let network = Network::new(2)?;
    let (one, two) = (socket(&network, 1, PORT)?, socket(&network, 2, PORT)?);
    network.cut_one_way(1, 2)?;
    send(&one, &two, "cut")?;
    send(&two, &one, "open")?;
    assert_eq!(next(&one)?, "open");
    network.heal_all()?;
    send(&one, &two, "healed")?;
    assert_eq!(next(&two)?, "healed");
    Ok(())
}

#[test]
fn a_port_is_cut_alone_and_one_way_only_if_asked() -> Result<()> {
    let network = Network::new(2)?;
    let (one, two) = (socket(&network, 1, PORT)?, socket(&network, 2, PORT)?);
    let other = socket(&network, 2, OTHER_PORT)?;
    network.cut_port_one_way(1, 2, PORT)?;
    send(&one, &two, "cut")?;
    send(&one, &other, "another port")?;
    send(&two, &one, "another way")?;
    assert_eq!((next(&other)?, next(&one)?), ("another port".into(), "another way".into()));
    network.cut_port(1, 2, PORT)?;
    send(&two, &one, "cut")?;
    network.heal_all()?;
    send(&one, &two, "healed")?;
    send(&two, &one, "healed")?;
    assert_eq!((next(&two)?, next(&one)?), ("healed".into(), "healed".into()));
    Ok(())
}

#[test]
fn an_isolated_machine_is_still_seen_from_the_hub() -> Result<()> {
    let network = Network::new(3)?;
    let (one, two, three) = (socket(&network, 1, PORT)?, socket(&network, 2, PORT)?, socket(&network, 3, PORT)?);
    let hub = socket(&network, Network::HUB, PORT)?;
    network.isolate(2)?;
    for other in [&one, &three] {
        send(other, &two, "cut")?;
        send(&two, other, "cut")?;
    }
    send(&hub, &two, "from the hub")?;
    send(&one, &three, "among the others")?;
    assert_eq!((next(&two)?, next(&three)?), ("from the hub".into(), "among the others".into()));
    Ok(())
}

#[test]
fn a_command_runs_on_its_machine() -> Result<()> {
    let network = Network::new(1)?;
    let output = network.node(1).command("ip").args(["-o", "-4", "addr"]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let addresses: BTreeSet<&str> = text.split_whitespace().filter(|word| word.contains('/')).collect();
    assert_eq!(addresses, BTreeSet::from(["10.77.0.1/24", "127.0.0.1/8"]));
    Ok(())
}

/// What the machine that runs the tests has of its own, without counters and clocks.
fn own_network() -> Result<String> {
    let mut all = String::new();
    for command in ["ip -br link", "ip -br addr", "ip route", "ip rule", "nft -s list ruleset"] {
        let words: Vec<&str> = command.split(' ').collect();
        let output = Command::new(words[0]).args(&words[1..]).output()?;
        all.push_str(&String::from_utf8(output.stdout)?);
    }
    Ok(all)
}

#[test]
fn this_machines_own_network_is_never_touched() -> Result<()> {
    let before = own_network()?;
    let network = Network::new(2)?;
    network.cut(1, 2)?;
    assert_eq!(own_network()?, before);
    drop(network);
    assert_eq!(own_network()?, before);
    Ok(())
}

fn exists(namespace: &str) -> bool {
    std::path::Path::new("/run/netns").join(namespace).exists()
}

#[test]
fn a_panic_leaves_no_namespace_and_no_process() -> Result<()> {
    let (tell, told) = std::sync::mpsc::channel();
    let story = std::thread::spawn(move || {
        let network = Network::new(1).unwrap();
        let child = network.node(1).command("sleep").arg("600").spawn().unwrap();
        tell.send((network.node(1).name().to_owned(), network.node(Network::HUB).name().to_owned(), child)).unwrap();
        panic!("the test fails");
    });
    let (node, hub, mut child) = told.recv()?;
    assert!(story.join().is_err());
    assert!(!exists(&node) && !exists(&hub), "{node} or {hub} is left");
    wait_for(DEADLINE, "the process in the namespace to end", || child.try_wait()?.ok_or_else(still_running))?;
    Ok(())
}

fn still_running() -> std::io::Error {
    std::io::Error::other("it runs")
}

#[test]
fn what_a_killed_test_left_is_swept() -> Result<()> {
    // Its test is alive until all is set up: tests that run beside this one sweep too.
    let mut test = Command::new("sleep").arg("600").spawn()?;
    let stale = format!("e2d{}-1-hub", test.id());
    let foreign = format!("other{}-1", std::process::id());
    for name in [&stale, &foreign] {
        assert!(Command::new("ip").args(["netns", "add", name]).status()?.success());
    }
    let enter = format!("--net=/run/netns/{stale}");
    let mut left = Command::new("nsenter").args([&enter, "--", "sleep", "600"]).spawn()?;
    let own = std::fs::read_link("/proc/self/ns/net")?;
    wait_for(DEADLINE, "the process to enter", || {
        let seen = std::fs::read_link(format!("/proc/{}/ns/net", left.id()))?;
        if seen == own { Err(still_running()) } else { Ok(()) }
    })?;
    test.kill()?;
    test.wait()?;

    let network = Network::new(1)?;
    let exist = (exists(&stale), exists(&foreign), exists(network.node(1).name()));
    assert!(Command::new("ip").args(["netns", "del", &foreign]).status()?.success());
    assert_eq!(exist, (false, true, true), "the stale one goes; a foreign one and a living one stay");
    wait_for(DEADLINE, "the stale process to end", || left.try_wait()?.ok_or_else(still_running))?;
    Ok(())
}

#[test]
fn a_process_of_a_machine_is_reached_from_the_hub_only_by_its_address() -> Result<()> {
    let scratch = Scratch::new("reached")?;
    let network = Network::new(1)?;
    let listener = network.node(1).inside(|| std::net::TcpListener::bind("10.77.0.1:2379"))??;
    let target: SocketAddr = listener.local_addr()?;
    network.node(Network::HUB).inside(|| std::net::TcpStream::connect_timeout(&target, DEADLINE))??;
    // The same address from the machine's own network leads elsewhere, or nowhere.
    let (_, from) = listener.accept()?;
    assert_eq!(from.ip().to_string(), "10.77.0.254");
    scratch.passed(&e2d_testkit::LogGate::new())
}
