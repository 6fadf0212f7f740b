//! Flags that are handed to etcd as they are.
//!
//! Which flags are not the operator's to give is [`Extra`]'s to say, and nobody else's. Here is only
//! which key of ours to use instead. Whether etcd knows a flag depends on its version and is found out
//! at its start.

use super::problem::Fault;
use e2d_etcd::launch::{Extra, ExtraError};

/// For flags of etcd that have a key of ours: what to use instead.
const INSTEAD: [(&str, &str); 17] = [
    ("advertise-client-urls", "use client-addr"),
    ("cert-file", "use server-cert"),
    ("data-dir", "use data-dir itself, not etcd-arg"),
    ("election-timeout", "use etcd-election-ms"),
    ("heartbeat-interval", "use etcd-heartbeat-ms"),
    ("initial-advertise-peer-urls", "use peer-addr"),
    ("initial-cluster", "use bootstrap-addrs; e2d forms the cluster itself"),
    ("key-file", "use server-key"),
    ("listen-client-urls", "use client-addr"),
    ("listen-metrics-urls", "use metrics-addr"),
    ("listen-peer-urls", "use peer-addr"),
    ("name", "use name itself, not etcd-arg"),
    ("peer-cert-file", "use peer-cert"),
    ("peer-key-file", "use peer-key"),
    ("peer-trusted-ca-file", "use ca-cert"),
    ("quota-backend-bytes", "use etcd-quota-bytes"),
    ("trusted-ca-file", "use ca-cert"),
];

/// Reads one `FLAG=VALUE`, and gives it back as it was.
pub(super) fn parse(text: &str) -> Result<String, Fault> {
    match Extra::parse([text]) {
        Ok(_) => Ok(text.to_owned()),
        Err(ExtraError::Malformed { .. }) => Err(Fault::new("not of the form FLAG=VALUE")),
        Err(ExtraError::Owned { flag }) => {
            let instead = INSTEAD.iter().find(|(owned, _)| *owned == flag).map(|(_, instead)| *instead);
            let hint = instead.unwrap_or("leave it out; e2d knows what it has to be");
            Err(Fault::with_hint(format!("e2d sets etcd's {flag} itself"), hint))
        }
        Err(error @ ExtraError::Twice { .. }) => Err(Fault::new(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_e2d_does_not_own_passes() {
        for text in ["max-request-bytes=2097152", "cipher-suites=A,B=C", "host-whitelist=", "--cors=*"] {
            assert_eq!(parse(text), Ok(text.to_owned()));
        }
    }

    /// A hint would be wrong for a flag that may be given.
    #[test]
    fn what_has_a_key_of_its_own_is_refused_with_its_name() {
        for (flag, instead) in INSTEAD {
            assert_eq!(parse(&format!("{flag}=x")).unwrap_err().hint.as_deref(), Some(instead), "{flag}");
        }
        assert!(parse("force-new-cluster=true").unwrap_err().hint.is_some());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for text in ["max-txn-ops", "=5", "Max=5", ""] {
            assert_eq!(parse(text).unwrap_err().reason, "not of the form FLAG=VALUE", "{text}");
        }
    }

    proptest! {
        /// S22: any text is taken or refused.
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}|(experimental-){0,2}[a-z-]{0,20}=.{0,5}") {
            let _ = parse(&text);
        }
    }
}
