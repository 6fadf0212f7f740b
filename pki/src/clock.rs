//! Wall-clock time as the libraries around us want it. Nobody here reads a clock.

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::UnixTime;
use std::time::Duration;

/// The moment as rustls takes it; before 1970 is 1970.
pub(crate) fn unix_time(moment: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(moment.as_second()).unwrap_or(0)))
}

/// From when to when a certificate is valid, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Validity {
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

impl Validity {
    /// `life` from `now` on, and `backdated` before it, for clocks that run behind. `None`: outside of the
    /// years that a certificate can tell, 1970 to 9999.
    #[must_use]
    pub fn from(now: Timestamp, backdated: SignedDuration, life: SignedDuration) -> Option<Self> {
        let second = |moment: Timestamp| Timestamp::from_second(moment.as_second()).ok();
        let validity = Self {
            not_before: second(now.checked_sub(backdated).ok()?)?,
            not_after: second(now.checked_add(life).ok()?)?,
        };
        (validity.not_before >= Timestamp::UNIX_EPOCH && validity.not_before <= validity.not_after).then_some(validity)
    }

    /// Sets both ends in what rcgen will write.
    pub(crate) fn write_to(self, params: &mut rcgen::CertificateParams) {
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let since = |moment: Timestamp| Duration::from_secs(u64::try_from(moment.as_second()).unwrap_or(0));
        params.not_before = epoch + since(self.not_before);
        params.not_after = epoch + since(self.not_after);
    }

    /// Whether `now` lies in it.
    #[must_use]
    pub fn holds_at(self, now: Timestamp) -> bool {
        (self.not_before.as_second()..=self.not_after.as_second()).contains(&now.as_second())
    }

    /// From the first second to the last.
    #[must_use]
    pub fn life(self) -> SignedDuration {
        self.not_after.duration_since(self.not_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_ends_are_valid_and_their_neighbours_are_not() {
        let now: Timestamp = "2026-11-22T19:00:00.9Z".parse().unwrap();
        let validity = Validity::from(now, SignedDuration::from_hours(1), SignedDuration::from_hours(2)).unwrap();
        assert_eq!(validity.not_before.to_string(), "2026-11-22T18:00:00Z");
        assert_eq!(validity.not_after.to_string(), "2026-11-22T21:00:00Z");
        let at = |text: &str| validity.holds_at(text.parse().unwrap());
        assert!(at("2026-11-22T18:00:00Z") && at("2026-11-22T21:00:00Z"));
        assert!(!at("2026-11-22T17:59:59Z") && !at("2026-11-22T21:00:01Z"));
    }

    proptest! {
        /// A clock that is wrong by millennia must not end the process.
        #[test]
        fn any_clock_gives_a_validity_or_none(second in Timestamp::MIN.as_second()..=Timestamp::MAX.as_second()) {
            let now = Timestamp::from_second(second).unwrap();
            let life = SignedDuration::from_hours(87_600);
            if let Some(validity) = Validity::from(now, SignedDuration::from_hours(1), life) {
                validity.write_to(&mut rcgen::CertificateParams::default());
                prop_assert!(validity.holds_at(now));
            }
        }
    }
}
