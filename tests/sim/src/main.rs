//! `e2d-sim [--seeds N] [--from S] [--story T] [--mutant M]`: runs seeds, and says which failed.
//!
//! `--seed S` tells the story of one seed; `--soak HOURS` is the long run without deaths.

use e2d_sim::faults::stories::{self, Story};
use e2d_sim::invariants::comes_back::End;
use e2d_sim::mutants::Mutant;
use e2d_sim::run::{Outcome, run_setup};
use e2d_sim::setup::Setup;
use e2d_sim::soak::soak;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

struct Arguments(Vec<String>);

impl Arguments {
    fn value(&self, name: &str) -> Option<&str> {
        let at = self.0.iter().position(|argument| argument == name)?;
        self.0.get(at + 1).map(String::as_str)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.value(name)?.parse().ok()
    }

    fn mutant(&self) -> Option<Mutant> {
        self.value("--mutant").and_then(Mutant::named)
    }

    fn story(&self) -> Option<Story> {
        let name = self.value("--story")?;
        stories::ALL.into_iter().find(|story| format!("{story:?}") == name)
    }

    fn run(&self, seed: u64, traced: bool) -> Outcome {
        let setup = Setup::new(seed, self.mutant());
        run_setup(self.story().map_or(setup, |story| story.stage(setup)), traced)
    }

    /// What repeats one seed of this run.
    fn repeat(&self, seed: u64) -> String {
        let given = |name| self.value(name).map(|value| format!(" {name} {value}")).unwrap_or_default();
        format!("cargo xtask sim --seed {seed}{}{}", given("--story"), given("--mutant"))
    }
}

fn main() -> io::Result<()> {
    let arguments = Arguments(std::env::args().skip(1).collect());
    let mut out = io::stdout().lock();
    let failed = if let Some(hours) = arguments.number("--soak") {
        run_long(&mut out, hours)?
    } else if let Some(seed) = arguments.number("--seed") {
        tell(&mut out, &arguments, seed)?
    } else {
        run_many(&mut out, &arguments)?
    };
    if failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}

fn tell(out: &mut impl Write, arguments: &Arguments, seed: u64) -> io::Result<u64> {
    let outcome = arguments.run(seed, true);
    for line in &outcome.trace {
        writeln!(out, "{line}")?;
    }
    let failed = u64::from(matches!(outcome.end, End::Broken(_)));
    writeln!(out, "{:?}; {} writes acknowledged", outcome.end, outcome.acks)?;
    writeln!(out, "{} passed, {failed} failed", 1 - failed)?;
    Ok(failed)
}

fn run_long(out: &mut impl Write, hours: u64) -> io::Result<u64> {
    let soaked = soak(1, Duration::from_secs(hours * 3600));
    writeln!(
        out,
        "{hours} simulated hours, 3 nodes, 10 % loss, {} freezes of 5 s, removal after 10 s of silence: \
         {} false suspicions, {} live members removed",
        soaked.freezes, soaked.false_suspicions, soaked.evictions
    )?;
    if let Some(broken) = &soaked.broken {
        writeln!(out, "{broken}\n  repeat: cargo xtask sim --soak {hours}")?;
    }
    let failed = u64::from(soaked.broken.is_some() || soaked.evictions > 0);
    writeln!(out, "{} passed, {failed} failed", 1 - failed)?;
    Ok(failed)
}

/// Runs seeds side by side, as many as there are cores, and hands on how each ended, in the order in which they end.
fn on_all_cores(
    seeds: Range<u64>,
    run: impl Fn(u64) -> Outcome + Sync,
    mut take: impl FnMut(u64, Outcome) -> io::Result<()>,
) -> io::Result<()> {
    let (next, run) = (AtomicU64::new(seeds.start), &run);
    let (tell, told) = mpsc::channel();
    let work = |tell: mpsc::Sender<(u64, Outcome)>| {
        let mine = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed)).take_while(|seed| *seed < seeds.end);
        mine.map(|seed| tell.send((seed, run(seed)))).take_while(Result::is_ok).for_each(drop);
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let (work, tell) = (&work, tell.clone());
            scope.spawn(move || work(tell));
        }
        drop(tell);
        told.into_iter().try_for_each(|(seed, outcome)| take(seed, outcome))
    })
}

fn run_many(out: &mut impl Write, arguments: &Arguments) -> io::Result<u64> {
    let (from, seeds) = (arguments.number("--from").unwrap_or(0), arguments.number("--seeds").unwrap_or(200));
    let begun = Instant::now();
    let (mut failed, mut persons, mut acks, mut restores, mut evictions) = (0, 0, 0, 0, 0);
    let run = |seed| arguments.run(seed, false);
    on_all_cores(from..from + seeds, run, |seed, outcome| {
        (acks, restores, evictions) = (acks + outcome.acks, restores + outcome.restores, evictions + outcome.evictions);
        match outcome.end {
            End::Healed => {}
            End::Person(_) => persons += 1,
            End::Broken(why) => {
                failed += 1;
                writeln!(out, "seed {seed}: {why}\n  repeat: {}", arguments.repeat(seed))?;
            }
        }
        Ok(())
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    let rate = seeds as f64 / seconds;
    writeln!(out, "{seeds} seeds in {seconds:.1} s ({rate:.0} a second): {persons} wait for a person")?;
    writeln!(out, "{acks} writes acknowledged, {restores} restores, {evictions} removals")?;
    writeln!(out, "{} passed, {failed} failed", seeds - failed)?;
    Ok(failed)
}
