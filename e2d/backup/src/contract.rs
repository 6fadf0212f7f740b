//! What every store must do, as functions to run against one.
//!
//! This is the definition of the port [`crate::store`] in executable form, for the tests of its
//! implementations, here and in other crates. Each property takes handles onto **one empty store**, made
//! as two machines would make them, and says what was broken. [`check`] runs all of them.
//!
//! The suite cannot show what a crash leaves behind; each implementation shows that by its own tests.

mod large;
mod listing;
mod races;
mod small;

use crate::store::{BoxFuture, Condition, Entry, Key, Object, Prefix, Store, StoreError, Version};
use std::fmt;
use std::sync::Arc;

/// Handles onto one store. At least two.
pub type Handles = Vec<Arc<dyn Store>>;

/// One property: what it is called, and how it is tried.
pub struct Property {
    /// A sentence in snake case.
    pub name: &'static str,
    /// Tries it on one empty store.
    pub check: fn(Handles) -> BoxFuture<'static, Result<(), Violation>>,
}

/// How a store broke a property.
#[derive(Debug)]
pub struct Violation(String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Violation {}

macro_rules! properties {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$(Property { name: stringify!($name), check: |handles| Box::pin($module::$name(handles)) }),*]
    };
}

/// All properties.
pub const PROPERTIES: &[Property] = properties![
    small::an_empty_store_says_so,
    small::what_was_put_comes_back,
    small::only_one_can_create,
    small::only_what_was_read_is_replaced,
    small::what_is_too_large_is_not_read,
    small::deleting_is_final_and_repeatable,
    small::odd_keys_are_kept_apart,
    races::of_many_creators_one_wins,
    races::of_many_replacers_one_wins,
    races::no_increment_is_lost,
    races::a_stream_and_a_put_race_fairly,
    races::a_deleted_object_is_not_replaced,
    listing::lists_are_sorted_and_complete_page_by_page,
    listing::prefixes_are_texts_and_not_folders,
    listing::lists_follow_every_write,
    listing::a_list_tells_the_states_of_an_object_apart,
    large::a_large_object_comes_back_in_any_part,
    large::a_stream_only_creates,
    large::a_failing_source_leaves_nothing,
    large::a_cancelled_stream_leaves_nothing,
    large::an_empty_stream_is_an_empty_object,
];

/// Runs every property on an empty store of its own, and collects what was broken.
///
/// `empty` is called once for each property and gives handles, at least two, onto a new and empty store.
pub async fn check<F>(mut empty: impl FnMut() -> F) -> Result<(), Violation>
where
    F: Future<Output = Handles>,
{
    let mut broken = Vec::new();
    for property in PROPERTIES {
        if let Err(Violation(what)) = (property.check)(empty().await).await {
            broken.push(format!("{}: {what}", property.name));
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(Violation(broken.join("\n"))) }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation(what())) }
}

fn key(text: &str) -> Result<Key, Violation> {
    Key::new(text).map_err(|error| Violation(error.to_string()))
}

/// The operation should have worked.
fn done<T>(what: &str, result: Result<T, StoreError>) -> Result<T, Violation> {
    result.map_err(|error| Violation(format!("{what}: {error:?}")))
}

/// The operation should have been refused because of its condition.
fn refused<T: fmt::Debug>(what: &str, result: &Result<T, StoreError>) -> Result<(), Violation> {
    ensure(matches!(result, Err(StoreError::Conflict { .. })), || format!("{what}: not a conflict: {result:?}"))
}

async fn get(store: &Arc<dyn Store>, key: &Key) -> Result<Option<Object>, Violation> {
    done("get", store.get(key, 1 << 20).await)
}

async fn create(store: &Arc<dyn Store>, key: &Key, bytes: &[u8]) -> Result<Version, Violation> {
    done("put with Absent", store.put(key, bytes, Condition::Absent).await)
}

async fn list_all(store: &Arc<dyn Store>, prefix: &str) -> Result<Vec<Entry>, Violation> {
    let prefix = Prefix::new(prefix).map_err(|error| Violation(error.to_string()))?;
    let page = done("list", store.list(&prefix, None, 1000).await)?;
    ensure(!page.more, || format!("a list of {} entries has more", page.entries.len()))?;
    Ok(page.entries)
}

/// Bytes that repeat nowhere near, the same for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
