//! The URLs that etcd takes: `http` or `https`, a host and a port, and nothing else.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// One URL, kept as it was written, because etcd hashes its text into member ids.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url(String);

/// What is wrong with a URL. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a URL of etcd: expected http://HOST:PORT or https://HOST:PORT, and nothing after the port")]
pub struct UrlError {
    /// What was given, cut to 120 characters.
    pub text: String,
}

impl Url {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `https`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.starts_with("https:")
    }

    /// `HOST:PORT`, with the brackets of an IPv6 address.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// The host, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.authority().rsplit_once(':').map_or("", |(host, _)| host);
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// Whether etcd can bind to it.
    pub(super) fn is_address(&self) -> bool {
        self.host().parse::<IpAddr>().is_ok()
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (scheme, authority) = text.split_once("://")?;
            let (host, port) = authority.rsplit_once(':')?;
            let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            let host_fits = match bracketed {
                Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
                None => {
                    !host.is_empty()
                        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
                }
            };
            let port_fits = port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port);
            (matches!(scheme, "http" | "https") && host_fits && port_fits).then(|| Self(text.to_owned()))
        };
        parse().ok_or_else(|| UrlError { text: text.chars().take(120).collect() })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_host_and_port_are_a_url() {
        for good in ["http://127.0.0.1:2380", "https://etcd-1.example.com:2379", "http://[fd00::1]:2380"] {
            assert_eq!(good.parse::<Url>().unwrap().to_string(), good);
        }
        for bad in [
            "127.0.0.1:2380",
            "unix://a:0",
            "http://h",
            "http://h:0",
            "http://h:02380",
            "http://h:70000",
            "http://h:2380/",
            "http://u@h:2380",
            "http://a:1,http://b:2",
            "http://:2380",
            "http://fd00::1:2380",
            "http://[x]:2380",
            "HTTP://h:1",
        ] {
            assert!(bad.parse::<Url>().is_err(), "{bad}");
        }
        assert_eq!("http://[fd00::1]:2380".parse::<Url>().unwrap().host(), "fd00::1");
    }
}
