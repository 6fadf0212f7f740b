//! Every known bug is caught by an invariant when it is put back, and the stories in which they show pass without them.
//!
//! A test that cannot fail shows nothing: these show that the invariants can. Each line names the promises of which one
//! must be seen to break.

use e2d_sim::faults::stories::{self, Story};
use e2d_sim::invariants::comes_back::End;
use e2d_sim::mutants::Mutant;
use e2d_sim::run::run_setup;
use e2d_sim::setup::Setup;

/// In how many worlds a bug must show at least once. Most show in one of ten, the rarest in one of two hundred.
const WORLDS: u64 = 1_000;

/// Worlds of each story that must pass without any bug.
const SOUND: u64 = 8;

fn caught(mutant: Mutant, promises: &[&str]) {
    let told = |why: &str| promises.iter().any(|promise| why.split([' ', ':']).next() == Some(promise));
    let broken = (0..WORLDS).any(|seed| match run_setup(Setup::new(seed, Some(mutant)), false).end {
        End::Broken(why) => told(&why),
        End::Healed | End::Person(_) => false,
    });
    assert!(broken, "{mutant:?} was not caught in {WORLDS} worlds");
}

macro_rules! caught {
    ($($test:ident: $mutant:ident breaks $($promise:ident)|+;)+) => {
        $(#[test]
        fn $test() {
            caught(Mutant::$mutant, &[$(stringify!($promise)),+]);
        })+

        /// Whoever adds a bug to the table adds a line here.
        #[test]
        fn every_known_bug_has_its_test() {
            let tested = [$(Mutant::$mutant),+];
            for (mutant, _) in Mutant::ALL {
                assert!(tested.contains(&mutant), "{mutant:?}");
            }
        }
    };
}

caught! {
    unconditional_write: UnconditionalWrite breaks S2 | S13;
    restore_on_silence: RestoreOnSilence breaks S3;
    constant_token: ConstantToken breaks S16;
    no_gate: NoGate breaks S1 | S9;
    no_record_limit: NoRecordLimit breaks S3;
    address_is_identity: AddressIsIdentity breaks S11;
    unseal_any_time: UnsealAnyTime breaks S3;
    empty_on_store_error: EmptyOnStoreError breaks S2;
    timeout_is_success: TimeoutIsSuccess breaks S13;
    newest_archive_each: NewestArchiveEach breaks S7;
    vows_fall: VowsFall breaks S1 | S13;
    vows_part: VowsPart breaks S1 | S13;
    failed_restore_starts_empty: FailedRestoreStartsEmpty breaks S7;
    failed_restore_starts_old: FailedRestoreStartsOld breaks S7;
    restart_restores: RestartRestores breaks S13;
    self_destruct: SelfDestruct breaks S4;
    pointer_first: PointerFirst breaks S15;
    nothing_verified: NothingVerified breaks S15;
    unfenced_writer: UnfencedWriter breaks S16;
    edits_bypass_raft: EditsBypassRaft breaks S7 | S8;
    no_bump: NoBump breaks S9;
    all_visible_found: AllVisibleFound breaks S13;
    stale_words: StaleWords breaks S13;
    late_eviction: LateEviction breaks S12;
    join_as_voter: JoinAsVoter breaks S10;
    removed_stays_down: RemovedStaysDown breaks S13;
    status_sticks: StatusSticks breaks S13;
    every_member_needed: EveryMemberNeeded breaks S13;
    suspects_forgotten: SuspectsForgotten breaks S13;
    gossip_is_health: GossipIsHealth breaks S12;
    etcd_is_health: EtcdIsHealth breaks S12;
    torn_restore_starts: TornRestoreStarts breaks S7;
    many_changes: ManyChanges breaks S5;
}

#[test]
fn the_stories_pass_without_a_bug() {
    for story in stories::ALL.into_iter().filter(|story| *story != Story::Any) {
        for seed in 0..SOUND {
            let end = run_setup(story.stage(Setup::new(seed, None)), false).end;
            assert!(!matches!(end, End::Broken(_)), "{story:?}, seed {seed}: {end:?}");
        }
    }
}
