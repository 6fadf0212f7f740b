//! Several members: formation, leadership, learners, removal, and who hears whom.

use crate::rig::{Cluster, Node, Parts, get, put, until, url};
use e2d_core::id::MemberId;
use e2d_core::time::Moment;
use e2d_etcd::child::Cause;
use e2d_etcd::client::{CallError, Client, Effect, Kind, Member, Reading};
use e2d_etcd::launch::Start;
use e2d_etcd::observe::{Ask, Observer};
use e2d_etcd::restore;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

on_each_version!(
    three_form_a_gated_cluster_with_known_ids,
    leadership_moves_when_asked,
    a_lone_survivor_says_what_it_knows,
    a_removed_member_says_so,
    a_learner_joins_and_is_promoted,
    a_leader_hears_who_lives,
);

async fn three_form_a_gated_cluster_with_known_ids(parts: Parts) {
    let mut cluster = Cluster::new(&parts, 3);
    let clients = cluster.serve().await;
    let expected: Vec<_> = cluster.iter().map(|node| restore::expected(&node.launch).unwrap()).collect();
    for (client, expected) in clients.iter().zip(&expected) {
        let status = client.status().await.unwrap();
        assert_eq!((status.cluster, status.member), (expected.cluster, expected.member));
    }
    let ids: BTreeSet<MemberId> = expected.iter().map(|restored| restored.member).collect();
    for client in &clients {
        let listed = client.members(Reading::Linearizable).await.unwrap();
        assert_eq!(listed.iter().map(|member| member.id).collect::<BTreeSet<_>>(), ids);
        assert!(listed.iter().all(|member| !member.name.is_empty() && !member.learner));
    }
    put(&clients[0], 3).await;
    for client in &clients {
        assert_eq!(get(client, "k2").await.as_deref(), Some("v2"), "through every socket");
    }
    // They agree on what they hold.
    let mut hashes = Vec::new();
    let revision = clients[0].revision(Reading::Linearizable).await.unwrap();
    for client in &clients {
        client.revision(Reading::Linearizable).await.unwrap();
        let hash = client.hash_kv(revision).await.unwrap();
        hashes.push((hash.hash, hash.compacted, hash.hashed));
    }
    assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "{hashes:?}");
    for node in cluster.iter_mut() {
        assert_eq!(node.stop().await.cause, Cause::Stopped);
    }
    for (node, expected) in cluster.iter().zip(&expected) {
        let data = node.data();
        assert_eq!((data.cluster, data.member), (expected.cluster, expected.member));
        assert!(data.hard_state.vote.is_none_or(|vote| ids.contains(&vote)));
    }
}

async fn leadership_moves_when_asked(parts: Parts) {
    let mut cluster = Cluster::new(&parts, 3);
    let clients = cluster.serve().await;
    let leader = cluster.leader(&clients).await;
    let (follower, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let target = clients[follower].status().await.unwrap().member;

    let error = clients[follower].move_leader(target).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (Kind::NotLeader, Effect::None), "{error}");
    let error = clients[leader].move_leader(MemberId(7)).await.unwrap_err();
    assert_eq!(error.kind, Kind::BadTransferee, "{error}");

    // Writes go on through a member that neither loses nor gains the lead. A request that was passed on to a leader
    // who left is lost, and etcd itself would say so only after seven seconds: hence the short deadline.
    let mut kv = clients[other].raw().kv_client();
    let (written, mut writes_seen) = tokio::sync::watch::channel(0);
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writes = tokio::spawn(async move {
        let (mut longest, mut last) = (Duration::ZERO, Instant::now());
        while stopped.try_recv().is_err() {
            let put = kv.put("written", "x", None);
            if let Ok(Ok(_)) = tokio::time::timeout(Duration::from_millis(100), put).await {
                longest = longest.max(last.elapsed());
                last = Instant::now();
                written.send_modify(|count| *count += 1);
            }
        }
        longest
    });
    writes_seen.wait_for(|&count| count > 0).await.unwrap();
    clients[leader].move_leader(target).await.unwrap();
    until("the new leader everywhere", async || {
        for client in &clients {
            let seen = client.status().await.map_err(|e| e.to_string())?.leader;
            if seen != Some(target) {
                return Err(format!("{seen:?}"));
            }
        }
        Ok(())
    })
    .await;
    assert_eq!(cluster[leader].stop().await.cause, Cause::Stopped);
    let before = *writes_seen.borrow();
    writes_seen.wait_for(|&count| count > before + 10).await.unwrap();
    stop.send(()).unwrap();
    let longest = writes.await.unwrap();
    println!("etcd {}: longest write gap while the leader hands over and stops: {longest:?}", parts.minor);
}

async fn a_lone_survivor_says_what_it_knows(parts: Parts) {
    let mut cluster = Cluster::new(&parts, 3);
    let clients = cluster.serve().await;
    let all = clients[0].members(Reading::Linearizable).await.unwrap();
    for node in &mut cluster[1..] {
        node.let_go().kill().await;
    }
    let client = clients[0].within(Duration::from_millis(500));
    until("the loss of the leader", async || match client.status().await {
        Ok(status) if status.leader.is_none() => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(client.members(Reading::Local).await.unwrap(), all);
    client.revision(Reading::Local).await.unwrap();
    for result in [
        client.members(Reading::Linearizable).await.map(drop),
        client.revision(Reading::Linearizable).await.map(drop),
        client.mark_restored(b"").await.map(drop),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error.kind, Kind::Timeout | Kind::NoLeader | Kind::NoQuorum), "{error}");
        assert_eq!(error.effect == Effect::Unknown, error.call == "mark as restored", "{error}");
    }
}

/// Removes a member as soon as etcd lets it: for its first five seconds a connection does not count.
async fn remove(client: &Client, member: MemberId) -> Vec<Member> {
    let mut left = Vec::new();
    until("the removal", async || match client.remove(member).await {
        Ok(members) => {
            left = members;
            Ok(())
        }
        Err(error) if error.kind == Kind::Unhealthy => Err(error.to_string()),
        Err(error) => panic!("{error}"),
    })
    .await;
    left
}

async fn a_removed_member_says_so(parts: Parts) {
    let mut cluster = Cluster::new(&parts, 3);
    let clients = cluster.serve().await;
    let leader = cluster.leader(&clients).await;
    let (victim, rest) = ((leader + 1) % 3, (leader + 2) % 3);
    let id = clients[victim].status().await.unwrap().member;
    assert_eq!(remove(&clients[rest], id).await.len(), 2);
    let exit = cluster[victim].ended().await;
    assert_eq!(exit.cause, Cause::RemovedFromCluster, "{exit:?}");
    assert!(matches!(exit.code, Some(0 | 1)), "{exit:?}");
    // Again with its old data.
    cluster[victim].launch.start = Start::Resume;
    let exit = cluster[victim].dies().await;
    assert_eq!(exit.cause, Cause::RemovedFromCluster, "{exit:?}");
    let error = clients[rest].remove(id).await.unwrap_err();
    assert_eq!((error.kind, error.effect), (Kind::MemberNotFound, Effect::None), "{error}");
    put(&clients[rest], 1).await;
}

async fn a_learner_joins_and_is_promoted(parts: Parts) {
    let mut first = Node::new(&parts, "n0");
    let client = first.serve().await;
    put(&client, 10).await;
    let peer = url("http");
    let (learner, members) = client.add_learner(&[peer.as_str()]).await.unwrap();
    let named: Vec<(bool, bool)> = members.iter().map(|member| (member.learner, member.name.is_empty())).collect();
    assert!(named.contains(&(true, true)) && named.contains(&(false, false)), "{members:?}");

    let refused = |result: Result<_, CallError>| {
        let error = result.err().unwrap();
        assert_eq!(error.effect, Effect::None, "{error}");
        error.kind
    };
    assert_eq!(refused(client.add_learner(&[peer.as_str()]).await.map(drop)), Kind::PeerUrlExists);
    assert_eq!(refused(client.add_learner(&[url("http").as_str()]).await.map(drop)), Kind::TooManyLearners);
    assert_eq!(refused(client.promote(learner).await.map(drop)), Kind::LearnerNotReady);
    assert_eq!(refused(client.promote(MemberId(7)).await.map(drop)), Kind::MemberNotFound);

    let listed = vec![("n0".to_owned(), first.launch.peer.advertise.clone()), ("n1".to_owned(), vec![peer.clone()])];
    let mut second = Node::with(&parts, "n1", peer, Start::Join { members: listed });
    second.start();
    let joined = second.client().await;
    until("the learner to catch up", async || {
        let behind = client.status().await.map_err(|e| e.to_string())?.applied;
        let status = joined.status().await.map_err(|e| e.to_string())?;
        if status.applied >= behind { Ok(()) } else { Err(format!("{} of {behind}", status.applied)) }
    })
    .await;
    let status = joined.status().await.unwrap();
    assert_eq!((status.member, status.learner), (learner, true));
    assert_eq!(refused(joined.revision(Reading::Linearizable).await.map(drop)), Kind::NotForLearners);
    assert_eq!(joined.revision(Reading::Local).await.unwrap(), status.revision);
    until("the promotion", async || match client.promote(learner).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind == Kind::LearnerNotReady => Err(error.to_string()),
        Err(error) => panic!("{error}"),
    })
    .await;
    second.served().await;
    assert_eq!(refused(client.promote(learner).await.map(drop)), Kind::NotLearner);
    let members = client.members(Reading::Linearizable).await.unwrap();
    assert!(members.len() == 2 && members.iter().all(|member| !member.learner), "{members:?}");

    // And out again: what is left is one member with a quorum of one.
    assert_eq!(remove(&client, learner).await.len(), 1);
    assert_eq!(second.ended().await.cause, Cause::RemovedFromCluster);
    assert_eq!(get(&client, "k9").await.as_deref(), Some("v9"));
}

async fn a_leader_hears_who_lives(parts: Parts) {
    let mut cluster = Cluster::new(&parts, 3);
    let clients = cluster.serve().await;
    let leader = cluster.leader(&clients).await;
    let (frozen, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let id = async |n: usize| clients[n].status().await.unwrap().member;
    let (frozen_id, other_id) = (id(frozen).await, id(other).await);
    let mut leading = Observer::new(clients[leader].clone(), cluster[leader].launch.data_dir.clone());
    let mut following = Observer::new(clients[other].clone(), cluster[other].launch.data_dir.clone());
    let ask = Ask { metrics: true, members: false };
    let begun = Instant::now();
    let now = || Moment(begun.elapsed().as_micros() as u64 + 1);

    until("the leader to hear both", async || {
        let seen = leading.look(Some(cluster[leader].child()), now(), ask).await;
        let hears = |member| seen.heard.contains_key(&member);
        if hears(frozen_id) && hears(other_id) { Ok(()) } else { Err(format!("{:?}", seen.heard)) }
    })
    .await;
    cluster[frozen].freeze().await;
    let stopped = now();
    // Ten heartbeats of the other, and what the frozen one had sent before is long read.
    until("silence of the frozen one alone", async || {
        let seen = leading.look(Some(cluster[leader].child()), now(), ask).await;
        assert!(seen.listening_since.is_some(), "the others are a quorum, and it leads on");
        let (silent, heard) = (seen.heard[&frozen_id], seen.heard[&other_id]);
        if heard.since(stopped) >= Duration::from_secs(1) && heard.since(silent) >= Duration::from_secs(1) {
            Ok(())
        } else {
            Err(format!("{silent:?} {heard:?}"))
        }
    })
    .await;
    // A follower hears its leader, and can say nothing of the other follower.
    let seen = following.look(Some(cluster[other].child()), now(), ask).await;
    assert_eq!(seen.listening_since, None);
    let metrics = seen.metrics.unwrap().unwrap();
    assert!(!metrics.received_bytes.contains_key(&frozen_id) || !metrics.is_leader.unwrap());
    cluster[frozen].thaw();
    let thawed = now();
    until("the thawed one to be heard", async || {
        let seen = leading.look(Some(cluster[leader].child()), now(), ask).await;
        if seen.heard[&frozen_id] > thawed { Ok(()) } else { Err(format!("{:?}", seen.heard)) }
    })
    .await;
}
