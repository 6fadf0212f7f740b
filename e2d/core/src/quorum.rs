//! The only place where a majority is computed.

/// The smallest number that is more than half of `voters`. Zero voters have no majority: the result
/// is 1, which nothing reaches.
#[must_use]
pub fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

/// Whether `present` of `voters` can commit.
#[must_use]
pub fn reached(present: usize, voters: usize) -> bool {
    voters > 0 && present >= majority(voters)
}

/// The record rule: with `outside` of `voters` not in the lineage object's record, does every
/// majority of the voters still meet the record? Then no cluster can go on that the record's proofs
/// of death do not cover.
#[must_use]
pub fn record_covers(outside: usize, voters: usize) -> bool {
    voters > 0 && outside < majority(voters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_half() {
        assert_eq!([1, 2, 3, 4, 5].map(majority), [1, 2, 2, 3, 3]);
        assert!(reached(2, 3) && !reached(1, 3) && !reached(0, 0));
    }

    /// S1: a majority without a recorded member must be impossible exactly when the rule allows.
    #[test]
    fn the_record_rule_is_about_majorities_outside_the_record() {
        for voters in 1..8 {
            for outside in 0..=voters {
                let a_majority_fits_outside = outside >= majority(voters);
                assert_eq!(record_covers(outside, voters), !a_majority_fits_outside);
            }
        }
    }
}
