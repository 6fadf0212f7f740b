//! The hosts that a certificate is good for: its subject alternative names.
//!
//! A name is checked and brought to one spelling when it enters, so that equal hosts are equal values
//! and lists of them have no duplicates. Nothing is looked up.

use serde::{Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The longest DNS name, in characters (RFC 1035, section 2.3.4, without the root's dot).
const LONGEST_DNS_NAME: usize = 253;
/// The longest label of it.
const LONGEST_LABEL: usize = 63;

/// A host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A DNS name in lower case without the last dot; its first label may be `*`.
    Dns(String),
    /// An address; IPv4 that is mapped into IPv6 is IPv4.
    Ip(IpAddr),
}

/// Why a text is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Neither a DNS name nor an address.
    #[error("{0:?} is neither a DNS name nor an IP address")]
    Invalid(String),
    /// A certificate names hosts, not ports.
    #[error("{0:?} has a port: give the host alone")]
    Port(String),
    /// `0.0.0.0` and `::` are where one listens, not what one is called.
    #[error("{0} stands for every address: give the host's own")]
    Unspecified(IpAddr),
}

impl Host {
    /// `localhost` and both loopback addresses: in every serving certificate.
    #[must_use]
    pub fn loopback() -> [Self; 3] {
        [Self::Dns("localhost".into()), Self::Ip(Ipv4Addr::LOCALHOST.into()), Self::Ip(Ipv6Addr::LOCALHOST.into())]
    }

    /// Reads a list as `--hosts` takes it: separated by commas, blanks and empty parts ignored. An
    /// IPv6 address may stand in brackets.
    pub fn list(text: &str) -> Result<BTreeSet<Self>, HostError> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::parse).collect()
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            let address = address.to_canonical();
            return if address.is_unspecified() { Err(HostError::Unspecified(address)) } else { Ok(Self::Ip(address)) };
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if is_dns_name(&name) {
            return Ok(Self::Dns(name));
        }
        let port = text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        Err(if port { HostError::Port(text.into()) } else { HostError::Invalid(text.into()) })
    }
}

/// Letters, digits, `-` and, since real machines are called so, `_`. The last label is not a number,
/// or a mistyped address would pass for a name (WHATWG URL, "ends in a number").
fn is_dns_name(name: &str) -> bool {
    let labels = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = labels.rsplit('.').next().unwrap_or_default();
    name.len() <= LONGEST_DNS_NAME && labels.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => write!(f, "{address}"),
        }
    }
}

impl Serialize for Host {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The old program's de-duplication did not work.
    #[test]
    fn a_list_has_each_host_once() {
        let hosts =
            Host::list("etcd.Example.com, 10.0.0.1,[fd00::1],,etcd.example.com.,::ffff:10.0.0.1,FD00:0::1").unwrap();
        let shown: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["etcd.example.com", "10.0.0.1", "fd00::1"]);
    }

    #[test]
    fn what_is_no_host_is_named() {
        for (text, expected) in [
            ("etcd:2379", "\"etcd:2379\" has a port: give the host alone"),
            ("[::1]:2379", "\"[::1]:2379\" has a port: give the host alone"),
            ("0.0.0.0", "0.0.0.0 stands for every address: give the host's own"),
            ("10.0.0.256", "\"10.0.0.256\" is neither a DNS name nor an IP address"),
            ("fe80::1%eth0", "\"fe80::1%eth0\" is neither a DNS name nor an IP address"),
            ("-a.example", "\"-a.example\" is neither a DNS name nor an IP address"),
            ("a..b", "\"a..b\" is neither a DNS name nor an IP address"),
            ("a.*.b", "\"a.*.b\" is neither a DNS name nor an IP address"),
            ("https://a", "\"https://a\" is neither a DNS name nor an IP address"),
            (".", "\".\" is neither a DNS name nor an IP address"),
        ] {
            assert_eq!(text.parse::<Host>().unwrap_err().to_string(), expected);
        }
        assert!(format!("{}a", "a.".repeat(127)).parse::<Host>().is_err());
        assert!(format!("{}.a", "b".repeat(64)).parse::<Host>().is_err());
    }

    #[test]
    fn a_wildcard_and_an_underscore_are_names() {
        for text in ["*.etcd.example", "node_1", "ip-10-0-0-1.ec2.internal", "xn--bcher-kva.example"] {
            assert_eq!(text.parse(), Ok(Host::Dns(text.into())));
        }
    }

    proptest! {
        #[test]
        fn a_host_reads_what_it_shows(text in "\\PC{0,40}|[a-z0-9.:*-]{0,40}") {
            if let Ok(host) = text.parse::<Host>() {
                prop_assert_eq!(host.to_string().parse(), Ok(host));
            }
        }
    }
}
