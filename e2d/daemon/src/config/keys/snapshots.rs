//! Keys of backups.

use super::{refused, table};
use crate::config::key::{Decl, Effect, Key, Section, Shape};
use crate::config::problem::Fault;
use crate::config::span;
use crate::config::store::{self, StoreUrl};
use crate::config::value;
use std::time::Duration;

const UNENCRYPTED: &str = "leave it out; archives are not encrypted in this version, so protect the folder itself";
const UNPRUNED: &str = "leave it out; all archives are kept, so watch the size of the folder";
const NO_SEGMENTS: &str = "leave it out; shorten snapshot-interval to lose less";

fn interval(text: &str) -> Result<Duration, Fault> {
    span::at_least(Duration::from_secs(1), text)
}

fn retention(text: &str) -> Result<(), Fault> {
    let age = span::at_least(Duration::ZERO, text)?;
    if age.is_zero() { Ok(()) } else { Err(Fault::unsupported("pruning comes with a later version")) }
}

fn on(text: &str) -> Result<(), Fault> {
    if value::switch(text)? { Ok(()) } else { Err(Fault::unsupported("archives are always compressed")) }
}

fn off(text: &str) -> Result<(), Fault> {
    if value::switch(text)? { Err(Fault::unsupported("encryption comes with a later version")) } else { Ok(()) }
}

table! {
    /// Where backups go.
    SNAPSHOT_URL: StoreUrl = Decl::new(Section::Snapshots, "snapshot-url", "URL", "Folder that backups are kept in")
        .old_names(&["snapshot-backup-url"])
        .found("for one node `file://<data-dir>/e2d/store/`; for 3 and 5 none")
        .old_default("none")
        .detail(
            "`file://DIR/`: what follows the two slashes is the folder, so three of them begin an absolute one; the last \
             slash may be left out. With more than one node it must be one folder that all of them mount. `none` means no \
             backups.",
        )
        .allowed("file://DIR/ or none", "file:///mnt/backups/")
        .read_by(store::parse);

    /// How often.
    SNAPSHOT_INTERVAL: Duration = Decl::new(Section::Snapshots, "snapshot-interval", "DURATION", "Time between full backups")
        .default("1h")
        .old_default("25m (upstream 1m)")
        .detail("Nothing is written when nothing has changed.")
        .allowed("a duration from 1s to 365d", "1h")
        .read_by(interval);

    /// How long.
    SNAPSHOT_RETENTION_TIME: () = Decl::new(
        Section::Snapshots,
        "snapshot-retention-time",
        "DURATION",
        "Age after which no backup is kept, except the newest verified one",
    )
        .default("0")
        .old_default("24h (upstream had none)")
        .allowed("0", "0")
        .effect(Effect::Later(UNPRUNED))
        .read_by(retention);

    /// Whether archives are compressed: always.
    SNAPSHOT_COMPRESSION: () = Decl::new(Section::Snapshots, "snapshot-compression", "", "Compress backups, with zstd")
        .shape(Shape::Switch)
        .default("true")
        .old_default("false (gzip)")
        .allowed("true", "true")
        .effect(Effect::Gone("leave it out, or set it to true; archives are always compressed"))
        .read_by(on);

    /// Whether archives are encrypted.
    SNAPSHOT_ENCRYPTION: () = Decl::new(Section::Snapshots, "snapshot-encryption", "", "Encrypt backups")
        .shape(Shape::Switch)
        .default("false")
        .old_default("false (with a key made from the CA's)")
        .allowed("false", "false")
        .effect(Effect::Later(UNENCRYPTED))
        .read_by(off);

    /// The master key as a file.
    SNAPSHOT_KEY_FILE: () = Decl::new(Section::Snapshots, "snapshot-key-file", "FILE", "File with the master key of backups")
        .allowed("nothing in this version", "")
        .effect(Effect::Later(UNENCRYPTED))
        .read_by(refused::later);

    /// The master key as a passphrase.
    SNAPSHOT_PASSPHRASE_FILE: () = Decl::new(Section::Snapshots, "snapshot-passphrase-file", "FILE", "File with the passphrase of backups")
        .allowed("nothing in this version", "")
        .effect(Effect::Later(UNENCRYPTED))
        .read_by(refused::later);

    /// The master key in KMS.
    SNAPSHOT_KMS_KEY: () = Decl::new(Section::Snapshots, "snapshot-kms-key", "ARN", "AWS KMS key that wraps the keys of backups")
        .allowed("nothing in this version", "")
        .effect(Effect::Later(UNENCRYPTED))
        .read_by(refused::later);

    /// How often increments are flushed.
    DELTA_INTERVAL: () = Decl::new(Section::Snapshots, "delta-interval", "DURATION", "Time between incremental backups")
        .allowed("nothing in this version", "")
        .effect(Effect::Later(NO_SEGMENTS))
        .read_by(refused::later);

    /// How large increments grow.
    DELTA_SIZE: () = Decl::new(Section::Snapshots, "delta-size", "SIZE", "Size at which an incremental backup is flushed before its time")
        .allowed("nothing in this version", "")
        .effect(Effect::Later(NO_SEGMENTS))
        .read_by(refused::later);
}
