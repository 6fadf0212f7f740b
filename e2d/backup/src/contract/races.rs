//! Small objects, many writers: of all that want the same, exactly one gets it, every time.

use super::{Handles, Violation, create, done, ensure, get, key, refused};
use crate::store::{Condition, Key, Store, StoreError, Version};
use std::sync::Arc;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

const WRITERS: usize = 8;
const ROUNDS: usize = 25;

/// Lets all writers write at one moment and returns the winner, whose bytes must be there.
async fn race(stores: &Handles, key: &Key, condition: Condition) -> Result<Version, Violation> {
    let barrier = Arc::new(Barrier::new(WRITERS));
    let mut writers = JoinSet::new();
    for n in 0..WRITERS {
        let (store, key, condition, barrier) =
            (stores[n % stores.len()].clone(), key.clone(), condition.clone(), barrier.clone());
        writers.spawn(async move {
            barrier.wait().await;
            let bytes = format!("writer {n}").into_bytes();
            let result = store.put(&key, &bytes, condition).await;
            (bytes, result)
        });
    }
    let mut winners = Vec::new();
    while let Some(writer) = writers.join_next().await {
        match writer.map_err(|error| Violation(error.to_string()))? {
            (bytes, Ok(version)) => winners.push((bytes, version)),
            (_, lost) => refused("a writer that came late", &lost)?,
        }
    }
    let found = get(&stores[0], key).await?;
    match (winners.as_slice(), found) {
        ([(bytes, version)], Some(found)) if found.bytes == *bytes && found.version == *version => Ok(version.clone()),
        (winners, found) => Err(Violation(format!("{} winners, and {found:?} is there", winners.len()))),
    }
}

/// S1: the right to begin an epoch is taken by one.
pub(super) async fn of_many_creators_one_wins(stores: Handles) -> Result<(), Violation> {
    for round in 0..ROUNDS {
        race(&stores, &key(&format!("rounds/{round}"))?, Condition::Absent).await?;
    }
    Ok(())
}

pub(super) async fn of_many_replacers_one_wins(stores: Handles) -> Result<(), Violation> {
    let key = key("lineage")?;
    for round in 0..ROUNDS {
        let seen = match get(&stores[0], &key).await? {
            None => create(&stores[0], &key, b"start").await?,
            Some(found) => {
                let unlike_any = format!("round {round}");
                let replaced = stores[0].put(&key, unlike_any.as_bytes(), Condition::Matches(found.version)).await;
                done("replace", replaced)?
            }
        };
        race(&stores, &key, Condition::Matches(seen)).await?;
    }
    Ok(())
}

/// Adds one to a counter, as often as asked, by compare-and-swap.
pub(super) async fn count(store: &Arc<dyn Store>, key: &Key, times: usize) -> Result<(), Violation> {
    let mut left = times;
    while left > 0 {
        let (value, condition) = match get(store, key).await? {
            None => (0, Condition::Absent),
            Some(found) => (number(&found.bytes)?, Condition::Matches(found.version)),
        };
        match store.put(key, (value + 1).to_string().as_bytes(), condition).await {
            Ok(_) => left -= 1,
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(Violation(format!("replace: {error:?}"))),
        }
    }
    Ok(())
}

fn number(bytes: &[u8]) -> Result<usize, Violation> {
    let text = String::from_utf8_lossy(bytes);
    text.parse().map_err(|_| Violation(format!("the counter is torn: {text:?}")))
}

pub(super) async fn no_increment_is_lost(stores: Handles) -> Result<(), Violation> {
    let key = key("counter")?;
    let mut writers = JoinSet::new();
    for n in 0..WRITERS {
        let (store, key) = (stores[n % stores.len()].clone(), key.clone());
        writers.spawn(async move { count(&store, &key, ROUNDS).await });
    }
    while let Some(writer) = writers.join_next().await {
        writer.map_err(|error| Violation(error.to_string()))??;
    }
    let found = get(&stores[0], &key).await?.map(|found| number(&found.bytes)).transpose()?;
    ensure(found == Some(WRITERS * ROUNDS), || format!("{} increments made {found:?}", WRITERS * ROUNDS))
}

pub(super) async fn a_stream_and_a_put_race_fairly(stores: Handles) -> Result<(), Violation> {
    for round in 0..ROUNDS {
        let key = key(&format!("rounds/{round}"))?;
        let mut source: &[u8] = b"stream";
        let (stream, put) =
            tokio::join!(stores[0].put_stream(&key, &mut source), stores[1].put(&key, b"put", Condition::Absent));
        let expected: &[u8] = match (&stream, &put) {
            (Ok(_), Err(StoreError::Conflict { .. })) => b"stream",
            (Err(StoreError::Conflict { .. }), Ok(_)) => b"put",
            _ => return Err(Violation(format!("the stream got {stream:?}, the put {put:?}"))),
        };
        let found = get(&stores[0], &key).await?;
        ensure(found.as_ref().is_some_and(|found| found.bytes == expected), || format!("not the winner's: {found:?}"))?;
    }
    Ok(())
}

/// A replacement and a deletion at one moment: whichever is first, the object is gone in the end, or the
/// replacement was refused.
pub(super) async fn a_deleted_object_is_not_replaced(stores: Handles) -> Result<(), Violation> {
    for round in 0..ROUNDS {
        let key = key(&format!("rounds/{round}"))?;
        let seen = create(&stores[0], &key, b"seen").await?;
        let (replaced, deleted) =
            tokio::join!(stores[0].put(&key, b"new", Condition::Matches(seen)), stores[1].delete(&key));
        done("delete", deleted)?;
        if replaced.is_err() {
            refused("replacing what was deleted", &replaced)?;
        }
        let found = get(&stores[0], &key).await?;
        ensure(found.is_none(), || format!("back after its deletion: {found:?}, replacement {replaced:?}"))?;
    }
    Ok(())
}
