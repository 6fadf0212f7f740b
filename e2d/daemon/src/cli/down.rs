//! What can be said of a node whose daemon does not answer: what its disk and its store show.
//!
//! [`offline::look`] looks. Here it is told which store to look into, and its answer gets the members as the disk
//! remembers them, or as the store records them where that is newer. Nothing is written.

use super::client::{SiteArgs, is_store_named};
use super::disk;
use super::exit::Failure;
use crate::admin::v1::StatusReply;
use crate::config::Site;
use crate::config::store::StoreUrl;
use crate::run::offline;
use crate::run::picture::remembered;
use e2d_backup::lineage;
use e2d_backup::store::{Base, FolderStore};
use e2d_core::lineage::{Lineage, Recorded};
use e2d_core::memory::Recall;
use std::time::Duration;

/// How long the store may take.
const STORE_WITHIN: Duration = Duration::from_secs(10);
/// The store of a single node that was told of none, in its data directory.
const OWN_STORE: &str = "e2d/store";
/// Why there is no word of it.
const STORE_UNKNOWN: &str = "which store of backups this node uses is not known here: name it by --config FILE or the variable E2D_SNAPSHOT_URL";

/// What is known while the daemon is down.
pub(super) struct Down {
    /// In the words of the daemon.
    pub(super) reply: StatusReply,
    /// Who says which members there are.
    pub(super) source: &'static str,
}

/// Looks, unless nothing of e2d's is there.
pub(super) async fn look(args: &SiteArgs, site: &Site) -> Result<Option<Down>, Failure> {
    let own = site.data_dir.join(OWN_STORE);
    let is_guess = site.store == StoreUrl::Folder(own.clone()) && !own.exists();
    let environment: Vec<_> = std::env::vars_os().collect();
    // Nobody named it, and what it would be for a single node is not there: the daemon was told of another.
    let is_unknown = is_guess && !is_store_named(&args.flags(), &environment)?;
    let site = Site { store: if is_unknown { StoreUrl::None } else { site.store.clone() }, ..site.clone() };
    let Some(mut reply) = offline::look(&site).await else { return Ok(None) };
    if is_unknown {
        reply.waits.push(STORE_UNKNOWN.to_owned());
    }
    // That the disk cannot be read is said by the reply already.
    let recall = disk::recall(&site.data_dir).unwrap_or_default();
    let (recorded, source) = members(&recall, stored(&site).await.as_ref());
    reply.members = recorded.iter().map(remembered).collect();
    Ok(Some(Down { reply, source }))
}

/// The members, and who says so.
fn members(recall: &Recall, stored: Option<&Lineage>) -> (Vec<Recorded>, &'static str) {
    let own = recall.lineage.as_ref();
    let is_newer = |stored: &&Lineage| {
        own.is_none_or(|own| own.lineage == stored.lineage && (own.epoch, own.seq) < (stored.epoch, stored.seq))
    };
    if let Some(stored) = stored.filter(is_newer) {
        return (stored.members.clone(), "as the store records them, later than this disk last heard");
    }
    match own {
        _ if !recall.members.is_empty() => (recall.members.clone(), "as this disk last heard of them"),
        Some(own) if !own.members.is_empty() => (own.members.clone(), "as the lineage on this disk records them"),
        _ => (Vec::new(), "none are known here"),
    }
}

/// The lineage object in the store; what keeps it from being read is said by the reply already.
async fn stored(site: &Site) -> Option<Lineage> {
    let StoreUrl::Folder(folder) = &site.store else { return None };
    let store = FolderStore::new(camino::absolute_utf8(folder).ok()?, Base::MustExist);
    let object = tokio::time::timeout(STORE_WITHIN, lineage::read(&store)).await.ok()?.ok()??;
    Lineage::decode(&object.bytes).ok().map(|(lineage, _)| lineage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2d_core::id::{Epoch, LineageId, MemberId, NodeId, Nonce};
    use e2d_core::lineage::{Claim, ClaimKind, FORMAT, LineageState};

    fn recorded(member: u64) -> Recorded {
        Recorded {
            node: None,
            member: MemberId(member),
            peer_url: format!("http://10.0.0.{member}:2380"),
            instance: None,
            machine: None,
            mounted: false,
            learner: false,
            started: true,
        }
    }

    fn lineage(id: u128, epoch: u64, seq: u64, members: &[u64]) -> Lineage {
        let claim = Claim {
            nonce: Nonce(1),
            by: NodeId(1),
            kind: ClaimKind::Birth,
            founders: vec![],
            source: None,
            evidence: vec![],
            adopted: None,
        };
        Lineage {
            format: FORMAT,
            lineage: LineageId(id),
            seq,
            nonce: Nonce(seq.into()),
            epoch: Epoch(epoch),
            state: LineageState::Live,
            claim,
            members: members.iter().copied().map(recorded).collect(),
            pinned: None,
            history: vec![],
        }
    }

    /// S21: the newest word counts, and another cluster's is no word.
    #[test]
    fn the_newest_word_on_the_members_is_taken() {
        let told = |recall: &Recall, stored: Option<Lineage>| {
            let (members, source) = members(recall, stored.as_ref());
            (members.iter().map(|member| member.member.0).collect::<Vec<_>>(), source)
        };
        let (disk, record, store, nobody) = (
            "as this disk last heard of them",
            "as the lineage on this disk records them",
            "as the store records them, later than this disk last heard",
            "none are known here",
        );
        let empty = Recall::default();
        assert_eq!(told(&empty, None), (vec![], nobody));
        assert_eq!(told(&empty, Some(lineage(1, 1, 1, &[7]))), (vec![7], store));
        let recall = Recall { lineage: Some(lineage(1, 2, 5, &[1, 2])), ..Recall::default() };
        assert_eq!(told(&recall, Some(lineage(1, 2, 5, &[1, 2]))), (vec![1, 2], record));
        let recall = Recall { members: vec![recorded(1), recorded(3)], ..recall };
        for (stored, expected) in [
            (lineage(1, 2, 5, &[1, 2]), (vec![1, 3], disk)),
            (lineage(1, 1, 9, &[8]), (vec![1, 3], disk)),
            (lineage(1, 2, 6, &[1, 4]), (vec![1, 4], store)),
            (lineage(1, 3, 1, &[5]), (vec![5], store)),
            (lineage(9, 9, 9, &[9]), (vec![1, 3], disk)),
        ] {
            assert_eq!(told(&recall, Some(stored)), expected);
        }
    }
}
