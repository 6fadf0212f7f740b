//! What is on the shelf: the store's catalogue, and the one archive that somebody means.
//!
//! It works without the daemon, on what the store itself shows.

use super::ArchiveRef;
use super::progress::Watched;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::note;
use crate::config::Site;
use crate::config::store::StoreUrl;
use e2d_backup::archive::Archive;
use e2d_backup::catalogue::{self, Contents, Damaged, Listed};
use e2d_backup::choice::{Choice, Trust, Wanted, choose};
use e2d_backup::lineage as object;
use e2d_backup::store::{Base, Disposition, FolderStore, Store, StoreError};
use e2d_core::id::{Epoch, LineageId};
use e2d_core::lineage::{DecodeError, Lineage};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many candidates an error names.
const NAMED: usize = 10;
/// How many digits of an id are shown.
pub(in crate::cli) const SHOWN_DIGITS: usize = 12;

/// A store that was read.
pub(in crate::cli) struct Shelf {
    /// The store; large reads through it are shown.
    pub(in crate::cli) store: Arc<dyn Store>,
    /// Everything in it.
    pub(in crate::cli) contents: Contents,
    lineage: Result<Option<Lineage>, DecodeError>,
}

/// An archive that was named.
#[derive(Clone, Copy)]
pub(in crate::cli) enum Item<'a> {
    /// Its manifest is good.
    Good(&'a Listed),
    /// So is this one's, but it cannot be restored.
    Damaged(&'a Archive, &'a Damaged),
}

impl<'a> Item<'a> {
    pub(in crate::cli) fn archive(self) -> &'a Archive {
        match self {
            Self::Good(listed) => &listed.archive,
            Self::Damaged(archive, _) => archive,
        }
    }
}

/// Why there is no such archive. Nothing was changed.
#[derive(Debug, thiserror::Error)]
enum ShelfError {
    #[error("no store of backups is configured")]
    NoStore,
    #[error("the store of backups cannot be read")]
    Store(#[source] StoreError),
    #[error("the lineage object in {store} cannot be used")]
    Lineage { store: String, source: DecodeError },
    #[error("no archive in {store} has an id that begins with {prefix}")]
    Unknown { store: String, prefix: String },
    #[error("{count} archives in {store} have ids that begin with {prefix}")]
    Ambiguous { store: String, prefix: String, count: usize },
    #[error("no archive in {store} is known to be good")]
    NoneVerified { store: String },
    #[error("{store} holds archives of {count} clusters, and no lineage that says which one is meant")]
    Several { store: String, count: usize },
    #[error("archive {id} is damaged: {reason}")]
    Damaged { id: String, reason: String },
}

/// The exit code that a failing store deserves.
pub(in crate::cli) fn exit_of(disposition: Disposition) -> Exit {
    match disposition {
        Disposition::Retry | Disposition::LookAgain => Exit::TryAgain,
        Disposition::Wait | Disposition::Fatal => Exit::Failed,
    }
}

fn unreadable(error: StoreError) -> Failure {
    let exit = exit_of(error.disposition());
    let hint = match &error {
        StoreError::Denied { .. } => "run this as the user that e2d runs as",
        _ => "is the store that --snapshot-url names there, and mounted?",
    };
    Failure::with_hint(exit, ShelfError::Store(error), hint)
}

/// The first digits of an id.
pub(in crate::cli) fn short(archive: &Archive) -> String {
    archive.id.to_string().chars().take(SHOWN_DIGITS).collect()
}

impl Shelf {
    /// Opens the store of a site and reads its catalogue. Nothing is made or written.
    pub(in crate::cli) async fn open(site: &Site) -> Result<Self, Failure> {
        let StoreUrl::Folder(folder) = &site.store else {
            let hint = "name it by --snapshot-url file://DIR/, --config FILE or the variable E2D_SNAPSHOT_URL";
            return Err(Failure::with_hint(Exit::BadConfiguration, ShelfError::NoStore, hint));
        };
        let folder = camino::absolute_utf8(folder)
            .map_err(|error| Failure::with_hint(Exit::BadConfiguration, error, "name the store by its full path"))?;
        let store: Arc<dyn Store> = Arc::new(FolderStore::new(folder, Base::MustExist));
        let contents = catalogue::read(&store).await.map_err(unreadable)?;
        let lineage = match object::read(&*store).await.map_err(unreadable)? {
            Some(found) => Lineage::decode(&found.bytes).map(|(lineage, _)| Some(lineage)),
            None => Ok(None),
        };
        Ok(Self { store: Arc::new(Watched::new(store)), contents, lineage })
    }

    /// The lineage object, if there is one and it can be read.
    pub(in crate::cli) fn lineage(&self) -> Result<Option<&Lineage>, Failure> {
        self.lineage.as_ref().map(Option::as_ref).map_err(|error| {
            let error = ShelfError::Lineage { store: self.store.describe(), source: error.clone() };
            Failure::advise(error, "use the e2d that wrote it, or a newer one")
        })
    }

    /// Every archive whose manifest can be read, newest first.
    pub(in crate::cli) fn items(&self) -> Vec<Item<'_>> {
        let damaged = self.contents.damaged.iter();
        let damaged = damaged.filter_map(|bad| Some(Item::Damaged(bad.archive.as_deref()?, bad)));
        let mut items: Vec<_> = self.contents.archives.iter().map(Item::Good).chain(damaged).collect();
        items.sort_by_key(|item| std::cmp::Reverse(item.archive().name()));
        items
    }

    /// The archive that is meant.
    pub(in crate::cli) fn find(&self, named: &ArchiveRef, trust: Trust) -> Result<Item<'_>, Failure> {
        let prefix = match named {
            ArchiveRef::Newest => return self.newest(&self.contents, trust).map(Item::Good),
            ArchiveRef::Prefix(prefix) => prefix.clone(),
        };
        let items = self.items();
        let fitting = |item: &&Item<'_>| item.archive().id.to_string().starts_with(&prefix);
        let found: Vec<Item<'_>> = items.iter().filter(fitting).copied().collect();
        let store = self.store.describe();
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(Failure::advise(ShelfError::Unknown { store, prefix }, candidates(&items, SHOWN_DIGITS))),
            many => {
                let count = many.len();
                Err(Failure::advise(ShelfError::Ambiguous { store, prefix, count }, candidates(many, 64)))
            }
        }
    }

    /// The archive that is meant, if it may be restored.
    pub(in crate::cli) fn find_good(&self, named: &ArchiveRef) -> Result<&Listed, Failure> {
        match self.find(named, Trust::Verified)? {
            Item::Good(listed) => {
                if listed.verified.is_none() {
                    note(&format!("archive {} was never read back", short(&listed.archive)));
                }
                Ok(listed)
            }
            Item::Damaged(archive, Damaged { reason, .. }) => {
                let error = ShelfError::Damaged { id: short(archive), reason: reason.clone() };
                Err(Failure::advise(
                    error,
                    "`e2d snapshot list` shows others; `e2d snapshot verify` reads it once more",
                ))
            }
        }
    }

    /// The newest of some archives of this cluster, as a restore would choose it. What is newer and was
    /// passed over is said.
    pub(in crate::cli) fn newest<'a>(&self, contents: &'a Contents, trust: Trust) -> Result<&'a Listed, Failure> {
        let store = || self.store.describe();
        let Some(wanted) = self.wanted(contents, trust)? else {
            return Err(none_verified(store(), "`e2d snapshot save` takes one"));
        };
        let Choice { chosen, passed_over } = choose(contents, &wanted);
        for over in &passed_over {
            note(&format!("{} is passed over: {}", over.name, over.why));
        }
        chosen.ok_or_else(|| none_verified(store(), "read one back by `e2d snapshot verify ARCHIVE`, or name it"))
    }

    /// Whose archives are meant; `None` if there are none of anybody.
    fn wanted(&self, contents: &Contents, trust: Trust) -> Result<Option<Wanted>, Failure> {
        if let Some(lineage) = self.lineage()? {
            // What was found when it was read back counts, as in the choice itself.
            let bounds = lineage.bounds(|archive| self.contents.find(archive).map(Listed::revision));
            return Ok(Some(Wanted { lineage: lineage.lineage, epoch: lineage.epoch, bounds, trust }));
        }
        let all = || contents.archives.iter().map(|listed| &listed.archive.manifest);
        let lineages: BTreeSet<LineageId> = all().map(|manifest| manifest.lineage).collect();
        let epoch = all().map(|manifest| manifest.epoch).max().unwrap_or(Epoch(0));
        match lineages.first() {
            None => Ok(None),
            Some(_) if lineages.len() > 1 => {
                let error = ShelfError::Several { store: self.store.describe(), count: lineages.len() };
                Err(Failure::advise(error, candidates(&self.items(), SHOWN_DIGITS)))
            }
            Some(lineage) => Ok(Some(Wanted { lineage: *lineage, epoch, bounds: vec![], trust })),
        }
    }
}

fn none_verified(store: String, hint: &str) -> Failure {
    Failure::advise(ShelfError::NoneVerified { store }, hint)
}

/// Some archives in one line.
fn candidates(items: &[Item<'_>], digits: usize) -> String {
    let one = |item: &Item<'_>| {
        let archive = item.archive();
        let id: String = archive.id.to_string().chars().take(digits).collect();
        format!("{id} (epoch {}, revision {})", archive.manifest.epoch, archive.manifest.revision)
    };
    let named: Vec<String> = items.iter().take(NAMED).map(one).collect();
    match items.len() {
        0 => "there is no archive".to_owned(),
        count if count > NAMED => format!("there are {}, and {} more", named.join(", "), count - NAMED),
        _ => format!("there are {}", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Format;
    use crate::cli::snapshot::rows;
    use e2d_backup::store::MemoryStore;

    /// S22: a list that ends early says so, to people and to programs.
    #[test]
    fn archives_that_are_not_looked_at_are_counted() {
        let contents = Contents { left_out: 7, ..Contents::default() };
        let shelf = Shelf { store: Arc::new(MemoryStore::new()), contents, lineage: Ok(None) };
        let list = |format| rows::list(&shelf, format).ok().unwrap();
        assert!(list(Format::Table).contains("not looked at: 7 archives, all of them older"));
        let rows: serde_json::Value = serde_json::from_str(&list(Format::Json)).unwrap();
        assert_eq!(rows[0]["state"], "not looked at");
    }

    /// Two archives that cannot be told apart by what was said are both named, in full.
    #[test]
    fn who_means_two_archives_is_told_both() {
        let manifest = include_str!("../../../../backup/tests/data/golden/manifest-v1.json");
        let archive = |text: &str| e2d_backup::archive::Manifest::decode(text.as_bytes()).unwrap();
        let all = [archive(manifest), archive(&format!("{manifest} ")), archive(&format!("{manifest}  "))];
        let listed = |archive: &Archive| Listed { archive: archive.clone(), verified: None, unread: None };
        let contents = Contents { archives: all.iter().map(listed).collect(), ..Contents::default() };
        let shelf = Shelf { store: Arc::new(MemoryStore::new()), contents, lineage: Ok(None) };
        let Err(Failure::Other { error, hint, .. }) = shelf.find(&ArchiveRef::Prefix(String::new()), Trust::Verified)
        else {
            panic!("one was taken")
        };
        assert!(error.to_string().starts_with("3 archives in "), "{error}");
        assert!(all.iter().all(|archive| hint.as_ref().unwrap().contains(&archive.id.to_string())), "{hint:?}");
        let one = ArchiveRef::Prefix(all[1].id.to_string());
        assert_eq!(shelf.find(&one, Trust::Verified).ok().map(|item| item.archive().id), Some(all[1].id));
    }
}
