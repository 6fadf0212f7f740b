//! Schedules that lead to one kind of trouble, for what a plain draw would seldom meet.
//!
//! A story is a setup and a course of events whose moments still vary with the seed. The right program
//! passes all of them: they are run without a bug as well as with one.

use super::Fault;
use super::schedule::{Drawn, plan, schedule};
use crate::setup::Setup;
use crate::sim::Sim;
use crate::store::Access;
use rand::RngExt;
use std::time::Duration;

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// Anything.
    Any,
    /// Nothing, but for what the caller does.
    Nothing,
    /// All disks are lost at once, while the store is moody and restores are torn.
    AllLost,
    /// All disks are lost, and the founders are parted while they restore.
    PartedRestore,
    /// All disks are lost, and the store is away, or shows only damaged archives.
    LostInTheDark,
    /// The first founders are parted from one another and from the store, by turns.
    PartedBirth,
    /// Without a store, five machines of which three are to found, parted by turns.
    PartedVows,
    /// Two spares, parted from all members.
    PartedSpares,
    /// Members are replaced elsewhere while the store is away, then the old ones come back empty.
    LaggingRecord,
    /// A member is cut off, with or without its e2d, and then all the others lose their disks.
    Straggler,
    /// Members are sealed, and the spares restore.
    Seals,
    /// Single members come and go: cut off, blocked, wiped, killed again and again.
    Replacements,
    /// One machine is gone for good, the others lose power and flap.
    Gone,
    /// Two times N machines, parted in two halves from the beginning, and a slow store.
    TwoHalves,
    /// All services, or all machines, stop and start again, and some come back late.
    Outages,
}

/// All of them.
pub const ALL: [Story; 14] = [
    Story::Any,
    Story::AllLost,
    Story::PartedRestore,
    Story::LostInTheDark,
    Story::PartedBirth,
    Story::PartedVows,
    Story::PartedSpares,
    Story::LaggingRecord,
    Story::Straggler,
    Story::Seals,
    Story::Replacements,
    Story::Gone,
    Story::TwoHalves,
    Story::Outages,
];

impl Story {
    /// The setup that it needs.
    #[must_use]
    pub fn stage(self, setup: Setup) -> Setup {
        use crate::setup::{Begin, Sharing};
        let setup = Setup { story: self, ..setup };
        let plain = Setup { begin: Begin::Empty, sharing: Sharing::One, has_store: true, ..setup };
        match self {
            Self::Any | Self::Nothing => setup,
            Self::AllLost | Self::LostInTheDark | Self::PartedBirth | Self::Outages => plain,
            Self::TwoHalves => Setup { size: 3, hosts: 6, ..plain },
            Self::PartedVows => Setup { size: 3, hosts: 5, has_store: false, ..plain },
            Self::PartedRestore | Self::PartedSpares | Self::LaggingRecord | Self::Seals => {
                Setup { size: 3, hosts: 5, ..plain }
            }
            Self::Straggler | Self::Gone => Setup { size: 3, hosts: 4, ..plain },
            Self::Replacements => Setup { size: setup.size.max(3), hosts: setup.hosts.max(4), ..plain },
        }
    }

    /// Whether the spares come when the members are chosen, so that it is known who they are.
    #[must_use]
    pub fn holds_spares_back(self) -> bool {
        !matches!(self, Self::Any | Self::Nothing | Self::PartedBirth | Self::PartedVows | Self::TwoHalves)
    }

    /// Lets its faults strike. Says how long it takes.
    pub fn tell(self, sim: &mut Sim) -> Duration {
        let drawn = match self {
            Self::Any => {
                let from = Duration::from_secs(sim.rng.random_range(0..25));
                let span = Duration::from_secs(90);
                schedule(sim, from, span);
                return from + span + Duration::from_mins(1);
            }
            Self::Nothing => vec![],
            Self::AllLost => all_lost(sim),
            Self::PartedRestore => parted_restore(sim),
            Self::LostInTheDark => lost_in_the_dark(sim),
            Self::PartedBirth => parted_birth(sim),
            Self::PartedVows => parted_vows(sim),
            Self::PartedSpares => parted_spares(sim),
            Self::LaggingRecord => lagging_record(sim),
            Self::Straggler => straggler(sim),
            Self::Seals => seals(sim),
            Self::Replacements => replacements(sim),
            Self::Gone => gone(sim),
            Self::TwoHalves => two_halves(sim),
            Self::Outages => outages(sim),
        };
        let last = drawn.iter().map(|(when, _)| *when).max().unwrap_or_default();
        plan(sim, drawn);
        last + Duration::from_secs(30)
    }
}

/// A moment about `seconds` after the beginning.
fn about(sim: &mut Sim, seconds: u64) -> Duration {
    Duration::from_secs(seconds) + sim.millis(0, 4_000)
}

fn some_host(sim: &mut Sim) -> usize {
    sim.rng.random_range(0..sim.setup.size)
}

fn part(at: Duration, left: &[usize], right: &[usize]) -> Drawn {
    let both = |(a, b): (usize, usize)| [(at, Fault::Cut(a, b)), (at, Fault::Cut(b, a))];
    left.iter().flat_map(|a| right.iter().map(move |b| (*a, *b))).flat_map(both).collect()
}

fn treat(at: Duration, hosts: impl IntoIterator<Item = usize>, access: Access) -> Drawn {
    hosts.into_iter().map(|h| (at, Fault::Store(h, access))).collect()
}

fn all_lost(sim: &mut Sim) -> Drawn {
    let mut drawn = Drawn::new();
    for round in 0..2 {
        let at = about(sim, 30 + 60 * round);
        let hosts = 0..sim.hosts.len();
        drawn.extend(hosts.clone().map(|h| (at, Fault::Wipe(h))));
        for h in hosts {
            match sim.rng.random_range(0..4) {
                0 => drawn.push((at, Fault::TearRestore(h))),
                1 => {
                    let (from, to) = (at + sim.millis(0, 4_000), at + sim.millis(5_000, 15_000));
                    drawn.extend([(from, Fault::Store(h, Access::Down)), (to, Fault::Store(h, Access::Open))]);
                }
                2 => {
                    let (from, to) = (at + sim.millis(500, 6_000), at + sim.millis(7_000, 20_000));
                    drawn.extend([(from, Fault::PowerOff(h)), (to, Fault::PowerOn(h))]);
                }
                _ => {}
            }
        }
    }
    drawn
}

fn parted_restore(sim: &mut Sim) -> Drawn {
    let at = about(sim, 30);
    let cut = at + sim.millis(500, 8_000);
    let mut left: Vec<usize> = (0..5).collect();
    for n in (1..5).rev() {
        left.swap(n, sim.rng.random_range(0..=n));
    }
    let right = left.split_off(2);
    let mut drawn: Drawn = (0..5).map(|h| (at, Fault::Wipe(h))).collect();
    drawn.extend(part(cut, &left, &right));
    drawn.extend(treat(cut, left.clone(), Access::Denied));
    let end = cut + Duration::from_mins(1);
    drawn.extend(treat(end, left, Access::Open));
    drawn.push((end, Fault::Heal));
    drawn
}

fn lost_in_the_dark(sim: &mut Sim) -> Drawn {
    let (at, hosts) = (about(sim, 30), 0..sim.hosts.len());
    let mut drawn: Drawn = hosts.clone().map(|h| (at, Fault::Wipe(h))).collect();
    if sim.rng.random_bool(0.5) {
        drawn.push((at, Fault::DamageArchives));
    } else {
        let access = if sim.rng.random_bool(0.5) { Access::Down } else { Access::Denied };
        drawn.extend(treat(at, hosts.clone(), access));
        drawn.extend(treat(at + Duration::from_secs(40), hosts, Access::Open));
    }
    drawn
}

fn parted_birth(sim: &mut Sim) -> Drawn {
    let mut drawn = Drawn::new();
    let mut at = Duration::ZERO;
    for _ in 0..20 {
        at += sim.millis(500, 3_000);
        let h = some_host(sim);
        let others: Vec<usize> = (0..sim.hosts.len()).filter(|other| *other != h).collect();
        match sim.rng.random_range(0..4) {
            0 => drawn.extend(part(at, &[h], &others)),
            1 => drawn.push((at, Fault::Heal)),
            2 => drawn.push((at, Fault::Lossy(h, true))),
            _ => {
                drawn.push((at, Fault::Store(h, Access::Slow)));
                drawn.push((at + Duration::from_secs(9), Fault::Store(h, Access::Open)));
            }
        }
    }
    drawn
}

fn parted_vows(sim: &mut Sim) -> Drawn {
    let mut drawn = Drawn::new();
    let mut at = Duration::from_secs(1);
    for _ in 0..60 {
        at += sim.millis(50, 600);
        drawn.push((at, Fault::Heal));
        for (from, to) in (0..5).flat_map(|from| (0..5).map(move |to| (from, to))).filter(|(from, to)| from != to) {
            if sim.rng.random_bool(0.3) {
                drawn.push((at, Fault::Cut(from, to)));
            }
        }
        // Whoever has just vowed, or has just seen all vows, may fall silent there.
        let h = sim.rng.random_range(0..5);
        let back = at + sim.millis(500, 8_000);
        match sim.rng.random_range(0..4) {
            0 => drawn.extend([(at, Fault::Freeze(h)), (back, Fault::Thaw(h))]),
            1 => drawn.extend([(at, Fault::PowerOff(h)), (back, Fault::PowerOn(h))]),
            _ => {}
        }
    }
    drawn
}

fn two_halves(sim: &mut Sim) -> Drawn {
    let mut drawn = part(Duration::ZERO, &[0, 1, 2], &[3, 4, 5]);
    drawn.extend(treat(sim.millis(0, 3_000), 0..6, Access::Slow));
    let end = about(sim, 40);
    drawn.extend(treat(end, 0..6, Access::Open));
    drawn.push((end, Fault::Heal));
    drawn
}

fn outages(sim: &mut Sim) -> Drawn {
    let mut drawn = Drawn::new();
    let mut at = about(sim, 25);
    for _ in 0..3 {
        let services = sim.rng.random_bool(0.5);
        for h in 0..sim.hosts.len() {
            let back = at + sim.millis(1_000, 12_000);
            drawn.extend(if services {
                [(at, Fault::StopE2d(h)), (back, Fault::StartE2d(h))]
            } else {
                [(at, Fault::PowerOff(h)), (back, Fault::PowerOn(h))]
            });
        }
        at += sim.millis(20_000, 30_000);
    }
    drawn
}

fn parted_spares(sim: &mut Sim) -> Drawn {
    let (at, end) = (about(sim, 30), about(sim, 90));
    let mut drawn = part(at, &[3, 4], &[0, 1, 2]);
    drawn.push((end, Fault::Heal));
    drawn
}

fn lagging_record(sim: &mut Sim) -> Drawn {
    let dark = about(sim, 28);
    let mut drawn = treat(dark, 0..5, Access::Down);
    drawn.push((about(sim, 34), Fault::PowerOff(0)));
    drawn.push((about(sim, 72), Fault::PowerOff(1)));
    let at = about(sim, 112);
    drawn.extend(part(at, &[0, 1, 2], &[3, 4]));
    drawn.extend((0..3).map(|h| (at, Fault::Wipe(h))));
    drawn.extend(treat(at, 0..3, Access::Open));
    let end = at + Duration::from_secs(50);
    drawn.extend(treat(end, 3..5, Access::Open));
    drawn.push((end, Fault::Heal));
    drawn
}

fn straggler(sim: &mut Sim) -> Drawn {
    let mut drawn = vec![(about(sim, 15), Fault::PowerOff(0)), (about(sim, 60), Fault::PowerOn(0))];
    let cut = about(sim, 66);
    drawn.extend(part(cut, &[3], &[0, 1, 2]));
    drawn.push((cut, Fault::Store(3, Access::Slow)));
    let without_e2d = sim.rng.random_bool(0.5);
    drawn.extend(without_e2d.then_some((cut, Fault::KillE2d(3))));
    let at = about(sim, 112);
    drawn.extend((0..3).map(|h| (at, Fault::Wipe(h))));
    let end = at + Duration::from_secs(40);
    drawn.extend([(end, Fault::Heal), (end, Fault::Store(3, Access::Open))]);
    drawn.push((end + sim.millis(2_000, 20_000), Fault::StartE2d(3)));
    drawn
}

fn seals(sim: &mut Sim) -> Drawn {
    let at = about(sim, 35);
    let mut drawn: Drawn = (0..3).map(|h| (at, Fault::Seal(h))).collect();
    let cut = at + sim.millis(9_000, 14_000);
    drawn.extend(part(cut, &[0, 1, 2], &[3, 4]));
    drawn.extend(treat(cut, 0..3, Access::Down));
    let end = cut + Duration::from_secs(40);
    drawn.extend(treat(end, 0..3, Access::Open));
    drawn.push((end, Fault::Heal));
    drawn
}

fn replacements(sim: &mut Sim) -> Drawn {
    let mut drawn = Drawn::new();
    let mut at = about(sim, 15);
    for _ in 0..3 {
        let h = some_host(sim);
        let end = at + sim.millis(15_000, 45_000);
        let others: Vec<usize> = (0..sim.hosts.len()).filter(|other| *other != h).collect();
        match sim.rng.random_range(0..7) {
            0 => drawn.extend(part(at, &[h], &others)),
            1 => drawn.push((at, Fault::BlockGossip(h))),
            2 => drawn.push((at, Fault::BlockRaft(h))),
            3 => drawn.push((at, Fault::Wipe(h))),
            4 => drawn.extend([(at, Fault::Freeze(h)), (end, Fault::Thaw(h))]),
            5 => drawn.extend([(at, Fault::Wipe(h)), (at + sim.millis(1_000, 20_000), Fault::KillEtcd(h))]),
            _ => drawn.extend([(at, Fault::FreezeLeader(end.saturating_sub(at))), (at, Fault::Wipe(h))]),
        }
        drawn.push((end, Fault::Heal));
        at = end + sim.millis(1_000, 8_000);
    }
    drawn
}

fn gone(sim: &mut Sim) -> Drawn {
    let h = some_host(sim);
    let others: Vec<usize> = (0..3).filter(|other| *other != h).collect();
    let at = about(sim, 20);
    let mut drawn = vec![(at, Fault::Gone(h))];
    for n in 1..=8 {
        let flap = at + Duration::from_secs(n * 6);
        drawn.extend([(flap, Fault::BlockGossip(3)), (flap + Duration::from_secs(4), Fault::Heal)]);
    }
    let dark = at + sim.millis(2_000, 30_000);
    for other in others {
        drawn.extend([(dark, Fault::PowerOff(other)), (dark + sim.millis(1_000, 5_000), Fault::PowerOn(other))]);
    }
    drawn
}
