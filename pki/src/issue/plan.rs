//! Decides which leaves to issue, and when to look again. Pure.
//!
//! A leaf is issued when it is missing, when what is there is not what is wanted, or when it is due.
//! Two things are not reasons: a certificate that could only get the same end again (its authority
//! ends then too), and files that could not be looked at.

use super::observe::{Found, FoundPair};
use crate::certificate::Certificate;
use crate::clock::Validity;
use crate::leaf::{BACKDATED, Difference, Leaf};
use crate::permission::Exposure;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;

/// What to do, why, and when to ask again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In the order of the wanted leaves.
    pub actions: Vec<Action>,
    /// When the next leaf becomes due. `None`: nothing changes with time alone.
    pub wake_at: Option<Timestamp>,
    /// One line for each wanted leaf.
    pub report: Vec<(String, Verdict)>,
}

/// One change of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make a new key, issue a certificate for it, and put both in their places.
    Issue {
        /// What it should say.
        leaf: Box<Leaf>,
        /// When it is valid: never beyond the authority.
        validity: Validity,
        /// Why.
        because: Reason,
    },
    /// Put the certificate that waits beside its key in its place.
    Finish {
        /// The leaf's file name without its ending.
        stem: String,
    },
}

/// Why a leaf is issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A file is not there.
    Missing(String),
    /// The two files are no pair.
    Damaged(String),
    /// Another authority issued it, or nobody that can be verified.
    OtherIssuer(String),
    /// It says something else than it should.
    Differs(Difference),
    /// Everybody on the machine could reach its key.
    Exposed,
    /// Not valid yet: it was issued under a clock that ran ahead.
    NotYetValid(Timestamp),
    /// Not valid any more.
    Expired(Timestamp),
    /// In the last part of its life.
    Due(Timestamp),
}

/// What was decided about one leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be, and is issued anew from then on.
    Good {
        /// When it becomes due.
        due: Timestamp,
    },
    /// It is as it should be, and cannot get a later end, because its authority ends then.
    AuthorityEnds(Timestamp),
    /// It will be issued.
    Issue(Reason),
    /// Its replacement will be finished; then it is looked at again.
    Finish,
    /// Nothing is done: what is there could not be looked at.
    Unknown(String),
    /// Nothing can be issued: the authority is not valid now.
    AuthorityInvalid(Validity),
}

/// Decides. `found` has what was seen at the place of each leaf; a leaf without an entry was not looked
/// at, and waits.
#[must_use]
pub fn plan(wanted: &[Leaf], found: &BTreeMap<String, Found>, authority: &Certificate, now: Timestamp) -> Plan {
    let mut plan = Plan { actions: Vec::new(), wake_at: None, report: Vec::new() };
    for leaf in wanted {
        let (verdict, action) = consider(leaf, found.get(&leaf.stem), authority, now);
        plan.actions.extend(action);
        let wake_at = match &verdict {
            Verdict::Good { due } => Some(*due),
            Verdict::AuthorityInvalid(validity) if now < validity.not_before => Some(validity.not_before),
            _ => None,
        };
        plan.wake_at = plan.wake_at.into_iter().chain(wake_at).min();
        plan.report.push((leaf.stem.clone(), verdict));
    }
    plan
}

fn consider(leaf: &Leaf, found: Option<&Found>, authority: &Certificate, now: Timestamp) -> (Verdict, Option<Action>) {
    let new = new_validity(leaf, authority, now);
    let reason = match found {
        None => return (Verdict::Unknown("it was not looked at".into()), None),
        Some(Found::Hidden { why }) => return (Verdict::Unknown(why.clone()), None),
        Some(Found::Interrupted) => return (Verdict::Finish, Some(Action::Finish { stem: leaf.stem.clone() })),
        Some(Found::Missing { file }) => Reason::Missing(file.clone()),
        Some(Found::Damaged { why }) => Reason::Damaged(why.clone()),
        Some(Found::Pair(pair)) => match judge(leaf, pair, new, now) {
            Ok(verdict) => return (verdict, None),
            Err(reason) => reason,
        },
    };
    match new {
        Some(validity) => {
            let action = Action::Issue { leaf: Box::new(leaf.clone()), validity, because: reason.clone() };
            (Verdict::Issue(reason), Some(action))
        }
        None => (Verdict::AuthorityInvalid(authority.validity), None),
    }
}

/// What a certificate issued now would get. `None` while the authority is not valid.
fn new_validity(leaf: &Leaf, authority: &Certificate, now: Timestamp) -> Option<Validity> {
    let full = Validity::from(now, BACKDATED, leaf.life)?;
    let validity = Validity { not_after: full.not_after.min(authority.validity.not_after), ..full };
    authority.validity.holds_at(now).then_some(validity)
}

fn judge(leaf: &Leaf, pair: &FoundPair, new: Option<Validity>, now: Timestamp) -> Result<Verdict, Reason> {
    let certificate = &pair.certificate;
    if certificate.version != 3 {
        // No verifier would say whose it is.
        return Err(Reason::Differs(Difference::Version));
    }
    if !pair.is_ours {
        return Err(Reason::OtherIssuer(certificate.issuer.to_string()));
    }
    if let Some(difference) = leaf.differs_from(certificate) {
        return Err(Reason::Differs(difference));
    }
    if pair.exposure == Exposure::World {
        return Err(Reason::Exposed);
    }
    let validity = certificate.validity;
    if now < validity.not_before {
        return Err(Reason::NotYetValid(validity.not_before));
    }
    if !validity.holds_at(now) {
        return Err(Reason::Expired(validity.not_after));
    }
    let due = due(validity, leaf.renew_in_last);
    if now < due {
        return Ok(Verdict::Good { due });
    }
    match new {
        // Else it would be issued again and again until both end.
        Some(new) if new.not_after <= validity.not_after => Ok(Verdict::AuthorityEnds(validity.not_after)),
        _ => Err(Reason::Due(validity.not_after)),
    }
}

/// The moment from which the last n-th of a life remains.
fn due(validity: Validity, renew_in_last: u32) -> Timestamp {
    let remaining = validity.life() / i32::try_from(renew_in_last.max(1)).unwrap_or(i32::MAX);
    validity.not_after.checked_sub(remaining).unwrap_or(validity.not_before)
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(file) => write!(f, "{file} is missing"),
            Self::Damaged(why) => f.write_str(why),
            Self::OtherIssuer(issuer) => write!(f, "it was not issued by this authority but by {issuer}"),
            Self::Differs(Difference::Version) => f.write_str("it is not X.509 version 3"),
            Self::Differs(Difference::Subject) => f.write_str("its subject is another"),
            Self::Differs(Difference::Usage) => f.write_str("its usages are others"),
            Self::Differs(Difference::Hosts) => f.write_str("its hosts are others"),
            Self::Exposed => f.write_str("everybody on this machine could reach its key"),
            Self::NotYetValid(from) => write!(f, "it is not valid before {from}"),
            Self::Expired(at) => write!(f, "it expired at {at}"),
            Self::Due(at) => write!(f, "it expires at {at}"),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good { due } => write!(f, "good until it is renewed from {due} on"),
            Self::AuthorityEnds(at) => write!(f, "good until {at}, and no longer: its authority ends then"),
            Self::Issue(reason) => write!(f, "issued, because {reason}"),
            Self::Finish => f.write_str("its replacement was interrupted and is finished"),
            Self::Unknown(why) => write!(f, "left alone, because it cannot be looked at: {why}"),
            Self::AuthorityInvalid(validity) => {
                write!(f, "not issued: the authority is valid from {} to {}", validity.not_before, validity.not_after)
            }
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issue { leaf, validity, because } => {
                write!(f, "issue {} until {}, because {because}", leaf.stem, validity.not_after)
            }
            Self::Finish { stem } => write!(f, "finish the interrupted replacement of {stem}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::Authority;
    use crate::key::{KeyType, PrivateKey};
    use crate::leaf;
    use crate::role::Role;
    use jiff::SignedDuration;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::sync::LazyLock;

    fn moment(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    /// One real authority and one real leaf; the tests change what they say.
    static REAL: LazyLock<(Certificate, Leaf, Certificate)> = LazyLock::new(|| {
        let now = moment(400_000);
        let authority = Authority::create(&Authority::default_name(), KeyType::EcdsaP256, now).unwrap();
        let leaf = leaf::etcd(&BTreeSet::new(), KeyType::EcdsaP256, Role::None).remove(0);
        let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
        let validity = Validity::from(now, BACKDATED, leaf.life).unwrap();
        let certificate = authority.issue(&leaf, &key, validity).unwrap();
        (authority.certificate().clone(), leaf, certificate)
    });

    fn saying(real: &Certificate, validity: Validity, version: u32) -> Certificate {
        let mut certificate = real.clone();
        (certificate.validity, certificate.version) = (validity, version);
        certificate
    }

    prop_compose! {
        fn any_validity()(from in 300_000_i64..500_000, hours in 0_i64..100_000) -> Validity {
            Validity { not_before: moment(from), not_after: moment(from + hours) }
        }
    }

    prop_compose! {
        fn any_pair()(
            validity in any_validity(),
            is_ours: bool,
            exposure in prop_oneof![Just(Exposure::Owner), Just(Exposure::Group), Just(Exposure::World)],
            version in 1_u32..=3,
        ) -> Found {
            let certificate = saying(&REAL.2, validity, version);
            Found::Pair(Box::new(FoundPair { certificate, is_ours, exposure }))
        }
    }

    fn any_found() -> impl Strategy<Value = Option<Found>> {
        prop_oneof![
            Just(None),
            Just(Some(Found::Missing { file: "server.key".into() })),
            Just(Some(Found::Hidden { why: "denied".into() })),
            Just(Some(Found::Damaged { why: "torn".into() })),
            Just(Some(Found::Interrupted)),
            any_pair().prop_map(Some),
            any_pair().prop_map(Some),
        ]
    }

    fn decide(found: Option<&Found>, authority: Validity, now: Timestamp) -> Plan {
        let authority = saying(&REAL.0, authority, 3);
        let found = found.map(|found| (REAL.1.stem.clone(), found.clone())).into_iter().collect();
        plan(std::slice::from_ref(&REAL.1), &found, &authority, now)
    }

    fn issued(plan: &Plan) -> Option<Validity> {
        plan.actions.iter().find_map(|action| match action {
            Action::Issue { validity, .. } => Some(*validity),
            Action::Finish { .. } => None,
        })
    }

    /// What the folder holds after the plan's action.
    fn after(validity: Validity) -> Found {
        let certificate = saying(&REAL.2, validity, 3);
        Found::Pair(Box::new(FoundPair { certificate, is_ours: true, exposure: Exposure::Owner }))
    }

    proptest! {
        /// S20: taking an observation away never leads to an act.
        #[test]
        fn ignorance_never_acts(found in any_found(), authority in any_validity(), hour in 300_000_i64..600_000) {
            let _ = found;
            prop_assert_eq!(decide(None, authority, moment(hour)).actions, []);
            let hidden = Found::Hidden { why: "denied".into() };
            prop_assert_eq!(decide(Some(&hidden), authority, moment(hour)).actions, []);
        }

        #[test]
        fn one_issue_is_enough_and_the_next_is_awaited(
            found in any_found(), authority in any_validity(), hour in 300_000_i64..600_000,
        ) {
            let now = moment(hour);
            if let Some(validity) = issued(&decide(found.as_ref(), authority, now)) {
                prop_assert!(authority.holds_at(now) && validity.holds_at(now));
                prop_assert!(validity.not_after <= authority.not_after);
                let next = decide(Some(&after(validity)), authority, now);
                prop_assert_eq!(&next.actions, &[]);
                if let Some(wake_at) = next.wake_at {
                    prop_assert!(now < wake_at && wake_at <= validity.not_after);
                }
            }
        }

        /// Nothing happens before `wake_at`; at it, a good leaf is issued if it can get a later end.
        #[test]
        fn waking_later_is_not_needed(validity in any_validity(), authority in any_validity(), hour in 300_000_i64..500_000) {
            let found = after(validity);
            let seen = decide(Some(&found), authority, moment(hour));
            prop_assume!(seen.actions.is_empty());
            let Some(wake_at) = seen.wake_at else { return Ok(()) };
            prop_assert!(wake_at > moment(hour));
            let just_before = wake_at - SignedDuration::from_secs(1);
            prop_assert_eq!(decide(Some(&found), authority, just_before).actions, []);
            let then = decide(Some(&found), authority, wake_at);
            prop_assume!(matches!(seen.report[0].1, Verdict::Good { .. }));
            let can_be_longer = authority.holds_at(wake_at)
                && (wake_at + REAL.1.life).min(authority.not_after) > validity.not_after;
            prop_assert_eq!(issued(&then).is_some(), can_be_longer, "{:?}", then.report);
        }
    }

    #[test]
    fn a_quarter_is_a_quarter() {
        let validity = Validity { not_before: moment(0), not_after: moment(400) };
        assert_eq!(
            [1, 3, 4].map(|part| due(validity, part)),
            [moment(0), moment(400) - SignedDuration::from_mins(8000), moment(300)]
        );
    }

    #[test]
    fn a_plan_is_told_in_sentences() {
        let found = Found::Damaged { why: "server.key does not belong to server.crt".into() };
        let authority = Validity { not_before: moment(400_000), not_after: moment(500_000) };
        let plan = decide(Some(&found), authority, moment(400_001));
        assert_eq!(
            plan.actions[0].to_string(),
            "issue server until 2016-08-18T17:00:00Z, because server.key does not belong to server.crt"
        );
        assert_eq!(plan.report[0].1.to_string(), "issued, because server.key does not belong to server.crt");
        let late = decide(Some(&found), authority, moment(500_001));
        assert_eq!(
            late.report[0].1.to_string(),
            "not issued: the authority is valid from 2015-08-19T16:00:00Z to 2027-01-15T08:00:00Z"
        );
    }
}
