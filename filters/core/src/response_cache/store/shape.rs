//! Which shared values there are, and what they may take.

use super::WAYS;
use super::policy::Eviction;
use crate::slots::Fingerprint;
use core::fmt;

/// What a key costs in the proxy's map besides its value, generously: the text, the node, the allocator's share.
const KEY_BYTES: u64 = 192;

/// What a set takes before it lists anything: its key, the purges it remembers, the counts of the LFU policy.
const SET_BYTES: u64 = 1_536;

/// At most this share of the bound goes to keys and empty sets.
const FIXED_SHARE: u64 = 4;

/// The name of a shared value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// An [`Index`](super::Index) set, by number.
    Set(u32),
    /// The bytes of an answer: the number of the set and the place in it.
    Body(u32, u8),
    /// The [`Purges`](super::Purges).
    Purges,
    /// The [`Pulse`](super::Pulse) of the VM slot with this number.
    Pulse(u8),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Each miss that is stored names six of them, and `write!` takes twice as long for one.
        let (mut first, mut second) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (kind, number) = match self {
            Self::Set(set) => ("set/", first.format(*set)),
            Self::Body(set, _) => ("body/", first.format(*set)),
            Self::Purges => ("purges", ""),
            Self::Pulse(slot) => ("pulse/", first.format(*slot)),
        };
        f.write_str(kind)?;
        f.write_str(number)?;
        if let Self::Body(_, slot) = self {
            f.write_str("/")?;
            f.write_str(second.format(*slot))?;
        }
        Ok(())
    }
}

/// How many sets there are, and how many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    sets: u32,
    budget: u64,
    most_object: u64,
    eviction: Eviction,
}

impl Shape {
    /// A store that takes at most `max_bytes`, everything included, holds at most `max_entries` answers of at most
    /// `max_object` bytes each (with their headers and key).
    ///
    /// Keys and empty sets take at most a quarter of the bytes: where that is not enough for so many entries, there
    /// are fewer. Less than [`WAYS`] entries are rounded up to that.
    pub fn new(max_bytes: u64, max_entries: u32, max_object: u64, eviction: Eviction) -> Self {
        let ways = u64::try_from(WAYS).unwrap_or(u64::MAX);
        let per_set = SET_BYTES + KEY_BYTES + ways * KEY_BYTES;
        let affordable = (max_bytes / FIXED_SHARE / per_set).max(1);
        let wanted = (u64::from(max_entries) / ways).max(1);
        let sets = u32::try_from(wanted.min(affordable)).unwrap_or(u32::MAX);
        let budget = max_bytes.saturating_sub(u64::from(sets) * per_set);
        Self { sets, budget, most_object: max_object.min(budget), eviction }
    }

    /// How many sets there are.
    pub const fn sets(self) -> u32 {
        self.sets
    }

    /// How many answers there can be.
    pub fn entries(self) -> u64 {
        u64::from(self.sets).saturating_mul(u64::try_from(WAYS).unwrap_or(u64::MAX))
    }

    /// How many bytes the entries and their answers may take together.
    pub const fn budget(self) -> u64 {
        self.budget
    }

    /// How many bytes one answer may take.
    pub const fn most_object(self) -> u64 {
        self.most_object
    }

    /// Which entries go first.
    pub const fn eviction(self) -> Eviction {
        self.eviction
    }

    /// The bytes that are one set's part of the budget.
    pub fn share(self) -> u64 {
        self.budget / u64::from(self.sets.max(1))
    }

    /// The set of a primary key.
    pub fn set_of(self, key: Fingerprint) -> u32 {
        let upper = u64::try_from(key.0 >> 96).unwrap_or(u64::MAX);
        u32::try_from((upper * u64::from(self.sets)) >> 32).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const MIB: u64 = 1 << 20;

    #[test]
    fn keys_and_empty_sets_come_out_of_the_bound() {
        for (max_bytes, max_entries, sets, budget) in [
            (64 * MIB, 8_192, 256, 64 * MIB - 256 * 7_872),
            // A quarter of a MiB pays for 33 sets.
            (MIB, 1 << 20, 33, MIB - 33 * 7_872),
            (MIB, 64, 2, MIB - 2 * 7_872),
            (MIB, 0, 1, MIB - 7_872),
            (0, 64, 1, 0),
        ] {
            let shape = Shape::new(max_bytes, max_entries, MIB, Eviction::Sieve);
            assert_eq!(
                (shape.sets(), shape.budget()),
                (sets, budget),
                "{max_bytes} bytes, {max_entries} entries"
            );
            assert!(shape.most_object() <= shape.budget());
        }
    }

    #[test]
    fn every_key_has_a_set() {
        let shape = Shape::new(64 * MIB, 8_192, MIB, Eviction::Sieve);
        assert_eq!(shape.set_of(Fingerprint(0)), 0);
        assert_eq!(shape.set_of(Fingerprint(u128::MAX)), 255);
        assert_eq!(shape.set_of(Fingerprint(1 << 127)), 128);
    }

    #[test]
    fn keys_have_names() {
        for (key, name) in [
            (Key::Set(3), "set/3"),
            (Key::Body(3, 31), "body/3/31"),
            (Key::Purges, "purges"),
            (Key::Pulse(0), "pulse/0"),
        ] {
            assert_eq!(key.to_string(), name);
        }
    }
}
