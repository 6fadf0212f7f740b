//! Lengths of time as an operator writes them.
//!
//! Go's syntax, which the old program used, with days and weeks: `90s`, `1h30m`, `1.5h`, `2w`. A day
//! is 24 hours. Nothing here reads a clock.

use super::problem::Fault;
use std::time::Duration;

/// The longest span that any key takes: 365 days.
pub const LONGEST: Duration = Duration::from_hours(365 * 24);

/// Digits after the point that count; what follows is below a nanosecond for every unit.
const FRACTION_DIGITS: usize = 18;

/// Reads a span of `shortest` to [`LONGEST`].
pub fn at_least(shortest: Duration, text: &str) -> Result<Duration, Fault> {
    let span = parse(text)?;
    if span < shortest {
        return Err(Fault::new("too short"));
    }
    if span > LONGEST {
        return Err(Fault::new("too long"));
    }
    Ok(span)
}

/// Reads a span of zero or more.
pub fn parse(text: &str) -> Result<Duration, Fault> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.starts_with('-') {
        return Err(Fault::new("negative"));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return Err(Fault::new("no number"));
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let (part, tail) = component(rest)?;
        nanos = nanos.checked_add(part).ok_or_else(|| Fault::new("too long"))?;
        rest = tail;
    }
    u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| Fault::new("too long"))
}

/// Reads one number and its unit, as nanoseconds, and what follows them.
fn component(text: &str) -> Result<(u128, &str), Fault> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
    if whole.is_empty() && fraction.is_empty() {
        return Err(Fault::new(format!("no number before {rest:?}")));
    }
    let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let unit = unit_nanos(unit)?;
    let too_long = || Fault::new("too long");
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| too_long())? };
    let fraction = &fraction[..fraction.len().min(FRACTION_DIGITS)];
    // At most 18 digits times a week in nanoseconds: far below 2^128.
    let part = fraction.parse::<u128>().unwrap_or(0) * unit / 10u128.pow(fraction.len() as u32);
    let nanos = whole.checked_mul(unit).and_then(|nanos| nanos.checked_add(part)).ok_or_else(too_long)?;
    Ok((nanos, rest))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn unit_nanos(unit: &str) -> Result<u128, Fault> {
    let span = match unit {
        "ns" => Duration::from_nanos(1),
        // Go takes both the micro sign and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => Duration::from_micros(1),
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        "d" => Duration::from_hours(24),
        "w" => Duration::from_hours(7 * 24),
        "" => return Err(Fault::new("a number without a unit")),
        other => return Err(Fault::new(format!("unknown unit {other:?}"))),
    };
    Ok(span.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reason(text: &str) -> String {
        parse(text).unwrap_err().reason
    }

    /// The right column is what Go's `time.ParseDuration` gives, but for days and weeks.
    #[test]
    fn go_syntax_with_days_and_weeks() {
        for (text, nanos) in [
            ("0", 0),
            ("0s", 0),
            ("1ns", 1),
            ("1.5us", 1_500),
            ("2\u{b5}s", 2_000),
            ("+5s", 5_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1h15m30.918s", 4_530_918_000_000),
            ("3m3m", 360_000_000_000),
            ("0.3333333333333333333h", 1_199_999_999_999),
            ("1d", 86_400_000_000_000),
            ("1w", 604_800_000_000_000),
            ("1.5d", 129_600_000_000_000),
        ] {
            assert_eq!(parse(text).map(|span| span.as_nanos()), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(reason("90"), "a number without a unit");
        assert_eq!(reason("1h30"), "a number without a unit");
        assert_eq!(reason("5 s"), "unknown unit \" s\"");
        assert_eq!(reason("5y"), "unknown unit \"y\"");
        assert_eq!(reason("h"), "no number before \"h\"");
        assert_eq!(reason("."), "no number before \"\"");
        assert_eq!(reason(""), "no number");
        assert_eq!(reason("+"), "no number");
        assert_eq!(reason("-5s"), "negative");
        assert_eq!(reason("999999999999999999999999999999999999999999h"), "too long");
        assert_eq!(reason("18446744073709551615w"), "too long");
        assert_eq!(reason("300000000000000000000000000000000000000w"), "too long");
        let second = Duration::from_secs(1);
        assert_eq!(at_least(second, "999ms").unwrap_err().reason, "too short");
        assert_eq!(at_least(second, "366d").unwrap_err().reason, "too long");
        assert_eq!(at_least(second, "365d"), Ok(LONGEST));
    }

    proptest! {
        /// S22: any text gives a span or a fault.
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}|[0-9.smhdwnu+-]{0,40}") {
            let _ = parse(&text);
        }

        /// What is written as a sum of units comes back as that sum.
        #[test]
        fn a_sum_of_units_is_their_sum(w in 0u64..50, d in 0u64..50, h in 0u64..50, m in 0u64..90, ms in 0u64..5000) {
            let expected = Duration::from_millis(ms) + Duration::from_mins(m) + Duration::from_hours(h + 24 * d + 168 * w);
            prop_assert_eq!(parse(&format!("{w}w{d}d{h}h{m}m{ms}ms")), Ok(expected));
        }
    }
}
