//! Addresses as an operator writes them. Nothing here resolves a name or opens a socket.
//!
//! `10.0.0.5`, `10.0.0.5:2379`, `:2379`, `[fd00::5]:2379` and `fd00::5` are all understood. A listening
//! address without a host, or with `0.0.0.0` or `[::]`, means the address of `--host`, as it did in the
//! old program: what is advertised to the others must be one address.

use super::problem::Fault;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The longest DNS name (RFC 1035, 2.3.4).
const LONGEST_NAME: usize = 253;

/// Where a service is to listen, before the host is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// The address; `None` means the host's.
    pub ip: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

impl Listen {
    /// The address when the host is known.
    #[must_use]
    pub fn on(self, host: IpAddr) -> SocketAddr {
        SocketAddr::new(self.ip.unwrap_or(host), self.port)
    }
}

/// A node to ask for others: an address or a DNS name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeedHost {
    /// An address.
    Ip(IpAddr),
    /// A DNS name, possibly of several nodes. It is resolved again whenever somebody is missing.
    Name(String),
}

/// Where another node's gossip can be reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seed {
    /// Which machine, or machines.
    pub host: SeedHost,
    /// Its gossip port.
    pub port: u16,
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            SeedHost::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            SeedHost::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// Reads the address that the other nodes reach this one by.
pub fn host(text: &str) -> Result<IpAddr, Fault> {
    let ip = ip(text.trim_start_matches('[').trim_end_matches(']'))?;
    let fault = |reason| Err(Fault::with_hint(reason, "name the one address that the other nodes reach this one by"));
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    match ip {
        _ if ip.is_unspecified() => fault("stands for every address"),
        _ if ip.is_multicast() || broadcast => fault("is not the address of one machine"),
        _ => Ok(ip),
    }
}

/// Reads where to listen; on `default_port` where the text has none.
pub fn listen(text: &str, default_port: u16) -> Result<Listen, Fault> {
    if text.is_empty() {
        return Err(Fault::new("neither an address nor a port"));
    }
    let (name, port) = split(text)?;
    let port = port.unwrap_or(default_port);
    if name.is_empty() {
        return Ok(Listen { ip: None, port });
    }
    let ip = ip(name)?;
    if ip.is_unspecified() {
        return Ok(Listen { ip: None, port });
    }
    host(name).map(|ip| Listen { ip: Some(ip), port })
}

/// Reads where another node's gossip is; `default_port` where the text has none.
pub fn seed(text: &str, default_port: u16) -> Result<Seed, Fault> {
    let (name, port) = split(text)?;
    let port = port.unwrap_or(default_port);
    if let Ok(ip) = name.parse::<IpAddr>() {
        return host(name).map(|_| Seed { host: SeedHost::Ip(ip.to_canonical()), port });
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let bare = name.strip_suffix('.').unwrap_or(name);
    // A name of digits only is a mistyped address, and the resolver would read 10.0.1 as 10.0.0.1.
    let numeric = bare.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if bare.len() > LONGEST_NAME || numeric || !bare.split('.').all(label) {
        return Err(Fault::new(format!("{name:?} is neither an address nor a DNS name")));
    }
    Ok(Seed { host: SeedHost::Name(bare.to_ascii_lowercase()), port })
}

fn ip(text: &str) -> Result<IpAddr, Fault> {
    // An IPv4 address written as IPv6 is the IPv4 address, also for the question whether it is loopback.
    text.parse::<IpAddr>().map(|ip| ip.to_canonical()).map_err(|_| Fault::new(format!("{text:?} is not an IP address")))
}

/// Splits `host:port`, `[v6]:port`, `:port`, `host` and a bare IPv6 address.
fn split(text: &str) -> Result<(&str, Option<u16>), Fault> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').ok_or_else(|| Fault::new("a [ without its ]"))?;
        return match after.strip_prefix(':') {
            Some(digits) => Ok((inside, Some(port(digits)?))),
            None if after.is_empty() => Ok((inside, None)),
            None => Err(Fault::new("text after the ]")),
        };
    }
    match text.split_once(':') {
        None => Ok((text, None)),
        Some((_, rest)) if rest.contains(':') => Ok((text, None)),
        Some((name, digits)) => Ok((name, Some(port(digits)?))),
    }
}

fn port(digits: &str) -> Result<u16, Fault> {
    match digits.parse::<u16>() {
        Ok(port) if port > 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
        _ => Err(Fault::new(format!("{digits:?} is not a port from 1 to 65535"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_of_a_listening_address() {
        let host: IpAddr = "10.9.9.9".parse().unwrap();
        for (text, address) in [
            ("10.0.0.5:2379", "10.0.0.5:2379"),
            ("10.0.0.5", "10.0.0.5:1"),
            (":2379", "10.9.9.9:2379"),
            ("0.0.0.0:2379", "10.9.9.9:2379"),
            ("0.0.0.0", "10.9.9.9:1"),
            ("[::]:2379", "10.9.9.9:2379"),
            ("::", "10.9.9.9:1"),
            ("[fd00::5]:2379", "[fd00::5]:2379"),
            ("[fd00::5]", "[fd00::5]:1"),
            ("fd00::5", "[fd00::5]:1"),
            ("::ffff:127.0.0.1", "127.0.0.1:1"),
            ("[::ffff:0.0.0.0]:7", "10.9.9.9:7"),
        ] {
            assert_eq!(listen(text, 1).map(|listen| listen.on(host).to_string()), Ok(address.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_listening_address_is_said() {
        for (text, reason) in [
            ("", "neither an address nor a port"),
            ("node1:2379", "\"node1\" is not an IP address"),
            ("10.0.0.5:0", "\"0\" is not a port from 1 to 65535"),
            ("10.0.0.5:70000", "\"70000\" is not a port from 1 to 65535"),
            ("10.0.0.5:+1", "\"+1\" is not a port from 1 to 65535"),
            ("10.0.0.5:", "\"\" is not a port from 1 to 65535"),
            ("[fd00::5", "a [ without its ]"),
            ("[fd00::5]2379", "text after the ]"),
            ("224.0.0.1:2379", "is not the address of one machine"),
            ("255.255.255.255", "is not the address of one machine"),
        ] {
            assert_eq!(listen(text, 1).unwrap_err().reason, reason, "{text}");
        }
    }

    #[test]
    fn a_host_is_one_address() {
        assert!(host("10.0.0.5").is_ok() && host("::1").is_ok() && host("[::1]").is_ok());
        assert_eq!(host("0.0.0.0").unwrap_err().reason, "stands for every address");
        assert!(host("localhost").is_err() && host("10.0.0.5:1").is_err() && host("").is_err());
    }

    #[test]
    fn a_seed_is_an_address_or_a_name() {
        for (text, shown) in [
            ("10.0.0.5", "10.0.0.5:7980"),
            ("10.0.0.5:1", "10.0.0.5:1"),
            ("fd00::5", "[fd00::5]:7980"),
            ("[fd00::5]:1", "[fd00::5]:1"),
            ("Etcd.example.com.", "etcd.example.com:7980"),
            ("node-1:7000", "node-1:7000"),
        ] {
            assert_eq!(seed(text, 7980).map(|seed| seed.to_string()), Ok(shown.to_owned()), "{text}");
        }
        for text in ["", ":7980", "10.0.1", "10.0.0.256", "a b", "-a", "a..b", "http://a", "0.0.0.0", "a:b"] {
            assert!(seed(text, 7980).is_err(), "{text}");
        }
    }

    proptest! {
        /// S22: any text gives an address or a fault.
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}|[0-9a-f:.\\[\\]]{0,40}") {
            let _ = (listen(&text, 1), host(&text), seed(&text, 1));
        }

        /// What a seed shows is read as the same seed.
        #[test]
        fn a_shown_seed_comes_back(text in "[a-z0-9-]{1,10}(\\.[a-z0-9-]{1,10}){0,3}(:[1-9][0-9]{0,3})?|[0-9a-f:]{2,20}") {
            if let Ok(seed) = seed(&text, 7980) {
                prop_assert_eq!(super::seed(&seed.to_string(), 1), Ok(seed));
            }
        }
    }
}
