//! What this crate makes and accepts, judged by others: the openssl program, rustls, and real etcd.
//!
//! openssl must be in `PATH`; etcd is found as `e2d-testkit` finds it.

#[cfg(test)]
mod authority;
#[cfg(test)]
mod etcd;
#[cfg(test)]
mod gossip;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod inspect;
#[cfg(test)]
mod openssl;
#[cfg(test)]
mod secrecy;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tree;
