//! Hostile bytes for everything that reads bytes (S22).
//!
//! A target is a function of bytes that returns, whatever they are: it panics where a promise is broken.
//! `cargo xtask fuzz TARGET` runs one under libFuzzer, guided by coverage, on the stable compiler; the tests
//! play every file of `corpora/` to its target. What was found is kept there.

mod bytes;
mod configuration;
mod objects;

/// One target: its name, which is that of its corpus, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 8] = [
    ("configuration", configuration::said),
    ("database", objects::database),
    ("lineage", objects::lineage),
    ("manifest", objects::manifest),
    ("memory", objects::memory),
    ("packet", bytes::packet),
    ("payload", bytes::payload),
    ("word", objects::word),
];

/// The target of a name.
#[must_use]
pub fn target(name: &str) -> Option<fn(&[u8])> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, run)| *run)
}

/// Fails the target, with what it was about.
fn ensure(holds: bool, what: &str) {
    assert!(holds, "{what}");
}
