//! A store: the lineage object, changed by compare-and-swap, and archives.

use e2d_core::lineage::Lineage;
use e2d_core::observe::{ArchiveSeen, StoreView, Trouble, Version};

/// How a store treats a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Open,
    Denied,
    Away,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    pub(crate) lineage: Option<(Lineage, u64)>,
    pub(crate) archives: Vec<ArchiveSeen>,
}

impl Store {
    pub(crate) fn look(&self, access: Access) -> Result<StoreView, Trouble> {
        match access {
            Access::Open => {}
            Access::Denied => return Err(Trouble::Denied("GET lineage: 403 AccessDenied".to_owned())),
            Access::Away => return Err(Trouble::Unreachable("GET lineage: timed out after 5 s".to_owned())),
        }
        let lineage = self.lineage.as_ref().map(|(lineage, version)| (lineage.clone(), version_of(*version)));
        Ok(StoreView { lineage, archives: self.archives.clone(), other_backups: false, ..StoreView::default() })
    }

    pub(crate) fn swap(&mut self, access: Access, replaces: Option<&Version>, new: &Lineage) -> Result<(), String> {
        if access != Access::Open {
            return Err("PUT lineage: the store did not take it".to_owned());
        }
        let version = self.lineage.as_ref().map(|(_, version)| *version);
        if version.map(version_of).as_ref() != replaces {
            return Err("PUT lineage: somebody else wrote first".to_owned());
        }
        self.lineage = Some((new.clone(), version.unwrap_or(0) + 1));
        Ok(())
    }
}

fn version_of(version: u64) -> Version {
    Version(format!("v{version}"))
}
