//! The promises of the plan, on arbitrary worlds: plausible ones, and ones that cannot be.
//!
//! A world is grown from a list of small numbers (see [`choices`]): first a situation that happens, then,
//! often, a few things that contradict it. So every kind of act is reached, which [`reach`] counts, and a
//! world that breaks a promise shrinks to the plainest one that still does.

#[cfg(test)]
mod backups;
#[cfg(test)]
mod births;
#[cfg(test)]
mod choices;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod evictions;
#[cfg(test)]
mod ignorance;
#[cfg(test)]
mod losses;
#[cfg(test)]
mod noise;
#[cfg(test)]
mod operators;
mod orders;
#[cfg(test)]
mod reach;
#[cfg(test)]
mod sentences;
#[cfg(test)]
mod starts;
#[cfg(test)]
mod vows;
#[cfg(test)]
mod worlds;
