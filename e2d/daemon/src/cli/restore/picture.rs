//! Before and after, and what would be lost.

use crate::admin::v1::StatusReply;
use crate::cli::exit::Failure;
use crate::cli::output::{Format, json};
use crate::cli::snapshot::{Shelf, holds};
use e2d_backup::catalogue::Listed;
use e2d_core::id::{ArchiveId, Epoch, Revision};
use serde::Serialize;

/// What a restore rests on, and what it would do.
#[derive(Debug, Serialize)]
pub(super) struct Picture {
    /// The archive.
    pub(super) archive: ArchiveId,
    pub(super) epoch: Epoch,
    /// What it holds, as far as is known.
    pub(super) revision: Revision,
    /// The same and its age, in words.
    pub(super) holds: String,
    /// What is there now.
    pub(super) before: Vec<String>,
    /// What there would be.
    pub(super) after: Vec<String>,
    /// What there is now, or elsewhere, and would not be in it.
    pub(super) lost: Vec<String>,
    /// Whether it was done.
    pub(super) done: bool,
}

impl Picture {
    /// Of an archive, with what is newer than it.
    pub(super) fn new(shelf: &Shelf, source: &Listed, running: Option<&StatusReply>) -> Self {
        let manifest = &source.archive.manifest;
        let what = source.verified.as_ref().map_or_else(
            || format!("revision {} or later, which nobody has read back", manifest.revision),
            |check| holds(&check.outcome),
        );
        Self {
            archive: source.archive.id,
            epoch: manifest.epoch,
            revision: source.revision(),
            holds: format!("{what}; taken {:.0} in epoch {}", manifest.created_at, manifest.epoch),
            before: Vec::new(),
            after: Vec::new(),
            lost: lost(shelf, source, running),
            done: false,
        }
    }

    pub(super) fn render(&self, format: Format) -> Result<String, Failure> {
        let Format::Table = format else { return json(self) };
        let said = |title: &'static str, lines: &[String]| -> Vec<String> {
            lines.iter().map(|line| format!("{title:<9} {line}")).collect()
        };
        let archive = format!("{}: {}", self.archive, self.holds);
        let lines = [
            said("archive", &[archive]),
            said("before", &self.before),
            said("after", &self.after),
            said("lost", &self.lost),
        ];
        Ok(lines.concat().join("\n") + "\n")
    }
}

fn lost(shelf: &Shelf, source: &Listed, running: Option<&StatusReply>) -> Vec<String> {
    let manifest = &source.archive.manifest;
    let mut lost = vec![format!("what was written after revision {}", source.revision())];
    let place = |listed: &Listed| (listed.archive.manifest.epoch, listed.revision());
    let same = shelf.contents.archives.iter().filter(|listed| listed.archive.manifest.lineage == manifest.lineage);
    if let Some(newest) = same.max_by_key(|listed| place(listed)).filter(|newest| place(newest) > place(source)) {
        let (epoch, revision) = place(newest);
        lost.push(format!("archive {} goes on to revision {revision} of epoch {epoch}", newest.archive.id));
    }
    let ours = running.filter(|reply| {
        reply.lineage.as_ref().is_some_and(|lineage| lineage.id == manifest.lineage.to_string()) && reply.revision > 0
    });
    if let Some(reply) = ours {
        let epoch = reply.lineage.as_ref().map_or(0, |lineage| lineage.epoch);
        lost.push(format!("the running cluster is at revision {} of epoch {epoch}", reply.revision));
    }
    lost
}
