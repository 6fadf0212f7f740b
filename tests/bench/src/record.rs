//! What a benchmark found: samples, safety checks, and what of its goal was met. One JSON file each.

use crate::host::Host;
use anyhow::Result;
use camino::Utf8Path;
use serde::{Deserialize, Serialize};

/// One benchmark, as it ran once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// `T1` and so on.
    pub(crate) name: String,
    /// What was measured, and how, in sentences.
    pub(crate) what: String,
    /// The goal, as promised.
    pub(crate) goal: String,
    /// What was typed.
    pub(crate) command: String,
    /// The data that the clusters held.
    pub(crate) data_set: String,
    /// When it ended.
    pub(crate) at: jiff::Timestamp,
    /// Where it ran, with which versions.
    pub(crate) host: Host,
    /// The samples.
    pub(crate) series: Vec<Series>,
    /// The safety checks that failed, in words. Then nothing here is a speed.
    pub(crate) red: Vec<String>,
    /// What was checked in each run.
    pub(crate) checked: String,
    /// Whether the goal was met, part by part.
    pub(crate) verdicts: Vec<Verdict>,
    /// What e2d's logs say of its slowest run, with seconds since its beginning.
    pub(crate) timeline: Vec<String>,
}

/// Samples of one quantity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Series {
    /// What it is.
    pub(crate) name: String,
    /// Its unit.
    pub(crate) unit: String,
    /// In the order of the runs.
    pub(crate) samples: Vec<Sample>,
}

/// One sample.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// The quantity.
    pub(crate) value: f64,
    /// What was special about this run; empty if nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) note: String,
}

/// One part of a goal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// What was to be.
    pub(crate) goal: String,
    /// What was.
    pub(crate) measured: String,
    /// Whether that is as it was to be.
    pub(crate) met: bool,
}

impl Series {
    /// No samples yet.
    pub(crate) fn new(name: &str, unit: &str) -> Self {
        Self { name: name.into(), unit: unit.into(), samples: Vec::new() }
    }

    /// Adds a sample, rounded to what is meant by it.
    pub(crate) fn add(&mut self, value: f64, note: impl Into<String>) {
        self.samples.push(Sample { value: (value * 1e4).round() / 1e4, note: note.into() });
    }

    /// Whether the newest sample is the largest.
    pub(crate) fn newest_is_largest(&self) -> bool {
        self.samples.last().is_some_and(|newest| self.samples.iter().all(|sample| sample.value <= newest.value))
    }

    /// The middle sample; of an even number the mean of both.
    pub(crate) fn median(&self) -> Option<f64> {
        let sorted = self.sorted();
        let half = sorted.len() / 2;
        let upper = *sorted.get(half)?;
        Some(if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[half - 1], upper) } else { upper })
    }

    /// The smallest sample that 95 of 100 do not exceed: with fewer than 20 samples, the largest.
    pub(crate) fn p95(&self) -> Option<f64> {
        let sorted = self.sorted();
        let rank = (sorted.len() * 95).div_ceil(100);
        sorted.get(rank.checked_sub(1)?).copied()
    }

    /// The largest sample.
    pub(crate) fn worst(&self) -> Option<f64> {
        self.sorted().last().copied()
    }

    fn sorted(&self) -> Vec<f64> {
        let mut values: Vec<f64> = self.samples.iter().map(|sample| sample.value).collect();
        values.sort_by(f64::total_cmp);
        values
    }
}

impl Verdict {
    /// Holds a quantity against its bound; one that was not measured is not met.
    pub(crate) fn at_most(goal: &str, measured: Option<f64>, bound: f64, unit: &str) -> Self {
        Self {
            goal: goal.into(),
            measured: measured.map_or("not measured".into(), |value| format!("{} {unit}", figures(value))),
            met: measured.is_some_and(|value| value <= bound),
        }
    }
}

/// A number as people read it: three figures and no more.
pub(crate) fn figures(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

impl Record {
    /// Whether the goal was met and every safety check was green.
    pub(crate) fn is_well(&self) -> bool {
        self.red.is_empty() && self.verdicts.iter().all(|verdict| verdict.met)
    }

    /// Reads one.
    pub(crate) fn read(path: &Utf8Path) -> Result<Self> {
        Ok(serde_json::from_slice(&fs_err::read(path)?)?)
    }

    /// Writes it down.
    pub(crate) fn write(&self, path: &Utf8Path) -> Result<()> {
        Ok(fs_err::write(path, serde_json::to_string_pretty(self)? + "\n")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        let mut series = Series::new("x", "s");
        for value in values {
            series.add(*value, "");
        }
        series
    }

    #[test]
    fn the_p95_is_a_sample_that_95_of_100_do_not_exceed() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(series(&hundred).p95(), Some(95.0));
        assert_eq!(series(&hundred[..20]).p95(), Some(99.0));
        assert_eq!(series(&[1.0, 3.0, 2.0]).p95(), Some(3.0));
        assert_eq!(series(&[]).p95(), None);
    }

    #[test]
    fn the_median_of_two_is_between_them() {
        assert_eq!(series(&[4.0, 1.0]).median(), Some(2.5));
        assert_eq!(series(&[9.0, 1.0, 2.0]).median(), Some(2.0));
        assert_eq!(series(&[]).median(), None);
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        assert!(!Verdict::at_most("fast", None, 1.0, "s").met);
        assert!(Verdict::at_most("fast", Some(1.0), 1.0, "s").met);
        assert!(!Verdict::at_most("fast", Some(1.01), 1.0, "s").met);
    }
}
