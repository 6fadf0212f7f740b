//! A cluster through etcd's own eyes: writing, and asking who its members are.
//!
//! Both kinds of cluster are asked by the same calls, from the hub of the network.

use crate::machines::MEMBERS;
use crate::patience::{PATIENCE, PAUSE};
use crate::stop;
use anyhow::{Context, Result, bail, ensure};
use e2d_etcd::client::{Client, Member, Place, Reading};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long one question may take.
const WITHIN: Duration = Duration::from_secs(2);
/// The keys of the data set.
const DATA: &str = "bench/data/";
/// The size of one of its values.
const VALUE_BYTES: usize = 64 << 10;
/// How many of them are written at once.
const AT_ONCE: usize = 8;

/// A client of the member on a machine, connected when it is first used.
pub(crate) async fn client(address: &str) -> Result<Client> {
    Ok(Client::new(Place::Tcp(format!("{address}:2379")), None, None).await?.within(WITHIN))
}

/// Writes once.
pub(crate) async fn put(client: &Client, key: String, value: Vec<u8>) -> Result<()> {
    let mut raw = client.raw();
    tokio::time::timeout(PATIENCE, raw.put(key, value, None)).await.context("no answer to a write")??;
    Ok(())
}

/// Writes through whichever member takes it first; returns when it was acknowledged.
pub(crate) async fn first_write(addresses: &[String]) -> Result<Instant> {
    let mut tries = JoinSet::new();
    for address in addresses {
        let address = address.clone();
        tries.spawn(async move {
            let client = client(&address).await?;
            let end = Instant::now() + PATIENCE;
            loop {
                stop::check()?;
                match put(&client, "bench/first".into(), b"1".to_vec()).await {
                    Ok(()) => return Ok(Instant::now()),
                    Err(error) if Instant::now() >= end => return Err(error.context("nobody took a first write")),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        });
    }
    let first = tries.join_next().await.context("no members")?;
    first?
}

/// Writes the data set: `megabytes` in values of 64 KiB that do not compress.
pub(crate) async fn load(address: &str, megabytes: u64) -> Result<()> {
    let client = client(address).await?;
    let values = (megabytes * 1_000_000).div_ceil(VALUE_BYTES as u64);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut writes = JoinSet::new();
    for n in 0..values {
        let value = (0..VALUE_BYTES / 8).flat_map(|_| noise(&mut state).to_le_bytes()).collect();
        if writes.len() == AT_ONCE {
            writes.join_next().await.context("no writes")???;
        }
        let client = client.clone();
        writes.spawn(async move { put(&client, format!("{DATA}{n:06}"), value).await });
    }
    while let Some(write) = writes.join_next().await {
        write??;
    }
    Ok(())
}

/// xorshift64: bytes that no compression shrinks.
fn noise(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Who votes and has run.
pub(crate) fn voters(members: &[Member]) -> BTreeSet<u64> {
    members.iter().filter(|member| !member.learner && !member.name.is_empty()).map(|member| member.id.0).collect()
}

/// What a cluster answers when all three members vote, each serves linearizable reads, and all are of
/// one cluster with one leader.
pub(crate) struct Whole {
    /// The ids of the voters.
    pub(crate) voters: BTreeSet<u64>,
    /// The machine of the leader.
    pub(crate) leader: u8,
    /// The revision through each of the asked machines.
    pub(crate) revision: i64,
}

/// Asks once.
///
/// # Errors
///
/// It is not whole: says why.
pub(crate) async fn whole(addresses: &[(u8, String)]) -> Result<Whole> {
    let mut clusters = BTreeSet::new();
    let mut leaders = BTreeSet::new();
    let mut ids = Vec::new();
    let mut all = BTreeSet::new();
    let mut revision = 0;
    for (n, address) in addresses {
        let client = client(address).await?;
        let status = client.status().await?;
        revision = client.revision(Reading::Linearizable).await?.0;
        let members = client.members(Reading::Linearizable).await?;
        ensure!(members.len() == MEMBERS.len(), "{} members", members.len());
        clusters.insert(status.cluster);
        leaders.insert(status.leader.context("no leader")?);
        ids.push((status.member, *n));
        all.insert(voters(&members));
    }
    ensure!(clusters.len() == 1, "more than one cluster: {clusters:?}");
    ensure!(leaders.len() == 1 && all.len() == 1, "members do not agree yet");
    let (Some(voters), Some(leader)) = (all.pop_first(), leaders.pop_first()) else { bail!("nobody answered") };
    ensure!(voters.len() == MEMBERS.len(), "{} voters", voters.len());
    let leader = ids.iter().find(|(id, _)| *id == leader).context("the leader is on none of the asked machines")?.1;
    Ok(Whole { voters, leader, revision })
}
