//! Base64 (RFC 4648, section 4) for secrets.
//!
//! It exists because neither a PEM writer nor a base64 codec that leaves no copies of a key in freed
//! memory is among our libraries. Both directions allocate once, in memory that is wiped. It does not
//! run in constant time: it only meets keys that this process reads from, or writes to, its own disk.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes `bytes` with padding, as one line.
pub(crate) fn encode(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[(group >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= chunk.len() { digit.into() } else { '=' });
        }
    }
    text
}

/// Reads one line of base64, padded or not. `None`: another character, a length that no encoder
/// writes, or bits left over, so that every value has one spelling (and its padded twin).
pub(crate) fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let digits = match text {
        [start @ .., b'=', b'='] | [start @ .., b'='] if text.len().is_multiple_of(4) => start,
        _ => text,
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len() / 4 * 3 + 2));
    for chunk in digits.chunks(4) {
        let mut group = 0_u32;
        for digit in chunk {
            group = group << 6 | value(*digit)?;
        }
        let whole_bytes = match chunk.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        group <<= 6 * (4 - chunk.len());
        let spare_bits = 8 * (3 - whole_bytes);
        if group & ((1 << spare_bits) - 1) != 0 {
            return None;
        }
        bytes.extend_from_slice(&group.to_be_bytes()[1..=whole_bytes]);
    }
    Some(bytes)
}

fn value(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 4648, section 10.
    #[test]
    fn the_vectors_of_the_rfc() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(*encode(plain.as_bytes()), text);
            assert_eq!(decode(text.as_bytes()).unwrap().as_slice(), plain.as_bytes());
            assert_eq!(decode(text.trim_end_matches('=').as_bytes()).unwrap().as_slice(), plain.as_bytes());
        }
    }

    #[test]
    fn one_value_has_one_spelling() {
        for text in ["Zh==", "Z", "Zg=", "Zg===", "Zm9v=", "Zm 9v", "Zm9-", "====", "=", "Zg==Zg=="] {
            assert!(decode(text.as_bytes()).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes: Vec<u8>) {
            let text = encode(&bytes);
            prop_assert_eq!(text.capacity(), text.len());
            prop_assert_eq!(decode(text.as_bytes()).unwrap().to_vec(), bytes);
        }

        #[test]
        fn what_is_read_is_written(text in "[A-Za-z0-9+/]{0,40}") {
            if let Some(bytes) = decode(text.as_bytes()) {
                let again = encode(&bytes);
                prop_assert_eq!(again.trim_end_matches('='), text);
            }
        }
    }
}
