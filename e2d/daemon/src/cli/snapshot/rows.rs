//! How archives are shown.

use super::shelf::{Item, Shelf, short};
use crate::cli::exit::Failure;
use crate::cli::output::{Format, Table, json};
use e2d_backup::archive::{Check, FOLDER, Manifest, Outcome};
use e2d_core::id::ArchiveId;
use indicatif::BinaryBytes;
use serde::Serialize;

/// One line of a list.
#[derive(Serialize)]
struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<ArchiveId>,
    /// Where it lies in the store, without the endings of its parts.
    name: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<Manifest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Check>,
    #[serde(skip)]
    size_bytes: Option<u64>,
}

impl Row {
    fn bare(name: String, state: &'static str, reason: Option<String>) -> Self {
        Self { id: None, name, state, reason, manifest: None, check: None, size_bytes: None }
    }

    fn of(item: Item<'_>) -> Self {
        let archive = item.archive();
        let (state, reason, check) = match item {
            Item::Good(listed) => {
                let state = if listed.verified.is_some() { "verified" } else { "not verified" };
                (state, listed.unread.clone(), listed.verified.clone())
            }
            Item::Damaged(_, bad) => ("damaged", Some(bad.reason.clone()), None),
        };
        let manifest = Some(archive.manifest.clone());
        let name = archive.name().to_string();
        Self { id: Some(archive.id), name, state, reason, manifest, check, size_bytes: None }
    }

    /// The revision that was found when it was read back, else the one that was claimed.
    fn revision(&self) -> Option<i64> {
        match self.check.as_ref().map(|check| &check.outcome) {
            Some(Outcome::Sound(found)) => Some(found.revision.0),
            _ => self.manifest.as_ref().map(|manifest| manifest.revision.0),
        }
    }

    fn cells(&self) -> [String; 8] {
        let of = |field: fn(&Manifest) -> String| self.manifest.as_ref().map(field).unwrap_or_default();
        let stored = match &self.manifest {
            Some(manifest) => Some(manifest.stored.size_bytes),
            None => self.size_bytes,
        };
        let state = match &self.reason {
            Some(reason) => format!("{}: {reason}", self.state),
            None if self.manifest.is_none() => format!("{}: {}", self.state, self.name),
            None => self.state.to_owned(),
        };
        [
            self.id.map(|id| id.to_string().chars().take(super::shelf::SHOWN_DIGITS).collect()).unwrap_or_default(),
            of(|manifest| manifest.epoch.to_string()),
            self.revision().map(|revision| revision.to_string()).unwrap_or_default(),
            of(|manifest| format!("{:.0}", manifest.created_at)),
            of(|manifest| BinaryBytes(manifest.plain.size_bytes).to_string()),
            stored.map(|bytes| BinaryBytes(bytes).to_string()).unwrap_or_default(),
            of(|manifest| manifest.etcd_version.clone()),
            state,
        ]
    }
}

/// Everything that is, or was, or may be a backup, newest first.
pub(super) fn list(shelf: &Shelf, format: Format) -> Result<String, Failure> {
    let contents = &shelf.contents;
    let mut rows: Vec<Row> = shelf.items().into_iter().map(Row::of).collect();
    let named = |name: &dyn std::fmt::Display, reason: &str| format!("{name}: {reason}");
    let lost = contents.damaged.iter().filter(|bad| bad.archive.is_none());
    rows.extend(lost.map(|bad| Row::bare(bad.name.to_string(), "damaged", Some(named(&bad.name, &bad.reason)))));
    let unreadable = contents.unreadable.iter();
    rows.extend(
        unreadable.map(|bad| Row::bare(bad.name.to_string(), "unreadable", Some(named(&bad.name, &bad.reason)))),
    );
    rows.extend(contents.incomplete.iter().map(|name| Row::bare(name.to_string(), "incomplete", None)));
    if contents.left_out > 0 {
        let reason = format!("{} archives, all of them older than these", contents.left_out);
        rows.push(Row::bare(FOLDER.to_owned(), "not looked at", Some(reason)));
    }
    rows.extend(contents.old.iter().map(|entry| Row {
        size_bytes: Some(entry.size_bytes),
        ..Row::bare(entry.key.to_string(), "of the program before", None)
    }));
    rows.extend(contents.foreign.iter().map(|key| Row::bare(key.to_string(), "not an archive", None)));
    match format {
        Format::Json => json(&rows),
        Format::Table => {
            let mut table = Table::new(&["ID", "EPOCH", "REVISION", "TAKEN", "SIZE", "STORED", "ETCD", "STATE"]);
            for row in &rows {
                table.row(row.cells());
            }
            Ok(table.text())
        }
    }
}

/// All that is known of one archive.
pub(super) fn show(item: Item<'_>, format: Format) -> Result<String, Failure> {
    let row = Row::of(item);
    let Format::Table = format else { return json(&row) };
    let archive = item.archive();
    let manifest = &archive.manifest;
    let sized = |bytes: u64| format!("{} ({bytes} bytes)", BinaryBytes(bytes));
    let mut lines = vec![
        ("id", archive.id.to_string()),
        ("name", row.name.clone()),
        ("state", row.reason.as_ref().map_or(row.state.to_owned(), |reason| format!("{}: {reason}", row.state))),
        ("lineage", format!("{}, epoch {}", manifest.lineage, manifest.epoch)),
        ("taken", format!("{:.0} from etcd {}", manifest.created_at, manifest.etcd_version)),
        ("cluster", format!("{}, member {}, node {}", manifest.cluster_id, manifest.member_id, manifest.node_id)),
        (
            "claims",
            format!("revision {}, term {}, index {}", manifest.revision, manifest.raft_term, manifest.raft_index),
        ),
        ("size", format!("{}, digest {}", sized(manifest.plain.size_bytes), manifest.plain.sha256)),
        ("stored", format!("{}, digest {}", sized(manifest.stored.size_bytes), manifest.stored.sha256)),
    ];
    if let Some(check) = &row.check {
        lines.push(("verified", format!("{:.0} by node {}", check.checked_at, check.by)));
        lines.push(("holds", holds(&check.outcome)));
    }
    let lines: Vec<String> = lines.into_iter().map(|(title, what)| format!("{title:<9} {what}")).collect();
    Ok(lines.join("\n") + "\n")
}

/// What was found in an archive, in words.
pub(in crate::cli) fn holds(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Damaged { reason } => format!("damaged: {reason}"),
        Outcome::Sound(found) => format!(
            "{} keys at revision {}, compacted up to {}, {} in use",
            found.keys,
            found.revision,
            found.compact_revision,
            BinaryBytes(found.in_use_bytes)
        ),
    }
}

/// What a read-back found.
pub(super) fn verdict(item: Item<'_>, outcome: &Outcome, recorded: bool, format: Format) -> Result<String, Failure> {
    #[derive(Serialize)]
    struct Verdict<'a> {
        id: ArchiveId,
        #[serde(flatten)]
        outcome: &'a Outcome,
        recorded: bool,
    }
    match format {
        Format::Json => json(&Verdict { id: item.archive().id, outcome, recorded }),
        Format::Table => {
            let sound = if matches!(outcome, Outcome::Sound(_)) { "sound, " } else { "" };
            Ok(format!("{}  {sound}{}\n", short(item.archive()), holds(outcome)))
        }
    }
}
