//! A small stable hash, where the standard library promises none: FNV-1a with a final mix.
//!
//! Sums of it travel between nodes, so it never changes. It is not for security.

use std::hash::Hasher;

/// FNV's 64-bit offset basis and prime (RFC 9923).
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(BASIS)
    }
}

impl Fnv {
    /// A hash of its own for each seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(BASIS ^ seed)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }

    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_for_ever() {
        let mut hasher = Fnv::default();
        hasher.write(b"foobar");
        assert_eq!(hasher.0, 0x8594_4171_f739_67e8, "the value that RFC 9923 gives for FNV-1a");
        assert_eq!(hasher.finish(), 7_406_613_366_324_386_431);
    }
}
