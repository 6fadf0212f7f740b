//! Small objects, one writer.

use super::{Handles, Violation, create, done, ensure, get, key, list_all, noise, refused};
use crate::store::{Condition, Span, Version};

/// S2: an empty store answers, and what it answers is not an error.
pub(super) async fn an_empty_store_says_so(stores: Handles) -> Result<(), Violation> {
    for store in &stores {
        ensure(!store.describe().is_empty(), || "it has no description".to_owned())?;
        for name in ["lineage", "archives/1/x"] {
            let found = get(store, &key(name)?).await?;
            ensure(found.is_none(), || format!("get {name}: {found:?}"))?;
            let found = done("get_stream", store.get_stream(&key(name)?, Span::ALL).await)?;
            ensure(found.is_none(), || format!("get_stream {name}: {found:?}"))?;
        }
        for prefix in ["", "archives/", "archives/1/", "etcd.snapshot"] {
            let found = list_all(store, prefix).await?;
            ensure(found.is_empty(), || format!("list {prefix:?}: {found:?}"))?;
        }
    }
    Ok(())
}

pub(super) async fn what_was_put_comes_back(stores: Handles) -> Result<(), Violation> {
    for (n, bytes) in [vec![], b"{}".to_vec(), noise(1, 100_000)].into_iter().enumerate() {
        let key = key(&format!("archives/1/{n}"))?;
        let version = create(&stores[0], &key, &bytes).await?;
        for store in &stores {
            let found = get(store, &key).await?;
            let same = found.as_ref().is_some_and(|found| found.bytes == bytes && found.version == version);
            ensure(same, || format!("{key}: other bytes or another version than were put"))?;
        }
    }
    Ok(())
}

pub(super) async fn only_one_can_create(stores: Handles) -> Result<(), Violation> {
    let key = key("lineage")?;
    let version = create(&stores[0], &key, b"first").await?;
    for store in &stores {
        refused("a second create", &store.put(&key, b"second", Condition::Absent).await)?;
        refused("a second create with equal bytes", &store.put(&key, b"first", Condition::Absent).await)?;
        let found = get(store, &key).await?;
        let same = found.as_ref().is_some_and(|found| found.bytes == b"first" && found.version == version);
        ensure(same, || format!("a refused create changed the object: {found:?}"))?;
    }
    Ok(())
}

pub(super) async fn only_what_was_read_is_replaced(stores: Handles) -> Result<(), Violation> {
    let (one, other) = (&stores[0], &stores[1]);
    let key = key("lineage")?;
    let never = Condition::Matches(Version("never".to_owned()));
    refused("replacing what is not there", &one.put(&key, b"x", never.clone()).await)?;
    ensure(get(one, &key).await?.is_none(), || "a refused replacement created the object".to_owned())?;

    let first = create(one, &key, b"first").await?;
    refused("replacing another version", &one.put(&key, b"x", never).await)?;
    let second = done("replace", other.put(&key, b"second", Condition::Matches(first.clone())).await)?;
    ensure(first != second, || format!("two states have one version, {first}"))?;
    refused("replacing by a stale version", &one.put(&key, b"x", Condition::Matches(first)).await)?;
    let found = get(one, &key).await?;
    let same = found.as_ref().is_some_and(|found| found.bytes == b"second" && found.version == second);
    ensure(same, || format!("not what was written last: {found:?}"))
}

/// S22: a hostile object costs no memory.
pub(super) async fn what_is_too_large_is_not_read(stores: Handles) -> Result<(), Violation> {
    use crate::store::StoreError;
    let key = key("archives/1/m")?;
    create(&stores[0], &key, &noise(2, 1000)).await?;
    let found = done("get at the limit", stores[0].get(&key, 1000).await)?;
    ensure(found.is_some_and(|found| found.bytes.len() == 1000), || "not whole at the limit".to_owned())?;
    let refusal = stores[0].get(&key, 999).await;
    let named = matches!(refusal, Err(StoreError::TooLarge { size_bytes: 1000, limit_bytes: 999, .. }));
    ensure(named, || format!("one byte over the limit: {refusal:?}"))
}

pub(super) async fn deleting_is_final_and_repeatable(stores: Handles) -> Result<(), Violation> {
    let (gone, stays) = (key("archives/1/a")?, key("archives/1/b")?);
    let version = create(&stores[0], &gone, b"a").await?;
    create(&stores[0], &stays, b"b").await?;
    for store in &stores {
        done("delete", store.delete(&gone).await)?;
        ensure(get(store, &gone).await?.is_none(), || "a deleted object is still there".to_owned())?;
        refused("replacing what was deleted", &store.put(&gone, b"x", Condition::Matches(version.clone())).await)?;
    }
    done("delete of what never was", stores[0].delete(&key("never/was")?).await)?;
    ensure(get(&stores[0], &stays).await?.is_some(), || "its neighbour is gone too".to_owned())?;
    create(&stores[1], &gone, b"again").await.map(drop)
}

pub(super) async fn odd_keys_are_kept_apart(stores: Handles) -> Result<(), Violation> {
    let long = "n".repeat(200);
    let odd = [
        "a b",
        "a+b",
        "a%20b",
        "a%2fb",
        "a&b=c?d#e",
        "ä/ö/ü",
        "A",
        "a",
        "~x",
        "-rf",
        "*",
        "x\\y",
        "q\"'",
        &long,
        "1/2/3/4/5",
    ];
    for name in odd {
        create(&stores[0], &key(name)?, name.as_bytes()).await?;
    }
    for name in odd {
        let found = get(&stores[1], &key(name)?).await?;
        ensure(found.is_some_and(|found| found.bytes == name.as_bytes()), || format!("{name:?} is another object"))?;
    }
    let mut expected: Vec<&str> = odd.to_vec();
    expected.sort_unstable();
    let listed = list_all(&stores[0], "").await?;
    let listed: Vec<&str> = listed.iter().map(|entry| entry.key.as_str()).collect();
    ensure(listed == expected, || format!("listed as {listed:?}"))
}
