//! Lists.

use super::{Handles, Violation, create, done, ensure, key, list_all};
use crate::store::{Condition, Entry, Prefix, Store};
use std::sync::Arc;

/// Names that sort otherwise as folders than as texts: `-` and `.` come before `/`, `0` after it.
const NAMES: [&str; 13] =
    ["a", "a-b/x", "a.b", "b/1", "b/10", "b/2", "b/c-d", "b/c/1", "b/c/2", "b/c0", "b0", "c/d/e/f/g", "z"];

async fn fill(stores: &Handles) -> Result<(), Violation> {
    for name in NAMES.iter().rev() {
        create(&stores[0], &key(name)?, name.as_bytes()).await?;
    }
    Ok(())
}

async fn by_pages(store: &Arc<dyn Store>, prefix: &str, size: usize) -> Result<Vec<Entry>, Violation> {
    let prefix = Prefix::new(prefix).map_err(|error| Violation(error.to_string()))?;
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let page = done("list", store.list(&prefix, all.last().map(|entry| &entry.key), size).await)?;
        ensure(page.entries.len() <= size, || format!("{} entries where {size} were asked for", page.entries.len()))?;
        ensure(!page.more || !page.entries.is_empty(), || "an empty page that has more".to_owned())?;
        all.extend(page.entries);
        ensure(all.is_sorted_by(|one, next| one.key < next.key), || format!("not in order: {all:?}"))?;
        if !page.more {
            return Ok(all);
        }
    }
}

pub(super) async fn lists_are_sorted_and_complete_page_by_page(stores: Handles) -> Result<(), Violation> {
    fill(&stores).await?;
    let mut expected = NAMES;
    expected.sort_unstable();
    for store in &stores {
        for size in [1, 2, 3, NAMES.len(), 1000] {
            let listed = by_pages(store, "", size).await?;
            let names: Vec<&str> = listed.iter().map(|entry| entry.key.as_str()).collect();
            ensure(names == expected, || format!("by pages of {size}: {names:?}"))?;
            let sizes = listed.iter().all(|entry| entry.size_bytes == entry.key.as_str().len() as u64);
            ensure(sizes, || format!("wrong sizes: {listed:?}"))?;
        }
    }
    Ok(())
}

pub(super) async fn prefixes_are_texts_and_not_folders(stores: Handles) -> Result<(), Violation> {
    fill(&stores).await?;
    for prefix in ["", "a", "a-", "b", "b/", "b/1", "b/c", "b/c/", "c/d/e", "c/d/e/f/g", "d", "b/d", "b/c/1/", "zz"] {
        let mut expected: Vec<&str> = NAMES.into_iter().filter(|name| name.starts_with(prefix)).collect();
        expected.sort_unstable();
        // A file has nothing below it: a folder store may say so instead of listing nothing.
        if prefix == "b/c/1/" {
            continue;
        }
        for size in [1, 1000] {
            let listed = by_pages(&stores[0], prefix, size).await?;
            let names: Vec<&str> = listed.iter().map(|entry| entry.key.as_str()).collect();
            ensure(names == expected, || format!("prefix {prefix:?} by pages of {size}: {names:?}"))?;
        }
    }
    Ok(())
}

pub(super) async fn lists_follow_every_write(stores: Handles) -> Result<(), Violation> {
    let key = key("archives/1/a")?;
    for round in 0..3 {
        create(&stores[0], &key, b"a").await?;
        let listed = list_all(&stores[1], "archives/").await?.len();
        ensure(listed == 1, || format!("round {round}: {listed} listed after a write"))?;
        done("delete", stores[0].delete(&key).await)?;
        let listed = list_all(&stores[1], "archives/").await?.len();
        ensure(listed == 0, || format!("round {round}: {listed} listed after its deletion"))?;
    }
    Ok(())
}

pub(super) async fn a_list_tells_the_states_of_an_object_apart(stores: Handles) -> Result<(), Violation> {
    let key = key("archives/1/a.check")?;
    let mut version = create(&stores[0], &key, b"0").await?;
    let mut stamps = Vec::new();
    for round in 0..3 {
        for store in stores.iter().chain(&stores) {
            let listed = list_all(store, "archives/").await?;
            stamps.extend(listed.iter().map(|entry| entry.stamp));
        }
        let seen = &stamps[stamps.len() - 2 * stores.len()..];
        ensure(seen.iter().all(|stamp| *stamp == seen[0]), || format!("two stamps of one state: {seen:?}"))?;
        let before = stamps[..stamps.len() - seen.len()].contains(&seen[0]);
        ensure(!before, || format!("round {round}: the stamp of an earlier state: {stamps:?}"))?;
        // Of the same size, so that nothing else tells.
        let bytes = [b'1' + round];
        version = done("put", stores[0].put(&key, &bytes, Condition::Matches(version)).await)?;
    }
    Ok(())
}
