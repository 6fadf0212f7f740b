//! Numbers that decide what a world looks like; zero, and the end of the list, mean the plain choice.

use crate::worlds::{ALL, Situation, grow};
use e2d_core::observe::World;
use e2d_core::plan;
use proptest::prelude::*;
use std::fmt;
use std::time::Duration;

/// A list of numbers that is read from front to back.
pub(crate) struct Choices<'a> {
    numbers: std::slice::Iter<'a, u16>,
}

impl<'a> Choices<'a> {
    pub(crate) fn new(numbers: &'a [u16]) -> Self {
        Self { numbers: numbers.iter() }
    }

    /// A number below `bound`.
    pub(crate) fn pick(&mut self, bound: usize) -> usize {
        usize::from(self.numbers.next().copied().unwrap_or(0)) % bound.max(1)
    }

    /// True in about so many of a hundred cases.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.pick(100) >= 100 - percent
    }

    pub(crate) fn one_of<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.pick(of.len())].clone()
    }

    /// How long ago something was: mostly just now, at times long ago.
    pub(crate) fn age(&mut self) -> Duration {
        let seconds = self.one_of(&[0, 0, 0, 1, 1, 2, 4, 8, 15, 31, 50, 90, 301, 3_601]);
        Duration::from_secs(seconds)
    }
}

/// A world, printed with its plan, so that a failure can be read.
#[derive(Clone)]
pub(crate) struct Scene(pub(crate) World);

impl fmt::Debug for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plan:\n{}\nworld: {:#?}", plan::plan(&self.0).report, self.0)
    }
}

/// Worlds that happen, and worlds that contradict themselves.
pub(crate) fn scenes() -> impl Strategy<Value = Scene> {
    scenes_of(ALL)
}

/// Mostly those that grow from these situations, about which a rule has something to say, and some of all others.
pub(crate) fn scenes_of(situations: &'static [Situation]) -> impl Strategy<Value = Scene> {
    let numbers = proptest::collection::vec(any::<u16>(), 0..200);
    (0..5, numbers).prop_map(move |(n, numbers)| Scene(grow(if n < 4 { situations } else { ALL }, &numbers)))
}

/// How many worlds a test looks at; `PROPTEST_CASES` may ask for more.
pub(crate) fn cases(count: u32) -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig { cases: asked.cases.max(count), max_shrink_iters: 4_000, ..asked }
}
