//! The lineage object in the store, as bytes.
//!
//! What it says is `e2d_core`'s; here it is only read, and written under a condition. After
//! [`StoreError::Conflict`] or [`StoreError::Ambiguous`] the caller reads it again and looks for its own
//! nonce; nothing is repeated here, because only the caller knows what a write meant.

use crate::store::{Condition, Key, Object, Store, StoreError, Version};

/// The object's key.
pub const KEY: &str = "lineage";
/// The largest object that is read, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// Reads the object; `None` means that the store was reached and holds none.
pub async fn read(store: &dyn Store) -> Result<Option<Object>, StoreError> {
    store.get(&Key::known(KEY), MAX_BYTES).await
}

/// Writes the object, if it is still what the condition says.
pub async fn write(store: &dyn Store, bytes: &[u8], condition: Condition) -> Result<Version, StoreError> {
    store.put(&Key::known(KEY), bytes, condition).await
}
