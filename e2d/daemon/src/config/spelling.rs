//! "Did you mean …?"

/// The candidate that `text` most likely was meant to be: at most a third of its letters differ.
#[must_use]
pub(super) fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // No key is that long, and the time grows with the length.
    if text.len() > 64 {
        return None;
    }
    let text = text.to_ascii_lowercase().replace('_', "-");
    let allowed = text.chars().count().div_ceil(3);
    candidates
        .map(|candidate| (distance(&text, &candidate.to_ascii_lowercase().replace('_', "-")), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, left out or replaced (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_differ() {
        assert_eq!(
            [("", ""), ("", "abc"), ("kitten", "sitting"), ("flaw", "lawn"), ("same", "same")]
                .map(|(a, b)| distance(a, b)),
            [0, 3, 3, 2, 0]
        );
    }

    #[test]
    fn only_a_likely_one_is_offered() {
        let keys = || ["data-dir", "host", "snapshot-url"].into_iter();
        assert_eq!(nearest("snapshot_urll", keys()), Some("snapshot-url"));
        assert_eq!(nearest("DATA-DIR", keys()), Some("data-dir"));
        assert_eq!(nearest("zzz", keys()), None);
        assert_eq!(nearest("", keys()), None);
        assert_eq!(nearest(&"host".repeat(100), keys()), None);
    }
}
