//! `e2d-sim [--seeds N] [--from S] [--seed S] [--mutant M]`: runs seeds, and says which failed.

use e2d_sim::mutants::Mutant;
use e2d_sim::run::{End, run};
use std::io::Write;

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    let number = |name: &str| value(name).and_then(|text| text.parse::<u64>().ok());
    let mutant = value("--mutant").and_then(|name| Mutant::ALL.iter().find(|m| format!("{m:?}") == *name).copied());
    let mut out = std::io::stdout().lock();
    if let Some(seed) = number("--seed") {
        let outcome = run(seed, mutant, true);
        for line in &outcome.trace {
            writeln!(out, "{line}")?;
        }
        writeln!(
            out,
            "{:?} acks {} restores {} evictions {}",
            outcome.end, outcome.acks, outcome.restores, outcome.evictions
        )?;
        return Ok(());
    }
    let (from, seeds) = (number("--from").unwrap_or(0), number("--seeds").unwrap_or(200));
    let begun = std::time::Instant::now();
    let (mut failed, mut persons, mut acks, mut restores, mut evictions) = (0, 0, 0, 0, 0);
    for seed in from..from + seeds {
        let outcome = run(seed, mutant, false);
        (acks, restores, evictions) = (acks + outcome.acks, restores + outcome.restores, evictions + outcome.evictions);
        match outcome.end {
            End::Healed => {}
            End::Person(_) => persons += 1,
            End::Broken(why) => {
                failed += 1;
                writeln!(out, "seed {seed}: {why}\n  repeat: cargo xtask sim --seed {seed}")?;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    writeln!(
        out,
        "{seeds} seeds in {seconds:.1} s ({:.0} a second): {persons} wait for a person; {acks} writes acknowledged, {restores} restores, {evictions} removals",
        seeds as f64 / seconds
    )?;
    writeln!(out, "{} passed, {failed} failed", seeds - failed)?;
    if failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}
