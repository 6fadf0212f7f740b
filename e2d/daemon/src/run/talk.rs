//! Gossip, as the mind uses it: what this node tells, whom it sees, whom it asks.
//!
//! A node speaks under its disk's id. When the disk takes another id, the old voice leaves and a new
//! one begins, under a new boot id.

use super::agree::Sum;
use super::fact::Fact;
use super::setting::Setting;
use bytes::Bytes;
use e2d_core::hold::Order;
use e2d_core::id::{BootId, NodeId};
use e2d_core::interview::{self, Question, Testimony};
use e2d_core::lineage::Lineage;
use e2d_core::observe::World;
use e2d_core::plan::Plan;
use e2d_core::word::Word;
use e2d_gossip::{Gossip, Incoming, Keyring, PeerStatus, Settings, ShellSettings, StartError, State, Timing, View};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

/// The topic of a node's word.
const WORD: u8 = 1;
/// The topic of its copy of the lineage object.
const COPY: u8 = 2;
/// The topic of the last order to hold, or to release.
const HOLD: u8 = 3;
/// The topic of the sum of its keyspace.
const SUM: u8 = 4;
/// How long one round of questions goes on before it is begun anew with what is known then.
const ROUND: Duration = Duration::from_secs(2);
/// How often names of seeds are resolved again while somebody is missing.
const RESOLVE_EVERY: Duration = Duration::from_secs(10);

/// This node's voice.
pub(super) struct Talk {
    setting: Arc<Setting>,
    facts: mpsc::Sender<Fact>,
    tasks: TaskTracker,
    voice: Option<Voice>,
    asked: Option<(u64, tokio::time::Instant)>,
}

struct Voice {
    node: NodeId,
    gossip: Gossip,
    told: BTreeMap<u8, Bytes>,
    copy: Option<(e2d_core::id::Nonce, Bytes)>,
}

impl Talk {
    pub(super) fn new(setting: Arc<Setting>, facts: mpsc::Sender<Fact>, tasks: TaskTracker) -> Self {
        Self { setting, facts, tasks, voice: None, asked: None }
    }

    /// Speaks as this disk from now on. Returns the boot id to be known by, if the voice is new.
    pub(super) async fn speak_as(&mut self, world: &World) -> Result<Option<BootId>, StartError> {
        let Some(node) = world.node() else { return Ok(None) };
        if self.voice.as_ref().is_some_and(|voice| voice.node == node) {
            return Ok(None);
        }
        self.leave().await;
        let boot = BootId(rand::random::<u64>().max(1));
        let listen = self.setting.config.network.gossip();
        let engine = Settings { node, boot, addr: listen, keys: self.setting.keyring(), timing: Timing::default() };
        let settings = ShellSettings { engine, listen, epoch: self.setting.epoch() };
        let (gossip, incoming) = Gossip::start(settings).await?;
        self.tasks.spawn(forward_views(gossip.view(), self.facts.clone()));
        self.tasks.spawn(forward_questions(incoming, self.facts.clone()));
        let known = world.recall.addresses.values().filter_map(|addr| addr.parse().ok()).collect();
        self.tasks.spawn(seek(self.setting.clone(), gossip.clone(), known));
        self.voice = Some(Voice { node, gossip, told: BTreeMap::new(), copy: None });
        Ok(Some(boot))
    }

    /// Seals and opens with other keys from now on.
    pub(super) async fn rekey(&self, keys: Keyring) {
        if let Some(voice) = &self.voice {
            voice.gossip.keys(keys).await;
        }
    }

    /// Tells the others that this node goes.
    pub(super) async fn leave(&mut self) {
        if let Some(voice) = self.voice.take() {
            voice.gossip.leave().await;
        }
    }

    /// Tells what has changed.
    pub(super) async fn tell(&mut self, world: &World, plan: &Plan, order: Option<&Order>, sum: Option<&Sum>) {
        let Some(voice) = &mut self.voice else { return };
        let mut items = vec![(WORD, Bytes::from(plan.word.encode()))];
        if let Some(lineage) = world.lineage() {
            if voice.copy.as_ref().is_none_or(|(nonce, _)| *nonce != lineage.nonce) {
                voice.copy = Some((lineage.nonce, lineage.encode("").into()));
            }
            items.extend(voice.copy.iter().map(|(_, copy)| (COPY, copy.clone())));
        }
        items.extend(order.map(|order| (HOLD, order.encode().into())));
        items.extend(sum.map(|sum| (SUM, sum.encode().into())));
        for (topic, body) in items {
            if voice.told.get(&topic) != Some(&body) {
                if let Err(error) = voice.gossip.publish(topic, body.clone()).await {
                    tracing::warn!(%error, topic, "a word was not told");
                }
                voice.told.insert(topic, body);
            }
        }
    }

    /// Puts the questions of an interview under way to everybody who may be a member.
    pub(super) fn ask(&mut self, world: &World) {
        let (Some(voice), Some(interview), Some(place)) = (&self.voice, &world.interview, world.state.place) else {
            self.asked = None;
            return;
        };
        let due = self.asked.is_none_or(|(start, at)| start != interview.start || at.elapsed() >= ROUND);
        if !due {
            return;
        }
        self.asked = Some((interview.start, tokio::time::Instant::now()));
        let question = Question { node: voice.node, boot: world.me.boot, place, start: interview.start };
        let Ok(body) = serde_json::to_vec(&question).map(Bytes::from) else { return };
        for to in fellows(world) {
            let (gossip, facts, body) = (voice.gossip.clone(), self.facts.clone(), body.clone());
            self.tasks.spawn(async move {
                let Ok((from, body)) = gossip.ask(to, body, ROUND).await else { return };
                if let Ok(testimony) = serde_json::from_slice::<Testimony>(&body) {
                    let _ = facts.send(Fact::Testimony(from.node, testimony)).await;
                }
            });
        }
    }

    /// Answers a question. What the answer rests on is durable by now.
    pub(super) async fn answer(&self, incoming: &Incoming, testimony: &Testimony) {
        let (Some(voice), Ok(body)) = (&self.voice, serde_json::to_vec(testimony)) else { return };
        voice.gossip.answer(incoming, body.into()).await;
    }
}

/// Where those may be who know this disk: its fellow members, at their last addresses, and whoever is
/// there.
fn fellows(world: &World) -> BTreeSet<SocketAddr> {
    let Some(place) = world.state.place else { return BTreeSet::new() };
    let nodes = interview::fellows(world, &place).0;
    let mut to: BTreeSet<SocketAddr> = world.visible().map(|(_, peer)| peer.addr).collect();
    to.extend(nodes.iter().filter_map(|node| world.recall.addresses.get(node)?.parse::<SocketAddr>().ok()));
    to
}

/// What was heard last of each node on each topic, as it came: it is not read again.
pub(super) type Heard = BTreeMap<(NodeId, u8), Bytes>;

/// What the others tell that is not about the world as the core knows it.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Orders to hold or to release.
    pub(super) orders: Vec<Order>,
    /// Sums of keyspaces, by whose they are.
    pub(super) sums: Vec<(NodeId, Sum)>,
}

/// Takes in what gossip knows.
pub(super) fn take_in(world: &mut World, view: &View, heard: &mut Heard) -> Told {
    let mut told = Told::default();
    let me = world.node();
    let others = || view.peers.iter().filter(|status| Some(status.peer.node) != me);
    let gone: Vec<NodeId> =
        world.peers.keys().copied().filter(|node| !others().any(|status| status.peer.node == *node)).collect();
    for node in gone {
        world.forget_peer(node);
    }
    for status in one_a_node(others()).into_values() {
        let peer = status.peer;
        world.see_peer(peer.node, peer.boot, peer.addr, status.state != State::Down, status.last_heard);
    }
    let before = std::mem::take(heard);
    for item in view.items.iter().filter(|item| Some(item.origin) != me) {
        let key = (item.origin, item.topic);
        let old = before.get(&key) == Some(&item.body);
        heard.insert(key, item.body.clone());
        let peer = world.peers.get(&item.origin);
        let current = peer.is_some_and(|peer| peer.boot == item.boot);
        match item.topic {
            WORD if old && peer.is_some_and(|peer| peer.word.is_some()) => {}
            COPY if old && world.copies.contains_key(&item.origin) => {}
            WORD if current => match Word::decode(&item.body) {
                Ok(said) => world.hear_word(item.origin, said),
                Err(error) => tracing::debug!(%error, node = %item.origin, "a word that cannot be read"),
            },
            COPY => match Lineage::decode(&item.body) {
                Ok((copy, _)) => world.hear_copy(item.origin, copy),
                Err(error) => tracing::debug!(%error, node = %item.origin, "a lineage copy that cannot be read"),
            },
            HOLD => match Order::decode(&item.body) {
                Ok(order) => told.orders.push(order),
                Err(error) => tracing::debug!(%error, node = %item.origin, "an order to hold that cannot be read"),
            },
            SUM if current => match Sum::decode(&item.body) {
                Ok(sum) => told.sums.push((item.origin, sum)),
                Err(error) => tracing::debug!(%error, node = %item.origin, "a sum that cannot be read"),
            },
            _ => {}
        }
    }
    let mut clones = view.cloned.iter().flat_map(|(one, other)| [one, other]);
    let clone = clones.rfind(|peer| Some(peer.node) == me && peer.addr != view.me.addr);
    world.clone_at = clone.map(|peer| peer.addr);
    told
}

/// Of several processes of one node the one that lives, else one that may, else the last that lived: with one row a process, a node that
/// starts again would never be steady.
fn one_a_node<'a>(peers: impl Iterator<Item = &'a PeerStatus>) -> BTreeMap<NodeId, &'a PeerStatus> {
    let order = |status: &PeerStatus| {
        let life = [State::Down, State::Suspect, State::Alive].iter().position(|state| *state == status.state);
        (life, status.since)
    };
    let mut rows: BTreeMap<NodeId, &PeerStatus> = BTreeMap::new();
    for status in peers {
        let row = rows.entry(status.peer.node).or_insert(status);
        if order(status) > order(row) {
            *row = status;
        }
    }
    rows
}

async fn forward_views(mut views: tokio::sync::watch::Receiver<Arc<View>>, facts: mpsc::Sender<Fact>) {
    loop {
        let view = views.borrow_and_update().clone();
        if facts.send(Fact::Gossip(view)).await.is_err() || views.changed().await.is_err() {
            return;
        }
    }
}

async fn forward_questions(mut incoming: mpsc::Receiver<Incoming>, facts: mpsc::Sender<Fact>) {
    while let Some(question) = incoming.recv().await {
        if facts.send(Fact::Question(question)).await.is_err() {
            return;
        }
    }
}

/// Looks for the other nodes, for ever: by the configured addresses and names, and where they were last.
async fn seek(setting: Arc<Setting>, gossip: Gossip, known: BTreeSet<SocketAddr>) {
    use crate::config::address::SeedHost;
    let mut names: BTreeMap<String, BTreeSet<SocketAddr>> = BTreeMap::new();
    let mut view = gossip.view();
    let all = |names: &BTreeMap<String, BTreeSet<SocketAddr>>| -> Vec<SocketAddr> {
        let given = setting.config.cluster.seeds().iter().filter_map(|seed| match seed.host {
            SeedHost::Ip(ip) => Some(SocketAddr::new(ip, seed.port)),
            SeedHost::Name(_) => None,
        });
        let seeds: BTreeSet<SocketAddr> =
            known.iter().copied().chain(given).chain(names.values().flatten().copied()).collect();
        seeds.into_iter().filter(|seed| *seed != setting.config.network.gossip()).collect()
    };
    loop {
        // What is known without asking anybody comes first: names may take long, or never resolve (S17).
        gossip.seeds(all(&names)).await;
        for seed in setting.config.cluster.seeds() {
            // A name that does not resolve now keeps the addresses that it had.
            let SeedHost::Name(name) = &seed.host else { continue };
            let asked = tokio::net::lookup_host((name.as_str(), seed.port));
            match tokio::time::timeout(Duration::from_secs(5), asked).await {
                Ok(Ok(found)) => drop(names.insert(name.clone(), found.collect())),
                Ok(Err(error)) => tracing::debug!(%error, name, "a seed's name does not resolve"),
                Err(_) => tracing::debug!(name, "no answer about a seed's name"),
            }
        }
        gossip.seeds(all(&names)).await;
        tokio::select! {
            () = tokio::time::sleep(RESOLVE_EVERY) => {}
            gone = async { while view.changed().await.is_ok() {} } => return gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use e2d_core::time::Moment;
    use e2d_gossip::Peer;

    /// S13 S20: who starts again elsewhere has two rows in gossip's view for a while, and is one node all the same.
    #[test]
    fn of_several_processes_of_a_node_one_counts() {
        let process = |node: u64, boot: u64, state: State, since: u64| {
            let addr = SocketAddr::from(([10, 0, 0, 1], 7980 + u16::try_from(boot).unwrap_or(0)));
            let peer = Peer { node: NodeId(node), boot: BootId(boot), addr };
            PeerStatus { peer, state, since: Moment(since), last_heard: None }
        };
        let (lives, died, died_later) =
            (process(1, 1, State::Suspect, 10), process(1, 2, State::Down, 30), process(1, 3, State::Down, 40));
        let other = process(2, 4, State::Alive, 20);
        for seen in [[lives, died, other], [other, died, lives], [died, lives, other]] {
            let rows = one_a_node(seen.iter());
            assert_eq!((rows[&NodeId(1)], rows[&NodeId(2)], rows.len()), (&lives, &other, 2), "{seen:?}");
        }
        let fresh = process(1, 5, State::Alive, 5);
        for seen in [[fresh, lives], [lives, fresh]] {
            assert_eq!(
                one_a_node(seen.iter())[&NodeId(1)],
                &fresh,
                "the former one is dying, however late it is noticed"
            );
        }
        for seen in [[died, died_later], [died_later, died]] {
            assert_eq!(one_a_node(seen.iter())[&NodeId(1)], &died_later, "the last that lived");
        }
    }
}
