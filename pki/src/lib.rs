//! Authorities and certificates: make, issue, inspect, load.
//!
//! | module | it |
//! |---|---|
//! | [`Authority`] | makes, loads and saves certificate authorities |
//! | [`Leaf`], [`leaf::etcd`] | say which certificates a program needs |
//! | [`issue`] | observes a folder, plans what is missing, wrong or due, and writes it |
//! | [`inspect`] | tells what lies in files and folders, and whether it is any good |
//! | [`Identity`], [`tls`], [`Role`] | turn files into mutual TLS that can be reloaded while it runs |
//! | [`gossip`] | derives the secret that gossip is sealed with |
//! | [`Throwaway`] | makes certificates for one purpose that nobody can extend |
//!
//! Nothing here reads a clock: the time is an argument, and TLS takes a clock. Private keys never
//! appear in `Debug`, `Display` or an error, and every buffer of ours that held one is wiped when it is dropped. There is one
//! cryptographic library, aws-lc, and it is never looked up in process-wide state.
//!
//! It does not find out which hosts a machine has, does not log, and starts no task: renewal is a
//! caller that runs [`issue::run`] at its plan's `wake_at` and then [`tls::Live::reload`].

mod authority;
mod base64;
mod certificate;
mod chain;
mod clock;
mod durable;
pub mod gossip;
mod host;
mod identity;
pub mod inspect;
pub mod issue;
mod key;
pub mod leaf;
mod name;
mod pair;
mod pem;
mod permission;
mod role;
mod throwaway;
pub mod tls;

pub use authority::{AUTHORITY_LIFE, Authority, AuthorityError, AuthorityFiles, Existing, LoadError, SaveError, Saved};
pub use certificate::{Certificate, CertificateError, ExtendedUsage};
pub use clock::Validity;
pub use durable::{LARGEST_FILE_BYTES, Owner, ReadError};
pub use gossip::{GossipSecret, GossipSecrets, SecretSource};
pub use host::{Host, HostError};
pub use identity::{Identity, IdentityError, IdentityFiles, Warning};
pub use key::{KeyError, KeyType, PrivateKey};
pub use leaf::{Leaf, Usage};
pub use name::{Attribute, LONGEST_VALUE, Name, NameError};
pub use pem::PemError;
pub use permission::Exposure;
pub use role::Role;
pub use throwaway::{THROWAWAY_LIFE, Throwaway};
