//! What a seed stands for: how many machines there are, what they begin with, and what they share.

use crate::faults::stories::Story;
use crate::mutants::Mutant;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// What lies on the disks and in the store before anybody starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Nothing.
    Empty,
    /// A cluster of plain etcd on the first N machines, and an empty store.
    PlainEtcd,
    /// Backups of another program in the store.
    OldBackups,
}

/// Who shares a store with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// One store for all, as it should be.
    One,
    /// The last of the first N machines has a private folder.
    OneApart,
    /// Everybody has a private folder.
    AllApart,
}

/// What is being simulated.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The seed of everything random.
    pub seed: u64,
    /// N.
    pub size: usize,
    /// How many machines there are; those beyond N are spares.
    pub hosts: usize,
    /// Whether there is a store.
    pub has_store: bool,
    /// Who shares it.
    pub sharing: Sharing,
    /// What there is before.
    pub begin: Begin,
    /// Silence after which a voter without other proof of death is removed.
    pub replace_after: Duration,
    /// What breaks.
    pub story: Story,
    /// A known bug, put back.
    pub mutant: Option<Mutant>,
}

impl Setup {
    /// How long a restore takes in this world, of one that takes so long elsewhere: there are large databases too, and one of
    /// them takes longer than a claim that gets nowhere is waited for.
    #[must_use]
    pub fn restores_within(&self, small: Duration) -> Duration {
        let is_large = self.seed % 8 == 5 && self.mutant.is_none();
        if is_large { Duration::from_secs(35) + small * 10 } else { small }
    }

    /// The world that a seed stands for, with a bug put back into it.
    #[must_use]
    pub fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
        let size = [1, 3, 3, 3, 5][rng.random_range(0..5)];
        let spares = if size > 1 { [0, 0, 0, 1, 1, 2][rng.random_range(0..6)] } else { 0 };
        let has_store = rng.random_bool(0.85);
        let begin = match rng.random_range(0..40) {
            0..3 => Begin::PlainEtcd,
            3 if has_store => Begin::OldBackups,
            _ => Begin::Empty,
        };
        let apart = has_store && size > 1 && begin == Begin::Empty;
        let sharing = match rng.random_range(0..50) {
            0 if apart => Sharing::OneApart,
            1 if apart => Sharing::AllApart,
            _ => Sharing::One,
        };
        let replace_after = Duration::from_secs(20);
        let hosts = size + spares;
        let plain = Self { seed, size, hosts, has_store, sharing, begin, replace_after, story: Story::Any, mutant };
        mutant.map_or(plain, |mutant| mutant.stage(plain))
    }
}
