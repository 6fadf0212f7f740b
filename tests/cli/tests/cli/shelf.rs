//! A folder with backups in it, as a node would have left them.

use camino::{Utf8Path, Utf8PathBuf};
use e2d_backup::archive::{self, Archive, ArchiveName, Compression, Outcome, Part, SnapshotForm, Statement};
use e2d_backup::store::{Base, FolderStore};
use e2d_core::id::{ClusterId, Epoch, LineageId, MemberId, NodeId, Nonce, Revision};

/// The lineage of all archives that are not said to be of another.
pub(crate) const LINEAGE: LineageId = LineageId(0xabc);

/// A real snapshot of etcd 3.6, at revision 14.
pub(crate) fn snapshot() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../e2d/backup/tests/data/etcd-3.6/snap.db");
    std::fs::read(path).unwrap()
}

/// A store in the folder `store` of a test's folder.
pub(crate) struct Shelf {
    pub(crate) folder: Utf8PathBuf,
    store: FolderStore,
    runtime: tokio::runtime::Runtime,
}

impl Shelf {
    pub(crate) fn new(base: &std::path::Path) -> Self {
        let folder = Utf8Path::from_path(base).unwrap().join("store");
        std::fs::create_dir(&folder).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { store: FolderStore::new(folder.clone(), Base::MustExist), folder, runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}/", self.folder)
    }

    /// Writes an archive that nobody has read back; the nonce makes its id.
    pub(crate) fn write(&self, lineage: LineageId, epoch: u64, nonce: u128) -> Archive {
        let statement = Statement {
            lineage,
            epoch: Epoch(epoch),
            nonce: Nonce(nonce),
            cluster_id: ClusterId(0xc),
            member_id: MemberId(0xd),
            node_id: NodeId(0xe),
            etcd_version: "3.6.16".to_owned(),
            revision: Revision(14),
            raft_term: 2,
            raft_index: 22,
            created_at: "2026-11-22T09:28:37Z".parse().unwrap(),
        };
        let bytes = snapshot();
        let mut source = bytes.as_slice();
        let written =
            archive::write(&self.store, &statement, SnapshotForm::WithDigest, Compression::default(), &mut source);
        self.runtime.block_on(written).unwrap()
    }

    /// Reads an archive back as a node does, and records what was found.
    pub(crate) fn verify(&self, archive: &Archive) -> Outcome {
        let scratch = self.folder.parent().unwrap();
        let now = "2026-11-22T09:30:00Z".parse().unwrap();
        let check = archive::check(&self.store, archive, scratch, NodeId(0xe), Nonce(9), now);
        self.runtime.block_on(check).unwrap().outcome
    }

    /// An archive that was read back and found sound.
    pub(crate) fn verified(&self, epoch: u64, nonce: u128) -> Archive {
        let archive = self.write(LINEAGE, epoch, nonce);
        assert!(matches!(self.verify(&archive), Outcome::Sound(_)));
        archive
    }

    /// The file of one part of an archive.
    pub(crate) fn file(&self, name: ArchiveName, part: Part) -> Utf8PathBuf {
        self.folder.join(name.key(part).as_str())
    }

    /// Flips a bit in the middle of an archive's data.
    pub(crate) fn spoil(&self, archive: &Archive) {
        let file = self.file(archive.name(), Part::Data);
        let mut bytes = std::fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(file, bytes).unwrap();
    }
}

/// The first digits of an archive's id.
pub(crate) fn short(archive: &Archive) -> String {
    archive.id.to_string()[..12].to_owned()
}
