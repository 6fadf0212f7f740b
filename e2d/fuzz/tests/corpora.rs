//! Every file of every corpus, played to its target: what was found once is not found again (S22).

use e2d_fuzz::TARGETS;
use std::path::Path;

#[test]
fn nothing_in_a_corpus_does_any_harm() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora");
    for (name, target) in TARGETS {
        let mut played = 0;
        for entry in std::fs::read_dir(corpora.join(name)).unwrap_or_else(|error| panic!("{name}: {error}")) {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let outcome = std::panic::catch_unwind(|| target(&bytes));
            assert!(outcome.is_ok(), "the target {name} fails on {}", path.display());
            played += 1;
        }
        assert!(played > 0, "the corpus of {name} is empty");
    }
}

/// Each corpus leads into its target: something in it is understood, so that what lies behind is reached.
#[test]
fn each_corpus_holds_something_that_is_understood() {
    let file = |path: &str| std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora").join(path)).unwrap();
    assert!(e2d_backup::archive::Manifest::decode(&file("manifest/golden")).is_ok());
    assert!(e2d_core::lineage::Lineage::decode(&file("lineage/restored")).is_ok());
    assert!(e2d_core::word::Word::decode(&file("word/member")).is_ok());
    assert!(e2d_gossip::fuzz::payload(&file("payload/hello")).is_some());
}
