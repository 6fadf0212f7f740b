//! What was chosen, what is waited for, and why: what `e2d plan` and `e2d status` print (S21).

use crate::plan::Verdict;
use std::fmt;

/// What one decision said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The decision's name, which is its file's.
    pub decision: &'static str,
    /// What it said.
    pub verdict: Verdict,
}

/// The decisions that spoke, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One line a track that spoke.
    pub lines: Vec<Line>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Idle => write!(f, "{}: nothing to do", self.decision),
            Verdict::Wait(reason) => write!(f, "{}: waits: {reason}", self.decision),
            Verdict::Act(action) => write!(f, "{}: does: {action}", self.decision),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines.is_empty() {
            return f.write_str("nothing to do");
        }
        for (n, line) in self.lines.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            line.fmt(f)?;
        }
        Ok(())
    }
}
