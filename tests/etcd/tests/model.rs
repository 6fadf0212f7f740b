//! The simulator's model of etcd held against etcd itself: one script, the same answers.
//!
//! What the simulator believes of etcd is believed by every seed. So each of its rules is tried here on both: who may write
//! when, which changes of the members are refused and why, what a member that was removed does, whom an election needs.

#[path = "model/real.rs"]
mod real;
#[path = "model/simulated.rs"]
mod simulated;

use anyhow::{Context as _, Result, ensure};
use e2d_sim::raft::Refusal;
use e2d_testkit::EtcdVersion;
use real::Real;
use simulated::Simulated;

/// How a change of the members went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// It is done.
    Done,
    /// It was refused.
    Refused(Refusal),
    /// Nobody leads, or nobody could commit it.
    NoAnswer,
}

/// Members 1 to 3 found a cluster, and more may join it. Each step ends when all has come to rest.
trait Etcds {
    /// Starts a member with what its disk holds.
    fn start(&mut self, n: u8) -> Result<()>;
    /// Kills a member.
    fn kill(&mut self, n: u8) -> Result<()>;
    /// Lets nothing pass from one member to another.
    fn cut_one_way(&mut self, from: u8, to: u8) -> Result<()>;
    /// Cuts a member off from all others, both ways.
    fn isolate(&mut self, n: u8) -> Result<()>;
    /// Undoes every cut.
    fn heal(&mut self) -> Result<()>;
    /// Whether a write through a member is acknowledged.
    fn put(&mut self, n: u8, write: u64) -> Result<bool>;
    /// Whether an acknowledged write is read through a member.
    fn holds(&mut self, n: u8, write: u64) -> Result<bool>;
    /// Adds a member without a vote, at the place of member `n`, through member `by`.
    fn add_learner(&mut self, by: u8, n: u8) -> Result<Change>;
    /// Gives a member its vote.
    fn promote(&mut self, by: u8, n: u8) -> Result<Change>;
    /// Removes a member.
    fn remove(&mut self, by: u8, n: u8) -> Result<Change>;
    /// The voters and the learners, through a member.
    fn members(&mut self, by: u8) -> Result<(Vec<u8>, Vec<u8>)>;
    /// Whether a member has found itself removed.
    fn is_out(&mut self, n: u8) -> Result<bool>;
    /// Who leads.
    fn leader(&mut self) -> Result<u8>;
}

/// Plays the script, and returns what was answered.
fn play(etcds: &mut dyn Etcds) -> Result<Vec<String>> {
    let mut told = Vec::new();
    let mut tell = |what: &str, answer: String| told.push(format!("{what}: {answer}"));
    (1..=3).try_for_each(|n| etcds.start(n))?;
    tell("three of three write", format!("{}", etcds.put(1, 1)?));
    tell("a URL that is taken", format!("{:?}", etcds.add_learner(1, 2)?));

    etcds.kill(3)?;
    tell("two of three write", format!("{}", etcds.put(1, 2)?));
    tell("a learner while one is away", format!("{:?}", etcds.add_learner(1, 4)?));
    etcds.kill(2)?;
    tell("one of three writes", format!("{}", etcds.put(1, 3)?));
    // One of etcd looks at its connections first; that there is no leader would come next.
    tell("a learner without a quorum", format!("{}", etcds.add_learner(1, 4)? == Change::Done));
    etcds.start(2)?;
    etcds.start(3)?;
    tell("three again", format!("{} {}", etcds.put(3, 4)?, etcds.holds(3, 2)?));

    tell("a learner", format!("{:?}", etcds.add_learner(1, 4)?));
    tell("a second learner", format!("{:?}", etcds.add_learner(1, 5)?));
    tell("a vote for one that never ran", format!("{:?}", etcds.promote(1, 4)?));
    tell("members", format!("{:?}", etcds.members(1)?));
    etcds.start(4)?;
    tell("a vote for one that has caught up", format!("{:?}", etcds.promote(1, 4)?));
    tell("a vote for one that has it", format!("{:?}", etcds.promote(1, 4)?));
    tell("members", format!("{:?}", etcds.members(4)?));
    etcds.kill(1)?;
    etcds.kill(2)?;
    tell("two of four write", format!("{}", etcds.put(4, 5)?));
    etcds.start(1)?;
    etcds.start(2)?;
    tell("four write", format!("{} {}", etcds.put(4, 6)?, etcds.holds(4, 1)?));

    let leader = etcds.leader()?;
    let other = if leader == 3 { 1 } else { 3 };
    tell("the leader is removed", format!("{:?}", etcds.remove(other, leader)?));
    tell("it knows", format!("{}", etcds.is_out(leader)?));
    tell("the rest write", format!("{}", etcds.put(other, 7)?));
    etcds.start(leader)?;
    tell("started again it knows", format!("{}", etcds.is_out(leader)?));
    tell("three members are left", format!("{:?}", etcds.members(other)?.0.len()));

    let leader = etcds.leader()?;
    let follower = etcds.members(leader)?.0.into_iter().find(|n| *n != leader).context("no follower")?;
    etcds.isolate(leader)?;
    tell("a leader that is cut off writes", format!("{}", etcds.put(leader, 8)?));
    tell("the others write", format!("{}", etcds.put(follower, 9)?));
    etcds.heal()?;
    tell("after that", format!("{} {}", etcds.put(leader, 10)?, etcds.holds(leader, 9)?));

    let leader = etcds.leader()?;
    let follower = etcds.members(leader)?.0.into_iter().find(|n| *n != leader).context("no follower")?;
    etcds.cut_one_way(leader, follower)?;
    let third = etcds.members(leader)?.0.into_iter().find(|n| ![leader, follower].contains(n)).context("no third")?;
    tell("with one way cut the third writes", format!("{}", etcds.put(third, 11)?));
    etcds.heal()?;
    for n in etcds.members(third)?.0 {
        etcds.kill(n)?;
    }
    let all: Vec<u8> = (1..=4).filter(|n| [third, leader, follower].contains(n)).collect();
    all.iter().try_for_each(|n| etcds.start(*n))?;
    let kept = [1, 2, 4, 6, 7, 9, 10, 11].iter().map(|write| etcds.holds(third, *write)).collect::<Result<Vec<_>>>()?;
    tell("after all were killed", format!("{} {kept:?}", etcds.put(third, 12)?));
    Ok(told)
}

/// Every answer of the model is the answer of etcd: of the newest that is covered, and where all are, of the oldest too.
#[test]
fn the_model_of_etcd_answers_as_etcd_does() -> Result<()> {
    let modelled = play(&mut Simulated::new())?;
    let covered = EtcdVersion::covered()?;
    let oldest = covered.first().filter(|_| covered.len() == EtcdVersion::ALL.len());
    for version in covered.last().into_iter().chain(oldest).copied() {
        let mut etcds = Real::new(version)?;
        let real = play(&mut etcds).with_context(|| format!("on etcd {version}"))?;
        ensure!(real == modelled, "etcd {version} says\n{}\nthe model says\n{}", real.join("\n"), modelled.join("\n"));
        etcds.passed()?;
    }
    Ok(())
}
