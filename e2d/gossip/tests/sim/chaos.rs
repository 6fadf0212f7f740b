//! Random faults, then none: whatever happened, all find one another again and agree on every word.

use crate::world::{World, millis, ring};
use e2d_core::id::{BootId, NodeId};
use e2d_gossip::{Event, Rejection};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Machines, their processes, and what each said last.
struct Chaos {
    world: World,
    size: u32,
    frozen: BTreeSet<u32>,
    said: u32,
    last: BTreeMap<u32, String>,
    disks: u64,
    nodes: BTreeMap<u32, u64>,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        world.tape = Some(Vec::new());
        let size = 3 + world.random(4) as u32;
        let nodes = (0..size).map(|n| (n, u64::from(n) + 1)).collect();
        let mut chaos =
            Self { world, size, frozen: BTreeSet::new(), said: 0, last: BTreeMap::new(), disks: 100, nodes };
        for n in 0..size {
            chaos.restart(n);
        }
        chaos
    }

    fn restart(&mut self, n: u32) {
        self.frozen.remove(&n);
        // Everybody knows two machines, so that nobody depends on one.
        let seeds = [(n + 1) % self.size, (n + 2) % self.size];
        self.world.start_as(n, self.nodes[&n], &ring(1, None), &seeds);
        self.last.remove(&n);
        self.speak(n);
    }

    fn speak(&mut self, n: u32) {
        self.said += 1;
        let words = format!("{n} says {}", self.said);
        self.world.publish(n, 0, &words);
        self.last.insert(n, words);
    }

    fn one_fault(&mut self) {
        let n = self.world.random(self.size.into()) as u32;
        let m = self.world.random(self.size.into()) as u32;
        match self.world.random(11) {
            0 => self.world.kill(n),
            1 => self.restart(n),
            2 => {
                self.disks += 1;
                self.nodes.insert(n, self.disks);
                self.restart(n);
            }
            3 if self.world.is_running(n) && self.frozen.insert(n) => self.world.freeze(n),
            4 => self.thaw(n),
            5 if n != m => self.world.cut(n, m),
            6 => self.world.part(&[n], &(0..self.size).filter(|other| *other != n).collect::<Vec<_>>()),
            7 => self.world.heal(),
            8 => self.replay(),
            9 => self.world.loss = self.world.random(4) as f64 / 10.0,
            _ if self.world.is_running(n) && !self.frozen.contains(&n) => self.speak(n),
            _ => {}
        }
    }

    /// An eavesdropper plays back some of what it ever heard.
    fn replay(&mut self) {
        let tape = self.world.take_tape();
        for _ in 0..100 {
            let at = self.world.random(tape.len() as u64) as usize;
            self.world.carry(tape[at].clone());
        }
        self.world.tape = Some(tape);
    }

    fn thaw(&mut self, n: u32) {
        if self.frozen.remove(&n) && self.world.is_running(n) {
            self.world.thaw(n);
        }
    }

    fn end_of_faults(&mut self) {
        self.world.heal();
        self.world.loss = 0.0;
        for n in 0..self.size {
            self.thaw(n);
            if !self.world.is_running(n) {
                self.restart(n);
            }
        }
    }
}

#[test]
fn after_any_faults_all_are_together_and_agree() {
    for seed in 0..25 {
        let mut chaos = Chaos::new(seed);
        for _ in 0..40 {
            let pause = millis(chaos.world.random(3_000));
            chaos.world.run(pause);
            chaos.one_fault();
        }
        chaos.end_of_faults();
        chaos.world.until(&format!("seed {seed}: together"), SECOND * 5, World::is_whole);
        let (nodes, last) = (chaos.nodes.clone(), chaos.last.clone());
        chaos.world.until(&format!("seed {seed}: agreement"), SECOND * 3, |world| {
            last.iter().all(|(n, words)| world.all_have(nodes[n], 0, words))
        });
        check_what_was_told(&chaos.world, seed);
        let machines = 0..chaos.size;
        assert!(machines.clone().all(|n| chaos.world.engine(n).counters().rejected(Rejection::Forged) == 0));
        chaos.world.run(SECOND * 20);
        assert!(chaos.world.is_whole(), "seed {seed}: and stay together");
    }
}

/// Nobody is told words of one process out of order, nor twice unless they were confirmed or had ended.
fn check_what_was_told(world: &World, seed: u64) {
    let mut told: BTreeMap<(BootId, NodeId, BootId), (u64, bool)> = BTreeMap::new();
    for seen in &world.seen {
        match &seen.event {
            Event::Item { origin, boot, counter, direct, .. } => {
                let before = told.insert((seen.boot, *origin, *boot), (*counter, *direct));
                let is_later = before.is_none_or(|last| *counter > last.0 || (*counter, *direct) == (last.0, true));
                assert!(is_later, "seed {seed}: {seen:?} after {before:?}");
            }
            Event::ItemsEnded { origin, boot } => {
                told.remove(&(seen.boot, *origin, *boot));
            }
            _ => {}
        }
    }
}
