//! What each event makes a node know, and what it makes it forget.

use super::*;
use crate::id::{ClusterId, Epoch, LineageId, MemberId, Nonce};
use crate::lineage::{Claim, ClaimKind, FORMAT};
use crate::memory::Place;
use crate::observe::{Etcd, Gate, Me, Policy, Status};
use crate::word::{EtcdWord, Progress, StoreWord};
use std::time::Duration;

const A: NodeId = NodeId(0xa);

fn addr() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 7980))
}

fn world() -> World {
    let now = Moment(1_000_000_000);
    World::new(now, Policy::default(), Me::default(), None, State::default(), Recall::default())
}

/// A world that gossip has shown one peer to, a minute ago.
fn acquainted() -> World {
    let mut world = world();
    world.see_peer(A, BootId(1), addr(), true, Some(world.now));
    world.hear_word(A, Word::default());
    world.now = world.now + Duration::from_mins(1);
    world
}

fn lineage(nonce: u128, state: LineageState) -> Lineage {
    let claim = Claim {
        nonce: Nonce(nonce),
        by: A,
        kind: ClaimKind::Birth,
        founders: vec![],
        source: None,
        evidence: vec![],
        adopted: None,
    };
    Lineage {
        format: FORMAT,
        lineage: LineageId(1),
        seq: 1,
        nonce: Nonce(nonce),
        epoch: Epoch(1),
        state,
        claim,
        members: vec![],
        pinned: None,
        history: vec![],
    }
}

fn founding(claim: u128, start: u64) -> State {
    let place = Place {
        lineage: LineageId(1),
        epoch: Epoch(1),
        claim: Nonce(claim),
        cluster: ClusterId(1),
        member: MemberId(1),
        archive: None,
    };
    State { phase: Phase::Founding, place: Some(place), start, ..State::default() }
}

/// A peer is steady while its disk, its etcd and its view of the store stay what they are.
#[test]
fn a_peer_is_steady_while_what_counts_stays() {
    let mut world = acquainted();
    let since = world.peers[&A].steady_since;
    let progress = Some(Progress { index: 99, ..Progress::default() });
    world.hear_word(A, Word { progress, start: 3, ..Word::default() });
    assert_eq!(world.peers[&A].steady_since, since, "progress is no change of its standing");
    let changes: [fn(&mut Word); 6] = [
        |word| word.phase = Phase::Founding,
        |word| word.has_data = true,
        |word| word.seal = Some(1),
        |word| word.etcd = EtcdWord::Open,
        |word| word.store = StoreWord::Absent,
        |word| word.restored_bytes = Some(4096),
    ];
    let mut told = Word::default();
    for change in changes {
        world.now = world.now + Duration::from_secs(1);
        change(&mut told);
        world.hear_word(A, told.clone());
        assert_eq!(world.peers[&A].steady_since, world.now, "{told:?}");
    }
}

#[test]
fn a_peer_that_dies_or_starts_anew_is_not_steady() {
    let mut world = acquainted();
    world.see_peer(A, BootId(1), addr(), true, None);
    assert!(world.peers[&A].steady_since < world.now);
    assert!(world.peers[&A].heard_at.is_some(), "what was heard is not forgotten");
    world.see_peer(A, BootId(1), addr(), false, None);
    assert_eq!(world.peers[&A].steady_since, world.now);
    assert!(world.peers[&A].word.is_some(), "its last word stands");
    world.see_peer(A, BootId(2), addr(), true, None);
    assert!(world.peers[&A].word.is_none(), "the word of another run says nothing of this one");
    world.forget_peer(A);
    world.hear_word(A, Word::default());
    assert!(world.peers.is_empty(), "a word alone makes no peer");
}

#[test]
fn of_two_copies_the_newer_stays() {
    let mut world = world();
    let copy = |seq: u64| Lineage { seq, ..lineage(1, LineageState::Live) };
    world.hear_copy(A, copy(5));
    world.hear_copy(A, copy(4));
    assert_eq!(world.copies[&A].seq, 5);
    world.hear_copy(A, Lineage { lineage: LineageId(2), ..copy(1) });
    assert_eq!(world.copies[&A].lineage, LineageId(2), "another lineage is not older");
    world.see_peer(A, BootId(1), addr(), true, None);
    world.forget_peer(A);
    assert!(world.copies.is_empty());
}

/// S2: a look that failed is not an empty store, and hides the look before it, however fresh that is.
#[test]
fn a_failed_look_hides_the_last_one() {
    let mut world = world();
    let empty = StoreView::default;
    world.see_store(Ok(empty()));
    assert!(world.store_view().is_some());
    world.see_store(Err(Trouble::Unreachable("no route".to_owned())));
    assert!(world.store_view().is_none(), "at the very same moment");
    world.trouble.iter_mut().for_each(|seen| seen.at = Moment(0));
    assert!(world.store_view().is_none(), "however long ago it failed");
    world.see_store(Ok(empty()));
    assert!(world.store_view().is_some());
    world.failed(Kind::WriteLineage, "the reply was lost".to_owned());
    assert!(world.store_view().is_none() && world.last_store_view().is_some(), "the write may have landed");
}

/// S11: the run knows which start it has raised itself, and asks anew for each.
#[test]
fn a_start_is_raised_by_the_run_that_noted_it() {
    let mut world = world();
    world.interviewing(0);
    world.remembered(founding(7, 1));
    assert_eq!((world.raised, world.interview.is_none()), (Some(1), true));
    world.interviewing(1);
    world.remembered(State { opened: true, ..founding(7, 1) });
    assert_eq!((world.raised, world.interview.is_some()), (Some(1), true), "nothing was raised");
}

/// S11: a promise is fresh only in the run that made it, for a claim under which nobody could have started.
#[test]
fn a_promise_is_fresh_in_the_run_that_made_it() {
    let mut forming = world();
    forming.recalled(Recall { lineage: Some(lineage(7, LineageState::Forming)), ..Recall::default() });
    forming.remembered(founding(8, 0));
    assert_eq!(forming.promised, None, "that is another claim than the one that forms");
    forming.remembered(founding(7, 0));
    assert_eq!(forming.promised, Some(Nonce(7)));
    let mut again = forming.clone();
    again.promised = None;
    again.remembered(State { ran: true, ..founding(7, 0) });
    assert_eq!(again.promised, None, "found on the disk, not promised now");
    forming.started(Process::Running { gate: Gate::Open, since: forming.now });
    assert_eq!(forming.promised, None, "what was promised is done");
    let mut live = world();
    live.recalled(Recall { lineage: Some(lineage(7, LineageState::Live)), ..Recall::default() });
    live.remembered(founding(7, 0));
    assert_eq!(live.promised, None, "others may have started already, and know of this disk");
}

/// S11: an etcd that was started on an empty directory, and ended before anything was seen in it.
#[test]
fn a_launch_counts_until_data_is_seen() {
    let start = |data: Option<DataDir>| {
        let mut world = world();
        world.remembered(founding(7, 1));
        world.data = data;
        world.etcd.status = Some(Seen { value: Status::default(), at: world.now });
        world.started(Process::Running { gate: Gate::Open, since: world.now });
        assert_eq!(world.etcd, Etcd { process: world.etcd.process.clone(), ..Etcd::default() });
        world
    };
    assert_eq!(start(None).launched, None);
    let mut world = start(Some(DataDir::Empty));
    assert_eq!(world.launched, Some(Nonce(7)));
    world.see_data(DataDir::Empty);
    assert_eq!(world.launched, Some(Nonce(7)));
    world.see_data(DataDir::Unreadable("cut short".to_owned()));
    world.see_data(DataDir::Empty);
    assert_eq!(world.launched, None, "there was something");
}

#[test]
fn a_lineage_is_as_old_as_its_version_here() {
    let mut world = world();
    let recall = Recall { lineage: Some(lineage(7, LineageState::Forming)), ..Recall::default() };
    world.recalled(recall.clone());
    let since = world.lineage_since;
    world.now = world.now + Duration::from_secs(9);
    world.recalled(Recall { addresses: [(A, "there".to_owned())].into(), ..recall });
    assert_eq!((world.lineage_since, world.recalled_at), (since, Some(world.now)));
    world.recalled(Recall { lineage: Some(lineage(8, LineageState::Forming)), ..Recall::default() });
    assert_eq!(world.lineage_since, world.now);
}

/// A new identity is a new disk: nothing of the old one is carried over.
#[test]
fn a_new_identity_begins_with_nothing() {
    let mut world = world();
    world.remembered(State { phase: Phase::Abandoned, because: Some("it is over".to_owned()), ..founding(7, 4) });
    world.interviewing(4);
    world.identified(Identity { node: NodeId(2), machine: "m".to_owned(), mounted: false, former: vec![A] });
    assert_eq!((world.node(), &world.state), (Some(NodeId(2)), &State::default()));
    assert_eq!((world.raised, world.promised, world.launched), (None, None, None));
    assert!(world.interview.is_none() && world.recall.members.is_empty());
}

/// What an act may have changed, done or failed, is not known any more.
#[test]
fn an_act_outdates_what_it_may_have_changed() {
    for kind in [Kind::AddLearner, Kind::Promote, Kind::Remove] {
        let mut world = world();
        world.etcd.members = Some(Seen { value: vec![], at: world.now });
        world.failed(kind, "the reply was lost".to_owned());
        assert!(world.etcd.members.is_none(), "{kind:?}");
        // A look was under way meanwhile: what it brings is from before.
        world.see_members(vec![], world.now);
        assert!(world.etcd.members.is_none() && world.etcd.read_at == Some(world.now), "{kind:?}");
        world.see_members(vec![], world.now + Duration::from_millis(1));
        assert!(world.etcd.members.is_some(), "{kind:?}");
        assert_eq!(world.failures[&kind].count, 1);
        world.failed(kind, "again".to_owned());
        assert_eq!((world.failures[&kind].count, world.failures[&kind].message.as_str()), (2, "again"));
        world.succeeded(kind);
        assert!(world.failures.is_empty());
    }
}

/// What failed for one claim is not held against the next.
#[test]
fn a_failed_restore_is_forgotten_with_its_claim() {
    let mut world = world();
    world.remembered(founding(7, 0));
    world.failed(Kind::Restore, "the archive is not there".to_owned());
    world.remembered(State { ran: true, ..founding(7, 0) });
    assert_eq!(world.failures.len(), 1, "the same claim");
    world.remembered(founding(8, 0));
    assert!(world.failures.is_empty());
}

/// An etcd that ends right after each start is started less and less often; one that ran for a while begins anew.
#[test]
fn a_start_succeeds_when_etcd_lasts() {
    let mut world = world();
    let running = |world: &mut World| {
        let since = world.now;
        world.started(Process::Running { gate: Gate::Open, since });
        world.succeeded(Kind::Start);
        world.etcd.status = Some(Seen { value: Status::default(), at: world.now });
        world.endured();
    };
    for count in 1..=3 {
        world.failed(Kind::Start, "no space left on device".to_owned());
        running(&mut world);
        assert_eq!(world.failures[&Kind::Start].count, count);
    }
    world.now = world.now + Duration::from_secs(30);
    world.endured();
    assert_eq!(world.failures.len(), 1, "it has not answered since");
    world.etcd.status = Some(Seen { value: Status::default(), at: world.now });
    world.endured();
    assert!(world.failures.is_empty());
}

/// Answers to an earlier question count for nothing.
#[test]
fn a_testimony_answers_the_question_at_hand() {
    let mut world = world();
    let told = Testimony { start: 4, known: None, removed: false, serves: false, heard: None, away: false };
    world.hear_testimony(A, told);
    assert!(world.interview.is_none());
    world.interviewing(5);
    world.hear_testimony(A, told);
    world.hear_testimony(NodeId(0xb), Testimony { start: 5, ..told });
    let witnesses: Vec<NodeId> = world.interview.unwrap().answers.into_keys().collect();
    assert_eq!(witnesses, [NodeId(0xb)]);
}
