//! `e2d env`: the variables with which etcdctl reaches the cluster.
//!
//! The members come from the daemon; when it is down, from what the disk remembers of them; when that is
//! nothing, this node alone is named. The certificates come from the configuration that this verb was given,
//! else from the daemon's. Nothing is asked of etcd, and no key is read: they are only named.

use super::client::EnvArgs;
use super::disk;
use super::exit::{Exit, Failure};
use super::output::{Format, json, print};
use crate::admin::v1::StatusReply;
use crate::config::{self, KeyPair, Reach};
use camino::{Utf8Path, Utf8PathBuf};
use e2d_core::memory::Recall;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The variables, in the order in which they are printed.
type Variables = Vec<(&'static str, String)>;

/// What etcdctl would also heed, and what is not so here.
const TLS: [&str; 3] = ["ETCDCTL_CACERT", "ETCDCTL_CERT", "ETCDCTL_KEY"];

/// Why no variables can be named.
#[derive(Debug, thiserror::Error)]
enum EnvError {
    /// Members take certificates, and the configuration names none.
    #[error("the members take certificates, and ca-cert, server-cert and server-key are not all configured here")]
    NoCertificates,
    /// A path cannot be written for a shell.
    #[error("{0:?} cannot be written for a shell")]
    NotForAShell(String),
}

impl EnvArgs {
    /// Prints the variables.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let given = self.site.given(std::env::vars_os()).read_file().map_err(config::Refused::from)?;
        let mut reach = config::reach(&given)?;
        let socket = self.site.socket(&reach.site);
        let endpoints = match super::ask::once(&socket) {
            Ok(reply) => {
                if let (None, Some(files)) = (&reach.authority, &reply.client_files) {
                    reach.authority = Some(files.authority.clone().into());
                    let (cert, key) = (files.certificate.clone().into(), files.key.clone().into());
                    reach.server = Some(KeyPair { cert, key });
                }
                of_daemon(&reply, &reach)
            }
            // Whatever is wrong with the daemon, the variables serve to look past it.
            Err(_) => of_disk(&disk::recall(&reach.site.data_dir)?, &reach),
        };
        let endpoints = if endpoints.is_empty() { vec![own(&reach)] } else { endpoints };
        let variables = variables(&endpoints, &reach).map_err(|error| {
            let hint = "name the daemon's configuration by --config FILE or the variable E2D_CONFIG";
            Failure::with_hint(Exit::BadConfiguration, error, hint)
        })?;
        print(&match self.output {
            Format::Table => for_shell(&variables).map_err(Failure::failed)?,
            Format::Json => {
                let object: serde_json::Map<_, _> =
                    variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
                json(&object)?
            }
        })
    }
}

/// The voters that have run: a learner refuses most of what etcdctl asks.
fn of_daemon(reply: &StatusReply, reach: &Reach) -> Vec<String> {
    let voters = reply.members.iter().filter(|member| member.started && !member.learner);
    let url = |member: &crate::admin::v1::Member| match member.client_url.as_str() {
        "" => beside(&member.peer_url, reach),
        told => Some(told.to_owned()),
    };
    voters.filter_map(url).collect()
}

fn of_disk(recall: &Recall, reach: &Reach) -> Vec<String> {
    recall.last_members().iter().filter_map(|member| beside(&member.peer_url, reach)).collect()
}

/// Where clients reach the member with this peer URL, if its ports are those of this node.
fn beside(peer_url: &str, reach: &Reach) -> Option<String> {
    let url: e2d_etcd::launch::Url = peer_url.parse().ok()?;
    let scheme = if url.is_tls() { "https" } else { "http" };
    let host = url.authority().rsplit_once(':').map_or(url.host(), |(host, _)| host);
    Some(format!("{scheme}://{host}:{}", reach.client_port))
}

/// This node, as the configuration has it. etcd listens on the loopback in any case.
fn own(reach: &Reach) -> String {
    let scheme = if reach.authority.is_some() { "https" } else { "http" };
    let address = SocketAddr::new(reach.host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), reach.client_port);
    format!("{scheme}://{address}")
}

fn variables(endpoints: &[String], reach: &Reach) -> Result<Variables, EnvError> {
    let mut variables = vec![("ETCDCTL_API", "3".to_owned()), ("ETCDCTL_ENDPOINTS", endpoints.join(","))];
    if endpoints.iter().any(|endpoint| endpoint.starts_with("https:")) {
        let (authority, server) =
            reach.authority.as_ref().zip(reach.server.as_ref()).ok_or(EnvError::NoCertificates)?;
        let (cert, key) = of_client(&server.cert).unwrap_or_else(|| (server.cert.clone(), server.key.clone()));
        let absolute = |path: &Utf8Path| camino::absolute_utf8(path).unwrap_or_else(|_| path.to_owned()).into_string();
        variables.extend(TLS.into_iter().zip([absolute(authority), absolute(&cert), absolute(&key)]));
    }
    Ok(variables)
}

/// The client's certificate that `e2d pki gencerts` makes beside the server's, if it is there. The
/// server's own will do else: it is good for both sides.
fn of_client(server_cert: &Utf8Path) -> Option<(Utf8PathBuf, Utf8PathBuf)> {
    let pair = (server_cert.with_file_name("client.crt"), server_cert.with_file_name("client.key"));
    (pair.0.is_file() && pair.1.is_file()).then_some(pair)
}

/// Lines for a POSIX shell. What an earlier cluster left in the shell is taken away.
fn for_shell(variables: &Variables) -> Result<String, EnvError> {
    let mut text = String::new();
    for (name, value) in variables {
        let value = shlex::try_quote(value).map_err(|_| EnvError::NotForAShell(value.clone()))?;
        let _ = writeln!(text, "export {name}={value}");
    }
    if !variables.iter().any(|(name, _)| TLS.contains(name)) {
        let _ = writeln!(text, "unset {}", TLS.join(" "));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::v1::Member;
    use crate::config::Given;
    use e2d_core::id::MemberId;
    use e2d_core::lineage::Recorded;

    fn reach() -> Reach {
        config::reach(&Given::new([], [])).unwrap()
    }

    fn keyed() -> Reach {
        let server = KeyPair { cert: "/k/it's/s.crt".into(), key: "/k/$(id)/s.key".into() };
        Reach { authority: Some("/k/ca crt".into()), server: Some(server), ..reach() }
    }

    #[test]
    fn with_nothing_known_this_node_is_named() {
        assert_eq!(own(&reach()), "http://127.0.0.1:2379");
        let reach = Reach { host: Some("::1".parse().unwrap()), client_port: 9, ..keyed() };
        assert_eq!(own(&reach), "https://[::1]:9");
    }

    #[test]
    fn the_daemon_names_voters_by_their_own_word() {
        let member = |peer: &str, client: &str, learner, started| Member {
            peer_url: peer.into(),
            client_url: client.into(),
            learner,
            started,
            ..Member::default()
        };
        let members = vec![
            member("http://10.0.0.1:2380", "http://10.0.0.1:4001", false, true),
            member("http://[fd00::2]:2380", "", false, true),
            member("http://10.0.0.3:2380", "", true, true),
            member("http://10.0.0.4:2380", "", false, false),
        ];
        let reply = StatusReply { members, ..StatusReply::default() };
        assert_eq!(of_daemon(&reply, &reach()), ["http://10.0.0.1:4001", "http://[fd00::2]:2379"]);
    }

    #[test]
    fn the_disk_remembers_where_members_are() {
        let recorded = Recorded {
            node: None,
            member: MemberId(1),
            peer_url: "https://10.0.0.1:2380".into(),
            instance: None,
            machine: None,
            mounted: false,
            learner: false,
            started: true,
        };
        let recall = Recall { members: vec![recorded], ..Recall::default() };
        assert_eq!(of_disk(&recall, &reach()), ["https://10.0.0.1:2379"]);
        assert_eq!(of_disk(&Recall::default(), &reach()), Vec::<String>::new());
    }

    /// Whatever a path holds, the shell sees that path and runs nothing.
    #[test]
    fn a_shell_reads_back_what_was_meant() {
        let variables = variables(&["https://10.0.0.1:2379".into()], &keyed()).unwrap();
        let script = for_shell(&variables).unwrap() + "env";
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let seen = String::from_utf8(output.stdout).unwrap();
        for (name, value) in [("CACERT", "/k/ca crt"), ("CERT", "/k/it's/s.crt"), ("KEY", "/k/$(id)/s.key")] {
            assert!(seen.lines().any(|line| line == format!("ETCDCTL_{name}={value}")), "{seen}");
        }
        let plain = for_shell(&vec![("ETCDCTL_API", "3".into())]).unwrap();
        assert_eq!(plain, "export ETCDCTL_API=3\nunset ETCDCTL_CACERT ETCDCTL_CERT ETCDCTL_KEY\n");
    }

    #[test]
    fn members_that_take_certificates_are_not_named_without() {
        assert!(matches!(variables(&["https://a:1".into()], &reach()), Err(EnvError::NoCertificates)));
    }
}
