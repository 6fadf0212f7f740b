//! S19: no private key and no secret in any `Debug`, `Display` or error.

use crate::openssl::{Bench, hex, leaves, now};
use e2d_pki::inspect::{self, inspect};
use e2d_pki::tls::{Live, client_config, server_config};
use e2d_pki::{
    Authority, AuthorityFiles, GossipSecret, GossipSecrets, Identity, IdentityFiles, KeyType, PrivateKey, SecretSource,
    Throwaway, issue,
};
use std::fmt::{Debug, Display};
use std::sync::Arc;

/// Everything that was shown, and what must not be in it.
#[derive(Default)]
struct Shown {
    texts: Vec<String>,
    secrets: Vec<String>,
}

impl Shown {
    fn debug(&mut self, value: &dyn Debug) {
        self.texts.extend([format!("{value:?}"), format!("{value:#?}")]);
    }

    fn error<E: std::error::Error>(&mut self, error: &E) {
        self.debug(error);
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(inner) = cause {
            self.texts.push(inner.to_string());
            cause = inner.source();
        }
    }

    fn display(&mut self, value: &dyn Display) {
        self.texts.push(value.to_string());
    }

    /// The lines of a PEM key; and any bytes as Rust would print them, as hex, and as text.
    fn secret(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        self.secrets
            .extend(text.lines().filter(|line| line.len() > 20 && !line.starts_with("-----")).map(str::to_owned));
        for window in bytes.chunks(8).filter(|window| window.len() == 8) {
            self.secrets.push(format!("{window:?}").trim_matches(['[', ']']).to_owned());
            self.secrets.push(hex(window));
        }
    }

    fn check(&self) {
        assert!(self.texts.len() > 20 && self.secrets.len() > 20);
        for secret in &self.secrets {
            for text in &self.texts {
                let flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(!flat.contains(secret.as_str()), "{secret} is shown in {flat}");
            }
        }
    }
}

#[test]
fn nothing_secret_is_ever_shown() {
    for key_type in [KeyType::Rsa2048, KeyType::EcdsaP256] {
        let mut shown = Shown::default();
        let bench = Bench::new();
        let authority = bench.authority(key_type);
        let wanted: Vec<_> = leaves().into_iter().map(|leaf| e2d_pki::Leaf { key_type, ..leaf }).collect();
        shown.debug(&authority);
        let outcome = bench.issue(&authority, &wanted[..1], now());
        shown.debug(&outcome);
        outcome.done.iter().for_each(|action| shown.display(action));
        for name in ["ca.key", "server.key"] {
            shown.secret(bench.text(name).as_bytes());
            shown.secret(&bench.openssl_der(name));
            shown.debug(&PrivateKey::from_pem(bench.text(name).as_bytes()).unwrap());
        }

        let files = IdentityFiles {
            certificate: bench.path("server.crt"),
            key: bench.path("server.key"),
            authorities: vec![bench.path("ca.crt")],
        };
        let live = Live::new(Identity::load(&files, now()).unwrap());
        let clock = || Arc::new(rustls::time_provider::DefaultTimeProvider);
        shown.debug(&live);
        shown.debug(&live.current());
        shown.debug(&server_config(&live, clock()).unwrap());
        shown.debug(&client_config(&live, clock()).unwrap());

        let made = Throwaway::make(now()).unwrap();
        shown.debug(&made);
        shown.secret(made.key.as_bytes());

        bench.openssl("rand -out gossip -base64 32");
        bench.mode("gossip", 0o600);
        let sources = [SecretSource::KeyFile(bench.path("gossip")), SecretSource::AuthorityKey(bench.path("ca.key"))];
        let secrets = GossipSecrets::load(&sources[0], Some(&sources[1])).unwrap();
        shown.debug(&secrets);
        shown.secret(secrets.current.expose());
        shown.secret(secrets.former.unwrap().expose());
        shown.secret(bench.text("gossip").as_bytes());

        let inspection = inspect(std::slice::from_ref(&bench.folder), now());
        shown.debug(&inspection);
        shown.display(&inspect::table(&inspection, now()));
        shown.display(&inspect::json(&inspection));

        // Keys where something else is wanted, damaged keys, keys of others.
        let key = bench.text("server.key");
        let swapped = IdentityFiles { certificate: bench.path("server.key"), ..files.clone() };
        shown.error(&Identity::load(&swapped, now()).unwrap_err());
        let first = key.lines().nth(1).unwrap();
        bench.put("torn.key", key.replacen(first, &first[..first.len() - 1], 1));
        bench.put("cut.key", key.replace("-----END", "-----AND"));
        bench.put("begin.key", key.replace('\n', "").replace("KEY-----", "KEY----"));
        bench.put("twice.key", key.repeat(2));
        for name in ["torn.key", "cut.key", "begin.key", "twice.key"] {
            shown.error(&Identity::load(&IdentityFiles { key: bench.path(name), ..files.clone() }, now()).unwrap_err());
            shown.error(
                &Authority::load(&AuthorityFiles { key: bench.path(name), ..bench.authority_files() }).unwrap_err(),
            );
            shown.error(&GossipSecret::load(&SecretSource::AuthorityKey(bench.path(name))).unwrap_err());
            shown.error(&GossipSecret::load(&SecretSource::KeyFile(bench.path(name))).unwrap_err());
        }
        bench.put("server.key", key.replacen(first, &first[..first.len() - 1], 1));
        let seen = issue::observe(&bench.folder, &wanted, authority.certificate());
        shown.debug(&seen);
        shown.debug(&issue::plan(&wanted, &seen, authority.certificate(), now()));
        shown.check();
    }
}

impl Bench {
    fn openssl_der(&self, name: &str) -> Vec<u8> {
        self.openssl(&format!("pkey -in {name} -outform DER -out der"));
        std::fs::read(self.path("der")).unwrap()
    }
}
