//! What comes from the store, from a disk, and in a node's word.

use crate::ensure;
use e2d_backup::archive::Manifest;
use e2d_backup::database::Database;
use e2d_core::lineage::Lineage;
use e2d_core::memory::{self, Identity, Recall, State};
use e2d_core::word::Word;
use std::io::Cursor;

/// The largest database that is tried: enough for every structure, small enough to be quick.
const MAX_DATABASE_BYTES: usize = 256 * 1024;

/// An archive's manifest.
pub(crate) fn manifest(bytes: &[u8]) {
    let Ok(archive) = Manifest::decode(bytes) else { return };
    let again = Manifest::decode(&archive.manifest.encode());
    ensure(again.is_ok_and(|again| again.manifest == archive.manifest), "it is not the same when read again");
}

/// The lineage object.
pub(crate) fn lineage(bytes: &[u8]) {
    let Ok((lineage, owner)) = Lineage::decode(bytes) else { return };
    let again = Lineage::decode(&lineage.encode(&owner));
    ensure(again == Ok((lineage, owner)), "it is not the same when read again");
}

/// A node's word about itself.
pub(crate) fn word(bytes: &[u8]) {
    let Ok(word) = Word::decode(bytes) else { return };
    ensure(Word::decode(&word.encode()) == Ok(word), "it is not the same when read again");
}

/// The three files of a node.
pub(crate) fn memory(bytes: &[u8]) {
    if let Ok(identity) = memory::decode::<Identity>(bytes) {
        ensure(memory::decode(&memory::encode(&identity)) == Ok(identity), "another identity when read again");
    }
    if let Ok(state) = memory::decode::<State>(bytes) {
        ensure(memory::decode(&memory::encode(&state)) == Ok(state), "another state when read again");
    }
    if let Ok(recall) = memory::decode::<Recall>(bytes) {
        ensure(memory::decode(&memory::encode(&recall)) == Ok(recall), "another memory when read again");
    }
}

/// An etcd database, as it is opened when an archive is verified.
pub(crate) fn database(bytes: &[u8]) {
    if bytes.len() <= MAX_DATABASE_BYTES
        && let Ok(mut database) = Database::open(Cursor::new(bytes))
    {
        let _ = database.facts();
    }
}
