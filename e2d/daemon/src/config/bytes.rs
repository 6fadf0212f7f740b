//! Sizes in bytes as an operator writes them.
//!
//! A bare number is bytes. `KiB`, `MiB`, `GiB`, `TiB` are powers of 1024, `kB`, `MB`, `GB`, `TB` powers
//! of 1000. A lone `G` is refused: half of its readers would take it for the other one.

use super::problem::Fault;
use std::ops::RangeInclusive;

/// The units, each with its number of bytes.
const UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Reads a whole number of bytes within `range`.
pub fn within(range: RangeInclusive<u64>, text: &str) -> Result<u64, Fault> {
    let bytes = parse(text)?;
    if bytes < *range.start() {
        return Err(Fault::new("too small"));
    }
    if bytes > *range.end() {
        return Err(Fault::new("too large"));
    }
    Ok(bytes)
}

fn parse(text: &str) -> Result<u64, Fault> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.is_empty() {
        return Err(Fault::new("does not begin with a whole number"));
    }
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let Some((_, scale)) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) else {
        return Err(Fault::new(format!("unknown unit {unit:?}")));
    };
    let too_large = || Fault::new("too large");
    number.parse::<u64>().map_err(|_| too_large())?.checked_mul(*scale).ok_or_else(too_large)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn powers_of_1024_and_of_1000() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("17B", 17),
            ("1KiB", 1024),
            ("8GiB", 8 << 30),
            ("8 gib", 8 << 30),
            ("2MB", 2_000_000),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let reason = |text| parse(text).unwrap_err().reason;
        assert_eq!(reason("8G"), "unknown unit \"G\"");
        assert_eq!(reason("1.5GiB"), "unknown unit \".5GiB\"");
        assert_eq!(reason("GiB"), "does not begin with a whole number");
        assert_eq!(reason(""), "does not begin with a whole number");
        assert_eq!(reason("-1"), "does not begin with a whole number");
        assert_eq!(reason("99999999999999999999"), "too large");
        assert_eq!(reason("18446744073709551615TiB"), "too large");
        assert_eq!(within(10..=20, "9").unwrap_err().reason, "too small");
        assert_eq!(within(10..=20, "21").unwrap_err().reason, "too large");
        assert_eq!(within(10..=20, "20"), Ok(20));
    }

    proptest! {
        /// S22: any text gives a number or a fault.
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,30}|[0-9kKMGTiB ]{0,30}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_number_with_a_unit_is_their_product(number in 0u64..1_000_000, unit in 0usize..10) {
            let (name, scale) = UNITS[unit];
            prop_assert_eq!(parse(&format!("{number}{name}")), Ok(number * scale));
        }
    }
}
