//! Whole-process snapshots of the command line.
