//! A restore of the whole cluster: what stands in its way.
//!
//! An epoch ends only when each recorded member is *gone* or *sealed* under the very version of the lineage
//! object that is replaced; silence is neither (S1). In this version nodes prove on their own that members
//! are gone, by a successor on the same address or by a node's word that it gave its disk up, and then
//! restore the newest verified archive with nobody's help. What a person's command would need besides is not
//! there: no node seals itself on command, and no node heeds a person's word for a lost member, after which
//! the new epoch would have to wait until an old majority that reads the store has stopped. So this shows
//! where everybody stands and refuses, and never writes.

use super::RestoreArgs;
use super::picture::Picture;
use crate::admin::v1::StatusReply;
use crate::cli::ask;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::print;
use crate::cli::snapshot::Shelf;
use crate::config::Site;
use e2d_core::id::{Epoch, MemberId};
use e2d_core::lineage::{Lineage, LineageState, Recorded};

/// Why the cluster was not restored. Nothing was changed.
#[derive(Debug, thiserror::Error)]
enum ClusterError {
    #[error("{store} holds no lineage, so there is no cluster whose epoch could end")]
    NoLineage { store: String },
    #[error("member {member} of --lost is not in the record of epoch {epoch}")]
    NotRecorded { member: MemberId, epoch: Epoch },
    #[error("epoch {epoch} is {state} already")]
    NotLive { epoch: Epoch, state: LineageState },
    #[error("epoch {epoch} cannot be ended by hand in this version: not proved gone: {}", members.join(", "))]
    NotGone { epoch: Epoch, members: Vec<String> },
}

pub(super) async fn restore(args: &RestoreArgs, site: &Site, shelf: &Shelf) -> Result<(), Failure> {
    let Some(lineage) = shelf.lineage()? else {
        let hint = "`e2d restore --into DIR` restores an archive into a folder";
        return Err(Failure::advise(ClusterError::NoLineage { store: shelf.store.describe() }, hint));
    };
    let epoch = lineage.epoch;
    let recorded = |id: &MemberId| lineage.members.iter().any(|member| member.member == *id);
    if let Some(member) = args.lost.iter().copied().find(|id| !recorded(id)) {
        let all: Vec<String> = lineage.members.iter().map(|member| member.member.to_string()).collect();
        let hint = format!("recorded are {}", all.join(", "));
        return Err(Failure::with_hint(Exit::BadConfiguration, ClusterError::NotRecorded { member, epoch }, hint));
    }
    let source = args.source(shelf)?;
    let running = ask::status(&args.store.site.socket(site)).await.ok();
    let mut picture = Picture::new(shelf, source, running.as_ref());
    picture.before = vec![format!("lineage {}, epoch {epoch}, {}", lineage.lineage, lineage.state)];
    picture.before.extend(lineage.members.iter().map(|member| stands(member, running.as_ref(), &args.lost)));
    picture.after = vec!["the same: this is refused".to_owned()];
    print(&picture.render(args.output)?)?;
    Err(refusal(lineage))
}

fn refusal(lineage: &Lineage) -> Failure {
    let epoch = lineage.epoch;
    match lineage.state {
        LineageState::Live => {
            let members = lineage.members.iter().map(|member| format!("{} at {}", member.member, member.peer_url));
            let hint = "stop e2d and etcd on every one of them, move their data directories away (but not the store, should it lie in one), and start e2d again: \
                        an empty disk on a member's address proves that it is gone, and the nodes then restore the \
                        newest verified archive by themselves; `e2d status` says what they wait for";
            Failure::advise(ClusterError::NotGone { epoch, members: members.collect() }, hint)
        }
        state => {
            let hint = "`e2d status` says what it waits for";
            Failure::advise(ClusterError::NotLive { epoch, state }, hint)
        }
    }
}

/// Where a recorded member stands, as far as it is known here.
fn stands(member: &Recorded, running: Option<&StatusReply>, lost: &[MemberId]) -> String {
    let mut said = vec![format!("member {} at {}", member.member, member.peer_url)];
    match running {
        None => said.push("not known: no daemon answers here".to_owned()),
        Some(reply) => said.extend(of_daemon(member, reply)),
    }
    if lost.contains(&member.member) {
        said.push("lost, on your word, which no node heeds in this version".to_owned());
    }
    said.join("; ")
}

fn of_daemon(member: &Recorded, reply: &StatusReply) -> Vec<String> {
    let node = member.node.map(|node| node.to_string()).unwrap_or_default();
    if node == reply.node {
        return vec![format!("this node, {}, etcd {}", reply.phase, reply.etcd)];
    }
    let mut said = Vec::new();
    match reply.peers.iter().find(|peer| peer.node == node) {
        Some(peer) if peer.alive => said.push(format!("gossip reaches it: {}, etcd {}", peer.phase, peer.etcd)),
        Some(_) => said.push("gossip holds it dead, which is no proof".to_owned()),
        None => said.push("gossip does not know it".to_owned()),
    }
    let id = member.member.to_string();
    if let Some(heard) = reply.members.iter().find(|listed| listed.id == id).and_then(|listed| listed.present) {
        said.push(if heard { "etcd hears it".to_owned() } else { "etcd does not hear it".to_owned() });
    }
    said
}
