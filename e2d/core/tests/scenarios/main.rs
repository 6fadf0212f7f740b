//! Stories: a script of what happens to a few machines, and beside it, as a golden file, what each node then
//! plans, does, waits for, and why.
//!
//! `NAME.txt` is the script, and its verbs are in [`story`]; `NAME.golden` is what an operator would read. After a
//! change that is meant, `UPDATE_GOLDEN=1 cargo test -p e2d-core --test scenarios` writes the golden files anew, and
//! their difference is part of the review.

#[cfg(test)]
mod etcd;
#[cfg(test)]
mod host;
#[cfg(test)]
mod store;
#[cfg(test)]
mod story;

#[cfg(test)]
mod tests {
    use crate::story::Story;
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    fn folder() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
    }

    #[expect(clippy::disallowed_methods, reason = "golden files are written by this test alone")]
    fn check(name: &str) {
        let script = std::fs::read_to_string(folder().join(name).with_extension("txt")).unwrap();
        let told = Story::tell(&script);
        let golden = folder().join(name).with_extension("golden");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &told).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        let differs = told.lines().zip(expected.lines()).find(|(told, expected)| told != expected);
        assert!(
            told == expected,
            "{name} is told otherwise now, first at {differs:?}:\n{told}\n\
             if that is meant: UPDATE_GOLDEN=1 cargo test -p e2d-core --test scenarios"
        );
    }

    macro_rules! stories {
        ($($test:ident: $name:literal,)*) => {
            $(
                #[test]
                fn $test() {
                    check($name);
                }
            )*

            #[test]
            fn every_script_is_told() {
                let listed: BTreeSet<String> = [$($name.to_owned()),*].into();
                let names = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
                let scripts = names.filter(|path| path.extension().is_some_and(|extension| extension == "txt"));
                let found: BTreeSet<String> =
                    scripts.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
                assert_eq!(listed, found);
            }
        };
    }

    stories! {
        adopting_plain_etcd: "adopting-plain-etcd",
        all_wiped: "all-wiped",
        birth_by_vows: "birth-by-vows",
        birth_of_three: "birth-of-three",
        damaged_data: "damaged-data",
        dead_voter_by_silence: "dead-voter-by-silence",
        dead_voter_by_successor: "dead-voter-by-successor",
        disk_copied: "disk-copied",
        disk_not_readable: "disk-not-readable",
        disk_set_back: "disk-set-back",
        hold: "hold",
        interview_missing: "interview-missing",
        late_founder: "late-founder",
        learner_catches_up: "learner-catches-up",
        newer_epoch: "newer-epoch",
        private_folders: "private-folders",
        restart_of_all: "restart-of-all",
        store_denied: "store-denied",
        two_of_three: "two-of-three",
        two_of_three_wiped: "two-of-three-wiped",
    }
}
